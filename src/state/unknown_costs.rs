//! Requests whose cost is not known.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::TelemetryState;

/// The maximum number of models that are reported; the requests of all models are counted.
const MAX_MODELS: usize = 64;

/// The requests that were recorded without a cost.
#[derive(Default)]
pub(crate) struct UnknownCosts {
    requests: AtomicU64,
    reported: Mutex<BTreeSet<Box<str>>>,
}

impl UnknownCosts {
    /// Returns the number of requests.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Returns `true` for the first request of a model.
    fn add(&self, model: &str) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed);
        // Recording never waits. If another thread holds the lock, a later request reports the model.
        self.reported.try_lock().is_ok_and(|mut reported| {
            reported.len() < MAX_MODELS
                && !reported.contains(model)
                && reported.insert(model.into())
        })
    }
}

impl TelemetryState {
    /// Counts a request without a cost, and reports the first one of each model.
    #[cold]
    pub(crate) fn count_unknown_cost(&self, model: &str) {
        if self.unknown_costs.add(model) {
            let model: String = model.chars().take(200).collect();
            self.diagnostics.report_later(format!(
                "the cost of requests to the model {model:?} is not known and sent as 0; set it with ApiRequest::cost_usd, or add a price for this model to Prices"
            ));
        }
    }
}
