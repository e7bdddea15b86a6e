//! The text of the page, in the text format of Prometheus.

use std::sync::Arc;

use bytes::Bytes;
use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, MetricFamily, MetricType};

use super::labels::{self, name};
use crate::metrics::Sample;
use crate::schema::Metric;
use crate::session_attributes::CustomAttributes;

/// The most series that are encoded at the same time. A page of many series needs little more memory than its text.
const AT_ONCE: usize = 4_096;

/// The media type of the text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric of the encoder: one series with its labels and its value.
type Row = prometheus::proto::Metric;

/// Renders the page of these series, which are in the order of the catalog. `target_info` shows the resource attributes.
pub(super) fn render(shown: &[Sample], resource: &[(String, String)]) -> Result<Bytes, String> {
    let mut page = String::new();
    let resource = resource
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let mut info = Row::from_label(pairs(labels::labels(resource)));
    let mut value = Gauge::default();
    value.set_value(1.0);
    info.set_gauge(value);
    let info = family(
        "target_info",
        "Target metadata",
        MetricType::GAUGE,
        vec![info],
    );
    encode(info, &mut page)?;
    for series in shown.chunk_by(|one, next| metric(one).name == metric(next).name) {
        let Some(metric) = series.first().map(metric) else {
            continue;
        };
        let mut custom = Custom::default();
        let name = total(metric.name);
        let counter = |samples| family(&name, metric.description, MetricType::COUNTER, samples);
        if has_different_custom_attributes(series) {
            let samples = series
                .iter()
                .map(|shown| sample(shown, metric, &mut custom))
                .collect();
            encode(counter(merged(samples)), &mut page)?;
            continue;
        }
        for (number, part) in series.chunks(AT_ONCE).enumerate() {
            let samples = part.iter().map(|shown| sample(shown, metric, &mut custom));
            let mut text = String::new();
            encode(counter(samples.collect()), &mut text)?;
            page.push_str(if number == 0 {
                &text
            } else {
                without_header(&text)
            });
        }
    }
    Ok(page.into())
}

/// Returns true if the configuration changed while series of both stay on the page. Custom attributes that differ may
/// have the same labels.
fn has_different_custom_attributes(series: &[Sample]) -> bool {
    let mut pairs = series.iter().zip(series.iter().skip(1));
    pairs.any(|(one, next)| {
        !Arc::ptr_eq(&one.counter.standard.custom, &next.counter.standard.custom)
    })
}

/// Adds up samples with equal labels: the text format allows each set of labels once.
fn merged(mut samples: Vec<Row>) -> Vec<Row> {
    let labels = |sample: &Row| -> Vec<(String, String)> {
        let pairs = sample.get_label().iter();
        pairs
            .map(|pair| (pair.name().to_owned(), pair.value().to_owned()))
            .collect()
    };
    samples.sort_by_cached_key(labels);
    samples.dedup_by(|next, one| {
        let same = next.get_label() == one.get_label();
        if same {
            let mut value = Counter::default();
            value.set_value(one.get_counter().get_value() + next.get_counter().get_value());
            one.set_counter(value);
        }
        same
    });
    samples
}

fn metric(shown: &Sample) -> &'static Metric {
    shown.counter.series.metric()
}

/// Returns the name of a counter: without a unit and with one `_total`, as published dashboards query it.
fn total(metric: &str) -> String {
    let name = name(metric);
    match name.ends_with("_total") {
        true => name,
        false => name + "_total",
    }
}

fn family(name: &str, help: &str, kind: MetricType, samples: Vec<Row>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(samples);
    family
}

fn encode(family: MetricFamily, text: &mut String) -> Result<(), String> {
    TextEncoder::new()
        .encode_utf8(&[family], text)
        .map_err(|error| error.to_string())
}

/// Returns the text of a family without its header, which precedes the first part of the family already.
fn without_header(mut text: &str) -> &str {
    while text.starts_with('#') {
        text = text.split_once('\n').map_or("", |(_, rest)| rest);
    }
    text
}

/// The custom labels of a metric. All sessions share them, so they are converted once.
#[derive(Default)]
struct Custom {
    of: Option<CustomAttributes>,
    labels: Vec<LabelPair>,
}

fn sample(shown: &Sample, metric: &Metric, custom: &mut Custom) -> Row {
    let standard = &shown.counter.standard;
    let known = |of: &CustomAttributes| Arc::ptr_eq(of, &standard.custom);
    if !custom.of.as_ref().is_some_and(known) {
        let attributes = standard
            .custom
            .iter()
            .map(|(key, value)| (&**key, &**value));
        custom.labels = pairs(labels::custom(attributes, metric));
        custom.of = Some(Arc::clone(&standard.custom));
    }
    let standard = standard
        .attributes
        .iter()
        .map(|(key, value)| (*key, &**value));
    let own = standard.chain(shown.counter.series.attributes());
    let own = own.map(|(key, value)| pair(name(key), value.to_owned()));
    let mut labels: Vec<_> = own.chain(custom.labels.iter().cloned()).collect();
    labels.sort_unstable_by(|one, next| one.name().cmp(next.name()));
    let mut sample = Row::from_label(labels);
    let mut value = Counter::default();
    value.set_value(shown.value);
    sample.set_counter(value);
    sample
}

fn pairs(labels: Vec<(String, String)>) -> Vec<LabelPair> {
    let pairs = labels.into_iter();
    pairs.map(|(name, value)| pair(name, value)).collect()
}

fn pair(name: String, value: String) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name);
    pair.set_value(value);
    pair
}
