//! The text of the page.
//!
//! The page is rendered by `opentelemetry-prometheus` from observable counters over the series of the registry. A
//! provider of the SDK lives only as long as it takes to render some thousand series. Therefore no state is kept
//! between two pages, a page of many series needs little more memory than its text, and no global state is touched. The
//! limit on series is the number of existing series, because the SDK would fold the series beyond its own limit into
//! one overflow series.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_prometheus::ExporterBuilder;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::proto::MetricType;
use prometheus::{Registry, TextEncoder};

use super::labels;
use crate::catalog::{METRICS, Metric, scope};
use crate::metrics::Shown;

/// The most series that are rendered at the same time.
const AT_ONCE: usize = 4_096;

/// The media type of the text format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Builds the resource whose attributes `target_info` shows.
pub(super) fn resource(attributes: &[(String, String)]) -> Resource {
    let attributes = attributes
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let labels = labels::labels(attributes).into_iter();
    // The empty builder does not read the environment, which only the configuration reads.
    Resource::builder_empty()
        .with_attributes(labels.map(|(key, value)| KeyValue::new(key, value)))
        .build()
}

/// Renders the page of these series, which are in the order of the catalog.
pub(super) fn render(shown: &Arc<Vec<Shown>>, resource: &Resource) -> Result<Bytes, String> {
    let mut page = families(exporter(), resource.clone(), None)?;
    for (metric, series) in parts(shown) {
        for from in series.clone().step_by(AT_ONCE) {
            let part = Part {
                metric,
                shown: Arc::clone(shown),
                series: from..series.end.min(from + AT_ONCE),
            };
            let bare = exporter().without_target_info();
            let text = families(bare, Resource::builder_empty().build(), Some(part))?;
            page.push_str(if from == series.start {
                &text
            } else {
                samples(&text)
            });
        }
    }
    Ok(page.into())
}

fn exporter() -> ExporterBuilder {
    opentelemetry_prometheus::exporter()
        .without_units()
        .without_counter_suffixes()
        .scope_info_enabled(false)
}

/// Some series of one metric.
struct Part {
    metric: &'static Metric,
    shown: Arc<Vec<Shown>>,
    series: Range<usize>,
}

/// Renders the export of one provider: some series of one metric, or only the resource.
fn families(
    exporter: ExporterBuilder,
    resource: Resource,
    part: Option<Part>,
) -> Result<String, String> {
    let registry = Registry::new();
    let exporter = exporter
        .with_registry(registry.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let limit = part.as_ref().map_or(1, |part| part.series.len());
    let provider = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(exporter)
        .with_view(move |_: &Instrument| {
            let stream = Stream::builder().with_cardinality_limit(limit);
            stream.build().ok()
        })
        .build();
    if let Some(part) = part {
        provider
            .meter(scope::METRICS)
            .f64_observable_counter(part.metric.name)
            .with_description(part.metric.description)
            .with_callback(move |observer| {
                let mut custom = Custom::default();
                for shown in &part.shown[part.series.clone()] {
                    observer.observe(shown.value, &attributes(shown, part.metric, &mut custom));
                }
            })
            .build();
    }
    let mut families = registry.gather();
    for family in &mut families {
        // The names that published dashboards query have no unit and one `_total`.
        if family.get_field_type() == MetricType::COUNTER && !family.name().ends_with("_total") {
            family.set_name(format!("{}_total", family.name()));
        }
    }
    let mut text = String::new();
    TextEncoder::new()
        .encode_utf8(&families, &mut text)
        .map_err(|error| error.to_string())?;
    Ok(text)
}

/// Returns the text of a family without its header, which precedes the first part of the family already.
fn samples(mut text: &str) -> &str {
    while text.starts_with('#') {
        text = text.split_once('\n').map_or("", |(_, rest)| rest);
    }
    text
}

/// Returns the metrics that have series, each with the range of its series.
fn parts(shown: &[Shown]) -> Vec<(&'static Metric, Range<usize>)> {
    let mut parts = Vec::new();
    let mut from = 0;
    for metric in METRICS {
        let of_metric = |shown: &Shown| shown.series().metric().name == metric.name;
        let count = shown[from..].partition_point(of_metric);
        if count > 0 {
            parts.push((*metric, from..from + count));
        }
        from += count;
    }
    parts
}

/// Custom attributes in the form in which the standard attributes contain them.
type Attributes = Arc<[(Arc<str>, Arc<str>)]>;

/// The custom labels of a metric. All sessions share them, so they are built once.
#[derive(Default)]
struct Custom {
    of: Option<Attributes>,
    labels: Vec<KeyValue>,
}

fn attributes(shown: &Shown, metric: &Metric, custom: &mut Custom) -> Vec<KeyValue> {
    let standard = shown.standard();
    if custom
        .of
        .as_ref()
        .is_none_or(|of| !Arc::ptr_eq(of, &standard.custom))
    {
        let attributes = standard
            .custom
            .iter()
            .map(|(key, value)| (&**key, &**value));
        custom.labels = labels::custom(attributes, metric)
            .into_iter()
            .map(|(key, value)| KeyValue::new(key, value))
            .collect();
        custom.of = Some(Arc::clone(&standard.custom));
    }
    let standard = standard.attributes.iter().map(|(key, value)| {
        KeyValue::new(Key::from_static_str(key), Value::from(Arc::clone(value)))
    });
    let own = shown.series().attributes();
    standard
        .chain(own.map(|(key, value)| KeyValue::new(key, value.to_owned())))
        .chain(custom.labels.iter().cloned())
        .collect()
}
