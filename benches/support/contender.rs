//! Implementations of the same task, measured in turns.

use std::sync::Barrier;
use std::time::{Duration, Instant};

/// The number of calls between two readings of the clock: too few to fill any queue.
pub const CALLS: usize = 400;

/// An implementation that is measured.
pub struct Contender {
    pub name: &'static str,
    /// Makes a number of calls, the first with the given number, and returns their duration.
    pub call: Box<dyn Fn(usize, usize) -> Duration + Sync>,
    /// Delivers the data of the calls; not measured.
    pub settle: Box<dyn Fn() + Sync>,
}

impl Contender {
    /// Creates a contender. `call` receives the number of the call.
    pub fn new(
        name: &'static str,
        call: impl Fn(usize) + Sync + 'static,
        settle: impl Fn() + Sync + 'static,
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
            settle: Box::new(settle),
        }
    }

    /// Returns the duration of `calls` calls in one thread.
    pub fn time(&self, calls: usize) -> Duration {
        let mut took = Duration::ZERO;
        let mut left = calls;
        while left > 0 {
            let now = left.min(CALLS);
            took += (self.call)(0, now);
            left -= now;
            (self.settle)();
        }
        took
    }

    /// Returns the duration of `calls` calls in each of several threads: that of the slowest thread.
    pub fn time_threads(&self, threads: usize, calls: usize) -> Duration {
        let mut took = Duration::ZERO;
        let mut left = calls;
        while left > 0 {
            let now = left.min(CALLS / threads * 2);
            let barrier = Barrier::new(threads);
            took += std::thread::scope(|scope| {
                let all: Vec<_> = (0..threads)
                    .map(|_| {
                        scope.spawn(|| {
                            barrier.wait();
                            (self.call)(0, now)
                        })
                    })
                    .collect();
                all.into_iter()
                    .map(|thread| thread.join().unwrap_or_default())
                    .max()
                    .unwrap_or_default()
            });
            left -= now;
            (self.settle)();
        }
        took
    }
}

/// Measures the contenders in turns and returns the minimum of each over all rounds, in nanoseconds for each call.
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
    const COLD: usize = 24;
    let mut waste = vec![1_u8; 12 * 1024 * 1024];
    let mut took = Duration::ZERO;
    for number in 0..COLD {
        for line in waste.chunks_mut(64) {
            line[0] = line[0].wrapping_add(number as u8);
        }
        std::hint::black_box(&mut waste);
        took += (contender.call)(number, 1);
    }
    (contender.settle)();
    nanos(took, COLD)
}

pub fn nanos(took: Duration, calls: usize) -> f64 {
    took.as_nanos() as f64 / calls as f64
}
