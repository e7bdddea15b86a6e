//! The types can be sent to any thread and task. Handles are shared by cloning, except those of a single call: a
//! request, a tool call and a hook.

use claude_code_telemetry::{
    ApiError, ApiRequest, Config, Diagnostic, Health, Hook, Identity, LlmRequest, PendingToolCall,
    Prompt, Recorder, Report, Service, Session, SessionOptions, Telemetry, TelemetryBuilder,
    ToolCall, ToolResult, UserPrompt,
};

fn assert_send_sync_clone<T: Send + Sync + Clone + 'static>() {}

fn assert_send<T: Send + 'static>() {}

fn assert_send_sync<T: Send + Sync + 'static>() {}

#[test]
fn handles_and_values_are_send_sync_and_clone() {
    assert_send_sync_clone::<Telemetry>();
    assert_send_sync_clone::<Session>();
    assert_send_sync_clone::<Prompt>();
    assert_send_sync_clone::<Recorder>();
    assert_send_sync_clone::<Config>();
    assert_send_sync_clone::<Identity>();
    assert_send_sync_clone::<SessionOptions>();
    assert_send_sync_clone::<Service>();
    assert_send_sync_clone::<Health>();
    assert_send_sync_clone::<Report>();
    assert_send_sync_clone::<Diagnostic>();
}

#[test]
fn handles_of_a_single_call_are_send_and_sync() {
    assert_send_sync::<LlmRequest>();
    assert_send_sync::<ToolCall>();
    assert_send_sync::<PendingToolCall>();
    assert_send_sync::<Hook>();
}

#[test]
fn records_and_builders_are_send() {
    assert_send::<TelemetryBuilder>();
    assert_send::<ApiRequest>();
    assert_send::<ApiError>();
    assert_send::<ToolResult>();
    assert_send::<UserPrompt>();
}

#[tokio::test(flavor = "multi_thread")]
async fn async_flush_and_shutdown_run_on_a_multi_threaded_runtime() {
    let telemetry = Telemetry::disabled();
    let completed = tokio::spawn(async move {
        let report = telemetry.flush_async().await;
        report.is_complete() && telemetry.shutdown_async().await.is_complete()
    });
    assert!(completed.await.unwrap_or(false));
}
