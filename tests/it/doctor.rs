//! The diagnoses of working and failing receivers, compared with the snapshots in `tests/snapshots/doctor`.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test it doctor` updates the snapshots. Review the difference before committing
//! it.
#![cfg(all(feature = "grpc", feature = "http", feature = "console"))]

use std::path::Path;
use std::time::{Duration, Instant};

use crate::host::Protocol;
use crate::support::tls::{Authority, Behavior, Files, TlsServer, version_1};
use crate::support::{Answer, Receiver, black_hole, refused_port};
use crate::{example, host, support};
use claude_code_telemetry::{
    Config, Diagnosis, Exporter, SettingsFiles, Signal, SkillActivated, Telemetry,
};
use tonic::Code;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

/// A timeout that exceeds the duration of every response.
const PATIENT: (&str, &str) = ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");

type Variables<'a> = Vec<(&'a str, &'a str)>;

/// Returns variables that export only events, to an endpoint.
fn events<'a>(
    protocol: Protocol,
    endpoint: &'a str,
    extra: &[(&'a str, &'a str)],
) -> Variables<'a> {
    let base = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_LOGS_EXPORTER", "otlp"),
        (PROTOCOL, protocol.name()),
        (ENDPOINT, endpoint),
        PATIENT,
    ];
    base.iter().chain(extra).copied().collect()
}

fn config(variables: &[(&str, &str)]) -> Config {
    Config::builder()
        .environment(variables.iter().copied())
        .build()
}

fn diagnose(variables: &[(&str, &str)]) -> Diagnosis {
    config(variables).diagnose()
}

/// Returns all messages that a host may display about a configuration whose receiver rejects events: explanation,
/// diagnosis, last error, report and diagnostics.
fn all_messages(variables: &[(&str, &str)]) -> Vec<String> {
    let config = config(variables);
    let mut messages = vec![config.explain().to_string(), config.diagnose().to_string()];
    let builder = Telemetry::builder(config, host::service());
    let (telemetry, diagnostics) = host::start_with_diagnostics(builder);
    let session = telemetry.session(host::session("s-1"));
    session.record_skill_activated(SkillActivated::new("skill", "bundled"));
    let started = Instant::now();
    let error = loop {
        telemetry.flush_within(Duration::from_millis(100));
        let health = host::otlp(&telemetry.health(), Signal::Logs);
        if let Some(error) = health.last_error {
            break error;
        }
        assert!(started.elapsed() < host::PATIENCE, "{health:?}");
    };
    messages.push(error.message);
    messages.push(
        telemetry
            .shutdown_within(Duration::from_millis(100))
            .to_string(),
    );
    drop((session, telemetry));
    messages.extend(diagnostics.all());
    messages
}

/// Starts a receiver that rejects every request with this message.
fn refusing(protocol: Protocol, words: &'static str) -> Receiver {
    let receiver = protocol.receiver();
    receiver.answer(move |_| match protocol {
        Protocol::Grpc => Answer::code(Code::Unauthenticated, words),
        _ => Answer::status(401).body("text/plain", words),
    });
    receiver
}

/// Compares a diagnosis with its snapshot, after removing the parts that differ between runs.
#[track_caller]
fn assert_snapshot(name: &str, diagnosis: &Diagnosis, hidden: &[(String, &str)]) {
    let mut text = diagnosis.to_string();
    for (what, replacement) in hidden {
        text = text.replace(what, replacement);
    }
    let lines: Vec<_> = text.lines().map(without_variable_parts).collect();
    let text = lines.join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/doctor");
    let path = path.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected.replace("\r\n", "\n"), "{name}");
}

/// Returns a line without durations and without messages that depend on the operating system.
fn without_variable_parts(line: &str) -> String {
    if let Some((before, after)) = line.split_once(", after ")
        && after.ends_with(" ms")
    {
        return format!("{before}, after TIME");
    }
    if let Some((before, after)) = line.split_once(" within ")
        && after.ends_with(" ms")
    {
        return format!("{before} within TIME");
    }
    // The connection may close before the reason has been read, so the message varies.
    let is_problem = line.starts_with("  problem");
    if is_problem && line.contains("client certificate of OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE") {
        return "  problem   CLIENT CERTIFICATE NOT ACCEPTED".to_owned();
    }
    if is_problem && line.contains(": is it an ") {
        return "  problem   NOT WHAT WAS EXPECTED".to_owned();
    }
    match line.split_once(".invalid:4318: ") {
        Some((before, _)) => format!("{before}.invalid:4318: REASON"),
        None => line.to_owned(),
    }
}

/// Returns the port of an endpoint, and the text that replaces it in a snapshot.
fn port(endpoint: &str) -> (String, &'static str) {
    let port = endpoint.rsplit(':').next().unwrap();
    (format!(":{port}"), ":PORT")
}

/// Returns the name of a protocol in the form that file names use.
fn file(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "grpc",
        Protocol::HttpProtobuf => "http-protobuf",
        Protocol::HttpJson => "http-json",
    }
}

/// Two protocols are enough where the encoding does not matter.
const GRPC_AND_HTTP: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

#[test]
fn working_receiver_is_healthy_and_gets_no_data() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let endpoint = receiver.endpoint();
        let all = [
            ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
            ("OTEL_METRICS_EXPORTER", "otlp,console"),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer CANARY"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ];
        let diagnosis = diagnose(&events(protocol, &endpoint, &all));
        assert!(diagnosis.is_healthy());
        assert_snapshot(
            &format!("works-{}", file(protocol)),
            &diagnosis,
            &[port(&endpoint)],
        );
        assert!(!format!("{diagnosis} {diagnosis:?}").contains("CANARY"));
        let received = receiver.received();
        assert_eq!(received.len(), 3);
        for request in &received.requests {
            assert_eq!(request.headers["authorization"], "Bearer CANARY");
        }
        assert!(received.logs().is_empty() && received.points().is_empty());
    }
}

#[test]
fn refused_connection_is_diagnosed() {
    let refused = refused_port();
    for protocol in GRPC_AND_HTTP {
        let diagnosis = diagnose(&events(protocol, &refused.endpoint(), &[]));
        assert!(!diagnosis.is_healthy());
        let name = format!("refused-{}", file(protocol));
        assert_snapshot(&name, &diagnosis, &[port(&refused.endpoint())]);
    }
}

#[test]
fn silent_receiver_is_diagnosed_after_the_timeout() {
    let hole = black_hole();
    for protocol in GRPC_AND_HTTP {
        let endpoint = hole.endpoint();
        let variables = events(
            protocol,
            &endpoint,
            &[("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "900")],
        );
        let diagnosis = diagnose(&variables);
        let name = format!("black-hole-{}", file(protocol));
        assert_snapshot(&name, &diagnosis, &[port(&endpoint)]);
    }
}

/// A listener with a full backlog behaves like an unreachable host.
#[cfg(target_os = "linux")]
#[test]
fn unreachable_address_is_diagnosed_after_the_timeout() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500))
    {
        queue.push(stream);
        assert!(queue.len() < 100);
    }
    let endpoint = format!("http://{address}");
    let limit = [("OTEL_EXPORTER_OTLP_TIMEOUT", "900")];
    let diagnosis = diagnose(&events(Protocol::HttpProtobuf, &endpoint, &limit));
    assert_snapshot("unreachable", &diagnosis, &[port(&endpoint)]);
}

#[test]
fn diagnosis_ends_at_the_deadline_of_the_caller() {
    let hole = black_hole();
    let endpoint = hole.endpoint();
    let config = config(&events(Protocol::Grpc, &endpoint, &[]));
    let start = Instant::now();
    let diagnosis = config.diagnose_within(Duration::from_millis(200));
    assert!(!diagnosis.is_healthy());
    assert_eq!(diagnosis.probes.len(), 1);
    // The limit is far below the exporter's timeout of 60 s, and long enough for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn certificate_of_an_unknown_authority_is_diagnosed() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let files = Files::new();
    let ca = files.write("ca.pem", theirs.pem());
    for protocol in GRPC_AND_HTTP {
        let receiver = protocol.receiver();
        let tls_server = TlsServer::in_front_of(receiver.port(), &behavior(protocol, &ours));
        let endpoint = format!("https://127.0.0.1:{}", tls_server.port());
        for (name, extra) in [
            ("unknown", vec![("NODE_EXTRA_CA_CERTS", ca.as_str())]),
            (
                "other",
                vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str())],
            ),
        ] {
            let diagnosis = diagnose(&events(protocol, &endpoint, &extra));
            let name = format!("{name}-authority-{}", file(protocol));
            assert_snapshot(&name, &diagnosis, &[port(&endpoint)]);
        }
    }
}

#[test]
fn self_signed_authority_is_healthy_only_with_the_same_certificate() {
    let server = Authority::for_names(&["127.0.0.1"]);
    let files = Files::new();
    let this = files.write("this.pem", server.pem());
    let another = files.write("another.pem", server.renewed_self_issued().certificate);
    for protocol in GRPC_AND_HTTP {
        let receiver = protocol.receiver();
        let behavior = Behavior {
            issued: server.self_issued(),
            ..behavior(protocol, &server)
        };
        let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
        let endpoint = format!("https://127.0.0.1:{}", tls_server.port());
        for (name, ca) in [("this", &this), ("another", &another)] {
            let extra = [("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str())];
            let diagnosis = diagnose(&events(protocol, &endpoint, &extra));
            assert_eq!(diagnosis.is_healthy(), name == "this", "{diagnosis}");
            let name = format!("own-authority-{name}-{}", file(protocol));
            assert_snapshot(&name, &diagnosis, &[port(&endpoint)]);
        }
    }
}

#[test]
fn x509_version_1_certificate_is_diagnosed() {
    let files = Files::new();
    let ca = files.write("ca.pem", version_1().certificate);
    for protocol in GRPC_AND_HTTP {
        let receiver = protocol.receiver();
        let behavior = Behavior {
            issued: version_1(),
            ..behavior(protocol, &Authority::new("ours"))
        };
        let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
        let endpoint = format!("https://127.0.0.1:{}", tls_server.port());
        let extra = [("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str())];
        let diagnosis = diagnose(&events(protocol, &endpoint, &extra));
        assert!(!diagnosis.is_healthy());
        let name = format!("version-1-{}", file(protocol));
        assert_snapshot(&name, &diagnosis, &[port(&endpoint)]);
    }
}

#[test]
fn certificate_file_in_der_format_is_diagnosed() {
    let authority = Authority::new("ours");
    let files = Files::new();
    let client = authority.issue(&["agent"]);
    let (certificate, key) = (
        files.write("client.der", client.der()),
        files.write("client.key", &client.key),
    );
    let extra = [
        (
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            certificate.as_str(),
        ),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key),
    ];
    let variables = events(Protocol::Grpc, "https://127.0.0.1:1", &extra);
    let diagnosis = diagnose(&variables);
    assert!(!diagnosis.is_healthy());
    let folder = files.path("").display().to_string();
    assert_snapshot("client-certificate-der", &diagnosis, &[(folder, "FOLDER/")]);
}

/// Returns the behavior of a server whose certificate is of `authority`.
fn behavior(protocol: Protocol, authority: &Authority) -> Behavior {
    Behavior::new(authority.local(), protocol == Protocol::Grpc)
}

#[test]
fn client_authentication_is_healthy_only_with_an_accepted_certificate() {
    let (authority, other) = (Authority::new("ours"), Authority::new("other"));
    let files = Files::new();
    let ca = files.write("ca.pem", authority.pem());
    let write = |name: &str, issued: &support::tls::Issued| {
        let certificate = files.write(&format!("{name}.pem"), &issued.certificate);
        (
            certificate,
            files.write(&format!("{name}-key.pem"), &issued.key),
        )
    };
    let good = write("good", &authority.issue(&["agent"]));
    let bad = write("bad", &other.issue(&["agent"]));
    for protocol in GRPC_AND_HTTP {
        let receiver = protocol.receiver();
        let behavior = Behavior {
            clients: Some(authority.pem().to_owned()),
            ..behavior(protocol, &authority)
        };
        let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
        let endpoint = format!("https://127.0.0.1:{}", tls_server.port());
        for (name, identity) in [
            ("without", None),
            ("with-another", Some(&bad)),
            ("with", Some(&good)),
        ] {
            let mut extra = vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str())];
            if let Some((certificate, key)) = identity {
                extra.push(("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate));
                extra.push(("OTEL_EXPORTER_OTLP_CLIENT_KEY", key));
            }
            let diagnosis = diagnose(&events(protocol, &endpoint, &extra));
            assert_eq!(diagnosis.is_healthy(), name == "with", "{diagnosis}");
            let name = format!("client-certificate-{name}-{}", file(protocol));
            assert_snapshot(&name, &diagnosis, &[port(&endpoint)]);
        }
    }
}

#[test]
fn missing_and_wrong_credentials_are_diagnosed() {
    for protocol in GRPC_AND_HTTP {
        let receiver = protocol.receiver();
        receiver.answer(move |_| match protocol {
            Protocol::Grpc => Answer::code(Code::Unauthenticated, "who are you?"),
            _ => Answer::status(401),
        });
        let endpoint = receiver.endpoint();
        for (name, extra) in [
            ("none", None),
            (
                "wrong",
                Some((
                    "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
                    "authorization=Bearer CANARY",
                )),
            ),
        ] {
            let extra: Vec<_> = extra.into_iter().collect();
            let diagnosis = diagnose(&events(protocol, &endpoint, &extra));
            let name = format!("credentials-{name}-{}", file(protocol));
            assert_snapshot(&name, &diagnosis, &[port(&endpoint)]);
            assert!(!format!("{diagnosis} {diagnosis:?}").contains("CANARY"));
        }
    }
}

#[test]
fn credentials_repeated_by_a_receiver_are_hidden_in_every_encoding() {
    // The receiver repeats parts and encodings of the credentials admin:CANARY/secret, and of a key that still contains
    // a percent-encoded character after the variable was decoded (CANARY%26key).
    let message = "no admin with CANARY/secret or CANARY%2fsecret (admin:CANARY/secret, YWRtaW46Q0FOQVJZL3NlY3JldA, \
        YWRtaW46Q0FOQVJZL3NlY3JldA%3D%3D), key CANARY&key or CANARY%26key";
    for protocol in GRPC_AND_HTTP {
        let receiver = refusing(protocol, message);
        let endpoint = receiver
            .endpoint()
            .replace("//", "//admin:CANARY%2Fsecret@");
        let key = ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=CANARY%2526key");
        let messages = all_messages(&events(protocol, &endpoint, &[key]));
        for text in &messages {
            for secret in ["CANARY", "admin", "YWRtaW46"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
        let hidden = "no <hidden> with <hidden> or <hidden> (<hidden>, <hidden>, <hidden>), key <hidden> or <hidden>";
        // The diagnosis and the last error.
        for text in &messages[1..3] {
            assert!(text.contains(hidden), "{text}");
        }
    }
}

#[test]
fn messages_contain_no_control_characters() {
    let message = "no\u{9b}31m \u{202e}yaw\u{2069} \u{7f}\u{61c}here";
    for protocol in GRPC_AND_HTTP {
        let receiver = refusing(protocol, message);
        let endpoint = receiver.endpoint();
        let extra = [
            ("OTEL_METRICS_EXPORTER", "otlp,\u{9b}31mconsole\u{200f}"),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "https://localhost/\u{7f}\u{202d}",
            ),
            (
                "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
                "/nowhere/\u{2066}\u{9d}.pem",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json\u{85}"),
            ("OTEL_RESOURCE_ATTRIBUTES", "key\u{9b}=1,b=\u{202e}\u{7f}"),
            ("OTEL_SERVICE_NAME", "a\u{9b}b\u{202e}c"),
            ("OTEL_LOGS_EXPORTERS\u{202e}", "otlp"),
        ];
        let messages = all_messages(&events(protocol, &endpoint, &extra));
        for text in &messages {
            let control = text.chars().find(|&c| {
                let bidirectional = ('\u{202a}'..='\u{202e}').contains(&c)
                    || ('\u{2066}'..='\u{2069}').contains(&c)
                    || "\u{200e}\u{200f}\u{61c}".contains(c);
                (c.is_control() && c != '\n') || bidirectional
            });
            assert_eq!(control, None, "{text}");
        }
        // The last error.
        assert!(
            messages[2].ends_with(": no 31m yaw here"),
            "{}",
            messages[2]
        );
    }
}

#[test]
fn protocol_and_tls_mismatches_are_diagnosed() {
    let authority = Authority::new("ours");
    let files = Files::new();
    let ca = files.write("ca.pem", authority.pem());
    let trust = ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.as_str());
    let (grpc, http) = (Receiver::grpc(), Receiver::http());
    let secure = |protocol, receiver: &Receiver| {
        TlsServer::in_front_of(receiver.port(), &behavior(protocol, &authority))
    };
    let secure_grpc = secure(Protocol::Grpc, &grpc);
    let secure_http = secure(Protocol::HttpProtobuf, &http);
    let url = |scheme: &str, port: u16| format!("{scheme}://127.0.0.1:{port}");
    for (name, protocol, endpoint) in [
        (
            "http-to-grpc",
            Protocol::HttpProtobuf,
            url("http", grpc.port()),
        ),
        ("grpc-to-http", Protocol::Grpc, url("http", http.port())),
        (
            "http-to-grpc-tls",
            Protocol::HttpProtobuf,
            url("https", secure_grpc.port()),
        ),
        (
            "grpc-to-http-tls",
            Protocol::Grpc,
            url("https", secure_http.port()),
        ),
        (
            "https-to-http",
            Protocol::HttpProtobuf,
            url("https", http.port()),
        ),
        (
            "https-to-http-grpc",
            Protocol::Grpc,
            url("https", grpc.port()),
        ),
        (
            "http-to-https",
            Protocol::HttpProtobuf,
            url("http", secure_http.port()),
        ),
        (
            "http-to-https-grpc",
            Protocol::Grpc,
            url("http", secure_grpc.port()),
        ),
    ] {
        let variables = events(protocol, &endpoint, &[]);
        let variables = match endpoint.starts_with("https") {
            true => [variables, vec![trust]].concat(),
            false => variables,
        };
        let diagnosis = diagnose(&variables);
        assert!(!diagnosis.is_healthy());
        assert_snapshot(&format!("speaks-{name}"), &diagnosis, &[port(&endpoint)]);
    }
}

#[test]
fn unresolvable_host_is_diagnosed() {
    for protocol in GRPC_AND_HTTP {
        let diagnosis = diagnose(&events(protocol, "http://nowhere.invalid:4318", &[]));
        assert_snapshot(&format!("no-host-{}", file(protocol)), &diagnosis, &[]);
    }
}

#[test]
fn proxy_that_refuses_connections_is_diagnosed() {
    let proxy = refused_port();
    let address = proxy.endpoint().replacen("http://", "", 1);
    let url = format!("http://user:CANARY@{address}");
    for (protocol, variable, endpoint) in [
        (
            Protocol::HttpProtobuf,
            "HTTP_PROXY",
            "http://collector.test:4318",
        ),
        (
            Protocol::HttpProtobuf,
            "HTTPS_PROXY",
            "https://collector.test:4318",
        ),
        (Protocol::Grpc, "HTTPS_PROXY", "https://collector.test:4317"),
    ] {
        let diagnosis = diagnose(&events(protocol, endpoint, &[(variable, &url)]));
        assert!(!diagnosis.is_healthy());
        assert!(!format!("{diagnosis} {diagnosis:?}").contains("CANARY"));
        let kind = variable.trim_end_matches("_PROXY").to_lowercase();
        let name = format!("proxy-{kind}-{}", file(protocol));
        assert_snapshot(&name, &diagnosis, &[port(&proxy.endpoint())]);
    }
}

#[test]
fn unknown_path_and_unknown_service_are_diagnosed() {
    let http = Receiver::http();
    http.answer_by(|_, request| match request.path.as_str() {
        "/v1/logs" => Answer::Ok,
        _ => Answer::status(404),
    });
    let endpoint = http.endpoint();
    let base = format!("{endpoint}/otlp");
    for (name, extra) in [
        ("general", [(ENDPOINT, base.as_str())]),
        // The endpoint as written in the quick starts of some vendors.
        (
            "bare",
            [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", endpoint.as_str())],
        ),
    ] {
        let diagnosis = diagnose(&events(Protocol::HttpProtobuf, &endpoint, &extra));
        assert_snapshot(&format!("path-{name}"), &diagnosis, &[port(&endpoint)]);
    }
    http.answer(|_| Answer::status(405));
    let extra = [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", endpoint.as_str())];
    let diagnosis = diagnose(&events(Protocol::HttpProtobuf, &endpoint, &extra));
    assert_snapshot("path-bare-unknown", &diagnosis, &[port(&endpoint)]);
    let grpc = Receiver::grpc();
    grpc.answer(|_| Answer::code(Code::Unimplemented, ""));
    let diagnosis = diagnose(&events(Protocol::Grpc, &grpc.endpoint(), &[]));
    assert_snapshot("path-grpc", &diagnosis, &[port(&grpc.endpoint())]);
}

#[test]
fn receiver_that_rejects_requests_is_diagnosed() {
    for (name, answer) in [
        ("unavailable", Answer::status(503)),
        (
            "refuses",
            Answer::status(400).body("text/plain", "no such tenant"),
        ),
        (
            "redirects",
            Answer::status(308).header("location", "http://elsewhere/"),
        ),
    ] {
        let receiver = Receiver::http();
        receiver.answer(move |_| answer.clone());
        let endpoint = receiver.endpoint();
        let diagnosis = diagnose(&events(Protocol::HttpProtobuf, &endpoint, &[]));
        assert_snapshot(&format!("answers-{name}"), &diagnosis, &[port(&endpoint)]);
    }
}

#[test]
fn exporter_with_an_invalid_endpoint_is_explained_and_others_are_probed() {
    let receiver = Receiver::http();
    let endpoint = receiver.endpoint();
    let extra = [
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "collector"),
    ];
    let diagnosis = diagnose(&events(Protocol::HttpProtobuf, &endpoint, &extra));
    assert_snapshot("off", &diagnosis, &[port(&endpoint)]);
    let works: Vec<_> = diagnosis
        .probes
        .iter()
        .map(|probe| (probe.signal, probe.exporter, probe.works()))
        .collect();
    assert_eq!(
        works,
        [
            (Signal::Metrics, Exporter::Otlp, false),
            (Signal::Logs, Exporter::Otlp, true),
        ]
    );
}

#[test]
fn remedies_name_the_managed_endpoint_that_overrides_an_endpoint_of_the_user() {
    let own = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://localhost:1/x");
    let receiver = Receiver::http();
    receiver.answer(|_| Answer::status(404));
    let refused = refused_port();
    for (endpoint, part) in [
        (refused.endpoint(), "correct host and port in"),
        (receiver.endpoint(), "/v1/logs is appended to"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let settings = serde_json::json!({ "env": { ENDPOINT: endpoint } });
        let file = folder.path().join("managed-settings.json");
        std::fs::write(file, settings.to_string()).unwrap();
        let files = SettingsFiles::none().managed_folder(folder.path());
        let diagnosis = Config::builder()
            .environment(events(Protocol::HttpProtobuf, "", &[own]))
            .settings_files(files)
            .build()
            .diagnose();
        let remedy = diagnosis.probes[0].remedy.as_ref().unwrap();
        assert!(remedy.contains(&format!("{part} {ENDPOINT}")), "{remedy}");
    }
}

#[test]
fn misspelled_exporter_names_are_diagnosed() {
    let receiver = Receiver::http();
    let endpoint = receiver.endpoint();
    let single = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "otpl"),
    ];
    let diagnosis = diagnose(&single);
    assert!(!diagnosis.is_healthy() && diagnosis.probes.is_empty());
    let [unknown] = &diagnosis.unknown[..] else {
        panic!("{diagnosis:?}");
    };
    assert_eq!(
        (unknown.signal, &*unknown.name, unknown.nearest),
        (Signal::Metrics, "otpl", "otlp")
    );
    assert_eq!(unknown.variable, "OTEL_METRICS_EXPORTER");
    assert_snapshot("misspelled", &diagnosis, &[]);
    assert_eq!(run(&single, &[]).0, Some(1));

    let with_others = [
        ("OTEL_LOGS_EXPORTER", "otlp,consle"),
        ("OTEL_METRICS_EXPORTER", "Prometheus, OTLP"),
    ];
    let diagnosis = diagnose(&events(Protocol::HttpProtobuf, &endpoint, &with_others));
    assert!(!diagnosis.is_healthy());
    assert_snapshot("misspelled-beside-others", &diagnosis, &[port(&endpoint)]);

    // These configurations do not request the exporter: telemetry or the signal is off.
    let without_request = [
        vec![("OTEL_METRICS_EXPORTER", "otpl")],
        vec![single[0], ("OTEL_METRICS_EXPORTER", "otpl,none")],
        vec![single[0], ("OTEL_TRACES_EXPORTER", "otpl")],
    ];
    for variables in without_request {
        assert!(diagnose(&variables).is_healthy());
    }
}

#[test]
fn misspelled_variables_are_named_first_and_are_not_healthy() {
    let misspelled = [
        ("CLAUDE_CODE_ENABLE_TELEMETERY", "CANARY"),
        (
            "OTEL_EXPORTER_OLTP_ENDPOINT",
            "http://user:CANARY@collector",
        ),
        ("OTEL_METRICS_EXPORT_INTERVAL", "1000"),
        ("OTEL_METRICS_EXPORTR", "console"),
        ("OTEL_METRIC_EXPORTER", "console"),
    ];
    let diagnosis = diagnose(&misspelled);
    assert!(!diagnosis.is_healthy());
    let mut names: Vec<_> = diagnosis
        .misspelled
        .iter()
        .map(|warning| (warning.variable().unwrap(), warning.nearest().unwrap()))
        .collect();
    names.sort_unstable();
    let meant = [
        "CLAUDE_CODE_ENABLE_TELEMETRY",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_METRICS_EXPORTER",
        "OTEL_METRICS_EXPORTER",
    ];
    let given = misspelled.map(|(name, _)| name);
    let mut expected: Vec<_> = given.into_iter().zip(meant).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_snapshot("misspelled-variables", &diagnosis, &[]);
    assert!(!format!("{diagnosis:?} {:?}", config(&misspelled)).contains("CANARY"));
    let (status, out, _) = run(&misspelled, &[]);
    assert_eq!(status, Some(1), "{out}");
    assert!(!out.contains("CANARY"), "{out}");
    for (name, _) in misspelled {
        assert_eq!(out.matches(&format!("{name} (")).count(), 1, "{out}");
    }

    // Standard variables of OpenTelemetry do not count as misspelled, and neither do names that share only a prefix
    // with a variable.
    let others = [("OTEL_LOG_LEVEL", "debug"), ("OTEL_LOG_SOMETHING", "1")];
    let diagnosis = diagnose(&others);
    assert!(diagnosis.is_healthy() && diagnosis.misspelled.is_empty());
}

#[test]
fn synonyms_suggest_the_console_exporter() {
    for word in ["stdout", "logging", "stdio"] {
        let diagnosis = diagnose(&[
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_LOGS_EXPORTER", word),
        ]);
        assert!(!diagnosis.is_healthy());
        let text = diagnosis.to_string();
        assert!(text.contains("did you mean console?"), "{text}");
    }
}

#[test]
fn variables_that_a_project_may_not_set_are_reported_with_the_layers_that_may() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".claude").join("settings.json");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let settings = r#"{
        "env": {
            "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=CANARY",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_LOG_USER_PROMPTS": "0",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000"
        },
        "otelHeadersHelper": "CANARY"
    }"#;
    std::fs::write(&file, settings).unwrap();
    let diagnose = |trusted| {
        let files = SettingsFiles::none().project_folder(folder.path());
        let environment = [("OTEL_LOG_USER_PROMPTS", "1")];
        let builder = Config::builder().environment(environment);
        builder
            .settings_files(files)
            .trust_workspace(trusted)
            .build()
            .diagnose()
    };
    let diagnosis = diagnose(true);
    let names: Vec<_> = diagnosis
        .misplaced
        .iter()
        .map(|warning| warning.variable())
        .collect();
    let expected = [
        "CLAUDE_CODE_ENABLE_TELEMETRY",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_LOGS_EXPORTER",
        // A project may switch prompts off only if the environment does not set the variable.
        "OTEL_LOG_USER_PROMPTS",
        "otelHeadersHelper",
    ];
    assert_eq!(names, expected.map(Some));
    assert!(diagnosis.is_healthy());
    assert_snapshot(
        "misplaced",
        &diagnosis,
        &[(file.display().to_string(), "FILE")],
    );
    assert!(diagnose(false).misplaced.is_empty());
}

#[test]
fn disabled_telemetry_and_missing_exporters_are_healthy() {
    let off = diagnose(&[("OTEL_LOGS_EXPORTER", "otlp")]);
    assert!(off.is_healthy() && !off.enabled);
    assert_snapshot("telemetry-off", &off, &[]);
    let none = diagnose(&[("CLAUDE_CODE_ENABLE_TELEMETRY", "1")]);
    assert!(none.is_healthy() && none.enabled);
    assert_snapshot("no-exporter", &none, &[]);
}

#[cfg(unix)]
#[test]
fn headers_helper_is_run_by_the_diagnosis() {
    let receiver = Receiver::http();
    receiver.answer_by(|_, request| match request.headers.get("x-key") {
        Some(key) if key == "good" => Answer::Ok,
        _ => Answer::status(401),
    });
    let endpoint = receiver.endpoint();
    for (name, command) in [
        ("works", r#"echo '{"x-key": "good"}'"#),
        ("refused", r#"echo '{"x-key": "CANARY"}'"#),
        ("fails", "exit 3"),
    ] {
        let variables = events(Protocol::HttpProtobuf, &endpoint, &[]);
        let config = Config::builder()
            .environment(variables)
            .set("otelHeadersHelper", command)
            .build();
        let diagnosis = config.diagnose();
        assert_snapshot(&format!("helper-{name}"), &diagnosis, &[port(&endpoint)]);
        assert!(!format!("{diagnosis} {diagnosis:?}").contains("CANARY"));
    }
}

/// Runs the command `doctor` with these variables and those that a program needs to run at all. Returns its exit
/// status, standard output and standard error.
fn run(variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().unwrap();
    let output = example::program("doctor", home.path())
        .args(arguments)
        .current_dir(home.path())
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}

#[test]
fn doctor_command_prints_the_explanation_and_exits_with_a_status() {
    let receiver = Receiver::http();
    let endpoint = receiver.endpoint();
    let secret = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer CANARY");
    let variables = events(Protocol::HttpProtobuf, &endpoint, &[secret]);
    let (status, out, err) = run(&variables, &[]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    let explanation = config(&variables).explain().to_string();
    let table = explanation.lines().next().unwrap();
    assert!(out.starts_with(table), "{out}");
    assert!(
        out.contains(&format!("logs: OTLP to {endpoint}/v1/logs")),
        "{out}"
    );
    assert!(out.ends_with("\nThe exporter works.\n"), "{out}");
    assert!(!out.contains("CANARY"), "{out}");

    let refused = refused_port();
    let endpoint = refused.endpoint();
    let variables = events(Protocol::Grpc, &endpoint, &[]);
    let (status, out, _) = run(&variables, &[]);
    assert_eq!(status, Some(1), "{out}");
    assert!(
        out.contains("problem   connection refused by 127.0.0.1:"),
        "{out}"
    );
    assert!(out.ends_with("\nThe exporter does not work.\n"), "{out}");

    let (status, out, err) = run(&[], &["--what"]);
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(err.contains("Usage: claude-code-telemetry doctor"), "{err}");
    let (status, out, err) = run(&[], &["--help"]);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert!(out.contains("Usage: claude-code-telemetry doctor"), "{out}");
    assert_eq!(run(&[], &[]).0, Some(0));
}

/// Returns variables that export only metrics, to a Prometheus scrape endpoint on this port.
#[cfg(feature = "prometheus")]
fn prometheus_variables(port: &str) -> Variables<'_> {
    vec![
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", port),
    ]
}

#[cfg(feature = "prometheus")]
#[test]
fn prometheus_port_is_diagnosed_when_free_or_taken_or_served() {
    let free = diagnose(&prometheus_variables("0"));
    assert!(free.is_healthy());
    let bound = free.probes[0].addresses[0].to_string();
    let hidden = [(port(&bound).0, ":PORT")];
    assert_snapshot("page-free", &free, &hidden);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = taken.local_addr().unwrap().port().to_string();
    drop(free);
    // The other listener accepts connections and sends no valid response.
    let other = std::thread::spawn(move || drop(taken.accept()));
    let hidden = [
        (format!(":{number}"), ":PORT"),
        (format!("port {number}"), "port PORT"),
    ];
    assert_snapshot(
        "page-taken",
        &diagnose(&prometheus_variables(&number)),
        &hidden,
    );
    other.join().unwrap();

    let telemetry = claude_code_telemetry::Telemetry::start(
        config(&prometheus_variables("0")),
        host::service(),
    );
    let health = host::wait_for_health(&telemetry, |health| {
        health
            .exporters
            .iter()
            .any(|exporter| !exporter.addresses.is_empty())
    });
    let number = health.exporters[0].addresses[0].port().to_string();
    let hidden = [(format!(":{number}"), ":PORT")];
    let served = diagnose(&prometheus_variables(&number));
    assert!(served.is_healthy(), "{served}");
    assert_snapshot("page-served", &served, &hidden);
    telemetry.shutdown();
}
