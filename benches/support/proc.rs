//! What Linux says of this process; nothing on other systems.

use std::fs;

/// Resident memory in KiB.
pub fn resident() -> Option<u64> {
    status("/proc/self/status", "VmRSS:")
}

/// Resident memory in KiB without what is mapped from files, such as the program's own code.
pub fn anonymous() -> Option<u64> {
    status("/proc/self/status", "RssAnon:")
}

/// The threads of this process.
pub fn threads() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

/// How often threads of this process were scheduled because something woke them: their voluntary switches.
pub fn wake_ups() -> Option<u64> {
    let mut total = 0;
    for task in fs::read_dir("/proc/self/task").ok()? {
        let path = task.ok()?.path().join("status");
        total += status(path.to_str()?, "voluntary_ctxt_switches:").unwrap_or(0);
    }
    Some(total)
}

fn status(path: &str, field: &str) -> Option<u64> {
    let status = fs::read_to_string(path).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
