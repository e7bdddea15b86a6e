//! CPU time.

use rustix::time::{ClockId, clock_gettime};

/// Returns the CPU time of all threads of this process, in nanoseconds.
pub fn process() -> u64 {
    nanos(ClockId::ProcessCPUTime)
}

/// Returns the CPU time of this thread, in nanoseconds.
pub fn thread() -> u64 {
    nanos(ClockId::ThreadCPUTime)
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
