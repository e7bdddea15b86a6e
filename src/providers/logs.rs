//! The processor of the host's log records.

use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};

use super::encoder::Scoped;
use super::queue::{HostQueue, flush};

/// The most levels of lists and maps in a value. Receivers limit the depth of the messages that they decode, usually to
/// 100, and each list or map is two or three nested messages.
const MAX_DEPTH: usize = 16;

impl LogProcessor for HostQueue<LogRecord> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.push(|| {
            let mut log = LogRecord::from(&*record);
            let attributes = log.attributes.iter_mut();
            let values = attributes.filter_map(|attribute| attribute.value.as_mut());
            for value in values.chain(log.body.as_mut()) {
                limit_depth(value, MAX_DEPTH);
            }
            Scoped::new(log, scope, record.target().cloned())
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

/// Replaces lists and maps below `depth` levels by a text.
fn limit_depth(value: &mut AnyValue, depth: usize) {
    match &mut value.value {
        Some(Value::ArrayValue(_) | Value::KvlistValue(_)) if depth == 0 => {
            value.value = Some(Value::StringValue("<nested>".to_owned()));
        }
        Some(Value::ArrayValue(list)) => {
            for value in &mut list.values {
                limit_depth(value, depth - 1);
            }
        }
        Some(Value::KvlistValue(map)) => {
            let values = map.values.iter_mut();
            for value in values.filter_map(|pair| pair.value.as_mut()) {
                limit_depth(value, depth - 1);
            }
        }
        _ => {}
    }
}
