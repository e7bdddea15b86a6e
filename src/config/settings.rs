//! What settings files say about telemetry, layer by layer.

mod file;
mod paths;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use paths::SettingsFiles;

use super::source::{Assignment, Environment, Layer, Origin};
use super::variables;
use super::warnings::{Problem, Report, Warning};
use paths::Paths;

/// What all settings files say; within one layer the stronger file comes later. The files of a
/// project that is not trusted only cause a warning.
pub(super) fn read(
    files: &SettingsFiles,
    environment: &Environment,
    trusted: bool,
    report: &mut Report,
) -> Vec<Assignment> {
    let working_folder = || std::env::current_dir().ok();
    let paths = files.locate(std::env::consts::OS, environment, working_folder);
    let Paths {
        managed,
        local,
        project,
        user,
    } = paths;
    // At home, the project's file is the user's own.
    let project = project.filter(|file| !user.as_ref().is_some_and(|user| same(file, user)));

    let mut all = Vec::new();
    for file in managed_files(&managed, report) {
        all.extend(file::read(&Origin::in_file(Layer::Managed, file), report));
    }
    for (layer, file) in [(Layer::Local, local), (Layer::Project, project)] {
        let Some(file) = file else {
            continue;
        };
        let origin = Origin::in_file(layer, file);
        if trusted {
            all.extend(file::read(&origin, report));
        } else if is_about_telemetry(&origin) {
            report.warn(Warning::about_file(origin, Problem::Untrusted));
        }
    }
    if let Some(file) = user {
        all.extend(file::read(&Origin::in_file(Layer::User, file), report));
    }
    all
}

/// Whether an ignored file would have had a say. Proxies and certificates are set for other
/// programs too.
fn is_about_telemetry(origin: &Origin) -> bool {
    let mut unheard = Report::default();
    let found = file::read(origin, &mut unheard);
    let telemetry = |name: &str| {
        variables::looks_like_ours(name)
            || variables::find(name).is_some_and(|variable| variable.is_of_telemetry())
            || name.ends_with("_TELEMETRY")
            || name.ends_with("_TELEMETRY_BETA")
    };
    let refused = unheard.warnings.iter().filter_map(Warning::variable);
    let mut names = found.iter().map(|set| set.name.as_str()).chain(refused);
    names.any(telemetry)
}

fn same(one: &Path, other: &Path) -> bool {
    one == other
        || matches!(
            (fs::canonicalize(one), fs::canonicalize(other)),
            (Ok(one), Ok(other)) if one == other
        )
}

/// The files of the first of these folders that has any, the strongest last. One that cannot be
/// looked into may have some.
pub(super) fn managed_files(folders: &[PathBuf], report: &mut Report) -> Vec<PathBuf> {
    for folder in folders {
        let mut files = vec![folder.join("managed-settings.json")];
        files.retain(|file| !is_absent(fs::metadata(file)));
        let folder = folder.join("managed-settings.d");
        match drop_ins(&folder) {
            Ok(more) => files.extend(more),
            Err(error) => {
                let why = error.to_string();
                let origin = Origin::in_file(Layer::Managed, folder);
                let problem = Problem::SettingsUnreadable { why };
                report.warn(Warning::about_file(origin, problem));
                return files;
            }
        }
        if !files.is_empty() {
            return files;
        }
    }
    Vec::new()
}

/// The files of the drop-in folder in alphabetical order, without hidden ones.
fn drop_ins(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if is_absent(fs::metadata(folder)) {
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

/// Whether there is nothing at all, which is no fault.
fn is_absent<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| file::is_absence(&error))
}
