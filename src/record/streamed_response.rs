//! A response of the Messages API that arrives as a stream of events.

use std::fmt;

use super::{ApiRequest, Text};

/// The size limit, in bytes, of one event, which bounds the memory of a stream whose events do not end. A larger event
/// is skipped.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// Collects the record of a request from the events of its streamed response.
///
/// Pass the bytes of the body as they arrive to [`push`](Self::push), or the data of each event to
/// [`event`](Self::event) if the HTTP client already separates them. Reading never fails: missing,
/// unexpected or malformed parts are ignored.
///
/// ```
/// use claude_code_telemetry::{LlmRequest, StreamedResponse};
///
/// fn receive(request: LlmRequest, body: impl Iterator<Item = Vec<u8>>) {
///     let mut response = StreamedResponse::new("claude-sonnet-4-6");
///     for chunk in body {
///         if response.push(&chunk) {
///             request.first_token();
///         }
///     }
///     request.finish(response.into_request().cost_usd(0.0061));
/// }
/// ```
#[derive(Clone)]
pub struct StreamedResponse {
    /// The record of what was read so far.
    request: ApiRequest,
    /// True if a content block has begun, which stands for the first token.
    has_token: bool,
    /// The current line so far.
    line: Vec<u8>,
    /// The data of the current event: the lines so far.
    data: Vec<u8>,
    /// True if no byte of the current line was read, not even one that was skipped.
    is_line_empty: bool,
    /// True if the current event is larger than [`MAX_EVENT`].
    is_skipped: bool,
    /// True if the last byte was a carriage return: a line feed that follows belongs to the same end of a line.
    after_return: bool,
}

impl StreamedResponse {
    /// Begins a response to a request for `requested_model`.
    pub fn new(requested_model: impl Into<Text>) -> Self {
        Self {
            request: ApiRequest::new(requested_model),
            has_token: false,
            line: Vec::new(),
            data: Vec::new(),
            is_line_empty: true,
            is_skipped: false,
            after_return: false,
        }
    }

    /// Reads a header of the response. `request-id` sets the attribute `request_id`; other headers are ignored, so that
    /// a host can pass all of them.
    pub fn header(&mut self, name: &str, value: impl AsRef<[u8]>) {
        if name.eq_ignore_ascii_case("request-id") {
            let id = String::from_utf8_lossy(value.as_ref()).into_owned();
            self.request.request_id = super::optional(id);
        }
    }

    /// Reads the next bytes of the body: server-sent events, divided anywhere. Returns `true` once, when the first
    /// token has arrived: call [`LlmRequest::first_token`](crate::LlmRequest::first_token) then. An event of more than
    /// 16 MiB is skipped.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let had_token = self.has_token;
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        for part in bytes.as_ref().split_inclusive(is_end) {
            let is_rest_of_crlf = self.after_return && part == b"\n";
            self.after_return = part.ends_with(b"\r");
            match part {
                _ if is_rest_of_crlf => {}
                [line @ .., b'\n' | b'\r'] => {
                    self.append(line);
                    self.end_line();
                }
                line => self.append(line),
            }
        }
        self.has_token && !had_token
    }

    /// Reads the data of one event: the JSON text after `data:`. Returns `true` once, as [`push`](Self::push) does.
    pub fn event(&mut self, data: &str) -> bool {
        let had_token = self.has_token;
        self.has_token |= self.request.read(data);
        self.has_token && !had_token
    }

    /// Returns the record of what was read. The cost is not known: set it, or call [`priced`](ApiRequest::priced).
    pub fn into_request(self) -> ApiRequest {
        self.request
    }

    /// Adds a part of a line.
    fn append(&mut self, bytes: &[u8]) {
        self.is_line_empty &= bytes.is_empty();
        self.is_skipped |= self.line.len() + self.data.len() + bytes.len() > MAX_EVENT;
        if self.is_skipped {
            self.line = Vec::new();
            self.data = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    /// Reads a line: a part of an event, or the empty line after it.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::replace(&mut self.is_line_empty, true) {
            let data = std::mem::take(&mut self.data);
            if !std::mem::take(&mut self.is_skipped) {
                self.event(&String::from_utf8_lossy(&data));
            }
        } else if let Some(data) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data);
            self.data.push(b'\n');
        }
    }
}

/// Hides the buffers, because they contain content.
impl fmt::Debug for StreamedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedResponse")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
