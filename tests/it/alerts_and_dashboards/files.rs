//! The configuration files: the program that reads a file accepts it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use claude_code_telemetry::Config;
use serde_json::Value;

use super::{assert_succeeds, is_installed, repository, stack, text};

#[test]
fn prometheus_configuration_and_rules_are_valid() {
    if is_installed("promtool") {
        let mut promtool = Command::new("promtool");
        assert_succeeds(
            promtool
                .args(["check", "config"])
                .arg(stack("prometheus/prometheus.yaml")),
        );
        let mut promtool = Command::new("promtool");
        promtool.args(["check", "rules"]);
        promtool.args(["rules.yaml", "alerts.yaml"].map(|file| stack("prometheus").join(file)));
        assert_succeeds(&mut promtool);
    }
}

/// `rules_test.yaml` states what the rules record and when the alerts fire.
#[test]
fn rules_and_alerts_pass_their_promtool_tests() {
    if is_installed("promtool") {
        let mut promtool = Command::new("promtool");
        promtool.args(["test", "rules"]);
        assert_succeeds(promtool.arg(repository("tests/it/alerts_and_dashboards/rules_test.yaml")));
    }
}

#[test]
fn every_alert_has_a_summary_a_runbook_and_a_test() {
    let alerts = text("prometheus/alerts.yaml");
    let count = |what: &str| alerts.matches(what).count();
    assert!(count("- alert: ") >= 4);
    assert_eq!(count("- alert: "), count("runbook: |"));
    assert_eq!(count("- alert: "), count("summary: "));
    let tested =
        std::fs::read_to_string(repository("tests/it/alerts_and_dashboards/rules_test.yaml"))
            .unwrap();
    for alert in alerts
        .lines()
        .filter_map(|l| l.trim().strip_prefix("- alert: "))
    {
        assert!(tested.contains(alert), "{alert} is not tested");
    }
}

/// Returns the path of a Collector. Returns `None` and prints a message if there is no Collector.
pub(crate) fn collector() -> Option<PathBuf> {
    let tools = std::env::var_os("COLLECTOR_TOOLS").map(PathBuf::from);
    let Some(tools) = tools.filter(|tools| tools.join("collector.py").is_file()) else {
        eprintln!("skipped: the variable COLLECTOR_TOOLS names no folder with collector.py");
        return None;
    };
    if !is_installed("python3") {
        return None;
    }
    let mut python = Command::new("python3");
    python
        .current_dir(tools)
        .args(["-B", "-c", "import collector; print(collector.binary())"]);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let path = String::from_utf8(output.stdout).unwrap();
    Some(PathBuf::from(path.trim()))
}

/// `core.yaml` uses only components that every distribution of the Collector contains.
#[test]
fn core_configuration_is_valid_for_a_collector() {
    let Some(collector) = collector() else { return };
    let mut collector = Command::new(collector);
    collector
        .args(["validate", "--config"])
        .arg(stack("otel-collector/core.yaml"));
    assert_succeeds(&mut collector);
}

/// Builds the configuration from these variables, without reading any file.
pub(crate) fn configured(environment: BTreeMap<String, String>) -> Config {
    let nowhere = std::env::temp_dir().join("claude-code-telemetry-tests-unused/id");
    Config::builder()
        .environment(environment)
        .installation_id_path(nowhere)
        .build()
}

#[test]
fn variables_of_the_stack_cause_no_warnings() {
    let pair = |line: &str| {
        let (name, value) = line.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    let env = text("env");
    let env: BTreeMap<_, _> = env
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(pair)
        .collect();
    let settings: Value = serde_json::from_str(&text("settings.json")).unwrap();
    let settings: BTreeMap<String, String> =
        serde_json::from_value(settings["env"].clone()).unwrap();
    assert_eq!(env, settings, "env and settings.json differ");
    let config = configured(env);
    let explanation = config.explain();
    assert!(explanation.warnings().is_empty(), "{explanation}");
}
