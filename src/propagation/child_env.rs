//! The environment of a subprocess: the current trace context, and none of the exporter settings.

use std::collections::BTreeSet;
use std::process::Command;

use super::TraceContext;
use crate::environment::Environment;

/// The environment of a subprocess, as changes to that of this process.
///
/// It propagates the trace context of the handle that returned it, such as a tool's execution (`TRACEPARENT`,
/// `TRACESTATE`), and removes the `OTEL_*` variables, which would make an instrumented child export to the agent's
/// receiver. If tracing is off, the trace context stays unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildEnv {
    /// Variables to set.
    pub set: Vec<(&'static str, String)>,
    /// Variables to remove.
    pub remove: Vec<String>,
}

impl ChildEnv {
    /// Creates the changes for a child that inherits the variables of all these environments.
    pub(crate) fn new<'a>(
        environments: impl IntoIterator<Item = &'a Environment> + Clone,
        context: Option<&TraceContext>,
        ignore_case: bool,
    ) -> Self {
        let names = |prefix: &str| -> BTreeSet<String> {
            let all = environments.clone().into_iter();
            all.flat_map(|environment| environment.names_with_prefix(prefix, ignore_case))
                .collect()
        };
        let mut remove = Vec::from_iter(names("OTEL_"));
        let mut set = Vec::new();
        if let Some(context) = context {
            set.push(("TRACEPARENT", context.traceparent()));
            match &context.trace_state {
                Some(state) => set.push(("TRACESTATE", state.to_string())),
                // A trace state that the child would inherit belongs to another context.
                None => {
                    // Only the variable itself, not others that begin with its name.
                    let length = "TRACESTATE".len();
                    let inherited = names("TRACESTATE").into_iter();
                    remove.extend(inherited.filter(|name| name.len() == length));
                }
            }
        }
        Self { set, remove }
    }

    /// Applies the changes to the environment of `command`. For a command of tokio: `env.apply(command.as_std_mut())`.
    pub fn apply(&self, command: &mut Command) {
        for name in &self.remove {
            command.env_remove(name);
        }
        for (name, value) in &self.set {
            command.env(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(state: Option<&str>) -> TraceContext {
        TraceContext {
            trace_id: [1; 16],
            span_id: [2; 8],
            sampled: true,
            trace_state: state.map(Into::into),
            remote: false,
        }
    }

    fn environment() -> Environment {
        Environment::injected([
            ("OTEL_A", "1"),
            ("otel_b", "1"),
            ("TRACESTATE", "x=y"),
            ("PATH", "/bin"),
            ("MY_OTEL_C", "1"),
        ])
    }

    #[test]
    fn exporter_settings_are_removed_and_the_context_is_set() {
        let env = ChildEnv::new([&environment()], Some(&context(Some("v=1"))), false);
        assert_eq!(env.remove, ["OTEL_A"]);
        let parent = format!("00-{}-{}-01", "01".repeat(16), "02".repeat(8));
        assert_eq!(
            env.set,
            [("TRACEPARENT", parent), ("TRACESTATE", "v=1".to_owned())]
        );
    }

    #[test]
    fn tracestate_of_the_environment_is_removed_with_a_new_context() {
        let env = ChildEnv::new([&environment()], Some(&context(None)), false);
        assert_eq!(env.remove, ["OTEL_A", "TRACESTATE"]);
        assert_eq!(env.set.len(), 1);
    }

    #[test]
    fn trace_context_stays_unchanged_without_a_span() {
        let env = ChildEnv::new([&environment()], None, false);
        assert_eq!(
            env,
            ChildEnv {
                set: vec![],
                remove: vec!["OTEL_A".to_owned()]
            }
        );
    }

    #[test]
    fn variables_of_the_process_are_removed_too() {
        let inherited =
            Environment::injected([("OTEL_A", "1"), ("OTEL_C", "1"), ("TRACESTATE", "")]);
        let env = ChildEnv::new([&environment(), &inherited], Some(&context(None)), false);
        assert_eq!(env.remove, ["OTEL_A", "OTEL_C", "TRACESTATE"]);
    }

    #[test]
    fn names_match_in_any_case_on_windows() {
        let env = ChildEnv::new([&environment()], None, true);
        assert_eq!(env.remove, ["OTEL_A", "otel_b"]);
    }

    #[test]
    fn apply_changes_the_command() {
        let mut command = Command::new("true");
        ChildEnv::new([&environment()], Some(&context(None)), false).apply(&mut command);
        let changes: Vec<_> = command
            .get_envs()
            .map(|(name, value)| (name.to_str().unwrap(), value.is_some()))
            .collect();
        assert_eq!(
            changes,
            [
                ("OTEL_A", false),
                ("TRACEPARENT", true),
                ("TRACESTATE", false)
            ]
        );
    }
}
