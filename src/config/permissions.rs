//! The permissions of layers: the variables that settings files of a project may set, and the restrictions while
//! managed settings cannot be read.

use std::collections::BTreeSet;

use super::parse;
use super::source::{Assignment, Layer};
use super::variables::{self, InProject, Kind, Variable};
use super::warnings::{Problem, Report, Warning};

/// Removes the assignments that their layer is not allowed to make, each with a warning.
pub(super) fn enforce(
    assignments: &mut Vec<Assignment>,
    managed_is_complete: bool,
    report: &mut Report,
) {
    let environment = assignments
        .iter()
        .filter(|set| set.origin.layer() == Layer::Environment && !set.value.trim().is_empty());
    let environment: BTreeSet<String> = environment.map(|set| set.name.clone()).collect();
    assignments.retain(|set| {
        let Some(variable) = variables::find(&set.name) else {
            return true;
        };
        let layer = set.origin.layer();
        let mut warn = |problem| report.warn(Warning::about(variable, set, problem));
        if !managed_is_complete && layer != Layer::Managed && variable.is_content_switch() {
            if parse::boolean(set.value.trim()) == Ok(true) {
                warn(Problem::ContentHeld);
            }
            return false;
        }
        if !matches!(layer, Layer::Local | Layer::Project) {
            return true;
        }
        let problem = in_project(variable, &set.value, environment.contains(&set.name));
        problem.map(warn).is_none()
    });
}

/// Returns the reason why a settings file of a project may not set a variable to this value; `None` if it may.
fn in_project(variable: &Variable, value: &str, in_environment: bool) -> Option<Problem> {
    let belongs = belongs(variable);
    match variable.in_project {
        InProject::Allowed => None,
        InProject::Ignored => Some(Problem::NotInProject { belongs }),
        InProject::OffOnly if !switches_off(variable, value) => {
            let off = match variable.kind {
                Kind::Exporters(_) => "none",
                _ => "0, false, no or off",
            };
            Some(Problem::OnlyOffInProject { off, belongs })
        }
        InProject::OffOnly => in_environment.then_some(Problem::SetInEnvironment),
    }
}

fn switches_off(variable: &Variable, value: &str) -> bool {
    match variable.kind {
        Kind::Boolean { .. } => parse::boolean(value.trim()) == Ok(false),
        Kind::Exporters(words) => parse::exporters(value, words).0.none,
        _ => false,
    }
}

/// Returns the layers in which a variable belongs that a project may not set.
fn belongs(variable: &Variable) -> &'static str {
    match variable.kind {
        // A command is never read from the environment.
        Kind::Command => "the user's settings file or in managed settings",
        _ => "the user's settings file, in managed settings or in the environment",
    }
}
