//! The span of a model request.

use std::borrow::Cow;
use std::time::Duration;

use super::llm_request::RequestContext;
use crate::catalog::{self, key, span};
use crate::encode::spans::{SpanEvent, SpanRecord};
use crate::record::{ApiError, ApiRequest, Attributes, Speed, TokenUsage, millis, text_size};

/// The data of the span `claude_code.llm_request`.
pub(super) struct LlmSpan {
    model: Cow<'static, str>,
    context: RequestContext,
    speed: Speed,
    query_source: Option<Cow<'static, str>>,
    duration: Duration,
    time_to_first_token: Option<Duration>,
    tokens: Option<TokenUsage>,
    request_id: Option<Cow<'static, str>>,
    success: bool,
    /// The start of each attempt, in nanoseconds since the Unix epoch.
    attempts: Vec<u64>,
    attempt: u64,
    status_code: Option<u16>,
    error: Option<Cow<'static, str>>,
    has_tool_call: Option<bool>,
    stop_reason: Option<Cow<'static, str>>,
}

impl LlmSpan {
    /// Creates the span of a request that was neither answered nor failed.
    pub(super) fn new(
        model: Cow<'static, str>,
        query_source: Option<Cow<'static, str>>,
        context: RequestContext,
        duration: Duration,
        attempts: Vec<u64>,
    ) -> Self {
        Self {
            model,
            context,
            speed: Speed::Normal,
            query_source,
            duration,
            time_to_first_token: None,
            tokens: None,
            request_id: None,
            success: false,
            attempt: (attempts.len() as u64).max(1),
            attempts,
            status_code: None,
            error: None,
            has_tool_call: None,
            stop_reason: None,
        }
    }

    /// Adds the answer. `time_to_first_token` applies if the answer does not contain one.
    pub(super) fn answered(
        self,
        request: &ApiRequest,
        time_to_first_token: Option<Duration>,
    ) -> Self {
        Self {
            speed: request.speed,
            query_source: request.query_source.clone(),
            time_to_first_token: request.time_to_first_token.or(time_to_first_token),
            tokens: Some(request.tokens),
            request_id: request.request_id.clone(),
            success: true,
            attempt: request.attempt.map_or(self.attempt, u64::from),
            has_tool_call: request.has_tool_call,
            stop_reason: request.stop_reason.clone(),
            ..self
        }
    }

    pub(super) fn failed(self, error: &ApiError) -> Self {
        Self {
            speed: error.speed,
            query_source: error.query_source.clone(),
            request_id: error.request_id.clone(),
            attempt: error.attempt.map_or(self.attempt, u64::from),
            status_code: error.status_code,
            error: Some(error.error.0.clone()),
            ..self
        }
    }
}

impl SpanRecord for LlmSpan {
    fn span(&self) -> &'static catalog::Span {
        &span::LLM_REQUEST
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.text(key::MODEL, &*self.model);
        out.text(key::GEN_AI_SYSTEM, "anthropic");
        out.text(key::GEN_AI_REQUEST_MODEL, &*self.model);
        out.text(key::LLM_REQUEST_CONTEXT, self.context.as_str());
        out.text(key::SPEED, self.speed.as_str());
        out.text_if(key::QUERY_SOURCE, self.query_source.as_deref());
        out.count(key::DURATION_MS, millis(self.duration));
        out.count_if(key::TTFT_MS, self.time_to_first_token.map(millis));
        if let Some(tokens) = self.tokens {
            out.count(key::INPUT_TOKENS, tokens.input);
            out.count(key::OUTPUT_TOKENS, tokens.output);
            out.count(key::CACHE_READ_TOKENS, tokens.cache_read);
            out.count(key::CACHE_CREATION_TOKENS, tokens.cache_creation);
        }
        out.text_if(key::REQUEST_ID, self.request_id.as_deref());
        out.text_if(key::GEN_AI_RESPONSE_ID, self.request_id.as_deref());
        out.bool(key::SUCCESS, self.success);
        out.count(key::ATTEMPT, self.attempt);
        out.count_if(key::STATUS_CODE, self.status_code.map(u64::from));
        out.text_if(key::ERROR, self.error.as_deref());
        out.bool_if(key::RESPONSE_HAS_TOOL_CALL, self.has_tool_call);
        if let Some(reason) = self.stop_reason.as_deref() {
            out.text(key::STOP_REASON, reason);
            out.texts(key::GEN_AI_RESPONSE_FINISH_REASONS, vec![reason.into()]);
        }
    }

    fn failure(&self) -> Option<Cow<'_, str>> {
        self.error.as_deref().map(Cow::Borrowed)
    }

    fn events<'a>(&'a self, out: &mut Vec<SpanEvent<'a>>) {
        for (n, time) in self.attempts.iter().enumerate() {
            let mut attributes = Attributes::default();
            attributes.count(key::ATTEMPT, n as u64 + 1);
            out.push(SpanEvent {
                event: &span::REQUEST_ATTEMPT,
                time: *time,
                attributes,
            });
        }
    }

    fn size(&self) -> usize {
        text_size(&[
            Some(&self.model),
            self.query_source.as_ref(),
            self.request_id.as_ref(),
            self.error.as_ref(),
            self.stop_reason.as_ref(),
        ]) + 8 * self.attempts.len()
    }
}
