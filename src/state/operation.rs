//! Operations between their beginning and their end: the state behind the handles.

use std::collections::HashMap;
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::{SessionCore, Timestamp};
use crate::lock::lock;

/// An operation of a session: an interaction, a model request, a tool call, or hooks.
pub(crate) trait Operation: Send + 'static {
    /// Returns the kind of the operation, for a diagnostic, if the operation still needs an outcome.
    fn missing_outcome(&self) -> Option<&'static str>;

    /// Returns whether the span of the whole operation is recorded when it ends.
    fn is_recorded(&self) -> bool;

    /// Ends the spans that are still open, at `now` and without an outcome. Returns whether the span of the whole
    /// operation was recorded by this call.
    fn abandon(&mut self, session: &SessionCore, now: Timestamp) -> bool;
}

/// The operation of a handle, which its clones share. It is settled once: by the host with an outcome, or without one
/// when the last handle is dropped or the operation is [abandoned](Self::abandon). The shutdown ends its spans, and
/// does not settle it: what the host records afterwards is counted as dropped.
pub(crate) struct OperationHandle<O: Operation>(Option<Arc<Shared<O>>>);

/// An operation with its session.
pub(crate) struct Shared<O: Operation + ?Sized> {
    session: Arc<SessionCore>,
    /// Only read and written while `operation` is locked.
    is_settled: AtomicBool,
    operation: Mutex<O>,
}

impl<O: Operation> OperationHandle<O> {
    /// Begins an operation. Without a session, telemetry is off: `operation` is not called, and the handle is empty.
    pub(crate) fn begin(
        session: Option<&Arc<SessionCore>>,
        operation: impl FnOnce(&Arc<SessionCore>) -> O,
    ) -> Self {
        let Some(session) = session else {
            return Self(None);
        };
        let operation = operation(session);
        let is_recorded = operation.is_recorded();
        let shared = Arc::new(Shared {
            session: Arc::clone(session),
            is_settled: AtomicBool::new(false),
            operation: Mutex::new(operation),
        });
        if is_recorded {
            let weak: Weak<Shared<O>> = Arc::downgrade(&shared);
            let operations = &session.telemetry.operations;
            operations.lock().insert(shared.address(), weak);
        }
        Self(Some(shared))
    }

    /// Locks the operation. Returns `None` if it is settled, if telemetry was off at its beginning, and in a forked
    /// child, where another thread may have held the lock at the fork.
    pub(crate) fn lock(&self) -> Option<(&Arc<SessionCore>, MutexGuard<'_, O>)> {
        let shared = self.shared_in_original_process()?;
        let operation = lock(&shared.operation);
        let is_settled = shared.is_settled.load(Ordering::Relaxed);
        (!is_settled).then_some((&shared.session, operation))
    }

    /// Locks the operation as [`lock`](Self::lock) does, and settles it: every further call returns `None`.
    pub(crate) fn settle(&self) -> Option<(&Arc<SessionCore>, MutexGuard<'_, O>)> {
        let shared = self.shared_in_original_process()?;
        Some((&shared.session, shared.settle()?))
    }

    /// Ends the operation without an outcome.
    pub(crate) fn abandon(&self) {
        if let Some(shared) = self.shared_in_original_process() {
            shared.drop_operation();
        }
    }

    fn shared_in_original_process(&self) -> Option<&Shared<O>> {
        let shared = self.0.as_deref()?;
        let telemetry = &shared.session.telemetry;
        telemetry.in_original_process().then_some(shared)
    }
}

impl<O: Operation + ?Sized> Shared<O> {
    fn settle(&self) -> Option<MutexGuard<'_, O>> {
        let operation = lock(&self.operation);
        let was_settled = self.is_settled.swap(true, Ordering::Relaxed);
        (!was_settled).then_some(operation)
    }

    /// Ends the operation of a handle that was dropped or [abandoned](OperationHandle::abandon), unless the operation
    /// is settled. Counts the handle as dropped if the operation needed an outcome.
    fn drop_operation(&self) {
        let Some(mut operation) = self.settle() else {
            return;
        };
        let telemetry = &self.session.telemetry;
        let missing = operation.missing_outcome();
        operation.abandon(&self.session, telemetry.timestamp(None));
        drop(operation);
        if let Some(kind) = missing {
            telemetry.count_dropped_handle(kind);
        }
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }
}

impl<O: Operation> Clone for OperationHandle<O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<O: Operation> fmt::Debug for OperationHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationHandle").finish_non_exhaustive()
    }
}

impl<O: Operation + ?Sized> Drop for Shared<O> {
    fn drop(&mut self) {
        let telemetry = &self.session.telemetry;
        if telemetry.in_original_process() {
            self.drop_operation();
            telemetry.operations.lock().remove(&self.address());
        }
    }
}

/// The operations whose spans are recorded, by address.
#[derive(Default)]
pub(crate) struct Operations(Mutex<HashMap<usize, Weak<Shared<dyn Operation>>>>);

impl Operations {
    /// Ends all operations with the same end time, so that none of them ends after its parent. Returns the number of
    /// those whose span was recorded by this call.
    pub(crate) fn abandon_all(&self, now: Timestamp) -> u64 {
        // The lock is released before the operations are ended, which takes their own locks.
        let open: Vec<_> = self
            .lock()
            .drain()
            .map(|(_, operation)| operation)
            .collect();
        let open = open.iter().filter_map(Weak::upgrade);
        open.filter(|shared| lock(&shared.operation).abandon(&shared.session, now))
            .count() as u64
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Weak<Shared<dyn Operation>>>> {
        lock(&self.0)
    }
}
