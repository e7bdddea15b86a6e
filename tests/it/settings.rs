//! Settings files: their precedence, and the warnings about problems in them.

mod managed;
mod project;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use claude_code_telemetry::{Config, Layer, Setting, SettingsFiles, Warning};
use tempfile::TempDir;

const NAME: &str = "OTEL_SERVICE_NAME";
const SESSION_ID: &str = "OTEL_METRICS_INCLUDE_SESSION_ID";

/// A variable that every layer may set.
const SHARED: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Returns a value of [`SHARED`] that names the layer.
fn tag(layer: Layer) -> String {
    format!("layer={}", layer.to_string().replace(' ', "-"))
}

/// A temporary folder that has the settings files of a machine.
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

    /// Builds the configuration in a trusted project, with an empty environment.
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

/// Returns the message of the only warning, and asserts that it is about this file.
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
fn highest_of_six_layers_takes_precedence() {
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
                machine.write(file, env(SHARED, &tag(layer)));
            }
        }
        let mut builder = Config::builder()
            .environment([(SHARED, tag(Layer::Environment))])
            .settings_files(machine.files())
            .trust_workspace(true);
        if present.contains(&Layer::Host) {
            builder = builder.set(SHARED, tag(Layer::Host));
        }
        let config = builder.build();
        assert_eq!(config.warnings(), []);
        let setting = setting(&config, SHARED).unwrap();
        let found: Vec<_> = std::iter::once((setting.value(), setting.origin()))
            .chain(setting.overrode())
            .collect();
        assert_eq!(found.len(), present.len());
        for ((value, origin), layer) in found.into_iter().zip(present) {
            assert_eq!(origin.layer(), *layer);
            assert_eq!(value, tag(*layer));
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
fn empty_value_unsets_lower_layers() {
    const ENABLE: &str = "CLAUDE_CODE_ENABLE_TELEMETRY";
    for (layer, file) in FILES {
        let machine = Machine::new();
        let on = [
            (ENABLE, "1"),
            ("OTEL_LOGS_EXPORTER", "none"),
            (SHARED, "a=b"),
        ];
        assert!(machine.config_with(&on, true).is_enabled());
        let both = format!(r#"{{"env": {{"{ENABLE}": "", "{SHARED}": ""}}}}"#);
        machine.write(file, both);
        let config = machine.config_with(&on, true);
        let canceled = setting(&config, SHARED).unwrap();
        assert_eq!(canceled.overrode().next().unwrap().0, "a=b");
        // A project's files may not turn telemetry on or off.
        let may_disable = !matches!(layer, Layer::Local | Layer::Project);
        assert_eq!(config.is_enabled(), !may_disable, "{file}");
        let enable = setting(&config, ENABLE).unwrap();
        let overrode: Vec<_> = enable.overrode().map(|(value, _)| value).collect();
        assert_eq!(overrode, if may_disable { &["1"][..] } else { &[] });
    }
}

#[test]
fn malformed_file_is_reported_and_the_others_are_read() {
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
                machine.write(file, env(SHARED, &tag(other)));
            }
            let path = machine.write(file, settings);
            let config = machine.config();
            let about_file = |path: &Path| {
                let mut all = config.warnings().iter();
                let is_about = |path| move |of: &&Warning| of.origin().unwrap().file() == path;
                all.find(is_about(Some(path))).unwrap().to_string()
            };
            let text = about_file(&path);
            assert!(text.starts_with(&format!("{layer} {}: ", path.display())));
            assert!(text.contains(problem) && !text.contains("CANARY"), "{text}");
            let setting = setting(&config, SHARED).unwrap();
            if layer == Layer::Managed {
                // The content of the managed settings is unknown, so the project's settings are ignored.
                assert_eq!(setting.origin().layer(), Layer::User);
                assert_eq!(config.warnings().len(), 3, "{:?}", warnings(&config));
                for project in [LOCAL, PROJECT] {
                    let text = about_file(&machine.path(project));
                    assert!(text.contains("managed settings"), "{text}");
                }
            } else {
                assert_eq!(config.warnings().len(), 1, "{:?}", warnings(&config));
                assert_eq!(setting.overrode().count(), 2, "{layer}");
            }
        }
    }
}

#[test]
fn value_that_is_not_a_string_is_ignored_with_a_warning() {
    for value in ["1", "true", "null", "[\"CANARY\"]", "{\"a\": \"CANARY\"}"] {
        let machine = Machine::new();
        let settings = format!(r#"{{"env": {{"{NAME}": {value}, "{SESSION_ID}": "true"}}}}"#);
        let path = machine.write(USER, settings);
        let config = machine.config_with(&[(NAME, "environment")], true);
        let text = warning(&config, &path);
        let start = format!("{NAME} (user settings {}): not a string", path.display());
        assert!(text.starts_with(&start), "{text}");
        assert!(!text.contains("CANARY"));
        assert_eq!(setting(&config, NAME).unwrap().value(), "environment");
        assert!(setting(&config, SESSION_ID).is_some());

        let path = machine.write(USER, format!(r#"{{"otelHeadersHelper": {value}}}"#));
        let text = warning(&machine.config(), &path);
        assert!(text.starts_with("otelHeadersHelper (") && !text.contains("CANARY"));

        // Values of other programs cause no warning.
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
fn byte_order_mark_is_ignored() {
    let machine = Machine::new();
    machine.write(USER, format!("\u{feff}{}", env(NAME, "x")));
    let config = machine.config();
    assert_eq!(config.warnings(), []);
    assert_eq!(setting(&config, NAME).unwrap().value(), "x");
}

#[test]
fn absent_files_cause_no_warning() {
    let machine = Machine::new();
    assert_eq!(machine.config().warnings(), []);
    // A file has the path where a folder is expected.
    machine.write("project/.claude", "x");
    machine.write("managed", "x");
    assert_eq!(machine.config().warnings(), []);
}

#[test]
fn only_regular_files_up_to_the_size_limit_are_read() {
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
    fn symbolic_link_is_followed() {
        let machine = Machine::new();
        let real = machine.write("elsewhere.json", env(NAME, "x"));
        fs::create_dir_all(machine.path(USER).parent().unwrap()).unwrap();
        symlink(&real, machine.path(USER)).unwrap();
        let config = machine.config();
        let origin = setting(&config, NAME).unwrap().origin();
        assert_eq!(origin.file(), Some(&*machine.path(USER)));
        fs::remove_file(real).unwrap();
        // A user file that is a dangling link counts as absent.
        assert_eq!(machine.config().warnings(), []);
    }

    #[test]
    fn named_pipe_is_rejected_without_blocking() {
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
    fn unreadable_file_is_reported() {
        let machine = Machine::new();
        let path = machine.path(USER);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A symbolic link to itself cannot be read, even by root.
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
            machine.write(file, env(SHARED, "a=x"));
            machine.write(PROJECT, env(SHARED, "a=project"));
            let path = machine.path(locked);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
            // For root, all files are readable.
            let is_readable = fs::File::open(&path).is_ok();
            let config = machine.config();
            if !is_readable {
                let all = warnings(&config);
                assert!(
                    all[0].contains("cannot be read") && all[0].contains(path.to_str().unwrap())
                );
                // Unreadable managed settings also turn off the project's settings.
                let project = setting(&config, SHARED).map(Setting::value);
                let expected = (file == USER).then_some("a=project");
                assert_eq!(project, expected, "{all:?}");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    #[test]
    fn control_characters_in_a_path_are_escaped() {
        let machine = Machine::new();
        let folder = machine.path("a\u{1b}[1mb");
        fs::create_dir_all(folder.join(".claude")).unwrap();
        fs::write(folder.join(".claude/settings.json"), env(SHARED, "a=b")).unwrap();
        let files = SettingsFiles::none().project_folder(folder);
        for trusted in [true, false] {
            let config = Config::builder()
                .environment::<String, String>([])
                .settings_files(files.clone())
                .trust_workspace(trusted)
                .build();
            let explanation = config.explain().to_string();
            assert!(explanation.contains("settings.json") && !explanation.contains('\u{1b}'));
        }
    }
}

const MARKER: &str = "SETTINGS_TEST_PRINTS";

/// The body of the child process, which runs this test binary again: prints the configuration that it loads.
#[test]
fn child() {
    if std::env::var_os(MARKER).is_some() {
        println!("{}", Config::load().explain());
    }
}

#[test]
fn config_load_reads_the_user_and_project_files() {
    const VARIABLE: &str = "CLAUDE_CODE_MAX_RETRIES";
    let machine = Machine::new();
    machine.write("home/.claude/settings.json", env(VARIABLE, "111"));
    machine.write("moved/settings.json", env(VARIABLE, "222"));
    machine.write(PROJECT, env(NAME, "x"));
    let home = machine.path("home");
    let loaded = |moved: Option<PathBuf>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "settings::child", "--nocapture"])
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
        let explanation = loaded(moved);
        let line = explanation.lines().find(|line| line.starts_with(VARIABLE));
        let line = line.unwrap_or_else(|| panic!("{explanation}"));
        assert!(line.contains(value), "{line}");
        assert!(line.ends_with("333 (environment)"), "{line}");
        assert!(
            explanation.contains("does not trust this workspace"),
            "{explanation}"
        );
    }
}
