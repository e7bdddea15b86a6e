//! The source of the catalog's metrics for one exporter: samples of the counters, encoded as OTLP data points.

use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;

use super::{Batch, Source, split_last};
use crate::config::Temporality;
use crate::encode::SourceConfig;
use crate::encode::message::{ResourceAndScope, push_standard};
use crate::encode::protobuf::{Field, Writer};
use crate::health::QueueDepth;
use crate::metrics::{Registry, Sample};
use crate::record::Out;
use crate::schema::{Metric, scope};

/// The usual size of a data point, in bytes of protobuf.
const USUAL_POINT_BYTES: usize = 512;

/// A source that collects the counters of the registry for one exporter.
///
/// Only one collection is in progress at a time. It is cut into requests, and each request is delivered, or rejected
/// permanently, before the next collection begins. The next collection covers everything that was added in the
/// meantime. Therefore the points of a series are contiguous, and the measurements of an outage arrive in one point.
pub(crate) struct PushReader {
    /// The index of the reader in the registry.
    reader: usize,
    registry: Arc<Registry>,
    temporality: Temporality,
    resource_and_scope: ResourceAndScope,
    /// The samples of the current collection that are not acknowledged. Each batch is in the order of the catalog. The
    /// last batch is the current one.
    batches: Vec<Vec<Sample>>,
    /// The time of the last collection.
    time: u64,
    /// True from the beginning of a pass, in which the pipeline delivers everything recorded so far, until the
    /// collection of this pass.
    is_requested: bool,
    /// The number of points of the current collection that are not acknowledged.
    unacknowledged: Arc<QueueDepth>,
}

impl PushReader {
    pub(crate) fn new(reader: usize, registry: Arc<Registry>) -> Self {
        Self {
            reader,
            registry,
            temporality: Temporality::default(),
            resource_and_scope: SourceConfig::default().resource_and_scope("", ""),
            batches: Vec::new(),
            time: 0,
            is_requested: false,
            unacknowledged: Arc::default(),
        }
    }

    /// Returns the live count of the points of the current collection that are not acknowledged.
    pub(crate) fn unacknowledged(&self) -> Arc<QueueDepth> {
        Arc::clone(&self.unacknowledged)
    }

    fn collect(&mut self) {
        let samples = self.registry.collect(self.reader);
        // Later than the start of every series, and than the previous points even if the clock goes back.
        self.time = self.registry.now_after(self.time);
        self.unacknowledged.set(samples.len());
        if !samples.is_empty() {
            self.batches.push(samples);
        }
    }

    /// Returns the data point of a sample, in bytes of protobuf.
    fn point(&self, sample: &Sample) -> Vec<u8> {
        let counter = &sample.counter;
        let start = counter.start(self.reader);
        let mut out = Writer::with_capacity(USUAL_POINT_BYTES);
        out.time(2, start.time);
        out.time(3, self.time);
        out.fixed_64(4, (sample.value - start.value).to_bits());
        let mut attributes = Field(7, &mut out);
        let own = counter.series.metric().attributes;
        push_standard(&counter.standard, own, &mut attributes);
        for (key, value) in counter.series.attributes() {
            attributes.text(key, value);
        }
        out.finish()
    }

    /// Builds a request with the points of some samples, which are in the order of the catalog.
    fn request(&self, points: &[Vec<u8>], samples: &[Sample]) -> Batch {
        let metric = |sample: &Sample| sample.counter.series.metric();
        let mut points = points.iter();
        let metrics: Vec<_> = samples
            .chunk_by(|one, next| metric(one).name == metric(next).name)
            .map(|samples| self.metric(metric(&samples[0]), points.by_ref().take(samples.len())))
            .collect();
        let changed = samples
            .iter()
            .filter(|sample| sample.is_changed(self.reader));
        Batch {
            items: samples.len() as u64,
            losses: changed.count() as u64,
            message: self.resource_and_scope.request(&metrics),
        }
    }

    /// Returns a metric with these data points, in bytes of protobuf.
    fn metric<'a>(&self, metric: &Metric, points: impl Iterator<Item = &'a Vec<u8>>) -> Vec<u8> {
        let temporality = match self.temporality {
            Temporality::Delta | Temporality::LowMemory => AggregationTemporality::Delta,
            Temporality::Cumulative => AggregationTemporality::Cumulative,
        };
        let mut out = Writer::default();
        out.string(1, metric.name);
        out.string(2, metric.description);
        out.string(3, metric.unit);
        out.nested(7, |sum| {
            points.for_each(|point| sum.bytes(1, point));
            sum.varint(2, temporality as u64);
            let is_monotonic = true;
            sum.varint(3, u64::from(is_monotonic));
        });
        out.finish()
    }
}

impl Source for PushReader {
    fn configure(&mut self, config: &SourceConfig) {
        let before = std::mem::replace(&mut self.temporality, config.temporality);
        let was_cumulative = before == Temporality::Cumulative;
        // In the other direction, the cumulative points start where the last deltas ended.
        if was_cumulative && config.temporality != Temporality::Cumulative {
            self.registry.start_at_delivered(self.reader);
        }
        self.resource_and_scope = config.resource_and_scope(scope::METRICS, &config.version);
    }

    fn begin(&mut self) {
        self.is_requested = true;
    }

    fn batch(&mut self, max_bytes: usize) -> Option<Batch> {
        if self.batches.is_empty() && std::mem::take(&mut self.is_requested) {
            self.collect();
        }
        let mut samples = self.batches.pop()?;
        let (mut points, mut bytes) = (Vec::new(), 0);
        for sample in &samples {
            let point = self.point(sample);
            // A tag and a length prefix, at most 8 bytes, precede each point. The metric's own fields are small
            // compared to the limit.
            bytes += point.len() + 8;
            if bytes > max_bytes && !points.is_empty() {
                break;
            }
            points.push(point);
        }
        let rest = samples.split_off(points.len());
        if !rest.is_empty() {
            self.batches.push(rest);
        }
        let batch = self.request(&points, &samples);
        self.batches.push(samples);
        Some(batch)
    }

    fn split(&mut self) -> bool {
        split_last(&mut self.batches)
    }

    fn discard(&mut self) -> u64 {
        let lost = self.registry.undelivered(self.reader);
        self.registry.remove_reader(self.reader);
        self.batches.clear();
        self.is_requested = false;
        self.unacknowledged.set(0);
        lost
    }

    fn acknowledge(&mut self) {
        let samples = self.batches.pop().unwrap_or_default();
        self.unacknowledged.release(samples.len(), 0);
        for sample in samples {
            sample.acknowledge(self.reader, self.time);
            if self.temporality != Temporality::Cumulative {
                sample.counter.start_at_delivered(self.reader);
            }
        }
        if self.batches.is_empty() {
            self.registry.remove_ended();
        }
    }
}

impl Drop for PushReader {
    fn drop(&mut self) {
        self.registry.remove_reader(self.reader);
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
    use prost::Message;

    use super::*;
    use crate::clock::Clock;
    use crate::metrics::{OTLP_READER, Series, SeriesKind};
    use crate::session_attributes::SessionAttributes;

    /// Makes a collection with a single point and delivers it. Returns the start and the time of the point.
    fn collect(reader: &mut PushReader) -> (u64, u64) {
        reader.begin();
        let batch = reader.batch(usize::MAX).unwrap();
        reader.acknowledge();
        let request: ExportMetricsServiceRequest = crate::encode::decoded(&batch.message);
        let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
        let Some(metric::Data::Sum(sum)) = &metric.data else {
            panic!("no sum");
        };
        let point = &sum.data_points[0];
        (point.start_time_unix_nano, point.time_unix_nano)
    }

    /// Returns the start and the time of the point that each collection of a series delivers. The series is created at
    /// the first of `seconds` on the clock, and collected at each of the others.
    fn points(temporality: Temporality, seconds: [u64; 5]) -> Vec<(u64, u64)> {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let clock = Clock::manual(at(seconds[0]));
        let registry = Arc::new(Registry::new(0, clock));
        let mut reader = PushReader::new(OTLP_READER, Arc::clone(&registry));
        reader.temporality = temporality;
        registry.add_reader(OTLP_READER);
        let standard = registry.intern(Default::default());
        let counter = registry.open(&standard, SeriesKind::Commits).unwrap();
        let collect = |second: &u64| {
            clock.set(at(*second));
            counter.add(1.0);
            collect(&mut reader)
        };
        seconds[1..].iter().map(collect).collect()
    }

    /// Returns the name, the start, the end and the value of each point of a request.
    fn decoded(batch: &Batch) -> Vec<(String, u64, u64, f64)> {
        let request: ExportMetricsServiceRequest = crate::encode::decoded(&batch.message);
        let metrics = request.resource_metrics[0].scope_metrics[0].metrics.iter();
        let points = metrics.flat_map(|metric| match &metric.data {
            Some(metric::Data::Sum(sum)) => sum.data_points.iter().map(|point| {
                let Some(number_data_point::Value::AsDouble(value)) = point.value else {
                    panic!("no double");
                };
                let (start, end) = (point.start_time_unix_nano, point.time_unix_nano);
                (metric.name.clone(), start, end, value)
            }),
            _ => panic!("no sum"),
        });
        points.collect()
    }

    /// Delivers a collection in requests of one point each, and returns the points.
    fn deliver(reader: &mut PushReader) -> Vec<(String, u64, u64, f64)> {
        reader.begin();
        let mut points = Vec::new();
        while let Some(batch) = reader.batch(1) {
            points.extend(decoded(&batch));
            reader.acknowledge();
        }
        points
    }

    fn cumulative_reader() -> (Arc<Registry>, PushReader, Arc<SessionAttributes>) {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = PushReader::new(OTLP_READER, Arc::clone(&registry));
        reader.temporality = Temporality::Cumulative;
        registry.add_reader(OTLP_READER);
        let standard = registry.intern(SessionAttributes::sample("kim", Some("s")));
        (registry, reader, standard)
    }

    fn change(reader: &mut PushReader, temporality: Temporality) {
        reader.configure(&SourceConfig {
            temporality,
            ..SourceConfig::default()
        });
    }

    #[test]
    fn reopened_series_stays_contiguous_when_temporality_changes() {
        let (registry, mut reader, standard) = cumulative_reader();
        let pull_requests = registry.open(&standard, SeriesKind::PullRequests).unwrap();
        // The handle is dropped at once, which ends the series until the next call.
        let commit = |amount| {
            let opened = registry.open(&standard, SeriesKind::Commits);
            opened.unwrap().add(amount);
        };
        commit(1.0);
        // The point of the commits follows that of the pull requests, which are first in the catalog.
        let (_, start, end, _) = deliver(&mut reader)[1].clone();
        // The series of the commits has ended, so the next collection contains only the pull requests.
        pull_requests.add(1.0);
        assert_eq!(deliver(&mut reader).len(), 1);
        change(&mut reader, Temporality::Delta);
        commit(2.0);
        let (_, from, to, value) = deliver(&mut reader)[1].clone();
        assert_eq!((from, value), (end, 2.0));
        assert!(start < end && end < to);
        // The next cumulative points start where the deltas ended.
        change(&mut reader, Temporality::Cumulative);
        commit(4.0);
        assert_eq!(deliver(&mut reader)[1].1, to);
        commit(8.0);
        let (_, from, _, value) = deliver(&mut reader)[1].clone();
        assert_eq!((from, value), (to, 12.0));
    }

    #[test]
    fn points_stay_contiguous_when_temporality_changes_between_the_requests_of_a_collection() {
        let (registry, mut reader, standard) = cumulative_reader();
        let counters = [SeriesKind::PullRequests, SeriesKind::Commits]
            .map(|kind| registry.open(&standard, kind).unwrap());
        let add = |amount| counters.iter().for_each(|counter| counter.add(amount));
        add(1.0);
        let first = deliver(&mut reader)[0].2;
        add(2.0);
        reader.begin();
        let delivered = reader.batch(1).unwrap();
        let second = decoded(&delivered)[0].2;
        reader.acknowledge();
        reader.batch(1).unwrap();
        change(&mut reader, Temporality::Delta);
        // The rest of the collection is sent as a delta from the end of the last cumulative point of the series.
        let resent = reader.batch(1).unwrap();
        let commits = "claude_code.commit.count".to_owned();
        assert_eq!(decoded(&resent), [(commits, first, second, 2.0)]);
        reader.acknowledge();
        add(4.0);
        let starts = deliver(&mut reader).into_iter();
        let starts: Vec<_> = starts.map(|(_, start, _, value)| (start, value)).collect();
        assert_eq!(starts, [(second, 4.0); 2]);
    }

    #[test]
    fn request_equals_the_encoding_of_opentelemetry_proto() {
        for temporality in [Temporality::Delta, Temporality::Cumulative] {
            let registry = Arc::new(Registry::new(0, Clock::default()));
            let mut reader = PushReader::new(OTLP_READER, Arc::clone(&registry));
            reader.configure(&SourceConfig {
                resource: vec![("service.name".to_owned(), "claude-code".to_owned())],
                version: "1".to_owned(),
                temporality,
                ..SourceConfig::default()
            });
            registry.add_reader(OTLP_READER);
            let standard = registry.intern(Default::default());
            let model: Arc<str> = "sonnet".into();
            let series = Series::of_request(&model).into_iter();
            let counters = registry.open_all(&standard, series.chain([SeriesKind::Commits.into()]));
            counters[0].add(0.25);
            reader.begin();
            let batch = reader.batch(usize::MAX).unwrap();
            let request: ExportMetricsServiceRequest = crate::encode::decoded(&batch.message);
            assert_eq!(request.encode_to_vec(), batch.message);
            let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
            let points = metrics.iter().map(|metric| match &metric.data {
                Some(metric::Data::Sum(sum)) => sum.data_points.len(),
                _ => 0,
            });
            // Commits, cost, and the four types of tokens. A series without measurements has a point too.
            assert_eq!(points.collect::<Vec<_>>(), [1, 1, 4]);
        }
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn cumulative_start_stays_and_time_never_goes_back_when_the_clock_does() {
        let points = points(Temporality::Cumulative, [1000, 400, 500, 300, 2000]);
        let starts: Vec<u64> = points.iter().map(|(start, _)| *start).collect();
        assert_eq!(starts, [1000 * SECOND; 4]);
        assert!(
            points.is_sorted_by(|one, next| one.1 < next.1),
            "{points:?}"
        );
        assert!(points.iter().all(|(start, time)| start <= time));
        assert_eq!(points[3].1, 2000 * SECOND);
    }

    #[test]
    fn deltas_stay_contiguous_when_the_clock_goes_back() {
        let points = points(Temporality::Delta, [1000, 400, 500, 300, 2000]);
        assert_eq!(points[0].0, 1000 * SECOND);
        for (before, after) in points.iter().zip(&points[1..]) {
            assert_eq!(before.1, after.0);
            assert!(after.0 < after.1);
        }
    }
}
