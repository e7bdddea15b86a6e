//! One session, its open prompt, and the tools that other steps may name.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use claude_code_telemetry::{
    ChildEnv, Prompt, PromptEnd, Recorder, RequestContext, ReservedTool, Session, ToolCall,
    ToolCallOptions, UserPrompt,
};

use crate::nesting::Nesting;

/// So many tools may still be named: a stream has no end, and tools that are long over are named no more.
const KNOWN_TOOLS: usize = 4_096;

/// Where steps belong: a session, and in it the interaction that is open.
pub(crate) struct Scope {
    session: Session,
    prompt: Option<Prompt>,
    tools: HashMap<String, Tool>,
    /// Their ids, the oldest first.
    order: VecDeque<String>,
    nesting: Rc<Nesting>,
    /// What a subprocess of the tool that ran last gets.
    child_env: Option<ChildEnv>,
}

/// A tool call by its id.
enum Tool {
    /// Something ran inside it; its own step is still to come.
    Reserved(ReservedTool),
    /// It is over. Something may run on inside it.
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

    /// The open prompt, else the session.
    pub(crate) fn recorder(&self) -> &Recorder {
        match &self.prompt {
            Some(prompt) => prompt,
            None => &self.session,
        }
    }

    /// What model requests say of their origin unless a step says otherwise.
    pub(crate) fn context(&self) -> RequestContext {
        match self.prompt {
            Some(_) => RequestContext::Interaction,
            None => RequestContext::Standalone,
        }
    }

    /// The recorder of what ran inside the tool `parent`, or directly here.
    pub(crate) fn inside(&mut self, parent: Option<&str>) -> Recorder {
        let mut place = self.recorder().clone();
        let Some(parent) = parent else {
            return place;
        };
        // The nearest tool that is known already, then those inside it.
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

    /// Begins the tool `id` inside `parent`, where its inside was placed if it was.
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

    /// The tool `id` is over: steps that name it later are placed inside `recorder`.
    pub(crate) fn tool_ended(&mut self, id: String, recorder: Recorder) {
        know(&mut self.tools, &mut self.order, id, Tool::Ended(recorder));
    }

    /// A tool ran: its subprocesses get this.
    pub(crate) fn tool_ran(&mut self, env: ChildEnv) {
        self.child_env = Some(env);
    }

    /// What a subprocess that starts now gets.
    pub(crate) fn child_env(&self) -> ChildEnv {
        match &self.child_env {
            Some(env) => env.clone(),
            None => self.session.child_env(),
        }
    }

    /// Begins an interaction. One that is still open ends first.
    pub(crate) fn begin_prompt(&mut self, prompt: UserPrompt, end: PromptEnd) {
        self.end_prompt(end);
        self.prompt = Some(self.session.prompt(prompt));
    }

    /// Ends the open prompt. True when there was one.
    pub(crate) fn end_prompt(&mut self, end: PromptEnd) -> bool {
        self.prompt
            .take()
            .map(|prompt| prompt.end_with(end))
            .is_some()
    }

    /// Ends the prompt and then the session.
    pub(crate) fn end(mut self, end: PromptEnd) {
        self.end_prompt(end);
        self.session.end();
    }
}

/// Remembers a tool, and forgets the oldest one when there are too many.
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
