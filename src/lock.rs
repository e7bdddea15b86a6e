//! Locks that no panic disables.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, also if another thread panicked while it held the lock: telemetry goes on with the value as it is,
/// because a second panic would only spread the first one.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
