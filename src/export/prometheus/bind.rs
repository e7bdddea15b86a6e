//! The listeners of a scrape endpoint and their addresses.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use crate::config::PrometheusConfig;

/// Binds the configured port, or else the first free port of the range that the host allows. The error is a sentence
/// that says why no port can be bound.
///
/// This function may look up a name, so it blocks.
pub(super) fn bind(config: &PrometheusConfig) -> Result<Vec<TcpListener>, String> {
    let host = &config.host;
    let addresses =
        addresses(host).map_err(|error| format!("{host} has no address to listen on: {error}"))?;
    let port = config.port;
    let error = match bind_each(&addresses, port) {
        Ok(listeners) => return Ok(listeners),
        Err(error) => error,
    };
    let range = config.ports.clone().into_iter().flatten();
    let mut others = range.filter(|other| *other != port && *other != 0);
    if let Some(listeners) = others.find_map(|other| bind_each(&addresses, other).ok()) {
        return Ok(listeners);
    }
    let and_range = match &config.ports {
        Some(ports) => format!(", and so are all from {} to {}", ports.start(), ports.end()),
        None => String::new(),
    };
    Err(match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} of {host} is taken{and_range}, perhaps by another agent; set \
             OTEL_EXPORTER_PROMETHEUS_PORT to a free one"
        ),
        _ => format!("it cannot listen on port {port} of {host}{and_range}: {error}"),
    })
}

/// Returns the addresses of a host. `localhost` stands for both loopback addresses and nothing more, whatever the name
/// tables of the machine say.
fn addresses(host: &str) -> Result<Vec<IpAddr>, Error> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let mut all: Vec<IpAddr> = Vec::new();
    for address in (host, 0).to_socket_addrs()? {
        if !all.contains(&address.ip()) {
            all.push(address.ip());
        }
    }
    Ok(all)
}

/// Binds one port on each address that this machine has. Returns an error if the port is in use on any address, or no
/// address can be bound.
fn bind_each(addresses: &[IpAddr], mut port: u16) -> Result<Vec<TcpListener>, Error> {
    let mut listeners = Vec::new();
    let mut missing = Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpListener::bind(SocketAddr::new(*address, port)) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
            // Many machines have only one of the two loopback addresses.
            Err(error) => missing = error,
        }
    }
    if listeners.is_empty() {
        return Err(missing);
    }
    Ok(listeners)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(host: &str, port: u16) -> PrometheusConfig {
        PrometheusConfig {
            host: host.to_owned(),
            port,
            ports: None,
        }
    }

    fn port(listeners: &[TcpListener]) -> u16 {
        listeners[0].local_addr().unwrap().port()
    }

    #[test]
    fn localhost_binds_one_port_on_loopback_only() {
        for host in ["localhost", "LocalHost"] {
            let listeners = bind(&config(host, 0)).unwrap();
            for listener in &listeners {
                let address = listener.local_addr().unwrap();
                assert!(address.ip().is_loopback(), "{address}");
                assert_eq!(address.port(), port(&listeners));
            }
        }
    }

    #[test]
    fn port_in_use_on_any_address_is_reported() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        let why = bind(&config("localhost", taken)).unwrap_err();
        assert!(why.contains("is taken"), "{why}");
        assert!(why.contains("OTEL_EXPORTER_PROMETHEUS_PORT"), "{why}");
    }

    #[test]
    fn host_without_an_address_is_reported() {
        let why = bind(&config("no-such-host.invalid", 0)).unwrap_err();
        assert!(why.contains("no-such-host.invalid"), "{why}");
        // An address for documentation, which no machine has.
        let why = bind(&config("192.0.2.1", 0)).unwrap_err();
        assert!(why.contains("192.0.2.1"), "{why}");
    }
}
