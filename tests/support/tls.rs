//! Authorities, the certificates that they issue, and receivers behind TLS.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::server::Server;

/// An authority.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `localhost` and `127.0.0.1`.
    pub fn local(&self) -> Issued {
        self.issue(&["localhost", "127.0.0.1"])
    }

    pub fn issue(&self, names: &[&str]) -> Issued {
        self.sign(params(names))
    }

    pub fn issue_too_early(&self, names: &[&str]) -> Issued {
        let mut params = params(names);
        params.not_before = date_time_ymd(2200, 1, 1);
        params.not_after = date_time_ymd(2201, 1, 1);
        self.sign(params)
    }

    pub fn issue_expired(&self, names: &[&str]) -> Issued {
        let mut params = params(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        Issued {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate that is its own authority.
pub fn self_signed(names: &[&str], is_ca: bool) -> Issued {
    let mut params = params(names);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    Issued {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

/// Files of one test.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path as text.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        text(&path)
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// How a server behaves.
#[derive(Clone)]
pub struct Behaviour {
    pub issued: Issued,
    /// The authorities of the client certificates that it demands.
    pub clients: Option<String>,
    pub protocol: &'static [u8],
    pub versions: &'static [&'static SupportedProtocolVersion],
}

pub const ALL_VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
pub const ONLY_1_2: &[&SupportedProtocolVersion] = &[&TLS12];

/// One handshake that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// What was agreed on by ALPN.
    pub protocol: Vec<u8>,
    pub client_certificate: bool,
}

/// Ends the TLS of a receiver that speaks plain text.
pub struct Front {
    port: u16,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
    _server: Server,
}

impl Front {
    /// Before the receiver on `port`.
    pub fn before(port: u16, behaviour: &Behaviour) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let config = Arc::new(Mutex::new(server_config(behaviour)));
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

    /// What the next connections meet.
    pub fn change(&self, behaviour: &Behaviour) {
        *self.config.lock().unwrap() = server_config(behaviour);
    }

    pub fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().unwrap().clone()
    }
}

fn server_config(behaviour: &Behaviour) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(behaviour.versions)
        .unwrap();
    let builder = match &behaviour.clients {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(authorities) {
                roots.add(authority).unwrap();
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let Issued { certificate, key } = &behaviour.issued;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = builder
        .with_single_cert(certificates(certificate), key)
        .unwrap();
    config.alpn_protocols = vec![behaviour.protocol.to_vec()];
    Arc::new(config)
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect()
}

/// One connection, and what comes through it to the receiver.
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
