//! The hosts of `docs/TRANSCRIPT.md` in other languages run: every subprocess continues the trace of its tool.
//!
//! A test whose interpreter is missing prints that it did not run. With `REQUIRE_HOSTS` it fails instead: `.ci/hosts` sets it,
//! and compiles the TypeScript program to the file that `COMPILED_HOST` names.
#![cfg(all(feature = "cli", feature = "http", unix))]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::example;
use crate::replay::variables;
use crate::support::Receiver;
use crate::traces::Spans;

const PYTHON: &str = include_str!("../../examples/hosts/agent.py");
const TYPESCRIPT: &str = include_str!("../../examples/hosts/agent.ts");

/// Returns true if a program can be run. Otherwise prints a message that the test is skipped.
fn is_there(program: &str) -> bool {
    let there = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        let required = std::env::var_os("REQUIRE_HOSTS").is_some();
        assert!(!required, "there is no {program} on this machine");
        eprintln!("not run: there is no {program} on this machine");
    }
    there
}

/// Returns a command that runs a program with its interpreter.
fn host(interpreter: &str, path: PathBuf) -> Command {
    let mut host = Command::new(interpreter);
    host.arg(path);
    host
}

fn python(folder: &Path, source: &str) -> Command {
    let path = folder.join("agent.py");
    fs::write(&path, source).unwrap();
    host("python3", path)
}

/// Removes the types, which leaves JavaScript, because not every version of node removes them itself.
fn javascript(folder: &Path, source: &str) -> Command {
    const TYPES: [&str; 20] = [
        ": ((answer: Answer) => void)[]",
        ": Promise<Record<string, string>>",
        ": Promise<NodeJS.ProcessEnv>",
        ": Promise<Answer>",
        ": Promise<number>",
        ": Promise<void>",
        ": Record<string, string>",
        "<Answer>",
        " as Readable | null",
        " as const",
        " as Failure",
        "private ",
        ": Telemetry",
        ": unknown[]",
        ": string",
        ": Block",
        ": Model",
        ": Call",
        ": Step",
        "import type { Readable } from \"node:stream\";",
    ];
    let lines = source.lines().filter(|line| !line.starts_with("type "));
    let script = lines.collect::<Vec<_>>().join("\n");
    let script = TYPES.iter().fold(script, |script, annotation| {
        assert!(script.contains(annotation), "{annotation}");
        script.replace(annotation, "")
    });
    let path = folder.join("agent.mjs");
    fs::write(&path, script).unwrap();
    host("node", path)
}

/// Runs a host, and asserts that its telemetry is complete and that each subprocess got the context of its own tool.
#[track_caller]
fn assert_traced(mut host: Command) {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    example::clean(&mut host, home.path());
    let output = host
        .arg(example::PROGRAM)
        .envs(variables(&receiver.endpoint()))
        .env("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1")
        .env("OTEL_TRACES_EXPORTER", "otlp")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");

    let received = receiver.received().accepted();
    let spans = Spans(received.spans());
    let tool = "  tool Bash\n    tool.blocked_on_user\n    tool.execution\n";
    let request = "  llm_request claude-sonnet-4-6\n";
    assert_eq!(
        spans.outline(),
        format!("interaction\n{request}{tool}{tool}{request}")
    );
    let mut expected = BTreeMap::new();
    let mut executions = Vec::new();
    for tool in spans.named("tool") {
        let execution = spans.child(tool, "tool.execution");
        let context = format!("00-{}-{}-01", execution.trace_id, execution.span_id);
        let id = tool.attributes["tool_use_id"].as_str().unwrap();
        assert_eq!(execution.attributes["success"], true);
        expected.insert(id.to_owned(), context);
        executions.push(execution);
    }
    // Each subprocess prints its variable TRACEPARENT.
    let printed = String::from_utf8(output.stdout).unwrap();
    let lines = printed.lines().map(|line| line.split_once(' ').unwrap());
    let printed: BTreeMap<_, _> = lines
        .map(|(id, context)| (id.to_owned(), context.to_owned()))
        .collect();
    assert_eq!(printed, expected);
    assert_eq!(printed.len(), 2);
    // They run at the same time.
    assert!(executions[0].start < executions[1].end && executions[1].start < executions[0].end);

    let mut requests = spans.named("llm_request");
    requests.sort_by_key(|request| request.start);
    assert_eq!(requests[0].attributes["attempt"], 2);
    assert_eq!(requests[0].attributes["stop_reason"], "tool_use");
    assert_eq!(requests[1].attributes["attempt"], 1);

    let interaction = spans.one("interaction");
    let logs = received.logs();
    assert!(logs.iter().all(|log| log.trace_id == interaction.trace_id));
    let mut names: Vec<_> = logs
        .iter()
        .map(|log| log.attributes["event.name"].as_str().unwrap())
        .collect();
    names[2..6].sort_unstable();
    assert_eq!(names.remove(0), "user_prompt");
    assert_eq!(
        names,
        [
            "api_request",
            "tool_decision",
            "tool_decision",
            "tool_result",
            "tool_result",
            "api_request"
        ]
    );
    let tokens = received.points().into_iter().filter(|point| {
        point.name == "claude_code.token.usage" && point.attributes["type"] == "input"
    });
    assert_eq!(tokens.map(|point| point.value).sum::<f64>(), 2_400.0);
}

#[test]
fn python_host_gives_each_subprocess_the_context_of_its_tool() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    assert_traced(python(folder.path(), PYTHON));
}

#[test]
fn typescript_host_gives_each_subprocess_the_context_of_its_tool() {
    if !is_there("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    assert_traced(javascript(folder.path(), TYPESCRIPT));
}

#[test]
fn compiled_typescript_host_gives_each_subprocess_the_context_of_its_tool() {
    match std::env::var_os("COMPILED_HOST") {
        Some(path) => assert_traced(host("node", path.into())),
        None => eprintln!("not run: COMPILED_HOST names no compiled program"),
    }
}

/// Asserts that a program that records more than a pipe can hold continues without an error when
/// `claude-code-telemetry` is missing, and when it exits immediately.
#[track_caller]
fn assert_continues_without_telemetry(mut program: impl FnMut() -> Command) {
    // The second program exits without reading its input.
    for telemetry in ["no-such-program", "true"] {
        let output = program().arg(telemetry).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            printed.contains("the agent went on"),
            "{telemetry}: {printed}{errors}"
        );
        for trace in ["Traceback", "Error", "Warning"] {
            assert!(!errors.contains(trace), "{telemetry}: {errors}");
        }
    }
}

#[test]
fn python_host_continues_when_telemetry_fails() {
    if !is_there("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let end = "sys.exit(telemetry.close())";
    assert!(PYTHON.contains(end));
    let much = "for _ in range(100):\n    telemetry.record('prompt', text='x' * 100000)\n\
                telemetry.close()\nprint('the agent went on')";
    let source = PYTHON.replace(end, much);
    assert_continues_without_telemetry(|| python(folder.path(), &source));
}

#[test]
fn typescript_host_continues_when_telemetry_fails() {
    if !is_there("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let end = "process.exitCode = await telemetry.close();";
    assert!(TYPESCRIPT.contains(end));
    let much = "for (let n = 0; n < 100; n++) {\n\
                await telemetry.record({ step: 'prompt', text: 'x'.repeat(100000) });\n}\n\
                await telemetry.close();\nconsole.log('the agent went on');";
    let source = TYPESCRIPT.replace(end, much);
    assert_continues_without_telemetry(|| javascript(folder.path(), &source));
}
