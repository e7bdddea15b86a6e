//! The configuration: values from settings files, the environment and the host, each with its origin.

mod builder;
mod changes;
mod destination;
pub(crate) mod endpoint;
mod explain;
mod kind;
mod nearest;
mod no_proxy;
pub(crate) mod otlp;
pub(crate) mod pairs;
pub(crate) mod pem;
mod pem_content;
mod permissions;
mod problem;
mod prometheus;
mod protocol;
pub(crate) mod proxy;
mod resolve;
mod resolver;
pub(crate) mod secret;
mod setting;
mod settings;
pub(crate) mod source;
mod terminal;
pub(crate) mod tls;
mod values;
pub(crate) mod variables;
mod warnings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use builder::ConfigBuilder;
pub use changes::ChangedSetting;
pub use destination::OtlpDestination;
pub use explain::Explanation;
#[cfg(feature = "testing")]
pub(crate) use nearest::nearest;
#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use otlp::path;
pub use setting::Setting;
pub use settings::SettingsFiles;
pub use source::{Layer, Provenance};
pub use warnings::Warning;

#[cfg_attr(not(feature = "prometheus"), allow(unused_imports))]
pub(crate) use prometheus::PrometheusConfig;
pub(crate) use protocol::Temporality;

use crate::content::ContentPolicy;
use crate::environment::Environment;
use crate::health::Exporter;
use crate::signal::Signal;
use otlp::OtlpConfig;
use secret::Secret;
use values::Values;
use variables::{PerSignal, Typed};

/// The whole configuration, resolved once. Resolution never fails: an invalid setting is left out or replaced by its
/// default, and reported by [`warnings`](Self::warnings).
#[derive(Clone, Debug)]
pub struct Config {
    /// If false, every exporter below is off.
    pub(crate) enabled: bool,
    /// Exporter names in the configuration that are unknown.
    pub(crate) unknown: Vec<UnknownExporter>,
    pub(crate) metrics: SignalConfig,
    pub(crate) events: SignalConfig,
    /// All exporters of spans are off without `CLAUDE_CODE_ENHANCED_TELEMETRY_BETA`.
    pub(crate) spans: SignalConfig,
    /// The command that prints headers that change over time; `None` without an OTLP exporter.
    pub(crate) headers_helper: Option<HeadersHelper>,
    pub(crate) content: ContentPolicy,
    pub(crate) attributes: AttributeSwitches,
    /// The terminal type that the environment indicates. The host can override it.
    pub(crate) terminal_type: Option<String>,
    pub(crate) number_encoding: NumberEncoding,
    /// The path that the host sets; `None` = the default path.
    pub(crate) installation_id_path: Option<PathBuf>,
    /// For later lookups: the trace context of the parent process, and the variables to remove for a subprocess.
    pub(crate) environment: Environment,
    values: Arc<Values>,
    explanation: Explanation,
}

/// An unknown exporter name in a variable such as `OTEL_METRICS_EXPORTER`, as [`Diagnosis`](crate::Diagnosis) lists it.
/// It receives no telemetry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownExporter {
    /// The signal.
    pub signal: Signal,
    /// The name.
    pub name: String,
    /// The most similar valid name.
    pub nearest: &'static str,
    /// The variable that contains the name.
    pub variable: &'static str,
}

/// A command that prints headers: `otelHeadersHelper`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeadersHelper {
    /// The path of a program, or a shell command line. It may contain a secret.
    pub(crate) command: Secret,
    /// The time from one run to the next.
    pub(crate) interval: Duration,
    /// True if an exporter sends the headers over gRPC.
    pub(crate) grpc: bool,
}

/// The exporters of one signal.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignalConfig {
    pub(crate) otlp: Option<OtlpConfig>,
    pub(crate) console: bool,
    /// For metrics only.
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
    pub(crate) prometheus: Option<PrometheusConfig>,
    /// The time from one collection of metrics to the next; the longest time that an event or a span stays in the
    /// queue.
    pub(crate) interval: Duration,
    /// The configured exporters that cannot be built, each with the text of the warning.
    pub(crate) unavailable: Vec<(Exporter, String)>,
}

/// The switches of the attributes that metrics, events and spans carry: true if the attribute is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttributeSwitches {
    pub(crate) session_id: bool,
    pub(crate) version: bool,
    pub(crate) account_uuid: bool,
    pub(crate) resource_attributes: bool,
    pub(crate) user_email: bool,
}

/// The encoding of numbers in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NumberEncoding {
    /// As integers and doubles.
    #[default]
    Native,
    /// As text, which is what Claude Code sent up to version 2.1.121.
    Text,
}

impl Config {
    /// Returns the configuration that the settings files of this machine ([`SettingsFiles::system`]) and the process
    /// environment describe.
    ///
    /// ```no_run
    /// # use claude_code_telemetry::Config;
    /// let config = Config::load();
    /// println!("telemetry is {}", if config.is_enabled() { "on" } else { "off" });
    /// ```
    pub fn load() -> Self {
        Self::builder().build()
    }

    /// Returns a builder, for a configuration that the host customizes.
    ///
    /// ```no_run
    /// use claude_code_telemetry::Config;
    ///
    /// let config = Config::builder()
    ///     .set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317")
    ///     .user_email(false)
    ///     .build();
    /// ```
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Returns true if telemetry is on: `CLAUDE_CODE_ENABLE_TELEMETRY` is true and `OTEL_SDK_DISABLED` is not.
    ///
    /// ```
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().environment([("CLAUDE_CODE_ENABLE_TELEMETRY", "1")]).build();
    /// assert!(config.is_enabled());
    /// ```
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Returns how many times the host should retry a model request (`CLAUDE_CODE_MAX_RETRIES`, 10 by default). The
    /// library itself does not retry model requests.
    ///
    /// ```
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().environment([("CLAUDE_CODE_MAX_RETRIES", "3")]).build();
    /// assert_eq!(config.max_retries(), 3);
    /// ```
    pub fn max_retries(&self) -> u32 {
        self.get(&variables::MAX_RETRIES)
    }

    /// Returns the value of a variable, or its default.
    pub(crate) fn get<T: Clone + Default + 'static>(&self, variable: &Typed<T>) -> T {
        self.values.get(variable)
    }

    /// Returns true if a variable is set and not empty.
    #[cfg_attr(not(any(feature = "grpc", feature = "http")), allow(dead_code))]
    pub(crate) fn is_set<T>(&self, variable: &Typed<T>) -> bool {
        self.values.non_empty(variable).is_some()
    }

    /// Returns true if managed settings set a variable, and not to an empty value.
    #[cfg_attr(not(any(feature = "grpc", feature = "http")), allow(dead_code))]
    pub(crate) fn is_managed<T>(&self, variable: &Typed<T>) -> bool {
        let set = self.values.non_empty(variable);
        set.is_some_and(|set| set.layer() == Layer::Managed)
    }

    /// Returns the variable of a group that applies to a signal: the signal-specific one if it is set and no managed
    /// general one overrides it, otherwise the general one. The group must be one that is resolved by
    /// [`Resolver::pair`](resolver::Resolver::pair).
    #[cfg_attr(not(any(feature = "grpc", feature = "http")), allow(dead_code))]
    pub(crate) fn effective_variable<T>(
        &self,
        group: &'static PerSignal<T>,
        signal: Signal,
    ) -> &'static Typed<T> {
        let specific = group.of(signal);
        let general = self.values.non_empty(&group.general);
        let is_overridden = |set| general.is_some_and(|general| resolver::overrides(general, set));
        match self.values.non_empty(specific) {
            Some(set) if !is_overridden(set) => specific,
            _ => &group.general,
        }
    }

    /// Returns the exporters of a signal.
    pub(crate) fn of(&self, signal: Signal) -> &SignalConfig {
        match signal {
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.events,
            Signal::Traces => &self.spans,
        }
    }

    /// Returns the warnings about settings that are probably mistakes, each with its fix.
    ///
    /// ```
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().environment([("OTEL_LOGS_EXPORTER", "oltp")]).build();
    /// for warning in config.warnings() {
    ///     eprintln!("{warning}");
    /// }
    /// # assert!(!config.warnings().is_empty());
    /// ```
    pub fn warnings(&self) -> &[Warning] {
        self.explanation.warnings()
    }

    /// Records the differences from `old`, the configuration that this one replaces, in the explanation.
    pub(crate) fn record_changes_since(&mut self, old: &Self) {
        self.explanation.compare(&old.explanation);
    }

    /// Returns the explanation: the origin of every value, the resulting behavior, and every warning. Secrets are
    /// hidden.
    ///
    /// ```
    /// # use claude_code_telemetry::Config;
    /// # let config = Config::builder().environment::<String, String>([]).build();
    /// println!("{}", config.explain());
    /// ```
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }
}

#[cfg(test)]
mod tests;
