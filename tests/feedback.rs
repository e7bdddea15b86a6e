//! A host that turns `tracing` events into telemetry gets none about the library's own traffic.
#![cfg(all(feature = "grpc", feature = "http"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use claude_code_telemetry::{ApiRequest, Config, Identity, Service, Telemetry};
use support::{Receiver, refused_port};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Counts everything that it is told, from every thread.
#[derive(Clone, Default)]
struct Everything {
    events: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
}

impl Everything {
    fn told(&self, what: &Metadata<'_>) {
        self.events.fetch_add(1, Ordering::SeqCst);
        *self.last.lock().unwrap() = format!("{what:?}");
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.told(span.metadata());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.told(event.metadata());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn run(protocol: &str, endpoint: &str) {
    let environment = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "500"),
    ];
    let config = Config::builder().environment(environment).build();
    let telemetry = Telemetry::start(config, Service::new("claude-code", "1.2.3"));
    let session = telemetry.session(Identity::new().user_id("user"));
    session.record_api_request(ApiRequest::new("model"));
    telemetry.flush();
    telemetry.shutdown_within(Duration::from_millis(300));
}

#[test]
fn nothing_is_told_of_the_librarys_own_traffic() {
    let everything = Everything::default();
    tracing::subscriber::set_global_default(everything.clone()).unwrap();

    // The receivers run in this process and speak for themselves: only a port without one is silent.
    let nobody = refused_port();
    for protocol in ["grpc", "http/protobuf", "http/json"] {
        run(protocol, &nobody.endpoint());
    }
    let told = everything.events.load(Ordering::SeqCst);
    assert_eq!(told, 0, "{}", everything.last.lock().unwrap());

    // The subscriber does hear: the receiver's own thread is not the library's.
    let receiver = Receiver::grpc();
    let deadline = Instant::now() + Duration::from_secs(60);
    while everything.events.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "nothing is heard");
        run("grpc", &receiver.endpoint());
    }
}
