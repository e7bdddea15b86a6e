//! Emits, from any AI agent, the OpenTelemetry data that is documented for Claude Code: with the same names,
//! attributes, units and switches, so that dashboards and alerts for Claude Code work unchanged.
//!
//! # Concepts
//!
//! - **[`Telemetry`]** is started once for each process. The documented environment variables and settings files
//!   ([`Config`]), not code, determine what it sends and where. When telemetry is off, its methods do nothing.
//! - A **[`Session`]** is one run of the agent with one user. It owns the standard attributes (`session.id`, `user.id`,
//!   ...), the sequence of its events, and its metric series.
//! - A **[`Prompt`]** is an interaction: the text that a user submits, with all the work that it causes. Its
//!   `prompt.id` correlates the events; its span is the root of the trace.
//! - Inside a prompt, an [`LlmRequest`] is one model request with its retries, and a [`ToolCall`] is one tool call: it
//!   waits for a **decision**, runs, and has a result. The methods of these handles emit the events, metrics and spans.
//! - **[`Content`]** is text that an administrator's switch may withhold: prompts, tool input and output, bodies. The
//!   host can always pass content; the [`ContentPolicy`] decides whether it is sent.
//!
//! # Quick start
//!
//! ```no_run
//! use claude_code_telemetry::{
//!     ApiRequest, Config, Decision, DecisionSource, Identity, Service, Telemetry, TokenUsage,
//!     ToolOutcome,
//! };
//!
//! // 1. Start with the settings files and the environment.
//! let telemetry = Telemetry::start(Config::load(), Service::new("claude-code", "1.2.3"));
//!
//! // 2. Record the work.
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
//! // 3. Deliver the rest within the shutdown timeout, and check the report.
//! let report = telemetry.shutdown();
//! if !report.is_complete() {
//!     eprintln!("{report}");
//! }
//! ```
//!
//! # Next steps
//!
//! - **The parent of a span** is the handle whose method begins the span, never the current task or thread. Move a
//!   clone of a [`Recorder`] into each task that works for a prompt or inside a tool.
//! - **A handle that is dropped** ends its span and records no result, so canceled futures need no extra code.
//! - **Times** are the current time unless a record sets one with [`at`](ApiRequest::at). **Durations** are
//!   [`std::time::Duration`]s, **costs** are in US dollars, **lengths** are in UTF-16 code units.
//! - **Metrics and events** of the same occurrence are emitted by the same call: do not record metrics that a handle or
//!   a record already adds.
//! - **Before the process exits**, call [`Telemetry::shutdown`]; `std::process::exit` does not run destructors.
//! - **Before the configuration is known**, record into [`EarlyRecords`] and deliver to a session later. With
//!   [`set_global`] and [`global()`], a binary need not pass its telemetry through every function.
//! - **Tests of the host** start `Telemetry::in_memory` (feature `testing`) and check what was recorded.
//! - **If no data arrives**, [`Config::diagnose`] tries every exporter and names the variable to change.
//!
//! # Guarantees
//!
//! Recording never fails, blocks or panics, on any thread and in any runtime. Starting never fails: errors in the
//! configuration become warnings ([`Telemetry::explain`]). Data that cannot be delivered stays queued within documented
//! limits and is sent again with the same bytes; dropped data is counted by reason ([`Telemetry::health`]). Flush and
//! shutdown return within their timeouts, even if the receiver does not respond. The library runs one private thread
//! (and short-lived threads for operations that may block), starts no runtime in the host's threads, neither reads nor
//! sets any OpenTelemetry global, and never uses the current span of the host as a parent.
//!
//! # Emitted data
//!
//! The module [`catalog`] describes all emitted data: eight metrics, nine events, six spans. No other data is emitted.
//! The source is the monitoring documentation of Claude Code, edition 2026-04-16. The documentation of each record and
//! handle names the events, metrics and spans that it emits, and the attributes that its setters set.
//!
//! # Further documentation
//!
//! - [`docs::guide`]: from your agent's events to these calls, with common mistakes. The program `examples/agent_loop`
//!   of the package is a complete agent.
//! - [`docs::features`]: choosing cargo features, and the cost of each.
//! - [`docs::migrating`]: from hand-written telemetry to this crate.
//! - [`docs::double_counting`]: for a wrapper of an agent that emits this telemetry itself.
//! - [`docs::administrators`]: for administrators of the collector; [`docs::backends`]: the settings for each backend;
//!   [`docs::doctor`]: diagnosis when no data arrives.
//! - [`docs::telemetry`] and [`docs::configuration`]: all emitted data and all variables.
//! - [`docs::reliability`], [`docs::security`] and [`docs::performance`]: delivery and its limits, content and secrets,
//!   the costs.
//! - [`docs::transcript`]: JSON lines from any language.
//!
//! # Cargo features
//!
//! `grpc` (OTLP over gRPC), `http` (OTLP over HTTP, as protobuf and as JSON), `prometheus` (a scrape endpoint),
//! `console` (JSON lines) and `providers` (`Telemetry::providers`, the providers of the OpenTelemetry SDK for the
//! host's own instruments, which export to the same OTLP receivers and the same console) are on by default. An exporter
//! that is configured but not compiled in causes a warning that names the feature. [`docs::features`] compares the
//! costs.
//!
//! The following are off by default:
//!
//! - `serde`: every record and every options type implements `serde::Deserialize` with the documented attribute names,
//!   which [`docs::transcript`] lists;
//! - `testing`: `Telemetry::in_memory`, telemetry that is kept in memory, for tests of the host;
//! - `cli`: the program `claude-code-telemetry`, with the commands `replay`, `doctor`, `explain` and `catalog`. The
//!   library does not change.
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

// rustdoc lists the methods of a type in the order of the modules that define them. These two come first, because they
// define the methods to read first.
mod session;
mod telemetry;

pub mod catalog;
mod clock;
mod config;
mod content;
mod diagnostics;
#[cfg(any(doc, doctest))]
pub mod docs;
mod doctor;
mod early;
mod encode;
mod environment;
mod export;
mod fork;
mod global;
mod health;
mod hex;
mod installation;
mod language;
mod lock;
mod metrics;
mod prices;
mod propagation;
#[cfg(feature = "providers")]
mod providers;
mod random;
mod record;
mod regular_file;
mod resource;
mod schema;
#[cfg(feature = "serde")]
mod serial;
mod session_attributes;
mod signal;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod thread;
mod visible;

pub use config::{
    ChangedSetting, Config, ConfigBuilder, Explanation, Layer, NumberEncoding, OtlpDestination,
    Provenance, Setting, SettingsFiles, UnknownExporter, Warning,
};
pub use content::{Content, ContentPolicy};
pub use diagnostics::Diagnostic;
pub use doctor::{Diagnosis, Probe};
pub use early::{EarlyRecords, EarlyReport};
pub use global::{AlreadySet, global, set_global};
pub use health::{Dropped, Exporter, ExporterHealth, ExporterState, Failure, Health};
pub use language::language_from_path;
pub use prices::{Price, Prices, PricesError};
pub use propagation::{ChildEnv, TraceParent, TraceParentError};
#[cfg(feature = "providers")]
pub use providers::Providers;
pub use record::*;
pub use session::{
    Calls, Hook, HookOutcome, LlmRequest, LlmRequestOptions, PendingToolCall, Permission, Prompt,
    PromptEnd, Recorder, RequestContext, Session, SessionOptions, ToolCall, ToolCallOptions,
    ToolOutcome, ToolOutput,
};
pub use signal::Signal;
pub use telemetry::{Report, Service, Telemetry, TelemetryBuilder};
pub use text::Text;

/// Entry points of the fuzz targets; not part of the public API.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::content::redact::redact_body;
    pub use crate::content::tool_input::shape as tool_input;
    #[cfg(feature = "grpc")]
    pub use crate::export::fuzzing::{answer, helper_output};
}
