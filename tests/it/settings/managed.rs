//! Managed settings: drop-in files, and the effect of unreadable files.

use claude_code_telemetry::{Service, Telemetry};

use super::*;
use crate::host::start_with_diagnostics;

#[test]
fn drop_ins_override_the_managed_file_in_alphabetical_order() {
    let machine = Machine::new();
    let folder = "managed/managed-settings.d";
    let drop_in = |name: &str, variables: &str| {
        let text = format!(r#"{{"env": {{{variables}}}}}"#);
        machine.write(&format!("{folder}/{name}"), text);
    };
    machine.write(
        MANAGED,
        r#"{"env": {"OTEL_SERVICE_NAME": "base", "CLAUDE_CODE_MAX_RETRIES": "1", "OTEL_LOG_TOOL_DETAILS": "1"},
            "otelHeadersHelper": "base", "permissions": {"allow": ["a"]}}"#,
    );
    drop_in(
        "20-b.json",
        r#""OTEL_SERVICE_NAME": "b", "OTEL_LOG_TOOL_DETAILS": """#,
    );
    drop_in(
        "10-a.json",
        r#""OTEL_SERVICE_NAME": "a", "CLAUDE_CODE_MAX_RETRIES": "2""#,
    );
    drop_in(".30-hidden.json", r#""OTEL_SERVICE_NAME": "hidden""#);
    drop_in("40.json.off", r#""OTEL_SERVICE_NAME": "no settings""#);
    let config = machine.config();
    assert_eq!(config.warnings(), []);
    let found: Vec<_> = config
        .explain()
        .settings()
        .iter()
        .map(|setting| {
            let file = setting.origin().file().unwrap().file_name().unwrap();
            let overrode: Vec<_> = setting.overrode().map(|(value, _)| value).collect();
            format!(
                "{}={} {} over {}",
                setting.name(),
                setting.value(),
                file.to_string_lossy(),
                overrode.join(",")
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "CLAUDE_CODE_MAX_RETRIES=2 10-a.json over 1",
            "OTEL_LOG_TOOL_DETAILS= 20-b.json over 1",
            "OTEL_SERVICE_NAME=b 20-b.json over a,base",
            "otelHeadersHelper=<hidden> managed-settings.json over ",
        ]
    );
    assert_eq!(config.max_retries(), 2);
}

const SWITCHES: [&str; 4] = [
    "OTEL_LOG_USER_PROMPTS",
    "OTEL_LOG_TOOL_DETAILS",
    "OTEL_LOG_TOOL_CONTENT",
    "OTEL_LOG_RAW_API_BODIES",
];

/// Returns the content switches that are on in telemetry with this configuration, in the order of [`SWITCHES`], and
/// the diagnostics of the start.
fn content(config: Config) -> ([bool; 4], Vec<String>) {
    let (telemetry, diagnostics) =
        start_with_diagnostics(Telemetry::builder(config, Service::new("agent", "1")));
    let policy = telemetry.content_policy();
    let flags = [
        policy.user_prompts(),
        policy.tool_details(),
        policy.tool_content(),
        policy.raw_api_bodies(),
    ];
    telemetry.shutdown();
    (flags, diagnostics.all())
}

/// A function that makes one managed settings file unreadable, and returns its path.
type MakeUnreadable = fn(&Machine) -> PathBuf;

const DROP_IN: &str = "managed/managed-settings.d/50.json";

fn broken_managed_settings() -> Vec<(&'static str, MakeUnreadable)> {
    let mut all: Vec<(&str, MakeUnreadable)> = vec![
        ("malformed", |machine| machine.write(MANAGED, "{\"env\": ")),
        ("a drop-in", |machine| machine.write(DROP_IN, "// off\n{}")),
        ("empty", |machine| machine.write(DROP_IN, "")),
        ("not UTF-8", |machine| {
            machine.write(MANAGED, b"{\"a\": \"\xff\"}")
        }),
        ("not an object", |machine| machine.write(MANAGED, "[]")),
        ("env that is not an object", |machine| {
            machine.write(MANAGED, r#"{"env": []}"#)
        }),
        ("a switch that is not a string", |machine| {
            machine.write(MANAGED, r#"{"env": {"OTEL_LOG_TOOL_CONTENT": false}}"#)
        }),
        ("too large", |machine| {
            machine.write(DROP_IN, "{}".to_owned() + &" ".repeat(4 * 1024 * 1024))
        }),
        ("a folder", |machine| {
            fs::create_dir_all(machine.path(MANAGED)).unwrap();
            machine.path(MANAGED)
        }),
    ];
    #[cfg(unix)]
    all.extend([
        ("a dangling symbolic link", dangling_link as MakeUnreadable),
        ("a folder that cannot be listed", |machine: &Machine| {
            let folder = machine.path("managed/managed-settings.d");
            fs::create_dir_all(machine.path("managed")).unwrap();
            // A symbolic link to itself cannot be read, even by root.
            std::os::unix::fs::symlink(&folder, &folder).unwrap();
            folder
        }),
    ]);
    all
}

#[cfg(unix)]
fn dangling_link(machine: &Machine) -> PathBuf {
    fs::create_dir_all(machine.path("managed")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all.json", machine.path(MANAGED)).unwrap();
    machine.path(MANAGED)
}

#[test]
fn content_is_off_while_managed_settings_are_unreadable() {
    let on = SWITCHES.map(|name| (name, "1"));
    let all = |value: &str| {
        let pairs = SWITCHES.map(|name| format!(r#""{name}": "{value}""#));
        format!(r#"{{"env": {{{}}}}}"#, pairs.join(", "))
    };
    for (what, make_unreadable) in broken_managed_settings() {
        for layer in [Layer::Host, Layer::User, Layer::Environment] {
            let machine = Machine::new();
            let path = make_unreadable(&machine);
            machine.write(PROJECT, env(SHARED, "a=b"));
            let mut environment = vec![("CLAUDE_CODE_ENABLE_TELEMETRY", "1")];
            environment.extend([
                ("OTEL_LOGS_EXPORTER", "otlp"),
                ("OTEL_LOGS_EXPORT_INTERVAL", "3600000"),
            ]);
            if layer == Layer::Environment {
                environment.extend(on);
            }
            if layer == Layer::User {
                machine.write(USER, all("1"));
            }
            let mut builder = Config::builder()
                .environment(environment)
                .settings_files(machine.files())
                .trust_workspace(true);
            if layer == Layer::Host {
                builder = on
                    .iter()
                    .fold(builder, |b, (name, value)| b.set(*name, *value));
            }
            let config = builder.build();
            // Exporters stay on, and the project's settings are ignored.
            assert!(config.is_enabled());
            assert!(setting(&config, "OTEL_LOGS_EXPORTER").is_some());
            assert!(setting(&config, SHARED).is_none(), "{what}");
            let warned = warnings(&config);
            let about_file = warned
                .iter()
                .find(|text| text.contains("Until this is fixed"));
            let about_file = about_file.unwrap_or_else(|| panic!("{what}: {warned:?}"));
            assert!(about_file.contains(path.to_str().unwrap()), "{about_file}");
            for name in SWITCHES {
                let start = format!("{name}=1 ({layer}");
                let switch_warning = warned.iter().find(|text| text.starts_with(&start));
                let switch_warning = switch_warning.unwrap();
                assert!(switch_warning.contains("counts as off"), "{switch_warning}");
            }
            let (flags, diagnostics) = content(config);
            assert_eq!(flags, [false; 4], "{what} {layer}");
            assert!(diagnostics.contains(about_file), "{diagnostics:?}");
        }
    }
    // Switches in a readable managed file apply even if the other managed file cannot be read.
    for (read, broken) in [(MANAGED, DROP_IN), (DROP_IN, MANAGED)] {
        let machine = Machine::new();
        machine.write(read, env("OTEL_LOG_TOOL_DETAILS", "1"));
        machine.write(broken, "{");
        machine.write(USER, all("1"));
        let (flags, _) = content(machine.config());
        assert_eq!(flags, [false, true, false, false], "{broken}");
        machine.write(broken, "{}");
        assert_eq!(content(machine.config()).0, [true; 4]);
        // Unreadable files of other layers do not turn content off.
        fs::remove_file(machine.path(broken)).unwrap();
        machine.write(PROJECT, "{");
        assert_eq!(content(machine.config()).0, [true; 4]);
    }
}
