//! The host's log records: from the SDK's processor to a queue, and to OTLP.

use std::time::Duration;

use bytes::Bytes;
use opentelemetry::InstrumentationScope;
use opentelemetry::logs::AnyValue;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue as OtlpValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use prost::Message;

use super::exit::Exit;
use super::scopes::joined;
use crate::encode::Encode;
use crate::encode::message::{shorten, texts_of};
use crate::health::EncodeStats;

/// The number of nested lists and maps in a value. Receivers limit the depth of the messages that they decode, usually to
/// 100, and each list or map is two or three messages.
const MAX_DEPTH: usize = 16;

/// A log record and its instrumentation scope.
pub(crate) type Log = (SdkLogRecord, InstrumentationScope);

/// A log processor that passes records to the exporter.
#[derive(Debug)]
pub(super) struct Logs(pub(super) Exit<Log>);

impl LogProcessor for Logs {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        let attributes = record.attributes_iter().map(|(_, value)| value);
        let size = attributes.chain(record.body()).map(bytes_of).sum();
        self.0.push((record.clone(), scope.clone()), size);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.flush()
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Returns the bytes of a value's texts.
fn bytes_of(value: &AnyValue) -> usize {
    match value {
        AnyValue::String(text) => text.as_str().len(),
        AnyValue::Bytes(bytes) => bytes.len(),
        AnyValue::ListAny(values) => values.iter().map(bytes_of).sum(),
        AnyValue::Map(map) => map
            .iter()
            .map(|(key, value)| key.as_str().len() + bytes_of(value))
            .sum(),
        _ => size_of::<f64>(),
    }
}

/// An encoder of log records as OTLP.
#[derive(Default)]
pub(crate) struct LogEncoder(pub(crate) Resource);

impl Encode for LogEncoder {
    type Item = Log;
    type Record = ScopeLogs;

    fn encode(&self, (record, scope): &Log, _: &EncodeStats) -> ScopeLogs {
        let mut log: LogRecord = record.into();
        let attributes = log.attributes.iter_mut();
        let values = attributes.filter_map(|attribute| attribute.value.as_mut());
        for value in values.chain(log.body.as_mut()) {
            limit_depth(value, MAX_DEPTH);
        }
        ScopeLogs {
            scope: Some((scope, record.target().cloned()).into()),
            schema_url: scope.schema_url().unwrap_or_default().to_owned(),
            log_records: vec![log],
        }
    }

    fn size(record: &ScopeLogs) -> usize {
        record.encoded_len()
    }

    fn shorten(record: &mut ScopeLogs) {
        shorten(record, texts);
    }

    fn request(&self, records: Vec<ScopeLogs>) -> Bytes {
        let scopes = joined(
            records,
            |one| (&one.scope, &one.schema_url),
            |one, other| one.log_records.extend(other.log_records),
        );
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: Some(self.0.clone()),
                scope_logs: scopes,
                ..ResourceLogs::default()
            }],
        };
        request.encode_to_vec().into()
    }
}

/// Replaces lists and maps below `depth` levels by a text.
fn limit_depth(value: &mut OtlpValue, depth: usize) {
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

/// Returns the texts that may be truncated.
fn texts(record: &mut ScopeLogs) -> Vec<&mut String> {
    let records = record.log_records.iter_mut();
    records
        .flat_map(|record| {
            let body = record.body.as_mut().and_then(|body| body.value.as_mut());
            let body = body.and_then(|body| match body {
                Value::StringValue(text) => Some(text),
                _ => None,
            });
            texts_of(&mut record.attributes).chain(body)
        })
        .collect()
}
