//! The processor of the host's spans.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::encoder::Scoped;
use super::queue::{HostQueue, flush};

impl SpanProcessor for HostQueue<OtlpSpan> {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.push(|| {
            let scope = span.instrumentation_scope.clone();
            Scoped::new(span.into(), &scope, None)
        });
    }

    fn force_flush(&self) -> OTelSdkResult {
        flush(&self.telemetry)
    }

    /// Does nothing: the telemetry delivers what is queued, at its own shutdown at the latest.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
