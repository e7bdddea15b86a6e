//! Name resolution.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use crate::export::blocking;

/// Returns the addresses of a host, which may be an address itself, in the order of the system's preference. The
/// system's resolver runs on a thread of its own, because it blocks.
///
/// # Errors
///
/// The host has no address, the resolver failed, or there is no thread to run it on.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let host = host.to_owned();
    let found = blocking::spawn(move || (host.as_str(), port).to_socket_addrs()).await;
    Ok(found.map_err(io::Error::other)??.collect())
}
