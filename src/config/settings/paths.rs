//! The locations of settings files.

use std::path::PathBuf;

use crate::environment::Environment;

/// The settings files that a [`Config`](crate::Config) is resolved from.
///
/// Start with [`system`](Self::system) or [`none`](Self::none), and override single locations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct SettingsFiles {
    managed: Location,
    user: Location,
    project: Location,
}

/// The location of the settings files of one or two layers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Location {
    /// No file is read.
    Nowhere,
    /// The default location of the operating system and the environment.
    System,
    At(PathBuf),
}

impl SettingsFiles {
    /// Returns the settings files of this machine:
    ///
    /// - managed: `managed-settings.json`, overridden by the `*.json` files of `managed-settings.d` in alphabetical
    ///   order without hidden ones, in `/etc/claude-code` (Linux), `/Library/Application Support/ClaudeCode` (macOS),
    ///   `C:\Program Files\ClaudeCode` or, if that folder has none, `C:\ProgramData\ClaudeCode` (Windows);
    /// - local and project: `.claude/settings.local.json` and `.claude/settings.json` in the working folder, which are
    ///   read only in a [trusted workspace](crate::ConfigBuilder::trust_workspace), and only for harmless variables;
    /// - user: `.claude/settings.json` in the home folder, or `settings.json` in `CLAUDE_CONFIG_DIR`.
    ///
    /// The home folder and `CLAUDE_CONFIG_DIR` are looked up in the environment from which the configuration is
    /// resolved, also when it is [injected](crate::ConfigBuilder::environment).
    pub fn system() -> Self {
        Self::all(Location::System)
    }

    /// Returns an empty set: no settings file is read.
    pub fn none() -> Self {
        Self::all(Location::Nowhere)
    }

    fn all(location: Location) -> Self {
        Self {
            managed: location.clone(),
            user: location.clone(),
            project: location,
        }
    }

    /// Sets the folder that contains `managed-settings.json` and `managed-settings.d`.
    pub fn managed_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.managed = Location::At(folder.into());
        self
    }

    /// Sets the user's settings file. `CLAUDE_CONFIG_DIR` then has no effect on it.
    pub fn user_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.user = Location::At(file.into());
        self
    }

    /// Sets the project folder, which contains `.claude/settings.json` and `.claude/settings.local.json`.
    pub fn project_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.project = Location::At(folder.into());
        self
    }

    /// Returns the paths on the operating system `os`, a value of [`std::env::consts::OS`].
    pub(super) fn locate(
        &self,
        os: &str,
        environment: &Environment,
        working_folder: impl FnOnce() -> Option<PathBuf>,
    ) -> Paths {
        let project = self.project.or_else(working_folder);
        let in_project = |file| project.as_ref().map(|p| p.join(".claude").join(file));
        Paths {
            managed: match &self.managed {
                Location::Nowhere => Vec::new(),
                Location::System => managed_folders(os).iter().map(PathBuf::from).collect(),
                Location::At(folder) => vec![folder.clone()],
            },
            local: in_project("settings.local.json"),
            project: in_project("settings.json"),
            user: self.user.or_else(|| user_file(os, environment)),
        }
    }
}

impl Location {
    fn or_else(&self, system: impl FnOnce() -> Option<PathBuf>) -> Option<PathBuf> {
        match self {
            Self::Nowhere => None,
            Self::System => system(),
            Self::At(path) => Some(path.clone()),
        }
    }
}

/// The paths of settings files, which may not exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Paths {
    /// Folders. The first folder that contains managed settings applies.
    pub(super) managed: Vec<PathBuf>,
    pub(super) local: Option<PathBuf>,
    pub(super) project: Option<PathBuf>,
    pub(super) user: Option<PathBuf>,
}

/// Returns the folders of managed settings. No variable changes them, because a user who sets the variable could then
/// replace the managed settings.
fn managed_folders(os: &str) -> &'static [&'static str] {
    match os {
        "windows" => &[r"C:\Program Files\ClaudeCode", r"C:\ProgramData\ClaudeCode"],
        "macos" => &["/Library/Application Support/ClaudeCode"],
        _ => &["/etc/claude-code"],
    }
}

fn user_file(os: &str, environment: &Environment) -> Option<PathBuf> {
    let folder = |name| {
        let value = environment.get(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let home = match os {
        "windows" => "USERPROFILE",
        _ => "HOME",
    };
    let settings = folder("CLAUDE_CONFIG_DIR").or_else(|| Some(folder(home)?.join(".claude")));
    Some(settings?.join("settings.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: [(&str, &str); 0] = [];

    fn user(os: &str, environment: &[(&str, &str)]) -> Option<PathBuf> {
        let environment = Environment::injected(environment.iter().copied());
        SettingsFiles::system()
            .locate(os, &environment, || None)
            .user
    }

    #[test]
    fn managed_folders_depend_only_on_the_operating_system() {
        let environment = Environment::injected([
            ("ProgramFiles", r"D:\x"),
            ("ProgramData", r"D:\y"),
            ("CLAUDE_CONFIG_DIR", "/z"),
        ]);
        for (os, folders) in [
            ("linux", vec!["/etc/claude-code"]),
            ("freebsd", vec!["/etc/claude-code"]),
            ("macos", vec!["/Library/Application Support/ClaudeCode"]),
            (
                "windows",
                vec![r"C:\Program Files\ClaudeCode", r"C:\ProgramData\ClaudeCode"],
            ),
        ] {
            let paths = SettingsFiles::system().locate(os, &environment, || None);
            let folders: Vec<_> = folders.into_iter().map(PathBuf::from).collect();
            assert_eq!(paths.managed, folders, "{os}");
        }
    }

    #[test]
    fn user_file_is_in_the_home_folder_or_in_the_folder_of_the_variable() {
        let at = |folder: &str| Some(PathBuf::from(folder).join("settings.json"));
        let home = |folder: &str| {
            let folder = PathBuf::from(folder).join(".claude");
            Some(folder.join("settings.json"))
        };
        let moved = ("CLAUDE_CONFIG_DIR", "/c");
        for (os, environment, expected) in [
            ("linux", vec![("HOME", "/home/kim")], home("/home/kim")),
            ("macos", vec![("HOME", "/Users/kim")], home("/Users/kim")),
            (
                "windows",
                vec![("HOME", "/kim"), ("USERPROFILE", r"C:\Users\kim")],
                home(r"C:\Users\kim"),
            ),
            ("linux", vec![("HOME", "/home/kim"), moved], at("/c")),
            ("macos", vec![moved], at("/c")),
            ("windows", vec![("USERPROFILE", r"C:\kim"), moved], at("/c")),
            (
                "linux",
                vec![("HOME", "/h"), ("CLAUDE_CONFIG_DIR", "")],
                home("/h"),
            ),
            ("linux", vec![("HOME", "")], None),
            ("linux", vec![], None),
            ("windows", vec![("HOME", "/h")], None),
        ] {
            assert_eq!(user(os, &environment), expected, "{os} {environment:?}");
        }
    }

    #[test]
    fn project_folder_defaults_to_the_working_folder() {
        let environment = Environment::injected(NOTHING);
        let working = || Some(PathBuf::from("/work"));
        for (files, folder) in [
            (SettingsFiles::system(), Some("/work")),
            (SettingsFiles::system().project_folder("/p"), Some("/p")),
            (SettingsFiles::none().project_folder("/p"), Some("/p")),
            (SettingsFiles::none(), None),
        ] {
            let paths = files.locate("linux", &environment, working);
            let file = |name| Some(PathBuf::from(folder?).join(".claude").join(name));
            assert_eq!(paths.project, file("settings.json"), "{files:?}");
            assert_eq!(paths.local, file("settings.local.json"), "{files:?}");
        }
    }

    #[test]
    fn given_paths_override_the_defaults_and_none_has_no_paths() {
        let environment = Environment::injected([("HOME", "/h"), ("CLAUDE_CONFIG_DIR", "/c")]);
        let files = SettingsFiles::none();
        let paths = files.locate("linux", &environment, || Some("/w".into()));
        let nothing = Paths {
            managed: Vec::new(),
            local: None,
            project: None,
            user: None,
        };
        assert_eq!(paths, nothing);
        let files = files.managed_folder("/m").user_file("/u.json");
        let paths = files.locate("windows", &environment, || None);
        assert_eq!(paths.managed, [PathBuf::from("/m")]);
        assert_eq!(paths.user, Some("/u.json".into()));
    }
}
