//! The identity of a series within a set of standard attributes: the metric and the attributes that belong to this
//! metric.

use std::sync::Arc;

use super::catalog as metric;
use super::catalog::METRICS;
use crate::record::{ActivityType, Decision, DecisionSource, EditTool, StartType, TokenType};
use crate::schema::{Metric, key};
use crate::session_attributes::shorten;

/// The number of series to which a request adds: its cost and the four types of its tokens.
pub(crate) const REQUEST_SERIES: usize = 5;

/// A metric and the values of the attributes that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Series {
    SessionCount(Option<StartType>),
    LinesAdded,
    LinesRemoved,
    PullRequests,
    Commits,
    Cost {
        model: Arc<str>,
    },
    Tokens {
        model: Arc<str>,
        kind: TokenType,
    },
    CodeEditDecision {
        decision: Decision,
        source: DecisionSource,
        tool: EditTool,
        language: Arc<str>,
    },
    ActiveTime(ActivityType),
}

impl Series {
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

    /// Returns the position of the metric in the catalog.
    pub(super) fn order(&self) -> Option<usize> {
        let metric = self.metric();
        METRICS
            .iter()
            .position(|known| std::ptr::eq(*known, metric))
    }

    /// Returns all series to which a request of a model adds, by place.
    pub(crate) fn of_request(model: &Arc<str>) -> [Self; REQUEST_SERIES] {
        let tokens = |kind| Self::Tokens {
            model: Arc::clone(model),
            kind,
        };
        [
            Self::Cost {
                model: Arc::clone(model),
            },
            tokens(TokenType::Input),
            tokens(TokenType::Output),
            tokens(TokenType::CacheRead),
            tokens(TokenType::CacheCreation),
        ]
    }

    /// Returns the attribute value whose text comes from the host.
    pub(super) fn text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Cost { model } | Self::Tokens { model, .. } => Some(model),
            Self::CodeEditDecision { language, .. } => Some(language),
            _ => None,
        }
    }

    /// Returns a series without a model with its text shortened; `None` if the text is within the limit.
    pub(crate) fn shortened(&self) -> Option<Self> {
        let mut series = self.clone();
        let Self::CodeEditDecision { language, .. } = &mut series else {
            return None;
        };
        let short = shorten(language);
        if short.len() == language.len() {
            return None;
        }
        *language = short.into();
        Some(series)
    }

    /// Returns the attributes that belong to the metric, in the order of the catalog.
    pub(crate) fn attributes(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::SessionCount(start) => {
                let start = start.iter();
                start
                    .map(|start| (key::START_TYPE, start.as_str()))
                    .collect()
            }
            Self::LinesAdded => vec![(key::TYPE, "added")],
            Self::LinesRemoved => vec![(key::TYPE, "removed")],
            Self::PullRequests | Self::Commits => Vec::new(),
            Self::Cost { model } => vec![(key::MODEL, model)],
            Self::Tokens { model, kind } => vec![(key::MODEL, model), (key::TYPE, kind.as_str())],
            Self::CodeEditDecision {
                decision,
                source,
                tool,
                language,
            } => vec![
                (key::DECISION, decision.as_str()),
                (key::SOURCE, source.as_str()),
                (key::TOOL_NAME, tool.as_str()),
                (key::LANGUAGE, language),
            ],
            Self::ActiveTime(kind) => vec![(key::TYPE, kind.as_str())],
        }
    }
}
