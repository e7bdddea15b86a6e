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
/// still open when the prompt ends is ended without an outcome, and so are the call that has the same id as a new one, and
/// the oldest one if more than 1,024 are open. A call that is begun after the end of the prompt does nothing.
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

/// The open calls of a prompt, which its [`Calls`] share.
#[derive(Debug, Default)]
pub(super) struct OpenCalls {
    requests: Open<LlmRequest>,
    tools: Open<ToolCall>,
}

/// The owner of the open calls: the clones of a prompt. When the last one is dropped, the calls are ended.
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

    /// Ends everything that is still open, without an outcome, also if the host holds a call at this moment. Nothing can be
    /// begun after it.
    pub(super) fn close(&self) {
        if let Some(open) = self.0.open() {
            open.requests.close();
            open.tools.close();
        }
    }
}

impl Drop for CallsOwner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Calls {
    /// Returns the open calls; `None` if telemetry can never be on, and in a forked child, where a thread that is gone may
    /// hold the locks.
    fn open(&self) -> Option<&OpenCalls> {
        self.recorder.session_here().map(|_| &*self.open)
    }

    /// Begins a call and adds it to the open ones. After the end of the prompt, it is begun on a recorder that does nothing.
    fn begin<T: Handle>(
        &self,
        calls: impl FnOnce(&OpenCalls) -> &Open<T>,
        id: Text,
        begin: impl FnOnce(&Recorder) -> T,
    ) -> Arc<T> {
        let Some(calls) = self.open().map(calls) else {
            return Arc::new(begin(&self.recorder));
        };
        let mut recorder = self.recorder.clone();
        if calls.lock().is_closed {
            recorder.session = None;
            recorder.parent = None;
        }
        calls.add(id, begin(&recorder))
    }

    /// Begins a model request under an id, and returns it.
    pub fn begin_request(
        &self,
        id: impl Into<Text>,
        options: impl Into<LlmRequestOptions>,
    ) -> Arc<LlmRequest> {
        let begin = |recorder: &Recorder| recorder.llm_request(options);
        self.begin(|open| &open.requests, id.into(), begin)
    }

    /// Returns the open request with this id; `None` if there is none.
    pub fn request(&self, id: &str) -> Option<Arc<LlmRequest>> {
        self.open()?.requests.get(id)
    }

    /// Removes the open request with this id and returns it, so that it can be finished.
    pub fn take_request(&self, id: &str) -> Option<LlmRequest> {
        Some(self.open()?.requests.take(id)?.share())
    }

    /// Begins a tool call under an id, and returns it.
    pub fn begin_tool(
        &self,
        id: impl Into<Text>,
        options: impl Into<ToolCallOptions>,
    ) -> Arc<ToolCall> {
        let begin = |recorder: &Recorder| recorder.tool(options);
        self.begin(|open| &open.tools, id.into(), begin)
    }

    /// Returns the open tool call with this id; `None` if there is none.
    pub fn tool(&self, id: &str) -> Option<Arc<ToolCall>> {
        self.open()?.tools.get(id)
    }

    /// Removes the open tool call with this id and returns it, so that it can be finished.
    pub fn take_tool(&self, id: &str) -> Option<ToolCall> {
        Some(self.open()?.tools.take(id)?.share())
    }
}

/// A handle of an operation that can be ended without an outcome.
pub(super) trait Handle {
    fn abandon(&self);
}

/// Open calls of one kind. A host has few calls open at the same time, so that a list is enough.
#[derive(Debug)]
struct Open<T>(Mutex<List<T>>);

#[derive(Debug)]
struct List<T> {
    /// The oldest first.
    calls: Vec<(Text, Arc<T>)>,
    /// True after the end of the prompt.
    is_closed: bool,
}

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self(Mutex::new(List {
            calls: Vec::new(),
            is_closed: false,
        }))
    }
}

impl<T: Handle> Open<T> {
    /// Adds a call, and ends the one that it replaces. After the end of the prompt, the new call itself is ended.
    fn add(&self, id: Text, call: T) -> Arc<T> {
        let call = Arc::new(call);
        let mut list = self.lock();
        let ended = if list.is_closed {
            Some(Arc::clone(&call))
        } else {
            let same = list.calls.iter().position(|(other, _)| *other == id);
            let replaced = same.or((list.calls.len() == MAX_OPEN).then_some(0));
            let replaced = replaced.map(|index| list.calls.remove(index).1);
            list.calls.push((id, Arc::clone(&call)));
            replaced
        };
        drop(list);
        if let Some(ended) = ended {
            ended.abandon();
        }
        call
    }

    fn get(&self, id: &str) -> Option<Arc<T>> {
        let list = self.lock();
        let (_, call) = list.calls.iter().find(|(other, _)| *other == *id)?;
        Some(Arc::clone(call))
    }

    fn take(&self, id: &str) -> Option<Arc<T>> {
        let calls = &mut self.lock().calls;
        let index = calls.iter().position(|(other, _)| *other == *id)?;
        Some(calls.remove(index).1)
    }

    fn close(&self) {
        let mut list = self.lock();
        list.is_closed = true;
        let calls = std::mem::take(&mut list.calls);
        drop(list);
        calls.iter().for_each(|(_, call)| call.abandon());
    }

    fn lock(&self) -> MutexGuard<'_, List<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
