//! Resolution of assignments to the configuration.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use super::explain::Explanation;
use super::kind::{Exporters, truth};
use super::otlp::{self, Protocol};
use super::problem::Problem;
use super::prometheus;
use super::protocol::Temporality;
use super::resolver::{Features, Resolver, Unusable, unless_managed};
use super::setting::Setting;
use super::source::{Assignment, Layer, Provenance};
use super::terminal::terminal_type;
use super::values::{Values, from_environment};
use super::variables::{self, Typed};
use super::{
    AttributeSwitches, Config, ConfigBuilder, HeadersHelper, SignalConfig, UnknownExporter,
    permissions, settings,
};
use crate::content::ContentPolicy;
use crate::environment::IGNORE_CASE;
use crate::health::Exporter;
use crate::signal::Signal;

/// Each signal with the variable that lists its exporters and the variable of its export interval.
static SIGNALS: [(Signal, &Typed<Exporters>, &Typed<Duration>); 3] = [
    (
        Signal::Metrics,
        &variables::METRICS_EXPORTER,
        &variables::METRIC_EXPORT_INTERVAL,
    ),
    (
        Signal::Logs,
        &variables::LOGS_EXPORTER,
        &variables::LOGS_EXPORT_INTERVAL,
    ),
    (
        Signal::Traces,
        &variables::TRACES_EXPORTER,
        &variables::TRACES_EXPORT_INTERVAL,
    ),
];

impl ConfigBuilder {
    /// Resolves the configuration once. It cannot fail: problems become [`Config::warnings`].
    ///
    /// ```no_run
    /// # use claude_code_telemetry::Config;
    /// let config = Config::builder().set("CLAUDE_CODE_ENABLE_TELEMETRY", "1").build();
    /// for warning in config.warnings() {
    ///     eprintln!("{warning}");
    /// }
    /// ```
    pub fn build(self) -> Config {
        resolve(self, Features::COMPILED)
    }
}

/// Resolves the whole configuration.
pub(super) fn resolve(builder: ConfigBuilder, features: Features) -> Config {
    let mut report = Explanation::default();
    let mut assignments = from_environment(builder.environment.entries(), IGNORE_CASE, &mut report);
    let trusted = builder.trust_workspace;
    let files = settings::read(&builder.files(), &builder.environment, trusted, &mut report);
    assignments.extend(files.assignments);
    assignments.extend(
        builder.variables.iter().map(|(name, value)| {
            Assignment::new(Provenance::new(Layer::Host), name, value.expose())
        }),
    );
    // While managed settings cannot be read, this includes the content switches of all other layers.
    permissions::remove_forbidden(&mut assignments, files.managed_is_complete, &mut report);
    let values = Values::new(assignments, &mut report);
    from_values(values, builder, features, report)
}

fn from_values(
    values: Values,
    builder: ConfigBuilder,
    features: Features,
    mut report: Explanation,
) -> Config {
    let is_switched_on = values.get(&variables::ENABLE_TELEMETRY);
    let enabled = is_switched_on && !values.get(&variables::SDK_DISABLED);
    let beta = enhanced_telemetry_beta(&values);
    warn_of_missing_exports(&values, is_switched_on, beta, &mut report);

    let ports = builder.prometheus_ports.as_ref();
    let mut unknown = Vec::new();
    let [metrics, events, spans] = SIGNALS.map(|(signal, variable, interval)| {
        let mut config = SignalConfig {
            interval: values.get(interval),
            ..SignalConfig::default()
        };
        let is_on = enabled && (beta.is_some() || signal != Signal::Traces);
        if let Some(set) = values.non_empty(variable).filter(|_| is_on) {
            let list = values.get(variable);
            let names = list.unknown.iter();
            unknown.extend(names.map(|(name, nearest)| UnknownExporter {
                signal,
                name: name.clone(),
                nearest,
                variable: variable.name,
            }));
            let mut resolver = Resolver {
                values: &values,
                signal,
                features,
                ports,
                report: &mut report,
            };
            exporters(&mut resolver, &list, set, &mut config);
        }
        config
    });
    let attributes = AttributeSwitches {
        session_id: values.get(&variables::INCLUDE_SESSION_ID),
        version: values.get(&variables::INCLUDE_VERSION),
        account_uuid: values.get(&variables::INCLUDE_ACCOUNT_UUID),
        resource_attributes: values.get(&variables::INCLUDE_RESOURCE_ATTRIBUTES),
        user_email: !builder.without_user_email,
    };
    if metrics.otlp.is_some() && !attributes.session_id {
        warn_of_shared_series(&values, &mut report);
    }
    let otlp = [&metrics.otlp, &events.otlp, &spans.otlp];
    let otlp: Vec<_> = otlp.into_iter().flatten().collect();
    let helper = match otlp.is_empty() {
        true => None,
        false => headers_helper(&values, &mut report),
    };
    let content = ContentPolicy {
        user_prompts: values.get(&variables::LOG_USER_PROMPTS),
        tool_details: values.get(&variables::LOG_TOOL_DETAILS),
        tool_content: values.get(&variables::LOG_TOOL_CONTENT),
        raw_api_bodies: values.get(&variables::LOG_RAW_API_BODIES),
        error_messages: !builder.without_error_messages,
        max_length: values.get(&variables::CONTENT_MAX_LENGTH),
    };
    report.settings = Arc::clone(&values.settings);
    report.method_settings = builder.method_settings(&mut report);
    let over_grpc = otlp.iter().any(|otlp| otlp.protocol == Protocol::Grpc);

    Config {
        enabled,
        unknown,
        metrics,
        events,
        spans,
        headers_helper: helper.map(|set| HeadersHelper {
            command: set.winner.text.clone(),
            interval: values.get(&variables::HEADERS_HELPER_DEBOUNCE),
            grpc: over_grpc,
        }),
        content,
        attributes,
        terminal_type: terminal_type(&builder.environment),
        number_encoding: builder.number_encoding,
        explanation: report,
        values: Arc::new(values),
        installation_id_path: builder.installation_id_path,
        environment: builder.environment,
    }
}

/// Resolves the exporters that a signal's variable `set` lists. `list` is its value.
fn exporters<'v>(
    resolver: &mut Resolver<'v>,
    list: &Exporters,
    set: &'v Setting,
    config: &mut SignalConfig,
) {
    for exporter in [Exporter::Console, Exporter::Prometheus, Exporter::Otlp] {
        if !list.exporters.contains(&exporter) {
            continue;
        }
        // The exporters of host instruments (`Host...`) are not in the array above, but the match needs their variants.
        let resolved = match exporter {
            Exporter::Console | Exporter::HostConsole => {
                console(resolver, set).map(|()| config.console = true)
            }
            Exporter::Prometheus => prometheus::resolve(resolver, set)
                .map(|prometheus| config.prometheus = Some(prometheus)),
            Exporter::Otlp | Exporter::HostOtlp => {
                otlp::resolve(resolver, set).map(|otlp| config.otlp = Some(otlp))
            }
        };
        if let Err((set, problem)) = resolved {
            let why = resolver.report.warn(&set.winner, problem);
            config.unavailable.push((exporter, why));
        }
    }
}

fn console<'v>(resolver: &mut Resolver<'v>, set: &'v Setting) -> Result<(), Unusable<'v>> {
    resolver.require("the console exporter", "console", set)?;
    let fact = format!("{}: console", otlp::name(resolver.signal));
    resolver.report.fact(&fact);
    Ok(())
}

/// Warns if the OTLP metrics of several processes would be the same cumulative series: without session.id, only
/// service.instance.id tells them apart.
fn warn_of_shared_series(values: &Values, report: &mut Explanation) {
    let attributes = values.get(&variables::RESOURCE_ATTRIBUTES);
    let has_instance_id = attributes
        .iter()
        .any(|(key, _)| key == "service.instance.id");
    if values.get(&variables::TEMPORALITY) != Temporality::Cumulative || has_instance_id {
        return;
    }
    if let Some(set) = values.find(variables::INCLUDE_SESSION_ID.name) {
        report.warn(&set.winner, Problem::SharedSeries);
    }
}

/// Returns the headers helper. Its headers override those of variables, so managed headers override the helper of a
/// lower layer. As the helper provides headers for all signals, this applies to managed headers of any signal.
fn headers_helper<'v>(values: &'v Values, report: &mut Explanation) -> Option<&'v Setting> {
    let group = &variables::HEADERS;
    let of_signals = SIGNALS.map(|(signal, ..)| group.of(signal));
    let headers = iter::once(&group.general).chain(of_signals);
    let mut set = headers.filter_map(|variable| values.non_empty(variable));
    let managed = set.find(|set| set.layer() == Layer::Managed);
    unless_managed(
        values.non_empty(&variables::HEADERS_HELPER),
        managed,
        report,
    )
}

/// Returns the variable that allows spans, under the one of its names that applies; `None` if it is unset or false.
fn enhanced_telemetry_beta(values: &Values) -> Option<&Setting> {
    let set = values.highest_precedence([
        &variables::ENHANCED_TELEMETRY_BETA,
        &variables::ENHANCED_TELEMETRY_BETA_ALIAS,
    ])?;
    (truth(set.text()) == Some(true)).then_some(set)
}

/// Warns if telemetry is requested, but not exported: about exporters while telemetry is off, about telemetry that has
/// no exporter or that `OTEL_SDK_DISABLED` turns off again, and about spans without `beta`, the variable that allows
/// them, or without their exporter.
fn warn_of_missing_exports(
    values: &Values,
    is_switched_on: bool,
    beta: Option<&Setting>,
    report: &mut Explanation,
) {
    let exporters =
        SIGNALS.map(|(_, variable, _)| (values.non_empty(variable), values.get(variable)));
    let requests = |list: &Exporters| !list.exporters.is_empty();
    if !is_switched_on {
        for (set, list) in exporters {
            if let Some(set) = set.filter(|_| requests(&list)) {
                report.warn(&set.winner, Problem::NotEnabled);
            }
        }
        return;
    }
    if values.get(&variables::SDK_DISABLED) {
        if let Some(set) = values.non_empty(&variables::SDK_DISABLED) {
            report.warn(&set.winner, Problem::Disabled);
        }
        return;
    }
    if !exporters
        .iter()
        .any(|(_, list)| requests(list) || list.none)
    {
        report.warn_overall(Problem::NoExporter);
    }
    let [.., (spans, spans_exporters)] = exporters;
    let (set, problem) = match spans {
        Some(_) if beta.is_none() && requests(&spans_exporters) => (spans, Problem::SpansNeedBeta),
        None => (beta, Problem::BetaNeedsExporter),
        Some(_) => return,
    };
    if let Some(set) = set {
        report.warn(&set.winner, problem);
    }
}
