//! The peers: three uses of opentelemetry-rust that record the same attributes as this crate.

mod appender;
mod documented;
mod exporter;
mod optimized;

pub use appender::Appender;
pub use documented::Documented;
pub use exporter::Export;
pub use optimized::Optimized;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use claude_code_telemetry::catalog::scope;
use exporter::{ExportCounts, Logs, Metrics};
use opentelemetry::logs::{AnyValue, LogRecord};
use opentelemetry::metrics::{Counter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{BatchConfigBuilder, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};

use super::contender::Contender;
use super::host;

/// The attribute values of a session, as owned strings, because a host knows them only at run time.
pub struct SessionValues {
    pub session_id: String,
    pub user_id: String,
    pub organization_id: String,
    pub email: String,
    pub account: String,
    pub terminal: String,
    pub prompt_id: String,
}

impl SessionValues {
    pub fn new(number: usize) -> Self {
        Self {
            session_id: host::session_id(number),
            user_id: host::USER.to_owned(),
            organization_id: host::ORGANIZATION.to_owned(),
            email: host::EMAIL.to_owned(),
            account: host::ACCOUNT.to_owned(),
            terminal: host::TERMINAL.to_owned(),
            prompt_id: "3f6d1c52-8b0e-4c77-9a51-0d2e6b8f4a10".to_owned(),
        }
    }
}

/// The SDK's providers, with an exporter that counts and, if requested, encodes.
pub struct Providers {
    pub meters: SdkMeterProvider,
    pub loggers: SdkLoggerProvider,
    pub cost: Counter<f64>,
    pub tokens: Counter<f64>,
    pub counts: Arc<ExportCounts>,
}

impl Providers {
    pub fn new(export: Export) -> Self {
        let counts = Arc::new(ExportCounts::default());
        let resource = || {
            Resource::builder_empty()
                .with_service_name("claude-code")
                .build()
        };
        let reader = PeriodicReader::builder(Metrics::new(export, &counts))
            .with_interval(Duration::from_secs(3600))
            .build();
        let meters = SdkMeterProvider::builder()
            .with_resource(resource())
            .with_reader(reader)
            .build();
        // The defaults except for the delay: as with this crate's exporters, only a flush or a full batch of 512
        // records starts an export.
        let processor = BatchLogProcessor::builder(Logs::new(export, &counts))
            .with_batch_config(
                BatchConfigBuilder::default()
                    .with_scheduled_delay(Duration::from_secs(3600))
                    .build(),
            )
            .build();
        let loggers = SdkLoggerProvider::builder()
            .with_resource(resource())
            .with_log_processor(processor)
            .build();
        let meter = meters.meter(scope::METRICS);
        let cost = meter.f64_counter("claude_code.cost.usage").build();
        let tokens = meter.f64_counter("claude_code.token.usage").build();
        Self {
            meters,
            loggers,
            cost,
            tokens,
            counts,
        }
    }

    /// Exports everything that was recorded.
    pub fn flush(&self) {
        self.meters.force_flush().unwrap();
        self.loggers.force_flush().unwrap();
    }
}

/// An implementation that is compared with this crate.
pub trait Peer: Send + Sync + 'static {
    /// Records the request of [`host::request`]. `number` selects the session.
    fn record(&self, number: usize);

    fn providers(&self) -> &Providers;
}

/// Creates a contender that measures a peer.
pub fn contender(name: &'static str, peer: &Arc<impl Peer>) -> Contender {
    let (calls, flushes) = (Arc::clone(peer), Arc::clone(peer));
    Contender::new(
        name,
        move |number| calls.record(number),
        move || flushes.providers().flush(),
    )
}

/// Adds the attributes of the request to an event, after those of the session.
#[inline]
fn add_request(
    record: &mut impl LogRecord,
    now: SystemTime,
    sequence: u64,
    prompt_id: impl Into<AnyValue>,
) {
    record.add_attribute("event.name", "api_request");
    record.add_attribute("event.timestamp", timestamp(now));
    record.add_attribute("event.sequence", sequence as i64);
    record.add_attribute("prompt.id", prompt_id);
    record.add_attribute("model", host::MODEL);
    record.add_attribute("input_tokens", host::TOKENS[0] as i64);
    record.add_attribute("output_tokens", host::TOKENS[1] as i64);
    record.add_attribute("cache_read_tokens", host::TOKENS[2] as i64);
    record.add_attribute("cache_creation_tokens", host::TOKENS[3] as i64);
    record.add_attribute("cost_usd", host::COST);
    record.add_attribute("duration_ms", host::DURATION_MS as i64);
    record.add_attribute("request_id", host::REQUEST_ID);
    record.add_attribute("speed", "normal");
}

/// Formats a time for the attribute `event.timestamp`.
pub fn timestamp(now: SystemTime) -> String {
    humantime::format_rfc3339_millis(now).to_string()
}
