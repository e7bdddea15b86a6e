//! The default `user.id` if the host provides none: random, and the same for every run of one installation.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::environment::Environment;
use crate::hex::hex;
use crate::random::random;
use crate::regular_file;

/// A problem with the stored id: this run has another id than the previous one, or than the next one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallationIdError {
    #[error("no folder is known to keep the installation id in; set one in the configuration")]
    NoFolder,
    #[error("the installation id cannot be read from {}: {}", .0.display(), .1)]
    Unreadable(PathBuf, io::Error),
    #[error("{} held no installation id; it has a new one now", .0.display())]
    Replaced(PathBuf),
    #[error("the installation id cannot be kept in {}: {}", .0.display(), .1)]
    Unwritable(PathBuf, io::Error),
}

/// The length of an id in hexadecimal digits.
const LENGTH: usize = 64;

/// Returns the id stored in the file, and creates it if there is none. If it cannot be stored there, returns an id that
/// does not change during the process, and the reason.
pub(crate) fn installation_id(path: Option<&Path>) -> (String, Option<InstallationIdError>) {
    let stored = path
        .ok_or(InstallationIdError::NoFolder)
        .and_then(stored_id);
    stored.unwrap_or_else(|error| (unstored_id(), Some(error)))
}

/// Returns the id stored in the file, or a new one that was stored there.
fn stored_id(path: &Path) -> Result<(String, Option<InstallationIdError>), InstallationIdError> {
    let replace = match read(path) {
        Ok(Some(id)) => return Ok((id, None)),
        Ok(None) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(InstallationIdError::Unreadable(path.into(), error)),
    };
    match write(path, replace) {
        Ok(id) => Ok((
            id,
            replace.then(|| InstallationIdError::Replaced(path.into())),
        )),
        Err(error) => Err(InstallationIdError::Unwritable(path.into(), error)),
    }
}

/// Returns the default path of the id on an operating system, named as in [`std::env::consts::OS`].
pub(crate) fn default_path(os: &str, environment: &Environment) -> Option<PathBuf> {
    let folder = |name| environment.get(name).filter(|value| !value.is_empty());
    let state = match os {
        "windows" => PathBuf::from(folder("LOCALAPPDATA")?),
        "macos" => PathBuf::from(folder("HOME")?).join("Library/Application Support"),
        _ => {
            // The XDG specification requires that a relative path is ignored.
            let state = folder("XDG_STATE_HOME").filter(|path| path.starts_with('/'));
            match state {
                Some(state) => PathBuf::from(state),
                None => PathBuf::from(folder("HOME")?).join(".local/state"),
            }
        }
    };
    Some(state.join("claude-code-telemetry").join("installation-id"))
}

/// Returns the id in the file; `None` if the file has other content.
fn read(path: &Path) -> io::Result<Option<String>> {
    let text = String::from_utf8(regular_file::read(path)?).unwrap_or_default();
    let id = text.trim_ascii();
    let valid = id.len() == LENGTH && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    Ok(valid.then(|| id.to_owned()))
}

/// Creates and stores an id. The file appears whole or not at all. If several processes create an id at the same time,
/// the first wins, and all return the id that the file contains in the end.
fn write(path: &Path, replace: bool) -> io::Result<String> {
    let id = random_id();
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let draft = path.with_extension(format!("{}.tmp", &id[..16]));
    let written = write_new(&draft, &id).and_then(|()| publish(&draft, path, replace));
    // A draft that cannot be removed does no harm.
    let _ = fs::remove_file(&draft);
    written?;
    read(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// Moves the draft to its path.
fn publish(draft: &Path, path: &Path, replace: bool) -> io::Result<()> {
    // Creating a link fails where a rename would overwrite the id of another process.
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !replace => Ok(()),
        // The file is replaced, or the file system has no links.
        Err(_) => fs::rename(draft, path),
        Ok(()) => Ok(()),
    }
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_new(path: &Path, id: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{id}")?;
    file.sync_all()
}

/// Returns the id of a process that cannot store one: the same for every caller in the process.
fn unstored_id() -> String {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(random_id).clone()
}

fn random_id() -> String {
    hex(&random::<{ LENGTH / 2 }>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_id(id: &str) -> bool {
        id.len() == 64
            && id
                .bytes()
                .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
    }

    #[test]
    fn installation_id_is_created_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/installation-id");
        let (id, error) = installation_id(Some(&path));
        assert!(is_id(&id) && error.is_none());
        let (again, error) = installation_id(Some(&path));
        assert!(again == id && error.is_none());
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no draft is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn concurrent_first_calls_return_the_same_id() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = folder.path().join(format!("{round}/installation-id"));
            let barrier = std::sync::Barrier::new(8);
            let ids: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            barrier.wait();
                            installation_id(Some(&path))
                        })
                    })
                    .collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect()
            });
            for (id, error) in &ids {
                assert!(id == &ids[0].0 && error.is_none(), "{error:?}");
            }
        }
    }

    #[test]
    fn invalid_content_is_replaced_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("installation-id");
        let long = "a".repeat(100_000);
        let upper = "A".repeat(64);
        for garbage in ["", "abc", &long, &upper] {
            fs::write(&path, garbage).unwrap();
            let (id, error) = installation_id(Some(&path));
            assert!(is_id(&id));
            assert!(matches!(error, Some(InstallationIdError::Replaced(_))));
            let (again, error) = installation_id(Some(&path));
            assert!(again == id && error.is_none());
        }
        fs::write(&path, [0xff; 64]).unwrap();
        assert!(is_id(&installation_id(Some(&path)).0));
    }

    #[test]
    fn id_that_cannot_be_stored_does_not_change_during_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let (none, error) = installation_id(None);
        assert!(matches!(error, Some(InstallationIdError::NoFolder)));
        let (unreadable, error) = installation_id(Some(folder.path()));
        assert!(matches!(error, Some(InstallationIdError::Unreadable(..))));
        let (under_a_file, error) = installation_id(Some(&file.join("id")));
        assert!(error.is_some());
        assert!(is_id(&none) && none == unreadable && none == under_a_file);
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }

    #[test]
    fn default_path_of_every_operating_system() {
        let home = ("HOME", "/home/u");
        let end = "claude-code-telemetry/installation-id";
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
        let table: [Row<'_>; 9] = [
            ("linux", &[home], Some("/home/u/.local/state/")),
            ("linux", &[home, ("XDG_STATE_HOME", "/s")], Some("/s/")),
            (
                "linux",
                &[home, ("XDG_STATE_HOME", "s")],
                Some("/home/u/.local/state/"),
            ),
            (
                "linux",
                &[home, ("XDG_STATE_HOME", "")],
                Some("/home/u/.local/state/"),
            ),
            ("linux", &[("HOME", "")], None),
            (
                "macos",
                &[home],
                Some("/home/u/Library/Application Support/"),
            ),
            ("windows", &[("LOCALAPPDATA", "/l")], Some("/l/")),
            ("windows", &[home], None),
            ("freebsd", &[home], Some("/home/u/.local/state/")),
        ];
        for (os, variables, expected) in table {
            let environment = Environment::injected(variables.iter().copied());
            let expected = expected.map(|start| PathBuf::from(format!("{start}{end}")));
            assert_eq!(
                default_path(os, &environment),
                expected,
                "{os} {variables:?}"
            );
        }
    }
}
