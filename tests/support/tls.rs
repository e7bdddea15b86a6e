//! Certificate authorities, the certificates that they issue, and receivers behind TLS.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber, date_time_ymd,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::server::Server;

/// A certificate authority.
pub struct Authority {
    pem: String,
    key: String,
    params: CertificateParams,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key in PEM format.
#[derive(Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::from_params(name, params(&[]))
    }

    /// Creates an authority whose own certificate is valid for `names`, as `openssl req -x509` makes it.
    pub fn for_names(names: &[&str]) -> Self {
        Self::from_params("server", params(names))
    }

    /// Like `for_names`, with an expired certificate.
    pub fn expired_for_names(names: &[&str]) -> Self {
        Self::from_params("server", expired(names))
    }

    /// Like `for_names`, with a certificate that is not yet valid.
    pub fn not_yet_valid_for_names(names: &[&str]) -> Self {
        Self::from_params("server", too_early(names))
    }

    fn from_params(name: &str, mut params: CertificateParams) -> Self {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
            params: params.clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Returns the authority's certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the authority's certificate and key, for a server that presents them.
    pub fn self_issued(&self) -> Issued {
        Issued {
            certificate: self.pem.clone(),
            key: self.key.clone(),
        }
    }

    /// Like `self_issued`, with another certificate for the same key, subject and names.
    pub fn renewed_self_issued(&self) -> Issued {
        let mut params = self.params.clone();
        params.serial_number = Some(SerialNumber::from(2_u64));
        let key = KeyPair::from_pem(&self.key).unwrap();
        Issued {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: self.key.clone(),
        }
    }

    /// Issues a certificate for `localhost` and `127.0.0.1`.
    pub fn local(&self) -> Issued {
        self.issue(&["localhost", "127.0.0.1"])
    }

    pub fn issue(&self, names: &[&str]) -> Issued {
        self.sign(params(names))
    }

    /// Issues a certificate that is marked as an authority's.
    pub fn issue_authority(&self, names: &[&str]) -> Issued {
        let mut params = params(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self.sign(params)
    }

    pub fn issue_too_early(&self, names: &[&str]) -> Issued {
        self.sign(too_early(names))
    }

    pub fn issue_expired(&self, names: &[&str]) -> Issued {
        self.sign(expired(names))
    }

    fn sign(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        Issued {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// Creates a self-signed certificate that is not marked as an authority's.
pub fn self_signed(names: &[&str]) -> Issued {
    let key = KeyPair::generate().unwrap();
    Issued {
        certificate: params(names).self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// Returns a certificate of X.509 version 1 for `CN=localhost`, which expires in 2126, and its key. They were made with
/// OpenSSL 3.0:
///
/// ```sh
/// openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 36500
/// openssl req -new -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost
/// openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out certificate.pem -days 36500
/// ```
pub fn version_1() -> Issued {
    Issued {
        certificate: include_str!("version_1/certificate.pem").to_owned(),
        key: include_str!("version_1/key.pem").to_owned(),
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

fn too_early(names: &[&str]) -> CertificateParams {
    let mut params = params(names);
    params.not_before = date_time_ymd(2200, 1, 1);
    params.not_after = date_time_ymd(2201, 1, 1);
    params
}

fn expired(names: &[&str]) -> CertificateParams {
    let mut params = params(names);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    params
}

/// A temporary directory with the files of a test.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path as a string.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        text(&path)
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The TLS behavior of a server.
#[derive(Clone)]
pub struct Behavior {
    pub issued: Issued,
    /// The authorities that must have issued the client's certificate. `None` requires no client certificate.
    pub clients: Option<String>,
    pub protocol: &'static [u8],
    pub versions: &'static [&'static SupportedProtocolVersion],
}

impl Behavior {
    /// Returns the behavior of a server of gRPC or HTTP/1.1 that supports all versions and requires no client
    /// certificate.
    pub fn new(issued: Issued, is_grpc: bool) -> Self {
        Self {
            issued,
            clients: None,
            protocol: if is_grpc { b"h2" } else { b"http/1.1" },
            versions: ALL_VERSIONS,
        }
    }
}

pub const ALL_VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
pub const ONLY_1_2: &[&SupportedProtocolVersion] = &[&TLS12];

/// A successful handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The protocol that was negotiated by ALPN.
    pub protocol: Vec<u8>,
    pub client_certificate: bool,
}

/// A server that terminates TLS in front of a receiver without TLS.
pub struct TlsServer {
    port: u16,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
    _server: Server,
}

impl TlsServer {
    /// Starts a TLS server in front of the receiver on `port`.
    pub fn in_front_of(port: u16, behavior: &Behavior) -> Self {
        Self::start(port, server_config(behavior, client_verifier(behavior)))
    }

    /// Like `in_front_of`, with a custom verifier of client certificates.
    pub fn with_client_verifier(
        port: u16,
        behavior: &Behavior,
        verifier: Arc<dyn ClientCertVerifier>,
    ) -> Self {
        Self::start(port, server_config(behavior, verifier))
    }

    fn start(port: u16, config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let config = Arc::new(Mutex::new(config));
        let handshakes = Arc::default();
        let (now, seen) = (Arc::clone(&config), Arc::clone(&handshakes));
        let server = Server::start(listener, move |stream| {
            let acceptor = TlsAcceptor::from(Arc::clone(&now.lock().unwrap()));
            tokio::spawn(serve(stream, acceptor, Arc::clone(&seen), port));
        });
        Self {
            port: own,
            config,
            handshakes,
            _server: server,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the base URL, `https://localhost:port`.
    pub fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Changes the behavior for new connections.
    pub fn change(&self, behavior: &Behavior) {
        let config = server_config(behavior, client_verifier(behavior));
        *self.config.lock().unwrap() = config;
    }

    pub fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().unwrap().clone()
    }
}

fn client_verifier(behavior: &Behavior) -> Arc<dyn ClientCertVerifier> {
    let Some(authorities) = &behavior.clients else {
        return WebPkiClientVerifier::no_client_auth();
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities) {
        roots.add(authority).unwrap();
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.unwrap()
}

fn server_config(behavior: &Behavior, clients: Arc<dyn ClientCertVerifier>) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(behavior.versions)
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(
            behavior.issued.certified(),
        )));
    config.alpn_protocols = vec![behavior.protocol.to_vec()];
    Arc::new(config)
}

impl Issued {
    /// Returns the certificate and the key, without checking that they belong together.
    pub fn certified(&self) -> CertifiedKey {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider = ring::default_provider();
        let key = provider.key_provider.load_private_key(key).unwrap();
        CertifiedKey::new(certificates(&self.certificate), key)
    }

    /// Returns the certificate in DER format.
    pub fn der(&self) -> Vec<u8> {
        certificates(&self.certificate)[0].to_vec()
    }

    /// Returns the key in DER format.
    pub fn key_der(&self) -> Vec<u8> {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        key.secret_der().to_vec()
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect()
}

/// Terminates TLS for a connection, and relays its data to the receiver.
async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
    behind: u16,
) {
    let Ok(mut outer) = acceptor.accept(stream).await else {
        return;
    };
    let state = outer.get_ref().1;
    handshakes.lock().unwrap().push(Handshake {
        protocol: state.alpn_protocol().unwrap_or_default().to_vec(),
        client_certificate: state.peer_certificates().is_some(),
    });
    let mut inner = TcpStream::connect((Ipv4Addr::LOCALHOST, behind))
        .await
        .unwrap();
    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
}
