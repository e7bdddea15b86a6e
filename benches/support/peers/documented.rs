//! Peer (a) of docs/PERFORMANCE.md: opentelemetry-rust as its documentation shows it. Each call builds its attributes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use claude_code_telemetry::catalog::scope;
use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider};
use opentelemetry_sdk::logs::SdkLogger;

use super::super::host;
use super::{Export, Peer, Providers, SessionValues, add_request};

pub struct Documented {
    providers: Providers,
    logger: SdkLogger,
    sessions: Vec<SessionValues>,
    sequence: AtomicU64,
}

impl Documented {
    pub fn new(export: Export, sessions: usize) -> Self {
        let providers = Providers::new(export);
        Self {
            logger: providers.loggers.logger(scope::EVENTS),
            providers,
            sessions: (0..sessions).map(SessionValues::new).collect(),
            sequence: AtomicU64::new(0),
        }
    }

    pub fn metrics(&self, number: usize) {
        record_metrics(
            &self.providers,
            &self.sessions[number % self.sessions.len()],
        );
    }

    pub fn event(&self, number: usize) {
        let session = &self.sessions[number % self.sessions.len()];
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now();
        let mut record = self.logger.create_log_record();
        record.set_timestamp(now);
        record.set_observed_timestamp(now);
        record.set_body(AnyValue::from("claude_code.api_request"));
        record.add_attribute("user.id", session.user_id.clone());
        record.add_attribute("session.id", session.session_id.clone());
        record.add_attribute("app.version", "1.2.3");
        record.add_attribute("organization.id", session.organization_id.clone());
        record.add_attribute("user.email", session.email.clone());
        record.add_attribute("user.account_uuid", session.account.clone());
        record.add_attribute("terminal.type", session.terminal.clone());
        add_request(&mut record, now, sequence, session.prompt_id.clone());
        self.logger.emit(record);
    }
}

impl Peer for Documented {
    fn record(&self, number: usize) {
        self.metrics(number);
        self.event(number);
    }

    fn providers(&self) -> &Providers {
        &self.providers
    }
}

/// Records the cost and the tokens, with attributes that are built for each measurement.
pub fn record_metrics(providers: &Providers, session: &SessionValues) {
    let mut attributes = standard_attributes(session);
    attributes.push(KeyValue::new("model", host::MODEL));
    providers.cost.add(host::COST, &attributes);
    let kinds = ["input", "output", "cacheRead", "cacheCreation"];
    for (kind, count) in kinds.into_iter().zip(host::TOKENS) {
        let mut attributes = standard_attributes(session);
        attributes.push(KeyValue::new("model", host::MODEL));
        attributes.push(KeyValue::new("type", kind));
        providers.tokens.add(count as f64, &attributes);
    }
}

fn standard_attributes(session: &SessionValues) -> Vec<KeyValue> {
    vec![
        KeyValue::new("user.id", session.user_id.clone()),
        KeyValue::new("session.id", session.session_id.clone()),
        KeyValue::new("app.version", "1.2.3"),
        KeyValue::new("organization.id", session.organization_id.clone()),
        KeyValue::new("user.email", session.email.clone()),
        KeyValue::new("user.account_uuid", session.account.clone()),
        KeyValue::new("terminal.type", session.terminal.clone()),
    ]
}
