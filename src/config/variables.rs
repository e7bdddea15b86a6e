//! The table of all variables, which parsing, warnings, the explanation and the documentation use.

use crate::signal::Signal;
use crate::visible::visible;

/// An environment variable, or the only settings key that is not a variable (`otelHeadersHelper`).
#[derive(Debug)]
pub(crate) struct Variable {
    /// The exact name. In a row of [`WITHOUT_EFFECT`], one `*` may stand for several names.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The signal that the variable configures; `None` = all signals, or no specific one.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "the documentation is made from it")
    )]
    pub(crate) signal: Option<Signal>,
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "the documentation is made from it")
    )]
    pub(crate) source: Source,
    pub(crate) effect: Effect,
    pub(crate) in_project: InProject,
    /// The effect of the variable, in one line.
    pub(crate) meaning: &'static str,
}

/// The type of a variable's value, with its default.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Boolean {
        default: bool,
    },
    Number(Number),
    /// A list of exporters, separated by commas.
    Exporters(&'static [&'static str]),
    /// A word of a fixed list.
    Word {
        words: &'static [&'static str],
        any_case: bool,
        default: &'static str,
    },
    Url {
        default: &'static str,
    },
    /// `key=value,key=value`
    Attributes,
    /// `name=value,name=value`; the values are secret.
    Headers,
    Path,
    Text {
        default: &'static str,
    },
    /// A shell command line, which may contain a secret. It is a settings key, never read from the environment.
    Command,
}

/// A plain decimal number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "the documentation is made from it")
    )]
    pub(crate) unit: &'static str,
    pub(crate) default: u64,
    pub(crate) minimum: u64,
    pub(crate) maximum: u64,
}

/// The place where a variable is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The documentation of Claude Code.
    ClaudeCode,
    /// The specification of OpenTelemetry.
    OpenTelemetry,
    /// Neither of them: variables of other programs or of other editions of Claude Code.
    Elsewhere,
}

/// The effect of a variable in this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Works,
    /// Known from other programs, but without effect here.
    Without,
}

/// The values that settings files of a project may give to a variable. These files come with the repository, so they
/// never decide the destination of telemetry, its credentials or its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InProject {
    /// Any value.
    Allowed,
    /// Only a value that switches the variable off.
    OffOnly,
    /// No value, not even an empty one, which would cancel what other layers set.
    Ignored,
}

/// A general variable and its three signal-specific ones.
#[derive(Debug)]
pub(crate) struct PerSignal {
    pub(crate) general: Variable,
    metrics: Variable,
    events: Variable,
    spans: Variable,
}

impl PerSignal {
    pub(crate) fn of(&'static self, signal: Signal) -> &'static Variable {
        match signal {
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.events,
            Signal::Traces => &self.spans,
        }
    }

    fn all(&'static self) -> [&'static Variable; 4] {
        [&self.general, &self.metrics, &self.events, &self.spans]
    }
}

/// The replacement for a secret wherever it would be shown.
pub(crate) const HIDDEN: &str = "<hidden>";

/// The beginning of PEM text. Found in place of a path, the text may be a key.
pub(crate) const PEM_BEGIN: &str = "-----BEGIN";

/// Prefixes of telemetry variables. An unknown variable with such a prefix is reported.
const OUR_PREFIXES: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_",
    "OTEL_LOG_",
    "OTEL_METRICS_INCLUDE_",
    "CLAUDE_CODE_OTEL_",
];

impl Variable {
    /// Returns true if the variable is used for telemetry only. Other programs read the remaining variables too.
    pub(crate) fn is_of_telemetry(&self) -> bool {
        ["OTEL_", "CLAUDE_CODE_OTEL_", "otel"]
            .iter()
            .any(|prefix| self.name.starts_with(prefix))
    }

    /// Returns true for the switches that allow the export of content.
    pub(crate) fn is_content_switch(&self) -> bool {
        self.effect == Effect::Works && self.name.starts_with("OTEL_LOG_")
    }

    /// Returns the default as it would be written; empty = unset.
    pub(crate) fn default_text(&self) -> String {
        match self.kind {
            Kind::Boolean { default } => default.to_string(),
            Kind::Number(number) => number.default.to_string(),
            Kind::Word { default, .. } | Kind::Url { default } | Kind::Text { default } => {
                default.to_owned()
            }
            Kind::Exporters(_) | Kind::Attributes | Kind::Headers | Kind::Path | Kind::Command => {
                String::new()
            }
        }
    }

    /// Returns the value with its secrets hidden.
    pub(crate) fn shown(&self, value: &str) -> String {
        match self.kind {
            Kind::Headers | Kind::Command => HIDDEN.to_owned(),
            // The value is a key, pasted instead of its path.
            Kind::Path if value.contains(PEM_BEGIN) => HIDDEN.to_owned(),
            Kind::Url { .. } => shown_url(value),
            _ => visible(value),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self.name.split_once('*') {
            None => self.name == name,
            Some((start, end)) => name
                .strip_prefix(start)
                .is_some_and(|rest| rest.ends_with(end)),
        }
    }
}

/// Returns a URL without the parts that may be secret (user and password, query and fragment) and without control
/// characters.
pub(crate) fn shown_url(url: &str) -> String {
    let url = &*visible(url);
    let (scheme, rest) = match url.find("://") {
        Some(at) => url.split_at(at + 3),
        None => ("", url),
    };
    // The user part ends at the last `@` anywhere in the text, because an unescaped password can contain `/` and `?`.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("<hidden>@", rest),
        None => ("", rest),
    };
    match rest.find(['?', '#']) {
        Some(at) => format!("{scheme}{user}{}?{HIDDEN}", &rest[..at]),
        None => format!("{scheme}{user}{rest}"),
    }
}

/// Returns all variables, in the order of the documentation.
pub(crate) fn all() -> impl Iterator<Item = &'static Variable> {
    let per_signal = PER_SIGNAL.iter().flat_map(|group| group.all());
    SINGLE
        .iter()
        .copied()
        .chain(per_signal)
        .chain(WITHOUT_EFFECT)
}

/// Returns the variable with this name.
pub(crate) fn find(name: &str) -> Option<&'static Variable> {
    all().find(|variable| variable.matches(name))
}

/// Returns true if an unknown name looks like a misspelled telemetry variable.
pub(crate) fn looks_like_ours(name: &str) -> bool {
    OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

const OFF: Kind = Kind::Boolean { default: false };
const ON: Kind = Kind::Boolean { default: true };
const URL: Kind = Kind::Url { default: "" };

const fn milliseconds(default: u64, minimum: u64) -> Kind {
    Kind::Number(Number {
        unit: "ms",
        default,
        minimum,
        maximum: i64::MAX.unsigned_abs(),
    })
}

const fn number(unit: &'static str, default: u64, minimum: u64, maximum: u32) -> Kind {
    Kind::Number(Number {
        unit,
        default,
        minimum,
        maximum: maximum as u64,
    })
}

const fn without_effect(name: &'static str, source: Source) -> Variable {
    Variable {
        name,
        kind: Kind::Text { default: "" },
        signal: None,
        source,
        effect: Effect::Without,
        in_project: InProject::Allowed,
        meaning: "Known, without effect in this library",
    }
}

macro_rules! single {
    ($($id:ident = $name:literal, $signal:expr, $source:ident, $in_project:ident, $kind:expr, $meaning:literal;)*) => {
        $(pub(crate) static $id: Variable = Variable {
            name: $name,
            kind: $kind,
            signal: $signal,
            source: Source::$source,
            effect: Effect::Works,
            in_project: InProject::$in_project,
            meaning: $meaning,
        };)*
        static SINGLE: &[&Variable] = &[$(&$id),*];
    };
}

macro_rules! per_signal {
    ($($id:ident = $suffix:literal, $in_project:ident, $kind:expr, $meaning:literal;)*) => {
        $(pub(crate) static $id: PerSignal = PerSignal {
            general: per_signal!(@one concat!("OTEL_EXPORTER_OTLP_", $suffix), None, $in_project, $kind, $meaning),
            metrics: per_signal!(@one concat!("OTEL_EXPORTER_OTLP_METRICS_", $suffix), Some(Signal::Metrics), $in_project, $kind, $meaning),
            events: per_signal!(@one concat!("OTEL_EXPORTER_OTLP_LOGS_", $suffix), Some(Signal::Logs), $in_project, $kind, $meaning),
            spans: per_signal!(@one concat!("OTEL_EXPORTER_OTLP_TRACES_", $suffix), Some(Signal::Traces), $in_project, $kind, $meaning),
        };)*
        static PER_SIGNAL: &[&PerSignal] = &[$(&$id),*];
    };
    (@one $name:expr, $signal:expr, $in_project:ident, $kind:expr, $meaning:literal) => {
        Variable {
            name: $name,
            kind: $kind,
            signal: $signal,
            source: Source::OpenTelemetry,
            effect: Effect::Works,
            in_project: InProject::$in_project,
            meaning: $meaning,
        }
    };
}

single! {
    ENABLE_TELEMETRY = "CLAUDE_CODE_ENABLE_TELEMETRY", None, ClaudeCode, Ignored, OFF,
        "Nothing is built or sent without it";
    SDK_DISABLED = "OTEL_SDK_DISABLED", None, OpenTelemetry, Ignored, OFF,
        "Turns everything off";
    METRICS_EXPORTER = "OTEL_METRICS_EXPORTER", Some(Signal::Metrics), OpenTelemetry, OffOnly,
        Kind::Exporters(&["console", "otlp", "prometheus", "none"]),
        "Where metrics go; `none` turns them off";
    LOGS_EXPORTER = "OTEL_LOGS_EXPORTER", Some(Signal::Logs), OpenTelemetry, OffOnly,
        Kind::Exporters(&["console", "otlp", "none"]),
        "Where events go; `none` turns them off";
    TRACES_EXPORTER = "OTEL_TRACES_EXPORTER", Some(Signal::Traces), OpenTelemetry, OffOnly,
        Kind::Exporters(&["console", "otlp", "none"]),
        "Where spans go; `none` turns them off";
    ENHANCED_TELEMETRY_BETA = "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", Some(Signal::Traces), ClaudeCode, Ignored, OFF,
        "Spans need it";
    ENHANCED_TELEMETRY_BETA_ALIAS = "ENABLE_ENHANCED_TELEMETRY_BETA", Some(Signal::Traces), ClaudeCode, Ignored, OFF,
        "Another name of CLAUDE_CODE_ENHANCED_TELEMETRY_BETA";
    TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", Some(Signal::Metrics), OpenTelemetry, Allowed,
        Kind::Word { words: &["delta", "cumulative", "lowmemory"], any_case: true, default: "delta" },
        "What a metric point covers: the time since the last one, or since the start; `lowmemory` is `delta`";
    METRIC_EXPORT_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL", Some(Signal::Metrics), OpenTelemetry, Allowed,
        milliseconds(60_000, 100),
        "How often metrics are collected and sent";
    LOGS_EXPORT_INTERVAL = "OTEL_LOGS_EXPORT_INTERVAL", Some(Signal::Logs), ClaudeCode, Allowed,
        milliseconds(5_000, 10),
        "How long an event waits at most before it is sent";
    TRACES_EXPORT_INTERVAL = "OTEL_TRACES_EXPORT_INTERVAL", Some(Signal::Traces), ClaudeCode, Allowed,
        milliseconds(5_000, 10),
        "How long a span waits at most before it is sent";
    LOG_USER_PROMPTS = "OTEL_LOG_USER_PROMPTS", None, ClaudeCode, OffOnly, OFF,
        "Sends the text of prompts";
    LOG_TOOL_DETAILS = "OTEL_LOG_TOOL_DETAILS", None, ClaudeCode, OffOnly, OFF,
        "Sends the input, parameters and names of tools";
    LOG_TOOL_CONTENT = "OTEL_LOG_TOOL_CONTENT", None, ClaudeCode, OffOnly, OFF,
        "Sends what tools put out, on spans";
    LOG_RAW_API_BODIES = "OTEL_LOG_RAW_API_BODIES", None, ClaudeCode, Ignored, OFF,
        "Sends the bodies of API requests and responses as events";
    CONTENT_MAX_LENGTH = "CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH", None, Elsewhere, Ignored,
        number("UTF-16 code units", 61_440, 0, u32::MAX),
        "The longest content that is sent whole; longer content is cut, with a marker";
    INCLUDE_SESSION_ID = "OTEL_METRICS_INCLUDE_SESSION_ID", None, ClaudeCode, Allowed, ON,
        "Puts session.id on metrics, events and spans";
    INCLUDE_VERSION = "OTEL_METRICS_INCLUDE_VERSION", None, ClaudeCode, Allowed, OFF,
        "Puts app.version on metrics, events and spans";
    INCLUDE_ACCOUNT_UUID = "OTEL_METRICS_INCLUDE_ACCOUNT_UUID", None, ClaudeCode, Allowed, ON,
        "Puts user.account_uuid and user.account_id on metrics, events and spans";
    INCLUDE_RESOURCE_ATTRIBUTES = "OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", None, Elsewhere, Allowed, ON,
        "Puts the keys of OTEL_RESOURCE_ATTRIBUTES on metrics, events and spans too";
    RESOURCE_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES", None, OpenTelemetry, Allowed, Kind::Attributes,
        "Attributes of the resource: key=value,key=value, values percent-encoded";
    SERVICE_NAME = "OTEL_SERVICE_NAME", None, OpenTelemetry, Ignored, Kind::Text { default: "" },
        "service.name, over every other source of it";
    HEADERS_HELPER = "otelHeadersHelper", None, ClaudeCode, Ignored, Kind::Command,
        "A command that prints headers as a JSON object (a settings key, no environment variable)";
    HEADERS_HELPER_DEBOUNCE = "CLAUDE_CODE_OTEL_HEADERS_HELPER_DEBOUNCE_MS", None, ClaudeCode, Ignored,
        milliseconds(1_740_000, 100),
        "How often the headers helper runs; it also runs once more when its headers are refused";
    FLUSH_TIMEOUT = "CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", None, Elsewhere, Allowed,
        milliseconds(5_000, 0),
        "The longest that a flush takes";
    SHUTDOWN_TIMEOUT = "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", None, Elsewhere, Allowed,
        milliseconds(2_000, 0),
        "The longest that a shutdown takes";
    DIAG_STDERR = "CLAUDE_CODE_OTEL_DIAG_STDERR", None, Elsewhere, Ignored, OFF,
        "Diagnostics also go to standard error";
    MAX_RETRIES = "CLAUDE_CODE_MAX_RETRIES", None, ClaudeCode, Ignored,
        number("retries", 10, 0, u32::MAX),
        "How often the host retries a model request; the library itself retries none";
    PROMETHEUS_HOST = "OTEL_EXPORTER_PROMETHEUS_HOST", Some(Signal::Metrics), OpenTelemetry, Ignored,
        Kind::Text { default: "localhost" },
        "Where the Prometheus page is served, at /metrics: a host name or an address; localhost is both loopback addresses";
    PROMETHEUS_PORT = "OTEL_EXPORTER_PROMETHEUS_PORT", Some(Signal::Metrics), OpenTelemetry, Ignored,
        number("port", 9_464, 0, 65_535),
        "The port of the Prometheus page; 0 is a free one, which health tells. One that is taken is tried again every 5 seconds";
    CLIENT_CERT = "CLAUDE_CODE_CLIENT_CERT", None, Elsewhere, Ignored, Kind::Path,
        "Client certificate (PEM) when no OTEL one is set";
    CLIENT_KEY = "CLAUDE_CODE_CLIENT_KEY", None, Elsewhere, Ignored, Kind::Path,
        "Key of the client certificate (PEM) when no OTEL one is set";
    EXTRA_CA_CERTS = "NODE_EXTRA_CA_CERTS", None, Elsewhere, Ignored, Kind::Path,
        "Certificates of authorities (PEM) to trust beside the platform's when no OTEL ones are set";
    HTTPS_PROXY = "HTTPS_PROXY", None, Elsewhere, Ignored, URL,
        "Proxy for https endpoints: http://host:port, with user:password@ before the host if the proxy requires them";
    HTTPS_PROXY_LOWER = "https_proxy", None, Elsewhere, Ignored, URL,
        "Another name of HTTPS_PROXY, the stronger one in the same layer";
    HTTP_PROXY = "HTTP_PROXY", None, Elsewhere, Ignored, URL,
        "Proxy for OTLP over HTTP to http endpoints; gRPC goes there directly";
    HTTP_PROXY_LOWER = "http_proxy", None, Elsewhere, Ignored, URL,
        "Another name of HTTP_PROXY, the stronger one in the same layer";
    ALL_PROXY = "ALL_PROXY", None, Elsewhere, Ignored, URL,
        "Proxy where neither HTTPS_PROXY nor HTTP_PROXY names one";
    ALL_PROXY_LOWER = "all_proxy", None, Elsewhere, Ignored, URL,
        "Another name of ALL_PROXY, the stronger one in the same layer";
    NO_PROXY = "NO_PROXY", None, Elsewhere, Ignored, Kind::Text { default: "" },
        "Hosts that are reached without a proxy, separated by commas: example.com (and all below it), 10.0.0.0/8, host:port, * for all; localhost and loopback addresses always are";
    NO_PROXY_LOWER = "no_proxy", None, Elsewhere, Ignored, Kind::Text { default: "" },
        "Another name of NO_PROXY, the stronger one in the same layer";
}

per_signal! {
    PROTOCOL = "PROTOCOL", Ignored,
        Kind::Word { words: &["grpc", "http/protobuf", "http/json"], any_case: false, default: "" },
        "OTLP protocol; unset: grpc when the endpoint's port is 4317, else http/protobuf";
    ENDPOINT = "ENDPOINT", Ignored, URL,
        "Where to send; unset: http://localhost:4317 (grpc), http://localhost:4318 (http). Over HTTP the general one gets /v1/metrics, /v1/logs or /v1/traces appended, a signal-specific one is used as it is; where it has no path and the receiver answers 404 or 405, requests go to that path too";
    HEADERS = "HEADERS", Ignored, Kind::Headers,
        "Headers of every request: name=value,name=value, values percent-encoded; signal-specific ones win";
    TIMEOUT = "TIMEOUT", Allowed, milliseconds(10_000, 1),
        "The longest that one attempt takes; what it does not deliver waits and is sent again";
    COMPRESSION = "COMPRESSION", Allowed,
        Kind::Word { words: &["gzip", "none"], any_case: false, default: "none" },
        "How requests are compressed";
    INSECURE = "INSECURE", Ignored, OFF,
        "A gRPC endpoint without a scheme is http when true, else https";
    CERTIFICATE = "CERTIFICATE", Ignored, Kind::Path,
        "Certificates of authorities (PEM) to trust for https endpoints, in place of the platform's";
    OTLP_CLIENT_KEY = "CLIENT_KEY", Ignored, Kind::Path,
        "Key of the client certificate (PEM)";
    OTLP_CLIENT_CERTIFICATE = "CLIENT_CERTIFICATE", Ignored, Kind::Path,
        "Client certificate (PEM)";
}

static WITHOUT_EFFECT: &[Variable] = &[
    without_effect("OTEL_BSP_*", Source::OpenTelemetry),
    without_effect("OTEL_BLRP_*", Source::OpenTelemetry),
    without_effect("OTEL_TRACES_SAMPLER*", Source::OpenTelemetry),
    without_effect("OTEL_METRIC_EXPORT_TIMEOUT", Source::OpenTelemetry),
    without_effect("OTEL_*_LIMIT", Source::OpenTelemetry),
    without_effect("OTEL_PROPAGATORS", Source::OpenTelemetry),
    // Standard variables whose names begin like those of this library.
    without_effect("OTEL_LOG_LEVEL", Source::OpenTelemetry),
    without_effect(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        Source::OpenTelemetry,
    ),
    without_effect("OTEL_LOG_ASSISTANT_RESPONSES", Source::Elsewhere),
    without_effect("OTEL_LOG_MANAGED_SETTINGS", Source::Elsewhere),
    without_effect("OTEL_METRICS_INCLUDE_ENTRYPOINT", Source::Elsewhere),
    without_effect("OTEL_METRICS_INCLUDE_REPOSITORY", Source::Elsewhere),
];

#[cfg(test)]
mod tests;
