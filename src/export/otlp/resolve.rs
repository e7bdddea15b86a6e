//! Name resolution.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use crate::config::endpoint::without_brackets;
use crate::export::blocking;

/// Returns the addresses of a host name or an IP address, in the order of the system's preference. The system's
/// resolver runs on a separate thread, because it blocks.
///
/// # Errors
///
/// Returns an error if the host has no address, the resolver failed, or no thread is available for it.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let host = without_brackets(host);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    #[cfg(test)]
    if let Some(found) = fake::resolve(host) {
        return found;
    }
    let host = host.to_owned();
    let found = blocking::spawn_lookup(move || (host.as_str(), port).to_socket_addrs()).await;
    Ok(found.map_err(io::Error::other)??.collect())
}

/// Host names for tests: no public name has the addresses that the tests need.
#[cfg(test)]
pub(super) mod fake {
    use std::collections::BTreeMap;
    use std::io;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use crate::lock::lock;

    type Answer = Arc<dyn Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync>;

    static HOSTS: Mutex<BTreeMap<String, Answer>> = Mutex::new(BTreeMap::new());

    /// Makes a host name resolve to the addresses that `answer` returns.
    pub(crate) fn define(
        host: &str,
        answer: impl Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) {
        let mut hosts = lock(&HOSTS);
        hosts.insert(host.to_owned(), Arc::new(answer));
    }

    pub(super) fn resolve(host: &str) -> Option<io::Result<Vec<SocketAddr>>> {
        let hosts = lock(&HOSTS);
        let answer = hosts.get(host).map(Arc::clone);
        drop(hosts);
        answer.map(|answer| answer())
    }
}
