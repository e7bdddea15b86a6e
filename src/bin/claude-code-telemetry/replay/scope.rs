//! A session, its open prompt, and the calls to which other steps may refer.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::SystemTime;

use claude_code_telemetry::{
    ChildEnv, Decision, LlmRequest, LlmRequestOptions, PendingToolCall, Prompt, PromptEnd,
    Recorder, RequestContext, Session, ToolCall, ToolCallOptions, UserPrompt,
};

use super::nesting::Nesting;
use super::open_calls::{OpenCall, OpenCalls, PromptNumber};
use super::recent::Recent;
use crate::output::print_to_stderr;

/// The scope of steps: a session and its open interaction.
pub(crate) struct Scope {
    session: Session,
    prompt: Option<Prompt>,
    /// The number of prompts so far.
    prompts: u64,
    /// The tools inside which other steps may be recorded, by their ids.
    tools: Recent<(Tool, PromptNumber)>,
    /// The tool calls that the host reports while they run.
    pub(crate) open_tools: OpenCalls<OpenTool>,
    /// The model requests that the host reports while they run.
    pub(crate) open_requests: OpenCalls<OpenRequest>,
    nesting: Rc<Nesting>,
    /// The environment of a subprocess of the newest executed tool with a step `tool`, and the prompt of that step.
    child_env: Option<(ChildEnv, PromptNumber)>,
    /// True after the first live call: one that the host reports while it runs.
    has_live_calls: bool,
}

/// A tool call with an id.
enum Tool {
    /// Work inside the call was recorded; its own step has not been read yet.
    Reserved(PendingToolCall),
    /// The call has begun, and may have ended. Work inside it may continue.
    Begun(Recorder),
}

/// A tool call that the host reports while it runs.
pub(crate) struct OpenTool {
    pub(crate) call: ToolCall,
    /// The first decision.
    pub(crate) decision: OnceCell<Decision>,
}

/// A model request that the host reports while it runs.
pub(crate) struct OpenRequest {
    pub(crate) request: LlmRequest,
    /// The requested model.
    pub(crate) model: String,
}

impl OpenTool {
    /// Begins the execution.
    pub(crate) fn executing(&self, at: Option<SystemTime>) {
        match at {
            Some(at) => self.call.executing_at(at),
            None => self.call.executing(),
        }
    }
}

impl OpenCall for OpenTool {
    const KIND: &'static str = "tool call";

    fn end(self, at: Option<SystemTime>) {
        match at {
            Some(at) => self.call.end_at(at),
            None => self.call.end(),
        }
    }
}

impl OpenCall for OpenRequest {
    const KIND: &'static str = "request";

    fn end(self, at: Option<SystemTime>) {
        match at {
            Some(at) => self.request.end_at(at),
            None => self.request.end(),
        }
    }
}

impl Tool {
    fn recorder(&self) -> &Recorder {
        match self {
            Self::Reserved(tool) => tool.recorder(),
            Self::Begun(recorder) => recorder,
        }
    }
}

impl Scope {
    pub(crate) fn new(session: Session, nesting: Rc<Nesting>) -> Self {
        Self {
            session,
            prompt: None,
            prompts: 0,
            tools: Recent::default(),
            open_tools: OpenCalls::default(),
            open_requests: OpenCalls::default(),
            nesting,
            child_env: None,
            has_live_calls: false,
        }
    }

    /// Returns the recorder of the open prompt, or of the session if no prompt is open.
    pub(crate) fn recorder(&self) -> &Recorder {
        match &self.prompt {
            Some(prompt) => prompt.recorder(),
            None => self.session.recorder(),
        }
    }

    /// Returns the recorder of the session.
    pub(crate) fn session_recorder(&self) -> &Recorder {
        self.session.recorder()
    }

    /// Returns the context of model requests whose steps give none.
    pub(crate) fn default_context(&self) -> RequestContext {
        match self.prompt {
            Some(_) => RequestContext::Interaction,
            None => RequestContext::Standalone,
        }
    }

    /// Returns the number of the open prompt.
    fn prompt_number(&self) -> PromptNumber {
        self.prompt.is_some().then_some(self.prompts)
    }

    /// Returns the recorder for work inside the tool `parent`, or directly in this scope. Reserves a tool whose step comes
    /// later.
    pub(crate) fn recorder_inside(&mut self, parent: Option<&str>) -> Recorder {
        let mut recorder = self.recorder().clone();
        let Some(parent) = parent else {
            return recorder;
        };
        // The nearest known tool contains the unknown ones, which are reserved from the outermost to `parent`.
        let mut unknown = Vec::new();
        for id in self.nesting.ancestors(parent) {
            if let Some((known, _)) = self.find_recorder(id) {
                recorder = known.clone();
                break;
            }
            unknown.push(id);
        }
        let prompt = self.prompt_number();
        for id in unknown.into_iter().rev() {
            let tool = recorder.reserve_tool();
            recorder = tool.recorder().clone();
            self.tools
                .insert(id.to_owned(), (Tool::Reserved(tool), prompt));
        }
        recorder
    }

    /// Returns the recorder for work inside a tool that was mentioned before, and the prompt of the tool.
    fn find_recorder(&self, id: &str) -> Option<(&Recorder, PromptNumber)> {
        match self.open_tools.find(id) {
            // An open call is known regardless of the number of calls since its beginning.
            Some(open) => Some((open.call.call.recorder(), open.prompt)),
            None => {
                let (tool, prompt) = self.tools.get(id)?;
                Some((tool.recorder(), *prompt))
            }
        }
    }

    /// Returns the recorder for work that begins now, inside the tool `parent` or directly in this scope. Never returns that
    /// of a tool of another prompt.
    fn recorder_inside_current(&self, parent: Option<&str>) -> Result<Recorder, String> {
        let Some(parent) = parent else {
            return Ok(self.recorder().clone());
        };
        match self.find_recorder(parent) {
            Some((recorder, prompt)) if prompt == self.prompt_number() => Ok(recorder.clone()),
            Some(_) => Err(format!(
                "the parent_tool {parent:?} was not begun in this prompt"
            )),
            None => Err(format!("there is no parent_tool {parent:?}")),
        }
    }

    /// Begins the tool `id`, whose step is complete, inside `parent`. A tool that was reserved for work inside it keeps its
    /// reserved parent. Later steps that name the tool as their parent are recorded inside it.
    pub(crate) fn begin_tool(
        &mut self,
        id: Option<String>,
        parent: Option<&str>,
        options: ToolCallOptions,
    ) -> Result<ToolCall, String> {
        let Some(id) = id else {
            return Ok(self.recorder_inside(parent).tool(options));
        };
        if self.open_tools.find(&id).is_some() {
            return Err(format!(
                "the tool call {id:?} is open: write `tool_end` instead"
            ));
        }
        let tool = match self.tools.remove(&id) {
            Some((Tool::Reserved(tool), _)) => tool.begin(options),
            _ => self
                .recorder_inside(parent.filter(|parent| *parent != id))
                .tool(options),
        };
        let prompt = self.prompt_number();
        self.open_tools.add_ended(id.clone(), prompt);
        let begun = Tool::Begun(tool.recorder().clone());
        self.tools.insert(id, (begun, prompt));
        Ok(tool)
    }

    /// Begins the tool `id`, which the host ends with a later step. Returns the problem to report if another call ends
    /// because too many are open.
    pub(crate) fn begin_open_tool(
        &mut self,
        id: String,
        parent: Option<&str>,
        options: ToolCallOptions,
        at: Option<SystemTime>,
    ) -> Result<Option<String>, String> {
        let prompt = self.prompt_number();
        self.open_tools.check_unused(&id, prompt)?;
        let outer = self.recorder_inside_current(parent)?;
        let call = match self.tools.remove(&id) {
            Some((Tool::Reserved(tool), reserved_in)) if reserved_in == prompt => {
                tool.begin(options)
            }
            _ => outer.tool(options),
        };
        let begun = Tool::Begun(call.recorder().clone());
        self.tools.insert(id.clone(), (begun, prompt));
        self.has_live_calls = true;
        let decision = OnceCell::new();
        let tool = OpenTool { call, decision };
        Ok(self.open_tools.add(id, prompt, tool, at))
    }

    /// Begins the model request `id`, which the host ends with a later step. Returns the problem to report if another
    /// request ends because too many are open.
    pub(crate) fn begin_open_request(
        &mut self,
        id: &str,
        parent: Option<&str>,
        model: String,
        options: LlmRequestOptions,
        at: Option<SystemTime>,
    ) -> Result<Option<String>, String> {
        let prompt = self.prompt_number();
        self.open_requests.check_unused(id, prompt)?;
        let request = self.recorder_inside_current(parent)?.llm_request(options);
        self.has_live_calls = true;
        let open = OpenRequest { request, model };
        Ok(self.open_requests.add(id.to_owned(), prompt, open, at))
    }

    /// Remembers the environment of the subprocesses of a tool that ran.
    pub(crate) fn set_child_env(&mut self, env: ChildEnv) {
        self.child_env = Some((env, self.prompt_number()));
    }

    /// Returns the environment of a subprocess that starts now: that of the newest executed tool with a step `tool`, or
    /// of the session if there is none. In a session with live calls, only a tool of the current prompt counts.
    pub(crate) fn child_env(&self) -> ChildEnv {
        match &self.child_env {
            Some((env, prompt)) if !self.has_live_calls || *prompt == self.prompt_number() => {
                env.clone()
            }
            _ => self.session_recorder().child_env(),
        }
    }

    /// Begins an interaction. Ends the previous one if it is still open.
    pub(crate) fn begin_prompt(&mut self, prompt: UserPrompt, at: Option<SystemTime>) {
        self.end_prompt(end_at(at), at);
        self.prompt = Some(self.session.prompt(prompt));
        self.prompts += 1;
    }

    /// Ends the open prompt and its open calls, which then have no outcome. `at` is the time of `end`. Returns `true` if a
    /// prompt was open.
    pub(crate) fn end_prompt(&mut self, end: PromptEnd, at: Option<SystemTime>) -> bool {
        if self.prompt.is_some() {
            self.end_calls(self.prompt_number(), at);
        }
        self.prompt
            .take()
            .map(|prompt| prompt.end_with(end))
            .is_some()
    }

    /// Ends the calls that were begun in a prompt and are still open.
    fn end_calls(&mut self, prompt: PromptNumber, at: Option<SystemTime>) {
        let mut ended = self.open_tools.end_all(prompt, at);
        ended.extend(self.open_requests.end_all(prompt, at));
        if let Some(first) = ended.first() {
            print_to_stderr(format_args!(
                "live calls that ended without an outcome, because their prompt or session ended: {} (the first one is the {first})",
                ended.len()
            ));
        }
    }

    /// Ends the prompt, the open calls, and then the session, which ends when it is dropped.
    pub(crate) fn end(mut self, at: Option<SystemTime>) {
        self.end_prompt(end_at(at), at);
        self.end_calls(None, at);
    }
}

/// Returns the end of a prompt at the given time, or now.
fn end_at(at: Option<SystemTime>) -> PromptEnd {
    let end = PromptEnd::new();
    match at {
        Some(at) => end.at(at),
        None => end,
    }
}
