//! A forked child of a process with telemetry sends no data of the parent, does not hang, and can start its own
//! telemetry.
#![cfg(all(unix, feature = "grpc"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unsafe_code)]

#[path = "support/host.rs"]
mod host;
#[cfg(feature = "prometheus")]
#[path = "support/scraper.rs"]
mod scraper;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use claude_code_telemetry::{
    ApiRequest, Commit, Config, Decision, DecisionSource, EarlyRecords, Telemetry,
};
use host::{ENABLE_TRACES, PATIENCE, Protocol};
use support::Receiver;

/// Waits until no other test runs. A lock of the standard library or of the system's resolver that a thread of another
/// test held at the fork would stay locked in the child forever.
fn without_other_tests() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts telemetry that exports all signals to `receiver`.
fn telemetry(receiver: &Receiver) -> Telemetry {
    host::telemetry(&receiver.endpoint(), Protocol::Grpc, &ENABLE_TRACES)
}

/// Runs `child` in a forked process. Returns true if it returned true before the alarm.
fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child has only the thread that forked, and a lock that another thread held at that moment is never
    // released in the child. The child allocates, takes locks, starts threads and opens sockets, so the safety depends
    // on who can hold these locks: the C libraries of Linux and macOS make their allocator usable after a fork, no other
    // test runs (`without_other_tests`), the thread of libtest waits for the result of this test, and the child does
    // not touch the threads of the receiver. Only threads of the library remain. That the child does not wait for
    // their locks is what these tests check.
    match unsafe { libc::fork() } {
        -1 => panic!("fork failed"),
        0 => {
            // SAFETY: `alarm` and `_exit` are safe in the child of a process with threads. The alarm ends a child that
            // hangs. A panic must not leave this function: it would end the thread, and with it the process, as a success.
            unsafe {
                libc::alarm(120);
                let passed = catch_unwind(AssertUnwindSafe(child)).unwrap_or(false);
                libc::_exit(if passed { 0 } else { 1 })
            }
        }
        pid => {
            let mut status = 0;
            // SAFETY: `pid` is a child of this process, and `status` is valid for writes.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

#[test]
fn inherited_telemetry_neither_sends_nor_blocks_in_a_forked_child() {
    let _guard = without_other_tests();
    let receiver = Receiver::grpc();
    let telemetry = telemetry(&receiver);
    let session = telemetry.session(host::session("parent"));
    let prompt = session.prompt("before the fork");
    let tool = prompt.tool("Bash");
    session.record_commit(Commit::new());

    let (child_telemetry, child_session) = (telemetry.clone(), session.clone());
    let child_prompt = prompt.clone();
    assert!(in_child(move || {
        let began = Instant::now();
        for _ in 0..100 {
            child_session.record_api_request(ApiRequest::new("model").cost_usd(1.0));
            child_prompt.record_commit(Commit::new());
        }
        tool.decided(Decision::Accept, DecisionSource::Config);
        drop(tool);
        let other = child_telemetry.session(host::session("child"));
        other.prompt("in the child").end();
        child_telemetry.flush();
        let config = Config::builder().environment([("OTEL_LOGS_EXPORTER", "otlp")]);
        let changed = child_telemetry.reconfigure(config.build());
        let report = child_telemetry.shutdown().to_string();
        drop((child_telemetry, child_session, child_prompt, other));
        let is_off = report.starts_with("telemetry is off");
        is_off && !changed && began.elapsed() < Duration::from_secs(30)
    }));

    prompt.end();
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    let received = receiver.received();
    let commits = host::select(&received.points(), "claude_code.commit.count", &[]);
    assert_eq!(host::sum(&commits), 1.0);
    assert_eq!(received.logs().len(), 1, "only the prompt");
}

#[test]
fn early_records_from_before_and_after_a_fork_are_delivered_in_the_child() {
    let _guard = without_other_tests();
    let receiver = Receiver::grpc();
    let early = EarlyRecords::new();
    early.record_api_request(ApiRequest::new("before"));
    assert!(in_child(|| {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    (0..100).for_each(|_| early.record_api_request(ApiRequest::new("since")));
                });
            }
        });
        let own = telemetry(&receiver);
        let report = early.deliver_to(&own.session(host::session("child")));
        (report.delivered, report.lost) == (201, 0) && own.shutdown().is_complete()
    }));
    assert_eq!(receiver.received().accepted().logs().len(), 201);
}

#[test]
fn new_telemetry_delivers_in_a_forked_child() {
    let _guard = without_other_tests();
    let receiver = Receiver::grpc();
    let parent = telemetry(&receiver);
    assert!(in_child(|| {
        let own = telemetry(&receiver);
        own.session(host::session("child"))
            .record_commit(Commit::new());
        own.shutdown().is_complete()
    }));
    parent.shutdown();
    receiver.wait_until(PATIENCE, |received| {
        !host::select(&received.points(), "claude_code.commit.count", &[]).is_empty()
    });
}

#[test]
#[cfg(feature = "prometheus")]
fn prometheus_scrape_endpoint_stays_with_the_parent_after_a_fork() {
    let _guard = without_other_tests();
    let telemetry = scraper::telemetry(&[]);
    let session = telemetry.session(host::session("parent"));
    session.record_commit(Commit::new());
    let address = scraper::address(&telemetry);
    assert!(in_child(|| {
        session.record_commit(Commit::new());
        telemetry.health().exporters.is_empty() && telemetry.shutdown().exporters.is_empty()
    }));
    let page = scraper::request(address, "GET", "/metrics").body;
    let commits: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("claude_code_commit_count_total{"))
        .collect();
    assert!(
        matches!(commits[..], [line] if line.ends_with("} 1")),
        "{page}"
    );
}

#[test]
#[cfg(all(feature = "providers", feature = "console"))]
fn host_instruments_write_nothing_in_a_forked_child() {
    use opentelemetry::logs::{Logger, LoggerProvider};
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry::trace::{Span, Tracer, TracerProvider};

    let _guard = without_other_tests();
    let environment = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_LOGS_EXPORTER", "console"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
    ];
    let config = Config::builder().environment(environment).build();
    let screen = host::Screen::default();
    let telemetry = Telemetry::builder(config, host::service())
        .console_writer(screen.clone())
        .start();
    let providers = telemetry.providers();
    let hits = providers.meter_provider().meter("host");
    let hits = hits.u64_counter("hits").build();
    let logger = providers.logger_provider().logger("host");
    let tracer = providers.tracer_provider().tracer("host");
    let record = || {
        hits.add(1, &[]);
        logger.emit(logger.create_log_record());
        tracer.start("look").end();
    };
    record();
    let (child_telemetry, child_providers) = (telemetry.clone(), providers.clone());
    let child_screen = screen.clone();
    assert!(in_child(|| {
        let began = Instant::now();
        record();
        let flushed = child_providers.meter_provider().force_flush();
        let shut_down = child_providers.meter_provider().shutdown();
        child_telemetry.shutdown();
        drop((child_telemetry, child_providers));
        flushed.is_err()
            && shut_down.is_err()
            && child_screen.text().is_empty()
            && began.elapsed() < Duration::from_secs(30)
    }));
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    assert_eq!(screen.lines().len(), 3);
}
