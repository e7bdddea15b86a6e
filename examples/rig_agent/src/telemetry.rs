//! All of the instrumentation.

use std::sync::Arc;

use claude_code_telemetry::{
    ApiError, ApiRequest, Calls, Decision, DecisionSource, Prices, ToolCallOptions, ToolOutcome,
};
use rig_agent::agent::{
    AgentHook, DispatchAction, DispatchEvent, HookContext, OutcomeAction, OutcomeEvent,
};
use rig_agent::completion::PromptError;
use rig_core::http_client::HeaderMap;

use crate::retry;

/// The id of the model request. A turn makes one request at a time.
const REQUEST: &str = "request";

/// The instrumentation of one turn: a hook of the agent, and methods for what the hooks of rig do not see.
#[derive(Clone)]
pub(crate) struct Instrumentation {
    pub(crate) calls: Calls,
    pub(crate) model: &'static str,
    pub(crate) prices: Arc<Prices>,
}

impl Instrumentation {
    /// Records that an attempt of the model request starts, and adds the trace context to its headers.
    pub(crate) fn attempt(&self, headers: &mut HeaderMap, body: &[u8]) {
        if let Some(request) = self.calls.request(REQUEST) {
            request.attempt_started();
            request.inject_headers(headers);
            request.body(String::from_utf8_lossy(body).into_owned());
        }
    }

    /// Records that a part of a streamed response arrives. Only the first one of an attempt counts.
    pub(crate) fn token(&self) {
        if let Some(request) = self.calls.request(REQUEST) {
            request.first_token();
        }
    }

    /// Records that the model request failed, if this is the reason why the turn did.
    pub(crate) fn failed(&self, error: &PromptError) {
        let request = self.calls.take_request(REQUEST);
        if let (Some(request), PromptError::Report(report)) = (request, error) {
            let id = report.request_id.as_deref().unwrap_or_default();
            let error = ApiError::new(self.model, retry::message(report)).request_id(id);
            request.fail(error.status_code(report.http_status));
        }
    }
}

impl AgentHook for Instrumentation {
    /// Records that a model request is sent, or that a tool runs which no hook before this one has denied. Rig calls
    /// this before each of both.
    async fn on_dispatch(&self, _: &HookContext, event: DispatchEvent<'_>) -> DispatchAction {
        if event.completion_request().is_some() {
            self.calls.begin_request(REQUEST, self.model);
        } else if let Some(tool) = event.call_id.and_then(|id| self.calls.tool(&id.wire())) {
            tool.decided(Decision::Accept, DecisionSource::Config);
            tool.executing();
        }
        DispatchAction::proceed()
    }

    /// Records that the model responded, or that a tool returned or was skipped.
    async fn on_outcome(&self, _: &HookContext, event: OutcomeEvent<'_>) -> OutcomeAction {
        if let Some(response) = event.completion()
            && let Some(request) = self.calls.take_request(REQUEST)
        {
            let body = response.raw.to_string();
            let id = response.provider_request_id.as_deref().unwrap_or_default();
            let record = ApiRequest::from_response(self.model, &body).request_id(id);
            request.response_body(body);
            request.finish(record.priced(&self.prices));
            for call in response.tool_calls() {
                let (id, function) = (call.id.wire(), &call.function);
                let options = ToolCallOptions::new(function.name.as_str()).tool_use_id(&*id);
                let input = function.arguments_value().to_string();
                self.calls.begin_tool(&*id, options.input(input));
            }
        }
        if let (Some(id), Some(result)) = (event.call_id, event.tool_result())
            && let Some(tool) = self.calls.take_tool(&id.wire())
        {
            let text = result.output().render();
            let outcome = ToolOutcome::new().result_size_bytes(text.len() as u64);
            // No variable withholds the message of an error. The tools of this agent put no content into theirs.
            match result.error() {
                _ if result.is_skipped() => tool.decided(Decision::Reject, DecisionSource::Config),
                Some(e) => tool.finish(outcome.failed(e.message()).error_type(e.kind().as_str())),
                None => tool.finish(outcome.output(text)),
            }
        }
        OutcomeAction::proceed()
    }
}
