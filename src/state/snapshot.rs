//! What a session's records need at every call: the configuration, the standard attributes and the series, as one snapshot.

use std::sync::Arc;

use super::Setup;
use crate::metrics::{Held, PLACES, Series, Turn};
use crate::record::{TokenType, TokenUsage};
use crate::session_attributes::{Standard, shorten};

/// The snapshot. It is replaced as a whole when the identity or the configuration changes or a series is used for the
/// first time; until then records read it without a lock.
pub(crate) struct View {
    pub(crate) setup: Arc<Setup>,
    pub(crate) standard: Arc<Standard>,
    /// The standard attributes of metrics, whose texts are shortened: nearly always the same ones.
    pub(crate) metric_standard: Arc<Standard>,
    models: Box<[ModelSeries]>,
    others: Box<[Held]>,
}

/// The series of one model: cost, then the types of tokens.
#[derive(Clone, Debug)]
struct ModelSeries {
    model: Arc<str>,
    /// What a request is added to in one go, once all its series are there.
    turn: Option<Arc<Turn>>,
    series: [Option<Held>; PLACES],
}

impl View {
    pub(crate) fn new(
        setup: Arc<Setup>,
        standard: Arc<Standard>,
        metric_standard: Arc<Standard>,
    ) -> Self {
        Self {
            setup,
            standard,
            metric_standard,
            models: Box::default(),
            others: Box::default(),
        }
    }

    /// The cost series of a model.
    pub(crate) fn cost(&self, model: &str) -> Option<&Held> {
        self.model(model)?.series[0].as_ref()
    }

    /// A token series of a model.
    pub(crate) fn tokens(&self, model: &str, kind: TokenType) -> Option<&Held> {
        self.model(model)?.series[1 + kind.place()].as_ref()
    }

    /// A series that belongs to no model.
    pub(crate) fn other(&self, series: &Series) -> Option<&Held> {
        self.others.iter().find(|held| held.series() == series)
    }

    /// Adds cost and tokens of a request in one go. False when that cannot be now: nothing is added then.
    pub(crate) fn add_request(&self, model: &str, usd: f64, tokens: TokenUsage) -> bool {
        let turn = self.model(model).and_then(|model| model.turn.as_ref());
        turn.is_some_and(|turn| {
            turn.add([
                usd,
                tokens.input as f64,
                tokens.output as f64,
                tokens.cache_read as f64,
                tokens.cache_creation as f64,
            ])
        })
    }

    /// Whether all series of a model's requests are here.
    pub(crate) fn has_request(&self, model: &str) -> bool {
        let known = self.model(model);
        known.is_some_and(|known| known.series.iter().all(Option::is_some))
    }

    /// The series that a request of this model adds to and that are not here yet.
    pub(crate) fn missing(&self, model: &Arc<str>) -> Vec<Series> {
        let known = self.model(model);
        Series::of_request(model)
            .into_iter()
            .zip(0..)
            .filter(|(_, place)| known.is_none_or(|known| known.series[*place].is_none()))
            .map(|(series, _)| series)
            .collect()
    }

    /// The same snapshot under another configuration.
    pub(crate) fn under(&self, setup: Arc<Setup>) -> Self {
        Self {
            setup,
            standard: Arc::clone(&self.standard),
            metric_standard: Arc::clone(&self.metric_standard),
            models: self.models.clone(),
            others: self.others.clone(),
        }
    }

    /// The same snapshot with more series.
    pub(crate) fn with(&self, more: impl IntoIterator<Item = Held>) -> Self {
        let (mut models, mut others) = (self.models.to_vec(), self.others.to_vec());
        for held in more {
            let of_model = held.series().of_model();
            match of_model.map(|(model, place)| (Arc::clone(model), place)) {
                Some((model, place)) => entry(&mut models, &model).take(place, held),
                None => others.push(held),
            }
        }
        Self {
            setup: Arc::clone(&self.setup),
            standard: Arc::clone(&self.standard),
            metric_standard: Arc::clone(&self.metric_standard),
            models: models.into(),
            others: others.into(),
        }
    }

    fn model(&self, model: &str) -> Option<&ModelSeries> {
        let find = |model: &str| self.models.iter().find(|series| *series.model == *model);
        find(model).or_else(|| {
            let short = shorten(model);
            find(short).filter(|_| short.len() < model.len())
        })
    }
}

impl ModelSeries {
    fn take(&mut self, place: usize, held: Held) {
        self.series[place] = Some(held);
        let all = self.series.iter().flatten();
        let complete = self.series.iter().all(Option::is_some);
        self.turn = Held::common(all).filter(|_| complete).cloned();
    }
}

/// The entry of a model, which may be new.
fn entry<'a>(models: &'a mut Vec<ModelSeries>, model: &Arc<str>) -> &'a mut ModelSeries {
    let known = models.iter().position(|series| series.model == *model);
    let at = known.unwrap_or_else(|| {
        models.push(ModelSeries {
            model: Arc::clone(model),
            turn: None,
            series: Default::default(),
        });
        models.len() - 1
    });
    &mut models[at]
}
