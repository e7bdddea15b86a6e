//! The variables that a project's settings files may set.

use super::*;

#[test]
fn project_settings_apply_only_in_a_trusted_workspace() {
    for (layer, file) in [(Layer::Local, LOCAL), (Layer::Project, PROJECT)] {
        // A settings file, and whether it causes a warning.
        for (settings, causes_warning) in [
            (env(NAME, "x"), true),
            (env("CLAUDE_CODE_ENABLE_TELEMETRY", "1"), true),
            (env("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"), true),
            (env("OTEL_LOG_USER_PROMPT", "1"), true),
            (r#"{"env": {"OTEL_LOG_USER_PROMPTS": 1}}"#.to_owned(), true),
            (r#"{"otelHeadersHelper": "CANARY"}"#.to_owned(), true),
            (env("HTTPS_PROXY", "http://proxy"), false),
            (env("PATH", "/bin"), false),
            (r#"{"model": "x"}"#.to_owned(), false),
            ("{".to_owned(), false),
        ] {
            let machine = Machine::new();
            let path = machine.write(file, &settings);
            let config = machine.config_with(&[], false);
            assert!(config.explain().settings().is_empty(), "{settings}");
            assert!(!config.is_enabled());
            if !causes_warning {
                assert_eq!(config.warnings(), [], "{settings}");
                continue;
            }
            let text = warning(&config, &path);
            assert!(text.starts_with(&format!("{layer} {}: ", path.display())));
            assert!(text.contains("trust") && !text.contains("CANARY"), "{text}");
        }
    }
    let machine = Machine::new();
    machine.write(PROJECT, env(SHARED, "a=b"));
    assert!(setting(&machine.config(), SHARED).is_some());
}

#[test]
fn project_file_in_the_home_directory_is_the_user_file() {
    let machine = Machine::new();
    let path = machine.write(USER, env(NAME, "x"));
    let build = |project: PathBuf| {
        Config::builder()
            .environment([("HOME", machine.path("home").to_str().unwrap())])
            .settings_files(machine.files().project_folder(project))
            .build()
    };
    for project in ["home", "home/../home"] {
        let config = build(machine.path(project));
        assert_eq!(config.warnings(), [], "{project}");
        let origin = setting(&config, NAME).unwrap().origin();
        assert_eq!((origin.layer(), origin.file()), (Layer::User, Some(&*path)));
    }
}

/// Variables that a project may set to any value, each with an example value, and variables with a value that turns
/// something off.
const ALLOWED: [(&str, &str); 21] = [
    ("OTEL_RESOURCE_ATTRIBUTES", "team=core"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
    ("OTEL_LOGS_EXPORT_INTERVAL", "1e3"),
    ("OTEL_TRACES_EXPORT_INTERVAL", "1_000"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
    ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1000"),
    ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "1000"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1000"),
    ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "1000"),
    ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "1000"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
    ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
    (
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "cumulative",
    ),
    ("OTEL_METRICS_INCLUDE_SESSION_ID", "true"),
    ("OTEL_METRICS_INCLUDE_VERSION", "true"),
    ("OTEL_METRICS_INCLUDE_ACCOUNT_UUID", "false"),
    ("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", "false"),
    ("OTEL_LOG_TOOL_DETAILS", "off"),
    ("OTEL_LOGS_EXPORTER", " none "),
];

/// Settings that a project may not make, but other layers may: variables that it may not set at all, and variables that
/// it may set only to a value that turns something off, each with another value.
const FORBIDDEN: [(&str, &str); 35] = [
    ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
    ("CLAUDE_CODE_ENABLE_TELEMETRY", "0"),
    ("OTEL_SDK_DISABLED", "true"),
    ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
    ("ENABLE_ENHANCED_TELEMETRY_BETA", "1"),
    ("OTEL_METRICS_EXPORTER", "otlp"),
    ("OTEL_LOGS_EXPORTER", "console"),
    ("OTEL_TRACES_EXPORTER", ""),
    ("OTEL_LOG_USER_PROMPTS", "1"),
    ("OTEL_LOG_USER_PROMPTS", ""),
    ("OTEL_LOG_USER_PROMPTS", "of"),
    ("OTEL_LOG_TOOL_DETAILS", "yes"),
    ("OTEL_LOG_TOOL_CONTENT", "on"),
    ("OTEL_LOG_RAW_API_BODIES", "1"),
    ("OTEL_LOG_RAW_API_BODIES", "0"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://CANARY@h"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://h"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "a=CANARY"),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=CANARY"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca"),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"),
    ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", "/cert"),
    ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
    ("OTEL_EXPORTER_PROMETHEUS_HOST", "0.0.0.0"),
    ("OTEL_EXPORTER_PROMETHEUS_PORT", "1"),
    ("OTEL_SERVICE_NAME", "x"),
    ("CLAUDE_CODE_OTEL_HEADERS_HELPER_DEBOUNCE_MS", "1000"),
    ("CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH", "1000"),
    ("CLAUDE_CODE_CLIENT_KEY", "/key"),
    ("NODE_EXTRA_CA_CERTS", "/ca"),
    ("HTTPS_PROXY", "http://p"),
    ("NO_PROXY", "*"),
    ("otelHeadersHelper", "CANARY"),
];

#[test]
fn project_sets_only_harmless_variables_and_others_are_reported() {
    let settings = |name: &str, value: &str| match name {
        "otelHeadersHelper" => format!(r#"{{"{name}": "{value}"}}"#),
        _ => env(name, value),
    };
    for (layer, file) in [(Layer::Local, LOCAL), (Layer::Project, PROJECT)] {
        for (name, value) in ALLOWED {
            let machine = Machine::new();
            let path = machine.write(file, settings(name, value));
            let config = machine.config();
            assert_eq!(warnings(&config), [""; 0], "{name}");
            let origin = setting(&config, name).unwrap().origin();
            assert_eq!((origin.layer(), origin.file()), (layer, Some(&*path)));
            // The settings of an untrusted project are ignored.
            let config = machine.config_with(&[], false);
            assert!(setting(&config, name).is_none(), "{name}");
        }
        for (name, value) in FORBIDDEN {
            let machine = Machine::new();
            let path = machine.write(file, settings(name, value));
            let config = machine.config();
            assert!(setting(&config, name).is_none(), "{name}={value}");
            let text = warning(&config, &path);
            assert_eq!(config.warnings()[0].variable(), Some(name));
            let belongs = match name {
                "otelHeadersHelper" => "in the user's settings file or in managed settings",
                _ => "in the user's settings file, in managed settings or in the environment",
            };
            assert!(text.ends_with(belongs), "{text}");
            assert!(!text.contains("CANARY"), "{text}");
            assert!(config.explain().to_string().contains(&text));
            // A forbidden variable does not unset the user's value either.
            machine.write(USER, settings(name, value));
            let config = machine.config();
            let origin = setting(&config, name).unwrap().origin();
            assert_eq!(origin.layer(), Layer::User, "{name}={value}");
        }
    }
}

#[test]
fn project_can_switch_off_only_what_the_user_file_sets() {
    for (name, on, off) in [
        ("OTEL_METRICS_EXPORTER", "otlp", "none"),
        ("OTEL_LOGS_EXPORTER", "console", "none"),
        ("OTEL_TRACES_EXPORTER", "otlp", "none"),
        ("OTEL_LOG_USER_PROMPTS", "1", "0"),
        ("OTEL_LOG_TOOL_DETAILS", "true", "False"),
        ("OTEL_LOG_TOOL_CONTENT", "yes", "NO"),
    ] {
        for stronger in [
            None,
            Some(Layer::Environment),
            Some(Layer::Host),
            Some(Layer::Managed),
        ] {
            let machine = Machine::new();
            let project = machine.write(PROJECT, env(name, off));
            machine.write(USER, env(name, on));
            let environment = (stronger == Some(Layer::Environment)).then_some((name, on));
            if stronger == Some(Layer::Managed) {
                machine.write(MANAGED, env(name, on));
            }
            let mut builder = Config::builder()
                .environment(environment)
                .settings_files(machine.files())
                .trust_workspace(true);
            if stronger == Some(Layer::Host) {
                builder = builder.set(name, on);
            }
            let config = builder.build();
            let value = setting(&config, name).unwrap().value();
            assert_eq!(value == off, stronger.is_none(), "{name} {stronger:?}");
            if stronger == Some(Layer::Environment) {
                let about =
                    |of: &&Warning| of.origin().and_then(|from| from.file()) == Some(&project);
                let text = config.warnings().iter().find(about).unwrap().to_string();
                assert!(text.contains("change it in the environment"), "{text}");
            }
        }
    }
}
