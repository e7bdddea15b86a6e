//! Receivers whose certificate is marked as an authority's (CA:TRUE), as `openssl req -x509` makes it.

use super::*;

/// The names of the receivers in these tests.
const LOCAL: &[&str] = &["localhost", "127.0.0.1"];

/// The error for a marked certificate that the configured file does not contain. `it` stands for the endpoint.
const NOT_IN_FILE: &str = "the certificate of it is marked as an authority's (CA:TRUE) and is not in the file of OTEL_EXPORTER_OTLP_CERTIFICATE: add it there, or use one without the mark";

/// Asserts that telemetry which trusts `ca` rejects a receiver that presents `issued`, with the expected error.
fn assert_refused(issued: &Issued, ca: &str, expected: &str) {
    for protocol in Protocol::all() {
        for versions in [ALL_VERSIONS, ONLY_1_2] {
            let receiver = protocol.receiver();
            let behavior = Behavior {
                versions,
                ..behavior(protocol, issued.clone())
            };
            let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
            let endpoint = tls_server.endpoint();
            let telemetry = start(protocol, &endpoint, &[(CA, ca)]);
            assert_fails(&telemetry, &endpoint, |error| error == expected);
            assert!(receiver.received().is_empty() && receiver.connections() == 0);
        }
    }
}

#[test]
fn self_signed_authority_is_accepted_when_a_configured_file_contains_it() {
    let (server, other) = (Authority::for_names(LOCAL), Authority::new("other"));
    let files = Files::new();
    let single = files.write("alone.pem", server.pem());
    let bundle = files.write("bundle.pem", format!("{}{}", other.pem(), server.pem()));
    for protocol in Protocol::all() {
        for (host, versions, trust) in [
            ("localhost", ALL_VERSIONS, (CA, &single)),
            ("localhost", ONLY_1_2, (CA, &single)),
            ("127.0.0.1", ALL_VERSIONS, (CA, &bundle)),
            ("localhost", ALL_VERSIONS, ("NODE_EXTRA_CA_CERTS", &bundle)),
        ] {
            // The certificate itself, and a certificate that it signed.
            for issued in [server.self_issued(), server.local()] {
                let receiver = protocol.receiver();
                let behavior = Behavior {
                    versions,
                    ..behavior(protocol, issued)
                };
                let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
                let endpoint = format!("https://{host}:{}", tls_server.port());
                let telemetry = start(protocol, &endpoint, &[(trust.0, trust.1)]);
                assert_delivers(&telemetry, &receiver);
            }
        }
    }
}

#[test]
fn self_signed_authority_is_rejected_for_another_name() {
    let server = Authority::for_names(&["a.example"]);
    let files = Files::new();
    let ca = files.write("ca.pem", server.pem());
    let expected = "the certificate of it is for other names: a.example";
    assert_refused(&server.self_issued(), &ca, expected);
    let nameless = Authority::for_names(&[]);
    let ca = files.write("nameless.pem", nameless.pem());
    let expected = "the certificate of it is for no name at all: it needs a subjectAltName";
    assert_refused(&nameless.self_issued(), &ca, expected);
}

#[test]
fn self_signed_authority_is_rejected_outside_its_validity() {
    let files = Files::new();
    let expired = Authority::expired_for_names(LOCAL);
    let ca = files.write("expired.pem", expired.pem());
    let expected = "the certificate of it has expired";
    assert_refused(&expired.self_issued(), &ca, expected);
    let early = Authority::not_yet_valid_for_names(LOCAL);
    let ca = files.write("early.pem", early.pem());
    let expected = "the certificate of it is not valid yet: is the clock right?";
    assert_refused(&early.self_issued(), &ca, expected);
}

#[test]
fn self_signed_authority_is_rejected_if_the_file_has_another_certificate_of_its_key() {
    let server = Authority::for_names(LOCAL);
    let files = Files::new();
    let ca = files.write("ca.pem", server.pem());
    assert_refused(&server.renewed_self_issued(), &ca, NOT_IN_FILE);
}

#[test]
fn intermediate_authority_is_rejected_as_a_server_certificate() {
    let root = Authority::new("root");
    let files = Files::new();
    let ca = files.write("ca.pem", root.pem());
    assert_refused(&root.issue_authority(LOCAL), &ca, NOT_IN_FILE);
}

#[test]
fn self_signed_authority_is_rejected_without_proof_of_its_key() {
    let (server, other) = (Authority::for_names(LOCAL), Authority::for_names(LOCAL));
    let files = Files::new();
    let ca = files.write("ca.pem", server.pem());
    let stolen = Issued {
        certificate: server.self_issued().certificate,
        key: other.self_issued().key,
    };
    let expected = "the certificate of it is not accepted: a signature does not match its key";
    assert_refused(&stolen, &ca, expected);
}

#[test]
fn self_signed_authority_is_accepted_after_it_was_added_to_the_file() {
    let server = Authority::for_names(LOCAL);
    let files = Files::new();
    for protocol in Protocol::all() {
        let ca = files.write("ca.pem", server.pem());
        let receiver = protocol.receiver();
        let renewed = server.renewed_self_issued();
        let tls_server =
            TlsServer::in_front_of(receiver.port(), &behavior(protocol, renewed.clone()));
        let endpoint = tls_server.endpoint();
        let telemetry = start(protocol, &endpoint, &[(CA, &ca)]);
        assert_fails(&telemetry, &endpoint, |error| error == NOT_IN_FILE);
        files.write("ca.pem", renewed.certificate);
        assert_delivers(&telemetry, &receiver);
    }
}
