//! The record of a request from a response of the Messages API.

use super::{ApiRequest, Speed, Text, TokenUsage, optional};
use crate::content::json;

impl ApiRequest {
    /// Creates the record from the JSON text of a response of the Messages API: the model that answered, the tokens,
    /// the speed, the stop reason, and whether the answer calls a tool. `requested_model` is the model that the host
    /// requested; metrics and spans carry it.
    ///
    /// A member that is missing or has an unexpected type is left out, and so is everything after a syntax error. A
    /// response states neither its cost (see [`priced`](Self::priced)) nor its id, which the header `request-id`
    /// contains. For an answer that arrives as a stream of events, see [`StreamedResponse`](crate::StreamedResponse).
    ///
    /// ```
    /// use claude_code_telemetry::ApiRequest;
    /// let response = r#"{
    ///     "model": "claude-sonnet-4-6", "stop_reason": "tool_use",
    ///     "content": [{"type": "tool_use", "id": "toolu_01", "name": "Bash", "input": {}}],
    ///     "usage": {"input_tokens": 1200, "output_tokens": 86, "cache_read_input_tokens": 4000}
    /// }"#;
    /// let request = ApiRequest::from_response("claude-sonnet-4-6", response)
    ///     .request_id("req_011")
    ///     .cost_usd(0.0061);
    /// ```
    pub fn from_response(requested_model: impl Into<Text>, response: impl AsRef<[u8]>) -> Self {
        let mut request = Self::new(requested_model);
        request.read(&String::from_utf8_lossy(response.as_ref()));
        request
    }

    /// Creates the record from a usage whose input tokens include the cached ones, as OpenAI-compatible APIs and many
    /// frameworks count them: the tokens that were read from and written to the cache are subtracted from the input.
    ///
    /// ```
    /// use claude_code_telemetry::{ApiRequest, TokenUsage};
    /// let usage = TokenUsage::new().input(1_500).cache_read(1_000).output(20);
    /// // `input_tokens` is 500, `cache_read_tokens` is 1,000.
    /// let request = ApiRequest::from_usage("gpt-5", usage);
    /// ```
    pub fn from_usage(model: impl Into<Text>, usage: TokenUsage) -> Self {
        let cached = usage.cache_read.saturating_add(usage.cache_creation);
        let input = usage.input.saturating_sub(cached);
        Self::new(model).tokens(usage.input(input))
    }

    /// Reads a response, or an event of a streamed response, which contains a part of one. Returns true for an event
    /// about a content block, the first of which stands for the first token.
    pub(super) fn read(&mut self, json: &str) -> bool {
        let mut has_token = false;
        json::visit(json, |path, value| {
            if let (["type"], json::Event::String(text)) = (path, value) {
                let event = text.plain().unwrap_or_default();
                has_token |= event.starts_with("content_block");
            }
            // The events `message_start` and `message_delta` contain members of a response in an object.
            let path = match path {
                ["message" | "delta", path @ ..] => path,
                path => path,
            };
            match (path, value) {
                (["usage", path @ ..], _) => self.read_usage(path, value),
                (["model"], json::Event::String(text)) => self.set_response_model(text.decoded()),
                (["stop_reason"], json::Event::String(text)) => {
                    self.stop_reason = optional(text.decoded());
                }
                (["content"], json::Event::ArrayStart) => {
                    self.has_tool_call.get_or_insert(false);
                }
                (
                    ["content", "", "type"] | ["content_block", "type"],
                    json::Event::String(text),
                ) if text.is("tool_use") => {
                    self.has_tool_call = Some(true);
                }
                _ => {}
            }
        });
        has_token
    }

    /// Sets the model that responded. The model so far is the one that the host requested.
    fn set_response_model(&mut self, model: String) {
        if let Some(model) = optional(model) {
            let requested = std::mem::replace(&mut self.model, model);
            self.requested_model = self.requested_model.take().or(optional(requested));
        }
    }

    /// Reads a member of the usage. The counts of a stream's events are totals so far: the largest one counts.
    fn read_usage(&mut self, path: &[&str], value: json::Event<'_>) {
        let count = match (path, value) {
            (["speed"], json::Event::String(text)) => {
                self.speed = match text.is("fast") {
                    true => Speed::Fast,
                    false => Speed::Normal,
                };
                return;
            }
            (["input_tokens"], _) => &mut self.input_tokens,
            (["output_tokens"], _) => &mut self.output_tokens,
            (["cache_read_input_tokens"], _) => &mut self.cache_read_tokens,
            (["cache_creation_input_tokens"], _) => &mut self.cache_creation_tokens,
            (["cache_creation", "ephemeral_1h_input_tokens"], _) => {
                &mut self.cache_creation_1h_tokens
            }
            _ => return,
        };
        if let json::Event::Scalar(number) = value {
            *count = number.parse().unwrap_or(0).max(*count);
        }
    }
}
