use std::sync::atomic::AtomicUsize;
use std::thread;

use super::*;
use crate::metrics::SeriesKind;

const READER: usize = 0;
/// The time of every delivery, which these tests do not compare.
const TIME: u64 = 1;

fn session_attributes(user: &str, is_session_scoped: bool) -> SessionAttributes {
    // The empty id does not count towards the size of the attributes.
    SessionAttributes::sample(user, is_session_scoped.then_some(""))
}

fn registry_with_limit(max_series: usize) -> Registry {
    let mut registry = Registry::new(0, Clock::default());
    registry.max_series = max_series;
    registry.add_reader(READER);
    registry
}

/// Acts as a reader that delivers everything.
fn deliver(registry: &Registry) {
    for sample in registry.collect(READER) {
        sample.acknowledge(READER, TIME);
    }
    registry.remove_ended();
}

/// A series whose handles are dropped ends when it is delivered and its attributes are outdated, even if a session still
/// refers to them, as `before` does.
#[test]
fn outdated_series_make_room_after_their_delivery() {
    for is_session_scoped in [false, true] {
        let registry = registry_with_limit(2);
        let before = registry.intern(session_attributes("before", is_session_scoped));
        let after = registry.intern(session_attributes("after", is_session_scoped));
        let held = registry.open(&before, SeriesKind::Commits).unwrap();
        let released = registry.open(&before, SeriesKind::PullRequests).unwrap();
        drop(released);
        registry.mark_outdated();
        // A session uses these attributes again, so they are not outdated any more.
        registry.intern(session_attributes("after", is_session_scoped));

        // The old series are not delivered yet.
        assert!(registry.open(&after, SeriesKind::Commits).is_none());
        deliver(&registry);
        let first = registry.open(&after, SeriesKind::Commits);
        assert!(first.is_some(), "{is_session_scoped}");
        assert_eq!(registry.len(), 2);
        // The held series has not ended.
        assert!(registry.open(&after, SeriesKind::PullRequests).is_none());
        drop(held);
        deliver(&registry);
        let second = registry.open(&after, SeriesKind::PullRequests);
        assert!(second.is_some(), "{is_session_scoped}");
        assert_eq!(registry.len(), 2);
    }
}

#[test]
fn attribute_bytes_are_bounded_shared_and_released() {
    let mut registry = Registry::new(0, Clock::default());
    registry.max_attribute_bytes = 100;
    registry.add_reader(READER);
    // Each attribute set has 40 bytes. The name of the model has 10, which both series share.
    let (first, second) = ("1".repeat(40), "2".repeat(40));
    let first = registry.intern(session_attributes(&first, true));
    let second = registry.intern(session_attributes(&second, true));
    let cost = || SeriesKind::Cost.of(registry.text("0123456789"));
    assert_eq!(registry.attribute_bytes(), 0);
    let held = registry.open(&first, cost()).unwrap();
    assert_eq!(registry.attribute_bytes(), 50);
    let other = registry.open(&second, cost()).unwrap();
    assert_eq!(registry.attribute_bytes(), 90);
    let long = SeriesKind::Cost.of(registry.text("another model"));
    assert!(registry.open(&first, long.clone()).is_none());
    assert_eq!((registry.attribute_bytes(), registry.len()), (90, 2));
    // Series without a text of their metric still fit.
    assert!(registry.open(&first, SeriesKind::Commits).is_some());

    drop((other, second));
    deliver(&registry);
    assert_eq!(registry.attribute_bytes(), 50);
    assert!(registry.open(&first, long).is_some());
    drop((held, first));
    deliver(&registry);
    assert_eq!((registry.attribute_bytes(), registry.len()), (0, 0));
}

#[test]
fn unused_attribute_sets_are_removed() {
    let registry = registry_with_limit(1);
    for n in 0..10_000 {
        registry.intern(session_attributes(&n.to_string(), false));
    }
    assert!(registry.lock().sets.len() <= CLEANUP_THRESHOLD);
}

#[test]
fn series_delivered_before_a_change_of_configuration_make_room_in_a_full_registry() {
    let registry = registry_with_limit(1);
    let before = registry.intern(session_attributes("before", true));
    drop(registry.open(&before, SeriesKind::Commits));
    deliver(&registry);
    // The reference `before` stands for a session that can be opened again, so its series is kept.
    let after = registry.intern(session_attributes("after", true));
    assert!(registry.open(&after, SeriesKind::Commits).is_none());
    drop(before);
    registry.mark_outdated();
    let after = registry.intern(session_attributes("after", true));
    let opened = registry.open(&after, SeriesKind::Commits);
    assert!(opened.is_some());
    assert_eq!(registry.len(), 1);
    assert_eq!(registry.lock().sets.len(), 1);
}

#[test]
fn concurrent_additions_lose_no_measurement() {
    let registry = registry_with_limit(1);
    let attributes = registry.intern(session_attributes("a", true));
    let counter = registry.open(&attributes, SeriesKind::Commits).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            let counter = counter.clone();
            scope.spawn(move || (0..10_000).for_each(|_| counter.add(0.5)));
        }
    });
    assert_eq!(registry.collect(READER)[0].value, 20_000.0);
}

#[test]
fn samples_contain_every_measurement_while_sessions_open_and_close() {
    const THREADS: usize = 4;
    const OPENINGS: usize = 5_000;
    let registry = registry_with_limit(1);
    let attributes = registry.intern(session_attributes("a", true));
    let running = AtomicUsize::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..OPENINGS {
                    registry
                        .open(&attributes, SeriesKind::Commits)
                        .unwrap()
                        .add(1.0);
                }
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while running.load(Ordering::SeqCst) > 0 {
            deliver(&registry);
        }
    });
    deliver(&registry);
    assert_eq!(registry.undelivered(READER), 0);
    assert!(registry.collect(READER).is_empty());
    // The reference `attributes` stands for a session that can be opened again, so the series continues.
    drop(registry.open(&attributes, SeriesKind::Commits));
    let total = (THREADS * OPENINGS) as f64;
    assert_eq!(registry.collect(READER)[0].value, total);
}

#[test]
fn acknowledgment_does_not_end_a_series_that_was_opened_again_in_the_meantime() {
    let registry = registry_with_limit(1);
    let attributes = registry.intern(session_attributes("a", true));
    drop(registry.open(&attributes, SeriesKind::Commits));
    let samples = registry.collect(READER);
    drop(registry.open(&attributes, SeriesKind::Commits));
    samples[0].acknowledge(READER, TIME);
    assert_eq!(registry.collect(READER).len(), 1);
    deliver(&registry);
    assert!(registry.collect(READER).is_empty());
}

#[test]
fn full_registry_has_room_again_after_a_session_was_forgotten() {
    let registry = registry_with_limit(1);
    let remembered = registry.intern(session_attributes("a", true));
    drop(registry.open(&remembered, SeriesKind::Commits));
    deliver(&registry);
    let next = registry.intern(session_attributes("b", true));
    assert!(registry.open(&next, SeriesKind::Commits).is_none());
    drop(remembered);
    registry.retry_eviction();
    assert!(registry.open(&next, SeriesKind::Commits).is_some());
}

#[test]
fn reader_receives_only_measurements_after_it_was_added() {
    let registry = registry_with_limit(2);
    let attributes = registry.intern(session_attributes("a", true));
    let commits = registry.open(&attributes, SeriesKind::Commits).unwrap();
    commits.add(1.0);
    drop(registry.open(&attributes, SeriesKind::PullRequests));
    registry.remove_reader(READER);
    assert_eq!(registry.undelivered(READER), 0);
    assert!(registry.collect(READER).is_empty());
    registry.add_reader(READER);
    commits.add(2.0);
    let samples = registry.collect(READER);
    // Only the commits, because the pull requests ended before.
    let [sample] = &samples[..] else {
        panic!("{samples:?}");
    };
    assert_eq!(sample.value - sample.counter.start(READER).value, 2.0);
}
