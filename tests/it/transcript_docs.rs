//! `docs/TRANSCRIPT.md`, the format of the lines that `claude-code-telemetry replay` reads, is correct: it mentions
//! every field, and its lines are valid. A line describes a request or tool call after its end, or a live step of it,
//! such as its begin, while it runs.
#![cfg(all(
    feature = "grpc",
    feature = "http",
    feature = "console",
    feature = "serde"
))]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::document::check_document;
use crate::example;
use crate::replay::{names, variables};
use crate::support::Receiver;
use serde_json::{Map, Value, json};

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
fn document_contains_the_example_hosts() {
    let hosts = [
        ("python", include_str!("../../examples/hosts/agent.py")),
        ("ts", include_str!("../../examples/hosts/agent.ts")),
    ];
    let document = hosts
        .iter()
        .fold(DOCUMENT.to_owned(), |document, (language, host)| {
            document.replace(blocks(language)[0], host)
        });
    check_document("TRANSCRIPT.md", &document);
}

#[test]
fn example_lines_of_the_document_are_valid() {
    let receiver = Receiver::http();
    let home = tempfile::tempdir().unwrap();
    let mut replay = example::program("replay", home.path());
    replay.arg("-").envs(variables(&receiver.endpoint()));
    let output = example::run_with_input(&mut replay, &blocks("jsonl").concat());
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

/// A cell of a table of fields. Its text states whether the step needs the field, takes it or ignores it.
struct Cell {
    step: &'static str,
    field: &'static str,
    text: &'static str,
}

/// Returns the cells of the tables whose columns are steps.
fn cells_of_live_steps() -> Vec<Cell> {
    let mut cells = Vec::new();
    let tables = DOCUMENT.split("\n| Field | `").skip(1);
    for table in tables {
        let mut rows = table.lines();
        let (steps, _) = rows
            .next()
            .unwrap()
            .split_once("` | Description |")
            .unwrap();
        let steps: Vec<_> = steps.split("` | `").collect();
        for row in rows.skip(1).take_while(|row| row.starts_with('|')) {
            let columns: Vec<_> = row.split('|').map(str::trim).collect();
            for field in columns[1].split(", ").map(|field| field.trim_matches('`')) {
                for (&step, &text) in steps.iter().zip(&columns[2..]) {
                    cells.push(Cell { step, field, text });
                }
            }
        }
    }
    cells
}

/// Returns a valid value of a field that a live step needs.
fn value_of(field: &str) -> Value {
    match field {
        "decision" => json!("accept"),
        "source" => json!("config"),
        "cost_usd" => json!(0.5),
        name => json!(name),
    }
}

#[test]
fn live_steps_need_take_and_ignore_the_fields_that_the_document_lists() {
    let cells = cells_of_live_steps();
    let steps: BTreeSet<_> = cells.iter().map(|cell| cell.step).collect();
    assert_eq!(steps.len(), 7, "{steps:?}");
    let mut lines = vec![
        r#"{"step":"session","user_id":"u"}"#.to_owned(),
        r#"{"step":"prompt","text":"hi"}"#.to_owned(),
    ];
    let mut invalid = Vec::new();
    for (n, cell) in cells.iter().enumerate() {
        let needed = cells.iter().filter(|other| other.step == cell.step);
        let needed = needed.filter(|other| other.text.starts_with("required"));
        let mut line: Map<_, _> = needed
            .map(|other| (other.field.to_owned(), value_of(other.field)))
            .collect();
        line.insert("step".to_owned(), json!(cell.step));
        // Each line has a call of its own.
        let (id, begin) = match cell.step.starts_with("tool") {
            true => (
                "tool_use_id",
                json!({"step": "tool_begin", "tool_name": "Bash"}),
            ),
            false => ("request", json!({"step": "request_begin", "model": "m"})),
        };
        line.insert(id.to_owned(), json!(n.to_string()));
        if !cell.step.ends_with("_begin") {
            let mut begin = begin;
            begin[id] = json!(n.to_string());
            lines.push(begin.to_string());
        }
        if cell.text == "with `error`" {
            line.insert("error".to_owned(), json!("Overloaded"));
        }
        let mut add = |line: &Map<_, _>, is_invalid: bool| {
            lines.push(Value::from(line.clone()).to_string());
            if is_invalid {
                let number = lines.len();
                invalid.push((number, cell.step, cell.field));
            }
        };
        if cell.text.starts_with("required") {
            let mut without = line.clone();
            without.remove(cell.field);
            add(&without, true);
        }
        // No field has a value of this type.
        line.insert(cell.field.to_owned(), json!([[]]));
        add(&line, !cell.text.is_empty());
    }
    assert!(invalid.len() > 60, "{invalid:?}");

    let home = tempfile::tempdir().unwrap();
    let mut replay = example::program("replay", home.path());
    let output = example::run_with_input(&mut replay, &lines.join("\n"));
    let errors = String::from_utf8(output.stderr).unwrap();
    let reported: Vec<usize> = errors
        .lines()
        .filter_map(|error| error.strip_prefix("line ")?.split(':').next()?.parse().ok())
        .collect();
    let expected: Vec<_> = invalid.iter().map(|(number, ..)| *number).collect();
    assert_eq!(reported, expected, "{errors}\n{invalid:#?}");
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
