//! The identity of a series within a set of standard attributes: the metric and the attributes that belong to this
//! metric.

use std::sync::Arc;

use super::catalog as metric;
use super::catalog::METRICS;
use crate::record::{ActivityType, Decision, DecisionSource, EditTool, StartType, TokenType};
use crate::schema::Metric;

/// The number of series to which a request adds: its cost and the four types of its tokens.
pub(crate) const SERIES_PER_REQUEST: usize = 1 + TokenType::ALL.len();

/// A metric and the values of the attributes that belong to it. `T` is the type of strings from the host: a record
/// finds its series by a `Series<&str>`, which needs no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series<T = Arc<str>> {
    SessionCount(Option<StartType>),
    LinesAdded,
    LinesRemoved,
    PullRequests,
    Commits,
    Cost {
        model: T,
    },
    Tokens {
        model: T,
        kind: TokenType,
    },
    CodeEditDecision {
        decision: Decision,
        source: DecisionSource,
        tool: EditTool,
        language: T,
    },
    ActiveTime(ActivityType),
}

impl<T> Series<T> {
    pub(crate) fn metric(&self) -> &'static Metric {
        match self {
            Self::SessionCount(_) => &metric::SESSION_COUNT,
            Self::LinesAdded | Self::LinesRemoved => &metric::LINES_OF_CODE,
            Self::PullRequests => &metric::PULL_REQUEST,
            Self::Commits => &metric::COMMIT,
            Self::Cost { .. } => &metric::COST,
            Self::Tokens { .. } => &metric::TOKENS,
            Self::CodeEditDecision { .. } => &metric::CODE_EDIT_DECISION,
            Self::ActiveTime(_) => &metric::ACTIVE_TIME,
        }
    }

    /// Returns the index of the metric in the catalog.
    pub(super) fn metric_index(&self) -> Option<usize> {
        let metric = self.metric();
        METRICS
            .iter()
            .position(|known| std::ptr::eq(*known, metric))
    }

    /// Returns the attribute value that the host chooses.
    pub(super) fn text(&self) -> Option<&T> {
        match self {
            Self::Cost { model: text }
            | Self::Tokens { model: text, .. }
            | Self::CodeEditDecision { language: text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns the series with another value from the host.
    pub(crate) fn map<'a, U>(&'a self, text: impl FnOnce(&'a T) -> U) -> Series<U> {
        match self {
            Self::SessionCount(start) => Series::SessionCount(*start),
            Self::LinesAdded => Series::LinesAdded,
            Self::LinesRemoved => Series::LinesRemoved,
            Self::PullRequests => Series::PullRequests,
            Self::Commits => Series::Commits,
            Self::Cost { model } => Series::Cost { model: text(model) },
            Self::Tokens { model, kind } => Series::Tokens {
                model: text(model),
                kind: *kind,
            },
            Self::CodeEditDecision {
                decision,
                source,
                tool,
                language,
            } => Series::CodeEditDecision {
                decision: *decision,
                source: *source,
                tool: *tool,
                language: text(language),
            },
            Self::ActiveTime(kind) => Series::ActiveTime(*kind),
        }
    }
}

impl Series {
    /// Returns the series to which a request adds: the cost, then the four token types.
    pub(crate) fn of_request(model: &Arc<str>) -> [Self; SERIES_PER_REQUEST] {
        let tokens = |kind| Self::Tokens {
            model: Arc::clone(model),
            kind,
        };
        let [input, output, cache_read, cache_creation] = TokenType::ALL.map(tokens);
        let cost = Self::Cost {
            model: Arc::clone(model),
        };
        [cost, input, output, cache_read, cache_creation]
    }

    /// Returns the attributes that belong to the metric, in the order of the catalog.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        // `zip` ends with the shorter list; a test compares their lengths.
        let keys = self.metric().attributes.iter();
        keys.map(|attribute| attribute.name).zip(self.values())
    }

    /// Returns the values of the attributes. Only the value of an unknown start type is missing.
    fn values(&self) -> Vec<&str> {
        match self {
            Self::SessionCount(start) => start.iter().map(|start| start.as_str()).collect(),
            Self::LinesAdded => vec!["added"],
            Self::LinesRemoved => vec!["removed"],
            Self::PullRequests | Self::Commits => Vec::new(),
            Self::Cost { model } => vec![&**model],
            Self::Tokens { model, kind } => vec![&**model, kind.as_str()],
            Self::CodeEditDecision {
                decision,
                source,
                tool,
                language,
            } => vec![decision.as_str(), source.as_str(), tool.as_str(), language],
            Self::ActiveTime(kind) => vec![kind.as_str()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_a_value_for_each_attribute_of_its_metric() {
        let model: Arc<str> = "m".into();
        let decision = Series::CodeEditDecision {
            decision: Decision::Accept,
            source: DecisionSource::Config,
            tool: EditTool::Edit,
            language: Arc::clone(&model),
        };
        let others = [
            Series::SessionCount(Some(StartType::Fresh)),
            Series::LinesAdded,
            Series::LinesRemoved,
            Series::PullRequests,
            Series::Commits,
            decision,
            Series::ActiveTime(ActivityType::User),
        ];
        for series in Series::of_request(&model).iter().chain(&others) {
            let attributes = series.metric().attributes.len();
            assert_eq!(series.values().len(), attributes, "{series:?}");
        }
    }
}
