//! Resolution of the variables of the Prometheus page to its address.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::endpoint::without_brackets;
use super::kind::Input;
use super::no_proxy::is_loopback;
use super::problem::Problem;
use super::resolver::{Resolver, Unusable};
use super::setting::Setting;
use super::variables;

/// The address at which the page is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrometheusConfig {
    /// A host name or an IP address, without brackets.
    pub(crate) host: String,
    /// 0 = any free port.
    pub(crate) port: u16,
    /// The ports that the page may use instead when `port` is in use.
    pub(crate) ports: Option<RangeInclusive<u16>>,
}

/// Resolves the variables and reports the resulting address as a fact. An error is the reason why the exporter, which
/// the variable `exporter` lists, stays off.
pub(super) fn resolve<'v>(
    resolver: &mut Resolver<'v>,
    exporter: &'v Setting,
) -> Result<PrometheusConfig, Unusable<'v>> {
    resolver.require("the prometheus exporter", "prometheus", exporter)?;
    let config = PrometheusConfig {
        host: resolver.values.get(&variables::PROMETHEUS_HOST),
        port: resolver.values.get(&variables::PROMETHEUS_PORT),
        ports: resolver.ports.filter(|ports| !ports.is_empty()).cloned(),
    };
    resolver.report.fact(&config.fact());
    Ok(config)
}

/// Parses a host name or an IP address. An IPv6 address may be in brackets, which are removed.
pub(super) fn host(input: &mut Input<'_>) -> Option<String> {
    let bare = without_brackets(input.text);
    let valid = |c: char| c.is_alphanumeric() || "-._".contains(c);
    if bare.parse::<IpAddr>().is_ok() || input.text.chars().all(valid) {
        return Some(bare.to_owned());
    }
    let default = input.default;
    input.problems.push(Problem::NoHost { default });
    None
}

impl PrometheusConfig {
    /// Returns the URL of the page, or a description if the port is not known yet.
    pub(crate) fn address(&self) -> String {
        let Self { host, port, .. } = self;
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host.clone(),
        };
        match port {
            0 => format!("a free port of {host}"),
            _ => format!("http://{host}:{port}/metrics"),
        }
    }

    fn fact(&self) -> String {
        let (address, ports) = (self.address(), &self.ports);
        let range = match ports {
            Some(ports) => format!(
                " (when that port is taken, the first free one of {} to {})",
                ports.start(),
                ports.end()
            ),
            None => String::new(),
        };
        let reach = match is_loopback(&self.host) {
            true => "",
            false => ", where other machines may fetch it",
        };
        format!(
            "metrics: Prometheus page at {address}{range}{reach}; its values are always cumulative"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_accepts_names_and_addresses() {
        for (text, expected) in [
            ("localhost", Some("localhost")),
            ("0.0.0.0", Some("0.0.0.0")),
            ("::1", Some("::1")),
            ("[::1]", Some("::1")),
            ("my-host.local", Some("my-host.local")),
            ("localhost:9464", None),
            ("http://localhost", None),
            ("[localhost]", None),
            ("a b", None),
        ] {
            let mut input = Input::new(text, "default");
            assert_eq!(host(&mut input).as_deref(), expected, "{text}");
            let default = "default";
            let problem = expected.is_none().then_some(Problem::NoHost { default });
            assert_eq!(input.problems, Vec::from_iter(problem), "{text}");
        }
    }
}
