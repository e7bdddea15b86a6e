//! Handles go to any thread and any task, and are shared by cloning.

use claude_code_telemetry::{
    ApiError, ApiRequest, Config, Diagnostic, Health, Identity, Prompt, Recorder, Report, Service,
    Session, SessionOptions, Telemetry, TelemetryBuilder, ToolResult, UserPrompt,
};

fn shared<T: Send + Sync + Clone + 'static>() {}

fn sent<T: Send + 'static>() {}

fn sendable(future: impl Future + Send) {
    drop(future);
}

#[test]
fn handles_and_values_are_send_sync_and_clone() {
    shared::<Telemetry>();
    shared::<Session>();
    shared::<Prompt>();
    shared::<Recorder>();
    shared::<Config>();
    shared::<Identity>();
    shared::<SessionOptions>();
    shared::<Service>();
    shared::<Health>();
    shared::<Report>();
    shared::<Diagnostic>();
}

#[test]
fn records_and_builders_are_send() {
    sent::<TelemetryBuilder>();
    sent::<ApiRequest>();
    sent::<ApiError>();
    sent::<ToolResult>();
    sent::<UserPrompt>();
}

#[test]
fn a_multi_threaded_runtime_can_poll_the_async_forms() {
    let telemetry = Telemetry::disabled();
    sendable(telemetry.flush_async());
    sendable(telemetry.shutdown_async());
}
