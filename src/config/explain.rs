//! The explanation of a configuration: the origin of every value, the consequences and the warnings.

use std::fmt;
use std::sync::Arc;

use super::changes::{ChangedSetting, differences};
use super::problem::Problem;
use super::setting::Setting;
use super::source::{Assignment, Provenance};
use super::warnings::Warning;
use crate::visible::visible;

/// A setting that the host made with a method instead of a variable, and that is not the default: the name of the method,
/// and the value.
pub(super) type MethodSetting = (&'static str, String);

/// The explanation of a configuration: the origin of every value, the resulting behavior, and every warning. It
/// displays as a table. Secrets are hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    pub(super) settings: Arc<[Setting]>,
    pub(super) method_settings: Vec<MethodSetting>,
    changes: Vec<ChangedSetting>,
    pub(super) facts: Vec<String>,
    pub(super) warnings: Vec<Warning>,
}

impl Explanation {
    /// Returns every known variable that is set, in alphabetical order.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Returns the differences from the previous configuration, which this one replaced
    /// ([`Telemetry::reconfigure`](crate::Telemetry::reconfigure)): first the variables, then the settings made with
    /// the methods of [`ConfigBuilder`](crate::ConfigBuilder), each in alphabetical order. Empty for the first
    /// configuration.
    pub fn changes(&self) -> &[ChangedSetting] {
        &self.changes
    }

    /// Records the differences from the previous explanation.
    pub(super) fn compare(&mut self, old: &Self) {
        self.changes = differences(old.variables(), self.variables());
        let methods = differences(old.methods(), self.methods());
        self.changes.extend(methods);
    }

    fn variables(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let settings = self.settings.iter();
        settings.map(|set| (set.name(), set.text(), set.value()))
    }

    fn methods(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let settings = self.method_settings.iter();
        settings.map(|(method, value)| (*method, &**value, &**value))
    }

    /// Returns the behavior that results from the variables and from the host's settings, one sentence each.
    pub fn facts(&self) -> impl Iterator<Item = &str> {
        self.facts.iter().map(String::as_str)
    }

    /// Returns the warnings about settings that are probably mistakes.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Returns the explanation without the warnings that a [`Diagnosis`](crate::Diagnosis) contains too: those about
    /// misspelled and about misplaced variables. A host that shows both shows each warning once with it.
    ///
    /// ```
    /// # use claude_code_telemetry::Config;
    /// # let config = Config::builder().environment::<String, String>([]).build();
    /// println!("{}\n{}", config.explain().without_diagnosed(), config.diagnose());
    /// ```
    pub fn without_diagnosed(&self) -> Self {
        let mut explanation = self.clone();
        explanation
            .warnings
            .retain(|warning| !warning.is_misspelling() && !warning.is_misplaced());
        explanation
    }
}

/// The largest width to which a column is padded, in characters. Without a limit one long value would move the other
/// columns out of sight.
const WIDEST: usize = 56;

/// The resolution adds to the explanation. Each warning is kept once.
impl Explanation {
    /// Adds a warning about a value, and returns its message. The value of an unknown variable is not shown.
    pub(super) fn warn(&mut self, set: &Assignment, problem: Problem) -> String {
        let shown = set.variable.is_some().then(|| set.shown.clone());
        self.add(Some(&set.name), shown, Some(&set.origin), problem)
    }

    /// Adds a warning about a variable whose value cannot be shown, for example because it is not valid Unicode.
    pub(super) fn warn_of_name(&mut self, name: &str, origin: &Provenance, problem: Problem) {
        self.add(Some(name), None, Some(origin), problem);
    }

    /// Adds a warning about a settings file, or a folder of settings files.
    pub(super) fn warn_of_file(&mut self, origin: &Provenance, problem: Problem) {
        self.add(None, None, Some(origin), problem);
    }

    /// Adds a warning about the configuration as a whole.
    pub(super) fn warn_overall(&mut self, problem: Problem) {
        self.add(None, None, None, problem);
    }

    fn add(
        &mut self,
        variable: Option<&str>,
        value: Option<String>,
        origin: Option<&Provenance>,
        problem: Problem,
    ) -> String {
        let warning = Warning {
            variable: variable.map(visible),
            value,
            origin: origin.cloned(),
            problem,
        };
        let text = warning.to_string();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
        text
    }

    /// Adds a behavior that results from the variables although none of them states it.
    pub(super) fn fact(&mut self, text: &str) {
        self.facts.push(visible(text));
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["VARIABLE", "VALUE", "FROM", "OVERRODE"].map(str::to_owned)];
        rows.extend(self.settings.iter().map(row));
        let width = |column: usize| {
            let lengths = rows.iter().map(|row| row[column].chars().count());
            lengths.max().unwrap_or_default().min(WIDEST)
        };
        let (first, second, third) = (width(0), width(1), width(2));
        for [name, value, origin, overrode] in &rows {
            let line = format!("{name:first$}  {value:second$}  {origin:third$}  {overrode}");
            writeln!(f, "{}", line.trim_end())?;
        }
        list(f, "What changed", &self.changes)?;
        list(f, "What follows", &self.facts)?;
        list(f, "Warnings", &self.warnings)
    }
}

fn row(setting: &Setting) -> [String; 4] {
    let overrode = setting.overrode();
    let overrode: Vec<_> = overrode
        .map(|(value, origin)| format!("{value} ({origin})"))
        .collect();
    let (name, value) = (setting.name().to_owned(), setting.value().to_owned());
    [
        name,
        value,
        setting.origin().to_string(),
        overrode.join(", "),
    ]
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, lines: &[impl fmt::Display]) -> fmt::Result {
    if !lines.is_empty() {
        writeln!(f, "\n{title}")?;
    }
    lines.iter().try_for_each(|line| writeln!(f, "- {line}"))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::resolve::resolve;
    use crate::config::resolver::Features;

    #[test]
    fn explanation_displays_as_a_table() {
        let builder = Config::builder()
            .environment([
                ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
                ("OTEL_METRICS_EXPORTER", "otpl"),
                ("OTEL_LOGS_EXPORTER", "console"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=CANARY"),
            ])
            .set("OTEL_LOGS_EXPORTER", "otlp")
            .set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
        let config = resolve(builder, Features::ALL);
        let expected = "\
VARIABLE                      VALUE                  FROM         OVERRODE
CLAUDE_CODE_ENABLE_TELEMETRY  1                      environment
OTEL_EXPORTER_OTLP_ENDPOINT   http://collector:4317  host
OTEL_EXPORTER_OTLP_HEADERS    <hidden>               environment
OTEL_LOGS_EXPORTER            otlp                   host         console (environment)
OTEL_METRICS_EXPORTER         otpl                   environment

What follows
- logs: OTLP to http://collector:4317/ (grpc, chosen because the port is 4317)

Warnings
- OTEL_METRICS_EXPORTER=otpl (environment): otpl is unknown, so that exporter is left out; did you mean otlp? Valid: console, otlp, prometheus, none
";
        assert_eq!(config.explain().to_string(), expected);
    }

    #[test]
    fn setting_has_its_value_default_origin_meaning_and_overridden_value() {
        let config = Config::builder()
            .environment([("OTEL_LOGS_EXPORT_INTERVAL", "1")])
            .set("OTEL_LOGS_EXPORT_INTERVAL", "20")
            .build();
        let [setting] = config.explain().settings() else {
            panic!("one setting expected");
        };
        assert_eq!(
            (setting.name(), setting.value(), setting.default()),
            ("OTEL_LOGS_EXPORT_INTERVAL", "20", "5000")
        );
        assert_eq!(setting.origin().to_string(), "host");
        let overrode: Vec<_> = setting.overrode().map(|(value, _)| value).collect();
        assert_eq!(overrode, ["1"]);
        assert!(!setting.meaning().is_empty());
    }
}
