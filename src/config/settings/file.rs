//! The reader of one settings file. The file belongs to the agent, so only telemetry settings are read.

use std::io;

use serde_json::{Map, Value};

use super::Settings;
use crate::config::explain::Explanation;
use crate::config::problem::Problem;
use crate::config::source::{Assignment, Layer, Provenance};
use crate::config::variables::{self, Variable};
use crate::regular_file;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Settings {
    /// Reads the settings file that `origin` names. A missing file is empty, except for managed settings: these files
    /// were listed before, so they must be readable.
    pub(super) fn read(&mut self, origin: &Provenance, report: &mut Explanation) {
        let Some(path) = origin.file() else {
            return;
        };
        let parsed = match regular_file::read(path) {
            Ok(bytes) => parse(&bytes),
            Err(error) if is_not_found(&error) && origin.layer() != Layer::Managed => return,
            Err(error) => Err(Problem::SettingsUnreadable {
                why: error.to_string(),
            }),
        };
        match parsed {
            Ok(settings) => self.add_settings(settings, origin, report),
            Err(problem) => self.report_unreadable(origin, problem, report),
        }
    }

    fn add_settings(
        &mut self,
        settings: Map<String, Value>,
        origin: &Provenance,
        report: &mut Explanation,
    ) {
        let helper = variables::HEADERS_HELPER.name;
        for name in settings.keys() {
            if is_telemetry_variable(name) {
                report.warn_of_name(name, origin, Problem::OutsideEnv);
            } else if is_unknown_telemetry_key(name) {
                report.warn_of_name(name, origin, Problem::NoSuchSetting);
            }
        }
        let mut found = Vec::new();
        match settings.get("env") {
            Some(Value::Object(variables)) => {
                if variables.contains_key(helper) {
                    report.warn_of_name(helper, origin, Problem::InsideEnv);
                }
                found.extend(
                    variables
                        .iter()
                        .filter(|(name, _)| is_telemetry_variable(name)),
                );
            }
            Some(_) => self.report_unreadable(
                origin,
                Problem::SettingsNotAnObject { what: "`env`" },
                report,
            ),
            None => {}
        }
        found.extend(settings.get_key_value(helper));
        for (name, value) in found {
            if let Some(value) = value.as_str() {
                let set = Assignment::new(origin.clone(), name, value);
                self.assignments.push(set);
                continue;
            }
            let mut problem = Problem::SettingNotAString;
            // An unreadable content switch in managed settings counts like an unreadable file, because it may have been
            // meant to be off.
            if variables::find(name).is_some_and(Variable::is_content_switch) {
                problem = self.mark_incomplete(origin, problem);
            }
            report.warn_of_name(name, origin, problem);
        }
    }

    /// Records that a file, or a part of it, could not be read.
    pub(super) fn report_unreadable(
        &mut self,
        origin: &Provenance,
        problem: Problem,
        report: &mut Explanation,
    ) {
        let problem = self.mark_incomplete(origin, problem);
        report.warn_of_file(origin, problem);
    }

    /// Adds the consequence of a problem in managed settings: a policy cannot be read.
    fn mark_incomplete(&mut self, origin: &Provenance, problem: Problem) -> Problem {
        if origin.layer() != Layer::Managed {
            return problem;
        }
        self.managed_is_complete = false;
        Problem::ManagedIncomplete(Box::new(problem))
    }
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(settings)) => Ok(settings),
        Ok(_) => Err(Problem::SettingsNotAnObject { what: "the file" }),
        // The error message contains line and column, and no part of the file.
        Err(error) => Err(Problem::SettingsMalformed {
            why: error.to_string(),
        }),
    }
}

/// Returns true for a telemetry variable, or for a name that looks like one.
fn is_telemetry_variable(name: &str) -> bool {
    match variables::find(name) {
        Some(variable) => !variable.is_settings_key(),
        None => {
            variables::looks_like_telemetry_variable(name) || variables::misspelled(name).is_some()
        }
    }
}

/// Returns true for a key that has no effect, but was probably meant to configure telemetry.
fn is_unknown_telemetry_key(key: &str) -> bool {
    let begins = |start: &str| {
        let head = key.get(..start.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(start))
    };
    key != variables::HEADERS_HELPER.name
        && (begins("otel") || begins("opentelemetry") || key.eq_ignore_ascii_case("telemetry"))
}

pub(super) fn is_not_found(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
