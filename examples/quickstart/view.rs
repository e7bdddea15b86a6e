//! The display of the data that the receiver decoded.

use std::net::SocketAddr;

use claude_code_telemetry::{Report, Warning};

use crate::decoded::{Attribute, Decoded, Event, SeriesTotal};
use crate::page::{Page, Text, Tone, wrap};

/// Attributes of events that are omitted from the timeline for clarity.
const OMITTED: [&str; 12] = [
    "event.timestamp",
    "event.sequence",
    "workspace.host_paths",
    "tool_use_id",
    "cache_read_tokens",
    "cache_creation_tokens",
    "speed",
    "query_source",
    "tool_result_size_bytes",
    "decision_source",
    "decision_type",
    "marketplace.is_official",
];

/// The maximum length of a displayed value, in characters.
const MAX_CHARACTERS: usize = 64;

pub(crate) fn header(page: &mut Page, address: SocketAddr, decoded: &Decoded) {
    page.line(Text::new().add(Tone::Strong, "claude-code-telemetry quickstart"));
    page.paragraph(
        Tone::Plain,
        0,
        &format!(
            "An agent fixed a test. Its telemetry went to a receiver in this process, at {address}, \
             in {} requests of OTLP over gRPC. This is what the receiver decoded.",
            decoded.requests
        ),
    );
    page.blank();
    for (title, attributes) in [
        ("Resource", &decoded.resource),
        ("On all", &decoded.standard),
    ] {
        let title = Text::new().add(Tone::Strong, title).pad(10);
        hanging(page, title, attributes);
    }
}

pub(crate) fn destination<'a>(
    page: &mut Page,
    endpoint: &str,
    facts: impl Iterator<Item = &'a str>,
) {
    page.line(Text::new().add(Tone::Strong, "claude-code-telemetry quickstart"));
    page.paragraph(
        Tone::Plain,
        0,
        &format!(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set. An agent fixes a test, and its telemetry goes to {endpoint}, \
             as the environment configures it."
        ),
    );
    for fact in facts {
        page.paragraph(Tone::Faint, 2, fact);
    }
}

pub(crate) fn warnings(page: &mut Page, warnings: &[Warning]) {
    if !warnings.is_empty() {
        page.heading("Warnings", "about the configuration");
    }
    for warning in warnings {
        page.paragraph(Tone::Bad, 2, &warning.to_string());
    }
}

/// Shows a table with names and attributes on the left, values and units on the right.
pub(crate) fn metrics(page: &mut Page, points: &[SeriesTotal]) {
    let groups: Vec<&[SeriesTotal]> = points.chunk_by(|a, b| a.metric == b.metric).collect();
    page.heading(
        "Metrics",
        &format!("{} series of {} metrics", points.len(), groups.len()),
    );
    let rows: Vec<(Vec<Text>, Option<&SeriesTotal>)> =
        groups.into_iter().flat_map(rows_of_metric).collect();
    let figures = points.iter().map(|point| figure(point.value).len());
    let figure_width = figures.max().unwrap_or_default();
    let units = points.iter().map(|point| point.unit.len());
    let right = figure_width + 1 + units.max().unwrap_or_default();
    let room = page.width.saturating_sub(right + 4);
    let widest = rows.iter().flat_map(|(words, _)| wrap(words.clone(), room));
    let left = widest.map(|line| line.width()).max().unwrap_or_default();

    for (words, point) in rows {
        for (n, line) in wrap(words, room).into_iter().enumerate() {
            let mut line = match n {
                0 => Text::new().pad(2).append(line),
                _ => Text::new().pad(8).append(line),
            };
            if let (0, Some(point)) = (n, point) {
                let value = figure(point.value);
                line = line
                    .pad(left + 4)
                    .add(Tone::Strong, format!("{value:>figure_width$}"))
                    .add(Tone::Faint, format!(" {}", point.unit));
            }
            page.line(line);
        }
    }
}

/// Returns one row for a metric with one series. For other metrics, returns a row with the name and one for each
/// series.
fn rows_of_metric(points: &[SeriesTotal]) -> Vec<(Vec<Text>, Option<&SeriesTotal>)> {
    let Some(first) = points.first() else {
        return Vec::new();
    };
    let name = Text::new().add(Tone::Name, &first.metric);
    let words = |point: &SeriesTotal| -> Vec<Text> { point.attributes.iter().map(word).collect() };
    if points.len() == 1 {
        let row = std::iter::once(name).chain(words(first)).collect();
        return vec![(row, Some(first))];
    }
    let last = points.len() - 1;
    let series = points.iter().enumerate().map(|(n, point)| {
        let branch = if n == last { "└ " } else { "├ " };
        let mut words = words(point);
        // The attributes are aligned in columns, because all series of a metric have the same keys.
        for (column, word) in words
            .iter_mut()
            .enumerate()
            .take(point.attributes.len().saturating_sub(1))
        {
            let widths = points.iter().filter_map(|it| it.attributes.get(column));
            let width = widths.map(word_width).max().unwrap_or_default();
            *word = std::mem::take(word).pad(width);
        }
        if let Some(first) = words.first_mut() {
            *first = Text::new()
                .add(Tone::Faint, branch)
                .append(std::mem::take(first));
        }
        (words, Some(point))
    });
    std::iter::once((vec![name], None)).chain(series).collect()
}

/// Shows a timeline: the time, the name and the relevant attributes of each event. A bar joins the events of one
/// prompt.
pub(crate) fn events(page: &mut Page, events: &[Event]) {
    page.heading(
        "Events",
        &format!(
            "{} log records; a bar joins those of one prompt",
            events.len()
        ),
    );
    let start = events.first().map_or(0, |event| event.nanoseconds);
    let names = events.iter().map(|event| event.name.len());
    let name_width = names.max().unwrap_or_default();
    for (n, event) in events.iter().enumerate() {
        let neighbor = |other: Option<&Event>| other.is_some_and(|it| it.prompt == event.prompt);
        let before = n.checked_sub(1).and_then(|n| events.get(n));
        let bar = match (neighbor(before), neighbor(events.get(n + 1))) {
            _ if event.prompt.is_none() => " ",
            (false, true) => "┌",
            (true, true) => "│",
            (true, false) => "└",
            (false, false) => "╶",
        };
        let offset = event.nanoseconds.saturating_sub(start) / 1_000_000;
        let tone = if failed(event) { Tone::Bad } else { Tone::Name };
        let lead = Text::new()
            .add(Tone::Faint, format!("{:>7} ms ", format!("+{offset}")))
            .add(Tone::Faint, format!("{bar} "))
            .add(tone, &event.name)
            .pad(name_width + 15);
        let shown: Vec<_> = event
            .attributes
            .iter()
            .filter(|(key, _)| !OMITTED.contains(&key.as_str()))
            .cloned()
            .collect();
        hanging(page, lead, &shown);
    }
}

fn failed(event: &Event) -> bool {
    let says =
        |key: &str, value: &str| event.attributes.iter().any(|(k, v)| k == key && v == value);
    event.name == "api_error" || says("success", "false") || says("decision", "reject")
}

/// Shows the report of the library.
pub(crate) fn delivery(page: &mut Page, report: &Report) {
    page.heading("Delivery", "the report of Telemetry::shutdown()");
    for line in report.to_string().lines() {
        page.paragraph(Tone::Plain, 2, line);
    }
}

pub(crate) fn hints(page: &mut Page) {
    for (what, variables) in [
        (
            "With prompts and tool input, which are off by default:",
            "OTEL_LOG_USER_PROMPTS=1 OTEL_LOG_TOOL_DETAILS=1",
        ),
        (
            "To a collector:",
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317",
        ),
    ] {
        page.blank();
        page.line(Text::new().add(Tone::Faint, what));
        page.line(Text::new().add(
            Tone::Plain,
            format!("{variables} cargo run --example quickstart"),
        ));
    }
}

/// Shows attributes beside a lead, wrapped to the remaining width, or below it if there is too little room.
fn hanging(page: &mut Page, lead: Text, attributes: &[Attribute]) {
    let beside = page.width.saturating_sub(lead.width());
    let (indent, mut lead) = if beside >= 28 {
        (lead.width(), Some(lead))
    } else {
        page.line(lead);
        (4, None)
    };
    let room = page.width.saturating_sub(indent);
    for line in wrap(attributes.iter().map(word), room) {
        let start = lead.take().unwrap_or_else(|| Text::new().pad(indent));
        page.line(start.append(line));
    }
}

pub(crate) fn word((key, value): &Attribute) -> Text {
    let value = if value.chars().count() > MAX_CHARACTERS {
        value
            .chars()
            .take(MAX_CHARACTERS - 1)
            .chain(['…'])
            .collect()
    } else {
        value.clone()
    };
    Text::new()
        .add(Tone::Faint, format!("{key}="))
        .add(Tone::Plain, value)
}

fn word_width(attribute: &Attribute) -> usize {
    word(attribute).width()
}

/// Formats a number: `12,345` with separators if it is whole, otherwise with four decimals, such as `0.0123`.
pub(crate) fn figure(value: f64) -> String {
    if value.fract() != 0.0 {
        return format!("{value:.4}");
    }
    let digits = format!("{value:.0}");
    let mut figure = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            figure.push(',');
        }
        figure.push(digit);
    }
    figure
}
