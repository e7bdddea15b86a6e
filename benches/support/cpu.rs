//! CPU time.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of CPU that this process has used, all threads.
pub fn process() -> u64 {
    nanos(ClockId::ProcessCPUTime)
}

/// Nanoseconds of CPU that this thread has used.
pub fn thread() -> u64 {
    nanos(ClockId::ThreadCPUTime)
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
