//! A single attempt to send a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::{ActiveExporter, Pipeline};
use crate::export::command::at;
use crate::export::control::Interruption;
use crate::export::export_result::{ExportError, ExportResult};

/// The longest time that a request in flight may take after its receiver was replaced. The request is then sent to the
/// new receiver.
const SETTLE: Duration = Duration::from_secs(2);

/// The margin before a deadline at which the pipeline stops waiting for the rest of an answer whose status was success.
/// The margin is at most a quarter of the time between the start of the attempt and the deadline.
const REST_OF_ANSWER: Duration = Duration::from_millis(100);

/// The number of runtime turns that an answer may take from the socket to the task that waits for it.
const LAST_TURNS: usize = 4;

impl Pipeline {
    /// Makes one attempt within the deadlines. The attempt is a separate task, so that a panic in it ends the attempt
    /// and not the export of the signal.
    pub(super) async fn attempt(
        &mut self,
        active: &ActiveExporter,
        body: Bytes,
    ) -> Result<ExportResult, Interruption> {
        let start = Instant::now();
        let limit = start + active.exporter.timeout();
        let end = self.control.end();
        let deadline = end.map_or(limit, |end| end.min(limit));
        let exporter = Arc::clone(&active.exporter);
        // If the set is dropped before the task ends, it aborts the task.
        let mut attempt = JoinSet::new();
        let (accepted, mut status) = watch::channel(false);
        attempt.spawn(async move { exporter.export(body, deadline, &accepted).await });
        // After a change, the receiver that may have the data gets a moment to acknowledge it. Otherwise two receivers
        // could get the same data.
        let mut patience = None;
        loop {
            let end = self.control.end();
            let next = self.control.next_deadline();
            let hurry = next.map(|next| {
                let rest = REST_OF_ANSWER.min(next.saturating_duration_since(start) / 4);
                next.checked_sub(rest).unwrap_or(next)
            });
            tokio::select! {
                biased;
                outcome = attempt.join_next() => return Ok(settled(outcome)),
                () = accepted_by(&mut status, hurry) => {
                    return Ok(last_word(&mut attempt).await.unwrap_or(ExportResult::DELIVERED));
                }
                () = self.control.changed() => {}
                () = at(end) => return cut(&mut attempt, &status, Interruption::Deadline).await,
                () = at(patience) => return cut(&mut attempt, &status, Interruption::Replaced).await,
            }
            if patience.is_none() && self.control.is_replaced(&active.settings) {
                patience = Some(Instant::now() + SETTLE);
            }
        }
    }
}

fn settled(outcome: Option<Result<ExportResult, JoinError>>) -> ExportResult {
    match outcome {
        Some(Ok(outcome)) => outcome,
        _ => ExportResult::retry(ExportError::panicked()),
    }
}

/// Waits until the status of the answer is success and `time` has passed.
async fn accepted_by(status: &mut watch::Receiver<bool>, time: Option<Instant>) {
    if status.wait_for(|accepted| *accepted).await.is_err() {
        // The attempt is over: its own outcome counts.
        std::future::pending::<()>().await;
    }
    at(time).await;
}

/// Returns the outcome of an attempt whose time is over. The status decides, even if the rest of the answer is missing.
async fn cut(
    attempt: &mut JoinSet<ExportResult>,
    status: &watch::Receiver<bool>,
    interruption: Interruption,
) -> Result<ExportResult, Interruption> {
    match last_word(attempt).await {
        Some(outcome) => Ok(outcome),
        None if *status.borrow() => Ok(ExportResult::DELIVERED),
        None => Err(interruption),
    }
}

/// Returns the outcome of an attempt whose answer arrived when its time was over. On a busy machine the runtime notices
/// both at once.
async fn last_word(attempt: &mut JoinSet<ExportResult>) -> Option<ExportResult> {
    for _ in 0..LAST_TURNS {
        tokio::task::yield_now().await;
        if let Some(outcome) = attempt.try_join_next() {
            return Some(settled(Some(outcome)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attempt_that_panicked_is_retried() {
        let mut attempt = JoinSet::new();
        attempt.spawn(async { panic!("an error of a library") });
        let outcome = settled(attempt.join_next().await);
        assert!(matches!(
            outcome,
            ExportResult::Retryable { after: None, .. }
        ));
    }
}
