//! TLS and mTLS of the OTLP exporters with real servers. Only the configured trust applies; everything else fails
//! closed, with a message that says how to correct it.
#![cfg(all(feature = "grpc", feature = "http"))]

mod self_signed;
mod version_1;

use crate::events_host;
use crate::events_host::{LONG, Variable, assert_flushes, configuration, events, record, start};
use crate::host::Protocol;
use crate::support;
use crate::support::Receiver;
use crate::support::tls::{
    ALL_VERSIONS, Authority, Behavior, Files, Handshake, Issued, ONLY_1_2, TlsServer,
};
use claude_code_telemetry::{ExporterState, Service, Telemetry};

const CA: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";

fn behavior(protocol: Protocol, issued: Issued) -> Behavior {
    Behavior::new(issued, protocol == Protocol::Grpc)
}

/// Starts a receiver, and a TLS server with this certificate in front of it.
fn secure_receiver(protocol: Protocol, issued: Issued) -> (Receiver, TlsServer) {
    let receiver = protocol.receiver();
    let tls_server = TlsServer::in_front_of(receiver.port(), &behavior(protocol, issued));
    (receiver, tls_server)
}

/// Records a prompt, and asserts that its event arrives.
fn assert_delivers(telemetry: &Telemetry, receiver: &Receiver) {
    assert_flushes(telemetry);
    let received = receiver.received();
    let logs = received.accepted().logs();
    assert!(
        logs.iter()
            .any(|log| log.attributes["event.name"] == "user_prompt"),
        "{received:#?}"
    );
    receiver.clear();
}

/// Asserts that the delivery fails with an error that satisfies `expected`, with the endpoint replaced by `it`.
#[track_caller]
fn assert_fails(telemetry: &Telemetry, endpoint: &str, expected: impl Fn(&str) -> bool) {
    let (_, name) = endpoint.split_once("://").unwrap();
    events_host::assert_fails(telemetry, |error| expected(&error.replace(name, "it")));
}

#[test]
fn certificate_of_the_configured_authority_is_accepted() {
    let authority = Authority::new("ours");
    let files = Files::new();
    let ca = files.write("ca.pem", authority.pem());
    for protocol in Protocol::all() {
        for (host, versions) in [
            ("localhost", ALL_VERSIONS),
            ("127.0.0.1", ALL_VERSIONS),
            ("localhost", ONLY_1_2),
        ] {
            let receiver = protocol.receiver();
            let behavior = Behavior {
                versions,
                ..behavior(protocol, authority.local())
            };
            let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
            let endpoint = format!("https://{host}:{}", tls_server.port());
            let all = [
                (CA, ca.as_str()),
                ("OTEL_METRICS_EXPORTER", "otlp"),
                ("OTEL_TRACES_EXPORTER", "otlp"),
                ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
            ];
            let telemetry = start(protocol, &endpoint, &all);
            record(&telemetry);
            assert!(telemetry.flush_within(LONG).is_complete(), "{protocol:?}");
            let received = receiver.received().accepted();
            assert!(!received.logs().is_empty() && !received.points().is_empty());
            assert!(!received.spans().is_empty());
            let requests = received.requests.iter();
            for request in requests.filter(|_| protocol != Protocol::Grpc) {
                let name = format!("{host}:{}", tls_server.port());
                assert_eq!(request.headers["host"], name);
            }
            let expected = Handshake {
                protocol: behavior.protocol.to_vec(),
                client_certificate: false,
            };
            // There is one connection for each signal.
            assert_eq!(tls_server.handshakes(), vec![expected; 3], "{protocol:?}");
        }
    }
    // The exporters leave the default crypto provider of the process to the host.
    let default = tokio_rustls::rustls::crypto::CryptoProvider::get_default();
    assert!(default.is_none());
}

#[test]
fn configured_self_signed_certificate_is_accepted() {
    let issued = support::tls::self_signed(&["localhost"]);
    let files = Files::new();
    let ca = files.write("ca.pem", &issued.certificate);
    for protocol in Protocol::all() {
        let (receiver, tls_server) = secure_receiver(protocol, issued.clone());
        let endpoint = tls_server.endpoint();
        assert_delivers(&start(protocol, &endpoint, &[(CA, &ca)]), &receiver);
    }
}

#[test]
fn configured_client_certificate_is_presented() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let files = Files::new();
    let client = clients.issue(&["agent"]);
    let ca = files.write("ca.pem", authority.pem());
    let certificate = files.write("client.pem", &client.certificate);
    let key = files.write("client.key", &client.key);
    for protocol in Protocol::all() {
        for (names, versions) in [
            ([CERTIFICATE, KEY], ALL_VERSIONS),
            ([CERTIFICATE, KEY], ONLY_1_2),
            (
                ["CLAUDE_CODE_CLIENT_CERT", "CLAUDE_CODE_CLIENT_KEY"],
                ALL_VERSIONS,
            ),
        ] {
            let receiver = protocol.receiver();
            let behavior = Behavior {
                clients: Some(clients.pem().to_owned()),
                versions,
                ..behavior(protocol, authority.local())
            };
            let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
            let endpoint = tls_server.endpoint();
            let identity = [
                (CA, ca.as_str()),
                (names[0], certificate.as_str()),
                (names[1], key.as_str()),
            ];
            assert_delivers(&start(protocol, &endpoint, &identity), &receiver);
            assert!(tls_server.handshakes()[0].client_certificate);
        }
    }
}

#[test]
fn error_explains_a_missing_or_foreign_client_certificate() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let files = Files::new();
    let ca = files.write("ca.pem", authority.pem());
    let foreign = authority.issue(&["agent"]);
    let certificate = files.write("client.pem", &foreign.certificate);
    let key = files.write("client.key", &foreign.key);
    for protocol in Protocol::all() {
        for versions in [ALL_VERSIONS, ONLY_1_2] {
            let receiver = protocol.receiver();
            let behavior = Behavior {
                clients: Some(clients.pem().to_owned()),
                versions,
                ..behavior(protocol, authority.local())
            };
            let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
            let endpoint = tls_server.endpoint();
            let wanted = "it wants a client certificate: set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY";
            let telemetry = start(protocol, &endpoint, &[(CA, &ca)]);
            assert_fails(&telemetry, &endpoint, |message| message == wanted);
            let identity = [
                (CA, ca.as_str()),
                (CERTIFICATE, certificate.as_str()),
                (KEY, key.as_str()),
            ];
            // The receiver's reason may be lost if it closes the connection immediately.
            let wanted = "accept the client certificate of OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
            let telemetry = start(protocol, &endpoint, &identity);
            assert_fails(&telemetry, &endpoint, |message| message.contains(wanted));
            assert!(receiver.received().is_empty());
        }
    }
}

#[test]
fn invalid_server_certificates_are_rejected_with_the_reason() {
    let (authority, other) = (Authority::new("ours"), Authority::new("other"));
    let files = Files::new();
    let ca = files.write("ca.pem", authority.pem());
    let unknown_to_file = "the certificate of it is not signed by a known authority: the file of OTEL_EXPORTER_OTLP_CERTIFICATE does not hold its authority";
    let unknown = "the certificate of it is not signed by a known authority: set OTEL_EXPORTER_OTLP_CERTIFICATE";
    let local = || authority.local();
    let of_the_file = [(CA, ca.as_str())];
    let cases: [(Issued, &[Variable<'_>], &str); 8] = [
        (
            Authority::for_names(&["localhost"]).self_issued(),
            &of_the_file,
            "the certificate of it is marked as an authority's (CA:TRUE) and is not in the file of OTEL_EXPORTER_OTLP_CERTIFICATE: add it there, or use one without the mark",
        ),
        (
            authority.issue_too_early(&["localhost"]),
            &of_the_file,
            "the certificate of it is not valid yet: is the clock right?",
        ),
        (other.local(), &of_the_file, unknown_to_file),
        (
            authority.issue(&["a.example", "*.b.example", "10.0.0.1"]),
            &of_the_file,
            "the certificate of it is for other names: a.example, *.b.example, 10.0.0.1",
        ),
        (
            authority.issue_expired(&["localhost"]),
            &of_the_file,
            "the certificate of it has expired",
        ),
        (local(), &[], unknown),
        (
            authority.issue(&[]),
            &of_the_file,
            "the certificate of it is for no name at all: it needs a subjectAltName",
        ),
        // The authorities of the platform are trusted in addition to these.
        (
            other.local(),
            &[("NODE_EXTRA_CA_CERTS", ca.as_str())],
            "the certificate of it is not signed by a known authority: the file of NODE_EXTRA_CA_CERTS does not hold its authority",
        ),
    ];
    for protocol in Protocol::all() {
        for (issued, variables, expected) in &cases {
            // If the platform has no authorities, the exporter is off.
            if variables.is_empty() && rustls_native_certs::load_native_certs().certs.is_empty() {
                continue;
            }
            let (receiver, tls_server) = secure_receiver(protocol, issued.clone());
            let endpoint = tls_server.endpoint();
            let telemetry = start(protocol, &endpoint, variables);
            assert_fails(&telemetry, &endpoint, |message| message == *expected);
            assert!(receiver.received().is_empty() && receiver.connections() == 0);
        }
    }
}

#[test]
fn node_extra_ca_certs_is_trusted_unless_an_otlp_authority_is_set() {
    let (authority, other) = (Authority::new("ours"), Authority::new("other"));
    let files = Files::new();
    let ca = files.write("ca.pem", authority.pem());
    let wrong = files.write("wrong.pem", other.pem());
    for protocol in Protocol::all() {
        let (receiver, tls_server) = secure_receiver(protocol, authority.local());
        let endpoint = tls_server.endpoint();
        let extra = ("NODE_EXTRA_CA_CERTS", ca.as_str());
        assert_delivers(&start(protocol, &endpoint, &[extra]), &receiver);
        let telemetry = start(protocol, &endpoint, &[extra, (CA, &wrong)]);
        assert_fails(&telemetry, &endpoint, |message| {
            message.contains("not signed by a known authority")
        });
    }
}

#[test]
fn error_explains_a_server_without_tls_at_an_https_endpoint() {
    let authority = Authority::new("ours");
    let files = Files::new();
    let ca = files.write("ca.pem", authority.pem());
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let endpoint = format!("https://127.0.0.1:{}", receiver.port());
        let telemetry = start(protocol, &endpoint, &[(CA, &ca)]);
        assert_fails(&telemetry, &endpoint, |message| {
            message.ends_with("is it an http:// endpoint?")
        });
        assert!(receiver.received().is_empty());
    }
}

#[test]
fn error_explains_a_tls_server_at_an_http_endpoint() {
    let authority = Authority::new("ours");
    for protocol in Protocol::all() {
        let (receiver, tls_server) = secure_receiver(protocol, authority.local());
        let endpoint = format!("http://127.0.0.1:{}", tls_server.port());
        let telemetry = start(protocol, &endpoint, &[]);
        // The error depends on whether the alert or the end of the connection is noticed first.
        assert_fails(&telemetry, &endpoint, |message| {
            message.ends_with("https:// endpoint?") || message.ends_with("without TLS?")
        });
        assert!(receiver.received().is_empty());
    }
}

#[test]
fn error_explains_another_protocol_over_tls() {
    let authority = Authority::new("ours");
    let files = Files::new();
    let ca = files.write("ca.pem", authority.pem());
    for (ours, theirs, expected) in [
        (
            Protocol::Grpc,
            Protocol::HttpJson,
            "it does not speak HTTP/2 over TLS",
        ),
        (
            Protocol::HttpJson,
            Protocol::Grpc,
            "it does not speak HTTP/1.1 over TLS: is it an OTLP/gRPC endpoint?",
        ),
    ] {
        let (_receiver, tls_server) = secure_receiver(theirs, authority.local());
        let endpoint = tls_server.endpoint();
        let telemetry = start(ours, &endpoint, &[(CA, &ca)]);
        assert_fails(&telemetry, &endpoint, |message| message == expected);
    }
}

#[test]
fn tls_handshake_ends_at_the_deadline() {
    let authority = Authority::new("ours");
    let files = Files::new();
    let ca = files.write("ca.pem", authority.pem());
    for protocol in Protocol::all() {
        let hole = support::black_hole();
        let endpoint = hole.endpoint().replace("http:", "https:");
        let timeout = [(CA, ca.as_str()), ("OTEL_EXPORTER_OTLP_TIMEOUT", "300")];
        let telemetry = start(protocol, &endpoint, &timeout);
        assert_fails(&telemetry, &endpoint, |message| {
            message == "no answer from it within 300 ms"
        });
    }
}

#[test]
fn unusable_files_turn_off_only_their_exporter() {
    let authority = Authority::new("ours");
    let files = Files::new();
    let one = authority.issue(&["agent"]);
    let two = authority.issue(&["agent"]);
    let certificate = files.write("one.pem", &one.certificate);
    let key = files.write("one.key", &one.key);
    let other_key = files.write("two.key", &two.key);
    let garbage = files.write("garbage.pem", "CANARY");
    let no_certificate = files.write(
        "no-certificate.pem",
        "-----BEGIN CERTIFICATE-----\nQ0FOQVJZ\n-----END CERTIFICATE-----\n",
    );
    let broken = files.write("broken.pem", "-----BEGIN CERTIFICATE-----\nCANARY");
    let encrypted = files.write(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nQ0FOQVJZ\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let old_encrypted = files.write(
        "old.key",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nQ0FOQVJZ\n-----END RSA PRIVATE KEY-----\n",
    );
    let odd_key = files.write(
        "odd.key",
        "-----BEGIN PRIVATE KEY-----\nQ0FOQVJZ\n-----END PRIVATE KEY-----\n",
    );
    let missing = files.path("missing.pem").to_str().unwrap().to_owned();
    let folder = files.path("").to_str().unwrap().to_owned();
    let reason = std::fs::read(&missing).unwrap_err();
    let unreadable =
        format!("the file cannot be read ({reason}); correct the path or the permissions");
    let not_pem = "the file is not in PEM format, because no line begins with -----BEGIN; write the path of a PEM file with -----BEGIN CERTIFICATE-----";
    let damaged = "the certificate in the file cannot be read, because it is incomplete or damaged; write the file again";
    let only_a_key = "the file holds a private key, and no certificate; write the path of a PEM file with -----BEGIN CERTIFICATE-----";
    let der_certificate = "the file is in DER format, and PEM is needed; convert it with `openssl x509 -inform DER -in FILE -out COPY` and write the path of the copy";
    let pkcs12 = "the file is a PKCS#12 store, and PEM is needed; convert it with `openssl pkcs12 -nodes -in FILE -out COPY` and write the path of the copy";
    let der = files.write("one.der", one.der());
    let der_key = files.write("one-key.der", one.key_der());
    // The version and the first bytes of a PKCS#12 store.
    let store = files.write("one.p12", b"\x30\x82\x09\x00\x02\x01\x03\x30\x82CANARY");
    let empty = files.write("empty.pem", "");
    let request = files.write(
        "request.pem",
        "-----BEGIN CERTIFICATE REQUEST-----\nQ0FOQVJZ\n-----END CERTIFICATE REQUEST-----\n",
    );
    let unknown = files.write(
        "unknown.pem",
        "-----BEGIN CANARY-----\nQ0FOQVJZ\n-----END CANARY-----\n",
    );
    let broken_key = files.write("broken.key", "-----BEGIN PRIVATE KEY-----\nCANARY");
    let encrypted_words = "the key is encrypted, and telemetry cannot ask for its password; write a decrypted copy with `openssl pkey -in KEY -out COPY` and name that";
    let both = |certificate: &str, key: &str| {
        vec![(CERTIFICATE, certificate.to_owned()), (KEY, key.to_owned())]
    };
    // Variables, the variable that the warning is about, and the problem that it states.
    type Case<'a> = (Vec<(&'a str, String)>, &'a str, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (vec![(CA, missing)], CA, &unreadable),
        (
            vec![(CA, folder)],
            CA,
            "the file cannot be read (not a regular file); correct the path or the permissions",
        ),
        (
            vec![(CA, "-----BEGIN CANARY".to_owned())],
            CA,
            "it holds PEM itself; write the path of a file that holds it",
        ),
        (vec![(CA, garbage.clone())], CA, not_pem),
        (vec![(CA, empty)], CA, not_pem),
        (vec![(CA, broken)], CA, damaged),
        (vec![(CA, no_certificate.clone())], CA, damaged),
        (vec![(CA, key.clone())], CA, only_a_key),
        (
            vec![(CA, request)],
            CA,
            "the file holds a certificate request, and no certificate; write the path of a PEM file with -----BEGIN CERTIFICATE-----",
        ),
        (
            vec![(CA, unknown)],
            CA,
            "the file holds PEM of another kind, and no certificate; write the path of a PEM file with -----BEGIN CERTIFICATE-----",
        ),
        (vec![(CA, der.clone())], CA, der_certificate),
        (both(&der, &key), CERTIFICATE, der_certificate),
        (
            both(&certificate, &der_key),
            KEY,
            "the file is in DER format, and PEM is needed; convert it with `openssl pkey -inform DER -in FILE -out COPY` and write the path of the copy",
        ),
        (both(&store, &store), CERTIFICATE, pkcs12),
        (both(&certificate, &store), KEY, pkcs12),
        (
            both(&certificate, &certificate),
            KEY,
            "the file holds a certificate, and no private key; write the path of a PEM file with -----BEGIN PRIVATE KEY-----",
        ),
        (
            both(&certificate, &broken_key),
            KEY,
            "the private key in the file cannot be read, because it is incomplete or damaged; write the file again",
        ),
        (
            vec![(CERTIFICATE, certificate.clone())],
            CERTIFICATE,
            "a certificate without its key; set OTEL_EXPORTER_OTLP_CLIENT_KEY too",
        ),
        (
            vec![(KEY, key.clone())],
            KEY,
            "a key without its certificate; set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE too",
        ),
        (
            vec![("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", key.clone())],
            "OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY",
            "a key without its certificate; set OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE too",
        ),
        (
            vec![("CLAUDE_CODE_CLIENT_CERT", certificate.clone())],
            "CLAUDE_CODE_CLIENT_CERT",
            "a certificate without its key; set CLAUDE_CODE_CLIENT_KEY too",
        ),
        (both(&key, &key), CERTIFICATE, only_a_key),
        (both(&garbage, &key), CERTIFICATE, not_pem),
        (both(&no_certificate, &key), CERTIFICATE, damaged),
        (
            both(&certificate, &garbage),
            KEY,
            "the file is not in PEM format, because no line begins with -----BEGIN; write the path of a PEM file with -----BEGIN PRIVATE KEY-----",
        ),
        (both(&certificate, &encrypted), KEY, encrypted_words),
        (both(&certificate, &old_encrypted), KEY, encrypted_words),
        (
            both(&certificate, &odd_key),
            KEY,
            "the key is of an unsupported kind; use RSA, ECDSA with P-256 or P-384, or Ed25519",
        ),
        (
            both(&certificate, &other_key),
            KEY,
            "the key does not belong to the certificate of OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE; set the two together",
        ),
    ];
    for protocol in Protocol::all() {
        for (set, variable, problem) in &cases {
            let receiver = Receiver::http();
            let more: Vec<_> = set
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .chain([
                    ("OTEL_METRICS_EXPORTER", "otlp"),
                    ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"),
                    (
                        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                        &receiver.url("/v1/metrics"),
                    ),
                ])
                .map(|(name, value)| (name, value.to_owned()))
                .collect();
            let more: Vec<_> = more.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let config = configuration(protocol, "https://localhost:1", &more);
            assert!(!format!("{config:?} {}", config.explain()).contains("CANARY"));
            let words = format!("the exporter that uses it is off: {problem}");
            let warnings = config.warnings().iter();
            let warning = warnings
                .filter(|warning| warning.variable() == Some(variable))
                .map(ToString::to_string)
                .find(|text| text.ends_with(&words))
                .unwrap_or_else(|| panic!("{words}: {:?}", config.warnings()));
            let telemetry = Telemetry::start(config, Service::new("claude-code", "1.2.3"));
            let logs = events(&telemetry);
            assert_eq!(logs.state, ExporterState::Off);
            assert_eq!(logs.last_error.unwrap().message, warning);
            // Metrics go to an http:// endpoint, for which the files are not used.
            record(&telemetry);
            telemetry.flush_within(LONG);
            assert!(!receiver.received().accepted().points().is_empty());
        }
    }
}

#[test]
fn unusable_additional_authorities_are_reported_and_ignored() {
    let authority = Authority::new("ours");
    let files = Files::new();
    let missing = files.path("missing.pem");
    let config = configuration(
        Protocol::Grpc,
        "https://localhost:1",
        &[("NODE_EXTRA_CA_CERTS", missing.to_str().unwrap())],
    );
    let [warning] = config.warnings() else {
        panic!("{:?}", config.warnings());
    };
    assert_eq!(warning.variable(), Some("NODE_EXTRA_CA_CERTS"));
    assert!(
        warning
            .to_string()
            .contains("ignored: the file cannot be read")
    );
    // The file is used once it exists.
    for protocol in Protocol::all() {
        let (receiver, tls_server) = secure_receiver(protocol, authority.local());
        let endpoint = tls_server.endpoint();
        let extra = files.path(&protocol.name().replace('/', "-"));
        let variables = [("NODE_EXTRA_CA_CERTS", extra.to_str().unwrap())];
        let config = configuration(protocol, &endpoint, &variables);
        let telemetry = Telemetry::start(config, Service::new("claude-code", "1.2.3"));
        std::fs::write(&extra, authority.pem()).unwrap();
        // On a platform without authorities, the first attempt turns the exporter off.
        telemetry.flush_within(LONG);
        if events(&telemetry).state != ExporterState::Off {
            assert_delivers(&telemetry, &receiver);
        }
    }
}

#[test]
fn telemetry_certificates_without_tls_are_reported() {
    let config = configuration(
        Protocol::Grpc,
        "http://localhost:1",
        &[
            (CA, "/nonexistent"),
            ("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/nonexistent"),
            (
                "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
                "/nonexistent",
            ),
            ("NODE_EXTRA_CA_CERTS", "/nonexistent"),
            ("CLAUDE_CODE_CLIENT_CERT", "/nonexistent"),
        ],
    );
    let warnings: Vec<_> = config.warnings().iter().map(ToString::to_string).collect();
    // `NODE_EXTRA_CA_CERTS` and `CLAUDE_CODE_CLIENT_CERT` also apply to connections of the host, and no exporter of
    // metrics is configured, so that these three variables cause no warning.
    let words = "/nonexistent (environment): has no effect where the endpoint is http://; write https:// there to use TLS";
    assert_eq!(
        warnings,
        [
            format!("{CA}={words}"),
            format!("OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY={words}")
        ]
    );
}

#[test]
fn signal_specific_certificates_apply_to_that_signal() {
    let (general, special) = (Authority::new("general"), Authority::new("special"));
    let (clients, others) = (Authority::new("clients"), Authority::new("others"));
    let files = Files::new();
    let (client, other) = (clients.issue(&["agent"]), others.issue(&["agent"]));
    let set = [
        (CA.to_owned(), files.write("general.pem", general.pem())),
        (
            CERTIFICATE.to_owned(),
            files.write("client.pem", &client.certificate),
        ),
        (KEY.to_owned(), files.write("client.key", &client.key)),
        (
            CA.replace("OTLP_", "OTLP_LOGS_"),
            files.write("special.pem", special.pem()),
        ),
        (
            CERTIFICATE.replace("OTLP_", "OTLP_LOGS_"),
            files.write("other.pem", &other.certificate),
        ),
        (
            KEY.replace("OTLP_", "OTLP_LOGS_"),
            files.write("other.key", &other.key),
        ),
    ];
    for protocol in Protocol::all() {
        let receivers = [protocol.receiver(), protocol.receiver()];
        let behaviors =
            [(&general, &clients), (&special, &others)].map(|(server, clients)| Behavior {
                clients: Some(clients.pem().to_owned()),
                ..behavior(protocol, server.local())
            });
        let tls_servers = [
            TlsServer::in_front_of(receivers[0].port(), &behaviors[0]),
            TlsServer::in_front_of(receivers[1].port(), &behaviors[1]),
        ];
        let of_logs = format!("https://localhost:{}/v1/logs", tls_servers[1].port());
        let of_logs = match protocol {
            Protocol::Grpc => of_logs.trim_end_matches("/v1/logs"),
            _ => &of_logs,
        };
        let mut more: Vec<_> = set
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        more.extend([
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", of_logs),
        ]);
        let endpoint = format!("https://localhost:{}", tls_servers[0].port());
        let telemetry = start(protocol, &endpoint, &more);
        record(&telemetry);
        assert!(telemetry.flush_within(LONG).is_complete(), "{protocol:?}");
        let received = receivers.map(|receiver| receiver.received().accepted());
        assert!(!received[0].points().is_empty() && received[0].logs().is_empty());
        assert!(!received[1].logs().is_empty() && received[1].points().is_empty());
    }
}

#[test]
fn renewed_files_are_used_after_a_failure() {
    for protocol in Protocol::all() {
        let authorities = [Authority::new("first"), Authority::new("second")];
        let clients = [Authority::new("clients"), Authority::new("new clients")];
        let files = Files::new();
        let write = |generation: usize| {
            let client = clients[generation].issue(&["agent"]);
            [
                files.write("ca.pem", authorities[generation].pem()),
                files.write("client.pem", &client.certificate),
                files.write("client.key", &client.key),
            ]
        };
        let behaviors = [0, 1].map(|generation: usize| Behavior {
            clients: Some(clients[generation].pem().to_owned()),
            ..behavior(protocol, authorities[generation].local())
        });
        let [ca, certificate, key] = write(0);
        let mut receiver = protocol.receiver();
        let tls_server = TlsServer::in_front_of(receiver.port(), &behaviors[0]);
        let endpoint = tls_server.endpoint();
        let variables = [
            (CA, ca.as_str()),
            (CERTIFICATE, certificate.as_str()),
            (KEY, key.as_str()),
        ];
        let telemetry = start(protocol, &endpoint, &variables);
        assert_delivers(&telemetry, &receiver);

        // First, the receiver gets new certificates.
        tls_server.change(&behaviors[1]);
        receiver.restart();
        assert_fails(&telemetry, &endpoint, |message| {
            message.contains("not signed by a known authority")
        });

        // Only the key is renewed. This has no effect, but it is reported.
        files.write("client.key", &clients[1].issue(&["agent"]).key);
        assert_fails(&telemetry, &endpoint, |message| {
            message.contains(". Read again: OTEL_EXPORTER_OTLP_CLIENT_KEY=")
                && message.contains("does not belong to the certificate")
        });

        write(1);
        assert_delivers(&telemetry, &receiver);
        let health = events(&telemetry);
        assert_eq!(health.state, ExporterState::Working);
        assert_eq!(health.dropped.total(), 0);
    }
}
