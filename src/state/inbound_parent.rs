//! The parent span that the environment names.

use std::sync::Arc;

use super::SessionCore;
use crate::propagation::{TraceContext, TraceParent};
use crate::signal::Signal;

impl SessionCore {
    /// Returns the parent span that the environment (`TRACEPARENT`, `TRACESTATE`) names for a span without another
    /// parent. The environment is read at every call, and only in a session that is not interactive. A malformed value
    /// is reported once and ignored.
    pub(crate) fn inbound_parent(&self) -> Option<Arc<TraceContext>> {
        if !self.non_interactive || !self.telemetry.records(Signal::Traces) {
            return None;
        }
        let active = self.telemetry.active.load();
        let environment = &active.config.environment;
        let parent = environment
            .get("TRACEPARENT")
            .filter(|parent| !parent.is_empty())?;
        let state = environment.get("TRACESTATE");
        let telemetry = &self.telemetry;
        let context = match TraceParent::parse(&parent, state.as_deref()) {
            Ok(TraceParent { context }) => context,
            Err(error) => {
                telemetry.report_once(&telemetry.malformed_parent, || {
                    format!(
                        "TRACEPARENT is ignored and traces begin anew: {error}, but it is {parent:?}"
                    )
                });
                return None;
            }
        };
        if context.trace_state.is_none()
            // A list without members is valid, and stands for no trace state.
            && let Some(state) = state
            && !state.trim_matches([',', ' ', '\t']).is_empty()
        {
            telemetry.report_once(&telemetry.malformed_state, || {
                let shown: String = state.chars().take(200).collect();
                format!(
                    "TRACESTATE of the environment is left out, and TRACEPARENT followed: {shown:?} breaks the rules \
                     of W3C Trace Context; see what sets it"
                )
            });
        }
        Some(Arc::new(context))
    }
}
