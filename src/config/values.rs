//! The variables that are set, and the layer that wins for each.

use std::collections::BTreeMap;

use super::UnknownExporter;
use super::nearest::nearest;
use super::otlp::Protocol;
use super::parse;
use super::source::{Assignment, Layer, Provenance};
use super::variables::{self, Effect, Kind, PerSignal, Variable};
use super::warnings::{Problem, Report, Warning};
use crate::environment::Entry;
use crate::signal::Signal;

/// Every known variable that is set, by name.
pub(super) struct Values {
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
}

impl SetVariable {
    fn text(&self) -> Option<&str> {
        Some(self.winner.value.trim()).filter(|text| !text.is_empty())
    }

    pub(super) fn layer(&self) -> Layer {
        self.winner.origin.layer()
    }

    pub(super) fn warning(&self, problem: Problem) -> Warning {
        Warning::about(self.variable, &self.winner, problem)
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
        if known.is_some_and(|variable| matches!(variable.kind, Kind::Command)) {
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
    /// Determines the winning assignment of every variable. Within one layer the last assignment wins. Unknown names
    /// are reported if they look like telemetry variables; unknown names of the host are always reported, because they
    /// can have no other purpose.
    pub(super) fn new(mut assignments: Vec<Assignment>, report: &mut Report) -> Self {
        assignments.reverse();
        assignments.sort_by_key(|set| set.origin.layer());
        let mut set: BTreeMap<String, SetVariable> = BTreeMap::new();
        let is_cgi = assignments
            .iter()
            .any(|set| set.origin.layer() == Layer::Environment && set.name == "REQUEST_METHOD");
        for assignment in assignments {
            let Assignment { origin, name, .. } = &assignment;
            if let Some(variable) = variables::find(name) {
                if let Some(present) = set.get_mut(name) {
                    present.overridden.push(assignment);
                } else {
                    let winner = SetVariable {
                        variable,
                        winner: assignment.clone(),
                        overridden: Vec::new(),
                    };
                    set.insert(assignment.name, winner);
                }
            } else if variables::looks_like_ours(name) || origin.layer() == Layer::Host {
                let works = variables::all().filter(|known| known.effect != Effect::Without);
                let nearest = nearest(name, works.map(|known| known.name)).unwrap_or_default();
                let problem = Problem::UnknownVariable { nearest };
                report.warn(Warning::about_name(name, origin.clone(), problem));
            }
        }
        Self { set, is_cgi }
    }

    /// Returns all variables that are set, in alphabetical order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SetVariable> {
        self.set.values()
    }

    /// Returns a variable that is set and not empty, with its trimmed text.
    pub(super) fn get(&self, variable: &Variable) -> Option<(&SetVariable, &str)> {
        let set = self.set.get(variable.name)?;
        Some((set, set.text()?))
    }

    /// Returns the assignment of a variable with several names: that of the highest layer, within a layer that of the
    /// first name. A name that is empty in a layer other than the environment cancels the other names too.
    pub(super) fn strongest(&self, names: &[&Variable]) -> Option<(&SetVariable, &str)> {
        let set = names.iter().filter_map(|name| self.set.get(name.name));
        let (_, found) = set
            .map(|set| ((set.layer(), set.text().is_none()), set))
            .min_by_key(|(rank, _)| *rank)?;
        Some((found, found.text()?))
    }

    pub(super) fn text(&self, variable: &Variable) -> Option<&str> {
        self.get(variable).map(|(_, text)| text)
    }

    /// Returns the layer that sets the variable; `None` if that layer only cancels the value.
    pub(super) fn layer_of(&self, variable: &Variable) -> Option<Layer> {
        self.boolean_if_set(variable)?;
        self.set.get(variable.name).map(SetVariable::layer)
    }

    pub(super) fn boolean(&self, variable: &Variable) -> bool {
        let default = matches!(variable.kind, Kind::Boolean { default: true });
        self.boolean_if_set(variable).unwrap_or(default)
    }

    /// Returns the value of a boolean. An empty value is false in the environment; in every other layer it cancels the
    /// values of the layers below.
    pub(super) fn boolean_if_set(&self, variable: &Variable) -> Option<bool> {
        let set = self.set.get(variable.name)?;
        match set.text() {
            Some(text) => Some(parse::boolean(text).unwrap_or(false)),
            None => (set.layer() == Layer::Environment).then_some(false),
        }
    }

    pub(super) fn number(&self, variable: &Variable) -> u64 {
        let Kind::Number(range) = &variable.kind else {
            return 0;
        };
        match self.text(variable) {
            Some(text) => parse::number(text, range).0,
            None => range.default,
        }
    }

    /// Returns the signal-specific number if it is set, else the general one.
    pub(super) fn number_of(&self, group: &'static PerSignal, signal: Signal) -> u64 {
        let specific = group.of(signal);
        match self.get(specific) {
            Some(_) => self.number(specific),
            None => self.number(&group.general),
        }
    }

    /// Returns one of the words of the table; `None` when unset or invalid.
    pub(super) fn word(&self, variable: &Variable) -> Option<&'static str> {
        let Kind::Word {
            words, any_case, ..
        } = variable.kind
        else {
            return None;
        };
        parse::word(self.text(variable)?, words, any_case).ok()
    }

    pub(super) fn exporters(&self, variable: &Variable) -> parse::Exporters {
        match (variable.kind, self.text(variable)) {
            (Kind::Exporters(words), Some(text)) => parse::exporters(text, words).0,
            _ => parse::Exporters::default(),
        }
    }

    /// Returns the unknown names in a signal's list of exporters, each once.
    pub(super) fn unknown_exporters(
        &self,
        variable: &'static Variable,
        signal: Signal,
    ) -> Vec<UnknownExporter> {
        let mut unknown: Vec<UnknownExporter> = Vec::new();
        let text = self.text(variable);
        for problem in text.map_or_else(Vec::new, |text| problems(variable, text)) {
            if let Problem::UnknownValue { word, nearest, .. } = problem
                && unknown.iter().all(|known| known.name != word)
            {
                unknown.push(UnknownExporter {
                    signal,
                    name: word,
                    nearest,
                    variable: variable.name,
                });
            }
        }
        unknown
    }

    /// Reports every invalid value, and every variable without effect.
    pub(super) fn check(&self, report: &mut Report) {
        for set in self.iter() {
            let Some(text) = set.text() else {
                let is_on = matches!(set.variable.kind, Kind::Boolean { default: true });
                if is_on && set.layer() == Layer::Environment {
                    report.warn(set.warning(Problem::EmptyBoolean));
                }
                continue;
            };
            if set.variable.effect == Effect::Without {
                report.warn(set.warning(Problem::WithoutEffect));
            }
            for problem in problems(set.variable, text) {
                report.warn(set.warning(problem));
            }
        }
    }
}

/// Returns the problems with a value that its kind alone determines. Endpoints are checked where they are used, because
/// their validity depends on the protocol.
fn problems(variable: &'static Variable, text: &str) -> Vec<Problem> {
    match variable.kind {
        Kind::Boolean { .. } => match parse::boolean(text) {
            Ok(_) => Vec::new(),
            Err(_) if variable.name == variables::LOG_RAW_API_BODIES.name && is_file(text) => {
                vec![Problem::BodiesToFile]
            }
            Err(problem) => vec![problem],
        },
        Kind::Number(range) => parse::number(text, &range).1.into_iter().collect(),
        Kind::Word {
            words, any_case, ..
        } => parse::word(text, words, any_case)
            .err()
            .into_iter()
            .collect(),
        Kind::Exporters(words) => parse::exporters(text, words).1,
        Kind::Attributes => as_problems(super::pairs::attributes(text).1),
        // Further requirements of a protocol are checked for the exporters that use it.
        Kind::Headers => as_problems(super::pairs::headers(text, Protocol::HttpProtobuf).1),
        Kind::Url { .. } | Kind::Path | Kind::Text { .. } | Kind::Command => Vec::new(),
    }
}

fn is_file(text: &str) -> bool {
    text.starts_with("file:")
}

fn as_problems(pairs: Vec<super::pairs::PairProblem>) -> Vec<Problem> {
    pairs.into_iter().map(Problem::Pair).collect()
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
        assert_eq!(values.text(&variables::SERVICE_NAME), Some("managed"));
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
            assert_eq!(values(&list).0.boolean(variable), expected, "{list:?}");
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
        assert_eq!(values.text(&variables::SERVICE_NAME), None);
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
            assert_eq!(values.text(&variables::SERVICE_NAME), service);
            assert_eq!(values.text(&variables::HTTPS_PROXY_LOWER), proxy);
            assert_eq!(report.warnings.len(), warnings);
        }
    }
}
