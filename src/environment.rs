//! The environment from which variables are read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

/// The environment from which variables are read. It is never modified.
#[derive(Clone, Default)]
pub(crate) enum Environment {
    /// The environment of the process.
    #[default]
    Process,
    /// An environment that the host or a test provides instead.
    Injected(Arc<BTreeMap<String, String>>),
}

/// True if names of variables are case-insensitive, as on Windows.
pub(crate) const IGNORE_CASE: bool = cfg!(windows);

/// The name of a variable, and its value if that is UTF-8.
pub(crate) type EnvironmentVariable = (String, Option<String>);

impl Environment {
    pub(crate) fn injected<K: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(k, v)| (k.into(), v.into()));
        Self::Injected(Arc::new(variables.collect()))
    }

    /// Returns the value of a variable; `None` when it is not set or not UTF-8.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        match self {
            Self::Process => std::env::var(name).ok(),
            Self::Injected(variables) => lookup(variables, name, IGNORE_CASE),
        }
    }

    /// Returns the names of set variables that begin with `prefix`, in alphabetical order.
    pub(crate) fn names_with_prefix(&self, prefix: &str, ignore_case: bool) -> Vec<String> {
        let begins = |name: &String| match name.get(..prefix.len()) {
            Some(start) if ignore_case => start.eq_ignore_ascii_case(prefix),
            start => start == Some(prefix),
        };
        let names = self.entries().into_iter().map(|(name, _)| name);
        let mut names: Vec<_> = names.filter(begins).collect();
        names.sort_unstable();
        names
    }

    /// Returns all variables whose names are UTF-8.
    pub(crate) fn entries(&self) -> Vec<EnvironmentVariable> {
        match self {
            Self::Process => entries_of(std::env::vars_os()),
            Self::Injected(variables) => variables
                .iter()
                .map(|(name, value)| (name.clone(), Some(value.clone())))
                .collect(),
        }
    }
}

/// Returns the value of a variable. A name in exactly this case takes precedence over other spellings.
fn lookup(variables: &BTreeMap<String, String>, name: &str, ignore_case: bool) -> Option<String> {
    let in_any_case = || {
        let mut others = variables.iter().filter(|_| ignore_case);
        others.find(|(other, _)| other.eq_ignore_ascii_case(name))
    };
    let found = variables.get_key_value(name).or_else(in_any_case);
    found.map(|(_, value)| value.clone())
}

/// Converts the variables of the process. A value that is not UTF-8 becomes `None`. A variable whose name is not UTF-8
/// is left out, because this crate knows no such name.
fn entries_of(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<EnvironmentVariable> {
    variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok())))
        .collect()
}

/// Shows no variable, because the environment contains all credentials of the process.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "Process",
            Self::Injected(_) => "Injected",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_injected_environment_replaces_the_one_of_the_process() {
        let environment =
            Environment::injected([("OTEL_B", "2"), ("OTEL_A", "1"), ("X", "CANARY")]);
        assert_eq!(environment.get("X").as_deref(), Some("CANARY"));
        assert_eq!(environment.get("PATH"), None);
        assert_eq!(
            environment.names_with_prefix("OTEL_", false),
            ["OTEL_A", "OTEL_B"]
        );
        assert!(!format!("{environment:?}").contains("CANARY"));
    }

    #[test]
    fn names_match_in_any_case_only_if_case_is_ignored() {
        let variables = [("Home", "1"), ("Path", "2"), ("PATH", "3")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = BTreeMap::from(variables);
        for (name, exactly, in_any_case) in [
            ("HOME", None, Some("1")),
            ("PATH", Some("3"), Some("3")),
            ("NONE", None, None),
        ] {
            assert_eq!(lookup(&variables, name, false).as_deref(), exactly);
            assert_eq!(lookup(&variables, name, true).as_deref(), in_any_case);
        }
    }

    #[cfg(unix)]
    #[test]
    fn value_that_is_not_utf8_becomes_none_and_such_a_name_is_left_out() {
        use std::os::unix::ffi::OsStringExt;
        let broken = || OsString::from_vec(vec![b'a', 0xff]);
        let entries = entries_of([
            (OsString::from("A"), OsString::from("1")),
            (OsString::from("B"), broken()),
            (broken(), OsString::from("2")),
        ]);
        assert_eq!(
            entries,
            [
                ("A".to_owned(), Some("1".to_owned())),
                ("B".to_owned(), None)
            ]
        );
    }
}
