//! A snapshot of the data that every record of a session needs: configuration, standard attributes and series.

use std::sync::Arc;

use super::ActiveConfig;
use crate::metrics::{CounterHandle, SERIES_PER_REQUEST, Series};
use crate::record::TokenUsage;
use crate::session_attributes::{SessionAttributes, shorten};

/// The snapshot of a session. It is replaced as a whole when the identity or the configuration changes, or when a
/// series is used for the first time; in between, records read it without a lock.
#[derive(Clone)]
pub(crate) struct SessionSnapshot {
    pub(crate) active: Arc<ActiveConfig>,
    pub(crate) standard: Arc<SessionAttributes>,
    /// The standard attributes of metrics, with shortened texts. Usually the same set as `standard`.
    pub(crate) metric_standard: Arc<SessionAttributes>,
    /// The series of the models of which a request was recorded.
    requests: Box<[RequestSeries]>,
    /// The series that were opened one by one.
    others: Box<[CounterHandle]>,
}

/// The series of the requests of one model: the cost, then the types of tokens.
#[derive(Clone, Debug)]
struct RequestSeries {
    model: Arc<str>,
    series: [CounterHandle; SERIES_PER_REQUEST],
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
            requests: Box::default(),
            others: Box::default(),
        }
    }

    /// Returns the counter of a series that this session has used.
    pub(crate) fn counter(&self, series: Series<&str>) -> Option<&CounterHandle> {
        let series = series.map(|text| shorten(text));
        let of_requests = self.requests.iter().flat_map(|known| &known.series);
        let mut counters = of_requests.chain(&self.others);
        counters.find(|held| held.series().map(|text| &**text) == series)
    }

    /// Adds the cost and the tokens of a request. Returns `false`, and adds nothing, if the series of the model are not
    /// open.
    pub(crate) fn add_request(&self, model: &str, usd: f64, tokens: TokenUsage) -> bool {
        let model = shorten(model);
        let Some(known) = self.requests.iter().find(|known| *known.model == *model) else {
            return false;
        };
        let [cost, input, output, cache_read, cache_creation] = &known.series;
        cost.add(usd);
        input.add(tokens.input as f64);
        output.add(tokens.output as f64);
        cache_read.add(tokens.cache_read as f64);
        cache_creation.add(tokens.cache_creation as f64);
        true
    }

    /// Returns a copy of this snapshot with the series of the requests of one more model.
    pub(crate) fn with_requests(
        &self,
        model: Arc<str>,
        series: [CounterHandle; SERIES_PER_REQUEST],
    ) -> Self {
        let more = RequestSeries { model, series };
        Self {
            requests: self.requests.iter().cloned().chain([more]).collect(),
            ..self.clone()
        }
    }

    /// Returns a copy of this snapshot with one more series.
    pub(crate) fn with(&self, more: CounterHandle) -> Self {
        Self {
            others: self.others.iter().cloned().chain([more]).collect(),
            ..self.clone()
        }
    }
}
