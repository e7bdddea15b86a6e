use super::*;

const PLACE: usize = 0;

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
    registry.join(PLACE);
    registry
}

/// Acts as a reader that has delivered everything.
fn deliver(registry: &Registry, live: &mut Vec<Arc<Counter>>) {
    while let Some(counter) = registry.inbox(PLACE).pop() {
        live.push(counter);
    }
    live.retain(|counter| !registry.retire(counter, PLACE, counter.generation()));
}

#[test]
fn outdated_series_make_room_after_their_delivery() {
    for of_one_session in [false, true] {
        let registry = full_at(2);
        let mut live = Vec::new();
        let before = registry.intern(standard("before", of_one_session));
        let after = registry.intern(standard("after", of_one_session));
        let held = registry.open(&before, Series::Commits).unwrap();
        let ended = registry.open(&before, Series::PullRequests).unwrap();
        drop(ended);
        registry.outdate();
        registry.intern(standard("after", of_one_session));

        // The old series are not delivered yet.
        assert!(registry.open(&after, Series::Commits).is_none());
        deliver(&registry, &mut live);
        let first = registry.open(&after, Series::Commits);
        assert!(first.is_some(), "{of_one_session}");
        assert_eq!(registry.len(), 2);
        // The held series has not ended yet.
        assert!(registry.open(&after, Series::PullRequests).is_none());
        drop(held);
        deliver(&registry, &mut live);
        let second = registry.open(&after, Series::PullRequests);
        assert!(second.is_some(), "{of_one_session}");
        assert_eq!(registry.len(), 2);
    }
}

#[test]
fn attribute_bytes_are_bounded_shared_and_released() {
    let mut registry = Registry::new(0, Clock::default());
    registry.max_attribute_bytes = 100;
    registry.join(PLACE);
    let mut live = Vec::new();
    let (first, second) = ("1".repeat(40), "2".repeat(40));
    let first = registry.intern(standard(&first, true));
    let second = registry.intern(standard(&second, true));
    let cost = || Series::Cost {
        model: registry.text("0123456789"),
    };
    assert_eq!(registry.attribute_bytes(), 0);
    let held = registry.open(&first, cost()).unwrap();
    assert_eq!(registry.attribute_bytes(), 50);
    let other = registry.open(&second, cost()).unwrap();
    assert_eq!(registry.attribute_bytes(), 90);
    let long = Series::Cost {
        model: registry.text("another model"),
    };
    assert!(registry.open(&first, long.clone()).is_none());
    assert_eq!((registry.attribute_bytes(), registry.len()), (90, 2));
    // Series without a text of their metric still fit.
    assert!(registry.open(&first, Series::Commits).is_some());

    drop(other);
    deliver(&registry, &mut live);
    registry.forget(&second);
    assert_eq!(registry.attribute_bytes(), 50);
    assert!(registry.open(&first, long).is_some());
    drop(held);
    deliver(&registry, &mut live);
    registry.forget(&first);
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
    let mut live = Vec::new();
    let before = registry.intern(standard("before", true));
    drop(registry.open(&before, Series::Commits));
    deliver(&registry, &mut live);
    // The session is remembered, so its series are kept.
    let after = registry.intern(standard("after", true));
    assert!(registry.open(&after, Series::Commits).is_none());
    drop(before);
    registry.outdate();
    let after = registry.intern(standard("after", true));
    let held = registry.open(&after, Series::Commits);
    assert!(held.is_some());
    assert_eq!(registry.len(), 1);
    assert_eq!(registry.lock().sets.len(), 1);
}
