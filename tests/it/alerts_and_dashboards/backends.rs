//! The examples in `docs/BACKENDS.md`: the library accepts the variables without warnings, and a Collector accepts
//! the configurations.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use claude_code_telemetry::Signal;

use super::files::{collector, configured};
use super::{repository, stack};

/// A fenced code block of the document, with the heading above it and its language.
struct Block {
    heading: String,
    language: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let document = fs::read_to_string(repository("docs/BACKENDS.md")).unwrap();
    let mut blocks = Vec::new();
    let mut heading = String::new();
    let mut open: Option<Block> = None;
    for line in document.lines() {
        if let Some(language) = line.strip_prefix("```") {
            if let Some(block) = open.take() {
                blocks.push(block);
            } else {
                open = Some(Block {
                    heading: heading.clone(),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
        } else if let Some(block) = &mut open {
            block.text += &format!("{line}\n");
        } else if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut heading);
        }
    }
    blocks
}

/// Parses a block of `NAME=value # comment` lines, and fills in its `<placeholders>`.
fn variables(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.is_empty());
    let pair = |line: &str| {
        let (name, value) = line.split(" #").next().unwrap().split_once('=').unwrap();
        let mut filled = String::new();
        let mut rest = value.trim();
        while let Some((before, after)) = rest.split_once('<') {
            let (_, behind) = after.split_once('>').expect(line);
            filled = filled + before + "example";
            rest = behind;
        }
        (name.to_owned(), filled + rest)
    };
    lines.map(pair).collect()
}

#[test]
fn variables_of_every_backend_give_a_configuration_without_warnings() {
    let blocks = blocks();
    let blocks: Vec<_> = blocks.iter().filter(|b| b.language == "sh").collect();
    // The variables of the overview apply to every backend.
    let general = variables(&blocks[0].text);
    assert_eq!(blocks[0].heading, "Overview");
    let mut seen = Vec::new();
    for block in &blocks[1..] {
        let mut environment = general.clone();
        environment.extend(variables(&block.text));
        let config = configured(environment);
        let explanation = config.explain();
        assert!(
            explanation.warnings().is_empty(),
            "{}: {explanation}",
            block.heading
        );
        let signals = [Signal::Metrics, Signal::Logs, Signal::Traces];
        let sent = signals.map(|signal| config.otlp(signal).is_some());
        seen.push((block.heading.as_str(), sent));
    }
    for (heading, sent) in [
        ("Prometheus", [true, false, false]),
        ("Loki", [false, true, false]),
        ("Jaeger", [false, false, true]),
        ("Zipkin", [false, false, true]),
        ("AWS CloudWatch", [true, true, false]),
        ("Amazon Bedrock", [true, true, true]),
    ] {
        assert!(seen.contains(&(heading, sent)), "{heading}: {seen:?}");
    }
}

/// Adapts a configuration to a Collector without the contrib components: removes request signing, and replaces the
/// `zipkin` exporter.
fn without_contrib(text: &str) -> String {
    let mut kept = String::new();
    let mut is_extensions = false;
    for line in text.lines() {
        if !line.starts_with(' ') {
            is_extensions = line == "extensions:";
        }
        let removed = ["auth:", "extensions:"];
        if !is_extensions && !removed.iter().any(|key| line.trim().starts_with(key)) {
            kept += line;
            kept.push('\n');
        }
    }
    kept.replace("  zipkin:", "  otlp_http/zipkin:")
        .replace("[zipkin]", "[otlp_http/zipkin]")
}

#[test]
fn backend_configurations_are_valid_for_a_collector() {
    let Some(collector) = collector() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backend.yaml");
    let mut valid = Vec::new();
    for block in blocks().iter().filter(|block| block.language == "yaml") {
        fs::write(&file, without_contrib(&block.text)).unwrap();
        let output = Command::new(&collector)
            .args(["validate", "--config"])
            .arg(stack("otel-collector/core.yaml"))
            .arg("--config")
            .arg(&file)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            valid.push(block.heading.clone());
        } else {
            // There is no core component that could replace this exporter.
            let unknown = error.contains("unknown type: \"awsemf\"");
            assert!(unknown, "{}: {error}", block.heading);
        }
    }
    assert_eq!(valid, ["Loki", "Jaeger", "Zipkin", "AWS CloudWatch"]);
}
