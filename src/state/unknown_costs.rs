//! Requests whose cost is not known.

use std::sync::atomic::Ordering;

use super::TelemetryState;

/// The maximum number of models that are reported, which bounds the memory for their names. The requests of all models
/// are counted.
const MAX_MODELS: usize = 64;

impl TelemetryState {
    /// Counts a request without a cost, and reports the first one of each model.
    #[cold]
    pub(crate) fn count_unknown_cost(&self, model: &str) {
        self.requests_without_cost.fetch_add(1, Ordering::Relaxed);
        // Recording never waits. If another thread holds the lock, a later request reports the model.
        let is_first = self.models_without_cost.try_lock().is_ok_and(|mut models| {
            models.len() < MAX_MODELS && !models.contains(model) && models.insert(model.into())
        });
        if is_first {
            let model: String = model.chars().take(200).collect();
            self.diagnostics.report_later(format!(
                "the cost of requests to the model {model:?} is not known and sent as 0; set it with ApiRequest::cost_usd, or add a price for this model to Prices"
            ));
        }
    }
}
