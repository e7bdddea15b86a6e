//! The command `catalog`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use claude_code_telemetry::catalog::{
    Attribute, EVENT_ATTRIBUTES, EVENTS, Event, Gate, METRICS, Metric, SPANS, STANDARD_ATTRIBUTES,
    Span, SpanEvent, scope,
};
use serde_json::{Value, json};

use crate::output::print;

/// A test compares this document with the catalog.
const MARKDOWN: &str = include_str!("../../../docs/TELEMETRY.md");

/// Lists everything that is emitted: metrics, events and spans with their attributes
#[derive(Args)]
#[command(after_help = "Exit status: 0, or 1 if the command line is invalid.")]
pub(crate) struct Arguments {
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Markdown,
    Json,
}

/// Prints the catalog.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match arguments.format {
        Format::Markdown => print(MARKDOWN),
        Format::Json => print(format_args!("{:#}\n", catalog())),
    }
    ExitCode::SUCCESS
}

fn catalog() -> Value {
    json!({
        "scopes": {
            "metrics": scope::METRICS,
            "events": scope::EVENTS,
            "spans": scope::SPANS,
        },
        "standard_attributes": attributes(STANDARD_ATTRIBUTES),
        "event_attributes": attributes(EVENT_ATTRIBUTES),
        "metrics": METRICS.iter().map(|row| metric(row)).collect::<Vec<_>>(),
        "events": EVENTS.iter().map(|row| event(row)).collect::<Vec<_>>(),
        "spans": SPANS.iter().map(|row| span(row)).collect::<Vec<_>>(),
    })
}

fn metric(metric: &Metric) -> Value {
    json!({
        "name": metric.name,
        "unit": metric.unit,
        "description": metric.description,
        "attributes": attributes(metric.attributes),
    })
}

fn event(event: &Event) -> Value {
    json!({
        "name": event.name,
        "body": event.body,
        "description": event.description,
        "variable": event.gate.map(Gate::variable),
        "attributes": attributes(event.attributes),
    })
}

fn span(span: &Span) -> Value {
    json!({
        "name": span.name,
        "span_type": span.span_type,
        "description": span.description,
        "error": span.error,
        "attributes": attributes(span.attributes),
        "events": span.events.iter().map(|row| span_event(row)).collect::<Vec<_>>(),
    })
}

fn span_event(event: &SpanEvent) -> Value {
    json!({
        "name": event.name,
        "description": event.description,
        "attributes": attributes(event.attributes),
    })
}

fn attributes(attributes: &[Attribute]) -> Vec<Value> {
    let attribute = |attribute: &Attribute| {
        json!({
            "name": attribute.name,
            "type": attribute.kind.name(),
            "description": attribute.description,
            "values": attribute.values,
            "conditional": attribute.conditional,
            "variable": attribute.gate.map(Gate::variable),
            "redacted": attribute.redacted,
        })
    };
    attributes.iter().map(attribute).collect()
}
