//! The probe of the Prometheus scrape endpoint.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::probe::Probe;
use crate::config::{Config, PrometheusConfig};
use crate::export::{blocking, scrape_addresses};

/// The timeout for the response of a scrape endpoint that is already served.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Tries the scrape endpoint, and returns its probe with the result; `None` if the endpoint is not configured.
pub(super) async fn try_exporter(mut probe: Probe, config: Config) -> Option<Probe> {
    let prometheus = config.metrics.prometheus?;
    let mut described = probe.clone();
    let described = blocking::spawn(move || {
        describe(&mut described, &prometheus);
        described
    });
    Some(described.await.unwrap_or_else(|error| {
        probe.record_missing_resources(error);
        probe
    }))
}

/// Listens briefly at the address of the scrape endpoint, and adds the result to the probe. Blocks the thread.
fn describe(probe: &mut Probe, config: &PrometheusConfig) {
    match scrape_addresses(config) {
        Ok(addresses) => {
            probe.addresses = addresses;
            probe.answer = Some("the port is free: the page can be served there".to_owned());
        }
        Err(_) if is_served(config) => {
            let note =
                "an agent that runs serves its page there; another one gets the port when it ends";
            probe.note = Some(note.to_owned());
        }
        Err(error) => {
            probe.problem = Some(error.problem);
            probe.remedy = Some(error.remedy.to_owned());
        }
    }
}

/// Returns true if a scrape endpoint is served at the configured host and port.
fn is_served(config: &PrometheusConfig) -> bool {
    let addresses = (&*config.host, config.port).to_socket_addrs();
    addresses.is_ok_and(|mut addresses| addresses.any(|address| answers(address).unwrap_or(false)))
}

/// Returns true if a Prometheus page like that of this library, which begins with `target_info`, is served at the
/// address.
fn answers(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, RESPONSE_TIMEOUT)?;
    stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
    stream.set_write_timeout(Some(RESPONSE_TIMEOUT))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(16 * 1024).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.starts_with("HTTP/1.1 200") && answer.contains("target_info"))
}
