//! `docs/TELEMETRY.md` is generated from the catalog. `UPDATE_DOCS=1 cargo test docs` updates it.

use std::fmt::Write;

use crate::document::check_document;
use claude_code_telemetry::catalog::{
    Attribute, EVENT_ATTRIBUTES, EVENTS, Gate, METRICS, SPANS, STANDARD_ATTRIBUTES, scope,
};

#[test]
fn docs_telemetry_matches_the_catalog() {
    check_document("TELEMETRY.md", &document());
}

const INTRODUCTION: &str = "\
# Telemetry

This page lists everything that the library emits. It sends nothing else. `UPDATE_DOCS=1 cargo test docs` generates this
page from [`src/catalog.rs`][catalog.rs]. [CONFIGURATION.md][configuration] explains the variables.

The tables list the attributes in the order in which they are sent:

1. the standard attributes,
2. the custom attributes of `OTEL_RESOURCE_ATTRIBUTES`,
3. on events, the attributes of every event; on spans, `span.type`,
4. the attributes of the item.

The column *present* has these values: *always* means every item. *When known* means every item for which the host or the
library knows the value. A variable means that the attribute needs it.

An optional string that the host sets to an empty string counts as not set: it is not sent, or its default is. This
applies to all signals and to the members of `tool_parameters`.

`tool_parameters` is a JSON object. The host may provide it. Parameters that the host does not provide are derived from the
call: `bash_command` (the first word), `full_command`, `timeout`, `description` and `dangerouslyDisableSandbox` from the input of
Bash and PowerShell, `skill_name` from the input of Skill, `mcp_server_name` and `mcp_tool_name` from the names of an MCP tool.
`full_command` and `skill_name` on spans have the same values.

The types are those of OTLP: string, int (a 64-bit integer), double (a 64-bit floating-point number), bool (a boolean), and
string[] (an array of strings). A host can choose to send the numbers of events as strings.

";

fn document() -> String {
    let mut out = INTRODUCTION.to_owned();
    out.push_str("## Standard attributes\n\nOn every data point, event and span.\n\n");
    attributes(&mut out, STANDARD_ATTRIBUTES);
    out.push_str(
        "The keys of `OTEL_RESOURCE_ATTRIBUTES` follow as strings, unless `OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES` is off. \
         Keys of\nthe resource itself (`service.*`, `host.*`, `os.*`, `wsl.version`, `telemetry.sdk.*`) stay on the \
         resource, and no custom\nattribute replaces a standard one or one of the item's own.\n\n",
    );

    writeln!(
        out,
        "## Metrics\n\nScope `{}`, with the version of the service. All are monotonic sums of doubles, delta by default.\n",
        scope::METRICS
    )
    .unwrap();
    let rows = METRICS.iter().map(|metric| {
        [
            code(metric.name),
            code(metric.unit),
            metric.description.into(),
        ]
    });
    table(&mut out, ["metric", "unit", "description"], rows);
    for metric in METRICS {
        writeln!(out, "### `{}`\n", metric.name).unwrap();
        attributes(&mut out, metric.attributes);
    }

    writeln!(
        out,
        "## Events\n\nScope `{}`, with the version of the service. An event is a log record without severity whose body \
         and\n`event_name` are its full name. Its timestamp and its observed timestamp are the time of the event.\n",
        scope::EVENTS
    )
    .unwrap();
    let rows = EVENTS.iter().map(|event| {
        let needs = event
            .gate
            .map_or("always".to_owned(), |gate| code(gate.variable()));
        [code(event.body), needs, event.description.into()]
    });
    table(&mut out, ["event", "present", "when"], rows);
    out.push_str("### Every event\n\n");
    attributes(&mut out, EVENT_ATTRIBUTES);
    for event in EVENTS {
        writeln!(out, "### `{}`\n", event.body).unwrap();
        if let Some(gate) = event.gate {
            writeln!(out, "Only with `{}`.\n", gate.variable()).unwrap();
        }
        attributes(&mut out, event.attributes);
    }

    writeln!(
        out,
        "## Spans\n\nScope `{}`, version `{}`. Spans need `CLAUDE_CODE_ENHANCED_TELEMETRY_BETA`. All are of kind INTERNAL. \
         After the\nstandard attributes, `span.type` is the name without `claude_code.`; the status is unset unless \
         something failed.\n\n```text",
        scope::SPANS,
        scope::SPANS_VERSION
    )
    .unwrap();
    out.push_str(TREE);
    out.push_str("```\n\n");
    for span in SPANS {
        writeln!(out, "### `{}`\n\n{}.", span.name, span.description).unwrap();
        if let Some(error) = span.error {
            writeln!(out, "Its status is ERROR when {error}.").unwrap();
        }
        out.push('\n');
        attributes(&mut out, span.attributes);
        for event in span.events {
            let content = match event.name {
                "tool.output" => {
                    " Needs `OTEL_LOG_TOOL_CONTENT`, in addition to the variables of its attributes."
                }
                _ => "",
            };
            let (name, description) = (event.name, event.description);
            writeln!(out, "Span event `{name}`: {description}.{content}\n").unwrap();
            attributes(&mut out, event.attributes);
        }
    }
    out.truncate(out.trim_end().len());
    out.push_str("\n\n[catalog.rs]: ../src/catalog.rs\n[configuration]: CONFIGURATION.md\n");
    out
}

/// The nesting of spans.
const TREE: &str = "\
claude_code.interaction
├─ claude_code.llm_request
├─ claude_code.tool
│  ├─ claude_code.tool.blocked_on_user
│  ├─ claude_code.tool.execution
│  └─ a subagent's claude_code.llm_request and claude_code.tool
└─ claude_code.hook
";

#[test]
fn span_tree_of_the_docs_has_every_span() {
    for span in SPANS {
        assert!(TREE.contains(&format!("─ {}\n", span.name)) || TREE.starts_with(span.name));
    }
}

fn attributes(out: &mut String, attributes: &[Attribute]) {
    if attributes.is_empty() {
        out.push_str("No further attributes.\n\n");
        return;
    }
    let rows = attributes.iter().map(|attribute| {
        [
            code(attribute.name),
            attribute.kind.name().into(),
            present(attribute),
            description(attribute),
        ]
    });
    table(out, ["attribute", "type", "present", "description"], rows);
}

fn present(attribute: &Attribute) -> String {
    let known = if attribute.conditional {
        "when known"
    } else {
        "always"
    };
    let Some(gate) = attribute.gate else {
        return known.to_owned();
    };
    let variable = code(gate.variable());
    match gate {
        _ if attribute.redacted => format!("`<REDACTED>` without {variable}"),
        Gate::SessionId | Gate::AccountUuid if attribute.conditional => {
            format!("when known, {variable} (on by default)")
        }
        Gate::SessionId | Gate::AccountUuid => format!("{variable} (on by default)"),
        _ if attribute.conditional => format!("when known, {variable}"),
        _ => variable,
    }
}

fn description(attribute: &Attribute) -> String {
    let mut text = attribute.description.to_owned();
    if !attribute.values.is_empty() && !attribute.description.contains('`') {
        let values: Vec<_> = attribute.values.iter().map(|value| code(value)).collect();
        write!(text, ": {}", values.join(", ")).unwrap();
    } else if attribute.values.len() > 1 {
        let values: Vec<_> = attribute.values.iter().map(|value| code(value)).collect();
        write!(text, " ({})", values.join(", ")).unwrap();
    }
    text
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn table<const N: usize>(
    out: &mut String,
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) {
    writeln!(out, "| {} |", head.join(" | ")).unwrap();
    writeln!(out, "| {} |", ["---"; N].join(" | ")).unwrap();
    for row in rows {
        let cells = row.map(|cell| cell.replace('|', "\\|"));
        writeln!(out, "| {} |", cells.join(" | ")).unwrap();
    }
    out.push('\n');
}
