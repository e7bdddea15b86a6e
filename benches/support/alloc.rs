//! A global allocator that counts, when it is asked to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// The system's allocator. Off, it costs a load and a branch, so that it changes no time that is measured.
pub struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// Allocations of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    pub calls: u64,
    pub bytes: u64,
}

/// Counts from now on. What is live is right only for a process that says so before all else.
pub fn count() {
    ON.store(true, Ordering::Relaxed);
}

/// What this thread allocates during a call.
pub fn during(call: impl FnOnce()) -> Allocations {
    let was = ON.swap(true, Ordering::Relaxed);
    let before = (CALLS.get(), BYTES.get());
    call();
    let after = (CALLS.get(), BYTES.get());
    ON.store(was, Ordering::Relaxed);
    Allocations {
        calls: after.0 - before.0,
        bytes: after.1 - before.1,
    }
}

/// Bytes that are allocated and not freed, in the whole process.
pub fn live() -> i64 {
    LIVE.load(Ordering::Relaxed)
}

/// The most bytes that were live since the last call.
pub fn peak_since() -> i64 {
    PEAK.swap(live(), Ordering::Relaxed)
}

fn grown(size: usize, calls: u64) {
    if ON.load(Ordering::Relaxed) {
        // At the end of a thread there is nothing to count into.
        let _ = CALLS.try_with(|count| count.set(count.get() + calls));
        let _ = BYTES.try_with(|count| count.set(count.get() + size as u64));
        let now = LIVE.fetch_add(size as i64, Ordering::Relaxed) + size as i64;
        PEAK.fetch_max(now, Ordering::Relaxed);
    }
}

fn shrunk(size: usize) {
    if ON.load(Ordering::Relaxed) {
        LIVE.fetch_sub(size as i64, Ordering::Relaxed);
    }
}

#[allow(unsafe_code, reason = "an allocator is unsafe")]
// SAFETY: every call goes to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size(), 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size(), 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        shrunk(layout.size());
        grown(size, 1);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
