//! The differences between two configurations.

use std::collections::BTreeMap;
use std::fmt;

/// A variable, or a method of [`ConfigBuilder`](crate::ConfigBuilder), whose effective value has changed.
/// [`Explanation::changes`](crate::Explanation::changes) lists the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedSetting {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

impl ChangedSetting {
    /// Returns the name of the variable or of the builder method, such as `user_email`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the previous value, of a variable as it was written: `<hidden>` when it is secret, `None` when it was not
    /// set or was the default of the method.
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// Returns the current value, of a variable as it was written: `<hidden>` when it is secret, `None` when it is no
    /// longer set or is the default of the method.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }
}

impl fmt::Display for ChangedSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = [&self.before, &self.after].map(|value| match value {
            Some(value) if value.is_empty() => "(empty)",
            Some(value) => value,
            None => "(not set)",
        });
        write!(f, "{}: {before} -> {after}", self.name)
    }
}

/// Returns the settings whose values differ, in alphabetical order. A setting is given as its name, its value, and the
/// value as it is shown. A change of the origin alone does not count.
pub(super) fn differences<'a>(
    old: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
    new: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
) -> Vec<ChangedSetting> {
    let mut all: BTreeMap<&str, [Option<(&str, &str)>; 2]> = BTreeMap::new();
    for (name, value, shown) in old {
        all.entry(name).or_default()[0] = Some((value, shown));
    }
    for (name, value, shown) in new {
        all.entry(name).or_default()[1] = Some((value, shown));
    }
    all.retain(|_, [old, new]| old.map(|(value, _)| value) != new.map(|(value, _)| value));
    let owned = |value: Option<(&str, &str)>| value.map(|(_, shown)| shown.to_owned());
    let changed = all.into_iter().map(|(name, [old, new])| ChangedSetting {
        name: name.to_owned(),
        before: owned(old),
        after: owned(new),
    });
    changed.collect()
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, NumberEncoding};

    fn changes(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let config = |list: &[(&str, &str)]| {
            let list = list.iter().copied();
            Config::builder().environment(list).build()
        };
        let mut new = config(new);
        new.record_changes_since(&config(old));
        let list = new.explain().changes().iter().map(ToString::to_string);
        let list: Vec<_> = list.collect();
        let table = new.explain().to_string();
        assert!(list.iter().all(|change| table.contains(change)), "{table}");
        assert!(!table.contains("CANARY") && !format!("{new:?}").contains("CANARY"));
        list
    }

    #[test]
    fn changes_list_added_removed_and_changed_values_and_hide_secrets() {
        let old = [
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=CANARY1"),
        ];
        let new = [
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_LOGS_EXPORTER", "console"),
            ("OTEL_LOG_USER_PROMPTS", "1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=CANARY2"),
        ];
        assert_eq!(
            changes(&old, &new),
            [
                "OTEL_EXPORTER_OTLP_HEADERS: <hidden> -> <hidden>",
                "OTEL_LOGS_EXPORTER: otlp -> console",
                "OTEL_LOG_USER_PROMPTS: (not set) -> 1",
                "OTEL_METRICS_EXPORTER: otlp -> (not set)",
            ]
        );
        assert_eq!(changes(&old, &old), [""; 0]);
    }

    #[test]
    fn changes_list_builder_methods() {
        let none: [(&str, &str); 0] = [];
        let builder = || Config::builder().environment(none);
        let with_host_setting = || {
            builder()
                .error_messages(false)
                .installation_id_path("/id")
                .number_encoding(NumberEncoding::Text)
                .prometheus_port_range(9465..=9470)
                .trust_workspace(true)
                .user_email(false)
        };
        let (plain, mut new) = (builder().build(), with_host_setting().build());
        new.record_changes_since(&plain);
        let list = new.explain().changes().iter().map(ToString::to_string);
        assert_eq!(
            list.collect::<Vec<_>>(),
            [
                "error_messages: (not set) -> false",
                "installation_id_path: (not set) -> /id",
                "number_encoding: (not set) -> text",
                "prometheus_port_range: (not set) -> 9465-9470",
                "trust_workspace: (not set) -> true",
                "user_email: (not set) -> false",
            ]
        );
        let mut back = with_host_setting().user_email(true).build();
        back.record_changes_since(&new);
        let [change] = back.explain().changes() else {
            panic!("one change expected: {}", back.explain());
        };
        let change = (change.name(), change.before(), change.after());
        assert_eq!(change, ("user_email", Some("false"), None));
        let mut same = with_host_setting().build();
        same.record_changes_since(&new);
        assert!(same.explain().changes().is_empty());
    }
}
