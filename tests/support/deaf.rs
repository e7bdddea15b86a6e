//! Ports behind which nobody answers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// Connections succeed, requests are swallowed, nothing ever comes back. Nobody calls `accept`: the kernel does all
/// that is needed.
pub struct BlackHole {
    listener: TcpListener,
}

/// A port that accepts and never answers.
pub fn black_hole() -> BlackHole {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    BlackHole { listener }
}

impl BlackHole {
    /// `http://127.0.0.1:port`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }
}

/// Connections are refused. The port is bound and not listened on, so that nobody else gets it meanwhile.
pub struct RefusedPort {
    address: SocketAddr,
    _socket: TcpSocket,
}

/// A port that refuses connections.
pub fn refused_port() -> RefusedPort {
    RefusedPort::hold((Ipv4Addr::LOCALHOST, 0).into())
}

impl RefusedPort {
    /// Takes `address`.
    pub(super) fn hold(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        Self {
            address: socket.local_addr().unwrap(),
            _socket: socket,
        }
    }

    /// `http://127.0.0.1:port`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A port whose queue of connections is full: further ones are neither taken nor refused, as by a host that is gone.
/// Nothing when the address is not to be had.
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
    // How many fit is the system's decision.
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
