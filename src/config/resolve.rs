//! Resolution of assignments to the configuration.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::explain::Explanation;
use super::exporter;
use super::otlp::{OtlpConfig, Protocol};
use super::prometheus::{self, PrometheusConfig};
use super::secret::Secret;
use super::source::{Assignment, Layer, Provenance};
use super::terminal::terminal_type;
use super::values::{Values, from_environment};
use super::variables::{self, Kind, Variable};
use super::warnings::{Problem, Report, Warning};
use super::{
    AttributeSwitches, Config, ConfigBuilder, EventsConfig, HeadersHelper, MetricsConfig,
    NumberEncoding, OffExporter, SpansConfig, Temporality, UnknownExporter, pairs, permissions,
    settings,
};
use crate::content::ContentFlags;
use crate::content::truncate::marker;
use crate::environment::IGNORE_CASE;
use crate::health::Exporter;
use crate::signal::Signal;

/// The exporters that this build contains.
#[derive(Clone, Copy)]
pub(super) struct Features {
    pub(super) grpc: bool,
    pub(super) http: bool,
    pub(super) console: bool,
    pub(super) prometheus: bool,
}

impl Features {
    pub(super) const COMPILED: Self = Self {
        grpc: cfg!(feature = "grpc"),
        http: cfg!(feature = "http"),
        console: cfg!(feature = "console"),
        prometheus: cfg!(feature = "prometheus"),
    };

    /// All features, so that tests do not depend on the build.
    #[cfg(test)]
    pub(super) const ALL: Self = Self {
        grpc: true,
        http: true,
        console: true,
        prometheus: true,
    };

    pub(super) fn missing(self, protocol: Protocol) -> Option<Problem> {
        let (what, feature, present) = match protocol {
            Protocol::Grpc => ("OTLP over gRPC", "grpc", self.grpc),
            Protocol::HttpProtobuf => ("OTLP as http/protobuf", "http", self.http),
            Protocol::HttpJson => ("OTLP as http/json", "http", self.http),
        };
        (!present).then_some(Problem::FeatureMissing { what, feature })
    }
}

/// Resolves the whole configuration.
pub(super) fn resolve(host: ConfigBuilder, features: Features) -> Config {
    let mut report = Report::default();
    let mut assignments = from_environment(host.environment.entries(), IGNORE_CASE, &mut report);
    let trusted = host.trust_workspace;
    let files = settings::read(&host.files(), &host.environment, trusted, &mut report);
    assignments.extend(files.assignments);
    assignments.extend(host.host.iter().map(|(name, value)| Assignment {
        origin: Provenance::new(Layer::Host),
        name: name.clone(),
        value: value.clone(),
    }));
    permissions::enforce(&mut assignments, files.managed_is_complete, &mut report);
    let values = Values::new(assignments, &mut report);
    from_values(&values, host, features, report)
}

fn from_values(
    values: &Values,
    host: ConfigBuilder,
    features: Features,
    mut report: Report,
) -> Config {
    let report = &mut report;
    let wanted = values.boolean(&variables::ENABLE_TELEMETRY);
    let enabled = wanted && !values.boolean(&variables::SDK_DISABLED);
    let beta = enhanced_telemetry_beta(values);
    values.check(report);
    warn_of_silence(values, wanted, beta, report);

    let milliseconds = |variable| Duration::from_millis(values.number(variable));
    let ports = host.prometheus_ports.as_ref();
    let mut sinks = |signal, on| Sinks::resolve(values, signal, on, ports, features, report);
    let metrics = sinks(Signal::Metrics, enabled);
    let events = sinks(Signal::Logs, enabled);
    let spans = sinks(Signal::Traces, enabled && beta);
    let resource_attributes = values
        .text(&variables::RESOURCE_ATTRIBUTES)
        .map(|text| pairs::attributes(text).0)
        .unwrap_or_default();
    let temporality = match values.word(&variables::TEMPORALITY) {
        Some("cumulative") => Temporality::Cumulative,
        _ => Temporality::Delta,
    };
    let attributes = AttributeSwitches {
        session_id: values.boolean(&variables::INCLUDE_SESSION_ID),
        version: values.boolean(&variables::INCLUDE_VERSION),
        account_uuid: values.boolean(&variables::INCLUDE_ACCOUNT_UUID),
        resource_attributes: values.boolean(&variables::INCLUDE_RESOURCE_ATTRIBUTES),
        user_email: host.user_email,
    };
    // The attribute that distinguishes processes, as OpenTelemetry names it.
    let distinct = |(key, _): &(String, String)| key == "service.instance.id";
    if metrics.otlp.is_some()
        && temporality == Temporality::Cumulative
        && !attributes.session_id
        && !resource_attributes.iter().any(distinct)
    {
        report.warn(match values.get(&variables::INCLUDE_SESSION_ID) {
            Some((set, _)) => set.warning(Problem::SharedSeries),
            None => Warning::overall(Problem::SharedSeries),
        });
    }
    let content = ContentFlags {
        user_prompts: values.boolean(&variables::LOG_USER_PROMPTS),
        tool_details: values.boolean(&variables::LOG_TOOL_DETAILS),
        tool_content: values.boolean(&variables::LOG_TOOL_CONTENT),
        raw_api_bodies: values.boolean(&variables::LOG_RAW_API_BODIES),
        error_messages: host.error_messages,
        max_length: content_max_length(values, report),
    };
    state_what_the_host_said(&host, report);
    let switches = host.switches();
    let over_grpc = [&metrics.otlp, &events.otlp, &spans.otlp]
        .into_iter()
        .flatten()
        .any(|otlp| otlp.protocol == Protocol::Grpc);

    Config {
        enabled,
        off: [metrics.off, events.off, spans.off].concat(),
        unknown: [metrics.unknown, events.unknown, spans.unknown].concat(),
        metrics: MetricsConfig {
            otlp: metrics.otlp,
            console: metrics.console,
            prometheus: metrics.prometheus,
            interval: milliseconds(&variables::METRIC_EXPORT_INTERVAL),
            temporality,
        },
        events: EventsConfig {
            otlp: events.otlp,
            console: events.console,
            interval: milliseconds(&variables::LOGS_EXPORT_INTERVAL),
        },
        spans: SpansConfig {
            otlp: spans.otlp,
            console: spans.console,
            interval: milliseconds(&variables::TRACES_EXPORT_INTERVAL),
        },
        headers_helper: values
            .text(&variables::HEADERS_HELPER)
            .map(|command| HeadersHelper {
                command: Secret::new(command),
                interval: milliseconds(&variables::HEADERS_HELPER_DEBOUNCE),
                grpc: over_grpc,
            }),
        content,
        attributes,
        resource_attributes,
        service_name: values.text(&variables::SERVICE_NAME).map(str::to_owned),
        terminal_type: terminal_type(&host.environment),
        number_encoding: host.number_encoding,
        flush_timeout: milliseconds(&variables::FLUSH_TIMEOUT),
        shutdown_timeout: milliseconds(&variables::SHUTDOWN_TIMEOUT),
        diagnostics_to_stderr: values.boolean(&variables::DIAG_STDERR),
        max_retries: u32::try_from(values.number(&variables::MAX_RETRIES)).unwrap_or(u32::MAX),
        installation_id_path: host.installation_id_path,
        environment: host.environment,
        explanation: Explanation::new(values, switches, std::mem::take(report)),
    }
}

fn exporter_variable(signal: Signal) -> &'static Variable {
    match signal {
        Signal::Metrics => &variables::METRICS_EXPORTER,
        Signal::Logs => &variables::LOGS_EXPORTER,
        Signal::Traces => &variables::TRACES_EXPORTER,
    }
}

/// The exporters of one signal.
#[derive(Default)]
struct Sinks {
    otlp: Option<OtlpConfig>,
    console: bool,
    /// For metrics only.
    prometheus: Option<PrometheusConfig>,
    /// Configured exporters that cannot be built.
    off: Vec<OffExporter>,
    /// Configured names that are not exporters.
    unknown: Vec<UnknownExporter>,
}

impl Sinks {
    fn resolve(
        values: &Values,
        signal: Signal,
        on: bool,
        ports: Option<&RangeInclusive<u16>>,
        features: Features,
        report: &mut Report,
    ) -> Self {
        let variable = exporter_variable(signal);
        let Some((set, _)) = values.get(variable).filter(|_| on) else {
            return Self::default();
        };
        let wanted = values.exporters(variable);
        // With `none` in the list no exporter is requested.
        let unknown = match wanted.none {
            true => Vec::new(),
            false => values.unknown_exporters(variable, signal),
        };
        let mut off = Vec::new();
        let mut turn_off = |exporter, why: Warning, report: &mut Report| {
            off.push(OffExporter {
                signal,
                exporter,
                reason: why.to_string(),
            });
            report.warn(why);
        };
        let console = wanted.console && features.console;
        if wanted.console && !features.console {
            let why = set.warning(Problem::FeatureMissing {
                what: "the console exporter",
                feature: "console",
            });
            turn_off(Exporter::Console, why, report);
        }
        if console {
            report.fact(format!("{}: console", exporter::name(signal)));
        }
        let mut prometheus = None;
        if wanted.prometheus && features.prometheus {
            prometheus = Some(prometheus::resolve(values, ports, report));
        } else if wanted.prometheus {
            let why = set.warning(Problem::FeatureMissing {
                what: "the prometheus exporter",
                feature: "prometheus",
            });
            turn_off(Exporter::Prometheus, why, report);
        }
        let mut otlp = None;
        if wanted.otlp {
            match exporter::resolve(values, signal, set, features, report) {
                Ok(config) => otlp = Some(config),
                Err(why) => turn_off(Exporter::Otlp, *why, report),
            }
        }
        Self {
            otlp,
            console,
            prometheus,
            off,
            unknown,
        }
    }
}

/// Returns the value of a variable that has two names. The name set in the higher layer wins; in the same layer the
/// first.
fn enhanced_telemetry_beta(values: &Values) -> bool {
    let mut set: Vec<_> = beta_variables()
        .into_iter()
        .filter_map(|variable| Some((values.layer_of(variable)?, variable)))
        .collect();
    set.sort_by_key(|(layer, _)| *layer);
    set.first()
        .is_some_and(|(_, variable)| values.boolean(variable))
}

fn beta_variables() -> [&'static Variable; 2] {
    [
        &variables::ENHANCED_TELEMETRY_BETA,
        &variables::ENHANCED_TELEMETRY_BETA_ALIAS,
    ]
}

/// Warns about settings that prevent the export of telemetry which other settings request.
fn warn_of_silence(values: &Values, wanted: bool, beta: bool, report: &mut Report) {
    let signals = [Signal::Metrics, Signal::Logs, Signal::Traces].map(exporter_variable);
    let exporters = || signals.map(|variable| values.exporters(variable));
    if !wanted {
        for variable in signals {
            if let Some((set, _)) = values.get(variable)
                && values.exporters(variable).any()
            {
                report.warn(set.warning(Problem::NotEnabled));
            }
        }
        return;
    }
    if let Some((set, _)) = values.get(&variables::SDK_DISABLED)
        && values.boolean(&variables::SDK_DISABLED)
    {
        report.warn(set.warning(Problem::Disabled));
        return;
    }
    if !exporters().iter().any(|one| one.any() || one.none) {
        report.warn(Warning::overall(Problem::NoExporter));
    }
    let spans = values.get(&variables::TRACES_EXPORTER);
    match spans {
        Some((set, _)) if !beta && values.exporters(set.variable).any() => {
            report.warn(set.warning(Problem::SpansNeedBeta));
        }
        None if beta => {
            let set = beta_variables()
                .into_iter()
                .filter(|variable| values.boolean(variable))
                .find_map(|variable| values.get(variable));
            if let Some((set, _)) = set {
                report.warn(set.warning(Problem::BetaNeedsExporter));
            }
        }
        _ => {}
    }
}

/// Returns the content limit. A limit shorter than the truncation marker would leave no room for content, so the
/// default replaces it.
fn content_max_length(values: &Values, report: &mut Report) -> usize {
    let variable = &variables::CONTENT_MAX_LENGTH;
    let length = usize::try_from(values.number(variable)).unwrap_or(usize::MAX);
    let marker = marker(length).len();
    match (values.get(variable), variable.kind) {
        (Some((set, _)), Kind::Number(range)) if length < marker => {
            let default = range.default;
            report.warn(set.warning(Problem::BelowMarker { marker, default }));
            usize::try_from(default).unwrap_or(usize::MAX)
        }
        _ => length,
    }
}

fn state_what_the_host_said(host: &ConfigBuilder, report: &mut Report) {
    if host.trust_workspace {
        report.fact("the host trusts the workspace: its settings count, as far as a project may set variables".to_owned());
    }
    if host.number_encoding == NumberEncoding::Text {
        report.fact("the host sends numbers in events as text".to_owned());
    }
    if !host.user_email {
        report.fact("the host leaves user.email out".to_owned());
    }
    if !host.error_messages {
        report.fact("the host leaves the error messages of tools out".to_owned());
    }
    if let Some(path) = &host.installation_id_path {
        report.fact(format!(
            "the host keeps the installation id in {}",
            path.display()
        ));
    }
}
