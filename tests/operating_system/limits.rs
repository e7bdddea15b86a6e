//! A process that has run out of threads or file descriptors exports its telemetry later, and loses none.
//!
//! The limit of threads does not apply to the superuser, so most tests become another user first; they are skipped where
//! that is impossible. The command `prompts COUNT BYTES` records prompts of this length.

use std::collections::BTreeMap;

use serde_json::Value;

use super::driver::Driver;
use super::host::{self, Protocol};
use super::scraper;
use super::signals::scrape_address;
use super::support::tls::{Authority, Behavior, Files, TlsServer};
use super::support::{Receiver, refused_port};

/// Returns the variables of a host that sends metrics and events to `localhost`, a name that has to be resolved.
fn environment(receiver: &Receiver, protocol: Protocol) -> BTreeMap<String, String> {
    let endpoint = format!("http://localhost:{}", receiver.port());
    let settings = [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10000"),
        // The interval elapses in the middle of a test.
        ("OTEL_LOGS_EXPORT_INTERVAL", "50"),
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "20000"),
    ];
    host::environment(&endpoint, protocol, &settings)
}

/// Starts telemetry while no thread can be started, lifts the limit, and asserts that `command` leads to a complete
/// delivery.
#[track_caller]
fn assert_starts_with(protocol: Protocol, command: &str) {
    let receiver = protocol.receiver();
    let mut driver = Driver::new(environment(&receiver, protocol));
    if !driver.become_unprivileged_user() {
        return;
    }
    driver.ask("limit-threads 1");
    driver.ask("start");
    let diagnostics = driver.ask("diagnostics").to_string();
    assert!(
        diagnostics.contains("thread cannot be started"),
        "{diagnostics}"
    );
    driver.ask("prompts 3 10");
    driver.ask("commit");
    assert_eq!(driver.ask("flush")["complete"], false);
    assert_eq!(driver.ask("flush-async")["complete"], false);
    let health = driver.health("events", "otlp");
    assert_eq!(
        (&health["state"], &health["queued"], &health["lost"]),
        (&"Failing".into(), &3.into(), &0.into())
    );

    driver.ask("limit-threads max");
    driver.ask_until(command, |_| {
        let received = receiver.received().accepted();
        received.logs().len() >= 3
    });
    assert_eq!(driver.ask("shutdown")["complete"], true);
    assert!(driver.end().success());
    let commits = host::select(
        &receiver.received().points(),
        "claude_code.commit.count",
        &[],
    );
    assert_eq!(host::sum(&commits), 1.0);
}

#[test]
fn thread_that_could_not_be_started_is_started_by_a_flush() {
    assert_starts_with(Protocol::Grpc, "flush");
}

#[test]
fn thread_that_could_not_be_started_is_started_by_an_async_flush() {
    assert_starts_with(Protocol::HttpJson, "flush-async");
}

#[test]
fn thread_that_could_not_be_started_is_started_by_a_reconfiguration() {
    assert_starts_with(Protocol::HttpProtobuf, "reconfigure");
}

#[test]
fn thread_that_could_not_be_started_is_started_by_a_later_record() {
    assert_starts_with(Protocol::Grpc, "prompts 1 10");
}

#[test]
fn shutdown_without_a_thread_counts_lost_events() {
    let receiver = Receiver::grpc();
    let mut driver = Driver::new(environment(&receiver, Protocol::Grpc));
    if !driver.become_unprivileged_user() {
        return;
    }
    driver.ask("limit-threads 1");
    driver.ask("start");
    driver.ask("prompts 3 10");
    assert_eq!(driver.ask("shutdown")["complete"], false);
    assert_eq!(driver.health("events", "otlp")["lost"], 3);
    assert!(driver.end().success());
}

#[test]
fn shutdown_without_a_thread_counts_lost_metrics() {
    let receiver = Receiver::grpc();
    let mut variables = environment(&receiver, Protocol::Grpc);
    variables.insert("OTEL_LOGS_EXPORTER".to_owned(), "none".to_owned());
    let mut driver = Driver::new(variables);
    if !driver.become_unprivileged_user() {
        return;
    }
    driver.ask("limit-threads 1");
    driver.ask("start");
    driver.ask("commit");
    assert_eq!(driver.ask("shutdown")["complete"], false);
    // The two lost data points are `claude_code.session.count` and `claude_code.commit.count`.
    assert_eq!(driver.health("metrics", "otlp")["lost"], 2);
    assert!(driver.end().success());
}

#[test]
fn failure_after_a_late_start_is_reported() {
    let refused = refused_port();
    // Each call lasts until its timeout, because nothing can be delivered.
    let limits = [
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "200"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "200"),
    ];
    let environment = host::environment(&refused.endpoint(), Protocol::Grpc, &limits);
    let mut driver = Driver::new(environment);
    if !driver.become_unprivileged_user() {
        return;
    }
    driver.ask("limit-threads 1");
    driver.ask("start");
    driver.ask("prompts 1 10");
    driver.ask("limit-threads max");
    driver.ask("flush");
    driver.ask_until("diagnostics", |all| {
        let all = all.to_string();
        all.contains("telemetry works") && all.contains("connection refused")
    });
    driver.ask("shutdown");
    assert!(driver.end().success());
}

/// First the runtime of the library's thread cannot be made, for lack of file descriptors. Then the thread itself
/// cannot be started. An async flush must return in spite of that.
#[test]
fn async_flush_returns_without_a_runtime_and_threads() {
    let receiver = Receiver::grpc();
    let mut driver = Driver::new(environment(&receiver, Protocol::Grpc));
    if !driver.become_unprivileged_user() {
        return;
    }
    // Standard input, output and error, and three more: too few for a runtime.
    driver.ask("limit-files 6");
    driver.ask("start");
    driver.ask_until("diagnostics", |all| {
        all.to_string().contains("RLIMIT_NOFILE")
    });
    driver.ask("limit-threads 1");
    driver.ask("prompts 1 10");
    assert_eq!(driver.ask("flush-async")["complete"], false);
    driver.ask("limit-threads max");
    driver.ask("limit-files max");
    driver.ask_until("flush", |report| report["complete"] == true);
    driver.ask("shutdown");
    assert!(driver.end().success());
}

/// Starts a host in which the library can start its private thread, the second one of the process, and no other.
/// Records, and waits until an exporter has failed for that reason. Lifts the limit, delivers, and returns the driver.
#[track_caller]
fn assert_delivers_once_there_are_threads(
    environment: BTreeMap<String, String>,
    files: &[(&str, String)],
    record: &str,
) -> Option<Driver> {
    let mut driver = Driver::with_files(environment, files);
    if !driver.become_unprivileged_user() {
        return None;
    }
    driver.ask("limit-threads 2");
    driver.ask("start");
    driver.ask(record);
    driver.ask_until("health", |health| {
        let health = health.to_string();
        health.contains("Failing") && health.contains("thread")
    });
    driver.ask("limit-threads max");
    driver.ask_until("flush", |report| report["complete"] == true);
    let health = driver.ask("health");
    let all = health.as_array().unwrap();
    assert!(all.iter().all(|one| one["lost"] == 0), "{health}");
    Some(driver)
}

#[test]
fn exporter_with_tls_is_built_once_there_are_threads() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let receiver = protocol.receiver();
        let authority = Authority::new("authority");
        let files = Files::new();
        let behavior = Behavior::new(authority.local(), protocol == Protocol::Grpc);
        let tls_server = TlsServer::in_front_of(receiver.port(), &behavior);
        let path = files.write("authority.pem", authority.pem());
        let trusted = [("OTEL_EXPORTER_OTLP_CERTIFICATE", path.as_str())];
        let endpoint = format!("https://127.0.0.1:{}", tls_server.port());
        let variables = host::environment(&endpoint, protocol, &trusted);
        let Some(driver) = assert_delivers_once_there_are_threads(variables, &[], "prompts 3 10")
        else {
            return;
        };
        assert!(driver.end().success());
        assert_eq!(
            receiver.received().accepted().deduplicated().logs().len(),
            3
        );
    }
}

#[test]
fn headers_helper_runs_once_there_are_threads() {
    let receiver = Receiver::grpc();
    let variables = environment(&receiver, Protocol::Grpc);
    let line = r#"printf '{"x-helper":"1"}'"#;
    let settings = serde_json::json!({ "otelHeadersHelper": line }).to_string();
    let files = [(".claude/settings.json", settings)];
    let Some(driver) = assert_delivers_once_there_are_threads(variables, &files, "prompts 3 10")
    else {
        return;
    };
    assert!(driver.end().success());
    let received = receiver.received();
    assert_eq!(received.accepted().deduplicated().logs().len(), 3);
    let mut requests = received.requests.iter();
    assert!(requests.all(|request| request.headers["x-helper"] == "1"));
}

#[test]
fn console_writes_once_there_are_threads() {
    let receiver = Receiver::grpc();
    let console = [
        ("OTEL_LOGS_EXPORTER", "console"),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORT_INTERVAL", "50"),
    ];
    let variables = host::environment(&receiver.endpoint(), Protocol::Grpc, &console);
    let Some(driver) = assert_delivers_once_there_are_threads(variables, &[], "prompts 3 10")
    else {
        return;
    };
    let lines = driver.read("console");
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(driver.end().success());
}

#[test]
fn instruments_of_the_host_are_collected_once_there_are_threads() {
    let receiver = Receiver::grpc();
    let interval = [("OTEL_METRIC_EXPORT_INTERVAL", "50")];
    let variables = host::environment(&receiver.endpoint(), Protocol::Grpc, &interval);
    let Some(driver) = assert_delivers_once_there_are_threads(variables, &[], "count-hit") else {
        return;
    };
    assert!(driver.end().success());
    let hits = host::select(&receiver.received().points(), "hits", &[]);
    assert_eq!(hits[0].value, 1.0);
}

#[test]
fn diagnosis_names_the_thread_limit_when_no_thread_can_start() {
    let receiver = Receiver::grpc();
    let mut driver = Driver::new(environment(&receiver, Protocol::Grpc));
    if !driver.become_unprivileged_user() {
        return;
    }
    driver.ask("limit-threads 1");
    let diagnosis = driver.ask("diagnose").to_string();
    assert!(diagnosis.contains("RLIMIT_NPROC"), "{diagnosis}");
    driver.ask("limit-threads max");
    let diagnosis = driver.ask("diagnose").to_string();
    assert!(!diagnosis.contains("RLIMIT_NPROC"), "{diagnosis}");
    assert!(driver.end().success());
}

/// Asserts that the exporter reconnects to a receiver that restarted while no thread could be started. Without a
/// thread, the receiver's name cannot be resolved.
#[track_caller]
fn assert_reconnects(protocol: Protocol) {
    let mut receiver = protocol.receiver();
    let mut driver = Driver::new(environment(&receiver, protocol));
    if !driver.become_unprivileged_user() {
        return;
    }
    driver.ask("start");
    driver.ask("prompts 1 10");
    driver.ask_until("flush", |report| report["complete"] == true);

    driver.ask("limit-threads 1");
    receiver.restart();
    driver.ask("prompts 5 10");
    let failing = |health: &Value| {
        let events = health
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["signal"] == "events");
        events.is_some_and(|events| events["state"] == "Failing")
    };
    let health = driver.ask_until("health", failing);
    let none_lost = health
        .as_array()
        .unwrap()
        .iter()
        .all(|one| one["lost"] == 0);
    assert!(none_lost, "{health}");

    driver.ask("limit-threads max");
    driver.ask_until("flush", |report| report["complete"] == true);
    driver.ask("shutdown");
    assert!(driver.end().success());
    assert_eq!(
        receiver.received().accepted().deduplicated().logs().len(),
        6
    );
}

#[test]
fn grpc_reconnects_after_threads_ran_out() {
    assert_reconnects(Protocol::Grpc);
}

#[test]
fn http_reconnects_after_threads_ran_out() {
    assert_reconnects(Protocol::HttpProtobuf);
}

#[test]
fn scrape_endpoint_is_served_again_after_threads_ran_out() {
    let mut driver = Driver::new(scraper::environment(&[]));
    if !driver.become_unprivileged_user() {
        return;
    }
    driver.ask("start");
    driver.ask("commit");
    let address = scrape_address(&mut driver);
    driver.ask("limit-threads 1");
    let scrape = || scraper::request(address, "GET", "/metrics");
    for _ in 0..3 {
        let response = scrape();
        assert_eq!(response.status, 500, "{response:?}");
    }
    driver.ask("limit-threads max");
    let response = scrape();
    assert_eq!(response.status, 200, "{response:?}");
    assert!(
        response.body.contains("claude_code_commit_count_total"),
        "{response:?}"
    );
    driver.ask("shutdown");
    assert!(driver.end().success());
}

#[test]
fn telemetry_starts_once_descriptors_are_available() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let receiver = protocol.receiver();
        let mut driver = Driver::new(environment(&receiver, protocol));
        // Standard input, output and error, and three more: too few for the runtime of the library's thread.
        driver.ask("limit-files 6");
        driver.ask("start");
        driver.ask("prompts 3 10");
        driver.ask_until("diagnostics", |all| {
            all.to_string().contains("RLIMIT_NOFILE")
        });
        assert_eq!(driver.health("events", "otlp")["lost"], 0);
        driver.ask("limit-files max");
        driver.ask_until("flush", |report| report["complete"] == true);
        driver.ask("shutdown");
        assert!(driver.end().success());
        assert_eq!(receiver.received().logs().len(), 3);
    }
}

#[test]
fn exporter_reconnects_once_descriptors_are_available() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let mut receiver = protocol.receiver();
        let mut driver = Driver::new(environment(&receiver, protocol));
        driver.ask("start");
        driver.ask("prompts 1 10");
        driver.ask_until("flush", |report| report["complete"] == true);
        // Open descriptors stay usable, but no connection can be opened.
        driver.ask("limit-files 3");
        receiver.restart();
        driver.ask("prompts 3 10");
        driver.ask_until("health", |health| health.to_string().contains("Failing"));
        driver.ask("limit-files max");
        driver.ask_until("flush", |report| report["complete"] == true);
        driver.ask("shutdown");
        assert!(driver.end().success());
        assert_eq!(
            receiver.received().accepted().deduplicated().logs().len(),
            4
        );
    }
}
