//! Telemetry that stays in memory, for a host's own tests: what would be sent can be asserted by name, attribute, count and
//! order.
//!
//! ```
//! use claude_code_telemetry::{ApiRequest, Identity, Telemetry, TokenUsage};
//!
//! let telemetry = Telemetry::in_memory();
//!
//! // What the host does with any telemetry.
//! let session = telemetry.session(Identity::new());
//! let usage = TokenUsage::new().input(120).output(45);
//! session.record_api_request(ApiRequest::new("claude-sonnet-4-6").tokens(usage).cost_usd(0.0021));
//!
//! // What came of it.
//! let request = telemetry.events().named("api_request").only()?.clone();
//! assert_eq!(request.attributes["model"], "claude-sonnet-4-6");
//! assert_eq!(request.attributes["input_tokens"], 120);
//! let tokens = telemetry.metrics().named("token.usage");
//! assert_eq!(tokens.with("type", "output").total(), 45.0);
//! assert_eq!(tokens.total(), 165.0);
//! # Ok::<(), claude_code_telemetry::testing::NotOne>(())
//! ```
//!
//! [`InMemory::builder`] sets switches, and a clock and ids with which every run is the same: [`InMemory::dump`] is then a
//! text that can be compared as a whole.
//!
//! Everything passes the same way as to a receiver: the content policy, the queues, the translation to OTLP.

mod attributes;
mod dump;
mod emitted;
mod store;

pub use attributes::{Attribute, Attributes};
pub use emitted::{Emitted, Event, Item, Metric, NotOne, Span, SpanEvent};

use store::Store;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Clock;
use crate::config::Config;
use crate::propagation::Ids;
use crate::telemetry::{Memory, Service, Telemetry};

/// The `user.id` of identities that have none.
const USER_ID: &str = "installation";

/// Telemetry that stays in memory. It is a [`Telemetry`]; a clone of that goes to what is tested.
pub struct InMemory {
    telemetry: Telemetry,
    store: Arc<Store>,
    clock: Clock,
}

/// How telemetry in memory starts.
///
/// ```
/// use claude_code_telemetry::testing::InMemory;
/// let telemetry = InMemory::builder()
///     .variable("OTEL_LOG_USER_PROMPTS", "1")
///     .fixed()
///     .start();
/// let session = telemetry.session(claude_code_telemetry::Identity::new());
/// let prompt = session.prompt("hi");
/// telemetry.advance(std::time::Duration::from_millis(250));
/// prompt.end();
/// assert!(telemetry.dump().contains("prompt = \"hi\""));
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is started before `start`"]
pub struct InMemoryBuilder {
    variables: Vec<(String, String)>,
    service: Service,
    clock: Option<SystemTime>,
    counted_ids: bool,
}

impl InMemoryBuilder {
    /// Sets a variable as the environment would: a content switch, `OTEL_RESOURCE_ATTRIBUTES`. Which exporter it names does
    /// not matter; metrics, events and spans are all kept. The environment of the process is not looked at.
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The host program; `claude-code` 0.0.0 by default.
    pub fn service(mut self, service: Service) -> Self {
        self.service = service;
        self
    }

    /// A clock that stands at this time until it is [moved](InMemory::advance).
    pub fn clock(mut self, time: SystemTime) -> Self {
        self.clock = Some(time);
        self
    }

    /// Ids of sessions, prompts, traces and spans that count up, instead of random ones. A test with several threads that
    /// begin things gets them in any order.
    pub fn counted_ids(mut self) -> Self {
        self.counted_ids = true;
        self
    }

    /// Counted ids, and a clock that stands at 2026-01-01T00:00:00Z: every run is the same.
    pub fn fixed(self) -> Self {
        const NEW_YEAR: Duration = Duration::from_secs(1_767_225_600);
        self.clock(UNIX_EPOCH + NEW_YEAR).counted_ids()
    }

    /// Starts it.
    pub fn start(self) -> InMemory {
        let on = [
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
            // What is asserted has to be there, on a busy machine too.
            ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"),
        ];
        let on = on.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::builder()
            .environment(on.into_iter().chain(self.variables))
            .build();
        let store = Arc::new(Store::default());
        let clock = self.clock.map_or_else(Clock::default, Clock::standing);
        let memory = Memory {
            exporter: store.clone(),
            clock,
            ids: match self.counted_ids {
                true => Ids::counted(),
                false => Ids::default(),
            },
            user_id: USER_ID.into(),
        };
        InMemory {
            telemetry: Telemetry::builder(config, self.service)
                .memory(memory)
                .start(),
            store,
            clock,
        }
    }
}

impl Telemetry {
    /// Telemetry that stays in memory, for a host's tests, with random ids and the clock of the machine. The `user.id` of
    /// identities without one is `installation`.
    pub fn in_memory() -> InMemory {
        InMemory::builder().start()
    }
}

impl InMemory {
    /// Telemetry in memory with switches, a clock or ids of its own.
    pub fn builder() -> InMemoryBuilder {
        InMemoryBuilder {
            variables: Vec::new(),
            service: Service::new("claude-code", "0.0.0"),
            clock: None,
            counted_ids: false,
        }
    }

    /// The telemetry, for what is tested.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Moves a clock that [stands](InMemoryBuilder::clock); the clock of the machine is left alone.
    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// The events so far, in the order in which they were recorded.
    pub fn events(&self) -> Emitted<Event> {
        self.telemetry.flush();
        self.store.events()
    }

    /// The series of metrics so far with their totals, by name and attributes.
    pub fn metrics(&self) -> Emitted<Metric> {
        self.telemetry.flush();
        self.store.metrics()
    }

    /// The spans that have ended so far, in the order in which they ended.
    pub fn spans(&self) -> Emitted<Span> {
        self.telemetry.flush();
        self.store.spans()
    }

    /// All of it as text: metrics, events, and spans below their parents. The same calls make the same text with a clock
    /// and ids that are [fixed](InMemoryBuilder::fixed).
    pub fn dump(&self) -> String {
        self.telemetry.flush();
        dump::dump(&self.store)
    }
}

impl Deref for InMemory {
    type Target = Telemetry;

    fn deref(&self) -> &Telemetry {
        &self.telemetry
    }
}

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemory").finish_non_exhaustive()
    }
}
