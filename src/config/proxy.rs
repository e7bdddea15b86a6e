//! The proxy that the requests of one exporter go through.
//!
//! The variables are those of curl and of most programs. Like every other variable, they are read from the layers of
//! the configuration: exporters never read the process environment.

use http::Uri;

use super::endpoint::{Endpoint, port};
use super::no_proxy;
use super::problem::Problem;
use super::protocol::Protocol;
use super::resolver::Resolver;
use super::secret::Secret;
use super::setting::Setting;
use super::source::Layer;
use super::variables;

/// A proxy: its address and the credentials for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyConfig {
    /// Scheme, host and port. The scheme is always `http`; the URL never contains user and password.
    pub(crate) url: Uri,
    /// The value of `Proxy-Authorization`, from the user and password of the URL.
    pub(crate) authorization: Option<Secret>,
    /// The variable that sets the proxy.
    pub(crate) variable: &'static str,
}

impl ProxyConfig {
    /// Returns host and port.
    pub(crate) fn name(&self) -> String {
        self.url
            .authority()
            .map_or_else(String::new, ToString::to_string)
    }
}

/// Returns the proxy for `endpoint`, and the words that describe this choice in the explanation.
/// `sends_managed_credentials` is true if credentials of managed settings are sent to the endpoint.
pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    endpoint: &Endpoint,
    protocol: Protocol,
    sends_managed_credentials: bool,
) -> (Option<Box<ProxyConfig>>, String) {
    let values = resolver.values;
    let Some(set) = chosen(resolver, endpoint.is_https()) else {
        return (None, String::new());
    };
    let variable = set.variable.name;
    let proxy = match parse(set.text(), variable) {
        Ok(proxy) => proxy,
        Err(problem) => {
            resolver.warn(set, problem);
            return (None, String::new());
        }
    };
    let host = endpoint.url.host().unwrap_or_default();
    let not_through = format!(", not through the proxy of {variable}");
    // For a proxy, a loopback name or address refers to the machine of the proxy.
    if no_proxy::is_loopback(host) {
        return (None, format!("{not_through}: this machine"));
    }
    let no_proxy = values.highest_precedence([&variables::NO_PROXY_LOWER, &variables::NO_PROXY]);
    let port = port(&endpoint.url);
    if let Some(list) = no_proxy.filter(|list| no_proxy::exempts(list.text(), host, port)) {
        return (None, format!("{not_through}, because of {}", list.name()));
    }
    if !endpoint.is_https() {
        let receiver = endpoint.url.authority().map(ToString::to_string);
        let receiver = receiver.unwrap_or_default();
        let problem = if protocol == Protocol::Grpc {
            Some(Problem::ProxyPlain { receiver })
        } else if sends_managed_credentials && set.layer() != Layer::Managed {
            Some(Problem::ProxyManagedCredentials { receiver })
        } else {
            None
        };
        if let Some(problem) = problem {
            resolver.warn(set, problem);
            return (None, not_through);
        }
    }
    let through = format!(", through the proxy {} of {variable}", proxy.name());
    (Some(Box::new(proxy)), through)
}

/// Returns the proxy variable that applies. As for endpoints, a managed general variable overrides a specific one of a
/// lower layer.
fn chosen<'v>(resolver: &mut Resolver<'v>, https: bool) -> Option<&'v Setting> {
    let values = resolver.values;
    let all = values.highest_precedence([&variables::ALL_PROXY_LOWER, &variables::ALL_PROXY]);
    let specific = match https {
        true => values.highest_precedence([&variables::HTTPS_PROXY_LOWER, &variables::HTTPS_PROXY]),
        false => http_proxy(resolver),
    };
    resolver.unless_managed(specific, all).or(all)
}

/// Returns the proxy for http endpoints. Ignores `HTTP_PROXY` in a CGI program, because a web server passes the request
/// header `Proxy` to it as that variable.
fn http_proxy<'v>(resolver: &mut Resolver<'v>) -> Option<&'v Setting> {
    let (values, upper) = (resolver.values, &variables::HTTP_PROXY);
    let set = values.highest_precedence([&variables::HTTP_PROXY_LOWER, upper])?;
    if values.is_cgi && set.layer() == Layer::Environment && set.name() == upper.name {
        resolver.warn(set, Problem::ProxyInCgi);
        return None;
    }
    Some(set)
}

/// Parses the URL of a proxy. Without a scheme the URL is `http`.
fn parse(text: &str, variable: &'static str) -> Result<ProxyConfig, Problem> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http")) {
        return Err(Problem::ProxyScheme);
    }
    let mut parsed = Endpoint::parse(text, true).map_err(|_| Problem::ProxyNotUrl)?;
    let url = parsed.without_path().map_err(|_| Problem::ProxyNotUrl)?;
    Ok(ProxyConfig {
        url,
        authorization: parsed.authorization.take(),
        variable,
    })
}

#[cfg(test)]
mod tests {
    use super::super::explain::Explanation;
    use super::super::source::{Assignment, Provenance};
    use super::super::values::Values;
    use super::*;
    use crate::signal::Signal;

    type Route = (Option<Box<ProxyConfig>>, String);

    /// Returns the route to an endpoint with these variables set. The prefix `M:` puts a variable into managed settings
    /// instead of the environment, `H:` into the host layer.
    fn route(endpoint: &str, protocol: Protocol, set: &[(&str, &str)]) -> (Route, Vec<Problem>) {
        route_of(endpoint, protocol, set, false)
    }

    fn route_of(
        endpoint: &str,
        protocol: Protocol,
        set: &[(&str, &str)],
        sends_managed_credentials: bool,
    ) -> (Route, Vec<Problem>) {
        let mut report = Explanation::default();
        let assignments = set.iter().map(|(name, value)| {
            let (layer, name) = match name.split_once(':') {
                Some(("M", name)) => (Layer::Managed, name),
                Some((_, name)) => (Layer::Host, name),
                None => (Layer::Environment, *name),
            };
            Assignment::new(Provenance::new(layer), name, value)
        });
        let values = Values::new(assignments.collect(), &mut report);
        let endpoint = Endpoint::parse(endpoint, false).unwrap();
        let mut resolver = Resolver::of(Signal::Logs, &values, &mut report);
        let route = resolve(
            &mut resolver,
            &endpoint,
            protocol,
            sends_managed_credentials,
        );
        let problems = report.warnings.iter().map(|w| w.problem().clone());
        let problems =
            problems.filter(|problem| !matches!(problem, Problem::ManagedGeneral { .. }));
        (route, problems.collect())
    }

    fn shown((proxy, why): &Route) -> String {
        let Some(proxy) = proxy else {
            return why.strip_prefix(", ").unwrap_or("direct").to_owned();
        };
        let user = proxy.authorization.as_ref().map_or("", Secret::expose);
        let shown = format!("{} {} {user}", proxy.variable, proxy.url);
        let name = proxy.name();
        assert_eq!(
            *why,
            format!(", through the proxy {name} of {}", proxy.variable)
        );
        shown.trim_end().to_owned()
    }

    #[test]
    fn the_variable_of_the_scheme_wins_over_the_one_for_all() {
        let https = "https://h:4318";
        let http = "http://h:4318";
        let a = "http://a:1";
        let b = "http://b:2";
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let table: &[Row<'_>] = &[
            (https, &[], "direct"),
            (https, &[("HTTPS_PROXY", a)], "HTTPS_PROXY http://a:1/"),
            (https, &[("https_proxy", a)], "https_proxy http://a:1/"),
            (https, &[("HTTP_PROXY", a)], "direct"),
            (http, &[("HTTP_PROXY", a)], "HTTP_PROXY http://a:1/"),
            (http, &[("http_proxy", a)], "http_proxy http://a:1/"),
            (http, &[("HTTPS_PROXY", a)], "direct"),
            (http, &[("ALL_PROXY", a)], "ALL_PROXY http://a:1/"),
            (https, &[("all_proxy", a)], "all_proxy http://a:1/"),
            (
                https,
                &[("ALL_PROXY", a), ("HTTPS_PROXY", b)],
                "HTTPS_PROXY http://b:2/",
            ),
            // As in curl, the lower-case name wins.
            (
                https,
                &[("HTTPS_PROXY", a), ("https_proxy", b)],
                "https_proxy http://b:2/",
            ),
            (
                https,
                &[("H:HTTPS_PROXY", a), ("https_proxy", b)],
                "HTTPS_PROXY http://a:1/",
            ),
            // An empty value cancels both names in lower layers. In the same layer, a value under the other name
            // applies.
            (
                https,
                &[("H:HTTPS_PROXY", ""), ("https_proxy", b)],
                "direct",
            ),
            (
                https,
                &[("https_proxy", ""), ("HTTPS_PROXY", b)],
                "HTTPS_PROXY http://b:2/",
            ),
            (
                https,
                &[("M:ALL_PROXY", a), ("HTTPS_PROXY", b)],
                "ALL_PROXY http://a:1/",
            ),
            (https, &[("HTTPS_PROXY", "p")], "HTTPS_PROXY http://p/"),
            (
                https,
                &[("HTTPS_PROXY", "p:80/x")],
                "HTTPS_PROXY http://p:80/",
            ),
            (
                https,
                &[("HTTPS_PROXY", "u:p@h:1")],
                "HTTPS_PROXY http://h:1/ Basic dTpw",
            ),
        ];
        for (endpoint, set, expected) in table {
            let (found, problems) = route(endpoint, Protocol::HttpProtobuf, set);
            assert_eq!(shown(&found), *expected, "{endpoint} {set:?}");
            assert_eq!(problems, [], "{endpoint} {set:?}");
        }
    }

    #[test]
    fn lower_case_name_wins_in_the_same_layer_as_documented() {
        for (endpoint, upper) in [
            ("https://h", "HTTPS_PROXY"),
            ("http://h", "HTTP_PROXY"),
            ("http://h", "ALL_PROXY"),
            ("https://h", "NO_PROXY"),
        ] {
            let lower = upper.to_ascii_lowercase();
            let set = [("HTTPS_PROXY", "h"), (upper, "h"), (&lower, "h")];
            let ((_, why), _) = route(endpoint, Protocol::HttpProtobuf, &set);
            assert!(why.ends_with(&lower), "{why}");
            let meaning = variables::find(&lower).unwrap().meaning;
            let documented = format!("in the same layer, {lower} takes precedence");
            assert!(meaning.ends_with(&documented), "{meaning}");
        }
    }

    #[test]
    fn invalid_proxy_urls_are_reported_and_not_used() {
        for (text, problem) in [
            ("https://h:1", Problem::ProxyScheme),
            ("socks5://h:1", Problem::ProxyScheme),
            ("http://", Problem::ProxyNotUrl),
            ("http://h:99999", Problem::ProxyNotUrl),
            ("a b", Problem::ProxyNotUrl),
        ] {
            let set = [("HTTPS_PROXY", text)];
            let (found, problems) = route("https://h", Protocol::HttpJson, &set);
            assert_eq!(found, (None, String::new()), "{text}");
            assert_eq!(problems, [problem], "{text}");
        }
    }

    #[test]
    fn loopback_and_no_proxy_hosts_are_reached_directly() {
        let this = "not through the proxy of ALL_PROXY: this machine";
        let because = "not through the proxy of ALL_PROXY, because of NO_PROXY";
        for (endpoint, no, expected) in [
            ("http://localhost:4318", "", this),
            ("https://LOCALHOST.", "", this),
            ("http://127.0.0.9", "", this),
            ("http://[::1]:4318", "", this),
            ("http://[::ffff:127.0.0.1]", "", this),
            ("http://h", "h", because),
            ("http://h", "other", "ALL_PROXY http://a:1/"),
            ("https://h", "h:443", because),
            ("https://h", "h:80", "ALL_PROXY http://a:1/"),
        ] {
            let set = [("ALL_PROXY", "http://a:1"), ("NO_PROXY", no)];
            let (found, problems) = route(endpoint, Protocol::HttpProtobuf, &set);
            assert_eq!(shown(&found), expected, "{endpoint} {no}");
            assert_eq!(problems, []);
        }
    }

    #[test]
    fn grpc_uses_the_proxy_for_https_only() {
        let set = [("ALL_PROXY", "http://a:1")];
        let (found, problems) = route("https://h", Protocol::Grpc, &set);
        assert_eq!(
            (shown(&found).as_str(), problems.len()),
            ("ALL_PROXY http://a:1/", 0)
        );
        let (found, problems) = route("http://h:4317", Protocol::Grpc, &set);
        assert_eq!(shown(&found), "not through the proxy of ALL_PROXY");
        let receiver = "h:4317".to_owned();
        assert_eq!(problems, [Problem::ProxyPlain { receiver }]);
        let (_, problems) = route("http://localhost:4317", Protocol::Grpc, &set);
        assert_eq!(problems, []);
    }

    #[test]
    fn http_proxy_of_the_environment_is_ignored_in_cgi_programs() {
        for (set, expected, problems) in [
            (vec![("HTTP_PROXY", "a")], "direct", 1),
            (vec![("http_proxy", "a")], "http_proxy http://a/", 0),
            (vec![("H:HTTP_PROXY", "a")], "HTTP_PROXY http://a/", 0),
            (
                vec![("HTTP_PROXY", "a"), ("ALL_PROXY", "b")],
                "ALL_PROXY http://b/",
                1,
            ),
        ] {
            let cgi = [&set[..], &[("REQUEST_METHOD", "GET")]].concat();
            let found = route("http://h", Protocol::HttpJson, &cgi);
            assert_eq!(shown(&found.0), expected, "{set:?}");
            assert_eq!(found.1.len(), problems, "{set:?}");
        }
    }

    #[test]
    fn managed_credentials_without_tls_pass_through_managed_proxies_only() {
        for (endpoint, name, through) in [
            ("http://h", "HTTP_PROXY", false),
            ("http://h", "M:HTTP_PROXY", true),
            ("https://h", "HTTPS_PROXY", true),
        ] {
            let set = [(name, "http://a:1")];
            let (found, problems) = route_of(endpoint, Protocol::HttpJson, &set, true);
            assert_eq!(found.0.is_some(), through, "{name}");
            assert_eq!(problems.is_empty(), through, "{name}");
        }
    }
}
