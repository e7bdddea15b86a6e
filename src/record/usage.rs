//! Records that only add to metrics: lines of code, commits, pull requests, cost, tokens, active time.

use std::borrow::Cow;
use std::time::Duration;

use super::setters::setters;
use super::string_enum::string_enum;

string_enum! {
    /// The kind of a session's start: the attribute `start_type`.
    StartType {
        /// A new session.
        Fresh = "fresh",
        /// An earlier session that was selected again.
        Resume = "resume",
        /// The most recent session, which was continued.
        Continue = "continue",
    }
}

string_enum! {
    /// The type of tokens: the attribute `type` of `claude_code.token.usage`.
    TokenType {
        /// Input tokens that did not come from the cache.
        Input = "input",
        /// Output tokens.
        Output = "output",
        /// Input tokens that were read from the cache.
        CacheRead = "cacheRead",
        /// Input tokens that were written to the cache.
        CacheCreation = "cacheCreation",
    }
}

impl TokenType {
    /// Returns the index of the type among the four types.
    pub(crate) fn place(self) -> usize {
        match self {
            Self::Input => 0,
            Self::Output => 1,
            Self::CacheRead => 2,
            Self::CacheCreation => 3,
        }
    }
}

string_enum! {
    /// The kind of activity: the attribute `type` of `claude_code.active_time.total`.
    ActivityType {
        /// Activity of the user: keyboard interaction.
        User = "user",
        /// Activity of the program: tools and model answers.
        Cli = "cli",
    }
}

/// Lines of code that were modified.
///
/// Adds to the series `added` and `removed` of `claude_code.lines_of_code.count`, each only if its number is set. A
/// number of 0 creates the series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinesOfCode {
    pub(crate) added: Option<u64>,
    pub(crate) removed: Option<u64>,
}

impl LinesOfCode {
    /// Creates a record that sets neither added nor removed lines.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the number of lines that were added.
        added: Option<u64>,
        /// Sets the number of lines that were removed.
        removed: Option<u64>,
    }
}

/// Commits that were made.
///
/// Adds to `claude_code.commit.count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    pub(crate) count: u64,
}

impl Commit {
    /// Creates a record of a single commit.
    pub fn new() -> Self {
        Self { count: 1 }
    }

    setters! {
        /// Sets the number of commits. The default is 1.
        count: u64,
    }
}

impl Default for Commit {
    fn default() -> Self {
        Self::new()
    }
}

/// Pull requests that were created.
///
/// Adds to `claude_code.pull_request.count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullRequest {
    pub(crate) count: u64,
}

impl PullRequest {
    /// Creates a record of a single pull request.
    pub fn new() -> Self {
        Self { count: 1 }
    }

    setters! {
        /// Sets the number of pull requests. The default is 1.
        count: u64,
    }
}

impl Default for PullRequest {
    fn default() -> Self {
        Self::new()
    }
}

/// A cost without a request, for a host whose requests are recorded elsewhere.
///
/// Adds to `claude_code.cost.usage`. An [`ApiRequest`](super::ApiRequest) adds its own cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    pub(crate) model: Cow<'static, str>,
    pub(crate) usd: f64,
}

impl Cost {
    /// Creates a record of `usd` US dollars that were spent on `model`. A negative or non-finite amount is dropped and
    /// counted in [health](crate::Health).
    pub fn new(model: impl Into<Cow<'static, str>>, usd: f64) -> Self {
        Self {
            model: model.into(),
            usd,
        }
    }
}

/// Tokens without a request, for a host whose requests are recorded elsewhere.
///
/// Adds to `claude_code.token.usage`. An [`ApiRequest`](super::ApiRequest) adds its own tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub(crate) model: Cow<'static, str>,
    pub(crate) kind: TokenType,
    pub(crate) count: u64,
}

impl Tokens {
    /// Creates a record of `count` tokens of the type `kind` that `model` used.
    pub fn new(model: impl Into<Cow<'static, str>>, kind: TokenType, count: u64) -> Self {
        Self {
            model: model.into(),
            kind,
            count,
        }
    }
}

/// Active time.
///
/// Adds to `claude_code.active_time.total`, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveTime {
    pub(crate) kind: ActivityType,
    pub(crate) duration: Duration,
}

impl ActiveTime {
    /// Creates a record of the time of keyboard interaction, or of tools and model answers, since the previous record.
    pub fn new(kind: ActivityType, duration: Duration) -> Self {
        Self { kind, duration }
    }
}
