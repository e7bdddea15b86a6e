//! The reader of a page that others fetch: it does not know when, how many fetch it, or whether anybody does.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cell::Cell;
use super::registry::Registry;
use super::series::Series;
use crate::session_attributes::Standard;

/// A series that was fetched after its end stays for so long after it. Several may fetch the page, each at its own
/// interval, and one made by hand must not take the last amounts from the others.
const AFTER_FETCH: Duration = Duration::from_secs(120);

/// A series that nobody fetched since its end stays for so long.
const WITHOUT_FETCH: Duration = Duration::from_secs(600);

/// Looks at the registry for a page. Values are always those since the start of the series.
pub(crate) struct PullReader {
    place: usize,
    registry: Arc<Registry>,
    listed: Vec<Listed>,
}

/// A series on the page.
struct Listed {
    cell: Arc<Cell>,
    ended: Option<Ended>,
}

/// Nobody held the series when it was looked at.
struct Ended {
    /// The count of openings then: another one is another end.
    openings: u32,
    since: Instant,
    fetched: bool,
}

/// A series as it was seen.
pub(crate) struct Shown {
    cell: Arc<Cell>,
    /// Its value since its start.
    pub(crate) value: f64,
    /// The count of openings when nobody held it.
    ended: Option<u32>,
}

impl Shown {
    pub(crate) fn series(&self) -> &Series {
        &self.cell.series
    }

    pub(crate) fn standard(&self) -> &Standard {
        &self.cell.standard
    }
}

impl PullReader {
    pub(crate) fn new(place: usize, registry: Arc<Registry>) -> Self {
        Self {
            place,
            registry,
            listed: Vec::new(),
        }
    }

    /// The page is wanted: it shows what is live, and what begins.
    pub(crate) fn join(&self) {
        self.registry.join(self.place);
    }

    /// The page is not wanted any more: no series is kept for it.
    pub(crate) fn leave(&mut self) {
        self.listed.clear();
        self.registry.leave(self.place);
    }

    /// Every series that is live, or ended and still to be seen, in the order of the catalogue.
    pub(crate) fn look(&mut self, now: Instant) -> Vec<Shown> {
        self.retire(now);
        while let Some(cell) = self.registry.inbox(self.place).pop() {
            self.listed.push(Listed { cell, ended: None });
        }
        let mut shown: Vec<Shown> = self.listed.iter_mut().map(|one| one.look(now)).collect();
        shown.sort_by_key(|shown| shown.series().order());
        shown
    }

    /// Somebody has all of what was shown.
    pub(crate) fn fetched(&mut self, shown: &[Shown]) {
        let ended: HashSet<(*const Cell, u32)> = shown
            .iter()
            .filter_map(|shown| Some((Arc::as_ptr(&shown.cell), shown.ended?)))
            .collect();
        if ended.is_empty() {
            return;
        }
        for one in &mut self.listed {
            if let Some(end) = &mut one.ended
                && ended.contains(&(Arc::as_ptr(&one.cell), end.openings))
            {
                end.fetched = true;
            }
        }
    }

    /// How many series there are to show.
    pub(crate) fn len(&self) -> usize {
        self.listed.len()
    }

    /// Takes off what has been there for long enough since its end.
    fn retire(&mut self, now: Instant) {
        let (place, registry) = (self.place, &self.registry);
        self.listed.retain(|one| match &one.ended {
            Some(end) if now.saturating_duration_since(end.since) >= end.stay() => {
                !registry.retire(&one.cell, place, end.openings)
            }
            _ => true,
        });
    }
}

impl Listed {
    /// The order of the looks matters: openings, holders, value.
    fn look(&mut self, now: Instant) -> Shown {
        let openings = self.cell.openings();
        if self.cell.is_held() {
            self.ended = None;
        } else if self
            .ended
            .as_ref()
            .is_none_or(|end| end.openings != openings)
        {
            self.ended = Some(Ended {
                openings,
                since: now,
                fetched: false,
            });
        }
        Shown {
            value: self.cell.value(),
            cell: Arc::clone(&self.cell),
            ended: self.ended.as_ref().map(|end| end.openings),
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

    fn standard(of_one_session: bool) -> Standard {
        Standard {
            attributes: Box::default(),
            custom: Arc::default(),
            of_one_session,
            outdated: Default::default(),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The values that a page made at `now` would have.
    fn values(reader: &mut PullReader, now: Instant) -> Vec<f64> {
        reader.look(now).iter().map(|shown| shown.value).collect()
    }

    #[test]
    fn ended_series_stays_on_the_page_until_it_was_fetched_and_120_s_passed() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = PullReader::new(PLACE, Arc::clone(&registry));
        reader.join();
        let attributes = registry.intern(standard(true));
        let held = registry.open(&attributes, Series::Commits).unwrap();
        held.add(1.0);
        let start = Instant::now();
        let live = reader.look(start);
        reader.fetched(&live);
        held.add(2.0);
        drop(held);

        // What was fetched before the end is no reason to go.
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
        let mut reader = PullReader::new(PLACE, Arc::clone(&registry));
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
        // The last amount came after the page was made: that fetch does not count.
        add();
        reader.fetched(&page);
        assert_eq!(values(&mut reader, start + seconds(130)), [2.0]);
        let page = reader.look(start + seconds(131));
        reader.fetched(&page);
        assert_eq!(values(&mut reader, start + seconds(260)), [0.0; 0]);
        // Taken off, but remembered.
        add();
        assert_eq!(values(&mut reader, start + seconds(261)), [3.0]);
    }

    #[test]
    fn ended_series_is_removed_after_600_s_without_a_fetch() {
        let registry = Arc::new(Registry::new(0, Clock::default()));
        let mut reader = PullReader::new(PLACE, Arc::clone(&registry));
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
        let mut reader = PullReader::new(PLACE, Arc::clone(&registry));
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
