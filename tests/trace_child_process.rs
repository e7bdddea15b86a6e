//! The subprocess of a tool goes on with its trace.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
mod traces;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;
use support::Receiver;
use traces::Spans;

/// The example that starts the other one. They are built with all tests; for this one alone they may be missing.
fn example() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let place = |name: &str| {
        let path = profile.join("examples").join(name);
        path.with_extension(std::env::consts::EXE_EXTENSION)
    };
    let names = ["child_process", "child_process_child"];
    if !names.iter().all(|name| place(name).exists()) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).arg("build");
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        for name in names {
            cargo.args(["--example", name]);
        }
        assert!(cargo.status().unwrap().success());
    }
    place(names[0])
}

#[test]
fn a_subprocess_goes_on_with_the_trace() {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(example())
        .arg(receiver.endpoint())
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "SYSTEMROOT"))
        .env("HOME", home.path())
        .env("USERPROFILE", home.path())
        .env("CLAUDE_CODE_ENABLE_TELEMETRY", "1")
        .env("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1")
        .env("OTEL_TRACES_EXPORTER", "otlp")
        .env("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
        // A program that is instrumented would take these for its own.
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
