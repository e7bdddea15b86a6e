//! The text form of all emitted items, for people to read and for tests to compare.

use std::collections::HashSet;
use std::fmt::Write;

use super::attributes::Attributes;
use super::emitted::Emitted;
use super::items::Span;
use super::store::Store;

/// Returns all items as text. The results of `writeln!` are ignored, because writing to a `String` cannot fail.
pub(super) fn dump(store: &Store) -> String {
    let mut out = String::new();
    out.push_str("metrics\n");
    for metric in &store.metrics() {
        let _ = writeln!(out, "  {} = {} {}", metric.name, metric.total, metric.unit);
        attributes(&mut out, 2, &metric.attributes);
    }
    out.push_str("events\n");
    for event in &store.events() {
        let _ = writeln!(out, "  {}", event.name);
        attributes(&mut out, 2, &event.attributes);
    }
    out.push_str("spans\n");
    let mut spans = store.spans();
    spans
        .items
        .sort_by(|a, b| (a.start, &a.trace_id, &a.id).cmp(&(b.start, &b.trace_id, &b.id)));
    let ids: HashSet<_> = spans.iter().map(|span| &span.id).collect();
    for root in &spans {
        // A span is shown as a root if its parent belongs to another process, or has not ended.
        if root.parent.as_ref().is_none_or(|id| !ids.contains(id)) {
            tree(&mut out, 1, root, &spans);
        }
    }
    out
}

/// Writes a span and its descendants.
fn tree(out: &mut String, depth: usize, span: &Span, all: &Emitted<Span>) {
    let indent = "  ".repeat(depth);
    let _ = write!(
        out,
        "{indent}{} ({} ms)",
        span.name,
        span.duration.as_millis()
    );
    if let Some(error) = &span.error {
        let _ = write!(out, " failed: {error:?}");
    }
    out.push('\n');
    attributes(out, depth + 1, &span.attributes);
    for event in &span.events {
        let _ = writeln!(out, "{indent}  * {}", event.name);
        attributes(out, depth + 2, &event.attributes);
    }
    for child in &all.children_of(span) {
        tree(out, depth + 1, child, all);
    }
}

fn attributes(out: &mut String, depth: usize, attributes: &Attributes) {
    let indent = "  ".repeat(depth);
    for (key, value) in attributes.iter() {
        let _ = writeln!(out, "{indent}{key} = {value}");
    }
}
