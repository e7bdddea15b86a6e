//! The reader for a page that other processes scrape, at times and by a number of scrapers that are unknown.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::counter::Counter;
use super::registry::Registry;
use super::series::Series;
use crate::session_attributes::SessionAttributes;

/// The time for which an ended series stays on the page after its end if it was scraped since. Several scrapers may
/// fetch the page, each at its own interval, and a manual request must not take the last amounts from the others.
const AFTER_FETCH: Duration = Duration::from_secs(120);

/// The time for which an ended series stays on the page after its end if it was not scraped since.
const WITHOUT_FETCH: Duration = Duration::from_secs(600);

/// A reader of the registry for a page. Values are always cumulative since the start of the series.
pub(crate) struct ScrapeReader {
    place: usize,
    registry: Arc<Registry>,
    listed: Vec<Listed>,
}

/// A series on the page.
struct Listed {
    counter: Arc<Counter>,
    ended: Option<Ended>,
}

/// The end of a series: no session held it when it was read.
struct Ended {
    /// The generation at the end. A different number means that the series was opened again and has a new end.
    generation: u32,
    since: Instant,
    fetched: bool,
}

/// A series as it was read for a page.
pub(crate) struct Shown {
    counter: Arc<Counter>,
    /// The value since the start of the series.
    pub(crate) value: f64,
    /// The generation at the end of the series; `None` while it is held.
    ended: Option<u32>,
}

impl Shown {
    pub(crate) fn series(&self) -> &Series {
        &self.counter.series
    }

    pub(crate) fn standard(&self) -> &SessionAttributes {
        &self.counter.standard
    }
}

impl ScrapeReader {
    pub(crate) fn new(place: usize, registry: Arc<Registry>) -> Self {
        Self {
            place,
            registry,
            listed: Vec::new(),
        }
    }

    /// Starts the reader: the page shows series that are live or begin after this call.
    pub(crate) fn join(&self) {
        self.registry.join(self.place);
    }

    /// Stops the reader: no series is kept for the page any longer.
    pub(crate) fn leave(&mut self) {
        self.listed.clear();
        self.registry.leave(self.place);
    }

    /// Returns every series that is live, or ended and not yet due for removal, in the order of the catalog.
    pub(crate) fn look(&mut self, now: Instant) -> Vec<Shown> {
        self.retire(now);
        while let Some(counter) = self.registry.inbox(self.place).pop() {
            self.listed.push(Listed {
                counter,
                ended: None,
            });
        }
        let mut shown: Vec<Shown> = self.listed.iter_mut().map(|one| one.look(now)).collect();
        shown.sort_by_key(|shown| shown.series().order());
        shown
    }

    /// Marks ended series on a page as scraped, after a scraper received the whole page.
    pub(crate) fn fetched(&mut self, shown: &[Shown]) {
        let ended: HashSet<(*const Counter, u32)> = shown
            .iter()
            .filter_map(|shown| Some((Arc::as_ptr(&shown.counter), shown.ended?)))
            .collect();
        if ended.is_empty() {
            return;
        }
        for one in &mut self.listed {
            if let Some(end) = &mut one.ended
                && ended.contains(&(Arc::as_ptr(&one.counter), end.generation))
            {
                end.fetched = true;
            }
        }
    }

    /// Returns the number of series on the page.
    pub(crate) fn len(&self) -> usize {
        self.listed.len()
    }

    /// Removes series that have stayed on the page long enough after their end.
    fn retire(&mut self, now: Instant) {
        let (place, registry) = (self.place, &self.registry);
        self.listed.retain(|one| match &one.ended {
            Some(end) if now.saturating_duration_since(end.since) >= end.stay() => {
                !registry.retire(&one.counter, place, end.generation)
            }
            _ => true,
        });
    }
}

impl Listed {
    /// Reads the series. Load order matters: generation, then holders, then value. Otherwise a session could open the
    /// series, add to it and close it between two loads, and a page that lacks the amount would count as complete.
    fn look(&mut self, now: Instant) -> Shown {
        let generation = self.counter.generation();
        if self.counter.is_held() {
            self.ended = None;
        } else if self
            .ended
            .as_ref()
            .is_none_or(|end| end.generation != generation)
        {
            self.ended = Some(Ended {
                generation,
                since: now,
                fetched: false,
            });
        }
        Shown {
            value: self.counter.value(),
            counter: Arc::clone(&self.counter),
            ended: self.ended.as_ref().map(|end| end.generation),
        }
    }
}

impl Ended {
    fn stay(&self) -> Duration {
        if self.fetched {
            AFTER_FETCH
        } else {
            WITHOUT_FETCH
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const PLACE: usize = 0;

    fn standard(of_one_session: bool) -> SessionAttributes {
        SessionAttributes {
            attributes: Box::default(),
            custom: Arc::default(),
            of_one_session,
            outdated: Default::default(),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Returns the values of a page that is made at `now`.
    fn values(reader: &mut ScrapeReader, now: Instant) -> Vec<f64> {
        reader.look(now).iter().map(|shown| shown.value).collect()
    }

    #[test]
    fn ended_series_stays_on_the_page_until_it_was_fetched_and_120_s_passed() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = ScrapeReader::new(PLACE, Arc::clone(&registry));
        reader.join();
        let attributes = registry.intern(standard(true));
        let held = registry.open(&attributes, Series::Commits).unwrap();
        held.add(1.0);
        let start = Instant::now();
        let live = reader.look(start);
        reader.fetched(&live);
        held.add(2.0);
        drop(held);

        // A fetch before the end of the series must not remove it.
        assert_eq!(values(&mut reader, start + seconds(1)), [3.0]);
        assert_eq!(values(&mut reader, start + seconds(500)), [3.0]);
        let page = reader.look(start + seconds(550));
        reader.fetched(&page);
        assert_eq!(values(&mut reader, start + seconds(551)), [0.0; 0]);
        registry.forget(&attributes);
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn reopened_series_continues_its_total() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = ScrapeReader::new(PLACE, Arc::clone(&registry));
        reader.join();
        let attributes = registry.intern(standard(true));
        let add = || {
            registry
                .open(&attributes, Series::Commits)
                .unwrap()
                .add(1.0)
        };
        let start = Instant::now();
        add();
        let page = reader.look(start);
        // The last amount was added after the page was made, so that fetch does not count for it.
        add();
        reader.fetched(&page);
        assert_eq!(values(&mut reader, start + seconds(130)), [2.0]);
        let page = reader.look(start + seconds(131));
        reader.fetched(&page);
        assert_eq!(values(&mut reader, start + seconds(260)), [0.0; 0]);
        // The series was removed from the page, but the registry still has it.
        add();
        assert_eq!(values(&mut reader, start + seconds(261)), [3.0]);
    }

    #[test]
    fn ended_series_is_removed_after_600_s_without_a_fetch() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = ScrapeReader::new(PLACE, Arc::clone(&registry));
        reader.join();
        let attributes = registry.intern(standard(true));
        drop(registry.open(&attributes, Series::Commits).unwrap());
        registry.forget(&attributes);
        let start = Instant::now();
        assert_eq!(values(&mut reader, start).len(), 1);
        assert_eq!(values(&mut reader, start + seconds(599)).len(), 1);
        assert_eq!(values(&mut reader, start + seconds(600)).len(), 0);
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn series_without_a_session_stays_on_the_page() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = ScrapeReader::new(PLACE, Arc::clone(&registry));
        reader.join();
        let attributes = registry.intern(standard(false));
        registry
            .open(&attributes, Series::Commits)
            .unwrap()
            .add(1.0);
        let start = Instant::now();
        let page = reader.look(start);
        reader.fetched(&page);
        assert_eq!(values(&mut reader, start + seconds(6_000)), [1.0]);
    }
}
