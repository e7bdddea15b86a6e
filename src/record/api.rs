//! Model requests that succeeded or failed.

use std::time::{Duration, SystemTime};

use super::definition::record;
use super::event::event;
use super::string_enum::string_enum;
use super::{ErrorMessage, Measured, StatusCodeString, Text, TokenType};

string_enum! {
    /// The speed mode of a model request: the attribute `speed`.
    #[derive(Default)]
    pub enum Speed {
        /// Fast mode.
        Fast = "fast",
        /// Normal mode.
        #[default]
        Normal = "normal",
    }
}

record! {
    /// The four token counts of a request. All of them are sent, even if they are 0.
    record TokenUsage: Clone, Copy, Debug, PartialEq, Eq;

    /// Creates a usage whose counts are all 0.
    new();

    fields {
        /// Sets the number of input tokens that did not come from the cache (`input_tokens`). The default is 0.
        optional input: u64 = "input_tokens";
        /// Sets the number of output tokens (`output_tokens`). The default is 0.
        optional output: u64 = "output_tokens";
        /// Sets the number of input tokens that were read from the cache (`cache_read_tokens`). The default is 0.
        optional cache_read: u64 = "cache_read_tokens";
        /// Sets the number of input tokens that were written to the cache (`cache_creation_tokens`). The default is 0.
        optional cache_creation: u64 = "cache_creation_tokens";
        unread cache_creation_1h: u64 = "cache_creation_1h_tokens";
    }
}

impl TokenUsage {
    /// Sets how many of the [tokens written to the cache](Self::cache_creation) are kept for 1 hour; the others are kept
    /// for 5 minutes. Only [`Prices`](crate::Prices) need it; it is not sent. The default is 0.
    #[inline]
    pub fn cache_creation_1h(mut self, tokens: u64) -> Self {
        self.cache_creation_1h = tokens;
        self
    }

    /// Returns the number of tokens of one type.
    ///
    /// ```
    /// use claude_code_telemetry::{TokenType, TokenUsage};
    /// let usage = TokenUsage::new().input(120).cache_read(2_000);
    /// assert_eq!(usage.get(TokenType::CacheRead), 2_000);
    /// assert_eq!(usage.total(), 2_120);
    /// ```
    pub fn get(&self, kind: TokenType) -> u64 {
        match kind {
            TokenType::Input => self.input,
            TokenType::Output => self.output,
            TokenType::CacheRead => self.cache_read,
            TokenType::CacheCreation => self.cache_creation,
        }
    }

    /// Returns the sum of all four counts.
    pub fn total(&self) -> u64 {
        [self.output, self.cache_read, self.cache_creation]
            .into_iter()
            .fold(self.input, u64::saturating_add)
    }
}

/// Adds the usage of several requests, for a host that keeps totals.
impl std::ops::Add for TokenUsage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_creation: self.cache_creation.saturating_add(other.cache_creation),
            cache_creation_1h: self
                .cache_creation_1h
                .saturating_add(other.cache_creation_1h),
        }
    }
}

impl std::ops::AddAssign for TokenUsage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

event! {
    /// A request to which the API responded.
    ///
    /// Emits the event `claude_code.api_request`, and adds to `claude_code.cost.usage` and to the four types of
    /// `claude_code.token.usage`.
    ///
    /// ```
    /// use claude_code_telemetry::{ApiRequest, TokenUsage};
    /// use std::time::Duration;
    ///
    /// let request = ApiRequest::new("claude-sonnet-4-6")
    ///     .tokens(TokenUsage::new().input(120).output(45).cache_read(2_000))
    ///     .cost_usd(0.0021)
    ///     .duration(Duration::from_millis(900))
    ///     .request_id("req_011");
    /// ```
    record ApiRequest: Clone, Debug, PartialEq;
    emits "api_request", "The API responded to a request";

    /// Creates the record of a request to which `model` responded.
    new(model: impl Into<Text>);

    sent {
        required model: Text = "model", "Model that responded";
        custom input_tokens: u64 = "input_tokens", "Input tokens";
        custom output_tokens: u64 = "output_tokens", "Output tokens";
        custom cache_read_tokens: u64 = "cache_read_tokens", "Tokens read from the cache";
        custom cache_creation_tokens: u64 = "cache_creation_tokens", "Tokens written to the cache";
        /// A negative or non-finite cost is dropped and counted in [health](crate::Health); the rest of the record is
        /// emitted. Without a cost, 0 is sent, and the request is counted in
        /// [`requests_without_cost`](crate::Health::requests_without_cost).
        required_in_transcript cost_usd: Measured<f64> = "cost_usd", "Estimated cost in USD";
        /// The default is the duration that the handle measured, or 0 without a handle.
        optional duration: Measured<Duration> = "duration_ms",
            "Duration of the last attempt in milliseconds";
        /// The response header `request-id` contains it.
        optional request_id: Option<Text> = "request_id", "The API's request id";
        /// The default is [`Speed::Normal`].
        optional speed: Speed = "speed", "Speed mode";
        /// An example is `compact`.
        optional query_source: Option<Text> = "query_source", "Subsystem that made the request";
    }
    other {
        unread cache_creation_1h_tokens: u64 = "cache_creation_1h_tokens";
        /// Sets the requested model, if a different model responded. Metrics and spans carry the requested model instead of
        /// the model that responded.
        optional requested_model: Option<Text> = "metric_model";
        /// Sets the total number of attempts, including the first one (`attempt`). The default is the number that the
        /// handle counted. Sent only on the span.
        optional attempt: Option<u32> = "attempt";
        /// Sets the time from the beginning of the last attempt to the first token (`ttft_ms`, in whole milliseconds). The
        /// default is the time that the handle measured. Sent only on the span.
        optional time_to_first_token: Option<Duration> = "ttft_ms";
        /// Sets whether the response calls a tool (`response.has_tool_call`). Sent only on the span.
        optional has_tool_call: Option<bool> = "response.has_tool_call" | "has_tool_call";
        /// Sets the reason why the model stopped (`stop_reason`), for example `end_turn`. Sent only on the span.
        optional stop_reason: Option<Text> = "stop_reason";
        /// Sets the time of the response. The default is the current time. The event carries this time; the metrics do not.
        optional at: Option<SystemTime> = "event.timestamp" | "at";
    }
}

impl ApiRequest {
    /// Sets the tokens that the request used. The default is 0 for each count.
    #[inline]
    pub fn tokens(mut self, tokens: TokenUsage) -> Self {
        self.input_tokens = tokens.input;
        self.output_tokens = tokens.output;
        self.cache_read_tokens = tokens.cache_read;
        self.cache_creation_tokens = tokens.cache_creation;
        self.cache_creation_1h_tokens = tokens.cache_creation_1h;
        self
    }

    /// Returns the tokens that the request used.
    #[inline]
    pub(crate) fn usage(&self) -> TokenUsage {
        TokenUsage {
            input: self.input_tokens,
            output: self.output_tokens,
            cache_read: self.cache_read_tokens,
            cache_creation: self.cache_creation_tokens,
            cache_creation_1h: self.cache_creation_1h_tokens,
        }
    }

    /// Returns the model that metrics and spans carry.
    #[inline]
    pub(crate) fn metric_model(&self) -> &str {
        self.requested_model.as_deref().unwrap_or(&self.model)
    }
}

event! {
    /// A request that failed after its last attempt.
    ///
    /// Emits the event `claude_code.api_error` once for each request; attempts that were retried emit no event.
    record ApiError: Clone, Debug, PartialEq, Eq;
    emits "api_error", "A request failed for good, after its last attempt";

    /// Creates the record of a request for `model` that failed with the message `error`. No content switch withholds
    /// the message: do not put content into it.
    new(model: impl Into<Text>, error: impl Into<Text>);

    sent {
        required model: Text = "model", "Requested model";
        required error: ErrorMessage = "error", "Error message";
        /// Takes a `u16` or an `Option<u16>`: a request that failed without a response has no status.
        optional status_code: StatusCodeString = "status_code", "HTTP status, or `undefined` without one";
        /// The default is the duration that the handle measured, or 0 without a handle.
        optional duration: Measured<Duration> = "duration_ms",
            "Duration of the last attempt in milliseconds";
        /// The default is the number that the handle counted, or 1 without a handle.
        optional attempt: Measured<u32> = "attempt", "Total number of attempts; 1 means no retry";
        optional request_id: Option<Text> = "request_id", "The API's request id";
        /// The default is [`Speed::Normal`].
        optional speed: Speed = "speed", "Speed mode";
        optional query_source: Option<Text> = "query_source", "Subsystem that made the request";
    }
    other {
        /// Sets the time of the failure. The default is the current time.
        optional at: Option<SystemTime> = "event.timestamp" | "at";
    }
}
