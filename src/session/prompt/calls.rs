//! Requests and tool calls that a host addresses by its own ids.

use std::sync::{Arc, Mutex, MutexGuard};

use super::{LlmRequest, LlmRequestOptions, ToolCall, ToolCallOptions};
use crate::lock::lock;
use crate::record::Text;
use crate::session::Recorder;

/// The maximum number of requests, and of tool calls, that are open under an id at the same time. It bounds the memory
/// if a host never takes its calls.
const MAX_OPEN: usize = 1_024;

/// The open model requests and tool calls of a prompt, by ids of the host: for frameworks that call back with an id
/// and not with a handle.
///
/// [`Prompt::calls`](crate::Prompt::calls) returns it. Clones share the calls, so that every callback can have one. The
/// ids are only keys: they are never sent. A tool's id is sent if the host sets it as
/// [`tool_use_id`](ToolCallOptions::tool_use_id).
///
/// A request or tool call is begun, looked up any number of times while it is open, and then taken out, so that the
/// host can finish it. A call ends without an outcome if it is still open when the prompt ends, if a new call has its
/// id, or if it is the oldest of more than 1,024 open ones. A call that is begun after the end of the prompt does
/// nothing, and a call that has ended records nothing more, whichever handle is used.
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
    open: Arc<Mutex<OpenCalls>>,
}

/// The open calls of a prompt, which its [`Calls`] share.
#[derive(Debug, Default)]
struct OpenCalls {
    requests: List<LlmRequest>,
    tools: List<ToolCall>,
    /// True after the end of the prompt.
    is_closed: bool,
}

/// Calls with their ids, the oldest first. A host has few calls open at the same time, so that a list is enough.
type List<T> = Vec<(Text, Arc<T>)>;

/// The owner of the open calls, which the clones of a prompt share. When the last clone is dropped, the calls end.
#[derive(Debug)]
pub(super) struct CallsOwner(Calls);

impl CallsOwner {
    pub(super) fn new(recorder: &Recorder) -> Self {
        Self(Calls {
            recorder: recorder.clone(),
            open: Arc::default(),
        })
    }

    pub(super) fn calls(&self) -> Calls {
        self.0.clone()
    }

    /// Ends all open calls without an outcome, also those whose handle the host still holds. No call can begin
    /// afterwards.
    pub(super) fn close(&self) {
        let Some(mut open) = self.0.lock() else {
            return;
        };
        open.is_closed = true;
        let requests = std::mem::take(&mut open.requests);
        let tools = std::mem::take(&mut open.tools);
        drop(open);
        requests.iter().for_each(|(_, request)| request.abandon());
        tools.iter().for_each(|(_, tool)| tool.abandon());
    }
}

impl Drop for CallsOwner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Calls {
    /// Locks the open calls. Returns `None` if telemetry can never be on, and in a forked child, where a thread that
    /// does not exist there may hold the lock.
    fn lock(&self) -> Option<MutexGuard<'_, OpenCalls>> {
        self.recorder.session_in_original_process()?;
        Some(lock(&self.open))
    }

    /// Begins a call, adds it to the open ones, and ends the call that it replaces. After the end of the prompt, the
    /// call begins on a recorder that does nothing; if the prompt ends meanwhile, the new call ends at once.
    fn begin<T: Handle>(
        &self,
        list: impl FnOnce(&mut OpenCalls) -> &mut List<T>,
        id: Text,
        begin: impl FnOnce(&Recorder) -> T,
    ) -> Arc<T> {
        let mut recorder = self.recorder.clone();
        if self.lock().is_some_and(|open| open.is_closed) {
            recorder.session = None;
            recorder.parent = None;
        }
        // The call begins without the lock, because a tool call with large arguments takes time to begin.
        let call = Arc::new(begin(&recorder));
        let Some(mut open) = self.lock() else {
            return call;
        };
        let ended = if open.is_closed {
            Some(Arc::clone(&call))
        } else {
            let list = list(&mut open);
            let same = list.iter().position(|(other, _)| *other == id);
            let replaced = same.or((list.len() == MAX_OPEN).then_some(0));
            let replaced = replaced.map(|index| list.remove(index).1);
            list.push((id, Arc::clone(&call)));
            replaced
        };
        drop(open);
        if let Some(ended) = ended {
            ended.abandon();
        }
        call
    }

    /// Begins a model request under an id, and returns it.
    pub fn begin_request(
        &self,
        id: impl Into<Text>,
        options: impl Into<LlmRequestOptions>,
    ) -> Arc<LlmRequest> {
        let begin = |recorder: &Recorder| recorder.llm_request(options);
        self.begin(|open| &mut open.requests, id.into(), begin)
    }

    /// Returns the open request with this id; `None` if there is none.
    pub fn request(&self, id: &str) -> Option<Arc<LlmRequest>> {
        get(&self.lock()?.requests, id)
    }

    /// Removes the open request with this id and returns a handle of it, so that it can be finished.
    #[must_use = "a request that is dropped counts as canceled: call `finish`, `fail` or `end`"]
    pub fn take_request(&self, id: &str) -> Option<LlmRequest> {
        Some(take(&mut self.lock()?.requests, id)?.share())
    }

    /// Begins a tool call under an id, and returns it.
    pub fn begin_tool(
        &self,
        id: impl Into<Text>,
        options: impl Into<ToolCallOptions>,
    ) -> Arc<ToolCall> {
        let begin = |recorder: &Recorder| recorder.tool(options);
        self.begin(|open| &mut open.tools, id.into(), begin)
    }

    /// Returns the open tool call with this id; `None` if there is none.
    pub fn tool(&self, id: &str) -> Option<Arc<ToolCall>> {
        get(&self.lock()?.tools, id)
    }

    /// Removes the open tool call with this id and returns a handle of it, so that it can be finished.
    #[must_use = "a tool call that is dropped has no result: call `finish` or `end`"]
    pub fn take_tool(&self, id: &str) -> Option<ToolCall> {
        Some(take(&mut self.lock()?.tools, id)?.share())
    }
}

/// A handle of an operation that can be ended without an outcome.
pub(super) trait Handle {
    fn abandon(&self);
}

fn get<T>(list: &[(Text, Arc<T>)], id: &str) -> Option<Arc<T>> {
    let (_, call) = list.iter().find(|(other, _)| *other == *id)?;
    Some(Arc::clone(call))
}

fn take<T>(list: &mut List<T>, id: &str) -> Option<Arc<T>> {
    let index = list.iter().position(|(other, _)| *other == *id)?;
    Some(list.remove(index).1)
}
