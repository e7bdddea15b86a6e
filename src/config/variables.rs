//! The table of all variables. Parsing, warnings, the explanation and the documentation follow from its rows.

use std::fmt;
use std::time::Duration;

use super::kind::{self, Exporters, Kind, Parse, Parser, milliseconds, number, of};
use super::nearest::{is_misspelling, nearest};
use super::pairs::{self, Pair};
use super::problem::Problem;
use super::prometheus;
use super::protocol::{Compression, Protocol, Temporality};
use super::secret::{HIDDEN, PEM_BEGIN};
use crate::signal::Signal;
use crate::visible::visible;

/// An environment variable, or the only settings key that is not a variable (`otelHeadersHelper`). `P` is the
/// [`Parser`] of its values.
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "the documentation is made from it")
)]
pub(crate) struct Variable<P: ?Sized = dyn Parse> {
    /// The exact name. In a row of [`WITHOUT_EFFECT`], one `*` may stand for several names.
    pub(crate) name: &'static str,
    /// The signal that the variable configures; `None` = all signals, or no specific one.
    pub(crate) signal: Option<Signal>,
    pub(crate) source: Source,
    pub(crate) in_project: InProject,
    /// The effect of the variable, in one line.
    pub(crate) meaning: &'static str,
    /// False for a variable that is known, for example from the specification of OpenTelemetry, but has no effect here.
    pub(crate) has_effect: bool,
    pub(crate) kind: Kind<P>,
}

/// A variable whose value is a `T`.
pub(crate) type Typed<T> = Variable<Parser<T>>;

/// The place where a variable is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The documentation of Claude Code.
    ClaudeCode,
    /// The specification of OpenTelemetry.
    OpenTelemetry,
    /// Neither of them: variables of this library, of other programs or of other versions of Claude Code.
    Elsewhere,
}

/// The values that settings files of a project may give to a variable. These files come with the project's repository,
/// so they never decide the destination of telemetry, its credentials or its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InProject {
    /// Any value.
    Allowed,
    /// Only a value that is false.
    FalseOnly,
    /// Only a list that contains `none`, which turns all exporters of the list off.
    NoneOnly,
    /// No value, not even an empty one, which would cancel what other layers set.
    Ignored,
}

/// A general variable and its three signal-specific ones.
pub(crate) struct PerSignal<T: 'static> {
    pub(crate) general: Typed<T>,
    metrics: Typed<T>,
    logs: Typed<T>,
    traces: Typed<T>,
}

impl<T> PerSignal<T> {
    pub(crate) fn of(&'static self, signal: Signal) -> &'static Typed<T> {
        match signal {
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
            Signal::Traces => &self.traces,
        }
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Variable {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Variable {}

impl Variable {
    /// Returns true for the switches that allow the export of content.
    pub(crate) fn is_content_switch(&self) -> bool {
        self.has_effect && self.name.starts_with("OTEL_LOG_")
    }

    /// Returns true for the only settings key. It is never read from the environment.
    pub(crate) fn is_settings_key(&self) -> bool {
        self.name == HEADERS_HELPER.name
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
    let tables = [SINGLE, PER_SIGNAL, WITHOUT_EFFECT];
    tables.into_iter().flatten().copied()
}

/// Returns the variable with this name.
pub(crate) fn find(name: &str) -> Option<&'static Variable> {
    all().find(|variable| variable.matches(name))
}

/// The length of the shortest name that can count as misspelled. Shorter names too often belong to other programs.
const MIN_MISSPELLED: usize = 12;

/// Returns the variable that an unknown name probably stands for.
pub(crate) fn misspelled(name: &str) -> Option<&'static str> {
    if name.len() < MIN_MISSPELLED {
        return None;
    }
    let known = all().filter(|known| known.has_effect && !known.is_settings_key());
    let names = known.map(|known| known.name);
    let mut similar = names.filter(|known| is_misspelling(name, known)).peekable();
    // Most variables of an environment are similar to none of these, so `nearest` has no work to do.
    similar.peek()?;
    nearest(name, similar)
}

/// Returns true if an unknown name begins like a telemetry variable.
pub(crate) fn looks_like_telemetry_variable(name: &str) -> bool {
    let prefixes = [
        "OTEL_EXPORTER_OTLP_",
        "OTEL_LOG_",
        "OTEL_METRICS_INCLUDE_",
        "CLAUDE_CODE_OTEL_",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

type Of<T> = Kind<Parser<T>>;

const OFF: Of<bool> = boolean("false", kind::boolean);
const ON: Of<bool> = boolean("true", kind::boolean);
const BODIES: Of<bool> = boolean("false", |input| {
    let is_file = input.text.starts_with("file:");
    if is_file {
        input.problems.push(Problem::BodiesToFile);
    }
    Some(!is_file && kind::boolean(input)?)
});
const TEXT: Of<String> = of("", "text", visible, kind::text);
const LOCALHOST: Of<String> = of("localhost", "text", visible, prometheus::host);
const CONTENT_LENGTH: Of<usize> = of("61440", "UTF-16 code units", visible, kind::content_length);
const URL: Of<String> = of("", "URL", shown_url, kind::text);
const PATH: Of<String> = of("", "path", shown_path, kind::text);
const COMMAND: Of<String> = of("", "path or shell line, secret", hidden, kind::text);
const ATTRIBUTES: Of<Vec<(String, String)>> = of("", "`key=value,key=value`", visible, |input| {
    Some(pairs::attributes(input.text, &mut input.problems))
});
const HEADER_PAIRS: Of<Vec<Pair>> = of("", "`name=value,name=value`, secret", hidden, |input| {
    Some(pairs::headers(input.text, &mut input.problems))
});
const EXPORTERS: Of<Exporters> = of("", "list of `console`, `otlp`, `none`", visible, |input| {
    Some(kind::exporters(input, false))
});
const METRICS_EXPORTERS: Of<Exporters> = of(
    "",
    "list of `console`, `otlp`, `prometheus`, `none`",
    visible,
    |input| Some(kind::exporters(input, true)),
);
const TEMPORALITIES: Of<Temporality> = of(
    "delta",
    "`delta`, `cumulative`, `lowmemory`, in any case",
    visible,
    Temporality::parse,
);
const PROTOCOLS: Of<Protocol> = of(
    "",
    "`grpc`, `http/protobuf`, `http/json`",
    visible,
    Protocol::parse,
);
const COMPRESSIONS: Of<Compression> = of("none", "`gzip`, `none`", visible, Compression::parse);
const NO_EFFECT: Of<()> = of("", "", visible, |input| {
    input.problems.push(Problem::WithoutEffect);
    None
});

const fn boolean(default: &'static str, parse: Parser<bool>) -> Of<bool> {
    Kind {
        is_boolean: true,
        ..of(default, "boolean", visible, parse)
    }
}

fn hidden(_: &str) -> String {
    HIDDEN.to_owned()
}

/// Hides a key that was pasted in place of its path.
fn shown_path(path: &str) -> String {
    match path.contains(PEM_BEGIN) {
        true => HIDDEN.to_owned(),
        false => visible(path),
    }
}

macro_rules! variable {
    (All, $($rest:tt)*) => { variable!(@ None, $($rest)*) };
    (@ $signal:expr, $source:ident, $in_project:ident, $has_effect:literal, $kind:expr, $name:expr, $meaning:literal) => {
        Variable {
            name: $name,
            signal: $signal,
            source: Source::$source,
            in_project: InProject::$in_project,
            meaning: $meaning,
            has_effect: $has_effect,
            kind: $kind,
        }
    };
    ($signal:ident, $($rest:tt)*) => { variable!(@ Some(Signal::$signal), $($rest)*) };
}

macro_rules! single {
    ($($id:ident: $type:ty = $kind:expr, $signal:ident $source:ident $in_project:ident, $name:literal, $meaning:literal;)*) => {
        $(pub(crate) static $id: Typed<$type> =
            variable!($signal, $source, $in_project, true, $kind, $name, $meaning);)*
        static SINGLE: &[&Variable] = &[$(&$id),*];
    };
}

macro_rules! per_signal {
    ($($id:ident: $type:ty = $kind:expr, $in_project:ident, $name:literal, $meaning:literal;)*) => {
        $(pub(crate) static $id: PerSignal<$type> = PerSignal {
            general: per_signal!(@ All, $in_project, $kind, "", $name, $meaning),
            metrics: per_signal!(@ Metrics, $in_project, $kind, "METRICS_", $name, $meaning),
            logs: per_signal!(@ Logs, $in_project, $kind, "LOGS_", $name, $meaning),
            traces: per_signal!(@ Traces, $in_project, $kind, "TRACES_", $name, $meaning),
        };)*
        static PER_SIGNAL: &[&Variable] =
            &[$(&$id.general, &$id.metrics, &$id.logs, &$id.traces),*];
    };
    (@ $signal:ident, $in_project:ident, $kind:expr, $part:literal, $name:literal, $meaning:literal) => {
        variable!($signal, OpenTelemetry, $in_project, true, $kind, concat!("OTEL_EXPORTER_OTLP_", $part, $name), $meaning)
    };
}

macro_rules! without_effect {
    ($($source:ident $name:literal;)*) => {
        static WITHOUT_EFFECT: &[&Variable] = &[$(
            &variable!(All, $source, Allowed, false, NO_EFFECT, $name, "Known, without effect in this library")
        ),*];
    };
}

// Identifier, type and kind; signal, source and use in a project; name; meaning.
single! {
    ENABLE_TELEMETRY: bool = OFF, All ClaudeCode Ignored,
        "CLAUDE_CODE_ENABLE_TELEMETRY", "Turns telemetry on";
    SDK_DISABLED: bool = OFF, All OpenTelemetry Ignored,
        "OTEL_SDK_DISABLED", "Turns everything off";
    METRICS_EXPORTER: Exporters = METRICS_EXPORTERS, Metrics OpenTelemetry NoneOnly,
        "OTEL_METRICS_EXPORTER", "Exporters of metrics; `none` turns them off";
    LOGS_EXPORTER: Exporters = EXPORTERS, Logs OpenTelemetry NoneOnly,
        "OTEL_LOGS_EXPORTER", "Exporters of events; `none` turns them off";
    TRACES_EXPORTER: Exporters = EXPORTERS, Traces OpenTelemetry NoneOnly,
        "OTEL_TRACES_EXPORTER", "Exporters of spans; `none` turns them off";
    ENHANCED_TELEMETRY_BETA: bool = OFF, Traces ClaudeCode Ignored,
        "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "No span is sent without it";
    ENHANCED_TELEMETRY_BETA_ALIAS: bool = OFF, Traces ClaudeCode Ignored,
        "ENABLE_ENHANCED_TELEMETRY_BETA", "Another name of CLAUDE_CODE_ENHANCED_TELEMETRY_BETA";
    TEMPORALITY: Temporality = TEMPORALITIES, Metrics OpenTelemetry Allowed,
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "Period that a data point covers: since the last data point (`delta`), or since the start (`cumulative`); `lowmemory` is `delta`, but cumulative for observable counters of `Telemetry::providers`";
    METRIC_EXPORT_INTERVAL: Duration = milliseconds::<100>("60000"), Metrics OpenTelemetry Allowed,
        "OTEL_METRIC_EXPORT_INTERVAL", "Interval at which metrics are collected and sent";
    LOGS_EXPORT_INTERVAL: Duration = milliseconds::<10>("5000"), Logs ClaudeCode Allowed,
        "OTEL_LOGS_EXPORT_INTERVAL", "Longest time from the recording of an event to its sending";
    TRACES_EXPORT_INTERVAL: Duration = milliseconds::<10>("5000"), Traces ClaudeCode Allowed,
        "OTEL_TRACES_EXPORT_INTERVAL", "Longest time from the end of a span to its sending";
    LOG_USER_PROMPTS: bool = OFF, All ClaudeCode FalseOnly,
        "OTEL_LOG_USER_PROMPTS", "Sends the text of prompts";
    LOG_TOOL_DETAILS: bool = OFF, All ClaudeCode FalseOnly,
        "OTEL_LOG_TOOL_DETAILS", "Sends the input, parameters and names of tools";
    LOG_TOOL_CONTENT: bool = OFF, All ClaudeCode FalseOnly,
        "OTEL_LOG_TOOL_CONTENT", "Sends the output of tools, on spans";
    LOG_RAW_API_BODIES: bool = BODIES, All ClaudeCode Ignored,
        "OTEL_LOG_RAW_API_BODIES", "Sends the bodies of API requests and responses as events";
    CONTENT_MAX_LENGTH: usize = CONTENT_LENGTH, All Elsewhere Ignored,
        "CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH",
        "The longest content that is sent whole; longer content is cut, with a marker";
    INCLUDE_SESSION_ID: bool = ON, All ClaudeCode Allowed,
        "OTEL_METRICS_INCLUDE_SESSION_ID", "Puts session.id on metrics, events and spans";
    INCLUDE_VERSION: bool = OFF, All ClaudeCode Allowed,
        "OTEL_METRICS_INCLUDE_VERSION", "Puts app.version on metrics, events and spans";
    INCLUDE_ACCOUNT_UUID: bool = ON, All ClaudeCode Allowed,
        "OTEL_METRICS_INCLUDE_ACCOUNT_UUID",
        "Puts user.account_uuid and user.account_id on metrics, events and spans";
    INCLUDE_RESOURCE_ATTRIBUTES: bool = ON, All Elsewhere Allowed,
        "OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES",
        "Puts the keys of OTEL_RESOURCE_ATTRIBUTES on metrics, events and spans too";
    RESOURCE_ATTRIBUTES: Vec<(String, String)> = ATTRIBUTES, All OpenTelemetry Allowed,
        "OTEL_RESOURCE_ATTRIBUTES",
        "Attributes of the resource: key=value,key=value, values percent-encoded";
    SERVICE_NAME: String = TEXT, All OpenTelemetry Ignored,
        "OTEL_SERVICE_NAME", "Overrides service.name from every other source";
    HEADERS_HELPER: String = COMMAND, All ClaudeCode Ignored,
        "otelHeadersHelper",
        "A command that prints headers as a JSON object (a settings key, no environment variable)";
    HEADERS_HELPER_DEBOUNCE: Duration = milliseconds::<100>("1740000"), All ClaudeCode Ignored,
        "CLAUDE_CODE_OTEL_HEADERS_HELPER_DEBOUNCE_MS",
        "Interval at which the headers helper runs; it also runs once more when its headers are rejected";
    FLUSH_TIMEOUT: Duration = milliseconds::<0>("5000"), All Elsewhere Allowed,
        "CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "Timeout of a flush";
    SHUTDOWN_TIMEOUT: Duration = milliseconds::<0>("2000"), All Elsewhere Allowed,
        "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "Timeout of a shutdown";
    DIAG_STDERR: bool = OFF, All Elsewhere Ignored,
        "CLAUDE_CODE_OTEL_DIAG_STDERR", "Diagnostics also go to standard error";
    MAX_RETRIES: u32 = number::<_, { u32::MAX }>("10", "retries"), All ClaudeCode Ignored,
        "CLAUDE_CODE_MAX_RETRIES",
        "Number of retries of a model request by the host; the library itself retries no model request";
    PROMETHEUS_HOST: String = LOCALHOST, Metrics OpenTelemetry Ignored,
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "Address of the Prometheus scrape endpoint /metrics: a host name or an IP address; localhost is both loopback addresses";
    PROMETHEUS_PORT: u16 = number::<_, 65_535>("9464", "port"), Metrics OpenTelemetry Ignored,
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "Port of the Prometheus scrape endpoint; 0 chooses a free port, which health shows. If the port is in use, the library tries it again every 5 seconds";
    CLIENT_CERT: String = PATH, All Elsewhere Ignored,
        "CLAUDE_CODE_CLIENT_CERT", "Client certificate (PEM), if no OTEL_EXPORTER_OTLP_* variable sets a client certificate or its key; in managed settings, it overrides those of lower layers";
    CLIENT_KEY: String = PATH, All Elsewhere Ignored,
        "CLAUDE_CODE_CLIENT_KEY", "Key of CLAUDE_CODE_CLIENT_CERT (PEM)";
    EXTRA_CA_CERTS: String = PATH, All Elsewhere Ignored,
        "NODE_EXTRA_CA_CERTS",
        "Certificates of authorities (PEM) to trust in addition to the platform's, if OTEL_EXPORTER_OTLP_CERTIFICATE is unset; in managed settings, it overrides OTEL_EXPORTER_OTLP_CERTIFICATE of lower layers";
    HTTPS_PROXY: String = URL, All Elsewhere Ignored,
        "HTTPS_PROXY",
        "Proxy for https endpoints: http://host:port, with user:password@ before the host if the proxy requires them";
    HTTPS_PROXY_LOWER: String = URL, All Elsewhere Ignored,
        "https_proxy", "Another name of HTTPS_PROXY; in the same layer, https_proxy takes precedence";
    HTTP_PROXY: String = URL, All Elsewhere Ignored,
        "HTTP_PROXY", "Proxy for OTLP over HTTP to http endpoints; OTLP over gRPC connects to such endpoints directly";
    HTTP_PROXY_LOWER: String = URL, All Elsewhere Ignored,
        "http_proxy", "Another name of HTTP_PROXY; in the same layer, http_proxy takes precedence";
    ALL_PROXY: String = URL, All Elsewhere Ignored,
        "ALL_PROXY", "Proxy for https endpoints if HTTPS_PROXY is unset, and for http endpoints if HTTP_PROXY is unset";
    ALL_PROXY_LOWER: String = URL, All Elsewhere Ignored,
        "all_proxy", "Another name of ALL_PROXY; in the same layer, all_proxy takes precedence";
    NO_PROXY: String = TEXT, All Elsewhere Ignored,
        "NO_PROXY",
        "Hosts that are reached without a proxy, separated by commas: example.com (and all below it), 10.0.0.0/8, host:port, * for all; localhost and loopback addresses always are";
    NO_PROXY_LOWER: String = TEXT, All Elsewhere Ignored,
        "no_proxy", "Another name of NO_PROXY; in the same layer, no_proxy takes precedence";
}

// Identifier, type and kind; use in a project; name after `OTEL_EXPORTER_OTLP_` and the signal; meaning.
per_signal! {
    PROTOCOL: Protocol = PROTOCOLS, Ignored,
        "PROTOCOL", "OTLP protocol; unset: grpc when the endpoint's port is 4317, else http/protobuf";
    ENDPOINT: String = URL, Ignored,
        "ENDPOINT",
        "URL of the receiver; unset: http://localhost:4317 (grpc), http://localhost:4318 (http). Over HTTP, /v1/metrics, /v1/logs or /v1/traces is appended to the general endpoint. A signal-specific endpoint is used as it is; if it has no path and the receiver responds with 404 or 405, requests are sent to that path";
    HEADERS: Vec<Pair> = HEADER_PAIRS, Ignored,
        "HEADERS",
        "Headers of every request: name=value,name=value, values percent-encoded; a signal-specific header overrides the general one of the same name";
    TIMEOUT: Duration = milliseconds::<1>("10000"), Allowed,
        "TIMEOUT",
        "Timeout of one attempt; undelivered items stay in the queue and are sent again";
    COMPRESSION: Compression = COMPRESSIONS, Allowed,
        "COMPRESSION", "Compression of requests";
    INSECURE: bool = OFF, Ignored,
        "INSECURE", "Scheme of a gRPC endpoint that is written without one: http if true, otherwise https";
    CERTIFICATE: String = PATH, Ignored,
        "CERTIFICATE",
        "Certificates of authorities (PEM) to trust for https endpoints, in place of the platform's";
    OTLP_CLIENT_KEY: String = PATH, Ignored,
        "CLIENT_KEY", "Key of the client certificate (PEM)";
    OTLP_CLIENT_CERTIFICATE: String = PATH, Ignored,
        "CLIENT_CERTIFICATE", "Client certificate (PEM)";
}

without_effect! {
    OpenTelemetry "OTEL_BSP_*";
    OpenTelemetry "OTEL_BLRP_*";
    OpenTelemetry "OTEL_TRACES_SAMPLER*";
    OpenTelemetry "OTEL_METRIC_EXPORT_TIMEOUT";
    OpenTelemetry "OTEL_*_LIMIT";
    OpenTelemetry "OTEL_PROPAGATORS";
    // Standard variables whose names begin like those of this library.
    OpenTelemetry "OTEL_LOG_LEVEL";
    OpenTelemetry "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    OpenTelemetry "OTEL_EXPORTER_OTLP_METRIC_INSECURE";
    OpenTelemetry "OTEL_EXPORTER_OTLP_SPAN_INSECURE";
    Elsewhere "OTEL_LOG_ASSISTANT_RESPONSES";
    Elsewhere "OTEL_LOG_MANAGED_SETTINGS";
    Elsewhere "OTEL_METRICS_INCLUDE_ENTRYPOINT";
    Elsewhere "OTEL_METRICS_INCLUDE_REPOSITORY";
}

#[cfg(test)]
mod tests;
