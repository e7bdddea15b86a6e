//! The first program of the README: it is short, and its telemetry is delivered.
#![cfg(all(feature = "grpc", feature = "http"))]

#[path = "../../examples/newcomer.rs"]
mod program;

use std::process::Command;

use crate::host;
use crate::host::Protocol;

/// The variable that marks a child process.
const MARKER: &str = "NEWCOMER_RUNS";

/// The body of the child process, which runs this test binary again. Without the variable the test returns at once.
#[test]
fn child() {
    if std::env::var_os(MARKER).is_some() {
        program::main();
        std::process::exit(0);
    }
}

#[test]
fn telemetry_of_the_first_program_is_delivered() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "newcomer::child", "--nocapture"])
            .env_clear()
            .envs(host::environment(&receiver.endpoint(), protocol, &[]))
            // No file of the user is read or written.
            .env("HOME", home.path())
            .env("USERPROFILE", home.path())
            .env(MARKER, "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");

        let received = receiver.received();
        let logs = received.logs();
        let names: Vec<_> = logs
            .iter()
            .map(|log| log.attributes["event.name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["user_prompt", "api_request"]);
        let cost = host::select(&received.points(), "claude_code.cost.usage", &[]);
        assert_eq!(host::sum(&cost), 0.0021);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            printed.contains("events (otlp): 2 delivered, 0 waiting, 0 lost"),
            "{printed}"
        );
    }
}

#[test]
fn first_program_matches_the_readme_and_is_short() {
    let program = include_str!("../../examples/newcomer.rs");
    let is_code =
        |line: &&str| !line.is_empty() && !line.starts_with("//") && !line.starts_with("#!");
    let code: Vec<_> = program.lines().filter(is_code).collect();
    assert!(code.len() < 20, "{} lines", code.len());

    let readme = include_str!("../../README.md");
    let block = readme
        .split("## Embedding")
        .nth(1)
        .and_then(|embed| embed.split("```rust").nth(1))
        .and_then(|block| block.split("```").next())
        .and_then(|block| block.split_once('\n'))
        .unwrap()
        .1;
    assert!(block.contains("fn main"), "not a program: {block:?}");
    // The program contains the statements of the README, in this order, and may contain others. Line breaks are
    // ignored.
    let compact = |text: &str| text.split_whitespace().collect::<String>();
    let code = compact(&code.join("\n")).replace("pub(crate)fn", "fn");
    let mut rest = code.as_str();
    for statement in compact(block).split_inclusive(';') {
        let (_, after) = rest
            .split_once(statement)
            .unwrap_or_else(|| panic!("not in examples/newcomer.rs: {statement}"));
        rest = after;
    }
}
