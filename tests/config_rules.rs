//! The rules of precedence in combination: every two of the values below, in any layers, come together at least once, and
//! what the library makes of them is what a second, independent statement of the rules makes of them.
#![cfg(all(feature = "grpc", feature = "http"))]
#![allow(clippy::unwrap_used)]

#[path = "config_rules/model.rs"]
mod model;
#[path = "config_rules/pairwise.rs"]
mod pairwise;

use std::collections::BTreeMap;
use std::path::Path;

use claude_code_telemetry::{Config, SettingsFiles, Signal};
use model::{Exporter, Given, LAYERS, Layer, Resolved};
use serde_json::{Map, Value, json};

const SIGNALS: [(&str, Signal); 3] = [
    ("METRICS", Signal::Metrics),
    ("LOGS", Signal::Events),
    ("TRACES", Signal::Spans),
];

/// A variable and values that it is given. `{}` stands for the signal.
type Variable = (&'static str, &'static [&'static str]);

/// Each is there twice where two layers are to meet.
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
    ("OTEL_EXPORTER_OTLP_HEADERS", &["a=g,b=g"]),
    ("OTEL_EXPORTER_OTLP_HEADERS", &["a=g2", ""]),
    ("OTEL_EXPORTER_OTLP_{}_HEADERS", &["A=s,c=s"]),
    ("OTEL_EXPORTER_OTLP_{}_HEADERS", &["B=s2", ""]),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", &["1000", "soon", ""]),
    ("OTEL_EXPORTER_OTLP_{}_TIMEOUT", &["2000", "soon", ""]),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", &["gzip", "none", "zip"]),
    (
        "OTEL_EXPORTER_OTLP_{}_COMPRESSION",
        &["gzip", "none", "zip", ""],
    ),
    ("HTTP_PROXY", &["http://p:1", ""]),
    ("HTTPS_PROXY", &["http://p:1", ""]),
    ("ALL_PROXY", &["http://p:2"]),
];

/// Set once, in any layer but the environment, which has none.
const HELPER: &str = "otelHeadersHelper";

/// One combination: the levels of each variable (0 is unset), of the helper, of the signal and of trust.
fn given(row: &[usize]) -> Given {
    let (name, _) = SIGNALS[row[VARIABLES.len() + 1]];
    let mut set: BTreeMap<Layer, BTreeMap<String, String>> = BTreeMap::new();
    for ((variable, values), level) in VARIABLES.iter().zip(row) {
        if let Some(level) = level.checked_sub(1) {
            let layer = LAYERS[level / values.len()];
            let value = values[level % values.len()].to_owned();
            let variable = variable.replace("{}", name);
            set.entry(layer).or_default().insert(variable, value);
        }
    }
    if let Some(level) = row[VARIABLES.len()].checked_sub(1) {
        let helper = set.entry(LAYERS[level]).or_default();
        helper.insert(HELPER.to_owned(), "true".to_owned());
    }
    Given {
        set,
        trusted: row[VARIABLES.len() + 2] == 1,
        signal: name,
    }
}

fn levels() -> Vec<usize> {
    let variables = VARIABLES.iter();
    let mut levels: Vec<_> = variables
        .map(|(_, values)| 1 + LAYERS.len() * values.len())
        .collect();
    levels.extend([LAYERS.len(), SIGNALS.len(), 2]);
    levels
}

/// The configuration that the library makes of it, with real files under `root`. One that is
/// `written` as it should be stays.
fn configured(given: &Given, root: &Path, written: &mut BTreeMap<&str, String>) -> Config {
    let base = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
    ];
    let mut environment: BTreeMap<String, String> = base
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    environment.insert(format!("OTEL_{}_EXPORTER", given.signal), "otlp".to_owned());
    let nothing = BTreeMap::new();
    let of = |layer| given.set.get(&layer).unwrap_or(&nothing);
    environment.extend(of(Layer::Environment).clone());
    let files = SettingsFiles::none()
        .managed_folder(root.join("managed"))
        .project_folder(root.join("project"))
        .user_file(root.join("user.json"));
    for (layer, file) in [
        (Layer::Managed, "managed/managed-settings.json"),
        (Layer::Local, "project/.claude/settings.local.json"),
        (Layer::Project, "project/.claude/settings.json"),
        (Layer::User, "user.json"),
    ] {
        let content = settings(of(layer));
        if written.get(file) != Some(&content) {
            std::fs::write(root.join(file), &content).unwrap();
            written.insert(file, content);
        }
    }
    let mut builder = Config::builder()
        .environment(environment)
        .settings_files(files)
        .trust_workspace(given.trusted);
    for (name, value) in of(Layer::Host) {
        builder = builder.set(name, value);
    }
    builder.build()
}

/// A settings file that sets these.
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

/// What the library resolved, in the words of the model.
fn resolved(config: &Config, signal: Signal) -> Resolved {
    let Some(otlp) = config.otlp(signal) else {
        let said = config.explain().to_string();
        let why = [
            "managed settings hold credentials",
            "only http and https URLs are supported",
        ];
        return Err(why
            .into_iter()
            .find(|why| said.contains(why))
            .unwrap_or("no reason"));
    };
    Ok(Exporter {
        protocol: otlp.protocol(),
        endpoint: match otlp.endpoint() {
            // A URL without a path has the path `/`.
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

#[test]
fn any_two_settings_together_mean_what_the_rules_say() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("managed")).unwrap();
    std::fs::create_dir_all(root.join("project/.claude")).unwrap();
    let rows = pairwise::rows(&levels());
    let mut written = BTreeMap::new();
    let mut off = 0;
    for row in &rows {
        let given = given(row);
        let signal = SIGNALS[row[VARIABLES.len() + 1]].1;
        let config = configured(&given, root, &mut written);
        let expected = given.resolve();
        assert_eq!(
            resolved(&config, signal),
            expected,
            "{given:#?}\n{}",
            config.explain()
        );
        off += usize::from(expected.is_err());

        // What managed settings remove is told.
        for kind in ["PROTOCOL", "ENDPOINT", "HEADERS"] {
            let name = format!("OTEL_EXPORTER_OTLP_{}_{kind}", given.signal);
            let told = config.warnings().iter().any(|warning| {
                warning.variable() == Some(&name)
                    && warning
                        .to_string()
                        .contains("ignored, because managed settings set")
            });
            // The headers of an exporter that is off are not looked at.
            let looked_at = kind != "HEADERS" || expected.is_ok();
            assert_eq!(
                told,
                given.is_removed(kind) && looked_at,
                "{name} {given:#?}"
            );
        }
    }
    // The combinations are no waste: most of them end in an exporter, and not all.
    assert!(
        off > rows.len() / 50 && off < rows.len() / 2,
        "{off} of {}",
        rows.len()
    );
}
