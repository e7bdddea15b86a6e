//! Implementations of the same task, measured in turns.

use std::sync::Barrier;
use std::time::{Duration, Instant};

/// The number of calls of one thread between two flushes. Several threads together make at most twice as many. Both are
/// too few to fill any queue.
pub const CALLS: usize = 400;

/// An implementation that is measured.
pub struct Contender {
    pub name: &'static str,
    /// Makes calls and returns their duration. The arguments are the number of the first call and the count of calls.
    pub call: Box<dyn Fn(usize, usize) -> Duration + Sync>,
    /// Delivers the recorded data. Its time is not part of the durations that this type returns.
    pub flush: Box<dyn Fn() + Sync>,
}

impl Contender {
    /// Creates a contender. `call` receives the number of the call.
    pub fn new(
        name: &'static str,
        call: impl Fn(usize) + Sync + 'static,
        flush: impl Fn() + Sync + 'static,
    ) -> Self {
        Self {
            name,
            // The loop is inside the closure, so that only one call per loop goes through a pointer.
            call: Box::new(move |first, calls| {
                let start = Instant::now();
                for number in first..first + calls {
                    call(number);
                }
                start.elapsed()
            }),
            flush: Box::new(flush),
        }
    }

    /// Returns the duration of `calls` calls in one thread.
    pub fn time(&self, calls: usize) -> Duration {
        let mut elapsed = Duration::ZERO;
        let mut remaining = calls;
        while remaining > 0 {
            let batch = remaining.min(CALLS);
            elapsed += (self.call)(0, batch);
            remaining -= batch;
            (self.flush)();
        }
        elapsed
    }

    /// Returns the duration of `calls` calls in each of several threads: that of the slowest thread.
    pub fn time_threads(&self, threads: usize, calls: usize) -> Duration {
        let mut elapsed = Duration::ZERO;
        let mut remaining = calls;
        while remaining > 0 {
            let batch = remaining.min(CALLS / threads * 2);
            let barrier = Barrier::new(threads);
            elapsed += std::thread::scope(|scope| {
                let all: Vec<_> = (0..threads)
                    .map(|_| {
                        scope.spawn(|| {
                            barrier.wait();
                            (self.call)(0, batch)
                        })
                    })
                    .collect();
                all.into_iter()
                    .map(|thread| thread.join().unwrap_or_default())
                    .max()
                    .unwrap_or_default()
            });
            remaining -= batch;
            (self.flush)();
        }
        elapsed
    }
}

/// Measures the contenders in turns, and returns the minimum of each over all rounds, in the unit of `measure`.
pub fn in_turns(
    contenders: &[Contender],
    rounds: usize,
    measure: impl Fn(&Contender) -> f64,
) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; contenders.len()];
    for _ in 0..rounds {
        for (best, contender) in best.iter_mut().zip(contenders) {
            *best = best.min(measure(contender));
        }
    }
    best
}

/// Measures one thread with warm caches, in nanoseconds for each call.
pub fn warm(contender: &Contender) -> f64 {
    nanos(contender.time(CALLS), CALLS)
}

/// Measures two threads on the same contender, in nanoseconds for each call.
pub fn two_threads(contender: &Contender) -> f64 {
    nanos(contender.time_threads(2, CALLS), CALLS)
}

/// Measures one thread whose caches are evicted before each call, in nanoseconds for each call.
pub fn cold(contender: &Contender) -> f64 {
    const COLD_CALLS: usize = 24;
    // Writing a buffer that is larger than the L2 cache evicts all other data from it.
    let mut eviction = vec![1_u8; 12 * 1024 * 1024];
    let mut elapsed = Duration::ZERO;
    for number in 0..COLD_CALLS {
        for line in eviction.chunks_mut(64) {
            line[0] = line[0].wrapping_add(number as u8);
        }
        std::hint::black_box(&mut eviction);
        elapsed += (contender.call)(number, 1);
    }
    (contender.flush)();
    nanos(elapsed, COLD_CALLS)
}

/// Returns the average duration of a call in nanoseconds.
pub fn nanos(elapsed: Duration, calls: usize) -> f64 {
    elapsed.as_nanos() as f64 / calls as f64
}
