//! Ways to do the same thing, measured in turns.

use std::sync::Barrier;
use std::time::{Duration, Instant};

/// So many calls are made between two looks at the clock: few enough that none of the queues is full.
pub const CALLS: usize = 400;

/// One way.
pub struct Contender {
    pub name: &'static str,
    /// Makes one call as the thread of this number.
    pub call: Box<dyn Fn(usize, usize) -> Duration + Sync>,
    /// Delivers what the calls left, outside of every clock.
    pub settle: Box<dyn Fn() + Sync>,
}

impl Contender {
    /// `call` is given the number of the call.
    pub fn new(
        name: &'static str,
        call: impl Fn(usize) + Sync + 'static,
        settle: impl Fn() + Sync + 'static,
    ) -> Self {
        Self {
            name,
            // The loop is here, so that only its beginning is behind a pointer.
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

    /// What so many calls take in one thread.
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

    /// What so many calls take in each of several threads: that of the slowest.
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

/// Nanoseconds a call of each, in turns: the minimum of the rounds.
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

/// One thread, warm.
pub fn warm(contender: &Contender) -> f64 {
    nanos(contender.time(CALLS), CALLS)
}

/// Two threads on the same.
pub fn two_threads(contender: &Contender) -> f64 {
    nanos(contender.time_threads(2, CALLS), CALLS)
}

/// One thread, the caches full of something else at each call.
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
