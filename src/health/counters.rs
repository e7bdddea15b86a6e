//! The counters of one exporter.

#[cfg(feature = "prometheus")]
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::{Dropped, Exporter, ExporterHealth, ExporterState, QueueDepth};
use crate::lock::lock;
use crate::signal::Signal;

/// A function that returns the number of items that were recorded and not delivered.
pub(crate) type Undelivered = Box<dyn Fn() -> u64 + Send + Sync>;

/// The counters behind an [`ExporterHealth`].
pub(crate) struct ExporterCounters {
    signal: Signal,
    exporter: Exporter,
    waiting: Arc<QueueDepth>,
    /// A function that counts the items that were recorded and not delivered, where those are not the items of the
    /// queue.
    undelivered: Option<Undelivered>,
    /// The items that recording dropped because the queue was full. Recording takes no lock.
    queue_full: AtomicU64,
    /// The items that were recorded while the exporter was off.
    recorded_when_off: AtomicU64,
    progress: Mutex<Progress>,
}

/// The counts that only the exporter changes.
struct Progress {
    /// The health without the counts of the queue and of recording.
    health: ExporterHealth,
    /// The number of dropped items in the last diagnostic, and its time.
    reported: (u64, Option<Instant>),
    /// True after a shutdown has returned. Items still in the queue then count as dropped, also before the exporter has
    /// counted them.
    shutdown_returned: bool,
}

/// The minimum interval between diagnostics about dropped items.
const REPORT_EVERY: Duration = Duration::from_secs(60);

impl ExporterCounters {
    pub(crate) fn new(
        signal: Signal,
        exporter: Exporter,
        waiting: Arc<QueueDepth>,
        undelivered: Option<Undelivered>,
    ) -> Arc<Self> {
        let health = ExporterHealth {
            signal,
            exporter,
            state: ExporterState::Idle,
            delivered: 0,
            queued: 0,
            dropped: Dropped::default(),
            retries: 0,
            shortened: 0,
            unreadable_bodies: 0,
            last_error: None,
            last_success: None,
            addresses: Vec::new(),
        };
        Arc::new(Self {
            signal,
            exporter,
            waiting,
            undelivered,
            queue_full: AtomicU64::new(0),
            recorded_when_off: AtomicU64::new(0),
            progress: Mutex::new(Progress {
                health,
                reported: (0, None),
                shutdown_returned: false,
            }),
        })
    }

    pub(crate) fn signal(&self) -> Signal {
        self.signal
    }

    pub(crate) fn exporter(&self) -> Exporter {
        self.exporter
    }

    /// Returns the name of the exporter in diagnostics.
    pub(crate) fn name(&self) -> String {
        format!("{} ({})", self.signal, self.exporter)
    }

    /// Counts items that were dropped because the queue was full.
    pub(crate) fn queue_full(&self, items: u64) {
        self.queue_full.fetch_add(items, Ordering::Relaxed);
    }

    /// Counts a record that was made while the exporter was off.
    pub(crate) fn recorded_when_off(&self) {
        self.recorded_when_off.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the changes that the encoding made to an item.
    pub(crate) fn encoded(&self, is_shortened: bool, unreadable_bodies: u64) {
        let health = &mut self.progress().health;
        health.shortened += u64::from(is_shortened);
        health.unreadable_bodies += unreadable_bodies;
    }

    /// Counts the items of a request that the receiver accepted, except the `rejected` ones. `now` is the time in
    /// nanoseconds since the Unix epoch.
    pub(crate) fn delivered(&self, items: u64, rejected: u64, now: u64) {
        let health = &mut self.progress().health;
        health.delivered += items.saturating_sub(rejected);
        health.dropped.rejected += rejected.min(items);
        health.last_success = Some(UNIX_EPOCH + Duration::from_nanos(now));
        health.state = ExporterState::Working;
    }

    /// Counts the items of a request that the receiver rejected permanently.
    pub(crate) fn refused(&self, items: u64) {
        self.progress().health.dropped.refused += items;
    }

    pub(crate) fn retried(&self) {
        self.progress().health.retries += 1;
    }

    /// Records a failed attempt. Returns true if the exporter was not failing before.
    pub(crate) fn failed(&self, message: String) -> bool {
        let health = &mut self.progress().health;
        let is_new = health.state != ExporterState::Failing;
        health.fail(&message, ExporterState::Failing);
        is_new
    }

    /// Records that no item can be sent until a thread can be started. An exporter that is off stays off.
    pub(crate) fn cannot_start_yet(&self, why: &str) {
        let health = &mut self.progress().health;
        if !health.state.is_off() {
            health.fail(why, ExporterState::Failing);
        }
    }

    /// Records that the exporter has ended because of a panic.
    pub(crate) fn ended_by_panic(&self) {
        self.turned_off(0, Some("it ended because of an internal error".to_owned()));
    }

    /// Records that attempts can be made from now on: the next failure is one of the receiver, and is reported.
    pub(crate) fn starts(&self) {
        let health = &mut self.progress().health;
        if health.state == ExporterState::Failing {
            health.state = ExporterState::Idle;
        }
    }

    /// Records the addresses at which the page is served from now on.
    #[cfg(feature = "prometheus")]
    pub(crate) fn listens_on(&self, addresses: Vec<SocketAddr>) {
        let health = &mut self.progress().health;
        health.addresses = addresses;
        health.state = ExporterState::Idle;
    }

    /// Records that the configuration requests the exporter, for the first time or again. New records are accepted from
    /// now on.
    pub(crate) fn turned_on(&self) {
        let health = &mut self.progress().health;
        self.waiting.set_off(false);
        if health.state.is_off() {
            health.state = ExporterState::Idle;
        }
    }

    /// Records that the configuration no longer requests the exporter, or that it cannot be built, with the reason
    /// `why`. `lost` items of the queue are dropped, and no more are accepted. An item that is recorded at this moment
    /// stays in the queue, and counts as dropped at the end.
    pub(crate) fn turned_off(&self, lost: u64, why: Option<String>) {
        let health = &mut self.progress().health;
        self.waiting.set_off(true);
        health.addresses.clear();
        health.dropped.shutdown += lost;
        match why {
            Some(why) => health.fail(&why, ExporterState::Off),
            None => health.state = ExporterState::ShutDown,
        }
    }

    /// Ends the exporter. Items that were not delivered are dropped.
    pub(crate) fn shut_down(&self) {
        // The lock prevents a snapshot from seeing the items twice or not at all.
        let health = &mut self.progress().health;
        let undelivered = self.undelivered();
        self.waiting.set_off(true);
        // An item that is recorded at this moment is in this number, or is dropped because the exporter is off, or
        // stays in the queue, where a snapshot after the shutdown counts it.
        let queued = self.waiting.clear();
        health.addresses.clear();
        health.dropped.shutdown += undelivered.unwrap_or(queued);
        if health.state != ExporterState::Off {
            health.state = ExporterState::ShutDown;
        }
    }

    /// Counts items still in the queue as dropped from now on. A shutdown returns to its caller after its limit, which
    /// may be slightly before the exporter has counted them.
    pub(crate) fn shutdown_returns(&self) {
        self.progress().shutdown_returned = true;
    }

    /// Returns a sentence about all dropped items, if there are new ones: immediately for the first, then at most once
    /// a minute, and once at the end.
    pub(crate) fn unreported_losses(&self, at_the_end: bool) -> Option<String> {
        let mut progress = self.progress();
        let dropped = self.dropped(&progress.health);
        let (total, (reported, at)) = (dropped.total(), progress.reported);
        if total == reported || !at_the_end && at.is_some_and(|at| at.elapsed() < REPORT_EVERY) {
            return None;
        }
        progress.reported = (total, Some(Instant::now()));
        let reasons = [
            (dropped.queue_full, "because the queue was full"),
            (dropped.refused, "refused by the receiver"),
            (dropped.rejected, "rejected by the receiver"),
            (
                dropped.shutdown,
                "not delivered before the shutdown or before the exporter was turned off, or recorded \
                 after that",
            ),
        ];
        let reasons = reasons.iter().filter(|(items, _)| *items > 0);
        let reasons: Vec<_> = reasons
            .map(|(items, reason)| format!("{items} {reason}"))
            .collect();
        Some(format!(
            "{total} items are lost so far: {}",
            reasons.join(", ")
        ))
    }

    pub(crate) fn snapshot(&self) -> ExporterHealth {
        let progress = self.progress();
        let mut health = progress.health.clone();
        health.dropped = self.dropped(&health);
        health.queued = self.waiting.items();
        if progress.shutdown_returned {
            health.dropped.shutdown += self.undelivered().unwrap_or(health.queued);
            health.queued = 0;
            if health.state != ExporterState::Off {
                health.state = ExporterState::ShutDown;
            }
        }
        health
    }

    /// Returns the drops that the exporter counted, together with those that recording counted.
    fn dropped(&self, health: &ExporterHealth) -> Dropped {
        let mut dropped = health.dropped;
        dropped.queue_full += self.queue_full.load(Ordering::Relaxed);
        dropped.shutdown += self.recorded_when_off.load(Ordering::Relaxed);
        dropped
    }

    /// Returns the number of items that were recorded and not delivered, as the source counts them; `None` if they are
    /// those of the queue.
    fn undelivered(&self) -> Option<u64> {
        let undelivered = self.undelivered.as_ref()?;
        // After the end of the exporter, these items are counted as dropped.
        Some(if self.waiting.is_off() {
            0
        } else {
            undelivered()
        })
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_left_at_the_shutdown_are_reported_with_the_reason() {
        let waiting = Arc::new(QueueDepth::default());
        waiting.add(4, 400);
        let counters = ExporterCounters::new(Signal::Logs, Exporter::Otlp, waiting, None);
        counters.shut_down();
        let message = counters.unreported_losses(true).unwrap();
        assert_eq!(
            message,
            "4 items are lost so far: 4 not delivered before the shutdown or before the exporter \
             was turned off, or recorded after that"
        );
        assert_eq!(counters.unreported_losses(true), None);
    }
}
