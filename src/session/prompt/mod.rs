//! One prompt and the work that it causes: the handles that open and end spans.

mod hook;
mod llm_request;
mod llm_span;
mod tool_call;
mod tool_options;
mod tool_output;
mod tool_span;

#[cfg(all(test, feature = "console"))]
mod tests;

pub use hook::{Hook, HookOutcome};
pub use llm_request::{LlmRequest, LlmRequestOptions, RequestContext};
pub use tool_call::{ReservedTool, ToolCall};
pub use tool_options::{Permission, ToolCallOptions, ToolOutcome};
pub use tool_output::ToolOutput;

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::catalog::{self, key, span};
use crate::content;
use crate::encode::spans::SpanRecord;
use crate::record::{AdmittedPrompt, Attributes, UserPrompt, millis};
use crate::session::Recorder;
use crate::state::{EventSpan, Moment, OpenSpan, PromptMark, SessionCore, Unfinished};

/// An interaction: one prompt and the work that it causes; the span `claude_code.interaction`.
///
/// It is a [`Recorder`] whose events carry its own `prompt.id`, whichever prompt of the session is the newest, and whose
/// requests, tool calls and hooks are children of its span. It ends with [`end`](Self::end) or when its last clone is
/// dropped; work that goes on in the background keeps its place in the trace.
#[derive(Clone)]
pub struct Prompt {
    recorder: Recorder,
    core: Option<Arc<PromptCore>>,
}

/// How an interaction ended, for a host that knows better than the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PromptEnd {
    at: Option<SystemTime>,
    duration: Option<Duration>,
}

impl PromptEnd {
    /// It ends now, and began when it was begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// It ended at this time.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }

    /// It took this long, and so began that much earlier.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }
}

/// What the clones of a prompt share; its drop ends the interaction.
struct PromptCore {
    session: Arc<SessionCore>,
    mark: Arc<PromptMark>,
    number: u64,
    live: Mutex<Option<Live>>,
}

/// An interaction whose span is open.
struct Live {
    span: OpenSpan,
    start: Moment,
    prompt: Arc<content::Prompt>,
    sequence: u64,
}

impl Prompt {
    /// What there is to work on; nothing when telemetry is off, and in a fork of its process.
    fn core(&self) -> Option<&Arc<PromptCore>> {
        self.core
            .as_ref()
            .filter(|core| core.session.telemetry.is_here())
    }

    pub(crate) fn begin(outside: &Recorder, prompt: UserPrompt) -> Self {
        let Some(session) = outside.session() else {
            return Self {
                recorder: outside.clone(),
                core: None,
            };
        };
        let telemetry = &session.telemetry;
        let sequence = session.memory.interactions.fetch_add(1, Ordering::Relaxed) + 1;
        let start = Moment::new(prompt.at, telemetry.clock);
        let parent = match prompt.parent {
            Some(parent) => Some(Arc::new(parent.context())),
            None => session.inbound_parent(),
        };
        let span = OpenSpan::below(session, parent.as_ref());
        let context = span.as_ref().map(|span| Arc::clone(&span.context));
        let mark = Arc::new(PromptMark {
            id: prompt.id.unwrap_or_else(|| telemetry.ids.prompt()),
            span: context.clone(),
            ended: AtomicBool::new(false),
        });
        session.prompt.store(Some(Arc::clone(&mark)));
        let text = Arc::new(telemetry.policy().prompt(prompt.text));
        if prompt.event {
            session.emit_admitted(
                prompt.at,
                AdmittedPrompt(Arc::clone(&text)),
                Some(&mark),
                EventSpan::Below(None),
            );
        }
        let live = span.map(|span| Live {
            span,
            start,
            prompt: text,
            sequence,
        });
        let core = Arc::new(PromptCore {
            session: Arc::clone(session),
            mark: Arc::clone(&mark),
            number: telemetry.open_spans.reserve(),
            live: Mutex::new(live),
        });
        telemetry
            .open_spans
            .enter(core.number, &core, context.as_deref());
        let recorder = Recorder {
            began: Some(start),
            session: Some(Arc::clone(session)),
            prompt: Some(mark),
            parent: context,
            context: RequestContext::Interaction,
            environment: outside.environment.clone(),
        };
        Self {
            recorder,
            core: Some(core),
        }
    }

    /// Its `prompt.id`, a UUID unless the host gave another one; empty when telemetry is off.
    pub fn id(&self) -> &str {
        self.recorder
            .prompt
            .as_ref()
            .map_or("", |prompt| &prompt.id)
    }

    /// The recorder of what happens in this interaction: clone it into background tasks. Unlike a clone of the prompt it
    /// does not keep the interaction open.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Ends the interaction, for all clones: the span `claude_code.interaction`. Events of the
    /// session keep its `prompt.id` until the next one.
    pub fn end(self) {
        self.end_with(PromptEnd::new());
    }

    /// Ends the interaction as it is told, for all clones.
    pub fn end_with(self, end: PromptEnd) {
        if let Some(core) = self.core() {
            core.end(end);
        }
    }
}

impl PromptCore {
    /// True when the span was open.
    fn end(&self, end: PromptEnd) -> bool {
        let live = self
            .live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.mark.ended.store(true, Ordering::Release);
        let Some(Live {
            span,
            start,
            prompt,
            sequence,
        }) = live
        else {
            return false;
        };
        let now = Moment::new(end.at, self.session.telemetry.clock);
        let start = end.duration.map_or(start, |duration| now.before(duration));
        let (end, duration) = now.since(&start);
        let record = InteractionSpan {
            prompt,
            sequence,
            duration,
        };
        span.end(&self.session, start.wall(), end, record);
        true
    }
}

impl Unfinished for PromptCore {
    fn abandon(&self) -> bool {
        self.end(PromptEnd::new())
    }
}

impl Drop for PromptCore {
    fn drop(&mut self) {
        if self.session.telemetry.is_here() {
            self.end(PromptEnd::new());
            self.session.telemetry.open_spans.leave(self.number);
        }
    }
}

impl Deref for Prompt {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// `claude_code.interaction`
struct InteractionSpan {
    prompt: Arc<content::Prompt>,
    sequence: u64,
    duration: Duration,
}

impl SpanRecord for InteractionSpan {
    fn span(&self) -> &'static catalog::Span {
        &span::INTERACTION
    }

    fn attributes<'a>(&'a self, out: &mut Attributes<'a>) {
        out.text(key::USER_PROMPT, self.prompt.text());
        out.count(key::USER_PROMPT_LENGTH, self.prompt.length());
        out.count(key::INTERACTION_SEQUENCE, self.sequence);
        out.count(key::INTERACTION_DURATION_MS, millis(self.duration));
    }

    fn size(&self) -> usize {
        self.prompt.size()
    }
}
