//! Resolution of the variables of the Prometheus page to its address.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::endpoint::without_brackets;
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
    let (values, variable) = (resolver.values, &variables::PROMETHEUS_HOST);
    let mut text = values.get(variable);
    if let Some(set) = values.non_empty(variable).filter(|_| host(&text).is_none()) {
        let default = variable.kind.default;
        text = default.to_owned();
        resolver.warn(set, Problem::NoHost { default });
    }
    let config = PrometheusConfig {
        host: host(&text).unwrap_or_default().to_owned(),
        port: values.get(&variables::PROMETHEUS_PORT),
        ports: resolver.ports.filter(|ports| !ports.is_empty()).cloned(),
    };
    resolver.report.fact(&config.fact());
    Ok(config)
}

/// Parses a host name or an IP address. An IPv6 address may be in brackets.
fn host(text: &str) -> Option<&str> {
    let bare = without_brackets(text);
    let valid = |c: char| c.is_alphanumeric() || "-._".contains(c);
    (bare.parse::<IpAddr>().is_ok() || text.chars().all(valid)).then_some(bare)
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
            assert_eq!(host(text), expected, "{text}");
        }
    }
}
