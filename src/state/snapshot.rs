//! A snapshot of the data that every record of a session needs: configuration, standard attributes and series.

use std::sync::Arc;

use super::ActiveConfig;
use crate::metrics::{CounterHandle, REQUEST_SERIES, Registry, Series};
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

/// A series by the texts of a record, which are not allocated to find it.
#[derive(Clone, Copy)]
pub(crate) enum SeriesKey<'a> {
    /// The cost of a model.
    Cost(&'a str),
    /// The tokens of a model and of a type.
    Tokens(&'a str, TokenType),
    /// A series without a model.
    Other(&'a Series),
}

impl SeriesKey<'_> {
    /// Returns a series without a model with its text shortened; `None` if the text is within the limit.
    pub(crate) fn shortened(&self) -> Option<Series> {
        match self {
            Self::Other(series) => series.shortened(),
            _ => None,
        }
    }

    pub(crate) fn to_series(self, registry: &Registry) -> Series {
        match self {
            Self::Cost(model) => Series::Cost {
                model: registry.text(model),
            },
            Self::Tokens(model, kind) => Series::Tokens {
                model: registry.text(model),
                kind,
            },
            Self::Other(series) => series.clone(),
        }
    }
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
    pub(crate) fn counter(&self, series: SeriesKey<'_>) -> Option<&CounterHandle> {
        match series {
            SeriesKey::Cost(model) => self.model(model)?.series[0].as_ref(),
            SeriesKey::Tokens(model, kind) => self.model(model)?.series[1 + kind.place()].as_ref(),
            SeriesKey::Other(series) => self.others.iter().find(|held| held.series() == series),
        }
    }

    /// Adds the cost and the tokens of a request. Returns `false`, and adds nothing, if a series of the model is not open.
    pub(crate) fn add_request(&self, model: &str, usd: f64, tokens: TokenUsage) -> bool {
        let known = self.model(model).map(|known| &known.series);
        let Some(
            [
                Some(cost),
                Some(input),
                Some(output),
                Some(cache_read),
                Some(cache_creation),
            ],
        ) = known
        else {
            return false;
        };
        cost.add(usd);
        input.add(tokens.input as f64);
        output.add(tokens.output as f64);
        cache_read.add(tokens.cache_read as f64);
        cache_creation.add(tokens.cache_creation as f64);
        true
    }

    /// Returns whether all series for the requests of a model are open.
    pub(crate) fn has_request(&self, model: &str) -> bool {
        let known = self.model(model);
        known.is_some_and(|known| known.series.iter().all(Option::is_some))
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
