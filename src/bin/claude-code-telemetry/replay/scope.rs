//! A session, its open prompt, and the tools to which other steps may refer.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use claude_code_telemetry::{
    ChildEnv, PendingToolCall, Prompt, PromptEnd, Recorder, RequestContext, Session, ToolCall,
    ToolCallOptions, UserPrompt,
};

use super::nesting::Nesting;

/// The maximum number of remembered tools. A stream may be endless, but steps do not refer to tools that ended long
/// ago.
const KNOWN_TOOLS: usize = 4_096;

/// The scope of steps: a session and its open interaction.
pub(crate) struct Scope {
    session: Session,
    prompt: Option<Prompt>,
    tools: HashMap<String, Tool>,
    /// The ids of the tools, oldest first.
    order: VecDeque<String>,
    nesting: Rc<Nesting>,
    /// The environment of a subprocess of the tool that ran last.
    child_env: Option<ChildEnv>,
}

/// A tool call with an id.
enum Tool {
    /// Work inside the call was recorded; its own step has not been read yet.
    Reserved(PendingToolCall),
    /// The call has ended. Work inside it may continue.
    Ended(Recorder),
}

impl Tool {
    fn recorder(&self) -> &Recorder {
        match self {
            Self::Reserved(tool) => tool.recorder(),
            Self::Ended(recorder) => recorder,
        }
    }
}

impl Scope {
    pub(crate) fn new(session: Session, nesting: Rc<Nesting>) -> Self {
        Self {
            session,
            prompt: None,
            tools: HashMap::new(),
            order: VecDeque::new(),
            nesting,
            child_env: None,
        }
    }

    /// Returns the recorder of the open prompt, or of the session if no prompt is open.
    pub(crate) fn recorder(&self) -> &Recorder {
        match &self.prompt {
            Some(prompt) => prompt.recorder(),
            None => self.session.recorder(),
        }
    }

    /// Returns the default origin of model requests.
    pub(crate) fn context(&self) -> RequestContext {
        match self.prompt {
            Some(_) => RequestContext::Interaction,
            None => RequestContext::Standalone,
        }
    }

    /// Returns the recorder for work inside the tool `parent`, or directly in this scope.
    pub(crate) fn inside(&mut self, parent: Option<&str>) -> Recorder {
        let mut place = self.recorder().clone();
        let Some(parent) = parent else {
            return place;
        };
        // Starts with the nearest known tool, then reserves those inside it.
        let chain = self.nesting.from(parent);
        let known = chain.iter().position(|id| self.tools.contains_key(*id));
        let unknown = &chain[..known.unwrap_or(chain.len())];
        if let Some(tool) = known.and_then(|known| self.tools.get(chain[known])) {
            place = tool.recorder().clone();
        }
        for id in unknown.iter().rev() {
            let tool = place.reserve_tool();
            place = tool.recorder().clone();
            know(
                &mut self.tools,
                &mut self.order,
                (*id).to_owned(),
                Tool::Reserved(tool),
            );
        }
        place
    }

    /// Begins the tool `id` inside `parent`. A tool that was reserved for work inside it keeps its reserved parent.
    pub(crate) fn begin_tool(
        &mut self,
        id: Option<&str>,
        parent: Option<&str>,
        options: ToolCallOptions,
    ) -> ToolCall {
        match id.and_then(|id| self.tools.remove(id)) {
            Some(Tool::Reserved(tool)) => tool.begin(options),
            _ => self
                .inside(parent.filter(|parent| Some(*parent) != id))
                .tool(options),
        }
    }

    /// Marks the tool `id` as ended. Later steps that refer to it are recorded with `recorder`.
    pub(crate) fn tool_ended(&mut self, id: String, recorder: Recorder) {
        know(&mut self.tools, &mut self.order, id, Tool::Ended(recorder));
    }

    /// Sets the environment of subprocesses after a tool ran.
    pub(crate) fn tool_ran(&mut self, env: ChildEnv) {
        self.child_env = Some(env);
    }

    /// Returns the environment of a subprocess that starts now.
    pub(crate) fn child_env(&self) -> ChildEnv {
        match &self.child_env {
            Some(env) => env.clone(),
            None => self.session.recorder().child_env(),
        }
    }

    /// Begins an interaction. Ends the previous one if it is still open.
    pub(crate) fn begin_prompt(&mut self, prompt: UserPrompt, end: PromptEnd) {
        self.end_prompt(end);
        self.prompt = Some(self.session.prompt(prompt));
    }

    /// Ends the open prompt. Returns `true` if there was one.
    pub(crate) fn end_prompt(&mut self, end: PromptEnd) -> bool {
        self.prompt
            .take()
            .map(|prompt| prompt.end_with(end))
            .is_some()
    }

    /// Ends the prompt and then the session.
    pub(crate) fn end(mut self, end: PromptEnd) {
        self.end_prompt(end);
    }
}

/// Remembers a tool, and forgets the oldest one above the limit.
fn know(tools: &mut HashMap<String, Tool>, order: &mut VecDeque<String>, id: String, tool: Tool) {
    order.push_back(id.clone());
    tools.insert(id, tool);
    if order.len() > KNOWN_TOOLS
        && let Some(oldest) = order.pop_front()
        && !order.contains(&oldest)
    {
        tools.remove(&oldest);
    }
}
