//! The identity of a series within a set of standard attributes: the metric and the attributes that belong to this
//! metric.

use std::sync::Arc;

use super::catalog as metric;
use super::catalog::METRICS;
use crate::record::{
    ActivityType, Decision, DecisionSource, EditTool, LineChange, StartType, TokenType,
};
use crate::schema::Metric;

/// The number of series to which a request adds: its cost and the four types of its tokens.
pub(crate) const REQUEST_SERIES: usize = 1 + TokenType::ALL.len();

/// A metric and the values of the attributes that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series<T = Arc<str>> {
    measure: Measure,
    /// The attribute whose text comes from the host: a model or a language. A record finds its series by a
    /// `Series<&str>`, which needs no allocation.
    pub(super) text: Option<T>,
}

/// A metric and the values of its attributes that are enums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    SessionCount(Option<StartType>),
    Lines(LineChange),
    PullRequests,
    Commits,
    Cost,
    Tokens(TokenType),
    CodeEditDecision(Decision, DecisionSource, EditTool),
    ActiveTime(ActivityType),
}

impl<T> From<Measure> for Series<T> {
    fn from(measure: Measure) -> Self {
        let text = None;
        Self { measure, text }
    }
}

impl Measure {
    /// Returns the series with the model or the language of this text.
    pub(crate) fn of<T>(self, text: T) -> Series<T> {
        Series {
            measure: self,
            text: Some(text),
        }
    }
}

impl<T> Series<T> {
    pub(crate) fn metric(&self) -> &'static Metric {
        match self.measure {
            Measure::SessionCount(_) => &metric::SESSION_COUNT,
            Measure::Lines(_) => &metric::LINES_OF_CODE,
            Measure::PullRequests => &metric::PULL_REQUEST,
            Measure::Commits => &metric::COMMIT,
            Measure::Cost => &metric::COST,
            Measure::Tokens(_) => &metric::TOKENS,
            Measure::CodeEditDecision(..) => &metric::CODE_EDIT_DECISION,
            Measure::ActiveTime(_) => &metric::ACTIVE_TIME,
        }
    }

    /// Returns the position of the metric in the catalog.
    pub(super) fn order(&self) -> Option<usize> {
        let metric = self.metric();
        METRICS
            .iter()
            .position(|known| std::ptr::eq(*known, metric))
    }

    /// Returns the series with another text from the host.
    pub(crate) fn map<'a, U>(&'a self, text: impl FnOnce(&'a T) -> U) -> Series<U> {
        Series {
            measure: self.measure,
            text: self.text.as_ref().map(text),
        }
    }
}

impl Series {
    /// Returns all series to which a request of a model adds, by place.
    pub(crate) fn of_request(model: &Arc<str>) -> [Self; REQUEST_SERIES] {
        let [input, output, cache_read, cache_creation] = TokenType::ALL.map(Measure::Tokens);
        [Measure::Cost, input, output, cache_read, cache_creation]
            .map(|measure| measure.of(Arc::clone(model)))
    }

    /// Returns the attributes that belong to the metric, in the order of the catalog.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let text = self.text.as_deref();
        let values = match self.measure {
            Measure::SessionCount(start) => vec![start.map(StartType::as_str)],
            Measure::Lines(change) => vec![Some(change.as_str())],
            Measure::PullRequests | Measure::Commits => Vec::new(),
            Measure::Cost => vec![text],
            Measure::Tokens(kind) => vec![text, Some(kind.as_str())],
            Measure::CodeEditDecision(decision, source, tool) => {
                let decided = [decision.as_str(), source.as_str(), tool.as_str()];
                decided.into_iter().map(Some).chain([text]).collect()
            }
            Measure::ActiveTime(kind) => vec![Some(kind.as_str())],
        };
        let keys = self.metric().attributes.iter();
        let all = keys.map(|attribute| attribute.name).zip(values);
        all.filter_map(|(key, value)| Some((key, value?)))
    }
}
