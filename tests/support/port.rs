//! Free ports for programs that need a fixed port number.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Returns a free port, a different one on each call. The port lies outside the ephemeral range. If a client connects
/// to an ephemeral port without a listener, the kernel may pick the same port as the client's source port, and the
/// connection then loops back to itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = 20_000 + std::process::id() % 10_000;
    std::iter::repeat_with(|| start + NEXT.fetch_add(1, Ordering::Relaxed))
        .take_while(|port| *port < 32_000)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap()
}
