//! Emits the OpenTelemetry telemetry documented for Claude Code, from any AI agent: the same names, attributes, units and
//! switches, so that dashboards and alerts made for it light up unchanged.
//!
//! # Concepts
//!
//! - **[`Telemetry`]** is started once for a process. What it sends and where is said by the documented environment
//!   variables and settings files ([`Config`]), not by code. Off, it is a value like any other whose calls do nothing.
//! - A **[`Session`]** is one run of the agent with one user. It has the standard attributes (`session.id`, `user.id`,
//!   ...), the order of its events, and its counters.
//! - A **[`Prompt`]** is what a user submits, with all the work that it causes: an interaction. Its `prompt.id` ties the
//!   events together, its span is the root of the trace.
//! - Inside it, an [`LlmRequest`] is one model request with its retries, and a [`ToolCall`] is one tool call: it waits for
//!   a **decision**, runs, and has a result. Each emits its event, counts its metrics and makes its spans, in one call
//!   sequence.
//! - **[`Content`]** is text that an administrator's switch may hold back: prompts, tool input and output, bodies. It can
//!   be given always; the [`ContentPolicy`] decides whether it leaves.
//!
//! # In three steps
//!
//! ```no_run
//! use claude_code_telemetry::{
//!     ApiRequest, Config, Decision, DecisionSource, Identity, Service, Telemetry, TokenUsage,
//!     ToolOutcome,
//! };
//!
//! // 1. Start, as settings and environment say.
//! let telemetry = Telemetry::start(Config::load(), Service::new("claude-code", "1.2.3"));
//!
//! // 2. Tell what happens.
//! let session = telemetry.session(Identity::new().email("kim@example.com"));
//! let prompt = session.prompt("Fix the failing test");
//!
//! let request = prompt.llm_request("claude-sonnet-4-6");
//! let usage = TokenUsage::new().input(1_200).output(86);
//! request.finish(ApiRequest::new("claude-sonnet-4-6").tokens(usage).cost_usd(0.0049));
//!
//! let tool = prompt.tool("Bash");
//! tool.decided(Decision::Accept, DecisionSource::Config);
//! tool.executing();
//! tool.finish(ToolOutcome::new().result_size_bytes(1_280));
//! prompt.end();
//!
//! // 3. Deliver what is left: bounded, and it says what became of the data.
//! let report = telemetry.shutdown();
//! if !report.is_complete() {
//!     eprintln!("{report}");
//! }
//! ```
//!
//! # What to know next
//!
//! - **Whose child something is** is said by the handle that it is begun on, never by a task or a thread. A clone of a
//!   [`Recorder`] goes into each task that works for a prompt or inside a tool.
//! - **A handle that is dropped** ends its span and invents no result: cancelled futures need no code.
//! - **Times** are the library's unless a record says [`at`](ApiRequest::at). **Durations** are
//!   [`std::time::Duration`]s, **cost** is in US dollars, **lengths** are UTF-16 code units.
//! - **Metrics and events** of one happening come from one call: do not count what a handle or a record counts already.
//! - **Before the process exits**, call [`Telemetry::shutdown`]; `std::process::exit` drops nothing.
//! - **What happens before the configuration is known** goes into [`EarlyRecords`], and from there to a session.
//!   [`set_global`] and [`global()`] save a binary from handing its telemetry through every function.
//! - **A host's own tests** start `Telemetry::in_memory` (feature `testing`) and assert what was recorded.
//! - **When nothing arrives**, [`Config::diagnose`] tries every exporter and names the variable to change.
//!
//! # What is promised
//!
//! Recording never fails, waits or panics, from any thread and any runtime. Starting never fails: what the configuration
//! gets wrong is a warning ([`Telemetry::explain`]). What cannot be delivered waits within stated bounds and is sent again,
//! the same bytes; what is lost is counted by its reason ([`Telemetry::health`]). Flush and shutdown end within their
//! limits, whatever the receiver does. The library has one thread of its own (and short-lived ones for what may block),
//! starts no runtime in yours, reads and sets no OpenTelemetry global, and never takes an ambient span for a parent.
//!
//! # What is emitted
//!
//! [`catalog`] has all of it as data: eight metrics, nine events, six spans. Nothing else is emitted. Its source is the
//! monitoring documentation of Claude Code, edition 2026-04-16; each record and handle names the events, metrics and spans
//! that it emits, and the attributes that a setter fills.
//!
//! # Where to read on
//!
//! In the package and its repository: `docs/GUIDE.md`, from your agent's events to these calls, with common mistakes;
//! `docs/MIGRATING.md`, from hand-written telemetry; `docs/ADMINISTRATORS.md`, for those who run the collector;
//! `docs/BACKENDS.md`, what to set for which backend; `docs/DOCTOR.md`, when nothing arrives; `docs/TELEMETRY.md` and
//! `docs/CONFIGURATION.md`, all that is emitted and all variables; `docs/RELIABILITY.md`, delivery and its bounds;
//! `docs/PERFORMANCE.md`, what it costs; `docs/TRANSCRIPT.md`, lines of JSON from any language; `docs/SECURITY.md`; and
//! `examples/agent_loop`, a whole agent.
//!
//! # Cargo features
//!
//! `grpc` (OTLP over gRPC), `http` (OTLP over HTTP, as protobuf and as JSON), `prometheus` (a page that is scraped),
//! `console` (lines of JSON) and `providers` (`Telemetry::providers`, the providers of the OpenTelemetry SDK for a host's own
//! instruments, which send where the telemetry sends); all are on by default. An exporter that is asked for and not compiled in
//! is a warning that names the feature.
//!
//! Off by default are
//!
//! - `serde`: every record and every option is `serde::Deserialize` by the documented attribute names; `docs/TRANSCRIPT.md`
//!   lists them;
//! - `testing`: `Telemetry::in_memory`, telemetry that stays in memory, for a host's own tests.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stdout
    )
)]

pub mod catalog;
mod clock;
mod config;
mod content;
mod diagnostics;
mod doctor;
mod early;
mod encode;
mod environment;
mod export;
mod fork;
mod global;
mod health;
mod hex;
mod identity;
mod installation;
mod language;
mod metrics;
mod propagation;
#[cfg(feature = "providers")]
mod providers;
mod random;
mod record;
mod resource;
#[cfg(feature = "serde")]
mod serial;
mod session;
mod session_attributes;
mod signal;
mod state;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod thread;
mod visible;

pub use config::{
    ChangedSetting, Config, ConfigBuilder, Explanation, Layer, NumberEncoding, Origin,
    OtlpDestination, Setting, SettingsFiles, UnknownExporter, Warning,
};
pub use content::{Content, ContentPolicy};
pub use diagnostics::Diagnostic;
pub use doctor::{Diagnosis, Probe};
pub use early::{EarlyRecords, EarlyReport};
pub use global::{AlreadySet, global, set_global};
pub use health::{Dropped, Exporter, ExporterHealth, ExporterState, Failure, Health};
pub use identity::Identity;
pub use language::language_of;
pub use propagation::{ChildEnv, TraceParent, TraceParentError};
#[cfg(feature = "providers")]
pub use providers::Providers;
pub use record::*;
pub use session::{
    Hook, HookOutcome, LlmRequest, LlmRequestOptions, Permission, Prompt, PromptEnd, Recorder,
    RequestContext, ReservedTool, Session, SessionOptions, ToolCall, ToolCallOptions, ToolOutcome,
    ToolOutput,
};
pub use signal::Signal;
pub use telemetry::{Report, Service, Telemetry, TelemetryBuilder};

/// What the fuzz targets call; no part of the interface.
#[cfg(fuzzing)]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod fuzzing {
    #[derive(Debug, PartialEq, Eq)]
    pub struct Body {
        pub text: String,
        pub length: usize,
        pub truncated: bool,
        pub unreadable: bool,
    }

    pub fn redact_body(json: &str, limit: usize) -> Body {
        let body = crate::content::redact::redact_body(json, limit);
        Body {
            text: body.text,
            length: body.length,
            truncated: body.truncated,
            unreadable: body.unreadable,
        }
    }

    pub fn tool_input(json: &str) -> Option<String> {
        crate::content::tool_input::shape(json)
    }

    #[cfg(any(feature = "grpc", feature = "http"))]
    pub fn helper_output(bytes: &[u8]) -> (Option<Vec<(String, String)>>, String) {
        crate::export::fuzzing::helper_output(bytes)
    }

    #[cfg(any(feature = "grpc", feature = "http"))]
    pub fn answer(
        first: &[u8],
        second: &[u8],
    ) -> (
        Option<std::time::Duration>,
        Option<std::time::Duration>,
        String,
    ) {
        crate::export::fuzzing::answer(first, second)
    }
}

/// The programs in the documents compile and run.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../docs/GUIDE.md")]
    struct Guide;

    #[doc = include_str!("../docs/MIGRATING.md")]
    struct Migrating;

    #[doc = include_str!("../docs/ADMINISTRATORS.md")]
    struct Administrators;

    #[doc = include_str!("../docs/BACKENDS.md")]
    struct Backends;

    #[doc = include_str!("../docs/CONTRIBUTING.md")]
    struct Contributing;
}
