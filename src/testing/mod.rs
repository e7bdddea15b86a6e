//! In-memory telemetry for a host's own tests, which can assert what would be sent by name, attribute, count and order.
//!
//! ```
//! use claude_code_telemetry::{ApiRequest, Identity, Telemetry, TokenUsage};
//!
//! let telemetry = Telemetry::in_memory();
//!
//! // The calls that the host makes with any telemetry.
//! let session = telemetry.session(Identity::new());
//! let usage = TokenUsage::new().input(120).output(45);
//! session.record_api_request(ApiRequest::new("claude-sonnet-4-6").tokens(usage).cost_usd(0.0021));
//!
//! // The recorded data.
//! let request = telemetry.events().named("api_request").only()?.clone();
//! assert_eq!(request.attributes["model"], "claude-sonnet-4-6");
//! assert_eq!(request.attributes["input_tokens"], 120);
//! let tokens = telemetry.metrics().named("token.usage");
//! assert_eq!(tokens.with("type", "output").total(), 45.0);
//! assert_eq!(tokens.total(), 165.0);
//! # Ok::<(), claude_code_telemetry::testing::NotOne>(())
//! ```
//!
//! [`InMemory::builder`] sets switches, and a fixed clock and sequential ids with which every run is the same:
//! [`InMemory::dump`] then returns a text that can be compared as a whole.
//!
//! All data takes the same path as to a receiver: the content policy, the queues, the encoding as OTLP. Only data of the
//! catalog is kept: the providers for a host's own instruments (`Telemetry::providers`) do nothing.

mod attributes;
mod dump;
mod emitted;
mod items;
mod names;
mod store;

pub use attributes::{Attribute, Attributes};
pub use emitted::{Emitted, NotOne};
pub use items::{Event, Item, Metric, Span, SpanEvent};

use store::{Store, StoreExporter};

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Clock;
use crate::config::Config;
use crate::propagation::IdGenerator;
use crate::telemetry::{Service, Telemetry};

/// The default `user.id` of identities.
const USER_ID: &str = "installation";

/// In-memory telemetry. It dereferences to a [`Telemetry`]; pass a clone of that to the code under test.
pub struct InMemory {
    telemetry: Telemetry,
    store: Arc<Store>,
    clock: Clock,
}

/// A builder of [`InMemory`] telemetry.
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
    /// Sets a variable of the environment, for example a content switch or `OTEL_RESOURCE_ATTRIBUTES`. The exporter that
    /// a variable names does not matter: metrics, events and spans are all kept, and none is sent. The process
    /// environment is not read.
    ///
    /// ```
    /// # use claude_code_telemetry::testing::InMemory;
    /// let telemetry = InMemory::builder().variable("OTEL_LOG_TOOL_DETAILS", "1").start();
    /// assert!(telemetry.content_policy().tool_details());
    /// ```
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Sets the host program; `claude-code` 0.0.0 by default.
    ///
    /// ```
    /// # use claude_code_telemetry::{Service, testing::InMemory};
    /// let telemetry = InMemory::builder().service(Service::new("my-agent", "1.2.3")).start();
    /// ```
    pub fn service(mut self, service: Service) -> Self {
        self.service = service;
        self
    }

    /// Sets a clock that stays at this time until it is [advanced](InMemory::advance).
    ///
    /// ```
    /// # use claude_code_telemetry::testing::InMemory;
    /// # use std::time::SystemTime;
    /// let telemetry = InMemory::builder().clock(SystemTime::UNIX_EPOCH).start();
    /// ```
    pub fn clock(mut self, time: SystemTime) -> Self {
        self.clock = Some(time);
        self
    }

    /// Uses sequential ids of sessions, prompts, traces and spans instead of random ones. In a test with several
    /// threads that start spans or sessions, the order of ids is not deterministic.
    ///
    /// ```
    /// # use claude_code_telemetry::testing::InMemory;
    /// let telemetry = InMemory::builder().counted_ids().start();
    /// ```
    pub fn counted_ids(mut self) -> Self {
        self.counted_ids = true;
        self
    }

    /// Uses sequential ids, and a clock that stays at 2026-01-01T00:00:00Z, so that every run is the same.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, testing::InMemory};
    /// let dump = || {
    ///     let telemetry = InMemory::builder().fixed().start();
    ///     telemetry.session(Identity::new()).prompt("hi").end();
    ///     telemetry.dump()
    /// };
    /// assert_eq!(dump(), dump());
    /// ```
    pub fn fixed(self) -> Self {
        const NEW_YEAR: Duration = Duration::from_secs(1_767_225_600);
        self.clock(UNIX_EPOCH + NEW_YEAR).counted_ids()
    }

    /// Starts the telemetry.
    ///
    /// ```
    /// # use claude_code_telemetry::testing::InMemory;
    /// let telemetry = InMemory::builder().fixed().start();
    /// assert!(telemetry.is_enabled());
    /// ```
    pub fn start(self) -> InMemory {
        let config = Config::builder().environment(self.variables).build();
        let store = Arc::new(Store::default());
        let clock = self.clock.map_or_else(Clock::default, Clock::manual);
        let kept = Arc::clone(&store);
        let mut builder = Telemetry::builder(config, self.service);
        builder.clock = clock;
        if self.counted_ids {
            builder.ids = IdGenerator::sequential();
        }
        builder.installation_id = OnceLock::from(Arc::from(USER_ID));
        builder.exporter = Some(Arc::new(move |signal| {
            let store = Arc::clone(&kept);
            Arc::new(StoreExporter { signal, store })
        }));
        InMemory {
            telemetry: builder.start(),
            store,
            clock,
        }
    }
}

impl Telemetry {
    /// Starts in-memory telemetry for a host's tests, with random ids and the system clock. The default `user.id` of
    /// identities is `installation`.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// let telemetry = Telemetry::in_memory();
    /// telemetry.session(Identity::new()).prompt("hi").end();
    /// assert_eq!(telemetry.events().names(), ["user_prompt"]);
    /// ```
    pub fn in_memory() -> InMemory {
        InMemory::builder().start()
    }
}

impl InMemory {
    /// Returns a builder, for in-memory telemetry with switches, a clock or ids.
    ///
    /// ```
    /// # use claude_code_telemetry::testing::InMemory;
    /// let telemetry = InMemory::builder().variable("OTEL_LOG_USER_PROMPTS", "1").fixed().start();
    /// ```
    pub fn builder() -> InMemoryBuilder {
        let on = [
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
            // A test needs its data in the store before it asserts, on a busy machine too.
            ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"),
        ];
        InMemoryBuilder {
            variables: on
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            service: Service::new("claude-code", "0.0.0"),
            clock: None,
            counted_ids: false,
        }
    }

    /// Returns the telemetry, for the code under test.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// fn run_agent(telemetry: Telemetry) {
    ///     telemetry.session(Identity::new()).prompt("hi").end();
    /// }
    ///
    /// let telemetry = Telemetry::in_memory();
    /// run_agent(telemetry.telemetry().clone());
    /// assert_eq!(telemetry.spans().names(), ["interaction"]);
    /// ```
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Advances a clock that was set with [`InMemoryBuilder::clock`]. Has no effect on the system clock.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, testing::InMemory};
    /// # use std::time::Duration;
    /// let telemetry = InMemory::builder().fixed().start();
    /// let prompt = telemetry.session(Identity::new()).prompt("hi");
    /// telemetry.advance(Duration::from_secs(2));
    /// prompt.end();
    /// assert_eq!(telemetry.spans()[0].duration, Duration::from_secs(2));
    /// ```
    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Flushes, and returns the events so far in the order in which they were recorded.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// let telemetry = Telemetry::in_memory();
    /// telemetry.session(Identity::new()).prompt("hi").end();
    /// assert_eq!(telemetry.events()[0].attributes["prompt_length"], 2);
    /// ```
    pub fn events(&self) -> Emitted<Event> {
        self.telemetry.flush();
        self.store.events()
    }

    /// Flushes, and returns the series of metrics so far with their totals, sorted by name and attributes.
    ///
    /// ```
    /// # use claude_code_telemetry::{Commit, Identity, Telemetry};
    /// let telemetry = Telemetry::in_memory();
    /// let session = telemetry.session(Identity::new());
    /// session.record_commit(Commit::new());
    /// assert_eq!(telemetry.metrics().named("commit.count").total(), 1.0);
    /// ```
    pub fn metrics(&self) -> Emitted<Metric> {
        self.telemetry.flush();
        self.store.metrics()
    }

    /// Flushes, and returns the spans that have ended so far in the order in which they ended.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, Telemetry};
    /// let telemetry = Telemetry::in_memory();
    /// let prompt = telemetry.session(Identity::new()).prompt("hi");
    /// assert!(telemetry.spans().is_empty());
    /// prompt.end();
    /// assert_eq!(telemetry.spans().names(), ["interaction"]);
    /// ```
    pub fn spans(&self) -> Emitted<Span> {
        self.telemetry.flush();
        self.store.spans()
    }

    /// Flushes, and returns all items as text: metrics, events, and spans below their parents. With a clock and ids
    /// that are [fixed](InMemoryBuilder::fixed), the same calls yield the same text.
    ///
    /// ```
    /// # use claude_code_telemetry::{Identity, testing::InMemory};
    /// let telemetry = InMemory::builder().fixed().start();
    /// telemetry.session(Identity::new()).prompt("hi").end();
    /// assert!(telemetry.dump().contains("claude_code.interaction"));
    /// ```
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
