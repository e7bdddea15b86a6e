//! Peer (c): `tracing` events through opentelemetry-appender-tracing, plus counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt;

use super::super::host;
use super::documented::count;
use super::{Export, Peer, Providers, Who, timestamp};

pub struct Appender {
    providers: Providers,
    dispatch: Dispatch,
    who: Vec<Who>,
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
            who: (0..sessions).map(Who::new).collect(),
            sequence: AtomicU64::new(0),
        }
    }

    pub fn event(&self, number: usize) {
        let who = &self.who[number % self.who.len()];
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        tracing::dispatcher::with_default(&self.dispatch, || {
            tracing::info!(
                name: "claude_code.api_request",
                target: "claude_code",
                {
                    "user.id" = who.user_id.as_str(),
                    "session.id" = who.session_id.as_str(),
                    "app.version" = "1.2.3",
                    "organization.id" = who.organization_id.as_str(),
                    "user.email" = who.email.as_str(),
                    "user.account_uuid" = who.account.as_str(),
                    "terminal.type" = who.terminal.as_str(),
                    "event.name" = "api_request",
                    "event.timestamp" = timestamp(SystemTime::now()).as_str(),
                    "event.sequence" = sequence,
                    "prompt.id" = who.prompt_id.as_str(),
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
        count(&self.providers, &self.who[number % self.who.len()]);
        self.event(number);
    }

    fn providers(&self) -> &Providers {
        &self.providers
    }
}
