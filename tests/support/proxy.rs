//! A minimal HTTP proxy. It forwards requests and opens tunnels to local ports, under configured host names.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::Server;

/// A proxy on a free port.
pub struct Proxy {
    port: u16,
    shared: Arc<Mutex<State>>,
    _server: Server,
}

#[derive(Default)]
struct State {
    /// The real local port for each receiver (`host:port`).
    known: BTreeMap<String, u16>,
    /// The required value of `Proxy-Authorization`.
    wanted: Option<String>,
    /// The status of the response to every request.
    refusal: Option<&'static str>,
    requests: Vec<ProxyRequest>,
}

/// A request that a client sent to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRequest {
    /// The request line.
    pub line: String,
    /// Header values by header name in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Proxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Mutex<State>>::default();
        let state = Arc::clone(&shared);
        let server = Server::start(listener, move |stream| {
            let state = Arc::clone(&state);
            tokio::spawn(async move {
                // Errors of a connection are asserted on the client's side.
                let _ = serve(stream, &state).await;
            });
        });
        Self {
            port,
            shared,
            _server: server,
        }
    }

    /// Forwards requests for `receiver` (`host:port`) to the local `port`.
    pub fn route(self, receiver: &str, port: u16) -> Self {
        let mut state = self.shared.lock().unwrap();
        state.known.insert(receiver.to_owned(), port);
        drop(state);
        self
    }

    /// Requires this `Proxy-Authorization` from now on.
    pub fn require_authorization(&self, authorization: &str) {
        self.shared.lock().unwrap().wanted = Some(authorization.to_owned());
    }

    /// Responds to every request with this status from now on.
    pub fn reject_with(&self, status: &'static str) {
        self.shared.lock().unwrap().refusal = Some(status);
    }

    /// Returns the proxy's host and port.
    pub fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.name())
    }

    pub fn requests(&self) -> Vec<ProxyRequest> {
        self.shared.lock().unwrap().requests.clone()
    }
}

/// Serves a connection: a single request, after whose response the connection ends, or a single tunnel.
async fn serve(mut client: TcpStream, shared: &Mutex<State>) -> std::io::Result<()> {
    let mut read = Vec::new();
    let end = loop {
        if client.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let request = parse(&head);
    let (response, port) = {
        let mut state = shared.lock().unwrap();
        state.requests.push(request.clone());
        decide(&state, &request)
    };
    let Some(port) = port else {
        client.write_all(response.as_bytes()).await?;
        return client.shutdown().await;
    };
    let mut receiver = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    if request.line.starts_with("CONNECT ") {
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
            .await?;
    } else {
        receiver.write_all(forwarded(&head).as_bytes()).await?;
        receiver.write_all(&read[end + 4..]).await?;
    }
    tokio::io::copy_bidirectional(&mut client, &mut receiver).await?;
    Ok(())
}

fn parse(head: &str) -> ProxyRequest {
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    ProxyRequest {
        line,
        headers: headers.collect(),
    }
}

/// Returns either a response that rejects the request, or the port to forward to.
fn decide(state: &State, request: &ProxyRequest) -> (String, Option<u16>) {
    let refuse = |status: &str| {
        let response =
            format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        (response, None)
    };
    if let Some(status) = state.refusal {
        return refuse(status);
    }
    let given = request.headers.get("proxy-authorization");
    if state.wanted.is_some() && state.wanted.as_ref() != given {
        return refuse("407 Proxy Authentication Required");
    }
    let target = request.line.split(' ').nth(1).unwrap_or_default();
    let target = target.strip_prefix("http://").unwrap_or(target);
    let receiver = target.split('/').next().unwrap_or_default();
    match state.known.get(receiver) {
        Some(&port) => (String::new(), Some(port)),
        None => refuse("502 Bad Gateway"),
    }
}

/// Rewrites the request head for the receiver: a path in the request line, no proxy headers, and `Connection: close`.
fn forwarded(head: &str) -> String {
    let (line, headers) = head.split_once("\r\n").unwrap();
    let mut words = line.split(' ');
    let (method, url) = (words.next().unwrap(), words.next().unwrap());
    let rest = url.strip_prefix("http://").expect("the whole URL");
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    let headers: Vec<_> = headers
        .split("\r\n")
        .filter(|line| !line.to_ascii_lowercase().starts_with("proxy-"))
        .collect();
    format!(
        "{method} {path} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n",
        headers.join("\r\n")
    )
}
