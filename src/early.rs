//! Records from before the start of the telemetry.

use std::fmt;
use std::mem::size_of;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use crate::fork::Process;
use crate::session::recorder::{Recordable, record_methods};
use crate::session::{Recorder, Session};

/// The maximum number of records that are kept.
const MAX_RECORDS: usize = 1_024;
/// The maximum size of the records that are kept, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The time after which a forked child considers the lock orphaned. A living thread of the child holds it for less time
/// than this; a thread that does not exist in the child never releases it.
const ORPHANED_AFTER: Duration = Duration::from_millis(100);

/// A buffer for records from before the start of the telemetry, which are recorded later with their original time.
///
/// A host that learns its configuration only after its start (settings are fetched, the user signs in) can record the
/// early work here: plugins that are installed, skills, requests. [`deliver_to`](Self::deliver_to) passes all records
/// to a session, in order. Later records go to that session directly, so that a part of the host that uses this buffer
/// need not know whether the start is over.
///
/// No record is sent before the delivery: each `record_*` method states what the record emits or adds then. The content
/// policy of the session's telemetry applies at the delivery. Records that are never delivered are dropped with the
/// buffer. At most 1,024 records and 4 MiB are kept; further records are dropped and counted. Metrics count at the time
/// of delivery, because a measurement carries no timestamp. A forked child has a copy of the records from before the
/// fork: records that both processes deliver are delivered twice.
///
/// ```
/// use claude_code_telemetry::{
///     EarlyRecords, Identity, InstallTrigger, PluginInstalled, Telemetry,
/// };
///
/// let early = EarlyRecords::new();
/// early.record_plugin_installed(PluginInstalled::new("lint", "official", InstallTrigger::Cli));
///
/// // ... later: Telemetry::start(Config::load(), Service::new("claude-code", "1.2.3"))
/// let telemetry = Telemetry::disabled();
/// let session = telemetry.session(Identity::new());
/// let report = early.deliver_to(&session);
/// assert_eq!((report.delivered, report.lost), (1, 0));
/// ```
#[must_use = "what is recorded here is dropped unless it is delivered"]
pub struct EarlyRecords {
    queue: Mutex<EarlyQueue>,
    /// The recorder for all records after the delivery.
    recorder: OnceLock<Recorder>,
    process: Process,
    /// Set in a forked child if the lock is held by a thread that does not exist there.
    orphaned: AtomicBool,
}

/// A record that waits for a recorder.
type EarlyRecord = Box<dyn FnOnce(&Recorder) + Send>;

#[derive(Default)]
struct EarlyQueue {
    records: Vec<EarlyRecord>,
    bytes: usize,
    lost_events: u64,
    lost_measurements: u64,
}

/// The result of delivering the records from before the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EarlyReport {
    /// The number of records that were passed to the session.
    pub delivered: u64,
    /// The number of records that were dropped because the buffer was full. The events among them are also counted in
    /// [health](crate::Health).
    pub lost: u64,
}

impl EarlyRecords {
    // Adds a method `record_*` for each kind of record.
    record_methods!(|self, record| self.keep(record));

    /// Creates an empty buffer.
    pub fn new() -> Self {
        Self {
            queue: Mutex::default(),
            recorder: OnceLock::new(),
            process: Process::current(),
            orphaned: AtomicBool::new(false),
        }
    }

    /// Records everything in the buffer, in order and with its original time, and passes all further records on
    /// directly. Only the first call has an effect; the report of a later call is empty. The session stays open until this
    /// buffer is dropped.
    ///
    /// ```
    /// # use claude_code_telemetry::{EarlyRecords, Identity, SkillActivated, Telemetry};
    /// # let session = Telemetry::disabled().session(Identity::new());
    /// let early = EarlyRecords::new();
    /// early.record_skill_activated(SkillActivated::new("pdf", "userSettings"));
    /// let report = early.deliver_to(&session);
    /// assert_eq!(report.delivered, 1);
    /// ```
    pub fn deliver_to(&self, session: &Session) -> EarlyReport {
        let recorder = session.recorder();
        let Some(mut queue) = self.lock() else {
            // In a forked child whose lock is orphaned, only later records reach the session.
            let _ = self.recorder.set(recorder.clone());
            return EarlyReport::default();
        };
        if self.recorder.get().is_some() {
            return EarlyReport::default();
        }
        let EarlyQueue {
            records,
            lost_events,
            lost_measurements,
            ..
        } = std::mem::take(&mut *queue);
        let report = EarlyReport {
            delivered: records.len() as u64,
            lost: lost_events + lost_measurements,
        };
        // The lock is held during the delivery, so that concurrent records are recorded after those in the buffer.
        for record in records {
            record(recorder);
        }
        if let Some(session) = recorder.session() {
            // Skips the sequence numbers of lost events: a gap shows the loss.
            (session.state.sequence).fetch_add(lost_events, Ordering::Relaxed);
            session.telemetry.lost_early(lost_events);
        }
        let _ = self.recorder.set(recorder.clone());
        report
    }

    fn keep<R: Recordable>(&self, mut record: R) {
        if let Some(recorder) = self.recorder.get() {
            return record.record(recorder);
        }
        let Some(mut queue) = self.lock() else {
            return;
        };
        // The delivery completed while this call waited for the lock.
        if let Some(recorder) = self.recorder.get() {
            drop(queue);
            return record.record(recorder);
        }
        let size = size_of::<R>() + record.size();
        let bytes = queue.bytes.saturating_add(size);
        if queue.records.len() < MAX_RECORDS && bytes <= MAX_BYTES {
            if let Some(time) = record.event_time() {
                time.get_or_insert_with(SystemTime::now);
            }
            queue.bytes = bytes;
            (queue.records).push(Box::new(move |recorder| record.record(recorder)));
        } else if record.event_time().is_some() {
            queue.lost_events += 1;
        } else {
            queue.lost_measurements += 1;
        }
    }

    /// Locks the buffer. Returns `None` in a forked child if another thread held the lock at the fork.
    fn lock(&self) -> Option<MutexGuard<'_, EarlyQueue>> {
        if self.process.is_current() {
            let queue = self.queue.lock();
            return Some(queue.unwrap_or_else(PoisonError::into_inner));
        }
        let end = Instant::now() + ORPHANED_AFTER;
        while !self.orphaned.load(Ordering::Relaxed) {
            match self.queue.try_lock() {
                Ok(queue) => return Some(queue),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::yield_now(),
                Err(TryLockError::WouldBlock) => self.orphaned.store(true, Ordering::Relaxed),
            }
        }
        None
    }
}

impl Default for EarlyRecords {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EarlyRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlyRecords")
            .field("delivered", &self.recorder.get().is_some())
            .finish_non_exhaustive()
    }
}
