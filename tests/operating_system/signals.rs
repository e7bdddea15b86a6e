//! The library leaves the handling of signals to the host.

use std::net::SocketAddr;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::driver::Driver;
use super::host::{self, Protocol};
use super::resetting_relay::ResettingRelay;
use super::scraper;
use super::support::tls::{Authority, Behavior, Files, TlsServer};

/// Asserts that the host survives three connection resets. The host sends events of one megabyte each through a relay
/// that resets connections in the middle of a transfer.
#[track_caller]
fn assert_survives(protocol: Protocol, secure: bool) {
    let receiver = protocol.receiver();
    let authority = Authority::new("authority");
    let files = Files::new();
    let trusted = files.write("authority.pem", authority.pem());
    let tls_server = secure.then(|| {
        let behavior = Behavior::new(authority.local(), protocol == Protocol::Grpc);
        TlsServer::in_front_of(receiver.port(), &behavior)
    });
    let relay = ResettingRelay::in_front_of(
        tls_server.as_ref().map_or(receiver.port(), TlsServer::port),
        3,
    );
    let scheme = if secure { "https" } else { "http" };
    let endpoint = format!("{scheme}://localhost:{}", relay.port());
    let environment = host::environment(
        &endpoint,
        protocol,
        &[
            ("OTEL_LOG_USER_PROMPTS", "1"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &trusted),
        ],
    );
    let mut driver = Driver::new(environment);
    driver.ask("default-sigpipe");
    driver.ask("start");
    driver.ask("prompts 6 1000000");
    let report = driver.ask("flush");
    assert_eq!(report["complete"], true, "{report}");
    assert_eq!(relay.resets(), 3);
    driver.ask("shutdown");
    assert!(driver.end().success());
    assert_eq!(
        receiver.received().accepted().deduplicated().logs().len(),
        6
    );
}

#[test]
fn reset_grpc_connection_raises_no_sigpipe() {
    assert_survives(Protocol::Grpc, false);
}

#[test]
fn reset_grpc_connection_over_tls_raises_no_sigpipe() {
    assert_survives(Protocol::Grpc, true);
}

#[test]
fn reset_http_connection_raises_no_sigpipe() {
    assert_survives(Protocol::HttpProtobuf, false);
}

#[test]
fn reset_http_connection_over_tls_raises_no_sigpipe() {
    assert_survives(Protocol::HttpProtobuf, true);
}

#[test]
fn reset_scrape_raises_no_sigpipe() {
    let mut driver = Driver::new(scraper::environment(&[]));
    driver.ask("default-sigpipe");
    driver.ask("start");
    driver.ask("commit");
    let address = scrape_address(&mut driver);
    // The client disconnects before the response, so that some writes of the server meet a connection that has been
    // reset.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        for _ in 0..50 {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            stream.set_zero_linger().unwrap();
        }
    });
    let response = scraper::request(address, "GET", "/metrics");
    assert_eq!(response.status, 200, "{response:?}");
    driver.ask("shutdown");
    assert!(driver.end().success());
}

/// A signal of a process goes to any thread that does not block it, and SIGTERM ends the process. The host blocks it
/// only after the library has started its threads, so these must block it themselves.
#[test]
fn signal_blocked_after_start_stays_pending_for_the_host() {
    let receiver = Protocol::Grpc.receiver();
    let mut environment = host::environment(&receiver.endpoint(), Protocol::Grpc, &[]);
    environment.extend(scraper::environment(&[]));
    let mut driver = Driver::new(environment);
    driver.ask("start");
    driver.ask("prompts 1 10");
    // Wait until the library's private thread runs and the scrape endpoint is served.
    assert_eq!(driver.ask("flush")["in_time"], true);
    scrape_address(&mut driver);
    driver.ask("block-sigterm");
    kill(Pid::from_raw(driver.id()), Signal::SIGTERM).unwrap();
    assert_eq!(driver.ask("wait-for-sigterm"), "SIGTERM");
    driver.ask("shutdown");
    assert!(driver.end().success());
}

/// Returns the address of the scrape endpoint. Waits until it is served.
#[track_caller]
pub(crate) fn scrape_address(driver: &mut Driver) -> SocketAddr {
    let address = |health: &Value| -> Option<SocketAddr> {
        let mut exporters = health.as_array().unwrap().iter();
        exporters.find_map(|exporter| exporter["addresses"][0].as_str()?.parse().ok())
    };
    let health = driver.ask_until("health", |health| address(health).is_some());
    address(&health).unwrap()
}
