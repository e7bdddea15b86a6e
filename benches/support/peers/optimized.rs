//! Peer (b) of docs/PERFORMANCE.md: optimized use of opentelemetry-rust. Attributes are prebuilt and sorted, and share
//! their strings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use claude_code_telemetry::catalog::scope;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider};
use opentelemetry::{Key, KeyValue, StringValue};
use opentelemetry_sdk::logs::SdkLogger;

use super::super::host;
use super::{Export, Peer, Providers, SessionValues, add_request};

pub struct Optimized {
    providers: Providers,
    logger: SdkLogger,
    sessions: Vec<Prebuilt>,
    sequence: AtomicU64,
}

/// The prebuilt attributes of a session, shared by all its records.
struct Prebuilt {
    cost: Vec<KeyValue>,
    tokens: [Vec<KeyValue>; 4],
    event: Vec<(Key, AnyValue)>,
    prompt_id: StringValue,
}

impl Prebuilt {
    fn new(values: &SessionValues) -> Self {
        let shared = |text: &str| StringValue::from(Arc::<str>::from(text));
        let standard = [
            ("user.id", shared(&values.user_id)),
            ("session.id", shared(&values.session_id)),
            ("app.version", "1.2.3".into()),
            ("organization.id", shared(&values.organization_id)),
            ("user.email", shared(&values.email)),
            ("user.account_uuid", shared(&values.account)),
            ("terminal.type", shared(&values.terminal)),
        ];
        let metric = |specific: &[(&'static str, &'static str)]| {
            let mut all: Vec<KeyValue> = standard
                .iter()
                .map(|(key, value)| KeyValue::new(*key, value.clone()))
                .chain(
                    specific
                        .iter()
                        .map(|(key, value)| KeyValue::new(*key, *value)),
                )
                .collect();
            all.sort_by(|one, other| one.key.cmp(&other.key));
            all
        };
        let kinds = ["input", "output", "cacheRead", "cacheCreation"];
        Self {
            cost: metric(&[("model", host::MODEL)]),
            tokens: kinds.map(|kind| metric(&[("model", host::MODEL), ("type", kind)])),
            event: standard
                .iter()
                .map(|(key, value)| (Key::new(*key), AnyValue::String(value.clone())))
                .collect(),
            prompt_id: shared(&values.prompt_id),
        }
    }
}

impl Optimized {
    pub fn new(export: Export, sessions: usize) -> Self {
        let providers = Providers::new(export);
        Self {
            logger: providers.loggers.logger(scope::EVENTS),
            providers,
            sessions: (0..sessions)
                .map(|number| Prebuilt::new(&SessionValues::new(number)))
                .collect(),
            sequence: AtomicU64::new(0),
        }
    }

    pub fn metrics(&self, number: usize) {
        let session = &self.sessions[number % self.sessions.len()];
        self.providers.cost.add(host::COST, &session.cost);
        for (attributes, count) in session.tokens.iter().zip(host::TOKENS) {
            self.providers.tokens.add(count as f64, attributes);
        }
    }

    pub fn event(&self, number: usize) {
        let session = &self.sessions[number % self.sessions.len()];
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now();
        let mut record = self.logger.create_log_record();
        record.set_timestamp(now);
        record.set_observed_timestamp(now);
        record.set_body(AnyValue::from("claude_code.api_request"));
        for (key, value) in &session.event {
            record.add_attribute(key.clone(), value.clone());
        }
        let prompt_id = AnyValue::String(session.prompt_id.clone());
        add_request(&mut record, now, sequence, prompt_id);
        self.logger.emit(record);
    }
}

impl Peer for Optimized {
    fn record(&self, number: usize) {
        self.metrics(number);
        self.event(number);
    }

    fn providers(&self) -> &Providers {
        &self.providers
    }
}
