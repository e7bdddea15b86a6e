//! A snapshot of the data that every record of a session needs: configuration, standard attributes and series.

use std::sync::Arc;

use super::ActiveConfig;
use crate::metrics::{CounterHandle, REQUEST_SERIES, Series};
use crate::record::{TokenType, TokenUsage};
use crate::session_attributes::{SessionAttributes, shorten};

/// The snapshot of a session. It is replaced as a whole when the identity or the configuration changes, or when a
/// series is used for the first time; in between, records read it without a lock.
#[derive(Clone)]
pub(crate) struct SessionSnapshot {
    pub(crate) active: Arc<ActiveConfig>,
    pub(crate) standard: Arc<SessionAttributes>,
    /// The standard attributes of metrics, with shortened texts. Usually the same set as `standard`.
    pub(crate) metric_standard: Arc<SessionAttributes>,
    models: Box<[ModelSeries]>,
    others: Box<[CounterHandle]>,
}

/// The series of one model: the cost, then the types of tokens.
#[derive(Clone, Debug)]
struct ModelSeries {
    model: Arc<str>,
    series: [Option<CounterHandle>; REQUEST_SERIES],
}

impl SessionSnapshot {
    pub(crate) fn new(
        active: Arc<ActiveConfig>,
        standard: Arc<SessionAttributes>,
        metric_standard: Arc<SessionAttributes>,
    ) -> Self {
        Self {
            active,
            standard,
            metric_standard,
            models: Box::default(),
            others: Box::default(),
        }
    }

    /// Returns the counter of a series that this session has used.
    pub(crate) fn counter(&self, series: &Series<&str>) -> Option<&CounterHandle> {
        match series.of_model() {
            Some((model, place)) => self.model(model)?.series[place].as_ref(),
            None => {
                let mut others = self.others.iter();
                others.find(|held| held.series().map(|text| &**text) == *series)
            }
        }
    }

    /// Adds the cost and the tokens of a request. Returns `false`, and adds nothing, if a series of the model is not open.
    pub(crate) fn add_request(&self, model: &str, usd: f64, tokens: TokenUsage) -> bool {
        let Some(known) = self.model(model).filter(|known| known.is_complete()) else {
            return false;
        };
        let [input, output, cache_read, cache_creation] =
            TokenType::ALL.map(|kind| tokens.get(kind) as f64);
        let amounts = [usd, input, output, cache_read, cache_creation];
        for (counter, amount) in known.series.iter().flatten().zip(amounts) {
            counter.add(amount);
        }
        true
    }

    /// Returns whether all series for the requests of a model are open.
    pub(crate) fn has_request(&self, model: &str) -> bool {
        self.model(model).is_some_and(ModelSeries::is_complete)
    }

    /// Returns the series for the requests of this model that are not open yet.
    pub(crate) fn missing(&self, model: &Arc<str>) -> Vec<Series> {
        let known = self.model(model);
        Series::of_request(model)
            .into_iter()
            .zip(0..)
            .filter(|(_, place)| known.is_none_or(|known| known.series[*place].is_none()))
            .map(|(series, _)| series)
            .collect()
    }

    /// Returns a copy of this snapshot with more series.
    pub(crate) fn with(&self, more: impl IntoIterator<Item = CounterHandle>) -> Self {
        let (mut models, mut others) = (self.models.to_vec(), self.others.to_vec());
        for held in more {
            let of_model = held.series().of_model();
            match of_model.map(|(model, place)| (Arc::clone(model), place)) {
                Some((model, place)) => entry(&mut models, &model).series[place] = Some(held),
                None => others.push(held),
            }
        }
        Self {
            active: Arc::clone(&self.active),
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
    fn is_complete(&self) -> bool {
        self.series.iter().all(Option::is_some)
    }
}

/// Returns the entry of a model, which is created if necessary.
fn entry<'a>(models: &'a mut Vec<ModelSeries>, model: &Arc<str>) -> &'a mut ModelSeries {
    let known = models.iter().position(|series| series.model == *model);
    let at = known.unwrap_or_else(|| {
        models.push(ModelSeries {
            model: Arc::clone(model),
            series: Default::default(),
        });
        models.len() - 1
    });
    &mut models[at]
}
