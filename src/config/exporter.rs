//! Resolution of the OTLP variables to the exporter of one signal.

use std::time::Duration;

use super::endpoint::{Endpoint, EndpointProblem};
use super::headers;
use super::otlp::{Compression, OtlpConfig, Protocol};
use super::proxy::{self, Route};
use super::resolve::Features;
use super::source::Layer;
use super::tls;
use super::values::{SetVariable, Values};
use super::variables::{self, PerSignal, shown_url};
use super::warnings::{Problem, Report, Warning};
use crate::signal::Signal;

/// Resolves the OTLP exporter of a signal whose `exporter` variable lists it. An error is the reason why the exporter
/// stays off.
pub(super) fn resolve(
    values: &Values,
    signal: Signal,
    exporter: &SetVariable,
    features: Features,
    report: &mut Report,
) -> Result<OtlpConfig, Box<Warning>> {
    let chosen = choose(values, signal, report);
    let (given, general) = match endpoint(values, signal, report) {
        EndpointChoice::Given { set, general } => (Some(set), general),
        EndpointChoice::Default => (None, true),
        EndpointChoice::Refused => {
            return Err(Box::new(exporter.warning(Problem::NoManagedEndpoint)));
        }
    };
    let text = match given {
        Some(set) => set.winner.value.trim(),
        None if chosen == Some(Protocol::Grpc) => "http://localhost:4317",
        None => "http://localhost:4318",
    };
    let about = |problem| given.unwrap_or(exporter).warning(problem);
    let unusable = |problem| Box::new(about(Problem::Endpoint(problem)));

    let parsed = Endpoint::parse(text, insecure(values, signal)).map_err(unusable)?;
    let protocol = chosen.unwrap_or(match parsed.port() {
        Some(4317) => Protocol::Grpc,
        _ => Protocol::HttpProtobuf,
    });
    if let Some(problem) = features.missing(protocol) {
        return Err(Box::new(exporter.warning(problem)));
    }
    let endpoint = request_url(&parsed, protocol, signal, general, &mut |problem| {
        report.warn(about(problem));
    })
    .map_err(unusable)?;
    let tls = if parsed.is_https() {
        Some(Box::new(tls::resolve(values, signal, report)?))
    } else {
        tls::warn_of_no_effect(values, signal, report);
        None
    };

    let why = match (chosen, given) {
        (Some(_), _) => "",
        (None, Some(_)) if protocol == Protocol::Grpc => ", chosen because the port is 4317",
        (None, Some(_)) => ", chosen because the port is not 4317",
        (None, None) => ", chosen because neither protocol nor endpoint is set",
    };
    let in_url = parsed.authorization.as_ref().and(given);
    let guarded = has_managed_credentials(values, signal)
        || in_url.is_some_and(|set| set.layer() == Layer::Managed);
    let route = proxy::resolve(values, &parsed, protocol, guarded, report);
    let (proxy, through) = match route {
        Route::Direct => (None, String::new()),
        Route::Exempt(why) => (None, format!(", {why}")),
        Route::Through(proxy) => {
            let through = format!(", through the proxy {} of {}", proxy.name(), proxy.variable);
            (Some(proxy), through)
        }
    };
    report.fact(format!(
        "{}: OTLP to {} ({}{why}){through}",
        name(signal),
        shown_url(&endpoint.to_string()),
        protocol.as_str(),
    ));
    let has_bare_url = protocol != Protocol::Grpc && !general && parsed.path() == "/";
    let from_url = parsed.authorization.zip(given);
    let (headers, header_sources) = headers::resolve(values, signal, protocol, from_url, report);
    Ok(OtlpConfig {
        protocol,
        has_bare_url,
        endpoint,
        headers,
        header_sources,
        timeout: Duration::from_millis(values.number_of(&variables::TIMEOUT, signal)),
        compression: compression(values, signal),
        tls,
        proxy,
    })
}

/// Returns the name of a signal in OTLP's names and paths.
pub(super) fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => "metrics",
        Signal::Logs => "logs",
        Signal::Traces => "traces",
    }
}

/// Returns the default path of a signal for OTLP over HTTP.
pub(crate) fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => "/v1/metrics",
        Signal::Logs => "/v1/logs",
        Signal::Traces => "/v1/traces",
    }
}

/// Returns the URL of the requests. Warns about a path that is probably a mistake.
fn request_url(
    endpoint: &Endpoint,
    protocol: Protocol,
    signal: Signal,
    general: bool,
    warn: &mut dyn FnMut(Problem),
) -> Result<http::Uri, EndpointProblem> {
    let path = path(signal);
    if protocol != Protocol::Grpc && !endpoint.has_scheme {
        return Err(EndpointProblem::NoScheme);
    }
    if protocol == Protocol::Grpc {
        if endpoint.path() != "/" {
            warn(Problem::PathIgnored);
        }
        endpoint.without_path()
    } else if general {
        if endpoint.path().trim_end_matches('/').ends_with(path) {
            warn(Problem::PathTwice { path });
        }
        endpoint.appended(path)
    } else {
        if endpoint.path() == "/" {
            warn(Problem::PathMissing { path });
        }
        endpoint.as_given()
    }
}

/// Returns the signal-specific variable that applies, and the general one. A managed general variable overrides a
/// specific one of a lower layer: otherwise a user could redirect telemetry that an organization sends.
pub(super) fn pair<'v>(
    values: &'v Values,
    group: &'static PerSignal,
    signal: Signal,
    report: &mut Report,
) -> (Option<&'v SetVariable>, Option<&'v SetVariable>) {
    let general = values.get(&group.general).map(|(set, _)| set);
    let specific = values.get(group.of(signal)).map(|(set, _)| set);
    if let (Some(lower), Some(managed)) = (specific, general)
        && managed.layer() == Layer::Managed
        && lower.layer() != Layer::Managed
    {
        let general = group.general.name;
        report.warn(lower.warning(Problem::ManagedGeneral { general }));
        return (None, Some(managed));
    }
    (specific, general)
}

/// Returns the configured protocol. An invalid value counts as unset.
fn choose(values: &Values, signal: Signal, report: &mut Report) -> Option<Protocol> {
    let (specific, general) = pair(values, &variables::PROTOCOL, signal, report);
    let word = |set: Option<&SetVariable>| values.word(set?.variable);
    word(specific)
        .or_else(|| word(general))
        .map(Protocol::from_word)
}

enum EndpointChoice<'v> {
    Given {
        set: &'v SetVariable,
        general: bool,
    },
    Default,
    /// An endpoint is set, but managed credentials must not be sent to it.
    Refused,
}

fn endpoint<'v>(values: &'v Values, signal: Signal, report: &mut Report) -> EndpointChoice<'v> {
    let (specific, general) = pair(values, &variables::ENDPOINT, signal, report);
    let only_managed = has_managed_credentials(values, signal);
    let mut refused = false;
    for (set, general) in [(specific, false), (general, true)] {
        match set {
            Some(set) if only_managed && set.layer() != Layer::Managed => {
                report.warn(set.warning(Problem::ManagedCredentials));
                refused = true;
            }
            Some(set) => return EndpointChoice::Given { set, general },
            None => {}
        }
    }
    if refused {
        EndpointChoice::Refused
    } else {
        EndpointChoice::Default
    }
}

fn has_managed_credentials(values: &Values, signal: Signal) -> bool {
    let groups = [
        &variables::HEADERS,
        &variables::OTLP_CLIENT_KEY,
        &variables::OTLP_CLIENT_CERTIFICATE,
    ];
    let single = [
        &variables::HEADERS_HELPER,
        &variables::CLIENT_CERT,
        &variables::CLIENT_KEY,
    ];
    groups
        .into_iter()
        .flat_map(|group| [&group.general, group.of(signal)])
        .chain(single)
        .filter_map(|variable| values.get(variable))
        .any(|(set, _)| set.layer() == Layer::Managed)
}

fn insecure(values: &Values, signal: Signal) -> bool {
    let group = &variables::INSECURE;
    values
        .boolean_if_set(group.of(signal))
        .unwrap_or_else(|| values.boolean(&group.general))
}

fn compression(values: &Values, signal: Signal) -> Compression {
    let group = &variables::COMPRESSION;
    let word = values.word(group.of(signal));
    match word.or_else(|| values.word(&group.general)) {
        Some("gzip") => Compression::Gzip,
        _ => Compression::None,
    }
}

#[cfg(test)]
mod tests;
