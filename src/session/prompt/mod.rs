//! Prompts and the work that they cause: the handles that open and end spans.

mod calls;
mod hook;
mod llm_request;
mod llm_span;
mod tool_call;
mod tool_options;
mod tool_output;
mod tool_span;

#[cfg(all(test, feature = "console"))]
mod tests;

pub use calls::Calls;
pub use hook::{Hook, HookOutcome};
pub use llm_request::{LlmRequest, LlmRequestOptions, RequestContext};
pub use tool_call::{PendingToolCall, ToolCall};
pub use tool_options::{Permission, ToolCallOptions, ToolOutcome};
pub use tool_output::ToolOutput;

pub(crate) use hook::HookSpan;
pub(crate) use llm_span::LlmSpan;
pub(crate) use tool_span::{BlockedSpan, ExecutionSpan, ToolSpan};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use self::calls::CallsOwner;
use crate::content::{Gated, Payload, PromptText};
use crate::encode::spans::SpanRecord;
use crate::record::{UserPrompt, record, span};
use crate::session::Recorder;
use crate::session::recorder::{operation_methods, recorder_methods};
use crate::state::{
    EventSpan, OpenSpan, Operation, OperationHandle, PromptContext, SessionCore, SpanIdentity,
    Timestamp,
};

/// An interaction: a prompt and the work that it causes. It is the span `claude_code.interaction`.
///
/// Its events carry the `prompt.id` of this prompt, even after the session has a newer prompt. Its requests, tool calls
/// and hooks are children of this prompt's span. The interaction ends with [`end`](Self::end) or when the last clone is
/// dropped. Work that continues in the background keeps this prompt's span as its parent.
///
/// ```
/// # use claude_code_telemetry::{ApiRequest, Identity, Telemetry, ToolOutcome};
/// # let session = Telemetry::disabled().session(Identity::new());
/// let prompt = session.prompt("Fix the failing test");
/// let request = prompt.llm_request("claude-sonnet-4-6");
/// request.finish(ApiRequest::new("claude-sonnet-4-6").cost_usd(0.0049));
/// let tool = prompt.tool("Bash");
/// tool.executing();
/// tool.finish(ToolOutcome::new().result_size_bytes(1_280));
/// prompt.end();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a prompt that is dropped has ended: keep it until the turn ends"]
pub struct Prompt {
    recorder: Recorder,
    calls: Arc<CallsOwner>,
    interaction: OperationHandle<Interaction>,
}

record! {
    /// The end of an interaction, for a host that sets the end time or the duration.
    record PromptEnd: Clone, Copy, Debug, PartialEq, Eq;

    /// Creates an end at the current time. The duration is the time since the prompt began.
    new();

    fields {
        /// Sets the time at which the interaction ended. The default is the current time.
        optional at: Option<SystemTime> = "at";
        /// Sets the duration of the interaction; the span then starts at the end minus the duration. The default is the
        /// time since the prompt began.
        optional duration: Option<Duration> = "interaction.duration_ms" | "duration_ms";
    }
}

struct Interaction {
    context: Arc<PromptContext>,
    span: OpenSpan<InteractionSpan>,
}

impl Prompt {
    // Adds `llm_request`, `tool`, `reserve_tool`, `hook` and `hook_at`.
    operation_methods!(|self| &self.recorder);

    /// Returns the open requests and tool calls of this prompt by ids of the host, for a framework that calls back with
    /// ids.
    pub fn calls(&self) -> Calls {
        self.calls.calls()
    }

    /// Ends the interaction for all clones, with the span `claude_code.interaction`. Events of the session keep its
    /// `prompt.id` until the next prompt.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let session = Telemetry::disabled().session(Identity::new());
    /// let prompt = session.prompt("Fix the failing test");
    /// // ... requests and tool calls
    /// prompt.end();
    /// ```
    pub fn end(self) {
        self.end_with(PromptEnd::new());
    }

    /// Ends the interaction for all clones, at the time and with the duration of `end`.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, PromptEnd, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// prompt.end_with(PromptEnd::new().duration(std::time::Duration::from_secs(12)));
    /// ```
    pub fn end_with(self, end: PromptEnd) {
        self.calls.close();
        if let Some((session, mut interaction)) = self.interaction.lock() {
            let now = session.telemetry.timestamp(end.at);
            interaction.end(session, now, end.duration);
        }
    }

    /// Returns the `prompt.id`: a UUID unless the host set another id; empty when telemetry is off.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let session = Telemetry::disabled().session(Identity::new());
    /// let prompt = session.prompt("Fix the failing test");
    /// println!("prompt.id = {}", prompt.id());
    /// ```
    pub fn id(&self) -> &str {
        self.recorder
            .prompt
            .as_ref()
            .map_or("", |prompt| &prompt.id)
    }

    /// Returns the recorder of this interaction. Clone it into background tasks: unlike a clone of the prompt, it does
    /// not keep the interaction open.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// # let prompt = Telemetry::disabled().session(Identity::new()).prompt("hi");
    /// let recorder = prompt.recorder().clone();
    /// std::thread::spawn(move || recorder.tool("Bash").end());
    /// ```
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    // Adds a method `record_*` for each kind of record.
    recorder_methods!(|self| &self.recorder);

    /// Begins an interaction. `outer` is the recorder on which the host begins the prompt.
    pub(crate) fn begin(outer: &Recorder, prompt: UserPrompt) -> Self {
        let mut recorder = outer.clone();
        let interaction = OperationHandle::begin(outer.session(), |session| {
            let interaction = Interaction::begin(session, prompt);
            recorder.began = Some(interaction.span.start);
            recorder.parent.clone_from(&interaction.context.span);
            recorder.prompt = Some(Arc::clone(&interaction.context));
            recorder.context = RequestContext::Interaction;
            interaction
        });
        Self {
            calls: Arc::new(CallsOwner::new(&recorder)),
            recorder,
            interaction,
        }
    }
}

impl Interaction {
    /// Begins the interaction of a prompt, which becomes the newest prompt of the session, and emits its event.
    fn begin(session: &SessionCore, mut prompt: UserPrompt) -> Self {
        let telemetry = &session.telemetry;
        let parent = match &prompt.parent {
            Some(parent) => Some(Arc::new(parent.context.clone())),
            None => session.inbound_parent(),
        };
        let start = telemetry.timestamp(prompt.at);
        let identity = SpanIdentity::new(session, parent.as_ref());
        let mut span = OpenSpan::begin(identity, start, InteractionSpan::default());
        let context = Arc::new(PromptContext {
            id: match &prompt.id {
                Some(id) => Arc::clone(&id.0),
                None => telemetry.ids.prompt(),
            },
            span: span.identity.context.clone(),
            ended: AtomicBool::new(false),
        });
        session.prompt.store(Some(Arc::clone(&context)));
        let policy = telemetry.policy();
        prompt.measure(&policy);
        let text = span.is_recorded().then(|| {
            prompt.text.filter(&policy);
            prompt.text.clone()
        });
        span.record = InteractionSpan {
            text: text.unwrap_or_default(),
            length: prompt.length.0.unwrap_or_default(),
            sequence: session.state.interactions.fetch_add(1, Ordering::Relaxed) + 1,
            // The end of the span sets it.
            duration: Duration::ZERO,
        };
        if prompt.has_event {
            session.emit(prompt, Some(&context), EventSpan::PromptOr(None));
        }
        Self { context, span }
    }

    fn end(&mut self, session: &SessionCore, now: Timestamp, duration: Option<Duration>) -> bool {
        self.context.ended.store(true, Ordering::Release);
        if let Some(duration) = duration {
            self.span.start = now.before(duration);
        }
        self.span.end(session, now, |_, _| {})
    }
}

impl Operation for Interaction {
    fn missing_outcome(&self) -> Option<&'static str> {
        // It is no mistake to drop the last handle of a prompt without a call of `end`.
        None
    }

    fn is_recorded(&self) -> bool {
        self.span.is_recorded()
    }

    fn abandon(&mut self, session: &SessionCore, now: Timestamp) -> bool {
        self.end(session, now, None)
    }
}

span! {
    /// The data of the span `claude_code.interaction`.
    #[derive(Default)]
    span InteractionSpan emits "interaction",
        "One prompt, from its submission to the end of the turn";
    sent {
        text: Gated<PromptText> = "user_prompt", "The prompt";
        length: u64 = "user_prompt_length", "Length of the prompt in UTF-16 code units";
        sequence: u64 = "interaction.sequence", "Number of the prompt in its session, from 1";
        duration: Duration = "interaction.duration_ms", "Duration in milliseconds";
    }
}

impl SpanRecord for InteractionSpan {}
