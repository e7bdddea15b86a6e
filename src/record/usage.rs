//! What is counted and nothing else: lines, commits, pull requests, cost, tokens, time.

use std::borrow::Cow;
use std::time::Duration;

use super::string_enum::string_enum;

string_enum! {
    /// How a session began: the attribute `start_type`.
    StartType {
        /// A new session.
        Fresh = "fresh",
        /// An earlier session, chosen again.
        Resume = "resume",
        /// The latest session, continued.
        Continue = "continue",
    }
}

string_enum! {
    /// A kind of tokens.
    TokenType {
        /// Input tokens that came from no cache.
        Input = "input",
        /// Output tokens.
        Output = "output",
        /// Input tokens read from the cache.
        CacheRead = "cacheRead",
        /// Input tokens written to the cache.
        CacheCreation = "cacheCreation",
    }
}

impl TokenType {
    /// Its place among the four.
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
    /// Whose activity a time is.
    ActivityType {
        /// The user's: keyboard interaction.
        User = "user",
        /// The program's: tools and model answers.
        Cli = "cli",
    }
}

/// Lines of code that were modified.
///
/// Counts `claude_code.lines_of_code.count`, `added` and `removed` each when given; 0 is counted too, so that the series
/// is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinesOfCode {
    pub(crate) added: Option<u64>,
    pub(crate) removed: Option<u64>,
}

impl LinesOfCode {
    /// Neither added nor removed lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lines that were added.
    pub fn added(mut self, lines: u64) -> Self {
        self.added = Some(lines);
        self
    }

    /// Lines that were removed.
    pub fn removed(mut self, lines: u64) -> Self {
        self.removed = Some(lines);
        self
    }
}

/// Commits that were made.
///
/// Counts `claude_code.commit.count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    pub(crate) count: u64,
}

impl Commit {
    /// One commit.
    pub fn new() -> Self {
        Self { count: 1 }
    }

    /// This many commits.
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }
}

impl Default for Commit {
    fn default() -> Self {
        Self::new()
    }
}

/// Pull requests that were created.
///
/// Counts `claude_code.pull_request.count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullRequest {
    pub(crate) count: u64,
}

impl PullRequest {
    /// One pull request.
    pub fn new() -> Self {
        Self { count: 1 }
    }

    /// This many pull requests.
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }
}

impl Default for PullRequest {
    fn default() -> Self {
        Self::new()
    }
}

/// A cost on its own, for a host whose requests are recorded elsewhere.
///
/// Counts `claude_code.cost.usage`; an [`ApiRequest`](super::ApiRequest) counts its cost itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    pub(crate) model: Cow<'static, str>,
    pub(crate) usd: f64,
}

impl Cost {
    /// `usd` US dollars, spent on `model`. A negative or non-finite amount is refused and counted in
    /// [health](crate::Health).
    pub fn new(model: impl Into<Cow<'static, str>>, usd: f64) -> Self {
        Self {
            model: model.into(),
            usd,
        }
    }
}

/// Tokens on their own, for a host whose requests are recorded elsewhere.
///
/// Counts `claude_code.token.usage`; an [`ApiRequest`](super::ApiRequest) counts its tokens itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub(crate) model: Cow<'static, str>,
    pub(crate) kind: TokenType,
    pub(crate) count: u64,
}

impl Tokens {
    /// `count` tokens of one kind, used by `model`.
    pub fn new(model: impl Into<Cow<'static, str>>, kind: TokenType, count: u64) -> Self {
        Self {
            model: model.into(),
            kind,
            count,
        }
    }
}

/// Time that was spent actively.
///
/// Counts `claude_code.active_time.total`, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveTime {
    pub(crate) kind: ActivityType,
    pub(crate) duration: Duration,
}

impl ActiveTime {
    /// A time of keyboard interaction or of tools and model answers, since the last one that was recorded.
    pub fn new(kind: ActivityType, duration: Duration) -> Self {
        Self { kind, duration }
    }
}
