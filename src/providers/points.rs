//! The data points of metrics from the SDK, in the types of OTLP.

use std::collections::VecDeque;

use opentelemetry_proto::tonic::metrics::v1::ScopeMetrics;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

/// Evaluates an expression with the data of a metric, whatever its type.
macro_rules! with_data {
    ($data:expr, |$metric:ident| $value:expr) => {
        match $data {
            Some(Data::Gauge($metric)) => $value,
            Some(Data::Sum($metric)) => $value,
            Some(Data::Histogram($metric)) => $value,
            Some(Data::ExponentialHistogram($metric)) => $value,
            // The SDK has no other type of metric.
            _ => Default::default(),
        }
    };
}

/// Returns the number of data points.
pub(super) fn count_points(metrics: &[ScopeMetrics]) -> usize {
    let metrics = metrics.iter().flat_map(|scope| &scope.metrics);
    metrics
        .map(|metric| with_data!(&metric.data, |data| data.data_points.len()))
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
            let middle = with_data!(&half.data, |data| data.data_points.len() / 2);
            with_data!(&mut half.data, |data| data.data_points.truncate(middle));
            with_data!(&mut metric.data, |data| drop(
                data.data_points.drain(..middle)
            ));
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
