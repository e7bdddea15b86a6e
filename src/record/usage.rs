//! Records that only add to metrics: lines of code, commits, pull requests, cost, tokens, active time.

use std::time::Duration;

use super::Text;
use super::definition::record;
use super::string_enum::string_enum;
use crate::content::Payload;

string_enum! {
    /// The kind of a session's start: the attribute `start_type`.
    pub enum StartType {
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
    pub enum TokenType {
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
    /// All types, in the order of the counts of [`TokenUsage`](crate::TokenUsage).
    pub(crate) const ALL: [Self; 4] = [
        Self::Input,
        Self::Output,
        Self::CacheRead,
        Self::CacheCreation,
    ];
}

string_enum! {
    /// The kind of activity: the attribute `type` of `claude_code.active_time.total`.
    pub enum ActivityType {
        /// Activity of the user: keyboard interaction.
        User = "user",
        /// Activity of the program: tools and model responses.
        Cli = "cli",
    }
}

string_enum! {
    /// The kind of a change of lines: the attribute `type` of `claude_code.lines_of_code.count`.
    pub(crate) enum LineChange {
        /// Lines were added.
        Added = "added",
        /// Lines were removed.
        Removed = "removed",
    }
}

record! {
    /// Lines of code that were modified.
    ///
    /// Adds to the series `added` and `removed` of `claude_code.lines_of_code.count`, each only if its number is set. A
    /// number of 0 creates the series.
    record LinesOfCode: Clone, Copy, Debug, PartialEq, Eq;

    /// Creates a record that sets neither added nor removed lines.
    new();

    fields {
        /// Sets the number of lines that were added.
        optional added: Option<u64> = "added";
        /// Sets the number of lines that were removed.
        optional removed: Option<u64> = "removed";
    }
}

record! {
    /// Commits that were made.
    ///
    /// Adds to `claude_code.commit.count`.
    record Commit: Clone, Copy, Debug, PartialEq, Eq;

    /// Creates a record of a single commit.
    new();

    fields {
        /// Sets the number of commits. The default is 1.
        optional count: u64 = "count", default 1;
    }
}

record! {
    /// Pull requests that were created.
    ///
    /// Adds to `claude_code.pull_request.count`.
    record PullRequest: Clone, Copy, Debug, PartialEq, Eq;

    /// Creates a record of a single pull request.
    new();

    fields {
        /// Sets the number of pull requests. The default is 1.
        optional count: u64 = "count", default 1;
    }
}

record! {
    /// A cost without a request, for a host whose requests are recorded elsewhere.
    ///
    /// Adds to `claude_code.cost.usage`. An [`ApiRequest`](super::ApiRequest) adds its own cost.
    record Cost: Clone, Debug, PartialEq;

    /// Creates a record of `usd` US dollars that were spent on `model`. A negative or non-finite cost is dropped and
    /// counted in [health](crate::Health).
    new(model: impl Into<Text>, usd: f64);

    fields {
        required model: Text = "model";
        required usd: f64 = "usd";
    }
}

record! {
    /// Tokens without a request, for a host whose requests are recorded elsewhere.
    ///
    /// Adds to `claude_code.token.usage`. An [`ApiRequest`](super::ApiRequest) adds its own tokens.
    record Tokens: Clone, Debug, PartialEq, Eq;

    /// Creates a record of `count` tokens of the type `kind` that `model` used.
    new(model: impl Into<Text>, kind: TokenType, count: u64);

    fields {
        required model: Text = "model";
        required kind: TokenType = "type";
        required count: u64 = "count";
    }
}

record! {
    /// Active time.
    ///
    /// Adds to `claude_code.active_time.total`, in seconds.
    record ActiveTime: Clone, Copy, Debug, PartialEq, Eq;

    /// Creates a record of the time of keyboard interaction, or of tools and model responses, since the previous
    /// record.
    new(kind: ActivityType, duration: Duration);

    fields {
        required kind: ActivityType = "type";
        required duration: Seconds = "seconds";
    }
}

/// A duration that a transcript states in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl Payload for Seconds {}
