//! `docs/TRANSCRIPT.md` is correct: it mentions every field, its lines are valid, and its programs run.
#![cfg(all(
    feature = "grpc",
    feature = "http",
    feature = "console",
    feature = "serde"
))]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::example;
use crate::replay::{names, variables};
use crate::support::Receiver;

const DOCUMENT: &str = include_str!("../../docs/TRANSCRIPT.md");

/// Returns the code blocks in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    let blocks = DOCUMENT.split(&begin).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// Runs a program with the path of `claude-code-telemetry` as its argument. Returns the names of the events that arrived.
fn run(mut program: Command) -> Vec<String> {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let output = program
        .arg(example::PROGRAM)
        .envs(variables(&receiver.endpoint()))
        .env("HOME", home.path())
        .env("USERPROFILE", home.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    names(&receiver)
}

/// Returns true if a program can be run. Otherwise prints a message that the test is skipped.
fn is_installed(program: &str) -> bool {
    let there = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        eprintln!("not run: there is no {program} on this machine");
    }
    there
}

const EVENTS: [&str; 4] = ["user_prompt", "api_request", "tool_decision", "tool_result"];

fn python(folder: &Path, source: &str) -> Command {
    let path = folder.join("agent.py");
    fs::write(&path, source).unwrap();
    let mut program = Command::new("python3");
    program.arg(path);
    program
}

/// Removes the types, which leaves JavaScript, because not every version of node removes them itself.
fn javascript(folder: &Path, source: &str) -> Command {
    let types = [": Step", ": Promise<void>", ": Promise<number>"];
    let lines = source.lines().filter(|line| !line.starts_with("type "));
    let script = types.iter().fold(
        lines.collect::<Vec<_>>().join("\n"),
        |script, annotation| {
            assert!(script.contains(annotation), "{annotation}");
            script.replace(annotation, "")
        },
    );
    let path = folder.join("agent.mjs");
    fs::write(&path, script).unwrap();
    let mut program = Command::new("node");
    program.arg(path);
    program
}

#[test]
fn python_program_of_the_document_runs() {
    if !is_installed("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = python(folder.path(), blocks("python")[0]);
    assert_eq!(run(program), EVENTS);
}

#[test]
fn typescript_program_of_the_document_runs() {
    if !is_installed("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = javascript(folder.path(), blocks("ts")[0]);
    assert_eq!(run(program), EVENTS);
}

/// Asserts that a program that records more than a pipe can hold continues without an error when
/// `claude-code-telemetry` is missing, and when it exits immediately.
#[track_caller]
fn assert_continues_without_telemetry(mut program: impl FnMut() -> Command) {
    // This program exits without reading its input.
    let ends = if cfg!(windows) { "hostname" } else { "true" };
    for telemetry in ["no-such-program", ends] {
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
fn python_program_continues_when_telemetry_fails() {
    if !is_installed("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let end = "sys.exit(telemetry.close())";
    let source = blocks("python")[0];
    assert!(source.contains(end));
    let much = "for _ in range(100):\n    telemetry.record('prompt', text='x' * 100000)\n\
                telemetry.close()\nprint('the agent went on')";
    let source = source.replace(end, much);
    assert_continues_without_telemetry(|| python(folder.path(), &source));
}

#[test]
fn typescript_program_continues_when_telemetry_fails() {
    if !is_installed("node") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let end = "process.exitCode = await telemetry.close();";
    let source = blocks("ts")[0];
    assert!(source.contains(end));
    let much = "for (let n = 0; n < 100; n++) {\n\
                await telemetry.record({ step: 'prompt', text: 'x'.repeat(100000) });\n}\n\
                await telemetry.close();\nconsole.log('the agent went on');";
    let source = source.replace(end, much);
    assert_continues_without_telemetry(|| javascript(folder.path(), &source));
}

#[test]
fn example_lines_of_the_document_are_valid() {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let mut replay = example::program("replay", home.path())
        .arg("-")
        .envs(variables(&receiver.endpoint()))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = replay.stdin.take().unwrap();
    input
        .write_all(blocks("jsonl").concat().as_bytes())
        .unwrap();
    drop(input);
    let output = replay.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    assert_eq!(receiver.received().accepted().logs().len(), EVENTS.len());
}

#[test]
fn document_mentions_every_step_and_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named = Vec::new();
    let run = fs::read_to_string(root.join("src/bin/claude-code-telemetry/replay/run.rs")).unwrap();
    for line in run.lines().map(str::trim_start) {
        if let Some((step, _)) = line
            .strip_prefix('"')
            .and_then(|line| line.split_once("\" =>"))
        {
            named.push(step.to_owned());
        }
    }
    // All steps of the program were found.
    assert_eq!(named.len(), 24, "{named:?}");
    let mut sources = Vec::new();
    for folder in [
        "src/record",
        "src/session",
        "src/session/prompt",
        "src/bin/claude-code-telemetry/replay",
    ] {
        let files = fs::read_dir(root.join(folder)).unwrap();
        let files = files.map(|file| file.unwrap().path());
        sources.extend(
            files
                .filter(|file| file.is_file())
                .map(|file| fs::read_to_string(file).unwrap()),
        );
    }
    let steps = named.len();
    for source in &sources {
        // The fields of a record: the documented name is the last one before the description.
        for line in source.replace(" =\n", " = ").lines().map(str::trim_start) {
            let how = [
                "required ",
                "optional ",
                "required_in_transcript ",
                "custom ",
            ];
            if how.iter().any(|how| line.starts_with(how))
                && let Some((_, names)) = line.split_once(" = ")
            {
                let names = names.split([',', ';']).next().unwrap();
                let name = names.rsplit('|').next().unwrap().trim();
                named.push(name.trim_matches('"').to_owned());
            }
        }
        for part in source.split("#[derive(Deserialize)]\n").skip(1) {
            // Types that are read through another type have no documented fields.
            if part.starts_with("#[serde(t") || part.starts_with("#[serde(f") {
                continue;
            }
            let part = part.replace(
                "            #[serde(flatten)]\n            identity: Identity,\n",
                "",
            );
            let fields = part.lines().skip(1);
            for line in fields.take_while(|line| line.trim() != "}") {
                if let Some((field, _)) = line.trim_start().split_once(": ")
                    && field
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || "_#".contains(c))
                {
                    named.push(field.trim_start_matches("r#").to_owned());
                }
            }
        }
    }
    assert!(named.len() > steps + 100, "{}", named.len());
    for name in named {
        assert!(
            DOCUMENT.contains(&format!("`{name}`")),
            "{name} is not in the document"
        );
    }
}
