//! Figures of this process from Linux's `/proc`; `None` on other systems.

use std::fs;

/// Returns the resident memory, in KiB.
pub fn resident() -> Option<u64> {
    status("/proc/self/status", "VmRSS:")
}

/// Returns the resident memory without mapped files, such as the program's code, in KiB.
pub fn anonymous() -> Option<u64> {
    status("/proc/self/status", "RssAnon:")
}

/// Returns the number of threads of this process.
pub fn threads() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

/// Returns how often the threads of this process were woken: the sum of their voluntary context switches.
pub fn wake_ups() -> Option<u64> {
    let mut total = 0;
    for task in fs::read_dir("/proc/self/task").ok()? {
        let path = task.ok()?.path().join("status");
        total += status(path.to_str()?, "voluntary_ctxt_switches:").unwrap_or(0);
    }
    Some(total)
}

/// Reads a numeric field of a `status` file.
fn status(path: &str, field: &str) -> Option<u64> {
    let status = fs::read_to_string(path).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
