//! The active configuration of recording: a snapshot that is replaced as a whole.

use std::sync::Arc;

use crate::config::Config;
use crate::content::ContentPolicy;
use crate::encode::events::EventItem;
use crate::encode::spans::SpanItem;
use crate::export::queue::Queue;
use crate::health::ExporterCounters;
use crate::resource::point_attributes;
use crate::session_attributes::{CustomAttributes, custom_for_metrics};

/// The queue and the counters of each exporter that takes a signal.
pub(crate) type Slots<T> = Vec<Slot<T>>;

pub(crate) type Slot<T> = (Queue<T>, Arc<ExporterCounters>);

/// A snapshot of the configuration, the content policy and the exporters' queues.
pub(crate) struct ActiveConfig {
    pub(crate) config: Arc<Config>,
    pub(crate) policy: ContentPolicy,
    /// The custom attributes of events and spans.
    pub(crate) custom: CustomAttributes,
    /// The custom attributes of data points, with shortened texts.
    pub(crate) metric_custom: CustomAttributes,
    /// `true` if an exporter takes metrics.
    pub(crate) metrics: bool,
    /// The queues of the exporters that take events.
    pub(crate) events: Slots<EventItem>,
    /// The queues of the exporters that take spans.
    pub(crate) spans: Slots<SpanItem>,
    /// The counters of every exporter that a configuration has ever asked for.
    pub(crate) counters: Vec<Arc<ExporterCounters>>,
}

/// The signals that are recorded. Recording checks them before anything else, so that telemetry that is off costs
/// almost nothing.
pub(crate) const METRICS: u8 = 1;
pub(crate) const EVENTS: u8 = 2;
pub(crate) const SPANS: u8 = 4;
/// A flag beside the signals: the private thread could not be started yet.
pub(crate) const NO_THREAD: u8 = 8;

impl ActiveConfig {
    /// Creates a snapshot without exporters.
    pub(crate) fn off(config: Arc<Config>) -> Self {
        let custom: CustomAttributes = point_attributes(&config)
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        Self {
            policy: config.content,
            metric_custom: custom_for_metrics(&custom),
            custom,
            config,
            metrics: false,
            events: Vec::new(),
            spans: Vec::new(),
            counters: Vec::new(),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.signals() != 0
    }

    pub(crate) fn signals(&self) -> u8 {
        let signal = |on, bit| if on { bit } else { 0 };
        signal(self.metrics, METRICS)
            | signal(!self.events.is_empty(), EVENTS)
            | signal(!self.spans.is_empty(), SPANS)
    }
}
