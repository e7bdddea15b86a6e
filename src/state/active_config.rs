//! The active configuration of recording: a snapshot that is replaced as a whole.

use std::sync::Arc;

use crate::config::Config;
use crate::content::ContentPolicy;
use crate::encode::events::EventItem;
use crate::encode::spans::SpanItem;
use crate::export::queue::Queue;
use crate::health::ExporterCounters;
use crate::resource::custom_attributes;
use crate::session_attributes::{CustomAttributes, custom_for_metrics};
use crate::signal::Signal;

/// The queue of an exporter, and the counters of this exporter.
pub(crate) type ExporterQueue<T> = (Queue<T>, Arc<ExporterCounters>);

/// A snapshot of the configuration, the content policy and the exporters' queues.
pub(crate) struct ActiveConfig {
    pub(crate) config: Arc<Config>,
    pub(crate) policy: ContentPolicy,
    /// The custom attributes of events and spans.
    pub(crate) custom: CustomAttributes,
    /// The custom attributes of data points, with texts shortened to the length limit of metric attributes.
    pub(crate) metric_custom: CustomAttributes,
    /// `true` if an exporter takes metrics.
    pub(crate) metrics: bool,
    /// The queues of the exporters that take events.
    pub(crate) events: Vec<ExporterQueue<EventItem>>,
    /// The queues of the exporters that take spans.
    pub(crate) spans: Vec<ExporterQueue<SpanItem>>,
    /// The counters of every exporter that a configuration has ever asked for.
    pub(crate) counters: Vec<Arc<ExporterCounters>>,
}

/// Returns the flag of a signal that an exporter takes. Recording checks the flags before anything else, so that
/// telemetry that is off costs almost nothing.
pub(super) const fn bit(signal: Signal) -> u8 {
    1 << signal as u8
}

/// A flag beside those of the signals: the private thread, which drives all exporters, could not be started yet.
pub(super) const NO_THREAD: u8 = 0x80;

impl ActiveConfig {
    /// Creates a snapshot without exporters.
    pub(crate) fn off(config: Arc<Config>) -> Self {
        let custom: CustomAttributes = custom_attributes(&config)
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

    /// Returns the flags of the signals that an exporter takes.
    pub(crate) fn signals(&self) -> u8 {
        let signal = |signal, on| if on { bit(signal) } else { 0 };
        signal(Signal::Metrics, self.metrics)
            | signal(Signal::Logs, !self.events.is_empty())
            | signal(Signal::Traces, !self.spans.is_empty())
    }
}
