//! `docs/TRANSCRIPT.md` is correct: it mentions every field, and its lines are valid.
#![cfg(all(
    feature = "grpc",
    feature = "http",
    feature = "console",
    feature = "serde"
))]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

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

#[test]
fn example_lines_of_the_document_are_valid() {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let mut replay = example::program("replay", home.path())
        .arg("-")
        .envs(variables(&receiver.endpoint()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
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
    let after_each_call = ["user_prompt", "api_request", "tool_decision", "tool_result"];
    let live = [
        "user_prompt",
        "api_request",
        "tool_decision",
        "tool_decision",
        "tool_result",
        "tool_result",
    ];
    assert_eq!(names(&receiver), [&after_each_call[..], &live].concat());
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
    assert_eq!(named.len(), 32, "{named:?}");
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
