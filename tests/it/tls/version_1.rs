//! Certificates of X.509 version 1, as `openssl x509 -req` makes them without further options.

use std::sync::Arc;

use support::tls::version_1;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{ring, verify_tls13_signature_with_raw_key};
use tokio_rustls::rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
};

use super::*;

/// A verifier that requires a certain certificate of any version and proof of its key, as a receiver with OpenSSL
/// can.
#[derive(Debug)]
struct AnyVersion {
    certificate: Vec<u8>,
    public_key: SubjectPublicKeyInfoDer<'static>,
}

impl AnyVersion {
    fn new(client: &Issued) -> Arc<Self> {
        let key = client.certified().key;
        Arc::new(Self {
            certificate: client.der(),
            public_key: key.public_key().unwrap().into_owned(),
        })
    }
}

impl ClientCertVerifier for AnyVersion {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match certificate.as_ref() == self.certificate {
            true => Ok(ClientCertVerified::assertion()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls13_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        _: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &self.public_key, signed, &algorithms)
    }

    /// Returns only the schemes that TLS 1.2 and TLS 1.3 have in common.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::ECDSA_NISTP256_SHA256,
        ]
    }
}

#[test]
fn version_1_client_certificate_is_presented() {
    let authority = Authority::new("ours");
    let files = Files::new();
    let client = version_1();
    let ca = files.write("ca.pem", authority.pem());
    let certificate = files.write("client.pem", &client.certificate);
    let key = files.write("client.key", &client.key);
    for protocol in Protocol::all() {
        for versions in [ALL_VERSIONS, ONLY_1_2] {
            let receiver = protocol.receiver();
            let behavior = Behavior {
                versions,
                ..behavior(protocol, authority.local())
            };
            let verifier = AnyVersion::new(&client);
            let tls_server = TlsServer::with_client_verifier(receiver.port(), &behavior, verifier);
            let endpoint = tls_server.endpoint();
            let identity = [
                (CA, ca.as_str()),
                (CERTIFICATE, certificate.as_str()),
                (KEY, key.as_str()),
            ];
            assert_delivers(&start(protocol, &endpoint, &identity), &receiver);
            assert!(tls_server.handshakes()[0].client_certificate);
        }
    }
}

#[test]
fn error_explains_a_rejected_version_1_client_certificate() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let files = Files::new();
    let client = version_1();
    let ca = files.write("ca.pem", authority.pem());
    let certificate = files.write("client.pem", &client.certificate);
    let key = files.write("client.key", &client.key);
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let behavior = Behavior {
            clients: Some(clients.pem().to_owned()),
            ..behavior(protocol, authority.local())
        };
        let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
        let endpoint = tls_server.endpoint();
        let identity = [
            (CA, ca.as_str()),
            (CERTIFICATE, certificate.as_str()),
            (KEY, key.as_str()),
        ];
        let telemetry = start(protocol, &endpoint, &identity);
        assert_fails(&telemetry, &endpoint, |message| {
            message
                .contains("accept the client certificate of OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
        });
        assert!(receiver.received().is_empty());
    }
}

#[test]
fn version_1_client_certificate_with_another_key_is_a_warning() {
    let files = Files::new();
    let other = Authority::new("other").issue(&["agent"]);
    let certificate = files.write("client.pem", version_1().certificate);
    let key = files.write("client.key", &other.key);
    for protocol in Protocol::all() {
        let identity = [(CERTIFICATE, certificate.as_str()), (KEY, key.as_str())];
        let config = configuration(protocol, "https://localhost:1", &identity);
        let [warning] = config.warnings() else {
            panic!("{:?}", config.warnings());
        };
        assert_eq!(warning.variable(), Some(KEY));
        let words = "the exporter that uses it is off: the key does not belong to the certificate of OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE; set the two together";
        assert!(warning.to_string().ends_with(words), "{warning}");
    }
}

#[test]
fn version_1_server_certificate_is_rejected_with_the_reason() {
    let files = Files::new();
    let server = version_1();
    let other = Authority::new("other");
    // The file contains the certificate itself, which does not make up for the missing names.
    let ca = files.write("ca.pem", format!("{}{}", other.pem(), server.certificate));
    // `it` stands for the endpoint.
    let expected = "the certificate of it has X.509 version 1 (or that of its issuer), which holds no names to verify: use version 3 with a subjectAltName";
    for protocol in Protocol::all() {
        let (receiver, tls_server) = secure_receiver(protocol, server.clone());
        let endpoint = tls_server.endpoint();
        let telemetry = start(protocol, &endpoint, &[(CA, &ca)]);
        assert_fails(&telemetry, &endpoint, |message| message == expected);
        assert!(receiver.received().is_empty() && receiver.connections() == 0);
    }
}
