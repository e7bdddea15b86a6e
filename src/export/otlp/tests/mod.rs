//! Tests of the client against real receivers: the outcomes of answers (`answers`), connections and their failures
//! (`connections`), the content of requests (`wire`), and the parsers of answers (`parsers`).

#[path = "../../../../tests/support/mod.rs"]
pub(super) mod support;

mod answers;
mod connections;
mod parsers;
mod wire;

mod prelude {
    pub(super) use std::time::Duration;

    pub(super) use bytes::Bytes;
    pub(super) use tokio::time::Instant;

    pub(super) use super::super::Client;
    pub(super) use super::support::{
        Answer, FullBacklog, Receiver, black_hole, full_backlog, refused_port,
    };
    pub(super) use crate::config::otlp::{Compression, Header, OtlpConfig, Protocol};
    use crate::config::secret::Secret;
    pub(super) use crate::export::PushExporter as _;
    pub(super) use crate::export::encode::encode;
    pub(super) use crate::export::export_result::{
        Accepted, Delivery, ErrorKind, ExportResult, FailureClass,
    };
    pub(super) use crate::signal::Signal;

    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use prost::Message as _;

    /// The protocols that are compiled in.
    pub(super) const PROTOCOLS: &[Protocol] = &[
        #[cfg(feature = "grpc")]
        Protocol::Grpc,
        #[cfg(feature = "http")]
        Protocol::HttpProtobuf,
        #[cfg(feature = "http")]
        Protocol::HttpJson,
    ];

    /// A timeout that is longer than any operation of these tests.
    pub(super) const LONG: Duration = Duration::from_secs(20);

    pub(super) fn receiver(protocol: Protocol) -> Receiver {
        match protocol {
            Protocol::Grpc => Receiver::grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => Receiver::http(),
        }
    }

    pub(super) fn config(protocol: Protocol, signal: Signal, endpoint: &str) -> OtlpConfig {
        let path = match (protocol, signal) {
            (Protocol::Grpc, _) => "",
            (_, Signal::Metrics) => "/v1/metrics",
            (_, Signal::Logs) => "/v1/logs",
            (_, Signal::Traces) => "/v1/traces",
        };
        OtlpConfig {
            protocol,
            endpoint: format!("{endpoint}{path}").parse().unwrap(),
            has_bare_url: false,
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            compression: Compression::None,
            tls: None,
            proxy: None,
        }
    }

    /// Returns a header of a configuration.
    pub(super) fn header(name: &str, value: &str) -> (String, Header) {
        let variable = "OTEL_EXPORTER_OTLP_HEADERS";
        let value = Secret::new(value);
        (name.to_owned(), Header { value, variable })
    }

    pub(super) fn logs(text: &str) -> ExportLogsServiceRequest {
        let record = LogRecord {
            event_name: "claude_code.user_prompt".to_owned(),
            body: Some(AnyValue {
                value: Some(any_value::Value::StringValue(text.to_owned())),
            }),
            ..LogRecord::default()
        };
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    log_records: vec![record],
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        }
    }

    /// A client for logs, with a current-thread runtime that drives it.
    pub(super) struct Fixture {
        pub(super) runtime: tokio::runtime::Runtime,
        pub(super) client: Client,
        pub(super) body: Bytes,
    }

    impl Fixture {
        pub(super) fn new(protocol: Protocol, endpoint: &str) -> Self {
            Self::with(config(protocol, Signal::Logs, endpoint))
        }

        pub(super) fn with(config: OtlpConfig) -> Self {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let client = {
                let _inside = runtime.enter();
                Client::new(Signal::Logs, &config, None).unwrap()
            };
            let body = client.encode(logs("Fix the bug").encode_to_vec().into());
            Self {
                runtime,
                client,
                body,
            }
        }

        /// Makes one attempt with plenty of time.
        pub(super) fn send(&self) -> ExportResult {
            self.send_within(LONG)
        }

        pub(super) fn send_within(&self, within: Duration) -> ExportResult {
            let deadline = Instant::now() + within;
            let accepted = Accepted::default();
            let sending = self.client.send(self.body.clone(), deadline, &accepted);
            self.runtime.block_on(sending)
        }
    }

    /// Returns the outcome of an attempt that gets `answer`.
    pub(super) fn outcome_of(protocol: Protocol, answer: Answer) -> ExportResult {
        let receiver = receiver(protocol);
        receiver.answer(move |_| answer.clone());
        let outcome = Fixture::new(protocol, &receiver.endpoint()).send();
        if let Err(error) = &outcome {
            let port = receiver.port().to_string();
            assert!(error.to_string().contains(&port), "no endpoint: {error}");
        }
        outcome
    }

    pub(super) fn text(outcome: &ExportResult) -> String {
        outcome.as_ref().expect_err("an error").to_string()
    }

    pub(super) fn class(outcome: &ExportResult) -> FailureClass {
        outcome.as_ref().expect_err("an error").class()
    }

    /// Returns the kind of a failure, which must be retryable.
    pub(super) fn kind(outcome: &ExportResult) -> ErrorKind {
        let class = class(outcome);
        assert!(matches!(class, FailureClass::Retryable { .. }), "{class:?}");
        outcome.as_ref().expect_err("an error").kind()
    }

    pub(super) const DELIVERED: ExportResult = Ok(Delivery {
        rejected: 0,
        message: None,
        standard_path: None,
    });
}
