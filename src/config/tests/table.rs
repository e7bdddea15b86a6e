//! Tests of every variable through the whole configuration.

mod rows;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::config::variables::InProject;
use rows::rows;

type Probe = Box<dyn Fn(&Config) -> String>;

/// A variable, a probe of its effect, and the probe's results: by default, for a valid text, for an invalid text (with
/// a warning), and when the variable is empty in its lowest layer: the environment, or for a settings key the user's file.
struct Row {
    name: String,
    probe: Probe,
    default: String,
    valid: (String, String),
    invalid: Option<(String, String)>,
    empty: String,
    /// The settings that the variable needs to have an effect.
    context: Vec<(Layer, &'static str, String)>,
    /// The variable of [`base`] that is left out, because it would hide the effect; empty if there is none.
    without: &'static str,
}

impl Row {
    fn new(
        name: impl Into<String>,
        probe: impl Fn(&Config) -> String + 'static,
        default: &str,
        valid: (&str, &str),
        invalid: Option<(&str, &str)>,
        empty: &str,
    ) -> Self {
        let owned = |(text, shown): (&str, &str)| (text.to_owned(), shown.to_owned());
        Self {
            name: name.into(),
            probe: Box::new(probe),
            default: default.to_owned(),
            valid: owned(valid),
            invalid: invalid.map(owned),
            empty: empty.to_owned(),
            context: Vec::new(),
            without: "",
        }
    }

    fn needs(mut self, name: &'static str, value: &str) -> Self {
        self.context.push((Layer::Managed, name, value.to_owned()));
        self
    }

    /// Adds a setting of the environment, where [`needs`](Self::needs) would add a managed one: a variable that is not
    /// managed would be ignored beside a managed setting.
    fn needs_in_environment(mut self, name: &'static str, value: &str) -> Self {
        self.context
            .push((Layer::Environment, name, value.to_owned()));
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.without = name;
        self
    }

    /// Returns true for the only settings key that is not a variable.
    fn is_key(&self) -> bool {
        self.name == variables::HEADERS_HELPER.name
    }

    /// Returns the layers that may set the variable to any value, the highest first.
    fn layers(&self) -> Vec<Layer> {
        let in_project = variables::find(&self.name).unwrap().in_project;
        let allowed = |layer: &Layer| match layer {
            Layer::Local | Layer::Project => in_project == InProject::Allowed,
            Layer::Environment => !self.is_key(),
            _ => true,
        };
        LAYERS.into_iter().filter(allowed).collect()
    }

    /// Returns the value with its secrets hidden.
    fn shown(&self, value: &str) -> String {
        (variables::find(&self.name).unwrap().kind.shown)(value)
    }

    fn boolean(name: &str, default: bool, probe: fn(&Config) -> bool) -> Self {
        let [default, other, word] = if default {
            ["true", "false", "off"]
        } else {
            ["false", "true", "YES"]
        };
        let probe = move |config: &Config| probe(config).to_string();
        Self::new(
            name,
            probe,
            default,
            (word, other),
            Some(("maybe", "false")),
            "false",
        )
    }

    fn duration(
        name: &str,
        default: &'static str,
        minimum: Option<&'static str>,
        probe: fn(&Config) -> Duration,
    ) -> Vec<Self> {
        let show = move |config: &Config| probe(config).as_millis().to_string();
        let row = |valid, invalid| {
            Self::new(name, show, default, (valid, "7000"), Some(invalid), default)
        };
        let mut rows = vec![
            row("7000", ("5s", default)),
            row("7e3", ("1.5e3", default)),
            row("7_000", ("_1000", default)),
            row("70E+2", ("-1", default)),
        ];
        rows.extend(minimum.map(|minimum| row("7000", ("0", minimum))));
        rows
    }
}

/// All layers, the highest first.
const LAYERS: [Layer; 6] = [
    Layer::Managed,
    Layer::Host,
    Layer::Local,
    Layer::Project,
    Layer::User,
    Layer::Environment,
];

/// A temporary folder for settings files and PEM files.
struct Folder {
    folder: TempDir,
    /// The files already written. A file is written only when it changes, because writing takes most of the time.
    written: RefCell<BTreeMap<&'static str, String>>,
}

impl Folder {
    fn new() -> Self {
        let folder = Self {
            folder: TempDir::new().unwrap(),
            written: RefCell::default(),
        };
        let root = folder.folder.path();
        for inner in ["managed", "project/.claude"] {
            fs::create_dir_all(root.join(inner)).unwrap();
        }
        let issued = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        fs::write(root.join("certificate.pem"), issued.cert.pem()).unwrap();
        fs::write(root.join("key.pem"), issued.signing_key.serialize_pem()).unwrap();
        folder
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, file: &'static str, content: String) {
        let mut written = self.written.borrow_mut();
        if written.get(file) != Some(&content) {
            fs::write(self.path().join(file), &content).unwrap();
            written.insert(file, content);
        }
    }

    /// Returns the configuration of the variables of [`base`], the context of the row and these values of its variable.
    fn configure(&self, row: &Row, values: &[(Layer, &str)]) -> Config {
        let root = self.path();
        let value_of = |layer: Layer| {
            let mut values = values.iter().filter(|(of, _)| *of == layer);
            values.next().map(|(_, value)| (row.name.as_str(), *value))
        };
        let context_of = |layer: Layer| {
            let context = row.context.iter().filter(move |(of, ..)| *of == layer);
            context.map(|(_, name, value)| (*name, value.as_str()))
        };
        let mut environment = base();
        environment.extend(variables(
            &context_of(Layer::Environment).collect::<Vec<_>>(),
        ));
        environment.remove(&row.name);
        environment.remove(row.without);
        if let Some((name, value)) = value_of(Layer::Environment) {
            environment.insert(name.to_owned(), value.to_owned());
        }
        for (layer, file) in [
            (Layer::Managed, "managed/managed-settings.json"),
            (Layer::Local, "project/.claude/settings.local.json"),
            (Layer::Project, "project/.claude/settings.json"),
            (Layer::User, "user.json"),
        ] {
            let mut settings = serde_json::json!({"env": {}});
            for (name, value) in context_of(layer).chain(value_of(layer)) {
                if name == variables::HEADERS_HELPER.name {
                    settings[name] = value.into();
                } else {
                    settings["env"][name] = value.into();
                }
            }
            self.write(file, settings.to_string());
        }
        let files = SettingsFiles::none()
            .managed_folder(root.join("managed"))
            .project_folder(root.join("project"))
            .user_file(root.join("user.json"));
        let mut builder = Config::builder()
            .environment(environment)
            .settings_files(files)
            .trust_workspace(true);
        if let Some((name, value)) = value_of(Layer::Host) {
            builder = builder.set(name, value);
        }
        build_with_all_features(builder)
    }
}

#[test]
fn every_variable_has_its_effect() {
    assert_eq!(build(base()).warnings(), []);
    let folder = Folder::new();
    for row in rows(folder.path()) {
        let (name, probe, default) = (&row.name, &row.probe, &row.default);
        let about = |config: &Config| {
            let is_about = |warning: &&Warning| warning.variable() == Some(&**name);
            config.warnings().iter().find(is_about).cloned()
        };
        let lowest = if row.is_key() {
            Layer::User
        } else {
            Layer::Environment
        };
        assert_eq!(
            &probe(&folder.configure(&row, &[])),
            default,
            "{name} unset"
        );
        let empty = folder.configure(&row, &[(lowest, "")]);
        assert_eq!(probe(&empty), row.empty, "{name} empty");
        let is_on = variables::find(name).unwrap().kind.default == "true";
        let problem = about(&empty).map(|warning| warning.problem().clone());
        assert_eq!(problem, is_on.then_some(Problem::EmptyBoolean), "{name}");

        let (valid, expected) = &row.valid;
        let config = folder.configure(&row, &[(lowest, valid)]);
        assert_eq!(&probe(&config), expected, "{name}={valid}");
        // These valid values have a consequence that a warning explains.
        let may_warn = name == "OTEL_SDK_DISABLED" || valid == "http://h:4317";
        assert!(
            about(&config).is_none() || may_warn,
            "{:?}",
            config.warnings()
        );

        if let Some((invalid, expected)) = &row.invalid {
            let config = folder.configure(&row, &[(lowest, invalid)]);
            assert_eq!(&probe(&config), expected, "{name}={invalid}");
            let warning = about(&config).unwrap_or_else(|| panic!("{name}={invalid}: no warning"));
            assert_eq!(warning.value(), Some(&*row.shown(invalid)));
            assert_eq!(warning.origin().unwrap().layer(), lowest);
        }
    }
}

#[test]
fn every_variable_is_overridden_and_cancelled_by_the_next_higher_layer() {
    let folder = Folder::new();
    for row in rows(folder.path()) {
        let (name, probe) = (&row.name, &row.probe);
        let (valid, expected) = &row.valid;
        let other = row.invalid.as_ref().map_or(valid, |(invalid, _)| invalid);
        for pair in row.layers().windows(2) {
            let (upper, lower) = (pair[0], pair[1]);
            let config = folder.configure(&row, &[(upper, valid), (lower, other)]);
            assert_eq!(&probe(&config), expected, "{name}: {upper} over {lower}");
            let mut settings = config.explain().settings().iter();
            let setting = settings.find(|setting| setting.name() == name).unwrap();
            assert_eq!(setting.origin().layer(), upper, "{name}");
            let (value, origin) = setting.overrode().next().unwrap();
            assert_eq!(
                (value, origin.layer()),
                (&*row.shown(other), lower),
                "{name}"
            );

            let config = folder.configure(&row, &[(upper, ""), (lower, valid)]);
            assert_eq!(
                probe(&config),
                row.default,
                "{name}: {upper} cancels {lower}"
            );
        }
    }
}

#[test]
fn a_project_sets_only_the_variables_that_the_table_allows() {
    let folder = Folder::new();
    for row in rows(folder.path()) {
        let (name, probe) = (&row.name, &row.probe);
        let variable = variables::find(name).unwrap();
        let (valid, expected) = &row.valid;
        for layer in [Layer::Local, Layer::Project] {
            let about = |config: &Config| {
                let mut warnings = config.warnings().iter();
                let found = warnings.find(|warning| warning.variable() == Some(&**name))?;
                assert_eq!(found.origin()?.layer(), layer, "{found}");
                assert!(found.origin()?.file().is_some(), "{found}");
                Some(found.problem().clone())
            };
            for value in [valid.as_str(), ""] {
                let config = folder.configure(&row, &[(layer, value)]);
                let problem = about(&config);
                let effect = match (variable.in_project, value) {
                    (InProject::Allowed, "") => {
                        assert_eq!(problem, None);
                        &row.default
                    }
                    (InProject::Allowed, _) => expected,
                    (InProject::FalseOnly | InProject::NoneOnly, _) => {
                        assert!(matches!(problem, Some(Problem::OnlyOffInProject { .. })));
                        &row.default
                    }
                    (InProject::Ignored, _) => {
                        assert!(matches!(problem, Some(Problem::NotInProject { .. })));
                        &row.default
                    }
                };
                assert_eq!(&probe(&config), effect, "{name}={value} ({layer})");
            }
            let off = match variable.in_project {
                InProject::FalseOnly => Some("no"),
                InProject::NoneOnly => Some("none"),
                InProject::Allowed | InProject::Ignored => None,
            };
            if let Some(off) = off {
                let values = [(layer, off), (Layer::User, valid)];
                let config = folder.configure(&row, &values);
                assert_eq!(about(&config), None);
                assert_eq!(probe(&config), row.default, "{name}={off} ({layer})");
                // A project cannot switch off what the environment sets.
                let values = [(layer, off), (Layer::Environment, valid)];
                let config = folder.configure(&row, &values);
                assert_eq!(about(&config), Some(Problem::SetInEnvironment));
                assert_eq!(&probe(&config), expected, "{name}={off} ({layer})");
            }
        }
    }
}

#[test]
fn every_variable_with_an_effect_has_a_test() {
    let folder = Folder::new();
    let rows = rows(folder.path()).into_iter();
    let mut tested: BTreeSet<String> = rows.map(|row| row.name).collect();
    // The test `prometheus_page_address_follows_variables_and_host` covers these variables.
    tested.extend(["HOST", "PORT"].map(|part| format!("OTEL_EXPORTER_PROMETHEUS_{part}")));
    let effective = variables::all().filter(|variable| variable.has_effect);
    let all: BTreeSet<String> = effective.map(|variable| variable.name.to_owned()).collect();
    assert_eq!(tested, all);
}

#[test]
fn variables_without_effect_cause_a_warning() {
    for variable in variables::all() {
        let name = variable.name.replace('*', "X");
        let set = |mut variables: Variables| {
            variables.remove(&name);
            let builder = Config::builder().environment(variables).set(&*name, "1");
            let config = build_with_all_features(builder);
            problems(&config).into_iter().cloned().collect::<Vec<_>>()
        };
        match variable.has_effect {
            true => assert!(!set(base()).contains(&Problem::WithoutEffect), "{name}"),
            false => assert_eq!(set(base()), [Problem::WithoutEffect], "{name}"),
        }
    }
    let config = with(&[("OTEL_LOG_RAW_API_BODIES", "file:/tmp/bodies")]);
    assert!(!config.content.raw_api_bodies);
    assert_eq!(problems(&config), [&Problem::BodiesToFile]);
}
