//! Model requests: answered ones and failed ones.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::string_enum::string_enum;
use super::{
    Attributes, ErrorMessage, EventRecord, Record, TokenType, countable, millis, optional,
    text_size,
};
use crate::catalog::{Event, event, key};
use crate::content::ContentPolicy;

string_enum! {
    /// Whether fast mode was active: the attribute `speed`.
    Speed {
        /// Fast mode.
        Fast = "fast",
        /// Normal mode.
        Normal = "normal",
    }
}

/// The four token counts of one request. All are sent, also when 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_creation: u64,
}

impl TokenUsage {
    /// No tokens at all.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Input tokens that came from no cache.
    #[inline]
    pub fn input(mut self, count: u64) -> Self {
        self.input = count;
        self
    }

    /// Output tokens.
    #[inline]
    pub fn output(mut self, count: u64) -> Self {
        self.output = count;
        self
    }

    /// Input tokens read from the cache.
    #[inline]
    pub fn cache_read(mut self, count: u64) -> Self {
        self.cache_read = count;
        self
    }

    /// Input tokens written to the cache.
    #[inline]
    pub fn cache_creation(mut self, count: u64) -> Self {
        self.cache_creation = count;
        self
    }

    /// The tokens of one kind.
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

    /// All four together.
    pub fn total(&self) -> u64 {
        [self.output, self.cache_read, self.cache_creation]
            .into_iter()
            .fold(self.input, u64::saturating_add)
    }
}

/// Of several requests together, for a host that keeps sums.
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
/// Emits the event `claude_code.api_request` and counts `claude_code.cost.usage` and the four types of
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
    /// `None` once a refused amount was taken out.
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
    /// A request that `model` answered.
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

    /// The model that was asked for, when another one answered: metrics and spans carry this one.
    #[inline]
    pub fn requested_model(mut self, model: impl Into<Cow<'static, str>>) -> Self {
        self.requested_model = optional(model);
        self
    }

    /// The tokens that it used; none by default.
    #[inline]
    pub fn tokens(mut self, tokens: TokenUsage) -> Self {
        self.tokens = tokens;
        self
    }

    /// The estimated cost in US dollars; 0 by default. A negative or non-finite amount is left out and counted in
    /// [health](crate::Health); the rest of the record goes on.
    #[inline]
    pub fn cost_usd(mut self, usd: f64) -> Self {
        self.cost_usd = Some(usd);
        self
    }

    /// The duration of the last attempt (`duration_ms`, in whole milliseconds); by default what the handle measured,
    /// without one 0.
    #[inline]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// The API's request id, from the response's `request-id` header.
    #[inline]
    pub fn request_id(mut self, id: impl Into<Cow<'static, str>>) -> Self {
        self.request_id = optional(id);
        self
    }

    /// Whether fast mode was active (`speed`); [`Speed::Normal`] by default.
    #[inline]
    pub fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// The subsystem that made the request, for example `compact`.
    #[inline]
    pub fn query_source(mut self, source: impl Into<Cow<'static, str>>) -> Self {
        self.query_source = optional(source);
        self
    }

    /// Attempts made in all, the first one included; by default what the handle counted. On the span alone.
    #[inline]
    pub fn attempt(mut self, attempts: u32) -> Self {
        self.attempt = Some(attempts);
        self
    }

    /// The time from the beginning of the last attempt to the first token; by default what the handle measured. On the
    /// span alone (`ttft_ms`).
    #[inline]
    pub fn time_to_first_token(mut self, duration: Duration) -> Self {
        self.time_to_first_token = Some(duration);
        self
    }

    /// Whether the answer calls a tool. On the span alone (`response.has_tool_call`).
    #[inline]
    pub fn has_tool_call(mut self, has: bool) -> Self {
        self.has_tool_call = Some(has);
        self
    }

    /// Why the model stopped (`stop_reason`), for example `end_turn`. On the span alone.
    #[inline]
    pub fn stop_reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.stop_reason = optional(reason);
        self
    }

    /// When it was answered; now by default. Moves the event, never the metrics.
    #[inline]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }

    /// Takes out what the event needs, at the moment when it is written where it stays.
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

    /// The model of metrics and spans.
    pub(crate) fn metric_model(&self) -> &str {
        self.requested_model.as_deref().unwrap_or(&self.model)
    }
}

/// What of an [`ApiRequest`] its event needs. The rest is for the span, and would only be carried through the queue.
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

/// A request that failed for good, after its last attempt.
///
/// Emits the event `claude_code.api_error`, once for a request; attempts that were retried emit nothing.
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
    /// A request for `model` that failed with the message `error`. The message needs no switch: put no content into it.
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

    /// The HTTP status (`status_code`); without one the event says `undefined`.
    pub fn status_code(mut self, status: u16) -> Self {
        self.status_code = Some(status);
        self
    }

    /// The duration of the last attempt (`duration_ms`, in whole milliseconds); by default what the handle measured,
    /// without one 0.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Attempts made in all, the first one included; by default what the handle counted, 1 without a handle.
    pub fn attempt(mut self, attempts: u32) -> Self {
        self.attempt = Some(attempts);
        self
    }

    /// The API's request id, when it returned one.
    pub fn request_id(mut self, id: impl Into<Cow<'static, str>>) -> Self {
        self.request_id = optional(id);
        self
    }

    /// Whether fast mode was active (`speed`); [`Speed::Normal`] by default.
    pub fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// The subsystem that made the request (`query_source`).
    pub fn query_source(mut self, source: impl Into<Cow<'static, str>>) -> Self {
        self.query_source = optional(source);
        self
    }

    /// When it failed; now by default.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
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
