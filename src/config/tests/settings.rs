//! Tests of the configuration that settings files describe.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::config::settings::Settings;

/// The example of managed settings in the documentation of Claude Code.
const MANAGED: &str = r#"{
  "env": {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example.com:4317",
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer example-token"
  }
}"#;

/// An example of a project's `.claude/settings.json` for Claude Code.
const PROJECT: &str = r#"{
  "env": {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317",
    "OTEL_LOG_USER_PROMPTS": "1",
    "OTEL_METRICS_INCLUDE_SESSION_ID": "true",
    "OTEL_METRICS_INCLUDE_VERSION": "true",
    "OTEL_METRICS_INCLUDE_ACCOUNT_UUID": "true"
  }
}"#;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Returns a configuration with these managed and user settings.
fn configured(managed: &str, user: &str, environment: &[(&str, &str)]) -> Config {
    configured_with_project(managed, "{}", user, environment)
}

/// Returns a configuration with these settings files, in a trusted project.
fn configured_with_project(
    managed: &str,
    project: &str,
    user: &str,
    environment: &[(&str, &str)],
) -> Config {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    write(&root.join("managed/managed-settings.json"), managed);
    write(&root.join("project/.claude/settings.json"), project);
    write(&root.join("user.json"), user);
    let files = SettingsFiles::none()
        .managed_folder(root.join("managed"))
        .project_folder(root.join("project"))
        .user_file(root.join("user.json"));
    let builder = Config::builder()
        .environment(environment.iter().copied())
        .settings_files(files)
        .trust_workspace(true);
    build_with_all_features(builder)
}

/// Returns protocol, endpoint and headers as text.
fn shown(otlp: &Option<OtlpConfig>) -> String {
    let Some(otlp) = otlp else {
        return "off".to_owned();
    };
    let headers = otlp.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, header)| format!("{name}={}", header.value.expose()))
        .collect();
    let protocol = otlp.protocol.as_str();
    format!("{protocol} {} {}", otlp.endpoint, headers.join(","))
}

#[test]
fn the_documented_managed_settings_work() {
    let config = configured(MANAGED, "{}", &[]);
    assert!(config.is_enabled());
    assert_eq!(config.warnings(), []);
    let expected = "grpc http://collector.example.com:4317/ authorization=Bearer example-token";
    let [metrics, events, spans] = exporters(&config).map(shown);
    assert_eq!([metrics, events], [expected, expected]);
    assert_eq!(spans, "off");
}

#[test]
fn documented_project_settings_work_in_the_file_of_the_user_and_partly_in_that_of_a_project() {
    let config = configured("{}", PROJECT, &[]);
    assert!(config.is_enabled());
    assert_eq!(config.warnings(), []);
    let expected = "grpc http://localhost:4317/ ";
    let [metrics, events, spans] = exporters(&config).map(shown);
    assert_eq!([metrics, events], [expected, expected]);
    assert_eq!(spans, "off");
    assert!(config.content.user_prompts && !config.content.tool_details);
    let attributes = config.attributes;
    assert!(attributes.session_id && attributes.version && attributes.account_uuid);

    let config = configured_with_project("{}", PROJECT, "{}", &[]);
    assert!(!config.is_enabled() && !config.content.user_prompts);
    assert!(config.attributes.version);
    let ignored: Vec<_> = config.warnings().iter().map(|w| w.variable()).collect();
    let expected = [
        "CLAUDE_CODE_ENABLE_TELEMETRY",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_LOGS_EXPORTER",
        "OTEL_LOG_USER_PROMPTS",
        "OTEL_METRICS_EXPORTER",
    ];
    assert_eq!(ignored, expected.map(Some));
}

/// Variables that turn an OTLP exporter on. The headers helper needs one.
const OTLP: [(&str, &str); 2] = [
    ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
    ("OTEL_LOGS_EXPORTER", "otlp"),
];

#[test]
fn the_documented_headers_helper_works() {
    let helper = r#"{"otelHeadersHelper": "/bin/generate_opentelemetry_headers.sh"}"#;
    // The helper works only as a settings key.
    let managed =
        r#"{"otelHeadersHelper": "managed", "env": {"otelHeadersHelper": "no variable"}}"#;
    for (managed, user, expected) in [
        ("{}", helper, Some("/bin/generate_opentelemetry_headers.sh")),
        (managed, helper, Some("managed")),
        (r#"{"otelHeadersHelper": ""}"#, helper, None),
        ("{}", "{}", None),
    ] {
        let config = configured(managed, user, &OTLP);
        let found = config.headers_helper.as_ref();
        let found = found.map(|helper| helper.command.expose().to_owned());
        assert_eq!(found.as_deref(), expected, "{managed}");
        let misplaced: &[_] = match managed.contains("no variable") {
            true => &[&Problem::InsideEnv],
            false => &[],
        };
        assert_eq!(problems(&config), misplaced, "{managed}");
    }
}

#[test]
fn managed_headers_override_the_helper_of_a_lower_layer() {
    let user = r#"{"otelHeadersHelper": "user"}"#;
    let both = r#"{"otelHeadersHelper": "managed", "env": {"OTEL_EXPORTER_OTLP_HEADERS": "a=1"}}"#;
    let general = "OTEL_EXPORTER_OTLP_HEADERS";
    for (managed, expected, problem) in [
        (MANAGED, None, Some(Problem::ManagedGeneral { general })),
        (both, Some("managed"), None),
    ] {
        let config = configured(managed, user, &OTLP);
        let found = config.headers_helper.as_ref();
        let found = found.map(|helper| helper.command.expose());
        assert_eq!(found, expected, "{managed}");
        assert_eq!(config.warnings().len(), usize::from(problem.is_some()));
        for warning in config.warnings() {
            assert_eq!(warning.variable(), Some("otelHeadersHelper"));
            assert_eq!(Some(warning.problem()), problem.as_ref());
        }
    }
    let config = configured("{}", user, &[OTLP[0], OTLP[1], (general, "a=1")]);
    assert!(config.headers_helper.is_some());
    assert_eq!(config.warnings(), []);
}

#[test]
fn managed_headers_of_each_signal_override_the_helper_of_a_lower_layer() {
    let user = r#"{"otelHeadersHelper": "user"}"#;
    let group = &variables::HEADERS;
    for variable in [
        &group.general,
        group.of(Signal::Metrics),
        group.of(Signal::Logs),
        group.of(Signal::Traces),
    ] {
        let general = variable.name;
        let headers = format!(r#""{general}": "Authorization=managed""#);
        let managed = MANAGED.replace(
            r#""OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer example-token""#,
            &headers,
        );
        let config = configured(&managed, user, &[]);
        assert_eq!(config.headers_helper, None, "{general}");
        let ignored = Problem::ManagedGeneral { general };
        assert_eq!(problems(&config), [&ignored], "{general}");
        // Without an exporter that sends headers, the warning would be irrelevant.
        let off = managed.replace(
            r#""CLAUDE_CODE_ENABLE_TELEMETRY": "1""#,
            r#""CLAUDE_CODE_ENABLE_TELEMETRY": "0""#,
        );
        for managed in [off, managed.replace(r#""otlp""#, r#""console""#)] {
            let config = configured(&managed, user, &[]);
            assert_eq!(exporters(&config), [&None, &None, &None]);
            assert_eq!(config.headers_helper, None, "{general}");
            assert!(
                !problems(&config).contains(&&ignored),
                "{:?}",
                config.warnings()
            );
        }
    }
}

#[test]
fn managed_destinations_cannot_be_overridden() {
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:4317"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://user:4317"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "authorization=user"),
    ];
    let user = r#"{"env": {
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://settings:4317",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=settings"
    }}"#;
    let config = configured(MANAGED, user, &environment);
    let expected = "grpc http://collector.example.com:4317/ authorization=Bearer example-token";
    let [metrics, events, _] = exporters(&config).map(shown);
    assert_eq!([metrics, events], [expected, expected]);
    // One warning for each of the four signal-specific variables of other layers.
    assert_eq!(config.warnings().len(), 4, "{:?}", config.warnings());

    // Managed credentials are never sent to an endpoint of another layer.
    for managed in [
        r#"{"env": {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=managed"}}"#,
        r#"{"otelHeadersHelper": "managed"}"#,
        r#"{"env": {"OTEL_EXPORTER_OTLP_CLIENT_KEY": "/key"}}"#,
    ] {
        let mut all = base();
        all.extend(variables(&environment));
        let all: Vec<_> = all
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let config = configured(managed, user, &all);
        assert_eq!(exporters(&config).map(shown), ["off"; 3], "{managed}");
        assert!(problems(&config).contains(&&Problem::NoManagedEndpoint));
    }
}

#[test]
fn trace_context_never_comes_from_files() {
    let settings = r#"{"env": {"TRACEPARENT": "00-a", "TRACESTATE": "a=b", "TERM_PROGRAM": "x"}}"#;
    let environment = [("TRACESTATE", "c=d")];
    let config = configured_with_project(settings, settings, settings, &environment);
    assert_eq!(config.environment.get("TRACEPARENT"), None);
    assert_eq!(config.environment.get("TRACESTATE").as_deref(), Some("c=d"));
    assert_eq!(config.terminal_type, None);
    assert!(config.explain().settings().is_empty());
    assert_eq!(config.warnings(), []);
}

#[test]
fn an_empty_switch_in_settings_restores_the_default() {
    let name = "OTEL_METRICS_INCLUDE_SESSION_ID";
    let empty = format!(r#"{{"env": {{"{name}": ""}}}}"#);
    for (managed, project, expected) in [
        ("{}", "{}", false),
        ("{}", empty.as_str(), true),
        (empty.as_str(), "{}", true),
    ] {
        let config = configured_with_project(managed, project, "{}", &[(name, "false")]);
        assert_eq!(config.attributes.session_id, expected);
        assert_eq!(config.warnings(), []);
    }
}

#[test]
fn an_injected_environment_reads_no_settings_files() {
    assert_eq!(Config::builder().files(), SettingsFiles::system());
    let injected = Config::builder().environment([("HOME", "/h")]);
    assert_eq!(injected.files(), SettingsFiles::none());
    let named = SettingsFiles::none().user_file("/u");
    let builder = injected.settings_files(named.clone());
    assert_eq!(builder.files(), named);
}

#[test]
fn the_second_managed_folder_applies_when_the_first_is_empty() {
    let folder = TempDir::new().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    write(&second.join("managed-settings.json"), "{}");
    let folders = [first.clone(), second.clone()];
    let found = || {
        let mut report = Explanation::default();
        let mut settings = Settings::new();
        let files = settings.managed_files(&folders, &mut report);
        assert!(settings.managed_is_complete && report.warnings.is_empty());
        files
    };
    assert_eq!(found(), [second.join("managed-settings.json")]);
    // Hidden files do not count.
    write(&first.join("managed-settings.d/.a.json"), "{}");
    assert_eq!(found(), [second.join("managed-settings.json")]);
    write(&first.join("managed-settings.d/a.json"), "{}");
    assert_eq!(found(), [first.join("managed-settings.d/a.json")]);
}

#[test]
fn settings_in_the_wrong_place_cause_warnings() {
    type Row<'a> = (&'a str, &'a [(&'a str, Problem)]);
    let table: [Row<'_>; 5] = [
        (
            r#"{"OTEL_METRICS_EXPORTER": "otlp", "permissions": {}, "model": "x"}"#,
            &[("OTEL_METRICS_EXPORTER", Problem::OutsideEnv)],
        ),
        (
            r#"{"telemetry": {"endpoint": "http://h"}, "openTelemetry": 1}"#,
            &[
                ("openTelemetry", Problem::NoSuchSetting),
                ("telemetry", Problem::NoSuchSetting),
            ],
        ),
        (
            r#"{"otelHeaderHelper": "x"}"#,
            &[("otelHeaderHelper", Problem::NoSuchSetting)],
        ),
        (
            r#"{"env": {"otelHeadersHelper": "x"}}"#,
            &[("otelHeadersHelper", Problem::InsideEnv)],
        ),
        (
            r#"{"otelHeadersHelper": "x", "env": {"PATH": "/bin"}}"#,
            &[],
        ),
    ];
    for (settings, expected) in table {
        let config = configured(settings, "{}", &[]);
        let found: Vec<_> = config
            .warnings()
            .iter()
            .map(|warning| (warning.variable().unwrap(), warning.problem().clone()))
            .collect();
        assert_eq!(found, expected, "{settings}");
    }
}
