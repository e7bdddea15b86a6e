//! A global allocator that counts allocations while counting is on.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// The system's allocator with counters. While counting is off, a call costs only one more load and one more branch, so
/// that measured times hardly change.
pub struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// The allocations of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    pub calls: u64,
    pub bytes: u64,
}

/// Turns counting on. [`live`] returns only the difference to the live bytes at this call.
pub fn count() {
    ON.store(true, Ordering::Relaxed);
}

/// Returns the allocations that this thread makes while it runs `call`.
pub fn during(call: impl FnOnce()) -> Allocations {
    let was_on = ON.swap(true, Ordering::Relaxed);
    let before = (CALLS.get(), BYTES.get());
    call();
    let after = (CALLS.get(), BYTES.get());
    ON.store(was_on, Ordering::Relaxed);
    Allocations {
        calls: after.0 - before.0,
        bytes: after.1 - before.1,
    }
}

/// Returns the bytes that the whole process allocated, minus the bytes that it freed, while counting was on.
pub fn live() -> i64 {
    LIVE.load(Ordering::Relaxed)
}

/// Returns the maximum of [`live`] since the last call of this function, and starts a new measurement.
pub fn take_peak() -> i64 {
    PEAK.swap(live(), Ordering::Relaxed)
}

fn count_allocated(size: usize, calls: u64) {
    if ON.load(Ordering::Relaxed) {
        // At the end of a thread, its counters may already be destroyed.
        let _ = CALLS.try_with(|count| count.set(count.get() + calls));
        let _ = BYTES.try_with(|count| count.set(count.get() + size as u64));
        let now = LIVE.fetch_add(size as i64, Ordering::Relaxed) + size as i64;
        PEAK.fetch_max(now, Ordering::Relaxed);
    }
}

fn count_freed(size: usize) {
    if ON.load(Ordering::Relaxed) {
        LIVE.fetch_sub(size as i64, Ordering::Relaxed);
    }
}

#[allow(unsafe_code, reason = "an allocator is unsafe")]
// SAFETY: every call is forwarded to the system's allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_allocated(layout.size(), 1);
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_allocated(layout.size(), 1);
        // SAFETY: the caller upholds the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count_freed(layout.size());
        // SAFETY: the caller upholds the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_freed(layout.size());
        count_allocated(size, 1);
        // SAFETY: the caller upholds the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
