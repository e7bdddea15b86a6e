//! The rules of precedence in combination. Each pair of the values below, in any two layers, occurs together at least
//! once, and the library resolves every combination like a second, independent implementation of the rules.
#![cfg(all(feature = "grpc", feature = "http"))]

mod model;
mod pairwise;

use std::collections::BTreeMap;
use std::path::Path;

use claude_code_telemetry::{Config, Service, SettingsFiles, Signal, Telemetry};
use model::{Exporter, Given, LAYERS, Layer, Resolved};
use serde_json::{Map, Value, json};

const SIGNALS: [(&str, Signal); 3] = [
    ("METRICS", Signal::Metrics),
    ("LOGS", Signal::Logs),
    ("TRACES", Signal::Traces),
];

/// A variable and the values that it is given. `{}` is replaced by the name of the signal.
type Variable = (&'static str, &'static [&'static str]);

/// A variable is listed twice so that two layers can set it.
const VARIABLES: [Variable; 19] = [
    (
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        &["grpc", "http/json", "http"],
    ),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", &["http/protobuf", ""]),
    (
        "OTEL_EXPORTER_OTLP_{}_PROTOCOL",
        &["grpc", "http/json", "http/protobuf", "HTTP"],
    ),
    ("OTEL_EXPORTER_OTLP_{}_PROTOCOL", &["http/json", ""]),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        &["http://g:4317", "https://g:4318/base", "http://g"],
    ),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", &["http://g2:4318", ""]),
    (
        "OTEL_EXPORTER_OTLP_{}_ENDPOINT",
        &["http://s:4318/x", "https://s:4317/y", "ftp://s/z"],
    ),
    ("OTEL_EXPORTER_OTLP_{}_ENDPOINT", &["http://s2/x", ""]),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        &["a=g,b=g,Host=g", "a=g,x-bin=!"],
    ),
    ("OTEL_EXPORTER_OTLP_HEADERS", &["a=g2", ""]),
    (
        "OTEL_EXPORTER_OTLP_{}_HEADERS",
        &["A=s,c=s", "A=s,x-bin=c3M=,y-bin=!"],
    ),
    ("OTEL_EXPORTER_OTLP_{}_HEADERS", &["B=s2", ""]),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", &["1_000", "soon", ""]),
    ("OTEL_EXPORTER_OTLP_{}_TIMEOUT", &["2e3", "soon", ""]),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", &["gzip", "none", "zip"]),
    (
        "OTEL_EXPORTER_OTLP_{}_COMPRESSION",
        &["gzip", "none", "zip", ""],
    ),
    ("HTTP_PROXY", &["http://p:1", ""]),
    ("HTTPS_PROXY", &["http://p:1", ""]),
    ("ALL_PROXY", &["http://p:2"]),
];

/// The variables that decide on content and on exporters.
const SWITCHES: [Variable; 6] = [
    ("OTEL_LOG_USER_PROMPTS", &["1", "off", "maybe"]),
    ("OTEL_LOG_USER_PROMPTS", &["on", "0", ""]),
    ("OTEL_LOG_RAW_API_BODIES", &["1", "0", ""]),
    ("OTEL_METRICS_INCLUDE_SESSION_ID", &["no", "maybe", ""]),
    ("OTEL_{}_EXPORTER", &["otlp", "console,none"]),
    ("OTEL_{}_EXPORTER", &["none", "otlp,console", ""]),
];

/// A setting that is set at most once, in any layer except the environment, which does not have it.
const HELPER: &str = "otelHeadersHelper";

/// Builds a combination from the level of each variable, the helper, the signal and trust. Level 0 of a variable means that
/// it is unset; each other level stands for one layer with one value.
fn given(row: &[usize]) -> Given {
    let (name, _) = SIGNALS[row[VARIABLES.len() + 1]];
    let mut set = assigned(&VARIABLES, row, name);
    if let Some(level) = row[VARIABLES.len()].checked_sub(1) {
        let helper = set.entry(LAYERS[level]).or_default();
        helper.insert(HELPER.to_owned(), "true".to_owned());
    }
    Given {
        set,
        trusted: row[VARIABLES.len() + 2] == 1,
        unreadable: false,
        signal: name,
    }
}

/// Returns the variables that each layer sets, by the level of each variable.
fn assigned(
    variables: &[Variable],
    row: &[usize],
    name: &str,
) -> BTreeMap<Layer, BTreeMap<String, String>> {
    let mut set: BTreeMap<Layer, BTreeMap<String, String>> = BTreeMap::new();
    for ((variable, values), level) in variables.iter().zip(row) {
        if let Some(level) = level.checked_sub(1) {
            let layer = LAYERS[level / values.len()];
            let value = values[level % values.len()].to_owned();
            let variable = variable.replace("{}", name);
            set.entry(layer).or_default().insert(variable, value);
        }
    }
    set
}

/// Returns the number of levels of each variable, followed by `others`.
fn levels(variables: &[Variable], others: &[usize]) -> Vec<usize> {
    let levels = variables.iter();
    let levels = levels.map(|(_, values)| 1 + LAYERS.len() * values.len());
    levels.chain(others.iter().copied()).collect()
}

/// Builds the library's configuration for a combination, with real files under `root`. `base` has variables of the
/// environment that the combination may override. `written` has the content of the files, so that unchanged files are
/// not written again.
fn configured(
    given: &Given,
    base: &[(&str, &str)],
    root: &Path,
    written: &mut BTreeMap<&str, String>,
) -> Config {
    let base = base.iter();
    let mut environment: BTreeMap<String, String> = base
        .map(|(name, value)| (name.replace("{}", given.signal), (*value).to_owned()))
        .collect();
    let nothing = BTreeMap::new();
    let set_by = |layer| given.set.get(&layer).unwrap_or(&nothing);
    environment.extend(set_by(Layer::Environment).clone());
    let files = SettingsFiles::none()
        .managed_folder(root.join("managed"))
        .project_folder(root.join("project"))
        .user_file(root.join("user.json"));
    // Managed settings are read from both files. The combination is in `managed`; `other` sets nothing or is invalid.
    let [managed, other] = match given.unreadable {
        false => [
            "managed/managed-settings.json",
            "managed/managed-settings.d/a.json",
        ],
        true => [
            "managed/managed-settings.d/a.json",
            "managed/managed-settings.json",
        ],
    };
    let content = if given.unreadable { "{" } else { "{}" };
    if written.get(other).map(String::as_str) != Some(content) {
        std::fs::write(root.join(other), content).unwrap();
        written.insert(other, content.to_owned());
    }
    for (layer, file) in [
        (Layer::Managed, managed),
        (Layer::Local, "project/.claude/settings.local.json"),
        (Layer::Project, "project/.claude/settings.json"),
        (Layer::User, "user.json"),
    ] {
        let content = settings(set_by(layer));
        if written.get(file) != Some(&content) {
            std::fs::write(root.join(file), &content).unwrap();
            written.insert(file, content);
        }
    }
    let mut builder = Config::builder()
        .environment(environment)
        .settings_files(files)
        .trust_workspace(given.trusted);
    for (name, value) in set_by(Layer::Host) {
        builder = builder.set(name, value);
    }
    builder.build()
}

/// Formats a settings file that sets these variables.
fn settings(set: &BTreeMap<String, String>) -> String {
    let mut env = Map::new();
    let mut settings = Map::new();
    for (name, value) in set {
        let object = if name == HELPER {
            &mut settings
        } else {
            &mut env
        };
        object.insert(name.clone(), json!(value));
    }
    settings.insert("env".to_owned(), Value::Object(env));
    Value::Object(settings).to_string()
}

/// Returns the library's result in the form of the model.
fn resolved(config: &Config, signal: Signal) -> Resolved {
    let Some(otlp) = config.otlp(signal) else {
        let explanation = config.explain().to_string();
        let why = [
            "managed settings hold credentials",
            "only http and https URLs are supported",
        ];
        return Err(why
            .into_iter()
            .find(|why| explanation.contains(why))
            .unwrap_or("no reason"));
    };
    Ok(Exporter {
        protocol: otlp.protocol(),
        endpoint: match otlp.endpoint() {
            // In the model, a URL without a path has the path `/`.
            url if url.matches('/').count() == 2 => format!("{url}/"),
            url => url,
        },
        headers: otlp
            .headers()
            .map(|(name, variable)| (name.to_owned(), variable.to_owned()))
            .collect(),
        timeout: u64::try_from(otlp.timeout().as_millis()).unwrap(),
        compression: otlp.compression(),
        proxy: otlp.proxy().map(|(_, variable)| variable.to_owned()),
    })
}

fn folders(root: &Path) {
    std::fs::create_dir_all(root.join("managed/managed-settings.d")).unwrap();
    std::fs::create_dir_all(root.join("project/.claude")).unwrap();
}

/// Asserts that each variable that a project may not set is reported if the project's settings are read, and not
/// reported otherwise.
fn assert_ignored_are_reported(given: &Given, config: &Config) {
    for (layer, file) in [
        (Layer::Local, "settings.local.json"),
        (Layer::Project, "settings.json"),
    ] {
        for (name, value) in given.set.get(&layer).into_iter().flatten() {
            let is_reported = config.warnings().iter().any(|warning| {
                let origin = warning.origin().and_then(|origin| origin.file());
                let text = warning.to_string();
                // The message names the layers that may set the variable, or says that managed settings cannot be read.
                let names_a_layer = text.contains("set it in") || text.contains("change it in");
                origin.is_some_and(|path| path.ends_with(file))
                    && warning.variable() == Some(name)
                    && (names_a_layer || text.contains("counts as off"))
            });
            let is_read = given.trusted && !given.unreadable;
            let ignored = is_read && !given.may_set(layer, name, value);
            assert_eq!(
                is_reported,
                ignored,
                "{name}={value} {given:#?}\n{}",
                config.explain()
            );
        }
    }
}

#[test]
fn every_pair_of_switches_resolves_as_the_model_states() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    folders(root);
    let mut written = BTreeMap::new();
    let rows = pairwise::rows(&levels(&SWITCHES, &[SIGNALS.len(), 2, 2]));
    let mut on = [0; 3];
    for row in &rows {
        let others = &row[SWITCHES.len()..];
        let (name, signal) = SIGNALS[others[0]];
        let given = Given {
            set: assigned(&SWITCHES, row, name),
            trusted: others[1] == 1,
            unreadable: others[2] == 1,
            signal: name,
        };
        let base = [("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1")];
        let enabled = [&base[..], &[("CLAUDE_CODE_ENABLE_TELEMETRY", "1")]].concat();
        let config = configured(&given, &enabled, root, &mut written);
        let explanation = config.explain().to_string();
        let otlp = config.otlp(signal).is_some();
        assert_eq!(otlp, given.has_otlp(), "{given:#?}\n{explanation}");
        assert_ignored_are_reported(&given, &config);
        let on_by_default = "OTEL_METRICS_INCLUDE_SESSION_ID";
        let mut warnings = config.warnings().iter();
        let is_reported = warnings.any(|warning| warning.variable() == Some(on_by_default));
        assert_eq!(
            is_reported,
            given.has_switch_warning(on_by_default),
            "{given:#?}\n{explanation}"
        );
        assert_eq!(
            explanation.contains("Until this is fixed"),
            given.unreadable
        );

        // Disabled telemetry has a content policy too, and starts no exporter.
        let config = configured(&given, &base, root, &mut written);
        let policy = Telemetry::start(config, Service::new("agent", "1")).content_policy();
        let [prompts, bodies] =
            ["OTEL_LOG_USER_PROMPTS", "OTEL_LOG_RAW_API_BODIES"].map(|name| given.content(name));
        assert_eq!(policy.user_prompts(), prompts, "{given:#?}\n{explanation}");
        assert_eq!(policy.raw_api_bodies(), bodies, "{given:#?}\n{explanation}");
        for (count, is_on) in on.iter_mut().zip([otlp, prompts, bodies]) {
            *count += usize::from(is_on);
        }
    }
    // The combinations are meaningful: each result is on in at least 5 % of them, and off in some.
    assert!(
        on.iter()
            .all(|on| (rows.len() / 20..rows.len()).contains(on)),
        "{on:?} of {}",
        rows.len()
    );
}

#[test]
fn every_pair_of_settings_resolves_as_the_model_states() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    folders(root);
    let rows = pairwise::rows(&levels(&VARIABLES, &[LAYERS.len(), SIGNALS.len(), 2]));
    let mut written = BTreeMap::new();
    let mut without_exporter = 0;
    for row in &rows {
        let given = given(row);
        let signal = SIGNALS[row[VARIABLES.len() + 1]].1;
        let base = [
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
            ("OTEL_{}_EXPORTER", "otlp"),
        ];
        let config = configured(&given, &base, root, &mut written);
        let expected = given.resolve();
        assert_eq!(
            resolved(&config, signal),
            expected,
            "{given:#?}\n{}",
            config.explain()
        );
        without_exporter += usize::from(expected.is_err());
        assert_ignored_are_reported(&given, &config);

        // A variable of a signal that managed settings override is reported.
        for kind in ["PROTOCOL", "ENDPOINT", "HEADERS"] {
            let name = format!("OTEL_EXPORTER_OTLP_{}_{kind}", given.signal);
            let is_reported = config.warnings().iter().any(|warning| {
                warning.variable() == Some(&name)
                    && warning
                        .to_string()
                        .contains("ignored, because managed settings set")
            });
            // The headers of a disabled exporter are not validated.
            let is_validated = kind != "HEADERS" || expected.is_ok();
            assert_eq!(
                is_reported,
                given.is_overridden_by_managed(kind) && is_validated,
                "{name} {given:#?}"
            );
        }
    }
    // The combinations are meaningful: most of them give an exporter, and some do not.
    assert!(
        without_exporter > rows.len() / 50 && without_exporter < rows.len() / 2,
        "{without_exporter} of {}",
        rows.len()
    );
}
