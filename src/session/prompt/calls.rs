//! Requests and tool calls that a host addresses by its own ids.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{LlmRequest, LlmRequestOptions, ToolCall, ToolCallOptions};
use crate::record::Text;
use crate::session::Recorder;

/// The number of requests, and of tool calls, that are open under an id at the same time.
const MAX_OPEN: usize = 1_024;

/// The open model requests and tool calls of a prompt, by ids of the host: for frameworks that call back with an id
/// and not with a handle.
///
/// [`Prompt::calls`](crate::Prompt::calls) returns it. Clones share the calls, so that every callback can have one. The
/// ids are only keys: they are never sent. A tool's id is sent if the host sets it as
/// [`tool_use_id`](ToolCallOptions::tool_use_id).
///
/// A request or tool call is begun, looked up any number of times while it is open, and taken to be finished. What is
/// still open when the prompt ends is ended without an outcome, and so are the call that has the same id as a new one,
/// and the oldest one if more than 1,024 are open.
///
/// ```
/// use claude_code_telemetry::{Calls, Decision, DecisionSource, ToolCallOptions, ToolOutcome};
///
/// struct Hooks {
///     calls: Calls,
/// }
///
/// impl Hooks {
///     fn on_tool_call(&self, id: &str, name: &str, arguments: &str) {
///         let options = ToolCallOptions::new(name).tool_use_id(id).input(arguments);
///         let tool = self.calls.begin_tool(id, options);
///         tool.decided(Decision::Accept, DecisionSource::Config);
///         tool.executing();
///     }
///
///     fn on_tool_result(&self, id: &str, result: &str) {
///         if let Some(tool) = self.calls.take_tool(id) {
///             tool.finish(ToolOutcome::new().result_size_bytes(result.len() as u64));
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Calls {
    recorder: Recorder,
    open: Arc<OpenCalls>,
}

/// The open calls. It is shared by the clones of a prompt and of its [`Calls`].
#[derive(Debug, Default)]
pub(super) struct OpenCalls {
    requests: Open<LlmRequest>,
    tools: Open<ToolCall>,
}

impl Calls {
    pub(super) fn new(recorder: &Recorder, open: &Arc<OpenCalls>) -> Self {
        Self {
            recorder: recorder.clone(),
            open: Arc::clone(open),
        }
    }

    /// Begins a model request under an id, and returns it.
    pub fn begin_request(
        &self,
        id: impl Into<Text>,
        options: impl Into<LlmRequestOptions>,
    ) -> Arc<LlmRequest> {
        self.open
            .requests
            .begin(id.into(), self.recorder.llm_request(options))
    }

    /// Returns the open request with this id; `None` if there is none.
    pub fn request(&self, id: &str) -> Option<Arc<LlmRequest>> {
        self.open.requests.get(id)
    }

    /// Removes the open request with this id and returns it, so that it can be finished.
    pub fn take_request(&self, id: &str) -> Option<LlmRequest> {
        self.open.requests.take(id).map(|request| request.share())
    }

    /// Begins a tool call under an id, and returns it.
    pub fn begin_tool(
        &self,
        id: impl Into<Text>,
        options: impl Into<ToolCallOptions>,
    ) -> Arc<ToolCall> {
        self.open
            .tools
            .begin(id.into(), self.recorder.tool(options))
    }

    /// Returns the open tool call with this id; `None` if there is none.
    pub fn tool(&self, id: &str) -> Option<Arc<ToolCall>> {
        self.open.tools.get(id)
    }

    /// Removes the open tool call with this id and returns it, so that it can be finished.
    pub fn take_tool(&self, id: &str) -> Option<ToolCall> {
        self.open.tools.take(id).map(|tool| tool.share())
    }
}

impl OpenCalls {
    /// Ends everything that is still open, without an outcome, also if the host holds a call at this moment.
    pub(super) fn abandon(&self) {
        self.requests.drain().for_each(|request| request.abandon());
        self.tools.drain().for_each(|tool| tool.abandon());
    }
}

/// Open calls of one kind, the oldest first. A host has few calls open at the same time, so that a list is enough.
#[derive(Debug)]
struct Open<T>(Mutex<Vec<(Text, Arc<T>)>>);

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Open<T> {
    fn begin(&self, id: Text, call: T) -> Arc<T> {
        let call = Arc::new(call);
        let mut open = self.lock();
        let same = open.iter().position(|(other, _)| *other == id);
        let replaced = same.or((open.len() == MAX_OPEN).then_some(0));
        // It is dropped, which ends it, after the lock is released.
        let replaced = replaced.map(|index| open.remove(index));
        open.push((id, Arc::clone(&call)));
        drop(open);
        drop(replaced);
        call
    }

    fn get(&self, id: &str) -> Option<Arc<T>> {
        let open = self.lock();
        let (_, call) = open.iter().find(|(other, _)| *other == *id)?;
        Some(Arc::clone(call))
    }

    fn take(&self, id: &str) -> Option<Arc<T>> {
        let mut open = self.lock();
        let index = open.iter().position(|(other, _)| *other == *id)?;
        Some(open.remove(index).1)
    }

    fn drain(&self) -> impl Iterator<Item = Arc<T>> + use<T> {
        std::mem::take(&mut *self.lock())
            .into_iter()
            .map(|(_, call)| call)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Text, Arc<T>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
