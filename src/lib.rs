//! Emits the OpenTelemetry telemetry documented for Claude Code, from any AI agent.
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
    Config, ConfigBuilder, Explanation, Layer, NumberEncoding, Origin, Setting, Temporality,
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
