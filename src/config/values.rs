//! The variables that are set, the layer that wins for each, and the parsed values.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::fmt;

use super::kind::AnyValue;
use super::nearest::nearest;
use super::problem::Problem;
use super::source::{Assignment, Layer, Provenance};
use super::variables::{self, PerSignal, Typed, Variable};
use super::warnings::{Report, Warning};
use crate::environment::Entry;
use crate::signal::Signal;

/// Every known variable that is set, by name. Each value is parsed once.
pub(crate) struct Values {
    set: BTreeMap<String, SetVariable>,
    /// True if the environment is that of a CGI program.
    pub(super) is_cgi: bool,
}

/// A variable that is set.
pub(super) struct SetVariable {
    pub(super) variable: &'static Variable,
    pub(super) winner: Assignment,
    /// The overridden assignments, the highest layer first.
    pub(super) overridden: Vec<Assignment>,
    /// The parsed value; `None` = the text counts as unset.
    value: Option<AnyValue>,
}

impl SetVariable {
    /// Returns the text without surrounding white space. An empty text cancels the layers below.
    pub(super) fn text(&self) -> &str {
        self.winner.value.trim()
    }

    /// Returns the parsed value; `None` if the text counts as unset.
    pub(super) fn value<T: 'static>(&self) -> Option<&T> {
        self.value.as_ref()?.downcast_ref()
    }

    pub(super) fn layer(&self) -> Layer {
        self.winner.origin.layer()
    }

    pub(super) fn warning(&self, problem: Problem) -> Warning {
        self.variable.warning(&self.winner, problem)
    }

    fn parse(&mut self, report: &mut Report) {
        let mut problems = Vec::new();
        let in_environment = self.layer() == Layer::Environment;
        let kind = &self.variable.kind;
        self.value = kind.parse(self.text(), in_environment, &mut problems);
        for problem in problems {
            report.warn(self.warning(problem));
        }
    }
}

/// Returns the assignments of an environment. A known variable whose value is not valid Unicode is reported. If
/// `ignore_case` is true, as on Windows, names are converted to those of the table.
pub(super) fn from_environment(
    entries: Vec<Entry>,
    ignore_case: bool,
    report: &mut Report,
) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    for (mut name, value) in entries {
        if ignore_case && variables::find(&name).is_none() {
            name.make_ascii_uppercase();
        }
        let known = variables::find(&name);
        if known.is_some_and(Variable::is_settings_key) {
            continue;
        }
        let origin = Provenance::new(Layer::Environment);
        if known.is_some() && value.is_none() {
            report.warn(Warning::about_name(&name, origin, Problem::NotUnicode));
            continue;
        }
        assignments.push(Assignment {
            origin,
            name,
            value: value.unwrap_or_default(),
        });
    }
    assignments
}

impl Values {
    /// Determines the winning assignment of every variable, and parses it. Within one layer the last assignment wins.
    /// Unknown names are reported if they look like telemetry variables; unknown names of the host are always reported,
    /// because they can have no other purpose.
    pub(super) fn new(mut assignments: Vec<Assignment>, report: &mut Report) -> Self {
        assignments.reverse();
        assignments.sort_by_key(|set| set.origin.layer());
        let mut set = BTreeMap::new();
        let mut is_cgi = false;
        for assignment in assignments {
            let Assignment { origin, name, .. } = &assignment;
            is_cgi |= origin.layer() == Layer::Environment && name == "REQUEST_METHOD";
            if let Some(variable) = variables::find(name) {
                match set.entry(name.clone()) {
                    Place::Vacant(place) => {
                        place.insert(SetVariable {
                            variable,
                            winner: assignment,
                            overridden: Vec::new(),
                            value: None,
                        });
                    }
                    Place::Occupied(mut place) => place.get_mut().overridden.push(assignment),
                }
            } else if variables::looks_like_ours(name) || origin.layer() == Layer::Host {
                let works = variables::all().filter(|known| known.works);
                let nearest = nearest(name, works.map(|known| known.name)).unwrap_or_default();
                let problem = Problem::UnknownVariable { nearest };
                report.warn(Warning::about_name(name, origin.clone(), problem));
            }
        }
        set.values_mut().for_each(|set| set.parse(report));
        Self { set, is_cgi }
    }

    /// Returns all variables that are set, in alphabetical order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SetVariable> {
        self.set.values()
    }

    /// Returns a variable that is set and not empty.
    pub(super) fn set<K: ?Sized>(&self, variable: &Variable<K>) -> Option<&SetVariable> {
        let set = self.set.get(variable.name);
        set.filter(|set| !set.text().is_empty())
    }

    /// Returns the assignment of a variable with two names: that of the higher layer, within a layer that of the first
    /// name. A name that is empty in a layer other than the environment cancels the other name too.
    pub(super) fn strongest<T>(&self, names: [&Typed<T>; 2]) -> Option<&SetVariable> {
        let set = names.iter().filter_map(|name| self.set.get(name.name));
        set.min_by_key(|set| (set.layer(), set.text().is_empty()))
            .filter(|set| !set.text().is_empty())
    }

    /// Returns the value that a layer sets; `None` if the variable is unset, or its text counts as unset.
    pub(super) fn given<T: 'static>(&self, variable: &Typed<T>) -> Option<&T> {
        self.set.get(variable.name)?.value()
    }

    /// Returns the value of a variable, or its default.
    pub(crate) fn get<T: Clone>(&self, variable: &Typed<T>) -> T {
        let given = self.given(variable).cloned();
        given.unwrap_or_else(|| variable.kind.default())
    }

    /// Returns the value for a signal: of the signal-specific variable if it is set, else of the general one.
    pub(super) fn of<T: Clone>(&self, group: &'static PerSignal<T>, signal: Signal) -> T {
        let given = self.given(group.of(signal)).cloned();
        given.unwrap_or_else(|| self.get(&group.general))
    }
}

/// Shows no value, because some are secret.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.set.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[(Layer, &str, &str)]) -> (Values, Report) {
        let mut report = Report::default();
        let assignments = list.iter().map(|(layer, name, value)| Assignment {
            origin: Provenance::new(*layer),
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        });
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
        let set = values.iter().next().unwrap();
        let overridden: Vec<_> = set.overridden.iter().map(|o| o.value.as_str()).collect();
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
    fn unknown_names_are_reported_with_the_nearest_one_and_without_their_value() {
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
        let mut report = Report::default();
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
        let mut report = Report::default();
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
            let mut report = Report::default();
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
