//! Model requests that were answered or failed.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::setters::setters;
use super::string_enum::string_enum;
use super::{
    Attributes, ErrorMessage, EventRecord, Record, TokenType, countable, millis, text_size,
};
use crate::catalog::{Event, event, key};
use crate::content::ContentPolicy;

string_enum! {
    /// The speed mode of a model request: the attribute `speed`.
    Speed {
        /// Fast mode.
        Fast = "fast",
        /// Normal mode.
        Normal = "normal",
    }
}

/// The four token counts of a request. All of them are sent, even if they are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_creation: u64,
}

impl TokenUsage {
    /// Creates a usage whose counts are all 0.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Sets the number of input tokens that did not come from the cache (`input_tokens`). The default is 0.
        input: u64,
        /// Sets the number of output tokens (`output_tokens`). The default is 0.
        output: u64,
        /// Sets the number of input tokens that were read from the cache (`cache_read_tokens`). The default is 0.
        cache_read: u64,
        /// Sets the number of input tokens that were written to the cache (`cache_creation_tokens`). The default is 0.
        cache_creation: u64,
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
        }
    }
}

impl std::ops::AddAssign for TokenUsage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// A request that the API answered.
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
#[derive(Clone, Debug, PartialEq)]
pub struct ApiRequest {
    pub(crate) model: Cow<'static, str>,
    pub(crate) requested_model: Option<Cow<'static, str>>,
    pub(crate) tokens: TokenUsage,
    /// The cost as the host set it. An invalid amount is filtered out when the request is recorded.
    pub(crate) cost_usd: Option<f64>,
    pub(crate) duration: Option<Duration>,
    pub(crate) request_id: Option<Cow<'static, str>>,
    pub(crate) speed: Speed,
    pub(crate) query_source: Option<Cow<'static, str>>,
    pub(crate) attempt: Option<u32>,
    pub(crate) time_to_first_token: Option<Duration>,
    pub(crate) has_tool_call: Option<bool>,
    pub(crate) stop_reason: Option<Cow<'static, str>>,
    pub(crate) at: Option<SystemTime>,
}

impl ApiRequest {
    /// Creates the record of a request that `model` answered.
    #[inline]
    pub fn new(model: impl Into<Cow<'static, str>>) -> Self {
        Self {
            model: model.into(),
            requested_model: None,
            tokens: TokenUsage::new(),
            cost_usd: Some(0.0),
            duration: None,
            request_id: None,
            speed: Speed::Normal,
            query_source: None,
            attempt: None,
            time_to_first_token: None,
            has_tool_call: None,
            stop_reason: None,
            at: None,
        }
    }

    setters! {
        /// Sets the requested model, if a different model answered. Metrics and spans carry the requested model instead of
        /// the model that answered.
        requested_model: Option<Text>,
        /// Sets the tokens that the request used. The default is 0 for each count.
        tokens: TokenUsage,
        /// Sets the estimated cost in US dollars (`cost_usd`). The default is 0. A negative or non-finite amount is dropped
        /// and counted in [health](crate::Health); the rest of the record is emitted.
        cost_usd: Option<f64>,
        /// Sets the duration of the last attempt (`duration_ms`, in whole milliseconds). The default is the duration that
        /// the handle measured, or 0 without a handle.
        duration: Option<Duration>,
        /// Sets the API's request id, from the response header `request-id` (`request_id`).
        request_id: Option<Text>,
        /// Sets the speed mode (`speed`). The default is [`Speed::Normal`].
        speed: Speed,
        /// Sets the subsystem that made the request (`query_source`), for example `compact`.
        query_source: Option<Text>,
        /// Sets the total number of attempts, including the first one (`attempt`). The default is the number that the
        /// handle counted. Sent only on the span.
        attempt: Option<u32>,
        /// Sets the time from the beginning of the last attempt to the first token (`ttft_ms`, in whole milliseconds). The
        /// default is the time that the handle measured. Sent only on the span.
        time_to_first_token: Option<Duration>,
        /// Sets whether the answer calls a tool (`response.has_tool_call`). Sent only on the span.
        has_tool_call: Option<bool>,
        /// Sets the reason why the model stopped (`stop_reason`), for example `end_turn`. Sent only on the span.
        stop_reason: Option<Text>,
        /// Sets the time of the answer. The default is the current time. The event carries this time; the metrics do not.
        at: Option<SystemTime>,
    }

    /// Moves the fields of the event out of the request. The caller does so while it writes them into the queued event,
    /// so that they are not moved again.
    #[inline]
    pub(crate) fn take_event(&mut self) -> AdmittedRequest {
        AdmittedRequest {
            model: std::mem::take(&mut self.model),
            request_id: self.request_id.take(),
            query_source: self.query_source.take(),
            tokens: self.tokens,
            cost_usd: self.cost_usd.filter(|usd| countable(*usd)),
            duration: self.duration,
            speed: self.speed,
        }
    }

    /// Returns the model that metrics and spans carry.
    pub(crate) fn metric_model(&self) -> &str {
        self.requested_model.as_deref().unwrap_or(&self.model)
    }
}

/// The fields of an [`ApiRequest`] that its event needs. The other fields belong to the span and would only enlarge the
/// queue.
pub(crate) struct AdmittedRequest {
    model: Cow<'static, str>,
    request_id: Option<Cow<'static, str>>,
    query_source: Option<Cow<'static, str>>,
    tokens: TokenUsage,
    cost_usd: Option<f64>,
    duration: Option<Duration>,
    speed: Speed,
}

impl Record for ApiRequest {
    type Admitted = AdmittedRequest;

    fn time(&self) -> Option<SystemTime> {
        self.at
    }

    fn admit(mut self, _: &ContentPolicy) -> Option<AdmittedRequest> {
        Some(self.take_event())
    }
}

impl EventRecord for AdmittedRequest {
    fn event(&self) -> &'static Event {
        &event::API_REQUEST
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.text(key::MODEL, &*self.model);
        out.count(key::INPUT_TOKENS, self.tokens.input);
        out.count(key::OUTPUT_TOKENS, self.tokens.output);
        out.count(key::CACHE_READ_TOKENS, self.tokens.cache_read);
        out.count(key::CACHE_CREATION_TOKENS, self.tokens.cache_creation);
        if let Some(usd) = self.cost_usd {
            out.double(key::COST_USD, usd);
        }
        out.count(key::DURATION_MS, millis(self.duration.unwrap_or_default()));
        out.text_if(key::REQUEST_ID, self.request_id.as_deref());
        out.text(key::SPEED, self.speed.as_str());
        out.text_if(key::QUERY_SOURCE, self.query_source.as_deref());
    }

    fn size(&self) -> usize {
        text_size(&[
            Some(&self.model),
            self.request_id.as_ref(),
            self.query_source.as_ref(),
        ])
    }
}

/// A request that failed after its last attempt.
///
/// Emits the event `claude_code.api_error` once for each request; attempts that were retried emit no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub(crate) model: Cow<'static, str>,
    pub(crate) error: ErrorMessage,
    pub(crate) status_code: Option<u16>,
    pub(crate) duration: Option<Duration>,
    pub(crate) attempt: Option<u32>,
    pub(crate) request_id: Option<Cow<'static, str>>,
    pub(crate) speed: Speed,
    pub(crate) query_source: Option<Cow<'static, str>>,
    pub(crate) at: Option<SystemTime>,
}

impl ApiError {
    /// Creates the record of a request for `model` that failed with the message `error`. No content switch withholds
    /// the message: do not put content into it.
    pub fn new(model: impl Into<Cow<'static, str>>, error: impl Into<Cow<'static, str>>) -> Self {
        Self {
            model: model.into(),
            error: ErrorMessage(error.into()),
            status_code: None,
            duration: None,
            attempt: None,
            request_id: None,
            speed: Speed::Normal,
            query_source: None,
            at: None,
        }
    }

    setters! {
        /// Sets the HTTP status (`status_code`). Without it, the event carries `undefined`.
        status_code: Option<u16>,
        /// Sets the duration of the last attempt (`duration_ms`, in whole milliseconds). The default is the duration that
        /// the handle measured, or 0 without a handle.
        duration: Option<Duration>,
        /// Sets the total number of attempts, including the first one (`attempt`). The default is the number that the
        /// handle counted, or 1 without a handle.
        attempt: Option<u32>,
        /// Sets the API's request id, if the API returned one (`request_id`).
        request_id: Option<Text>,
        /// Sets the speed mode (`speed`). The default is [`Speed::Normal`].
        speed: Speed,
        /// Sets the subsystem that made the request (`query_source`).
        query_source: Option<Text>,
        /// Sets the time of the failure. The default is the current time.
        at: Option<SystemTime>,
    }
}

impl Record for ApiError {
    type Admitted = Self;

    fn time(&self) -> Option<SystemTime> {
        self.at
    }

    fn admit(self, _: &ContentPolicy) -> Option<Self> {
        Some(self)
    }
}

impl EventRecord for ApiError {
    fn event(&self) -> &'static Event {
        &event::API_ERROR
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.text(key::MODEL, &*self.model);
        out.text(key::ERROR, &*self.error.0);
        match self.status_code {
            Some(status) => out.text(key::STATUS_CODE, status.to_string()),
            None => out.text(key::STATUS_CODE, "undefined"),
        }
        out.count(key::DURATION_MS, millis(self.duration.unwrap_or_default()));
        out.count(key::ATTEMPT, self.attempt.unwrap_or(1).into());
        out.text_if(key::REQUEST_ID, self.request_id.as_deref());
        out.text(key::SPEED, self.speed.as_str());
        out.text_if(key::QUERY_SOURCE, self.query_source.as_deref());
    }

    fn size(&self) -> usize {
        text_size(&[
            Some(&self.model),
            Some(&self.error.0),
            self.request_id.as_ref(),
            self.query_source.as_ref(),
        ])
    }
}
