//! The reader for the Prometheus page. Any number of scrapers may fetch the page, at any time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::PROMETHEUS_READER;
use super::counter::Sample;
use super::registry::Registry;

/// The time for which an ended series stays on the page after its end if it was scraped since. Several scrapers may
/// fetch the page, each at its own interval, and a manual request must not take the last measurements from the others.
const AFTER_FETCH: Duration = Duration::from_secs(120);

/// The time for which an ended series stays on the page after its end if it was not scraped since.
const WITHOUT_FETCH: Duration = Duration::from_secs(600);

/// A reader of the registry for the Prometheus page. Values are always cumulative since the start of the series.
pub(crate) struct ScrapeReader {
    registry: Arc<Registry>,
    /// The ended series on the page.
    ended: HashMap<SeriesEnd, Stay>,
}

/// The address of a counter and its generation at the end of the series. A series that is opened again gets another
/// end. The registry keeps the counter, and so its address, until this reader releases it.
type SeriesEnd = (usize, u32);

/// The stay of an ended series on the page.
struct Stay {
    /// The time at which this reader first found the end of the series.
    since: Instant,
    limit: Duration,
}

impl ScrapeReader {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            ended: HashMap::new(),
        }
    }

    /// Starts the reader: the page shows series that are live or begin after this call.
    pub(crate) fn start(&self) {
        self.registry.add_reader(PROMETHEUS_READER);
    }

    /// Stops the reader: no series is kept for the page any longer.
    pub(crate) fn stop(&mut self) {
        self.ended.clear();
        self.registry.remove_reader(PROMETHEUS_READER);
    }

    /// Returns every series that is live, or ended and not yet due for removal, in the order of the catalog.
    pub(crate) fn collect(&mut self, now: Instant) -> Vec<Sample> {
        let mut page = self.registry.collect(PROMETHEUS_READER);
        let shown = page.len();
        let mut known = std::mem::take(&mut self.ended);
        page.retain(|sample| {
            let Some(end) = end(sample) else {
                return true;
            };
            let stay = known.remove(&end).unwrap_or(Stay {
                since: now,
                limit: WITHOUT_FETCH,
            });
            let stays = now.saturating_duration_since(stay.since) < stay.limit;
            if stays {
                self.ended.insert(end, stay);
            } else {
                // Only push readers use the time.
                sample.acknowledge(PROMETHEUS_READER, 0);
            }
            stays
        });
        if page.len() < shown {
            self.registry.remove_ended();
        }
        page
    }

    /// Marks ended series on a page as scraped, after a scraper received the whole page.
    pub(crate) fn fetched(&mut self, page: &[Sample]) {
        for end in page.iter().filter_map(end) {
            if let Some(stay) = self.ended.get_mut(&end) {
                stay.limit = AFTER_FETCH;
            }
        }
    }
}

fn end(sample: &Sample) -> Option<SeriesEnd> {
    Some((Arc::as_ptr(&sample.counter).addr(), sample.ended?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::metrics::SeriesKind;
    use crate::session_attributes::SessionAttributes;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Returns the values of a page that is made at `now`.
    fn values(reader: &mut ScrapeReader, now: Instant) -> Vec<f64> {
        reader
            .collect(now)
            .iter()
            .map(|shown| shown.value)
            .collect()
    }

    #[test]
    fn ended_series_stays_on_the_page_until_it_was_fetched_and_120_s_passed() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = ScrapeReader::new(Arc::clone(&registry));
        reader.start();
        let attributes = registry.intern(SessionAttributes::sample("kim", Some("s")));
        let counter = registry.open(&attributes, SeriesKind::Commits).unwrap();
        counter.add(1.0);
        let start = Instant::now();
        let live = reader.collect(start);
        reader.fetched(&live);
        counter.add(2.0);
        drop(counter);

        // A fetch before the end of the series must not remove it.
        assert_eq!(values(&mut reader, start + seconds(1)), [3.0]);
        assert_eq!(values(&mut reader, start + seconds(500)), [3.0]);
        let page = reader.collect(start + seconds(550));
        reader.fetched(&page);
        // The reader found the end of the series more than 120 seconds ago.
        assert_eq!(values(&mut reader, start + seconds(551)), [0.0; 0]);
        drop(attributes);
        registry.remove_ended();
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn reopened_series_continues_its_total() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = ScrapeReader::new(Arc::clone(&registry));
        reader.start();
        let attributes = registry.intern(SessionAttributes::sample("kim", Some("s")));
        let add = || {
            registry
                .open(&attributes, SeriesKind::Commits)
                .unwrap()
                .add(1.0)
        };
        let start = Instant::now();
        add();
        let page = reader.collect(start);
        // The last measurement was added after the page was made, so that fetch does not count for it.
        add();
        reader.fetched(&page);
        assert_eq!(values(&mut reader, start + seconds(130)), [2.0]);
        let page = reader.collect(start + seconds(131));
        reader.fetched(&page);
        // The reader found the end of the series 130 seconds ago.
        assert_eq!(values(&mut reader, start + seconds(260)), [0.0; 0]);
        // The series was removed from the page, but the registry still has it.
        add();
        assert_eq!(values(&mut reader, start + seconds(261)), [3.0]);
    }

    #[test]
    fn ended_series_is_removed_after_600_s_without_a_fetch() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = ScrapeReader::new(Arc::clone(&registry));
        reader.start();
        let attributes = registry.intern(SessionAttributes::sample("kim", Some("s")));
        drop(registry.open(&attributes, SeriesKind::Commits).unwrap());
        drop(attributes);
        let start = Instant::now();
        assert_eq!(values(&mut reader, start).len(), 1);
        assert_eq!(values(&mut reader, start + seconds(599)).len(), 1);
        assert_eq!(values(&mut reader, start + seconds(600)).len(), 0);
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn series_without_a_session_id_stays_on_the_page() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = ScrapeReader::new(Arc::clone(&registry));
        reader.start();
        let attributes = registry.intern(SessionAttributes::sample("kim", None));
        registry
            .open(&attributes, SeriesKind::Commits)
            .unwrap()
            .add(1.0);
        let start = Instant::now();
        let page = reader.collect(start);
        reader.fetched(&page);
        assert_eq!(values(&mut reader, start + seconds(6_000)), [1.0]);
    }
}
