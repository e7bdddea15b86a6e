//! The generator of the ids of sessions, prompts, traces and spans.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Builder;

use crate::random::random;

/// The generator of ids: random, or sequential in a test that requests it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdGenerator {
    counters: Option<&'static Counters>,
}

/// The counters of sequential ids. Each kind has its own counter, so that an additional span does not change the id of
/// a prompt.
#[derive(Debug, Default)]
struct Counters {
    sessions: AtomicU64,
    prompts: AtomicU64,
    traces: AtomicU64,
    spans: AtomicU64,
}

impl IdGenerator {
    /// Creates a generator of sequential ids from 1. Its counters are leaked, so that the generator can be
    /// copied.
    #[cfg(feature = "testing")]
    pub(crate) fn sequential() -> Self {
        Self {
            counters: Some(Box::leak(Box::default())),
        }
    }

    /// Returns a new `session.id`.
    pub(crate) fn session(self) -> Arc<str> {
        uuid(1, self.next(|counters| &counters.sessions))
    }

    /// Returns a new `prompt.id`.
    pub(crate) fn prompt(self) -> Arc<str> {
        uuid(2, self.next(|counters| &counters.prompts))
    }

    pub(crate) fn trace(self) -> [u8; 16] {
        let number = self.next(|counters| &counters.traces);
        number.map_or_else(random_id, |number| u128::from(number).to_be_bytes())
    }

    pub(crate) fn span(self) -> [u8; 8] {
        let number = self.next(|counters| &counters.spans);
        number.map_or_else(random_id, u64::to_be_bytes)
    }

    /// Returns the next number of a counter; `None` if ids are random.
    fn next(self, counter: impl Fn(&Counters) -> &AtomicU64) -> Option<u64> {
        let counters = self.counters?;
        Some(counter(counters).fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Returns a UUID of version 4: random, or from the kind of the id and its number.
fn uuid(kind: u32, number: Option<u64>) -> Arc<str> {
    let text = match number {
        Some(number) => format!("{kind:08}-0000-4000-8000-{number:012}"),
        None => Builder::from_random_bytes(random()).into_uuid().to_string(),
    };
    text.into()
}

/// Returns random bytes, never all zero: W3C Trace Context forbids an all-zero trace id and span id.
fn random_id<const N: usize>() -> [u8; N] {
    loop {
        let id = random();
        if id != [0; N] {
            return id;
        }
    }
}
