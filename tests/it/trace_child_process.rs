//! The subprocess of a tool continues the trace.
#![cfg(feature = "http")]

use std::process::Stdio;

use crate::example;
use crate::support::Receiver;
use crate::traces::Spans;
use serde_json::json;

#[test]
fn subprocess_continues_the_trace_of_its_tool() {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    // Builds the program that the example `child_process` starts.
    example::example("child_process_child");
    let output = example::command("child_process", home.path())
        .arg(receiver.endpoint())
        .env("CLAUDE_CODE_ENABLE_TELEMETRY", "1")
        .env("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1")
        .env("OTEL_TRACES_EXPORTER", "otlp")
        .env("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
        // An instrumented subprocess would apply these variables if it inherited them.
        .env("OTEL_SERVICE_NAME", "agent")
        .env("OTEL_RESOURCE_ATTRIBUTES", "team=core")
        .env("OTEL_SDK_DISABLED", "false")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");

    let (theirs, ours) = receiver
        .received()
        .spans()
        .into_iter()
        .partition::<Vec<_>, _>(|span| span.scope == "child_process_child");
    let ours = Spans(ours);
    assert_eq!(
        ours.outline(),
        "\
interaction
  tool Bash
    tool.blocked_on_user
    tool.execution
"
    );
    let execution = ours.one("tool.execution");
    assert_eq!(execution.attributes["success"], true);
    let [child] = &theirs[..] else {
        panic!("one span of the program was expected: {theirs:#?}");
    };
    assert_eq!(child.trace_id, execution.trace_id);
    assert_eq!(child.parent_span_id, execution.span_id);
    assert!(child.start >= execution.start && child.end <= execution.end);
    assert_eq!(child.attributes["otel_variables"], json!([]));
    assert!(!child.resource.contains_key("team"));
    assert_ne!(child.resource["service.name"], "agent");
    assert_eq!(execution.resource["service.name"], "agent");
}
