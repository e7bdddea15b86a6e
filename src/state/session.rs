//! The state of a session that its handles share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::attributes::standard;
use super::session_state::SessionState;
use super::snapshot::SessionSnapshot;
use super::{ActiveConfig, PromptContext, SessionOptions, TelemetryState};
use crate::clock::nanos;
use crate::encode::events::{Envelope, Queued};
use crate::lock::lock;
use crate::metrics::{Series, SeriesKind};
use crate::propagation::TraceContext;
use crate::record::{
    ApiRequest, EventRecord, Identity, StartType, TokenType, TokenUsage, is_valid_cost,
};
use crate::session_attributes::SessionAttributes;
use crate::signal::Signal;

/// The state that all handles of one session share. The order of the fields matters: the fields that every record reads
/// are adjacent.
#[repr(C)]
pub(crate) struct SessionCore {
    pub(crate) telemetry: Arc<TelemetryState>,
    snapshot: ArcSwap<SessionSnapshot>,
    pub(crate) state: Arc<SessionState>,
    /// The newest prompt.
    pub(crate) prompt: ArcSwapOption<PromptContext>,
    pub(crate) id: Arc<str>,
    workspace_host_paths: Option<Arc<[Arc<str>]>>,
    terminal_type: Option<Arc<str>>,
    start_type: Option<StartType>,
    pub(super) non_interactive: bool,
    /// `true` once the start of the session was counted, or was counted as dropped after the shutdown.
    counted: AtomicBool,
    /// Held while `snapshot` is replaced, but not while it is read.
    identity: Mutex<Identity>,
}

impl SessionCore {
    pub(crate) fn new(
        telemetry: &Arc<TelemetryState>,
        id: &Arc<str>,
        options: SessionOptions,
    ) -> Arc<Self> {
        let active = telemetry.active.load_full();
        let detected = || active.config.terminal_type.as_deref().map(Arc::from);
        let terminal_type = options.terminal_type.or_else(detected);
        let snapshot = SessionSnapshot::new(active, Arc::default(), Arc::default());
        let session = Arc::new_cyclic(|session| Self {
            telemetry: Arc::clone(telemetry),
            id: Arc::clone(id),
            state: telemetry.sessions.open(id, session),
            identity: Mutex::new(options.identity),
            workspace_host_paths: options.workspace_host_paths,
            terminal_type,
            start_type: options.start_type,
            non_interactive: options.non_interactive,
            counted: AtomicBool::new(false),
            snapshot: ArcSwap::from_pointee(snapshot),
            prompt: ArcSwapOption::empty(),
        });
        // A concurrent change of the configuration either finds the session in the table, or came earlier and is
        // applied here.
        session.refresh();
        session
    }

    /// Replaces the identity. Attributes and series change together: data that is recorded after this call belongs to
    /// the new identity.
    pub(crate) fn set_identity(&self, identity: Identity) {
        let mut replacing = self.lock();
        *replacing = identity;
        self.renew(&replacing, self.telemetry.active.load_full());
    }

    /// Applies the current configuration. Counts the start of the session if it could not be counted before.
    pub(crate) fn refresh(&self) {
        // The configuration is loaded under the lock, so that a concurrent refresh cannot replace it with an older one.
        let identity = self.lock();
        let active = self.telemetry.active.load_full();
        let metrics = active.metrics;
        self.renew(&identity, active);
        drop(identity);
        if metrics
            && !self.counted.swap(true, Ordering::Relaxed)
            && self.telemetry.admits_measurement()
        {
            self.add_to(SeriesKind::SessionCount(self.start_type).into(), 1.0);
        }
    }

    /// Applies a configuration. The new snapshot keeps the open series of the old one, unless the standard attributes
    /// changed. When telemetry is off, no attributes are computed.
    fn renew(&self, identity: &Identity, active: Arc<ActiveConfig>) {
        let snapshot = self.snapshot.load();
        if active.is_on() {
            let (telemetry, terminal) = (&self.telemetry, &self.terminal_type);
            let standard = standard(telemetry, &active, &self.id, identity, terminal);
            if *snapshot.standard != standard {
                let registry = &telemetry.registry;
                let (standard, for_metrics) = match standard.for_metrics(&active.metric_custom) {
                    Some((short, shortened)) => {
                        registry.count_shortened(if active.metrics { shortened } else { 0 });
                        (Arc::new(standard), registry.intern(short))
                    }
                    None => {
                        let standard = registry.intern(standard);
                        (Arc::clone(&standard), standard)
                    }
                };
                self.state.keep(&for_metrics);
                let snapshot = SessionSnapshot::new(active, standard, for_metrics);
                self.snapshot.store(Arc::new(snapshot));
                return;
            }
            // Tells the registry that this session continues to use its attributes.
            snapshot
                .metric_standard
                .outdated
                .store(false, Ordering::Relaxed);
        }
        if !Arc::ptr_eq(&snapshot.active, &active) {
            let mut snapshot = SessionSnapshot::clone(&snapshot);
            snapshot.active = active;
            self.snapshot.store(Arc::new(snapshot));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Identity> {
        lock(&self.identity)
    }

    /// Returns the current standard attributes.
    pub(crate) fn standard(&self) -> Arc<SessionAttributes> {
        Arc::clone(&self.snapshot.load().standard)
    }

    /// Adds to a series.
    pub(crate) fn add(&self, series: Series<&str>, value: f64) {
        if self.telemetry.records(Signal::Metrics) && self.telemetry.admits_measurement() {
            self.add_to(series, value);
        }
    }

    fn add_to(&self, series: Series<&str>, value: f64) {
        match self.snapshot.load().counter(series) {
            Some(counter) => counter.add(value),
            None => self.add_first(series, value),
        }
    }

    /// Returns a cost that can be recorded. Counts a cost that is negative, infinite or NaN as invalid, and returns
    /// `None`.
    fn valid_cost(&self, usd: f64) -> Option<f64> {
        if is_valid_cost(usd) {
            return Some(usd);
        }
        self.telemetry
            .invalid_measurements
            .fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Returns the cost of a request: 0 if the host does not know it, and `None` if it is invalid. Counts both.
    pub(crate) fn request_cost(&self, request: &ApiRequest) -> Option<f64> {
        let usd = request.cost_usd.0.unwrap_or_else(|| {
            self.telemetry.count_unknown_cost(&request.model);
            0.0
        });
        self.valid_cost(usd)
    }

    /// Adds to the cost of a model. An invalid cost is dropped and counted.
    pub(crate) fn add_cost(&self, model: &str, usd: f64) {
        if let Some(usd) = self.valid_cost(usd) {
            self.add(SeriesKind::Cost.of(model), usd);
        }
    }

    /// Adds the cost of a request, unless it is invalid, and all four types of its tokens, including zeros.
    fn add_request(
        &self,
        snapshot: &SessionSnapshot,
        model: &str,
        usd: Option<f64>,
        usage: TokenUsage,
    ) {
        // The fast path handles only valid costs before the shutdown, and only if the registry has room for all series.
        // The slow path adds the measurements one by one, and counts those that are dropped.
        if let Some(usd) = usd
            && !self.telemetry.stopped.load(Ordering::Relaxed)
            && (snapshot.add_request(model, usd, usage)
                || self.add_first_request(model, usd, usage))
        {
            return;
        }
        self.add_slowly(model, usd, usage);
    }

    /// Adds the parts of a request one by one.
    #[cold]
    fn add_slowly(&self, model: &str, usd: Option<f64>, usage: TokenUsage) {
        if let Some(usd) = usd {
            self.add(SeriesKind::Cost.of(model), usd);
        }
        for kind in TokenType::ALL {
            let series = SeriesKind::Tokens(kind).of(model);
            self.add(series, usage.get(kind) as f64);
        }
    }

    /// Opens all series of a model under one lock, and adds its first request. Returns `false`, and adds nothing, if
    /// the registry has no room for all of them.
    #[cold]
    fn add_first_request(&self, model: &str, usd: f64, usage: TokenUsage) -> bool {
        let registry = &self.telemetry.registry;
        let _replacing = self.lock();
        let snapshot = self.snapshot.load_full();
        // Another thread may have opened the series before this one got the lock.
        if snapshot.add_request(model, usd, usage) {
            return true;
        }
        self.state.keep(&snapshot.metric_standard);
        let name = registry.text(model);
        let opened = registry.open_all(&snapshot.metric_standard, Series::of_request(&name));
        let Ok(series) = opened.try_into() else {
            return false;
        };
        let snapshot = snapshot.with_requests(name, series);
        snapshot.add_request(model, usd, usage);
        self.snapshot.store(Arc::new(snapshot));
        true
    }

    /// Opens a series at its first use in this session, and adds to it.
    fn add_first(&self, series: Series<&str>, value: f64) {
        let registry = &self.telemetry.registry;
        let _replacing = self.lock();
        let snapshot = self.snapshot.load_full();
        self.state.keep(&snapshot.metric_standard);
        // Another thread may have opened the series before this one got the lock.
        let counter = snapshot.counter(series).cloned().or_else(|| {
            let series = series.map(|text| registry.text(text));
            let opened = registry.open(&snapshot.metric_standard, series)?;
            self.snapshot.store(Arc::new(snapshot.with(opened.clone())));
            Some(opened)
        });
        match counter {
            Some(counter) => counter.add(value),
            None => {
                self.telemetry
                    .series_overflow
                    .fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Records the measurements and the event of an answered request. Both use the same snapshot if the series of the
    /// model are open; otherwise the measurements use the newest one. Does nothing in a forked child.
    pub(crate) fn record_request(
        &self,
        request: ApiRequest,
        prompt: Option<&Arc<PromptContext>>,
        recorder_span: Option<&Arc<TraceContext>>,
    ) {
        let telemetry = &self.telemetry;
        let has_metrics = telemetry.records(Signal::Metrics);
        let has_event = telemetry.records(Signal::Logs);
        if !(has_metrics || has_event) || !telemetry.in_original_process() {
            return;
        }
        let snapshot = self.snapshot.load();
        let (usd, usage) = (self.request_cost(&request), request.usage());
        if has_metrics {
            self.add_request(&snapshot, request.metric_model(), usd, usage);
        }
        if has_event {
            self.enqueue(
                &snapshot,
                request,
                prompt,
                EventSpan::PromptOr(recorder_span),
            );
        }
    }

    /// Queues an event for every exporter that takes events. Never blocks: a full queue drops the event and counts it.
    pub(crate) fn emit<R: EventRecord>(
        &self,
        record: R,
        prompt: Option<&Arc<PromptContext>>,
        span: EventSpan<'_>,
    ) {
        // Without an exporter for events, no policy is applied and no sequence number is used.
        if self.telemetry.records(Signal::Logs) {
            self.enqueue(&self.snapshot.load(), record, prompt, span);
        }
    }

    /// Queues the event of a record, unless the content policy withholds it.
    #[inline]
    fn enqueue<R: EventRecord>(
        &self,
        snapshot: &SessionSnapshot,
        record: R,
        prompt: Option<&Arc<PromptContext>>,
        span: EventSpan<'_>,
    ) {
        let time = record.time();
        snapshot.active.policy.filter(record, |record| {
            let envelope = self.envelope(snapshot, time, prompt, span);
            let event = Arc::new(Queued { envelope, record });
            let size = event.record.size();
            self.telemetry.enqueue(&snapshot.active.events, event, size);
        });
    }

    /// Returns what an event has in addition to its record. `time` is the time that the host set.
    #[inline(always)]
    fn envelope(
        &self,
        snapshot: &SessionSnapshot,
        time: Option<SystemTime>,
        prompt: Option<&Arc<PromptContext>>,
        span: EventSpan<'_>,
    ) -> Envelope {
        let newest;
        let prompt = match prompt {
            Some(prompt) => Some(prompt),
            None => {
                newest = self.prompt.load();
                newest.as_ref()
            }
        };
        let span = match span {
            EventSpan::Fixed(span) => span,
            EventSpan::PromptOr(otherwise) => {
                prompt.and_then(|prompt| prompt.open_span()).or(otherwise)
            }
        };
        Envelope {
            time: time.map_or_else(|| self.telemetry.clock.now(), nanos),
            sequence: self.state.sequence.fetch_add(1, Ordering::Relaxed),
            standard: Arc::clone(&snapshot.standard),
            workspace_host_paths: self.workspace_host_paths.clone(),
            prompt_id: prompt.map(|prompt| Arc::clone(&prompt.id)),
            span: span.cloned(),
        }
    }
}

/// The span that an event carries.
#[derive(Clone, Copy)]
pub(crate) enum EventSpan<'a> {
    /// The span of the interaction while it is open, otherwise this span.
    PromptOr(Option<&'a Arc<TraceContext>>),
    /// Exactly this span.
    Fixed(Option<&'a Arc<TraceContext>>),
}

impl Drop for SessionCore {
    fn drop(&mut self) {
        if self.telemetry.in_original_process() && self.telemetry.sessions.close(self) {
            // The session table has forgotten a session, whose series a full registry can now remove.
            self.telemetry.registry.retry_eviction();
        }
    }
}
