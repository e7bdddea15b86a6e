//! OTLP through a proxy: requests are forwarded if the receiver speaks plain text, and tunneled if it speaks TLS.
//! Error messages name the proxy.
#![cfg(all(feature = "grpc", feature = "http"))]

use crate::events_host;
use crate::events_host::{Variable, assert_flushes, configuration, start};
use crate::host::Protocol;
use crate::support::proxy::Proxy;
use crate::support::tls::{Authority, Behavior, Files, TlsServer};
use crate::support::{Receiver, black_hole, refused_port};
use claude_code_telemetry::{Config, SettingsFiles, Signal, Telemetry};

/// A host name that does not resolve, so that only the proxy can reach the receiver.
const HOST: &str = "collector.test";

/// Records an event, and asserts that it arrives with the configured header, and without a header for the proxy.
fn assert_delivers(telemetry: &Telemetry, receiver: &Receiver) {
    assert_flushes(telemetry);
    let request = receiver.received().accepted().requests[0].clone();
    assert_eq!(request.headers["authorization"], "Bearer CANARY");
    assert!(!request.headers.contains_key("proxy-authorization"));
}

/// Asserts that the delivery fails with this error.
#[track_caller]
fn assert_fails(telemetry: &Telemetry, expected: &str) {
    events_host::assert_fails(telemetry, |error| error == expected);
}

/// A receiver behind TLS with a certificate for [`HOST`], and the file of its authority.
struct Secure {
    receiver: Receiver,
    tls_server: TlsServer,
    _files: Files,
    authority: String,
}

impl Secure {
    fn new(protocol: Protocol) -> Self {
        let receiver = protocol.receiver();
        let (authority, files) = (Authority::new("ours"), Files::new());
        let behavior = Behavior::new(authority.issue(&[HOST]), protocol == Protocol::Grpc);
        Self {
            tls_server: TlsServer::in_front_of(receiver.port(), &behavior),
            receiver,
            authority: files.write("ca.pem", authority.pem()),
            _files: files,
        }
    }

    fn trust(&self) -> Variable<'_> {
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &self.authority)
    }
}

#[test]
fn plain_text_requests_are_forwarded() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            let receiver = Receiver::http();
            let proxy = Proxy::start().route("collector.test:4318", receiver.port());
            let endpoint = "http://collector.test:4318";
            let telemetry = start(protocol, endpoint, &[(variable, &proxy.url())]);
            assert_delivers(&telemetry, &receiver);
            let request = receiver.received().requests[0].clone();
            assert_eq!(request.path, "/v1/logs");
            assert_eq!(request.headers["host"], "collector.test:4318");
            for request in proxy.requests() {
                let line = "POST http://collector.test:4318/v1/logs HTTP/1.1";
                assert_eq!(request.line, line);
                assert!(!request.headers.contains_key("proxy-authorization"));
            }
            let explained = telemetry.explain().to_string();
            let message = format!("through the proxy {} of {variable}", proxy.name());
            assert!(explained.contains(&message), "{explained}");
        }
    }
}

#[test]
fn tls_requests_go_through_a_tunnel() {
    for protocol in Protocol::all() {
        for (endpoint, authority) in [
            ("https://collector.test", "collector.test:443"),
            ("https://collector.test:4318", "collector.test:4318"),
        ] {
            let secure = Secure::new(protocol);
            let proxy = Proxy::start().route(authority, secure.tls_server.port());
            let more = [("HTTPS_PROXY", &*proxy.url()), secure.trust()];
            let telemetry = start(protocol, endpoint, &more);
            assert_delivers(&telemetry, &secure.receiver);
            for request in proxy.requests() {
                assert_eq!(request.line, format!("CONNECT {authority} HTTP/1.1"));
                assert_eq!(request.headers["host"], authority);
                // The proxy sees no credentials for the receiver.
                assert!(!format!("{request:?}").contains("CANARY"), "{request:?}");
            }
        }
    }
}

#[test]
fn credentials_in_the_proxy_url_are_sent_only_to_the_proxy() {
    // The Base64 form of `user:pass word`.
    let authorization = "Basic dXNlcjpwYXNzIHdvcmQ=";
    for protocol in Protocol::all() {
        let secure = Secure::new(protocol);
        let plain = Receiver::http();
        let proxy = Proxy::start()
            .route("collector.test:443", secure.tls_server.port())
            .route("collector.test:80", secure.tls_server.port())
            .route("collector.test:4318", plain.port());
        proxy.require_authorization(authorization);
        for (variable, endpoint, receiver) in [
            ("HTTPS_PROXY", "https://collector.test", &secure.receiver),
            ("HTTP_PROXY", "http://collector.test:4318", &plain),
        ] {
            if protocol == Protocol::Grpc && variable == "HTTP_PROXY" {
                continue;
            }
            let mut more = vec![];
            if variable == "HTTPS_PROXY" {
                more.push(secure.trust());
            }
            let name = proxy.name();
            let without = format!("http://{name}");
            let set = [&more[..], &[(variable, &*without)]].concat();
            let telemetry = start(protocol, endpoint, &set);
            assert_fails(
                &telemetry,
                &format!(
                    "the proxy {name} ({variable}) wants user and password (HTTP 407): write them into the variable, as http://user:password@host:port"
                ),
            );

            let wrong = format!("http://user:WRONG@{name}");
            let set = [&more[..], &[(variable, &*wrong)]].concat();
            let telemetry = start(protocol, endpoint, &set);
            assert_fails(
                &telemetry,
                &format!(
                    "the proxy {name} ({variable}) does not accept the user and password in the variable (HTTP 407)"
                ),
            );

            let right = format!("http://user:pass%20word@{name}");
            let set = [&more[..], &[(variable, &*right)]].concat();
            let config = configuration(protocol, endpoint, &set);
            let seen = format!("{config:?} {}", config.explain());
            for secret in ["pass%20word", "pass word", "dXNlcjpw"] {
                assert!(!seen.contains(secret), "{seen}");
            }
            let telemetry = start(protocol, endpoint, &set);
            assert_delivers(&telemetry, receiver);
        }
    }
}

#[test]
fn error_names_a_proxy_that_refuses_connections() {
    let port = refused_port();
    let name = port.endpoint().replace("http://", "");
    for (protocol, endpoint, variable) in [
        (
            Protocol::HttpProtobuf,
            "http://collector.test:4318",
            "HTTP_PROXY",
        ),
        (Protocol::HttpJson, "https://collector.test", "HTTPS_PROXY"),
        (Protocol::Grpc, "https://collector.test:4317", "ALL_PROXY"),
    ] {
        let telemetry = start(protocol, endpoint, &[(variable, &port.endpoint())]);
        let message = format!("connection refused by the proxy {name} ({variable})");
        assert_fails(&telemetry, &message);
    }
}

/// A proxy of these tests responds with status 502 to a request for a host without a route.
#[test]
fn error_names_a_proxy_that_cannot_reach_the_receiver() {
    for protocol in Protocol::all() {
        let proxy = Proxy::start();
        let name = proxy.name();
        let set = [("HTTPS_PROXY", &*proxy.url())];
        let telemetry = start(protocol, "https://collector.test:8443", &set);
        assert_fails(
            &telemetry,
            &format!(
                "the proxy {name} (HTTPS_PROXY) does not connect to collector.test:8443: HTTP 502"
            ),
        );
        proxy.reject_with("403 Forbidden");
        assert_fails(
            &telemetry,
            &format!(
                "the proxy {name} (HTTPS_PROXY) does not connect to collector.test:8443: HTTP 403"
            ),
        );
    }
    let proxy = Proxy::start();
    let set = [("HTTP_PROXY", &*proxy.url())];
    let telemetry = start(Protocol::HttpJson, "http://collector.test", &set);
    let name = proxy.name();
    assert_fails(
        &telemetry,
        &format!("HTTP 502 from collector.test through the proxy {name} (HTTP_PROXY)"),
    );
}

#[test]
fn error_names_a_server_that_is_not_a_proxy() {
    let grpc = Receiver::grpc();
    let name = grpc.endpoint().replace("http://", "");
    let set = [("HTTPS_PROXY", &*grpc.endpoint())];
    let telemetry = start(Protocol::HttpProtobuf, "https://collector.test", &set);
    assert_fails(
        &telemetry,
        &format!("the proxy {name} (HTTPS_PROXY) does not speak HTTP/1: is it a proxy?"),
    );

    let silent = black_hole();
    let name = silent.endpoint().replace("http://", "");
    let set = [
        ("HTTPS_PROXY", &*silent.endpoint()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "40"),
    ];
    for protocol in Protocol::all() {
        let telemetry = start(protocol, "https://collector.test", &set);
        assert_fails(
            &telemetry,
            &format!(
                "no answer from collector.test through the proxy {name} (HTTPS_PROXY) within 40 ms"
            ),
        );
    }
}

#[test]
fn receiver_certificate_is_verified_through_a_tunnel() {
    // However long the host name is, the error ends with the fix.
    let long = format!("collector.{}.test", "x".repeat(60));
    for protocol in Protocol::all() {
        for host in [HOST, &long] {
            let secure = Secure::new(protocol);
            let files = Files::new();
            let other = files.write("other.pem", Authority::new("other").pem());
            let authority = format!("{host}:443");
            let proxy = Proxy::start().route(&authority, secure.tls_server.port());
            for variable in [
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE",
            ] {
                let set = [("HTTPS_PROXY", &*proxy.url()), (variable, &*other)];
                let telemetry = start(protocol, &format!("https://{host}"), &set);
                assert_fails(
                    &telemetry,
                    &format!(
                        "the certificate of {host} through the proxy {} (HTTPS_PROXY) is not signed by a known authority: the file of {variable} does not hold its authority",
                        proxy.name()
                    ),
                );
            }
            assert!(secure.receiver.received().is_empty());
        }
    }
}

#[test]
fn localhost_is_reached_without_the_proxy() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        let proxy = Proxy::start();
        let set = [("ALL_PROXY", &*proxy.url())];
        let endpoint = format!("http://localhost:{}", receiver.port());
        let telemetry = start(protocol, &endpoint, &set);
        assert_delivers(&telemetry, &receiver);
        assert_eq!(proxy.requests(), []);
        let explained = telemetry.explain().to_string();
        let message = "not through the proxy of ALL_PROXY: this machine";
        assert!(explained.contains(message), "{explained}");
    }
}

/// Only Unix has an address for the local machine that is not a loopback address.
#[cfg(unix)]
#[test]
fn hosts_in_no_proxy_are_reached_without_the_proxy() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        for (no_proxy, directly) in [("0.0.0.0", true), ("*", true), ("0.0.0.0:1,x", false)] {
            let receiver = Receiver::http();
            let name = format!("0.0.0.0:{}", receiver.port());
            let proxy = Proxy::start().route(&name, receiver.port());
            let set = [("HTTP_PROXY", &*proxy.url()), ("NO_PROXY", no_proxy)];
            let telemetry = start(protocol, &format!("http://{name}"), &set);
            assert_delivers(&telemetry, &receiver);
            assert_eq!(proxy.requests().is_empty(), directly, "{no_proxy}");
        }
    }
}

#[test]
fn invalid_proxy_url_is_a_warning() {
    for (text, displayed, fix) in [
        (
            "socks5://user:SECRET@proxy:1080",
            "socks5://<hidden>@proxy:1080",
            "only http:// proxies can be used",
        ),
        (
            "http://user:SECRET@proxy:99999",
            "http://<hidden>@proxy:99999",
            "write one such as http://proxy:3128",
        ),
    ] {
        let config = configuration(Protocol::HttpJson, "https://h", &[("HTTPS_PROXY", text)]);
        let [warning] = config.warnings() else {
            panic!("{:?}", config.warnings());
        };
        let message = warning.to_string();
        let start = format!("HTTPS_PROXY={displayed} (environment): ");
        assert!(
            message.starts_with(&start) && message.contains(fix),
            "{message}"
        );
        assert!(!format!("{config:?} {}", config.explain()).contains("SECRET"));
    }
}

#[test]
fn plain_text_grpc_bypasses_the_proxy_with_a_warning() {
    let set = [("HTTP_PROXY", "http://proxy:3128")];
    let config = configuration(Protocol::Grpc, "http://collector.test:4317", &set);
    let [warning] = config.warnings() else {
        panic!("{:?}", config.warnings());
    };
    assert_eq!(
        warning.to_string(),
        "HTTP_PROXY=http://proxy:3128 (environment): not used for OTLP over gRPC without TLS, which proxies do not forward: collector.test:4317 is connected to directly; use OTLP over HTTP or an https:// endpoint, or name the host in NO_PROXY"
    );
    let exempt = [set[0], ("NO_PROXY", ".test")];
    let config = configuration(Protocol::Grpc, "http://collector.test:4317", &exempt);
    assert_eq!(config.warnings(), []);
}

#[test]
fn managed_credentials_are_not_sent_through_an_unmanaged_plain_text_proxy() {
    for (endpoint, more, through) in [
        ("http://user:secret@collector.test", "", false),
        ("https://user:secret@collector.test", "", true),
        (
            "http://collector.test",
            r#", "OTEL_EXPORTER_OTLP_HEADERS": "a=b""#,
            false,
        ),
        ("http://collector.test", "", true),
    ] {
        let files = Files::new();
        let settings =
            format!(r#"{{"env": {{"OTEL_EXPORTER_OTLP_ENDPOINT": "{endpoint}"{more}}}}}"#);
        files.write("managed-settings.json", &settings);
        let config = Config::builder()
            .environment([
                ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
                ("OTEL_LOGS_EXPORTER", "otlp"),
                ("ALL_PROXY", "http://proxy:3128"),
            ])
            .settings_files(SettingsFiles::none().managed_folder(files.path("")))
            .build();
        let proxy = config.otlp(Signal::Logs).unwrap().proxy();
        let expected = ("proxy:3128".to_owned(), "ALL_PROXY");
        assert_eq!(proxy, through.then_some(expected), "{settings}");
        let message = config.explain().to_string();
        assert_eq!(
            message.contains("managed credentials would be readable"),
            !through,
            "{message}"
        );
    }
}
