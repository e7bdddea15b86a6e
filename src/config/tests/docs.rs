//! `docs/CONFIGURATION.md` matches the table of variables. `UPDATE_DOCS=1 cargo test docs` regenerates it.

use std::fmt::Write;

use crate::config::problem::Problem;
use crate::config::variables::{InProject, Source, Variable, all};
use crate::signal::Signal;

#[path = "../../../tests/support/document.rs"]
mod support;

use support::check_document;

#[test]
fn docs_configuration_matches_the_table_of_variables() {
    check_document("CONFIGURATION.md", &document());
}

const INTRODUCTION: &str = "\
# Configuration

This page lists every variable that the library reads. `UPDATE_DOCS=1 cargo test docs` generates it from
[`src/config/variables.rs`][variables.rs].

A value can come from several layers. From the highest to the lowest: managed settings, host, local, project and user
settings, environment.

Project files (local and project settings) apply only in a trusted workspace, and only to harmless variables. The column
*project* has these values:

- `yes`: a project may set the variable.
- `off`: a project may only turn it off, with `none`, `0`, `false`, `no` or `off`, unless the environment sets the variable.
- `no`: a project may not set it. The value is ignored with a warning that names the file and the variable. Set it in the user's
  settings, managed settings or the environment (`otelHeadersHelper`: user or managed settings).

While a managed settings file cannot be read or parsed, it may contain a policy. So the content switches (`OTEL_LOG_*`) of all
other layers, including the host, and the project settings are off. Content switches of readable managed files apply, and
exporters continue. A managed content switch whose value is not a string has the same effect.

The configuration is resolved once, when `Config` is built, and never fails. A value that is not understood causes a warning
that names the variable, the value, its origin and the nearest valid value. `Config::explain()` shows every variable that is
set, its origin and its effect.

A name that no variable has causes a warning with the nearest name if it is probably misspelled: if it has at least 12
characters and is at most two edits away from the name of a variable, or has the same words in another order, or in
the singular or plural (`OTEL_METRIC_EXPORTER`). So does every unknown name that begins with `OTEL_EXPORTER_OTLP_`, `OTEL_LOG_`,
`OTEL_METRICS_INCLUDE_` or `CLAUDE_CODE_OTEL_`. The values of unknown variables are never shown.

- Booleans: `1`, `true`, `yes`, `on` are true, `0`, `false`, `no`, `off` are false, in any case. Any other value causes a warning
  and is false.
- Numbers are whole and decimal. They may contain `_` between digits (`64_000`) or an exponent (`2e3`). Any other value causes a
  warning and takes the default. A value below the minimum causes a warning and takes the minimum.
- An empty value means unset, and cancels the lower layers. An empty boolean is false in the environment (with a warning if its
  default is true), and takes its default in all other layers.
- Headers that belong to the protocol or to one connection (`Host`, `Connection`, `Content-Type`, ...) are left out with a
  warning. So are, over gRPC, headers whose name ends in `-bin` and whose value is not base64. All other headers are sent.
- `key=value` pairs are split on `,`. White space around key and value is trimmed, and values are percent-decoded.
- Values of headers and commands, and user and password of a URL, are never shown.

No dependency reads the process environment. After `Config::builder().environment(..)`, the library does not read it either, with
one exception: the platform's certificate authorities. As for every TLS client, `SSL_CERT_FILE` and `SSL_CERT_DIR` of the process
change them. `OTEL_EXPORTER_OTLP_CERTIFICATE` replaces the platform's authorities, and so disables these two variables.

The last column is the source of a variable: the documentation of Claude Code's monitoring, OpenTelemetry's specification, or
elsewhere (other programs, and other editions of Claude Code).

";

fn document() -> String {
    let mut out = INTRODUCTION.to_owned();
    let works = |variable: &&Variable| variable.has_effect;
    let single = |variable: &&Variable| general(variable.name).is_none();
    let shared = |variable: &&Variable| general(variable.name) == Some(variable.name);

    out.push_str("## All signals\n\n");
    let of_none = all().filter(|v| works(v) && single(v) && v.signal.is_none());
    rows(&mut out, of_none);
    for (signal, title) in [
        (Signal::Metrics, "Metrics"),
        (Signal::Logs, "Events"),
        (Signal::Traces, "Spans"),
    ] {
        writeln!(out, "## {title}\n").unwrap();
        rows(
            &mut out,
            all().filter(|v| works(v) && single(v) && v.signal == Some(signal)),
        );
    }
    out.push_str(
        "## OTLP\n\nEach of these variables also exists for each signal, with `METRICS_`, `LOGS_` or `TRACES_` after \
         `OTEL_EXPORTER_OTLP_`,\nsuch as `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`. The variable of a signal takes precedence over the \
         general one.\n\n",
    );
    rows(&mut out, all().filter(|v| works(v) && shared(v)));
    out.push_str(
        "## Without effect\n\nThe library knows these variables, but does not use them. If one is set, a warning says \
         so.\n\n",
    );
    for variable in all().filter(|variable| !variable.has_effect) {
        writeln!(out, "- `{}`", variable.name).unwrap();
    }
    out.push_str("\n[variables.rs]: ../src/config/variables.rs\n");
    out
}

/// Returns the general name of an OTLP variable that also exists for each signal.
fn general(name: &'static str) -> Option<&'static str> {
    let suffix = |prefix: &str| name.strip_prefix(prefix);
    let suffix = ["METRICS_", "LOGS_", "TRACES_"]
        .iter()
        .find_map(|signal| suffix(&format!("OTEL_EXPORTER_OTLP_{signal}")))
        .or_else(|| suffix("OTEL_EXPORTER_OTLP_"))?;
    let names = || all().map(|variable| variable.name);
    let is_one = |name: &str| names().any(|known| known == name);
    if !is_one(&format!("OTEL_EXPORTER_OTLP_TRACES_{suffix}")) {
        return None;
    }
    names().find(|known| *known == format!("OTEL_EXPORTER_OTLP_{suffix}"))
}

/// Returns the valid values, with the minimum of a number.
fn format(variable: &Variable) -> String {
    let format = variable.kind.format.to_owned();
    match variable.kind.parse("0", false).1[..] {
        [Problem::BelowMinimum { minimum }] => format!("{format}, at least {minimum}"),
        _ => format,
    }
}

fn rows<'a>(out: &mut String, variables: impl Iterator<Item = &'a Variable>) {
    out.push_str(
        "| variable | values | default | meaning | project | from |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for variable in variables {
        let default = match variable.kind.default {
            "" => "unset".to_owned(),
            text => format!("`{text}`"),
        };
        let from = match variable.source {
            Source::ClaudeCode => "Claude Code",
            Source::OpenTelemetry => "OpenTelemetry",
            Source::Elsewhere => "elsewhere",
        };
        let project = match variable.in_project {
            InProject::Allowed => "yes",
            InProject::FalseOnly | InProject::NoneOnly => "off",
            InProject::Ignored => "no",
        };
        let (name, meaning) = (variable.name, variable.meaning);
        let values = format(variable);
        writeln!(
            out,
            "| `{name}` | {values} | {default} | {meaning} | {project} | {from} |"
        )
        .unwrap();
    }
    out.push('\n');
}
