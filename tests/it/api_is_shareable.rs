//! Handles can be sent to any thread and task, and are shared by cloning.

use claude_code_telemetry::{
    ApiError, ApiRequest, Config, Diagnostic, Health, Hook, Identity, LlmRequest, PendingToolCall,
    Prompt, Recorder, Report, Service, Session, SessionOptions, Telemetry, TelemetryBuilder,
    ToolCall, ToolResult, UserPrompt,
};

fn shared<T: Send + Sync + Clone + 'static>() {}

fn sent<T: Send + 'static>() {}

fn sent_and_shared<T: Send + Sync + 'static>() {}

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
fn handles_that_end_once_are_send_and_sync() {
    sent_and_shared::<LlmRequest>();
    sent_and_shared::<ToolCall>();
    sent_and_shared::<PendingToolCall>();
    sent_and_shared::<Hook>();
}

#[test]
fn records_and_builders_are_send() {
    sent::<TelemetryBuilder>();
    sent::<ApiRequest>();
    sent::<ApiError>();
    sent::<ToolResult>();
    sent::<UserPrompt>();
}

#[tokio::test(flavor = "multi_thread")]
async fn async_flush_and_shutdown_run_on_a_multi_threaded_runtime() {
    let telemetry = Telemetry::disabled();
    let flushed = tokio::spawn(async move {
        let report = telemetry.flush_async().await;
        report.is_complete() && telemetry.shutdown_async().await.is_complete()
    });
    assert!(flushed.await.unwrap_or(false));
}
