//! Detection of `terminal.type` from the environment.

use crate::environment::Environment;

/// Returns the kind of terminal, if it can be detected. An empty variable counts as unset.
pub(super) fn terminal_type(environment: &Environment) -> Option<String> {
    let set = |name| environment.get(name).filter(|value| !value.is_empty());
    if set("CURSOR_TRACE_ID").is_some() {
        return Some("cursor".to_owned());
    }
    set("TERM_PROGRAM")
        .or_else(|| set("TMUX").map(|_| "tmux".to_owned()))
        .or_else(|| set("TERM"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_set_variable_determines_the_terminal_type() {
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
        let table: [Row<'_>; 8] = [
            (&[], None),
            (&[("TERM", "xterm-256color")], Some("xterm-256color")),
            (
                &[("TERM", "screen"), ("TMUX", "/tmp/tmux,1,0")],
                Some("tmux"),
            ),
            (
                &[("TMUX", "x"), ("TERM_PROGRAM", "iTerm.app")],
                Some("iTerm.app"),
            ),
            (
                &[("CURSOR_TRACE_ID", "1"), ("TERM_PROGRAM", "vscode")],
                Some("cursor"),
            ),
            (
                &[("CURSOR_TRACE_ID", ""), ("TERM_PROGRAM", "vscode")],
                Some("vscode"),
            ),
            (
                &[("TERM_PROGRAM", ""), ("TMUX", ""), ("TERM", "dumb")],
                Some("dumb"),
            ),
            (&[("TERM", "")], None),
        ];
        for (variables, expected) in table {
            let environment = Environment::injected(variables.iter().copied());
            assert_eq!(
                terminal_type(&environment).as_deref(),
                expected,
                "{variables:?}"
            );
        }
    }
}
