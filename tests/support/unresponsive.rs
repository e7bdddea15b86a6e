//! Ports without a working server behind them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// A port that accepts connections and never responds. No code calls `accept`: the kernel completes
/// the handshakes and buffers the requests.
pub struct BlackHole {
    listener: TcpListener,
}

/// Binds a port that accepts connections and never responds.
pub fn black_hole() -> BlackHole {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    BlackHole { listener }
}

impl BlackHole {
    /// Returns the base URL, `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }
}

/// A port that is bound and refuses connections. While it is bound, the system gives it to no socket that asks for any
/// free port.
pub struct ReservedPort {
    address: SocketAddr,
    _socket: TcpSocket,
}

/// Binds a port that refuses connections.
pub fn refused_port() -> ReservedPort {
    ReservedPort::bind((Ipv4Addr::LOCALHOST, 0).into())
}

impl ReservedPort {
    /// Binds `address` without listening on it.
    pub(super) fn bind(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        // A listener of this process may have the port at the same time.
        #[cfg(unix)]
        socket.set_reuseport(true).unwrap();
        socket.bind(address).unwrap();
        Self {
            address: socket.local_addr().unwrap(),
            _socket: socket,
        }
    }

    /// Listens on the port, which stays reserved.
    pub(super) fn listen(&self) -> TcpListener {
        let domain = socket2::Domain::for_address(self.address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        #[cfg(unix)]
        socket.set_reuse_port(true).unwrap();
        socket.bind(&self.address.into()).unwrap();
        socket.listen(128).unwrap();
        socket.into()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL, `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Binds a port whose backlog of connections is full. It neither accepts nor refuses further connections, like a host
/// that is unreachable. Returns `None` if the address cannot be bound.
pub fn full_backlog(address: impl Into<SocketAddr>) -> Option<FullBacklog> {
    let address = address.into();
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )
    .ok()?;
    socket.bind(&address.into()).ok()?;
    socket.listen(0).ok()?;
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = Vec::new();
    // The kernel decides how many connections fit into the backlog. One that is not established in time does not fit.
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_millis(200))
    {
        held.push(stream);
    }
    Some(FullBacklog {
        address,
        _socket: socket,
        _held: held,
    })
}

/// See [`full_backlog`].
pub struct FullBacklog {
    pub address: SocketAddr,
    _socket: socket2::Socket,
    _held: Vec<std::net::TcpStream>,
}
