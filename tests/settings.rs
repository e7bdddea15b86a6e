//! Settings files: their layers, and what is wrong with them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use claude_code_telemetry::{Config, Layer, Setting, SettingsFiles};
use tempfile::TempDir;

const NAME: &str = "OTEL_SERVICE_NAME";
const SESSION_ID: &str = "OTEL_METRICS_INCLUDE_SESSION_ID";

/// A folder that stands for a machine.
struct Machine {
    root: TempDir,
}

impl Machine {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        Self { root }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn files(&self) -> SettingsFiles {
        SettingsFiles::none()
            .managed_folder(self.path("managed"))
            .project_folder(self.path("project"))
            .user_file(self.path(USER))
    }

    /// In a trusted project, with nothing in the environment.
    fn config(&self) -> Config {
        self.config_with(&[], true)
    }

    fn config_with(&self, environment: &[(&str, &str)], trusted: bool) -> Config {
        Config::builder()
            .environment(environment.iter().copied())
            .settings_files(self.files())
            .trust_workspace(trusted)
            .build()
    }
}

const MANAGED: &str = "managed/managed-settings.json";
const LOCAL: &str = "project/.claude/settings.local.json";
const PROJECT: &str = "project/.claude/settings.json";
const USER: &str = "home/.claude/settings.json";

const FILES: [(Layer, &str); 4] = [
    (Layer::Managed, MANAGED),
    (Layer::Local, LOCAL),
    (Layer::Project, PROJECT),
    (Layer::User, USER),
];

fn env(name: &str, value: &str) -> String {
    format!(r#"{{"env": {{"{name}": "{value}"}}}}"#)
}

fn setting<'a>(config: &'a Config, name: &str) -> Option<&'a Setting> {
    let mut settings = config.explain().settings().iter();
    settings.find(|setting| setting.name() == name)
}

fn warnings(config: &Config) -> Vec<String> {
    config.warnings().iter().map(ToString::to_string).collect()
}

/// The only warning, which is about this file.
fn warning(config: &Config, file: &Path) -> String {
    let [warning] = config.warnings() else {
        panic!("one warning expected: {:?}", warnings(config));
    };
    assert_eq!(
        warning.origin().and_then(|origin| origin.file()),
        Some(file)
    );
    warning.to_string()
}

#[test]
fn the_highest_of_six_layers_wins() {
    let layers = [
        Layer::Managed,
        Layer::Host,
        Layer::Local,
        Layer::Project,
        Layer::User,
        Layer::Environment,
    ];
    for highest in 0..layers.len() {
        let machine = Machine::new();
        let present = &layers[highest..];
        for (layer, file) in FILES {
            if present.contains(&layer) {
                machine.write(file, env(NAME, &layer.to_string()));
            }
        }
        let mut builder = Config::builder()
            .environment([(NAME, "environment")])
            .settings_files(machine.files())
            .trust_workspace(true);
        if present.contains(&Layer::Host) {
            builder = builder.set(NAME, "host");
        }
        let config = builder.build();
        assert_eq!(config.warnings(), []);
        let setting = setting(&config, NAME).unwrap();
        let found: Vec<_> = std::iter::once((setting.value(), setting.origin()))
            .chain(setting.overrode())
            .collect();
        assert_eq!(found.len(), present.len());
        for ((value, origin), layer) in found.into_iter().zip(present) {
            assert_eq!(origin.layer(), *layer);
            assert_eq!(value, layer.to_string());
            let file = FILES.iter().find(|(of, _)| of == layer);
            let file = file.map(|(_, file)| machine.path(file));
            assert_eq!(origin.file(), file.as_deref());
        }
        if let Some(file) = setting.origin().file() {
            let table = config.explain().to_string();
            assert!(table.contains(&file.display().to_string()), "{table}");
        }
    }
}

#[test]
fn an_empty_value_cancels_what_is_below() {
    const ENABLE: &str = "CLAUDE_CODE_ENABLE_TELEMETRY";
    for (_, file) in FILES {
        let machine = Machine::new();
        let on = [(ENABLE, "1"), ("OTEL_LOGS_EXPORTER", "none")];
        assert!(machine.config_with(&on, true).is_enabled());
        machine.write(file, env(ENABLE, ""));
        let config = machine.config_with(&on, true);
        assert!(!config.is_enabled(), "{file}");
        let cancelled = setting(&config, ENABLE).unwrap();
        assert_eq!(cancelled.overrode().next().unwrap().0, "1");
    }
}

#[test]
fn drop_ins_go_over_the_managed_file_in_alphabetical_order() {
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

#[test]
fn a_project_counts_only_when_it_is_trusted() {
    for (layer, file) in [(Layer::Local, LOCAL), (Layer::Project, PROJECT)] {
        // what it says, and whether that is worth a warning
        for (settings, told) in [
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
            if !told {
                assert_eq!(config.warnings(), [], "{settings}");
                continue;
            }
            let text = warning(&config, &path);
            assert!(text.starts_with(&format!("{layer} {}: ", path.display())));
            assert!(text.contains("trust") && !text.contains("CANARY"), "{text}");
        }
    }
    let machine = Machine::new();
    machine.write(PROJECT, env(NAME, "x"));
    assert!(setting(&machine.config(), NAME).is_some());
}

#[test]
fn at_home_the_file_is_the_users() {
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

#[test]
fn a_malformed_file_is_told_with_line_and_column_and_the_others_go_on() {
    for (settings, problem) in [
        (
            "{\n  \"env\": {\"A\": \"CANARY\" \"B\"}\n}",
            "line 2 column 25",
        ),
        ("{\n  \"env\": {},\n}", "line 3 column 1"),
        ("", "line 1 column 0"),
        ("{} {}", "line 1 column 4"),
        ("// CANARY\n{}", "line 1 column 1"),
        ("\"CANARY\"", "the file is not a JSON object"),
        ("[{\"env\": {}}]", "the file is not a JSON object"),
        ("{\"env\": \"CANARY\"}", "`env` is not a JSON object"),
        ("{\"env\": null}", "`env` is not a JSON object"),
    ] {
        for (layer, file) in FILES {
            let machine = Machine::new();
            for (other, file) in FILES {
                machine.write(file, env(NAME, &other.to_string()));
            }
            let path = machine.write(file, settings);
            let config = machine.config();
            let text = warning(&config, &path);
            assert!(text.starts_with(&format!("{layer} {}: ", path.display())));
            assert!(text.contains(problem) && !text.contains("CANARY"), "{text}");
            let setting = setting(&config, NAME).unwrap();
            assert_eq!(setting.overrode().count(), 2, "{layer}");
        }
    }
}

#[test]
fn a_value_that_is_no_text_is_left_out() {
    for value in ["1", "true", "null", "[\"CANARY\"]", "{\"a\": \"CANARY\"}"] {
        let machine = Machine::new();
        let settings = format!(r#"{{"env": {{"{NAME}": {value}, "{SESSION_ID}": "true"}}}}"#);
        let path = machine.write(USER, settings);
        let config = machine.config_with(&[(NAME, "environment")], true);
        let text = warning(&config, &path);
        let start = format!("{NAME} (user settings {}): not text", path.display());
        assert!(text.starts_with(&start), "{text}");
        assert!(!text.contains("CANARY"));
        assert_eq!(setting(&config, NAME).unwrap().value(), "environment");
        assert!(setting(&config, SESSION_ID).is_some());

        let path = machine.write(USER, format!(r#"{{"otelHeadersHelper": {value}}}"#));
        let text = warning(&machine.config(), &path);
        assert!(text.starts_with("otelHeadersHelper (") && !text.contains("CANARY"));

        // Those of others are not ours to judge.
        let foreign = format!(r#"{{"env": {{"PATH": {value}}}, "model": {value}}}"#);
        machine.write(USER, foreign);
        assert_eq!(machine.config().warnings(), []);
    }
    let machine = Machine::new();
    let path = machine.write(USER, env("OTEL_LOG_USER_PROMPT", "CANARY"));
    let config = machine.config();
    assert!(!warning(&config, &path).contains("CANARY"));
    assert_eq!(
        config.warnings()[0].nearest(),
        Some("OTEL_LOG_USER_PROMPTS")
    );
}

#[test]
fn a_byte_order_mark_does_no_harm() {
    let machine = Machine::new();
    machine.write(USER, format!("\u{feff}{}", env(NAME, "x")));
    let config = machine.config();
    assert_eq!(config.warnings(), []);
    assert_eq!(setting(&config, NAME).unwrap().value(), "x");
}

#[test]
fn what_is_absent_is_no_fault() {
    let machine = Machine::new();
    assert_eq!(machine.config().warnings(), []);
    // a file where a folder would be
    machine.write("project/.claude", "x");
    machine.write("managed", "x");
    assert_eq!(machine.config().warnings(), []);
}

#[test]
fn only_regular_files_of_a_sensible_size_are_read() {
    const LARGEST: usize = 4 * 1024 * 1024;
    let padded = |length: usize| {
        let settings = env(NAME, "x");
        settings.clone() + &" ".repeat(length - settings.len())
    };
    let machine = Machine::new();
    machine.write(USER, padded(LARGEST));
    let config = machine.config();
    assert_eq!(config.warnings(), []);
    assert!(setting(&config, NAME).is_some());

    let path = machine.write(USER, padded(LARGEST + 1));
    let config = machine.config();
    assert!(warning(&config, &path).contains("larger than 4194304 bytes"));
    assert!(setting(&config, NAME).is_none());

    let machine = Machine::new();
    let path = machine.path(USER);
    fs::create_dir_all(&path).unwrap();
    assert!(warning(&machine.config(), &path).contains("not a regular file"));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_link_is_followed() {
        let machine = Machine::new();
        let real = machine.write("elsewhere.json", env(NAME, "x"));
        fs::create_dir_all(machine.path(USER).parent().unwrap()).unwrap();
        symlink(&real, machine.path(USER)).unwrap();
        let config = machine.config();
        let origin = setting(&config, NAME).unwrap().origin();
        assert_eq!(origin.file(), Some(&*machine.path(USER)));
        fs::remove_file(real).unwrap();
        assert_eq!(machine.config().warnings(), []);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        for (_, file) in FILES {
            let machine = Machine::new();
            let path = machine.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            assert!(
                Command::new("mkfifo")
                    .arg(&path)
                    .status()
                    .unwrap()
                    .success()
            );
            assert!(warning(&machine.config(), &path).contains("not a regular file"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let machine = Machine::new();
        let path = machine.path(USER);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // a link to itself: an error for root, too
        symlink(&path, &path).unwrap();
        assert!(warning(&machine.config(), &path).contains("cannot be read"));

        for (file, locked) in [
            (USER, USER),
            (
                "managed/managed-settings.d/a.json",
                "managed/managed-settings.d",
            ),
        ] {
            let machine = Machine::new();
            machine.write(file, env(NAME, "x"));
            machine.write(PROJECT, env(NAME, "project"));
            let path = machine.path(locked);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
            let for_root = fs::File::open(&path).is_ok();
            let config = machine.config();
            if !for_root {
                assert!(warning(&config, &path).contains("cannot be read"));
                assert_eq!(setting(&config, NAME).unwrap().value(), "project");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    #[test]
    fn a_path_cannot_command_a_terminal() {
        let machine = Machine::new();
        let folder = machine.path("a\u{1b}[1mb");
        fs::create_dir_all(folder.join(".claude")).unwrap();
        fs::write(folder.join(".claude/settings.json"), env(NAME, "x")).unwrap();
        let files = SettingsFiles::none().project_folder(folder);
        for trusted in [true, false] {
            let config = Config::builder()
                .environment::<String, String>([])
                .settings_files(files.clone())
                .trust_workspace(trusted)
                .build();
            let shown = config.explain().to_string();
            assert!(shown.contains("settings.json") && !shown.contains('\u{1b}'));
        }
    }
}

const MARKER: &str = "SETTINGS_TEST_PRINTS";

/// Prints what a process of its own loads.
#[test]
fn load() {
    if std::env::var_os(MARKER).is_some() {
        println!("{}", Config::load().explain());
    }
}

#[test]
fn load_reads_the_files_of_the_machine() {
    const VARIABLE: &str = "CLAUDE_CODE_MAX_RETRIES";
    let machine = Machine::new();
    machine.write("home/.claude/settings.json", env(VARIABLE, "111"));
    machine.write("moved/settings.json", env(VARIABLE, "222"));
    machine.write(PROJECT, env(NAME, "x"));
    let home = machine.path("home");
    let loaded = |moved: Option<PathBuf>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "load", "--nocapture"])
            .current_dir(machine.path("project"))
            .env_remove("CLAUDE_CONFIG_DIR")
            .env(MARKER, "1")
            .env(VARIABLE, "333")
            .env("HOME", &home)
            .env("USERPROFILE", &home)
            .envs(moved.map(|folder| ("CLAUDE_CONFIG_DIR", folder)));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for (moved, value) in [(None, "111"), (Some(machine.path("moved")), "222")] {
        let shown = loaded(moved);
        let line = shown.lines().find(|line| line.starts_with(VARIABLE));
        let line = line.unwrap_or_else(|| panic!("{shown}"));
        assert!(line.contains(value), "{line}");
        assert!(line.ends_with("333 (environment)"), "{line}");
        assert!(shown.contains("does not trust this workspace"), "{shown}");
    }
}
