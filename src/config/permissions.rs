//! The permissions of layers: the variables that settings files of a project may set, and the restrictions while
//! managed settings cannot be read.

use std::collections::BTreeSet;

use super::explain::Explanation;
use super::kind::truth;
use super::problem::Problem;
use super::source::{Assignment, Layer};
use super::variables::{InProject, Variable};

/// Removes the assignments that their layer is not allowed to make, and warns about them.
/// `managed_is_complete` is false if some managed settings could not be read.
pub(super) fn remove_forbidden(
    assignments: &mut Vec<Assignment>,
    managed_is_complete: bool,
    report: &mut Explanation,
) {
    let environment = assignments
        .iter()
        .filter(|set| set.layer() == Layer::Environment && !set.text().is_empty());
    let environment: BTreeSet<String> = environment.map(|set| set.name.clone()).collect();
    assignments.retain(|set| {
        let Some(variable) = set.variable else {
            return true;
        };
        let problem = match set.layer() {
            Layer::Managed => None,
            // The managed settings that cannot be read may forbid content. The removal of a switch that is off changes
            // nothing, and causes no warning.
            _ if !managed_is_complete && variable.is_content_switch() => {
                if truth(set.text()) == Some(true) {
                    report.warn(set, Problem::ContentSwitchIgnored);
                }
                return false;
            }
            Layer::Local | Layer::Project => {
                in_project(variable, set.text(), environment.contains(&set.name))
            }
            Layer::Host | Layer::User | Layer::Environment => None,
        };
        problem.map(|problem| report.warn(set, problem)).is_none()
    });
}

/// Returns the reason why a settings file of a project may not set a variable to this value; `None` if it may. A
/// project may switch some variables off, but not override what the user sets in the environment, although that is a
/// lower layer.
fn in_project(variable: &Variable, value: &str, in_environment: bool) -> Option<Problem> {
    let belongs = match variable.is_settings_key() {
        true => "the user's settings file or in managed settings",
        false => "the user's settings file, in managed settings or in the environment",
    };
    let (off, is_off) = match variable.in_project {
        InProject::Allowed => return None,
        InProject::Ignored => return Some(Problem::NotInProject { belongs }),
        InProject::FalseOnly => ("0, false, no or off", truth(value) == Some(false)),
        // `none` anywhere in a list of exporters turns all of them off.
        InProject::NoneOnly => ("none", value.split(',').any(|item| item.trim() == "none")),
    };
    match is_off {
        true => in_environment.then_some(Problem::SetInEnvironment),
        false => Some(Problem::OnlyOffInProject { off, belongs }),
    }
}
