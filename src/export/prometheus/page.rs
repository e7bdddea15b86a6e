//! The text of the page, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;

use super::labels::{self, name};
use crate::metrics::Sample;
use crate::schema::Metric;

/// The media type of the text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Renders the page of these series, which are in the order of the catalog. `target_info` shows the resource
/// attributes. The results of `write!` are ignored, because writing to a `String` cannot fail.
pub(super) fn render(samples: &[Sample], resource: &[(String, String)]) -> Bytes {
    let resource = resource
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let mut target = String::new();
    push_labels(&mut target, &labels::labels(resource));
    let mut page = format!(
        "# HELP target_info Target metadata\n# TYPE target_info gauge\ntarget_info{{{target}}} 1\n"
    );
    for samples in samples.chunk_by(|one, next| metric(one).name == metric(next).name) {
        let metric = metric(&samples[0]);
        let (name, help) = (total(metric.name), metric.description);
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} counter");
        // The format allows each set of labels once, and custom attributes of several configurations can have the same
        // labels.
        let mut rows: BTreeMap<String, f64> = BTreeMap::new();
        // Usually all series of a metric share their custom attributes, which are then converted once.
        for samples in samples.chunk_by(has_same_custom) {
            let attributes = samples[0].counter.standard.custom.iter();
            let attributes = attributes.map(|(key, value)| (&**key, &**value));
            let custom = labels::custom(attributes, metric);
            for sample in samples {
                let mut row = String::new();
                push_labels(&mut row, &own_labels(sample));
                push_labels(&mut row, &custom);
                *rows.entry(row).or_default() += sample.value;
            }
        }
        for (labels, value) in rows {
            let _ = writeln!(page, "{name}{{{labels}}} {value}");
        }
    }
    page.into()
}

fn metric(sample: &Sample) -> &'static Metric {
    sample.counter.series.metric()
}

fn has_same_custom(one: &Sample, next: &Sample) -> bool {
    Arc::ptr_eq(&one.counter.standard.custom, &next.counter.standard.custom)
}

/// Returns the name of a counter: without a unit and with one `_total`, as published dashboards query it.
fn total(metric: &str) -> String {
    let name = name(metric);
    match name.ends_with("_total") {
        true => name,
        false => name + "_total",
    }
}

/// Returns the labels of the standard attributes and of the metric's own attributes.
fn own_labels(sample: &Sample) -> Vec<(String, &str)> {
    let standard = sample.counter.standard.standard();
    let own = standard.chain(sample.counter.series.attributes());
    own.map(|(key, value)| (name(key), value)).collect()
}

/// Appends labels to the list of a row.
fn push_labels(row: &mut String, labels: &[(String, impl AsRef<str>)]) {
    for (name, value) in labels {
        let separator = if row.is_empty() { "" } else { "," };
        let _ = write!(row, "{separator}{name}=\"");
        for character in value.as_ref().chars() {
            match character {
                '\\' => row.push_str("\\\\"),
                '"' => row.push_str("\\\""),
                '\n' => row.push_str("\\n"),
                _ => row.push(character),
            }
        }
        row.push('"');
    }
}
