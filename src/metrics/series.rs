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
pub(crate) const SERIES_PER_REQUEST: usize = 1 + TokenType::ALL.len();

/// A metric and the values of the attributes that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series<T = Arc<str>> {
    kind: SeriesKind,
    /// The attribute value that the host chooses: a model or a language. A record finds its series by a `Series<&str>`,
    /// which needs no allocation.
    pub(super) text: Option<T>,
}

/// A metric and the values of its attributes that are enums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeriesKind {
    SessionCount(Option<StartType>),
    Lines(LineChange),
    PullRequests,
    Commits,
    Cost,
    Tokens(TokenType),
    CodeEditDecision(Decision, DecisionSource, EditTool),
    ActiveTime(ActivityType),
}

impl SeriesKind {
    /// Returns the series of a model or a language.
    pub(crate) fn of<T>(self, text: T) -> Series<T> {
        Series {
            kind: self,
            text: Some(text),
        }
    }
}

impl<T> From<SeriesKind> for Series<T> {
    fn from(kind: SeriesKind) -> Self {
        Self { kind, text: None }
    }
}

impl<T> Series<T> {
    pub(crate) fn metric(&self) -> &'static Metric {
        match self.kind {
            SeriesKind::SessionCount(_) => &metric::SESSION_COUNT,
            SeriesKind::Lines(_) => &metric::LINES_OF_CODE,
            SeriesKind::PullRequests => &metric::PULL_REQUEST,
            SeriesKind::Commits => &metric::COMMIT,
            SeriesKind::Cost => &metric::COST,
            SeriesKind::Tokens(_) => &metric::TOKENS,
            SeriesKind::CodeEditDecision(..) => &metric::CODE_EDIT_DECISION,
            SeriesKind::ActiveTime(_) => &metric::ACTIVE_TIME,
        }
    }

    /// Returns the index of the metric in the catalog.
    pub(super) fn metric_index(&self) -> Option<usize> {
        let metric = self.metric();
        METRICS
            .iter()
            .position(|known| std::ptr::eq(*known, metric))
    }

    /// Returns the series with another value from the host.
    pub(crate) fn map<'a, U>(&'a self, text: impl FnOnce(&'a T) -> U) -> Series<U> {
        Series {
            kind: self.kind,
            text: self.text.as_ref().map(text),
        }
    }
}

impl Series {
    /// Returns the series to which a request adds: the cost, then the four token types.
    pub(crate) fn of_request(model: &Arc<str>) -> [Self; SERIES_PER_REQUEST] {
        let [input, output, cache_read, cache_creation] = TokenType::ALL.map(SeriesKind::Tokens);
        [SeriesKind::Cost, input, output, cache_read, cache_creation]
            .map(|kind| kind.of(Arc::clone(model)))
    }

    /// Returns the attributes that belong to the metric, in the order of the catalog.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        // `zip` ends with the shorter list; a test compares their lengths.
        let keys = self.metric().attributes.iter();
        keys.map(|attribute| attribute.name).zip(self.values())
    }

    /// Returns the values of the attributes. Only the value of an unknown start type is missing.
    fn values(&self) -> Vec<&str> {
        let text = self.text.as_deref().unwrap_or_default();
        match self.kind {
            SeriesKind::SessionCount(start) => start.iter().map(|start| start.as_str()).collect(),
            SeriesKind::Lines(change) => vec![change.as_str()],
            SeriesKind::PullRequests | SeriesKind::Commits => Vec::new(),
            SeriesKind::Cost => vec![text],
            SeriesKind::Tokens(kind) => vec![text, kind.as_str()],
            SeriesKind::CodeEditDecision(decision, source, tool) => {
                vec![decision.as_str(), source.as_str(), tool.as_str(), text]
            }
            SeriesKind::ActiveTime(kind) => vec![kind.as_str()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_a_value_for_each_attribute_of_its_metric() {
        let model: Arc<str> = "m".into();
        let decided =
            SeriesKind::CodeEditDecision(Decision::Accept, DecisionSource::Config, EditTool::Edit);
        let others = [
            SeriesKind::SessionCount(Some(StartType::Fresh)).into(),
            SeriesKind::Lines(LineChange::Added).into(),
            SeriesKind::Lines(LineChange::Removed).into(),
            SeriesKind::PullRequests.into(),
            SeriesKind::Commits.into(),
            decided.of(Arc::clone(&model)),
            SeriesKind::ActiveTime(ActivityType::User).into(),
        ];
        for series in Series::of_request(&model).iter().chain(&others) {
            let attributes = series.metric().attributes.len();
            assert_eq!(series.values().len(), attributes, "{series:?}");
        }
    }
}
