//! The generator of the ids of sessions, prompts, traces and spans.

use std::sync::Arc;
#[cfg(feature = "testing")]
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Builder;

use crate::random::random;

/// The generator of ids: random, or sequential in a test that requests it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ids {
    #[cfg(feature = "testing")]
    counted: Option<&'static Counters>,
}

/// The counters of sequential ids. Each kind has its own counter, so that an additional span does not change the id of
/// a prompt.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
struct Counters {
    sessions: AtomicU64,
    prompts: AtomicU64,
    traces: AtomicU64,
    spans: AtomicU64,
}

impl Ids {
    /// Creates a generator of sequential ids from 1. Its counters are leaked, like the state of a manual clock.
    #[cfg(feature = "testing")]
    pub(crate) fn counted() -> Self {
        Self {
            counted: Some(Box::leak(Box::default())),
        }
    }

    /// Returns a new `session.id`.
    pub(crate) fn session(self) -> Arc<str> {
        #[cfg(feature = "testing")]
        if let Some(counters) = self.counted {
            return uuid(1, &counters.sessions);
        }
        random_uuid()
    }

    /// Returns a new `prompt.id`.
    pub(crate) fn prompt(self) -> Arc<str> {
        #[cfg(feature = "testing")]
        if let Some(counters) = self.counted {
            return uuid(2, &counters.prompts);
        }
        random_uuid()
    }

    pub(crate) fn trace(self) -> [u8; 16] {
        #[cfg(feature = "testing")]
        if let Some(counters) = self.counted {
            return u128::from(next(&counters.traces)).to_be_bytes();
        }
        random_id()
    }

    pub(crate) fn span(self) -> [u8; 8] {
        #[cfg(feature = "testing")]
        if let Some(counters) = self.counted {
            return next(&counters.spans).to_be_bytes();
        }
        random_id()
    }
}

#[cfg(feature = "testing")]
fn next(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

/// Returns a sequential id in the form of a UUID of version 4.
#[cfg(feature = "testing")]
fn uuid(kind: u32, counter: &AtomicU64) -> Arc<str> {
    format!("{kind:08}-0000-4000-8000-{:012}", next(counter)).into()
}

/// Returns a random UUID.
fn random_uuid() -> Arc<str> {
    let uuid = Builder::from_random_bytes(random()).into_uuid();
    uuid.to_string().into()
}

/// Returns random bytes that are not all zero, which W3C Trace Context forbids for both ids.
fn random_id<const N: usize>() -> [u8; N] {
    loop {
        let id = random();
        if id != [0; N] {
            return id;
        }
    }
}
