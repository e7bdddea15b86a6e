use std::sync::atomic::AtomicUsize;
use std::thread;

use super::*;
use crate::metrics::Measure;

const READER: usize = 0;

fn standard(user: &str, of_one_session: bool) -> SessionAttributes {
    SessionAttributes {
        attributes: Box::new([("user.id", user.into())]),
        of_one_session,
        ..SessionAttributes::default()
    }
}

fn full_at(max_series: usize) -> Registry {
    let mut registry = Registry::new(0, Clock::default());
    registry.max_series = max_series;
    registry.join(READER);
    registry
}

/// Acts as a reader that delivers everything.
fn deliver(registry: &Registry) {
    for sample in registry.collect(READER) {
        sample.acknowledge(READER, 1);
    }
    registry.remove_ended();
}

#[test]
fn outdated_series_make_room_after_their_delivery() {
    for of_one_session in [false, true] {
        let registry = full_at(2);
        let before = registry.intern(standard("before", of_one_session));
        let after = registry.intern(standard("after", of_one_session));
        let held = registry.open(&before, Measure::Commits.into()).unwrap();
        let ended = registry
            .open(&before, Measure::PullRequests.into())
            .unwrap();
        drop(ended);
        registry.outdate();
        registry.intern(standard("after", of_one_session));

        // The old series are not delivered yet.
        assert!(registry.open(&after, Measure::Commits.into()).is_none());
        deliver(&registry);
        let first = registry.open(&after, Measure::Commits.into());
        assert!(first.is_some(), "{of_one_session}");
        assert_eq!(registry.len(), 2);
        // The held series has not ended yet.
        assert!(
            registry
                .open(&after, Measure::PullRequests.into())
                .is_none()
        );
        drop(held);
        deliver(&registry);
        let second = registry.open(&after, Measure::PullRequests.into());
        assert!(second.is_some(), "{of_one_session}");
        assert_eq!(registry.len(), 2);
    }
}

#[test]
fn attribute_bytes_are_bounded_shared_and_released() {
    let mut registry = Registry::new(0, Clock::default());
    registry.max_attribute_bytes = 100;
    registry.join(READER);
    let (first, second) = ("1".repeat(40), "2".repeat(40));
    let first = registry.intern(standard(&first, true));
    let second = registry.intern(standard(&second, true));
    let cost = || Measure::Cost.of(registry.text("0123456789"));
    assert_eq!(registry.attribute_bytes(), 0);
    let held = registry.open(&first, cost()).unwrap();
    assert_eq!(registry.attribute_bytes(), 50);
    let other = registry.open(&second, cost()).unwrap();
    assert_eq!(registry.attribute_bytes(), 90);
    let long = Measure::Cost.of(registry.text("another model"));
    assert!(registry.open(&first, long.clone()).is_none());
    assert_eq!((registry.attribute_bytes(), registry.len()), (90, 2));
    // Series without a text of their metric still fit.
    assert!(registry.open(&first, Measure::Commits.into()).is_some());

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
    let registry = full_at(1);
    for n in 0..10_000 {
        registry.intern(standard(&n.to_string(), false));
    }
    assert!(registry.lock().sets.len() <= MIN_SETS);
}

#[test]
fn series_delivered_before_a_change_of_configuration_make_room_in_a_full_registry() {
    let registry = full_at(1);
    let before = registry.intern(standard("before", true));
    drop(registry.open(&before, Measure::Commits.into()));
    deliver(&registry);
    // The session is remembered, so its series are kept.
    let after = registry.intern(standard("after", true));
    assert!(registry.open(&after, Measure::Commits.into()).is_none());
    drop(before);
    registry.outdate();
    let after = registry.intern(standard("after", true));
    let held = registry.open(&after, Measure::Commits.into());
    assert!(held.is_some());
    assert_eq!(registry.len(), 1);
    assert_eq!(registry.lock().sets.len(), 1);
}

#[test]
fn concurrent_additions_lose_no_amount() {
    let registry = full_at(1);
    let standard = registry.intern(standard("a", true));
    let held = registry.open(&standard, Measure::Commits.into()).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            let held = held.clone();
            scope.spawn(move || (0..10_000).for_each(|_| held.add(0.5)));
        }
    });
    assert_eq!(registry.collect(READER)[0].value, 20_000.0);
}

#[test]
fn samples_contain_every_amount_while_sessions_open_and_close() {
    const THREADS: usize = 4;
    const OPENINGS: usize = 5_000;
    let registry = full_at(1);
    let standard = registry.intern(standard("a", true));
    let running = AtomicUsize::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..OPENINGS {
                    registry
                        .open(&standard, Measure::Commits.into())
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
    // The session is remembered, so the series continues.
    drop(registry.open(&standard, Measure::Commits.into()));
    let total = (THREADS * OPENINGS) as f64;
    assert_eq!(registry.collect(READER)[0].value, total);
}

#[test]
fn full_registry_has_room_again_after_a_session_was_forgotten() {
    let registry = full_at(1);
    let remembered = registry.intern(standard("a", true));
    drop(registry.open(&remembered, Measure::Commits.into()));
    deliver(&registry);
    let next = registry.intern(standard("b", true));
    assert!(registry.open(&next, Measure::Commits.into()).is_none());
    drop(remembered);
    registry.session_forgotten();
    assert!(registry.open(&next, Measure::Commits.into()).is_some());
}

#[test]
fn reader_receives_only_amounts_after_it_joined() {
    let registry = full_at(2);
    let standard = registry.intern(standard("a", true));
    let held = registry.open(&standard, Measure::Commits.into()).unwrap();
    held.add(1.0);
    drop(registry.open(&standard, Measure::PullRequests.into()));
    registry.leave(READER);
    assert_eq!(registry.undelivered(READER), 0);
    assert!(registry.collect(READER).is_empty());
    registry.join(READER);
    held.add(2.0);
    let samples = registry.collect(READER);
    // The other series ended before.
    let [sample] = &samples[..] else {
        panic!("{samples:?}");
    };
    assert_eq!(sample.value - sample.counter.start(READER).value, 2.0);
}
