//! The data points of metrics from the SDK, in the types of OTLP.

use std::collections::VecDeque;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, ScopeMetrics, Sum,
};

/// Evaluates an expression with the data points of a metric, whatever their type.
macro_rules! with_points {
    ($data:expr, |$points:ident| $value:expr) => {
        match $data {
            Some(Data::Gauge(Gauge {
                data_points: $points,
            })) => $value,
            Some(Data::Sum(Sum {
                data_points: $points,
                ..
            })) => $value,
            Some(Data::Histogram(Histogram {
                data_points: $points,
                ..
            })) => $value,
            Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points: $points,
                ..
            })) => $value,
            // The SDK has no other type of metric.
            _ => Default::default(),
        }
    };
}

/// Returns the number of data points.
pub(super) fn count_points(metrics: &[ScopeMetrics]) -> usize {
    let metrics = metrics.iter().flat_map(|scope| &scope.metrics);
    metrics
        .map(|metric| with_points!(&metric.data, |points| points.len()))
        .sum()
}

/// Splits the first metrics in half: by scope, by metric, or by data point. Returns false if there is only one data
/// point.
pub(super) fn split_first(all: &mut VecDeque<Vec<ScopeMetrics>>) -> bool {
    let Some(first) = all.front_mut().filter(|first| count_points(first) > 1) else {
        return false;
    };
    let mut rest = first.split_off(first.len() / 2);
    if let ([], [scope]) = (&first[..], &mut rest[..]) {
        let mut metrics = std::mem::take(&mut scope.metrics);
        scope.metrics = metrics.split_off(metrics.len() / 2);
        if let ([], [metric]) = (&metrics[..], &mut scope.metrics[..]) {
            let mut half = metric.clone();
            let middle = with_points!(&half.data, |points| points.len() / 2);
            with_points!(&mut half.data, |points| points.truncate(middle));
            with_points!(&mut metric.data, |points| drop(points.drain(..middle)));
            metrics.push(half);
        }
        first.push(ScopeMetrics {
            scope: scope.scope.clone(),
            schema_url: scope.schema_url.clone(),
            metrics,
        });
    }
    all.insert(1, rest);
    true
}
