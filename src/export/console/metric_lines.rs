//! The lines of metrics, one for each data point.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint, Metric,
    NumberDataPoint,
};
use serde_json::Value;

use super::object::{Member, Members, Object, double, host_scope, object, write_line};
use crate::clock::iso8601;
use crate::schema::scope;

pub(super) fn metric_lines(request: &ExportMetricsServiceRequest) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &request.resource_metrics {
        for metrics in &group.scope_metrics {
            for metric in &metrics.metrics {
                for point in points(metric) {
                    let scope = host_scope(metrics.scope.as_ref(), scope::METRICS);
                    let line = point.line(metric, scope.is_some());
                    write_line(&mut out, line, scope, group.resource.as_ref());
                }
            }
        }
    }
    out
}

/// A data point of any type of metric.
struct Point<'a> {
    /// The type of the metric. The library's own metrics are all monotonic sums, so their lines do not contain it.
    kind: Members<'a>,
    values: Members<'a>,
    /// The temporality, unless the metric is a gauge.
    temporality: Option<AggregationTemporality>,
    start: u64,
    time: u64,
    attributes: &'a [KeyValue],
}

impl<'a> Point<'a> {
    fn line(self, metric: &'a Metric, is_host: bool) -> Members<'a> {
        let mut line = vec![
            ("signal", "metrics".into()),
            ("time", iso8601(self.time).into()),
            ("name", metric.name.as_str().into()),
        ];
        if is_host {
            line.extend(self.kind);
        }
        line.extend(self.values);
        line.push(("unit", metric.unit.as_str().into()));
        if let Some(temporality) = self.temporality {
            let temporality = match temporality {
                AggregationTemporality::Cumulative => "cumulative",
                _ => "delta",
            };
            line.push(("temporality", temporality.into()));
            line.push(("start", iso8601(self.start).into()));
        }
        line.push(("attributes", object(self.attributes)));
        line
    }
}

/// Returns the points of metric data of any type: these have the same fields except for the values.
macro_rules! points {
    ($data:expr, $temporality:expr, $kind:expr, $values:expr) => {
        $data
            .data_points
            .iter()
            .map(|point| Point {
                kind: $kind,
                values: $values(point),
                temporality: $temporality,
                start: point.start_time_unix_nano,
                time: point.time_unix_nano,
                attributes: &point.attributes,
            })
            .collect()
    };
}

fn points(metric: &Metric) -> Vec<Point<'_>> {
    let kind = |name: &'static str| vec![("type", name.into())];
    match &metric.data {
        Some(Data::Gauge(data)) => points!(data, None, kind("gauge"), number),
        Some(Data::Sum(data)) => {
            let temporality = Some(data.aggregation_temporality());
            let kind = || {
                vec![
                    ("type", "sum".into()),
                    ("monotonic", data.is_monotonic.into()),
                ]
            };
            points!(data, temporality, kind(), number)
        }
        Some(Data::Histogram(data)) => {
            let temporality = Some(data.aggregation_temporality());
            points!(data, temporality, kind("histogram"), histogram)
        }
        Some(Data::ExponentialHistogram(data)) => {
            let temporality = Some(data.aggregation_temporality());
            points!(
                data,
                temporality,
                kind("exponential_histogram"),
                exponential
            )
        }
        // The SDK has no other type of metric.
        _ => Vec::new(),
    }
}

fn number(point: &NumberDataPoint) -> Members<'_> {
    let value = match point.value {
        Some(Number::AsDouble(value)) => double(value),
        Some(Number::AsInt(value)) => value.into(),
        None => Value::Null.into(),
    };
    vec![("value", value)]
}

fn histogram(point: &HistogramDataPoint) -> Members<'_> {
    let mut values = summary(point.count, point.sum, point.min, point.max);
    let bounds = point.explicit_bounds.iter().map(|bound| double(*bound));
    values.push(("explicit_bounds", bounds.collect()));
    values.push(("bucket_counts", counts(&point.bucket_counts)));
    values
}

fn exponential(point: &ExponentialHistogramDataPoint) -> Members<'_> {
    let mut values = summary(point.count, point.sum, point.min, point.max);
    values.push(("scale", point.scale.into()));
    values.push(("zero_count", point.zero_count.into()));
    values.push(("zero_threshold", double(point.zero_threshold)));
    for (name, found) in [("positive", &point.positive), ("negative", &point.negative)] {
        values.extend(found.as_ref().map(|found| (name, buckets(found))));
    }
    values
}

/// Returns what both types of histograms have.
fn summary<'a>(count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> Members<'a> {
    let mut values = vec![("count", count.into())];
    for (name, value) in [("sum", sum), ("min", min), ("max", max)] {
        values.extend(value.map(|value| (name, double(value))));
    }
    values
}

fn buckets(buckets: &Buckets) -> Member<'_> {
    Member::Object(Object(vec![
        ("offset", buckets.offset.into()),
        ("bucket_counts", counts(&buckets.bucket_counts)),
    ]))
}

fn counts<'a>(counts: &[u64]) -> Member<'a> {
    counts.iter().map(|count| (*count).into()).collect()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::metrics::v1::{
        ExponentialHistogram, ResourceMetrics, ScopeMetrics,
    };

    use super::*;

    #[test]
    fn exponential_histogram_has_its_buckets() {
        let point = ExponentialHistogramDataPoint {
            time_unix_nano: 1_500_000_000,
            count: 3,
            sum: Some(2.5),
            min: Some(0.0),
            scale: 4,
            zero_count: 1,
            positive: Some(Buckets {
                offset: -2,
                bucket_counts: vec![2, 0],
            }),
            ..ExponentialHistogramDataPoint::default()
        };
        let metric = Metric {
            name: "cache.time".to_owned(),
            unit: "s".to_owned(),
            data: Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![point],
                aggregation_temporality: AggregationTemporality::Cumulative.into(),
            })),
            ..Metric::default()
        };
        let scope = InstrumentationScope {
            name: "my-agent".to_owned(),
            version: "9".to_owned(),
            ..InstrumentationScope::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(scope),
                    metrics: vec![metric],
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        };
        let line = String::from_utf8(metric_lines(&request)).unwrap();
        let expected = concat!(
            r#"{"signal":"metrics","time":"1970-01-01T00:00:01.500Z","name":"cache.time","#,
            r#""type":"exponential_histogram","count":3,"sum":2.5,"min":0.0,"scale":4,"zero_count":1,"#,
            r#""zero_threshold":0.0,"positive":{"offset":-2,"bucket_counts":[2,0]},"unit":"s","#,
            r#""temporality":"cumulative","start":"1970-01-01T00:00:00.000Z","attributes":{},"#,
            r#""scope":{"name":"my-agent","version":"9"},"resource":{}}"#,
            "\n",
        );
        assert_eq!(line, expected);
    }
}
