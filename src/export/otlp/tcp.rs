//! TCP connections to receivers and proxies, the same for every protocol.
//!
//! All addresses of a host are tried in turn, as RFC 8305 describes. The next attempt starts when the previous one has
//! failed, or after a short pause while the previous one continues. The first connection is used. An address that drops
//! all packets costs this pause, and not the time of the whole attempt.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use ::http::Uri;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::{connection_error, flatten, sanitize};
use super::resolve::resolve;
use crate::config::endpoint::port;
use crate::export::command::sleep_until_optional;
use crate::export::export_result::{ErrorKind, ExportError};
use crate::lock::lock;

/// The pause before the next address is tried ("Connection Attempt Delay").
const PAUSE: Duration = Duration::from_millis(250);

/// The idle time before the operating system probes a silent peer, and the time between its probes.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The number of unanswered probes after which a connection counts as broken.
#[cfg(not(windows))]
const KEEPALIVE_RETRIES: u32 = 3;

/// The longest time that sent data may stay unacknowledged.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// The properties of a connection, as far as it was made. A connection through a proxy has none.
#[derive(Clone, Default)]
pub(crate) struct Observed {
    /// The addresses of the host name.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The address that was connected to.
    pub(crate) connected: Option<SocketAddr>,
    /// A description of the TLS connection.
    pub(crate) tls: Option<String>,
}

/// Connects to the host of a URL, which errors call `name`, and records the addresses. The caller ends the wait by
/// dropping the future.
///
/// # Errors
///
/// Returns an error if the name has no address, or no address accepts the connection.
pub(super) async fn connect(
    url: &Uri,
    name: &str,
    observed: &Mutex<Observed>,
) -> Result<TcpStream, ExportError> {
    *lock(observed) = Observed::default();
    let found = resolve(url.host().unwrap_or_default(), port(url)).await;
    let addresses = found.map_err(|error| {
        let reason = flatten(&error);
        let reason = reason
            .strip_prefix("failed to lookup address information: ")
            .unwrap_or(&reason);
        let text = format!("cannot find the address of {name}: {reason}");
        ExportError::new(ErrorKind::Connect, text)
    })?;
    lock(observed).addresses.clone_from(&addresses);
    let stream = connect_to_any(&addresses)
        .await
        .map_err(|error| connection_error(name, &error, sanitize))?;
    lock(observed).connected = stream.peer_addr().ok();
    Ok(stream)
}

/// Connects to the address that accepts the connection first.
///
/// # Errors
///
/// Returns the first error if all addresses fail.
async fn connect_to_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = interleaved(addresses).into_iter();
    let mut attempts = JoinSet::new();
    let mut error = None;
    loop {
        let pause = waiting.next().map(|address| {
            attempts.spawn(TcpStream::connect(address));
            Instant::now() + PAUSE
        });
        tokio::select! {
            biased;
            attempt = attempts.join_next() => match attempt {
                Some(Ok(Ok(stream))) => {
                    configure(&stream);
                    return Ok(stream);
                }
                Some(Ok(Err(failure))) => error = error.or(Some(failure)),
                Some(Err(failure)) => error = error.or(Some(failure.into())),
                None => return Err(error.unwrap_or_else(|| io::ErrorKind::NotFound.into())),
            },
            () = sleep_until_optional(pause) => {}
        }
    }
}

/// Returns the addresses with the two families alternating, beginning with the family that the system prefers.
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let prefers_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .iter()
        .partition(|address| address.is_ipv6() == prefers_ipv6);
    let pairs = (0..addresses.len()).map(|n| [first.get(n), second.get(n)]);
    pairs.flatten().flatten().copied().copied().collect()
}

/// Sets the socket options that send small writes at once and that detect a dead peer. A connection remains usable if
/// the system refuses an option.
fn configure(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    #[cfg(not(windows))]
    let keepalive = keepalive.with_retries(KEEPALIVE_RETRIES);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::full_backlog;
    use super::*;

    #[tokio::test]
    async fn next_address_of_the_same_family_is_used_when_the_first_does_not_answer() {
        // A listener whose backlog is full neither accepts nor refuses connections.
        let hole = full_backlog(([127, 0, 0, 1], 0)).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let listens = listener.local_addr().unwrap();
        let stream = connect_to_any(&[hole.address, listens]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listens);

        // Without another address, the attempt continues until its caller drops it.
        let addresses = [hole.address];
        let limited = connect_to_any(&addresses);
        let limited = tokio::time::timeout(Duration::from_millis(50), limited);
        assert!(limited.await.is_err());
        let error = connect_to_any(&[]).await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn address_families_alternate_beginning_with_the_preferred_one() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        for (found, tried) in [
            (vec![], vec![]),
            (
                vec!["[::1]:1", "[::2]:1", "1.1.1.1:1", "1.1.1.2:1", "1.1.1.3:1"],
                vec!["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "1.1.1.3:1"],
            ),
            (
                vec!["1.1.1.1:1", "[::1]:1", "[::2]:1"],
                vec!["1.1.1.1:1", "[::1]:1", "[::2]:1"],
            ),
        ] {
            assert_eq!(interleaved(&addresses(&found)), addresses(&tried));
        }
    }
}
