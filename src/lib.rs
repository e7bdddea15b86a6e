//! Emits the OpenTelemetry telemetry documented for Claude Code.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod config;
mod content;
mod export;
mod installation;
mod resource;
mod signal;
