//! The display of spans: a tree with durations and a time bar.

use crate::decoded::Span;
use crate::page::{Page, Text, Tone, wrap};
use crate::view::{figure, word};

/// The attributes that describe a span's work.
const SHOWN: [&str; 11] = [
    "user_prompt",
    "model",
    "attempt",
    "tool_name",
    "full_command",
    "file_path",
    "subagent_type",
    "hook_name",
    "decision",
    "source",
    "error",
];

/// The minimum and maximum width of a bar, in characters.
const MIN_BAR: usize = 12;
const MAX_BAR: usize = 36;

/// A row of the tree.
struct Row<'a> {
    /// The branch lines to the left of the name, and those that continue below it.
    branch: String,
    below: String,
    span: &'a Span,
    /// The root span of the trace, over whose duration the bar is drawn.
    root: &'a Span,
}

/// Shows a tree of names, with the duration and a time bar for each span.
pub(crate) fn traces(page: &mut Page, spans: &[Span]) {
    let mut rows = Vec::new();
    let roots: Vec<_> = spans.iter().filter(|span| is_root(span, spans)).collect();
    for root in &roots {
        add(&mut rows, spans, root, root, "", "", "");
    }
    page.heading(
        "Traces",
        &format!(
            "{} spans in {} tree{}; a bar shows start and end",
            spans.len(),
            roots.len(),
            if roots.len() == 1 { "" } else { "s" }
        ),
    );

    let durations: Vec<_> = rows.iter().map(|row| milliseconds(row.span)).collect();
    let figure_width = durations.iter().map(String::len).max().unwrap_or_default();
    // Two blanks, the duration, ` ms`, two blanks, the bar.
    let right = 2 + figure_width + 3 + 2;
    let room = page.width.saturating_sub(right + MIN_BAR);
    let lines = |row: &Row<'_>| {
        let indent = row.branch.chars().count();
        wrap(words(row.span), room.saturating_sub(indent + 2))
    };
    let widths = rows.iter().flat_map(|row| {
        let indent = row.branch.chars().count() + 2;
        lines(row)
            .into_iter()
            .map(move |line| indent + line.width())
    });
    let left = widths.max().unwrap_or_default();
    let bar_width = page
        .width
        .saturating_sub(left + right)
        .clamp(MIN_BAR, MAX_BAR);
    for (row, duration) in rows.iter().zip(&durations) {
        for (n, line) in lines(row).into_iter().enumerate() {
            let branch = if n == 0 { &row.branch } else { &row.below };
            let mut line = Text::new().pad(2).add(Tone::Faint, branch).append(line);
            if n == 0 {
                line = line
                    .pad(left + 2)
                    .add(Tone::Strong, format!("{duration:>figure_width$}"))
                    .add(Tone::Faint, " ms  ")
                    .append(bar(row, bar_width));
            }
            page.line(line);
        }
    }
}

/// Returns true if the parent of the span is missing.
fn is_root(span: &Span, spans: &[Span]) -> bool {
    !spans.iter().any(|parent| span.is_child_of(parent))
}

/// Adds the rows of a span and of all its descendants. `before` holds the lines of the ancestors, `branch`
/// the line that leads to the name of the span, and `below` its continuation in the rows below.
fn add<'a>(
    rows: &mut Vec<Row<'a>>,
    spans: &'a [Span],
    root: &'a Span,
    span: &'a Span,
    before: &str,
    branch: &str,
    below: &str,
) {
    let children: Vec<_> = spans
        .iter()
        .filter(|child| child.is_child_of(span))
        .collect();
    let stem = if children.is_empty() { "  " } else { "│ " };
    rows.push(Row {
        branch: format!("{before}{branch}"),
        below: format!("{before}{below}{stem}"),
        span,
        root,
    });
    let before = format!("{before}{below}");
    for (n, child) in children.iter().enumerate() {
        let (branch, below) = if n + 1 == children.len() {
            ("└ ", "  ")
        } else {
            ("├ ", "│ ")
        };
        add(rows, spans, root, child, &before, branch, below);
    }
}

/// Returns the name without the common prefix, and the attributes that describe the span.
fn words(span: &Span) -> Vec<Text> {
    let name = span.name.strip_prefix("claude_code.").unwrap_or(&span.name);
    let tone = if span.failed { Tone::Bad } else { Tone::Name };
    let about = span.attributes.iter().filter(|(key, value)| {
        let is_only_attempt = key == "attempt" && value == "1";
        SHOWN.contains(&key.as_str()) && !is_only_attempt
    });
    std::iter::once(Text::new().add(tone, name))
        .chain(about.map(word))
        .collect()
}

fn milliseconds(span: &Span) -> String {
    let nanoseconds = span.end.saturating_sub(span.start);
    figure((nanoseconds / 1_000_000) as f64)
}

/// Returns a bar that shows start and end of the span relative to the root span.
fn bar(row: &Row<'_>, width: usize) -> Text {
    let whole = row.root.end.saturating_sub(row.root.start).max(1) as f64;
    let column = |time: u64| {
        let part = time.saturating_sub(row.root.start) as f64 / whole;
        ((part * width as f64).round() as usize).min(width)
    };
    let start = column(row.span.start).min(width - 1);
    let length = column(row.span.end).saturating_sub(start).max(1);
    let tone = if row.span.failed {
        Tone::Bad
    } else {
        Tone::Name
    };
    // A span shorter than one character is shown as a thin line.
    let thin = column(row.span.end) <= start;
    let mark = if thin { "▏" } else { "█" };
    Text::new().pad(start).add(tone, mark.repeat(length))
}
