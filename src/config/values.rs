//! The variables that are set, the layer that wins for each, and the parsed values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::explain::Explanation;
use super::kind::AnyValue;
use super::nearest::nearest;
use super::problem::Problem;
use super::setting::Setting;
use super::source::{Assignment, Layer, Provenance};
use super::variables::{self, PerSignal, Typed, Variable};
use crate::environment::EnvironmentVariable;
use crate::signal::Signal;

/// Every known variable that is set. Each value is parsed once.
pub(crate) struct Values {
    /// In alphabetical order. The explanation has them too.
    pub(super) settings: Arc<[Setting]>,
    /// The values by name, without those that count as unset.
    parsed: BTreeMap<&'static str, AnyValue>,
    /// True if the environment is that of a CGI program.
    pub(super) is_cgi: bool,
}

/// Returns the assignments of an environment. A known variable whose value is not valid Unicode is reported. If
/// `ignore_case` is true, as on Windows, names that the table does not contain are converted to upper case.
pub(super) fn from_environment(
    entries: Vec<EnvironmentVariable>,
    ignore_case: bool,
    report: &mut Explanation,
) -> Vec<Assignment> {
    let origin = Provenance::new(Layer::Environment);
    let mut assignments = Vec::new();
    for (mut name, value) in entries {
        if ignore_case && variables::find(&name).is_none() {
            name.make_ascii_uppercase();
        }
        let set = Assignment::new(origin.clone(), &name, value.as_deref().unwrap_or_default());
        match set.variable {
            Some(known) if known.is_settings_key() => {}
            Some(_) if value.is_none() => report.warn_of_name(&name, &origin, Problem::NotUnicode),
            _ => assignments.push(set),
        }
    }
    assignments
}

impl Values {
    /// Determines the winning assignment of every variable, and parses it. Within one layer the last assignment wins.
    pub(super) fn new(mut assignments: Vec<Assignment>, report: &mut Explanation) -> Self {
        assignments.reverse();
        assignments.sort_by_key(Assignment::layer);
        for unknown in assignments.iter().filter(|set| set.variable.is_none()) {
            warn_of_unknown(unknown, report);
        }
        let is_cgi = assignments
            .iter()
            .any(|set| set.layer() == Layer::Environment && set.name == "REQUEST_METHOD");
        // The sort is stable: the assignments of one variable stay in the order of their layers.
        assignments.sort_by(|one, other| one.name.cmp(&other.name));
        let by_name = assignments.chunk_by(|one, other| one.name == other.name);
        let settings = by_name.filter_map(|assignments| {
            let (winner, overridden) = assignments.split_first()?;
            Some(Setting {
                variable: winner.variable?,
                winner: winner.clone(),
                overridden: overridden.to_vec(),
            })
        });
        let settings: Arc<[Setting]> = settings.collect();
        let mut parsed = BTreeMap::new();
        for Setting {
            variable, winner, ..
        } in &*settings
        {
            let in_environment = winner.layer() == Layer::Environment;
            let (value, problems) = variable.kind.parse(winner.text(), in_environment);
            parsed.extend(value.map(|value| (variable.name, value)));
            for problem in problems {
                report.warn(winner, problem);
            }
        }
        Self {
            settings,
            parsed,
            is_cgi,
        }
    }

    /// Returns a variable that is set and not empty.
    pub(super) fn non_empty<P: ?Sized>(&self, variable: &Variable<P>) -> Option<&Setting> {
        let set = self.find(variable.name);
        set.filter(|set| !set.text().is_empty())
    }

    /// Returns a variable that is set, also one that is empty.
    pub(super) fn find(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|set| set.name() == name)
    }

    /// Returns the assignment of a variable with two names: of the higher layer; within a layer, a non-empty value
    /// before an empty one, then the first name. An empty value in a higher layer cancels the other name in lower
    /// layers.
    pub(super) fn highest_precedence<T>(&self, names: [&Typed<T>; 2]) -> Option<&Setting> {
        let set = names.iter().filter_map(|name| self.find(name.name));
        set.min_by_key(|set| (set.layer(), set.text().is_empty()))
            .filter(|set| !set.text().is_empty())
    }

    /// Returns the value that a layer sets; `None` if the variable is unset, or its value counts as unset.
    pub(super) fn given<T: 'static>(&self, variable: &Typed<T>) -> Option<&T> {
        self.parsed.get(variable.name)?.downcast_ref()
    }

    /// Returns the value of a variable, or its default.
    pub(crate) fn get<T: Clone + Default + 'static>(&self, variable: &Typed<T>) -> T {
        let given = self.given(variable).cloned();
        given.unwrap_or_else(|| variable.kind.default())
    }

    /// Returns the value for a signal: of the signal-specific variable if it is set, else of the general one.
    pub(super) fn of<T: Clone + Default>(&self, group: &'static PerSignal<T>, signal: Signal) -> T {
        let given = self.given(group.of(signal)).cloned();
        given.unwrap_or_else(|| self.get(&group.general))
    }
}

/// Reports an unknown name if it is probably a misspelled variable, or begins like a telemetry variable. Unknown names of
/// the host are always reported, because they can have no other purpose.
fn warn_of_unknown(set: &Assignment, report: &mut Explanation) {
    if let Some(meant) = variables::misspelled(&set.name) {
        report.warn(set, Problem::MisspelledVariable { meant });
    } else if variables::looks_like_telemetry_variable(&set.name) || set.layer() == Layer::Host {
        let effective = variables::all().filter(|known| known.has_effect);
        let nearest = nearest(&set.name, effective.map(|known| known.name)).unwrap_or_default();
        report.warn(set, Problem::UnknownVariable { nearest });
    }
}

/// Shows no value, because some are secret.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.parsed.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Warning;

    fn values(list: &[(Layer, &str, &str)]) -> (Values, Explanation) {
        let mut report = Explanation::default();
        let assignments = list
            .iter()
            .map(|(layer, name, value)| Assignment::new(Provenance::new(*layer), name, value));
        let values = Values::new(assignments.collect(), &mut report);
        (values, report)
    }

    #[test]
    fn highest_layer_wins_in_any_order() {
        let name = "OTEL_SERVICE_NAME";
        let (values, _) = values(&[
            (Layer::User, name, "user"),
            (Layer::Managed, name, "managed"),
            (Layer::Environment, name, "environment"),
            (Layer::Host, name, "first"),
            (Layer::Host, name, "host"),
        ]);
        assert_eq!(values.get(&variables::SERVICE_NAME), "managed");
        let overridden: Vec<_> = values.settings[0]
            .overridden
            .iter()
            .map(Assignment::text)
            .collect();
        assert_eq!(overridden, ["host", "first", "user", "environment"]);
    }

    #[test]
    fn empty_booleans_are_false_in_the_environment_and_cancel_elsewhere() {
        let variable = &variables::INCLUDE_SESSION_ID;
        let environment = (Layer::Environment, variable.name, "false");
        for (list, expected) in [
            (vec![], true),
            (vec![(Layer::Environment, variable.name, "")], false),
            (vec![(Layer::Environment, variable.name, " ")], false),
            (vec![(Layer::Environment, variable.name, "maybe")], false),
            (vec![(Layer::Host, variable.name, ""), environment], true),
            (vec![(Layer::Project, variable.name, ""), environment], true),
            (vec![environment], false),
        ] {
            assert_eq!(values(&list).0.get(variable), expected, "{list:?}");
        }
    }

    #[test]
    fn misspelled_names_are_reported_with_the_nearest_one_and_without_their_value() {
        for (layer, name, nearest) in [
            (
                Layer::Environment,
                "OTEL_EXPORTER_OTLP_HEADER",
                Some("OTEL_EXPORTER_OTLP_HEADERS"),
            ),
            (
                Layer::Environment,
                "OTEL_EXPORTER_OTLP_METRIC_ENDPOINT",
                Some("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
            ),
            (
                Layer::User,
                "OTEL_LOG_USER_PROMPT",
                Some("OTEL_LOG_USER_PROMPTS"),
            ),
            (
                Layer::Environment,
                "OTEL_LOG_EXPORTER",
                Some("OTEL_LOGS_EXPORTER"),
            ),
            (
                Layer::Environment,
                "OTEL_METRICS_INCLUDE_SESSIONID",
                Some("OTEL_METRICS_INCLUDE_SESSION_ID"),
            ),
            (
                Layer::Environment,
                "CLAUDE_CODE_OTEL_FLUSH_TIMEOUT",
                Some("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS"),
            ),
            (
                Layer::Environment,
                "OTEL_EXPORTER_OLTP_ENDPOINT",
                Some("OTEL_EXPORTER_OTLP_ENDPOINT"),
            ),
            (
                Layer::Environment,
                "OTEL_EXPORTER_OTLP_ENDPOINT_LOGS",
                Some("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"),
            ),
            (
                Layer::Project,
                "CLAUDE_CODE_ENABLE_TELEMETERY",
                Some("CLAUDE_CODE_ENABLE_TELEMETRY"),
            ),
            (
                Layer::Environment,
                "OTEL_METRICS_EXPORTR",
                Some("OTEL_METRICS_EXPORTER"),
            ),
            (
                Layer::Environment,
                "OTEL_METRICS_EXPORT_INTERVAL",
                Some("OTEL_METRIC_EXPORT_INTERVAL"),
            ),
            (Layer::Environment, "HTTPS_PROXYS", Some("HTTPS_PROXY")),
            (Layer::Environment, "HTTPS_PROX", None),
            (Layer::Environment, "OTEL_SOMETHING", None),
            (Layer::Environment, "PATH", None),
            (
                Layer::Host,
                "OTEL_METRIC_EXPORTER",
                Some("OTEL_METRICS_EXPORTER"),
            ),
        ] {
            let (_, report) = values(&[(layer, name, "CANARY")]);
            let found = report
                .warnings
                .first()
                .map(|warning| warning.nearest().unwrap());
            assert_eq!(found, nearest, "{name}");
            assert!(!format!("{:?}", report.warnings).contains("CANARY"));
        }
    }

    #[test]
    fn values_that_are_not_unicode_count_as_unset() {
        let mut report = Explanation::default();
        let entries = vec![
            ("OTEL_SERVICE_NAME".to_owned(), None),
            ("OTEL_LOG_X".to_owned(), None),
            ("OTHER".to_owned(), None),
        ];
        let values = Values::new(from_environment(entries, false, &mut report), &mut report);
        assert_eq!(values.given(&variables::SERVICE_NAME), None);
        let problems: Vec<_> = report.warnings.iter().map(Warning::problem).collect();
        assert!(matches!(
            problems[..],
            [Problem::NotUnicode, Problem::UnknownVariable { .. }]
        ));
    }

    #[test]
    fn the_headers_helper_is_never_read_from_the_environment() {
        let mut report = Explanation::default();
        let entries = vec![(
            variables::HEADERS_HELPER.name.to_owned(),
            Some("x".to_owned()),
        )];
        assert!(from_environment(entries.clone(), false, &mut report).is_empty());
        assert!(from_environment(entries, true, &mut report).is_empty());
    }

    #[test]
    fn names_match_in_any_case_if_case_is_ignored() {
        for (ignore_case, service, proxy, warnings) in [
            (true, Some("ours"), Some("http://p"), 1),
            (false, None, Some("http://p"), 0),
        ] {
            let mut report = Explanation::default();
            let entries = [
                ("Otel_Service_Name", "ours"),
                ("https_proxy", "http://p"),
                ("otel_log_user_prompt", "1"),
                ("path", "/bin"),
            ];
            let entries = entries.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
            let assignments = from_environment(entries.into(), ignore_case, &mut report);
            let values = Values::new(assignments, &mut report);
            let given = |variable| values.given(variable).map(String::as_str);
            assert_eq!(given(&variables::SERVICE_NAME), service);
            assert_eq!(given(&variables::HTTPS_PROXY_LOWER), proxy);
            assert_eq!(report.warnings.len(), warnings);
        }
    }
}
