//! Peer (c) of docs/PERFORMANCE.md: `tracing` events through opentelemetry-appender-tracing, and the counters of peer
//! (a), [`Documented`](super::Documented).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;

use super::super::host;
use super::documented::record_metrics;
use super::{Export, Peer, Providers, SessionValues, timestamp};

pub struct Appender {
    providers: Providers,
    dispatch: Dispatch,
    sessions: Vec<SessionValues>,
    sequence: AtomicU64,
}

impl Appender {
    pub fn new(export: Export, sessions: usize) -> Self {
        let providers = Providers::new(export);
        let bridge = OpenTelemetryTracingBridge::new(&providers.loggers);
        let subscriber = tracing_subscriber::registry().with(bridge);
        Self {
            dispatch: Dispatch::new(subscriber),
            providers,
            sessions: (0..sessions).map(SessionValues::new).collect(),
            sequence: AtomicU64::new(0),
        }
    }

    pub fn event(&self, number: usize) {
        let session = &self.sessions[number % self.sessions.len()];
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        tracing::dispatcher::with_default(&self.dispatch, || {
            tracing::info!(
                name: "claude_code.api_request",
                target: "claude_code",
                {
                    "user.id" = session.user_id.as_str(),
                    "session.id" = session.session_id.as_str(),
                    "app.version" = "1.2.3",
                    "organization.id" = session.organization_id.as_str(),
                    "user.email" = session.email.as_str(),
                    "user.account_uuid" = session.account.as_str(),
                    "terminal.type" = session.terminal.as_str(),
                    "event.name" = "api_request",
                    "event.timestamp" = timestamp(SystemTime::now()).as_str(),
                    "event.sequence" = sequence,
                    "prompt.id" = session.prompt_id.as_str(),
                    "model" = host::MODEL,
                    "input_tokens" = host::TOKENS[0],
                    "output_tokens" = host::TOKENS[1],
                    "cache_read_tokens" = host::TOKENS[2],
                    "cache_creation_tokens" = host::TOKENS[3],
                    "cost_usd" = host::COST,
                    "duration_ms" = host::DURATION_MS,
                    "request_id" = host::REQUEST_ID,
                    "speed" = "normal"
                },
                "claude_code.api_request"
            );
        });
    }
}

impl Peer for Appender {
    fn record(&self, number: usize) {
        record_metrics(
            &self.providers,
            &self.sessions[number % self.sessions.len()],
        );
        self.event(number);
    }

    fn providers(&self) -> &Providers {
        &self.providers
    }
}
