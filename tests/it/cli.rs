//! The command line of the program: help, `explain`, `catalog`, and what the streams contain.
#![cfg(feature = "cli")]

use std::process::{Command, Stdio};

use crate::example;
use claude_code_telemetry::catalog::{EVENTS, METRICS, SPANS};
use claude_code_telemetry::{Config, SettingsFiles};
use serde_json::Value;

const COMMANDS: [&str; 4] = ["replay", "doctor", "explain", "catalog"];

/// Runs the program. Returns its exit status, standard output and standard error.
fn run(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> (i32, String, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = example::program(arguments[0], home.path());
    command
        .args(&arguments[1..])
        .envs(variables.iter().copied())
        .current_dir(home.path());
    finished(command, input)
}

/// Runs a command to its end. Returns its exit status, standard output and standard error.
fn finished(mut command: Command, input: &str) -> (i32, String, String) {
    let output = example::run_with_input(&mut command, input);
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), out, err)
}

/// Asserts that a string is the answer of the step `child_env`.
#[track_caller]
pub(crate) fn assert_answer(text: &str) {
    let [line] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("{text:?}");
    };
    let answer: Value = serde_json::from_str(line).unwrap();
    assert!(
        answer["set"].is_object() && answer["remove"].is_array(),
        "{text}"
    );
}

#[test]
fn help_is_printed_for_the_program_and_every_command() {
    let (status, out, err) = run(&["--help"], &[], "");
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.lines().all(|line| line.len() <= 100), "{out}");
    for command in COMMANDS {
        assert!(out.contains(&format!("\n  {command} ")), "{out}");
        for flag in ["--help", "-h"] {
            let (status, out, err) = run(&[command, flag], &[], "");
            assert_eq!((status, err.as_str()), (0, ""));
            let usage = format!("Usage: claude-code-telemetry {command}");
            assert!(out.contains(&usage), "{out}");
            assert!(out.lines().all(|line| line.len() <= 100), "{out}");
        }
    }
    for command in ["replay", "doctor", "explain", "catalog"] {
        let (_, out, _) = run(&[command, "--help"], &[], "");
        assert!(out.contains("\nExit status"), "{out}");
    }
    let version = concat!("claude-code-telemetry ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(&["--version"], &[], ""), (0, version.into(), "".into()));
}

/// For `doctor` the status is 2, because its status 1 means that an exporter does not work.
#[test]
fn invalid_command_line_exits_with_status_1() {
    for arguments in [
        &["nonsense"][..],
        &["--nonsense"],
        &["replay", "--nonsense"],
        &["replay", "one", "two"],
        &["explain", "--format", "xml"],
        &["catalog", "extra"],
    ] {
        let (status, out, err) = run(arguments, &[], "");
        assert_eq!((status, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.starts_with("error: "), "{err}");
        assert!(err.contains("try '--help'"), "{err}");
    }
    let without_arguments = finished(Command::new(example::PROGRAM), "");
    assert_eq!((without_arguments.0, without_arguments.1.as_str()), (1, ""));
    assert!(without_arguments.2.contains("Usage: claude-code-telemetry"));
}

#[test]
fn explain_prints_the_explanation_as_text_or_json() {
    let variables = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "otpl"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=CANARY"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://collector.invalid:4318",
        ),
    ];
    let (status, text, err) = run(&["explain"], &variables, "");
    assert_eq!((status, err.as_str()), (0, ""));
    let config = Config::builder()
        .environment(variables)
        .settings_files(SettingsFiles::none())
        .build();
    assert_eq!(text, config.explain().to_string());

    let (status, json, err) = run(&["explain", "--format", "json"], &variables, "");
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(!json.contains("CANARY"), "{json}");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["enabled"], true);
    let settings = json["settings"].as_array().unwrap();
    assert_eq!(settings.len(), variables.len());
    for (shown, setting) in settings.iter().zip(config.explain().settings()) {
        assert_eq!(shown["name"], setting.name());
        assert_eq!(shown["value"], setting.value());
        assert_eq!(shown["origin"], "environment");
        assert_eq!(shown["meaning"], setting.meaning());
        assert_eq!(shown["default"], setting.default());
        assert_eq!(shown["overrode"], Value::Array(Vec::new()));
    }
    let facts: Vec<_> = config.explain().facts().collect();
    assert_eq!(json["facts"], serde_json::to_value(facts).unwrap());
    let [warning] = &json["warnings"].as_array().unwrap()[..] else {
        panic!("{json}");
    };
    assert_eq!(warning["variable"], "OTEL_METRICS_EXPORTER");
    assert_eq!(warning["value"], "otpl");
    assert_eq!(warning["origin"], "environment");
    assert_eq!(warning["nearest"], "otlp");
    assert_eq!(warning["message"], config.warnings()[0].to_string());
}

#[test]
fn explain_says_that_telemetry_is_off() {
    let (status, text, err) = run(&["explain"], &[], "");
    assert_eq!((status, err.as_str()), (0, ""));
    let (_, doctor, _) = run(&["doctor"], &[], "");
    let last = doctor.trim_end().lines().last().unwrap();
    assert!(last.starts_with("Telemetry is off: it needs "), "{doctor}");
    assert_eq!(text.trim_end().lines().last(), Some(last));
}

#[test]
fn explain_applies_project_settings_only_if_the_workspace_is_trusted() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".claude")).unwrap();
    let project = tempfile::tempdir_in(home.path()).unwrap();
    std::fs::create_dir(project.path().join(".claude")).unwrap();
    std::fs::write(
        project.path().join(".claude/settings.json"),
        r#"{"env":{"OTEL_METRIC_EXPORT_INTERVAL":"1234"}}"#,
    )
    .unwrap();
    let shown = |trust: &[&str]| {
        let mut command = example::program("explain", home.path());
        command.args(trust).current_dir(project.path());
        finished(command, "").1
    };
    assert!(!shown(&[]).contains("1234"));
    assert!(shown(&["--trust-workspace"]).contains("1234"));
}

#[test]
fn catalog_lists_everything_that_is_emitted() {
    let (status, markdown, err) = run(&["catalog"], &[], "");
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(markdown, include_str!("../../docs/TELEMETRY.md"));
    let same = run(&["catalog", "--format", "markdown"], &[], "");
    assert_eq!(same, (0, markdown, String::new()));

    let (status, json, err) = run(&["catalog", "--format", "json"], &[], "");
    assert_eq!((status, err.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&json).unwrap();
    let names = |list: &str| -> Vec<String> {
        let rows = json[list].as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let metrics: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
    let events: Vec<_> = EVENTS.iter().map(|event| event.name).collect();
    let spans: Vec<_> = SPANS.iter().map(|span| span.name).collect();
    assert_eq!((names("metrics"), metrics.len()), (owned(&metrics), 8));
    assert_eq!((names("events"), events.len()), (owned(&events), 9));
    assert_eq!((names("spans"), spans.len()), (owned(&spans), 6));

    // The attributes of a row are complete.
    let result = EVENTS.iter().position(|event| event.name == "tool_result");
    let result = result.unwrap();
    let shown = json["events"][result]["attributes"].as_array().unwrap();
    assert_eq!(shown.len(), EVENTS[result].attributes.len());
    for (shown, attribute) in shown.iter().zip(EVENTS[result].attributes) {
        assert_eq!(shown["name"], attribute.name);
        assert_eq!(shown["description"], attribute.description);
        assert_eq!(shown["conditional"], attribute.conditional);
        assert_eq!(shown["redacted"], attribute.redacted);
        assert_eq!(
            shown["values"].as_array().unwrap().len(),
            attribute.values.len()
        );
        let variable = attribute.gate.map(|gate| gate.variable());
        assert_eq!(shown["variable"].as_str(), variable);
    }
    let tool = spans.iter().position(|name| *name == "claude_code.tool");
    let output = &json["spans"][tool.unwrap()]["events"][0];
    assert_eq!(output["name"], "tool.output");
    assert!(!output["attributes"].as_array().unwrap().is_empty());
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The input of a replay with one answer (to `child_env`) and an invalid fourth line.
const RUN: &str = concat!(
    r#"{"step":"session","user_id":"u"}"#,
    "\n",
    r#"{"step":"prompt","text":"hi"}"#,
    "\n",
    r#"{"step":"child_env"}"#,
    "\n",
    "{\n",
);

#[test]
fn standard_output_contains_only_answers_without_the_console_exporter() {
    let (status, out, err) = run(&["replay"], &[], RUN);
    // The status for an invalid line.
    assert_eq!(status, 2);
    assert_answer(&out);
    assert!(err.contains("\nline 4: "), "{err}");
}

#[test]
fn closed_standard_streams_do_not_change_the_exit_status() {
    for arguments in [&["explain"][..], &["catalog"], &["doctor"], &["replay"]] {
        let home = tempfile::tempdir().unwrap();
        let mut command = example::program(arguments[0], home.path());
        command.current_dir(home.path()).stdin(Stdio::null());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let status = command.status().unwrap().code();
        // Telemetry is off. Only `replay` reports that with its status.
        let expected = if arguments == ["replay"] { 4 } else { 0 };
        assert_eq!(status, Some(expected), "{arguments:?}");
    }
}
