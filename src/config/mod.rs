//! What settings files, the environment and the host ask for, as pure values with provenance.

mod builder;
mod changes;
mod destination;
mod endpoint;
mod explain;
mod exporter;
mod headers;
mod nearest;
mod no_proxy;
pub(crate) mod otlp;
pub(crate) mod pairs;
mod parse;
pub(crate) mod pem;
mod pem_content;
mod permissions;
mod prometheus;
pub(crate) mod proxy;
mod resolve;
pub(crate) mod secret;
mod settings;
pub(crate) mod source;
mod terminal;
pub(crate) mod tls;
mod values;
pub(crate) mod variables;
mod warnings;

use std::path::PathBuf;
use std::time::Duration;

pub use builder::ConfigBuilder;
pub use changes::ChangedSetting;
pub use destination::OtlpDestination;
pub use explain::{Explanation, Setting};
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use exporter::path;
pub use settings::SettingsFiles;
pub use source::{Layer, Origin};
pub use warnings::Warning;

#[cfg_attr(not(feature = "prometheus"), allow(unused_imports))]
pub(crate) use prometheus::PrometheusConfig;

use crate::content::ContentFlags;
use crate::environment::Environment;
use crate::health::Exporter;
use crate::signal::Signal;
use otlp::OtlpConfig;
use secret::Secret;

/// The whole configuration, resolved once. It never fails: what is wrong is left out or takes its
/// default, and is told by [`warnings`](Self::warnings).
#[derive(Clone, Debug)]
pub struct Config {
    /// When false, every exporter below is off.
    pub(crate) enabled: bool,
    /// Exporters that were asked for and cannot be built: they stay off.
    pub(crate) off: Vec<OffExporter>,
    /// Exporters that were asked for by names that none has.
    pub(crate) unknown: Vec<UnknownExporter>,
    pub(crate) metrics: MetricsConfig,
    pub(crate) events: EventsConfig,
    pub(crate) spans: SpansConfig,
    /// Where headers come from that change.
    pub(crate) headers_helper: Option<HeadersHelper>,
    pub(crate) content: ContentFlags,
    pub(crate) attributes: AttributeSwitches,
    /// `OTEL_RESOURCE_ATTRIBUTES`: each key once, in the order given.
    pub(crate) resource_attributes: Vec<(String, String)>,
    /// `OTEL_SERVICE_NAME`
    pub(crate) service_name: Option<String>,
    /// What the environment says; the host may know better.
    pub(crate) terminal_type: Option<String>,
    pub(crate) number_encoding: NumberEncoding,
    pub(crate) flush_timeout: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) diagnostics_to_stderr: bool,
    pub(crate) max_retries: u32,
    /// The host's own; `None` = the default one.
    pub(crate) installation_id_path: Option<PathBuf>,
    /// For what is looked up later: trace context, and what a subprocess must not get.
    pub(crate) environment: Environment,
    explanation: Explanation,
}

/// An exporter that was asked for and cannot be built.
#[derive(Clone, Debug)]
pub(crate) struct OffExporter {
    pub(crate) signal: Signal,
    pub(crate) exporter: Exporter,
    /// The warning that says why.
    pub(crate) reason: String,
}

/// A name in a variable such as `OTEL_METRICS_EXPORTER` that no exporter has, as [`Diagnosis`](crate::Diagnosis) lists it:
/// what was meant by it gets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownExporter {
    /// The signal.
    pub signal: Signal,
    /// The name.
    pub name: String,
    /// The valid name that was probably meant.
    pub nearest: &'static str,
    /// The variable that holds it.
    pub variable: &'static str,
}

/// A command that prints headers: `otelHeadersHelper`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeadersHelper {
    /// The path of a program, or a line for the shell. It may hold a secret.
    #[cfg_attr(not(any(feature = "grpc", feature = "http")), allow(dead_code))]
    pub(crate) command: Secret,
    /// From one run to the next.
    #[cfg_attr(not(any(feature = "grpc", feature = "http")), allow(dead_code))]
    pub(crate) interval: Duration,
    /// True when an exporter sends its headers over gRPC.
    #[cfg_attr(not(any(feature = "grpc", feature = "http")), allow(dead_code))]
    pub(crate) grpc: bool,
}

/// Where metrics go.
#[derive(Clone, Debug)]
pub(crate) struct MetricsConfig {
    pub(crate) otlp: Option<OtlpConfig>,
    pub(crate) console: bool,
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
    pub(crate) prometheus: Option<PrometheusConfig>,
    /// From one collection to the next.
    pub(crate) interval: Duration,
    /// Not of the Prometheus page, which is cumulative.
    pub(crate) temporality: Temporality,
}

/// Where events go.
#[derive(Clone, Debug)]
pub(crate) struct EventsConfig {
    pub(crate) otlp: Option<OtlpConfig>,
    pub(crate) console: bool,
    /// The longest that an event waits.
    pub(crate) interval: Duration,
}

/// Where spans go. All off without the beta variable.
#[derive(Clone, Debug)]
pub(crate) struct SpansConfig {
    pub(crate) otlp: Option<OtlpConfig>,
    pub(crate) console: bool,
    /// The longest that a span waits.
    pub(crate) interval: Duration,
}

/// Which standard attributes metrics, events and spans carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttributeSwitches {
    pub(crate) session_id: bool,
    pub(crate) version: bool,
    pub(crate) account_uuid: bool,
    pub(crate) resource_attributes: bool,
    pub(crate) user_email: bool,
}

/// What a point of a metric covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Temporality {
    /// The time since the previous point.
    #[default]
    Delta,
    /// The time since the start.
    Cumulative,
}

/// How numbers in events are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NumberEncoding {
    /// As integers and doubles.
    #[default]
    Native,
    /// As text, which is what Claude Code sent up to version 2.1.121.
    Text,
}

impl Config {
    /// The configuration that the settings files of this machine ([`SettingsFiles::system`]) and the
    /// process environment describe.
    pub fn load() -> Self {
        Self::builder().build()
    }

    /// A configuration that the host has a say in.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Whether telemetry is on: `CLAUDE_CODE_ENABLE_TELEMETRY` without `OTEL_SDK_DISABLED`.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// How often the host is asked to retry a model request (`CLAUDE_CODE_MAX_RETRIES`, 10 by
    /// default). The library itself retries none.
    pub fn max_retries(&self) -> u32 {
        self.max_retries
    }

    /// What is probably not meant, each with its cure.
    pub fn warnings(&self) -> &[Warning] {
        self.explanation.warnings()
    }

    /// Takes the place of another one: the explanation tells what changes.
    pub(crate) fn replace(&mut self, old: &Self) {
        self.explanation.compare(&old.explanation);
    }

    /// Where every value comes from, what follows from it, and every warning. Secrets are hidden.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }
}

#[cfg(test)]
mod tests;
