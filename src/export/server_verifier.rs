//! Verification of a receiver's certificate.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

/// A verifier that accepts the certificates that rustls accepts, and additionally a certificate that is marked as an
/// authority's (CA:TRUE) if a configured file contains exactly that certificate.
///
/// `openssl req -x509` sets the mark by default, and OpenSSL accepts such a certificate as its own authority. The
/// verifier of rustls rejects the mark on every server certificate: <https://github.com/rustls/webpki/issues/205>.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    /// The certificates of the configured file, without those of the platform.
    trusted: Vec<CertificateDer<'static>>,
}

impl ServerVerifier {
    /// Creates a verifier. Returns an error if `roots` is empty.
    pub(super) fn new(
        roots: RootCertStore,
        trusted: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { webpki, trusted })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let webpki = &self.webpki;
        let verified =
            webpki.verify_server_cert(certificate, intermediates, name, ocsp_response, now);
        match verified {
            // webpki verified the validity period before it returned this error, but not the name. The signature of the
            // handshake is verified as for every other certificate, so the receiver must have the key.
            Err(Error::InvalidCertificate(problem))
                if is_marked_as_authority(&problem) && self.trusted.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let webpki = &self.webpki;
        webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let webpki = &self.webpki;
        webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Returns true if a receiver's certificate was rejected because it is marked as an authority's (CA:TRUE).
pub(super) fn is_marked_as_authority(problem: &CertificateError) -> bool {
    webpki_error(problem).is_some_and(|name| name == "CaUsedAsEndEntity")
}

/// Returns true if a certificate was rejected because it is not of X.509 version 3.
pub(super) fn is_of_old_version(problem: &CertificateError) -> bool {
    webpki_error(problem).is_some_and(|name| name == "UnsupportedCertVersion")
}

/// Returns the name of an error that rustls has no variant for. The type of the error belongs to rustls-webpki, which
/// rustls does not export, so the caller compares the name of its variant.
pub(super) fn webpki_error(problem: &CertificateError) -> Option<String> {
    match problem {
        CertificateError::Other(OtherError(error)) => Some(format!("{error:?}")),
        _ => None,
    }
}
