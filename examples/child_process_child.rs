//! A program that uses OpenTelemetry without this crate, and continues the trace that its environment names.
//!
//! The example `child_process` starts it. Its argument is the endpoint for its span, because the exporter settings of
//! its parent do not reach it.

use std::collections::HashMap;
use std::env;
use std::error::Error;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = env::args()
        .nth(1)
        .ok_or("the OTLP/HTTP endpoint is missing: pass it as the first argument, for example http://localhost:4318")?;

    // The variables have the names of the W3C headers in upper case.
    let carrier: HashMap<String, String> = ["traceparent", "tracestate"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), env::var(name.to_uppercase()).ok()?)))
        .collect();
    let parent = TraceContextPropagator::new().extract(&carrier);

    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .build()?;
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter)
        .build();

    let mut span = provider
        .tracer("child_process_child")
        .start_with_context("child", &parent);
    span.set_attribute(KeyValue::new("otel_variables", otel_variables()));
    span.end();
    provider.shutdown()?;
    Ok(())
}

/// Returns the names of the `OTEL_*` variables that reached this process.
fn otel_variables() -> Value {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let names: Vec<StringValue> = names
        .filter(|name| name.starts_with("OTEL_"))
        .map(StringValue::from)
        .collect();
    Value::Array(Array::String(names))
}
