//! The configuration of one signal's OTLP exporter, and its resolution.

use std::fmt;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::pairs;
use super::problem::{EndpointProblem, Problem};
use super::proxy::{self, ProxyConfig};
use super::resolver::{Resolver, Unusable};
use super::secret::Secret;
use super::setting::Setting;
use super::source::Layer;
use super::tls::{self, TlsConfig};
use super::variables::{self, Variable, shown_url};
use crate::signal::Signal;

pub(crate) use super::protocol::{Compression, Protocol};

/// The configuration of one signal's OTLP exporter.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OtlpConfig {
    pub(crate) protocol: Protocol,
    /// The endpoint. For gRPC: scheme, host and port. For HTTP: the whole URL of the requests. Never with user and
    /// password, which become a header.
    pub(crate) endpoint: http::Uri,
    /// True for a signal-specific HTTP URL without a path. If the receiver does not know this URL, its requests are
    /// sent to the signal's default path of OTLP.
    pub(crate) has_bare_url: bool,
    /// The headers: names in lower case, each once, in the order given.
    pub(crate) headers: Vec<(String, Header)>,
    /// The timeout of one attempt. After a timeout the batch returns to the queue and is sent again.
    pub(crate) timeout: Duration,
    pub(crate) compression: Compression,
    /// `Some` exactly for `https` endpoints.
    pub(crate) tls: Option<Box<TlsConfig>>,
    /// `None` = the exporter connects to the endpoint directly.
    pub(crate) proxy: Option<Box<ProxyConfig>>,
}

/// The value of a request header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) value: Secret,
    /// The variable that sets the header.
    pub(crate) variable: &'static str,
}

/// Shows the endpoint without its query, which can hold a key.
impl fmt::Debug for OtlpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpConfig")
            .field("protocol", &self.protocol)
            .field("endpoint", &shown_url(&self.endpoint.to_string()))
            .field("headers", &self.headers)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .field("tls", &self.tls)
            .field("proxy", &self.proxy)
            .finish()
    }
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

/// Resolves the OTLP exporter of a signal whose variable `exporter` lists it. An error is the reason why the exporter
/// stays off.
pub(super) fn resolve<'v>(
    resolver: &mut Resolver<'v>,
    exporter: &'v Setting,
) -> Result<OtlpConfig, Unusable<'v>> {
    let (values, signal) = (resolver.values, resolver.signal);
    let chosen = protocol(resolver);
    let given = endpoint(resolver).map_err(|problem| (exporter, problem))?;
    let text = match given {
        Some((set, _)) => set.text(),
        None if chosen == Some(Protocol::Grpc) => "http://localhost:4317",
        None => "http://localhost:4318",
    };
    let (set, is_general) = given.unwrap_or((exporter, true));
    let unusable = |problem| (set, Problem::Endpoint(problem));

    let insecure = !text.contains("://") && is_insecure(resolver, set);
    let mut parsed = Endpoint::parse(text, insecure).map_err(unusable)?;
    let protocol = chosen.unwrap_or(match parsed.url.port_u16() {
        Some(4317) => Protocol::Grpc,
        _ => Protocol::HttpProtobuf,
    });
    let (what, feature) = match protocol {
        Protocol::Grpc => ("OTLP over gRPC", "grpc"),
        Protocol::HttpProtobuf => ("OTLP as http/protobuf", "http"),
        Protocol::HttpJson => ("OTLP as http/json", "http"),
    };
    resolver.require(what, feature, exporter)?;
    let (endpoint, mistake) =
        request_url(&parsed, protocol, signal, is_general).map_err(unusable)?;
    if let Some(problem) = mistake {
        resolver.warn(set, problem);
    }
    let tls = if parsed.is_https() {
        Some(Box::new(tls::resolve(resolver, exporter)?))
    } else {
        tls::warn_of_no_effect(resolver);
        None
    };

    let why = match (chosen, given) {
        (Some(_), _) => "",
        (None, Some(_)) if protocol == Protocol::Grpc => ", chosen because the port is 4317",
        (None, Some(_)) => ", chosen because the port is not 4317",
        (None, None) => ", chosen because neither protocol nor endpoint is set",
    };
    let authorization = parsed.authorization.take();
    let sends_managed_credentials = has_managed_credentials(resolver)
        || authorization.is_some() && set.layer() == Layer::Managed;
    let (proxy, through) = proxy::resolve(resolver, &parsed, protocol, sends_managed_credentials);
    resolver.report.fact(&format!(
        "{}: OTLP to {} ({}{why}){through}",
        name(signal),
        shown_url(&endpoint.to_string()),
        protocol.as_str(),
    ));
    let mut headers = Vec::new();
    if let Some(value) = authorization {
        let variable = set.variable.name;
        headers.push(("authorization".to_owned(), Header { value, variable }));
    }
    add_headers(resolver, protocol, &mut headers);
    Ok(OtlpConfig {
        protocol,
        has_bare_url: protocol != Protocol::Grpc && !is_general && parsed.url.path() == "/",
        endpoint,
        headers,
        timeout: values.of(&variables::TIMEOUT, signal),
        compression: values.of(&variables::COMPRESSION, signal),
        tls,
        proxy,
    })
}

/// Returns the configured protocol.
fn protocol(resolver: &mut Resolver<'_>) -> Option<Protocol> {
    let (values, group) = (resolver.values, &variables::PROTOCOL);
    let [specific, _] = resolver.pair(group);
    let specific = specific.and_then(|_| values.given(group.of(resolver.signal)));
    specific.or_else(|| values.given(&group.general)).copied()
}

/// Returns the URL of the requests, and the problem of a path that is probably a mistake.
fn request_url(
    endpoint: &Endpoint,
    protocol: Protocol,
    signal: Signal,
    is_general: bool,
) -> Result<(http::Uri, Option<Problem>), EndpointProblem> {
    let (path, given) = (path(signal), endpoint.url.path());
    if protocol == Protocol::Grpc {
        let mistake = (given != "/").then_some(Problem::PathIgnored);
        return Ok((endpoint.without_path()?, mistake));
    }
    if !endpoint.has_scheme {
        return Err(EndpointProblem::NoScheme);
    }
    if is_general {
        let is_twice = given.trim_end_matches('/').ends_with(path);
        let mistake = is_twice.then_some(Problem::PathTwice { path });
        return Ok((endpoint.appended(path)?, mistake));
    }
    let mistake = (given == "/").then_some(Problem::PathMissing { path });
    Ok((endpoint.url.clone(), mistake))
}

/// Returns the variable that sets the endpoint, and true if it is the general one; an error if managed credentials
/// would be sent to an endpoint that only other layers set.
fn endpoint<'v>(resolver: &mut Resolver<'v>) -> Result<Option<(&'v Setting, bool)>, Problem> {
    let [specific, general] = resolver.pair(&variables::ENDPOINT);
    let only_managed = has_managed_credentials(resolver);
    let mut found = Ok(None);
    for (set, is_general) in [(specific, false), (general, true)] {
        match set {
            Some(set) if only_managed && set.layer() != Layer::Managed => {
                resolver.warn(set, Problem::ManagedCredentials);
                found = Err(Problem::NoManagedEndpoint);
            }
            Some(set) => return Ok(Some((set, is_general))),
            None => {}
        }
    }
    found
}

/// Returns true if an endpoint that is written without a scheme is an `http` URL. Only managed settings decide this for
/// a managed endpoint: otherwise a user could make the credentials of an organization readable on the network.
fn is_insecure(resolver: &mut Resolver<'_>, endpoint: &Setting) -> bool {
    let (values, group) = (resolver.values, &variables::INSECURE);
    let general = values.non_empty(&group.general);
    for variable in [group.of(resolver.signal), &group.general] {
        // An empty value in the environment counts as set, because it is false.
        let Some(is_insecure) = values.given(variable) else {
            continue;
        };
        // A managed general variable overrides the specific one of a lower layer, and a managed endpoint both.
        let set = resolver.unless_managed(values.find(variable.name), general);
        let applies = resolver.unless_managed(set, Some(endpoint)).is_some();
        if applies {
            return *is_insecure;
        }
    }
    false
}

/// Returns true if managed settings contain credentials for the signal. These are sent only to an endpoint that managed
/// settings contain too.
fn has_managed_credentials(resolver: &Resolver<'_>) -> bool {
    let (headers, key) = (&variables::HEADERS, &variables::OTLP_CLIENT_KEY);
    let certificate = &variables::OTLP_CLIENT_CERTIFICATE;
    let credentials: [&Variable; 9] = [
        &headers.general,
        headers.of(resolver.signal),
        &key.general,
        key.of(resolver.signal),
        &certificate.general,
        certificate.of(resolver.signal),
        &variables::HEADERS_HELPER,
        &variables::CLIENT_CERT,
        &variables::CLIENT_KEY,
    ];
    let set = |variable| resolver.values.non_empty(variable);
    let mut set = credentials.into_iter().filter_map(set);
    set.any(|set| set.layer() == Layer::Managed)
}

/// Adds the headers of a signal. Signal-specific headers override the general ones, and both override those that are
/// present. Headers that the protocol cannot carry are left out with a warning.
fn add_headers(
    resolver: &mut Resolver<'_>,
    protocol: Protocol,
    headers: &mut Vec<(String, Header)>,
) {
    let [specific, general] = resolver.pair(&variables::HEADERS);
    let group = &variables::HEADERS;
    let of_signal = group.of(resolver.signal);
    for (set, variable) in [(general, &group.general), (specific, of_signal)] {
        let pairs = set.and_then(|set| Some((set, resolver.values.given(variable)?)));
        let Some((set, pairs)) = pairs else {
            continue;
        };
        for pair in pairs {
            let problem = pair.grpc_problem.as_ref();
            match problem.filter(|_| protocol == Protocol::Grpc) {
                Some(problem) => resolver.warn(set, problem.clone()),
                None => {
                    let (value, variable) = (pair.value.clone(), variable.name);
                    pairs::put(headers, &pair.name, Header { value, variable });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
