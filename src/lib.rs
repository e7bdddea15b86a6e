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
//! # What is promised
//!
//! Recording never fails, waits or panics, from any thread and any runtime. Starting never fails: what the configuration
//! gets wrong is a warning ([`Telemetry::explain`]). What cannot be delivered waits within stated bounds and is sent again,
//! the same bytes; what is lost is counted by its reason ([`Telemetry::health`]). Flush and shutdown end within their
//! limits, whatever the receiver does. The library has one thread of its own (and short-lived ones for what may block), starts no
//! runtime in yours, reads and sets no OpenTelemetry global, and never takes an ambient span for a parent.
//!
//! # What is emitted
//!
//! [`catalog`] has all of it as data: eight metrics, nine events, six spans. Nothing else is emitted.
//!
//! # Cargo features
//!
//! `grpc` (OTLP over gRPC), `http` (OTLP over HTTP, as protobuf and as JSON), `prometheus` (a page that is scraped) and
//! `console` (lines of JSON); all are on by default. An exporter that is asked for and not compiled in is a warning that names the feature.
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
mod export;
mod fork;
mod health;
mod identity;
mod installation;
mod prompt;
mod propagation;
mod record;
mod recorder;
mod resource;
mod session;
mod signal;
mod telemetry;

pub use config::{
    Config, ConfigBuilder, Explanation, Layer, NumberEncoding, Origin, Setting, SettingsFiles,
    Warning,
};
pub use content::{Content, ContentPolicy};
pub use diagnostics::Diagnostic;
pub use health::{Dropped, Exporter, ExporterHealth, ExporterState, Failure, Health};
pub use identity::Identity;
pub use prompt::{
    Hook, HookOutcome, LlmRequest, LlmRequestOptions, Permission, Prompt, PromptEnd,
    RequestContext, ReservedTool, ToolCall, ToolCallOptions, ToolOutcome, ToolOutput,
};
pub use propagation::{ChildEnv, TraceParent, TraceParentError};
pub use record::*;
pub use recorder::Recorder;
pub use session::{Session, SessionOptions};
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
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
