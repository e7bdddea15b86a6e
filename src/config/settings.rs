//! The telemetry settings of the settings files, layer by layer.

mod file;
mod paths;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use paths::SettingsFiles;

use super::explain::Explanation;
use super::problem::Problem;
use super::source::{Assignment, Layer, Provenance};
use super::warnings::Warning;
use crate::environment::Environment;
use paths::Paths;

/// The telemetry settings of settings files.
pub(super) struct Settings {
    /// Within one layer the file with the higher precedence comes later.
    pub(super) assignments: Vec<Assignment>,
    /// False if some managed settings could not be read.
    pub(super) managed_is_complete: bool,
}

/// Reads all settings files. The files of a project are ignored if the project is not trusted, or if managed settings
/// cannot be read; a warning says so if they are about telemetry.
pub(super) fn read(
    files: &SettingsFiles,
    environment: &Environment,
    trusted: bool,
    report: &mut Explanation,
) -> Settings {
    let working_folder = || std::env::current_dir().ok();
    let Paths {
        managed,
        local,
        project,
        user,
    } = files.locate(std::env::consts::OS, environment, working_folder);
    // In the home folder the project's file is the file of the user.
    let project = project.filter(|file| !user.as_ref().is_some_and(|user| is_same(file, user)));

    let mut settings = Settings::new();
    for file in settings.managed_files(&managed, report) {
        settings.read(&Provenance::in_file(Layer::Managed, file), report);
    }
    for (layer, file) in [
        (Layer::Local, local),
        (Layer::Project, project),
        (Layer::User, user),
    ] {
        let Some(origin) = file.map(|file| Provenance::in_file(layer, file)) else {
            continue;
        };
        let ignored = match layer {
            Layer::User => None,
            _ if !trusted => Some(Problem::Untrusted),
            _ => (!settings.managed_is_complete).then_some(Problem::ProjectIgnored),
        };
        match ignored {
            None => settings.read(&origin, report),
            Some(problem) if is_about_telemetry(&origin) => report.warn_of_file(&origin, problem),
            Some(_) => {}
        }
    }
    settings
}

/// Returns true if an ignored file would have affected telemetry. The names that do not say so, those of proxies and
/// certificates, do not count, because they are set for other programs too.
fn is_about_telemetry(origin: &Provenance) -> bool {
    let (mut found, mut unreported) = (Settings::new(), Explanation::default());
    found.read(origin, &mut unreported);
    let telemetry = |name: &str| {
        let name = name.to_ascii_uppercase();
        name.contains("OTEL") || name.contains("TELEMETRY")
    };
    let mut set = found.assignments.iter().map(|set| set.name.as_str());
    let mut refused = unreported.warnings.iter().filter_map(Warning::variable);
    set.any(telemetry) || refused.any(telemetry)
}

/// Returns true if both paths refer to the same file.
fn is_same(one: &Path, other: &Path) -> bool {
    let canonical = |path| fs::canonicalize(path).ok();
    one == other || canonical(one).is_some_and(|one| canonical(other) == Some(one))
}

impl Settings {
    pub(super) fn new() -> Self {
        Self {
            assignments: Vec::new(),
            managed_is_complete: true,
        }
    }

    /// Returns the files of the first of these folders that has any, the file with the highest precedence last. The
    /// settings are incomplete when a folder cannot be listed, because the folder may contain files.
    pub(super) fn managed_files(
        &mut self,
        folders: &[PathBuf],
        report: &mut Explanation,
    ) -> Vec<PathBuf> {
        for folder in folders {
            let mut files = vec![folder.join("managed-settings.json")];
            // A dangling symbolic link counts as a file that cannot be read.
            files.retain(|file| !is_absent(fs::symlink_metadata(file)));
            let folder = folder.join("managed-settings.d");
            match drop_ins(&folder) {
                Ok(more) => files.extend(more),
                Err(error) => {
                    let why = error.to_string();
                    let origin = Provenance::in_file(Layer::Managed, folder);
                    self.report_unreadable(&origin, Problem::SettingsUnreadable { why }, report);
                    return files;
                }
            }
            if !files.is_empty() {
                return files;
            }
        }
        Vec::new()
    }
}

/// Returns the files of the drop-in folder in alphabetical order, without hidden ones.
fn drop_ins(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if is_absent(fs::symlink_metadata(folder)) {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let bytes = name.as_encoded_bytes();
        if !bytes.starts_with(b".") && bytes.ends_with(b".json") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Returns true if the path does not exist, which is not an error.
fn is_absent<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| file::is_not_found(&error))
}
