//! Requests with headers that a helper renews.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::time::Instant;

use super::Client;
use super::target::Target;
use crate::export::export_result::{Accepted, ExportResult};
use crate::export::headers::{Headers, Helper};

/// The headers helper as one client uses it.
pub(super) struct Dynamic {
    helper: Arc<Helper>,
    /// The number of helper runs that this client's errors have reported.
    known: AtomicU64,
    /// The receiver with the headers that were used last.
    merged: Mutex<Option<(Arc<Headers>, Arc<Target>)>>,
}

impl Dynamic {
    pub(super) fn new(helper: Arc<Helper>) -> Self {
        Self {
            helper,
            known: AtomicU64::new(0),
            merged: Mutex::new(None),
        }
    }

    /// Makes one attempt, of at most two requests. If the headers are rejected, waits for new headers and sends the
    /// request once more. If the new headers are rejected too, returns a retryable outcome, so that the data is kept:
    /// the rejection may end as any outage does.
    pub(super) async fn send(
        &self,
        client: &Client,
        body: Bytes,
        deadline: Instant,
        accepted: &Accepted,
    ) -> ExportResult {
        let current = match self.helper.headers(&self.known, deadline).await {
            Ok(current) => current,
            Err(why) => return ExportResult::retry(client.target.held_back(&why)),
        };
        let target = self.merge(&client.target, &current.headers);
        let request = client.request(&target, body.clone(), deadline, accepted);
        let refused = match request.await {
            ExportResult::Unauthenticated { error } => error,
            outcome => return self.noted(outcome),
        };
        let renewed = match self.helper.renewed(&current, deadline).await {
            Ok(renewed) => renewed,
            Err(why) => return ExportResult::retry(refused.and(&why)),
        };
        let target = self.merge(&client.target, &renewed.headers);
        match client.request(&target, body, deadline, accepted).await {
            ExportResult::Unauthenticated { error } => ExportResult::retry(error.and(
                "otelHeadersHelper ran again, and its new headers are refused too: check what it prints",
            )),
            outcome => self.noted(outcome),
        }
    }

    fn noted(&self, outcome: ExportResult) -> ExportResult {
        if let ExportResult::Delivered { .. } = outcome {
            self.helper.accepted();
        }
        outcome
    }

    fn merge(&self, target: &Target, headers: &Arc<Headers>) -> Arc<Target> {
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        match &*merged {
            Some((known, target)) if Arc::ptr_eq(known, headers) => Arc::clone(target),
            _ => {
                let target = Arc::new(target.with(headers));
                *merged = Some((Arc::clone(headers), Arc::clone(&target)));
                target
            }
        }
    }
}
