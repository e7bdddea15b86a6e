//! A TCP relay that resets connections in the middle of a transfer.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use super::support::server::Server;

/// The number of bytes that pass before a connection is reset: more than a TLS handshake, less than a large request.
const BYTES_BEFORE_RESET: usize = 256 * 1024;

/// A relay to a local port.
pub(crate) struct ResettingRelay {
    port: u16,
    resets: Arc<AtomicUsize>,
    _server: Server,
}

impl ResettingRelay {
    /// Starts a relay that resets the first `count` connections that send more than [`BYTES_BEFORE_RESET`] bytes.
    pub(crate) fn in_front_of(port: u16, count: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let resets = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&resets);
        Self {
            port: listener.local_addr().unwrap().port(),
            resets,
            _server: Server::start(listener, move |client| {
                tokio::spawn(relay(client, port, count, Arc::clone(&seen)));
            }),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the number of connections that were reset.
    pub(crate) fn resets(&self) -> usize {
        self.resets.load(Ordering::SeqCst)
    }
}

async fn relay(mut client: TcpStream, port: u16, count: usize, resets: Arc<AtomicUsize>) {
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    if resets.load(Ordering::SeqCst) >= count {
        let _ = copy_bidirectional(&mut client, &mut server).await;
        return;
    }
    let is_limit_reached = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let up = async {
            let mut limited = (&mut from_client).take(BYTES_BEFORE_RESET as u64);
            tokio::io::copy(&mut limited, &mut to_server)
                .await
                .is_ok_and(|bytes| bytes == BYTES_BEFORE_RESET as u64)
        };
        let down = async {
            let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            is_limit_reached = up => is_limit_reached,
            () = down => false,
        }
    };
    if is_limit_reached {
        resets.fetch_add(1, Ordering::SeqCst);
        // Sends FIN and then RST: the pending write of the client fails with EPIPE instead of ECONNRESET.
        let _ = client.shutdown().await;
        let _ = client.set_zero_linger();
    }
}
