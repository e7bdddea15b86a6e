//! The TLS configuration of one exporter.
//!
//! Each configuration gets the crypto provider, ring, explicitly. The default provider of the process is neither
//! installed nor read, because it belongs to the host.

use std::fmt::{self, Display};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SignatureScheme};

use super::server_verifier::ServerVerifier;
use crate::config::pem::Material;
use crate::config::tls::{FileError, TlsConfig, TlsFiles, Trust};
use crate::lock::lock;

/// The ALPN protocol of HTTP/2, which gRPC requires.
pub(crate) const HTTP_2: &[u8] = b"h2";
/// The ALPN protocol of HTTP/1.1.
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";

/// The TLS configuration of one exporter. It is renewed from its files after a failed connection.
pub(crate) struct Tls {
    files: TlsFiles,
    alpn: &'static [u8],
    /// The authorities that the platform trusts; empty if the configuration excludes them.
    platform: Vec<CertificateDer<'static>>,
    /// True if the receiver has asked for a client certificate since its last response.
    requested: Arc<AtomicBool>,
    /// The content of the files, and the rustls configuration made from it.
    current: Mutex<(Material, Arc<ClientConfig>)>,
}

impl Tls {
    /// Creates the TLS configuration of an exporter. Blocks while the platform's authorities are loaded. The error is a
    /// sentence that says why TLS cannot be used.
    pub(crate) fn new(config: &TlsConfig, alpn: &'static [u8]) -> Result<Self, String> {
        let platform = match config.files.trust {
            // On Unix, the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` of the process change these authorities.
            // Platforms configure every TLS client in this way, so the variables are not a part of this configuration.
            Trust::Platform | Trust::PlatformAnd(_) => {
                rustls_native_certs::load_native_certs().certs
            }
            Trust::Only(_) => Vec::new(),
        };
        let requested = Arc::new(AtomicBool::new(false));
        let client = client_config(&platform, &config.material, alpn, &requested)?;
        Ok(Self {
            files: config.files.clone(),
            alpn,
            platform,
            requested,
            current: Mutex::new((config.material.clone(), client)),
        })
    }

    /// Returns the client configuration for the next connection.
    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        Arc::clone(&lock(&self.current).1)
    }

    /// Reads the certificate files again, because they may have been renewed. Reads them on another thread, because
    /// that may be slow. The previous material stays in use if the new one cannot be used.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be used any more.
    pub(crate) async fn renew(&self) -> Result<(), FileError> {
        let files = self.files.clone();
        let reading = super::blocking::spawn(move || files.read(&mut |_| {}));
        let Ok(material) = reading.await else {
            return Ok(());
        };
        let material = material?;
        let mut current = lock(&self.current);
        if current.0 != material
            && let Ok(client) = client_config(&self.platform, &material, self.alpn, &self.requested)
        {
            *current = (material, client);
        }
        Ok(())
    }

    /// Records that the receiver responded, so it accepted the client certificate if it asked for one.
    pub(crate) fn answered(&self) {
        self.requested.store(false, Ordering::Relaxed);
    }

    /// Returns true if the receiver has asked for a client certificate since its last response.
    pub(crate) fn is_certificate_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Returns the variable that configures the client certificate, if there is one.
    pub(crate) fn identity_variable(&self) -> Option<&'static str> {
        let identity = self.files.identity.as_ref()?;
        Some(identity.certificate.variable)
    }

    /// Returns the variable that configures the authorities, if there is one.
    pub(crate) fn trust_variable(&self) -> Option<&'static str> {
        match &self.files.trust {
            Trust::Platform => None,
            Trust::PlatformAnd(file) | Trust::Only(file) => Some(file.variable),
        }
    }

    /// Describes a connection after its handshake.
    pub(crate) fn describe(&self, version: Option<ProtocolVersion>) -> String {
        let version = match version {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        let trust = authorities(&self.files.trust);
        let client = match (self.is_certificate_requested(), self.identity_variable()) {
            (true, Some(variable)) => {
                format!("; the client certificate of {variable} was asked for")
            }
            (true, None) => "; a client certificate was asked for, and there is none".to_owned(),
            (false, _) => String::new(),
        };
        format!("{version}, certificate accepted by {trust}{client}")
    }

    /// Returns true if HTTP/2 is offered.
    pub(crate) fn is_http_2(&self) -> bool {
        self.alpn == HTTP_2
    }
}

/// Names the authorities that may have signed an accepted certificate.
fn authorities(trust: &Trust) -> String {
    match trust {
        Trust::Platform => "the authorities of this system".to_owned(),
        Trust::PlatformAnd(file) => {
            format!("the authorities of this system or of {}", file.variable)
        }
        Trust::Only(file) => format!("the authorities of {}", file.variable),
    }
}

/// Builds a rustls configuration that trusts the authorities of the platform and those of `material`.
fn client_config(
    platform: &[CertificateDer<'static>],
    material: &Material,
    alpn: &'static [u8],
    requested: &Arc<AtomicBool>,
) -> Result<Arc<ClientConfig>, String> {
    let unusable = |error: &dyn Display| format!("TLS cannot be used: {error}");
    let mut roots = RootCertStore::empty();
    let all = platform.iter().chain(&material.authorities);
    roots.add_parsable_certificates(all.cloned());
    if roots.is_empty() {
        return Err(
            "this system has no certificates of authorities: set OTEL_EXPORTER_OTLP_CERTIFICATE to \
             a file that holds them"
                .to_owned(),
        );
    }
    let resolver = ClientCertResolver {
        key: material.identity.clone(),
        requested: Arc::clone(requested),
    };
    let provider = Arc::new(ring::default_provider());
    let trusted = material.authorities.clone();
    let verifier = ServerVerifier::new(roots, trusted, Arc::clone(&provider));
    let verifier = verifier.map_err(|error| unusable(&error))?;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| unusable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(resolver));
    client.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(client))
}

/// A resolver that presents the client certificate, if there is one, and records that the receiver asked for it. A
/// receiver that gets no certificate closes the connection, and the reason that it sends is often lost.
struct ClientCertResolver {
    key: Option<Arc<CertifiedKey>>,
    requested: Arc<AtomicBool>,
}

impl ResolvesClientCert for ClientCertResolver {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.requested.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

/// Hides the key, which the `Debug` output of `CertifiedKey` may show.
impl fmt::Debug for ClientCertResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertResolver")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tls::PemFile;

    #[test]
    fn accepted_certificate_is_attributed_to_all_trusted_authorities() {
        let file = |variable| PemFile {
            variable,
            path: "/ca.pem".into(),
        };
        for (trust, expected) in [
            (Trust::Platform, "the authorities of this system"),
            (
                Trust::PlatformAnd(file("NODE_EXTRA_CA_CERTS")),
                "the authorities of this system or of NODE_EXTRA_CA_CERTS",
            ),
            (
                Trust::Only(file("OTEL_EXPORTER_OTLP_CERTIFICATE")),
                "the authorities of OTEL_EXPORTER_OTLP_CERTIFICATE",
            ),
        ] {
            assert_eq!(authorities(&trust), expected);
        }
    }

    #[test]
    fn tls_without_any_authority_is_an_error() {
        let material = Material::default();
        let error = client_config(&[], &material, HTTP_2, &Arc::default())
            .err()
            .unwrap();
        assert_eq!(
            error,
            "this system has no certificates of authorities: set OTEL_EXPORTER_OTLP_CERTIFICATE to a file that holds them"
        );
    }
}
