//! What a new configuration changes.

use std::fmt;

use super::explain::Setting;

/// A variable that another value counts for than before, as [`Explanation::changes`](crate::Explanation::changes) lists
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedSetting {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

impl ChangedSetting {
    /// The variable.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value before, as it was written; `<hidden>` when it is secret, nothing when it was not set.
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// The value of now, as it was written; `<hidden>` when it is secret, nothing when it is no longer set.
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

/// The variables that differ, in alphabetical order. Where a value comes from is no difference.
pub(super) fn changes(old: &[Setting], new: &[Setting]) -> Vec<ChangedSetting> {
    let named = |list: &'_ [Setting], name: &str| {
        let found = list.iter().find(|setting| setting.name() == name);
        found.map(|setting| setting.value().to_owned())
    };
    let is_new = |setting: &&Setting| !old.iter().any(|old| old.name() == setting.name());
    let mut changes: Vec<_> = old
        .iter()
        .filter(|old| {
            !new.iter()
                .any(|new| new.name() == old.name() && new.is_same(old))
        })
        .chain(new.iter().filter(is_new))
        .map(|setting| ChangedSetting {
            name: setting.name().to_owned(),
            before: named(old, setting.name()),
            after: named(new, setting.name()),
        })
        .collect();
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    changes
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn changes(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let config = |list: &[(&str, &str)]| {
            let list = list.iter().copied();
            Config::builder().environment(list).build()
        };
        let mut new = config(new);
        new.replace(&config(old));
        let list = new.explain().changes().iter().map(ToString::to_string);
        let list: Vec<_> = list.collect();
        let table = new.explain().to_string();
        assert!(list.iter().all(|change| table.contains(change)), "{table}");
        assert!(!table.contains("CANARY") && !format!("{new:?}").contains("CANARY"));
        list
    }

    #[test]
    fn what_is_set_what_is_not_and_what_differs_is_told_and_secrets_are_not() {
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
}
