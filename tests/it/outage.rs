//! No data is lost in an outage of any kind if it fits into the queues: all signals are delivered, exactly, in order
//! and once.
#![cfg(any(feature = "grpc", feature = "http"))]

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use crate::host;
use crate::host::{PATIENCE, Protocol, assert_delta, otlp, select, session, sum, telemetry};
use crate::support::{Answer, Received, Receiver, Request};
use claude_code_telemetry::{
    ApiRequest, Commit, ExporterHealth, ExporterState, LlmRequestOptions, Session, Signal,
    Telemetry, TokenUsage,
};
use tonic::Code;

/// A cost that a double cannot represent exactly, so that [`assert_exact`] notices errors that add up.
const COST: f64 = 0.1;
/// The export interval that [`start`] configures.
const INTERVAL: Duration = Duration::from_millis(100);
/// The length of an outage.
const INTERVALS: usize = 10;
/// The number of requests, prompts with an LLM request, and commits that a step records.
const EACH: usize = 20;

fn start(receiver: &Receiver, protocol: Protocol, extra: &[(&str, &str)]) -> Telemetry {
    let base = [
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_LOGS_EXPORT_INTERVAL", "100"),
        ("OTEL_TRACES_EXPORT_INTERVAL", "100"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
    ];
    telemetry(&receiver.endpoint(), protocol, &[&base, extra].concat())
}

/// Records a step: [`EACH`] times 3 events, 2 spans, and metrics.
fn step(session: &Session) {
    for _ in 0..EACH {
        let tokens = TokenUsage::new().input(3).output(1);
        let prompt = session.prompt("Fix the bug");
        let call = prompt.llm_request(LlmRequestOptions::new("sonnet"));
        call.finish(ApiRequest::new("sonnet").tokens(tokens).cost_usd(COST));
        session.record_api_request(ApiRequest::new("sonnet").tokens(tokens).cost_usd(COST));
        session.record_commit(Commit::new());
    }
}

/// Asserts that the receiver got exactly the data of `steps` steps, whatever its responses were: resent requests have
/// the same bytes, and everything else arrived once.
#[track_caller]
fn assert_exact(received: &Received, steps: usize) {
    let once = received.deduplicated();
    let count = steps * EACH;
    let sequence: Vec<_> = once
        .logs()
        .iter()
        .map(|log| log.attributes["event.sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequence, (0..3 * count as u64).collect::<Vec<_>>());
    let mut spans = BTreeMap::new();
    for span in once.spans() {
        assert!(spans.insert(span.span_id.clone(), span).is_none());
    }
    assert_eq!(spans.len(), 2 * count);
    let points = once.points();
    assert_delta(&points);
    let total = |metric, attributes: &[_]| sum(&select(&points, metric, attributes));
    let requests = 2.0 * count as f64;
    assert_eq!(total("claude_code.session.count", &[]), 1.0);
    assert_eq!(total("claude_code.commit.count", &[]), count as f64);
    let tokens = |kind| total("claude_code.token.usage", &[("type", kind)]);
    assert_eq!(
        (tokens("input"), tokens("output")),
        (3.0 * requests, requests)
    );
    let cost = total("claude_code.cost.usage", &[]);
    assert!((cost / (COST * requests) - 1.0).abs() < 1e-9, "{cost}");
}

/// Runs an outage of [`INTERVALS`] export intervals over each protocol. `begin` starts the outage and `end` ends it.
fn outage(
    begin: impl Fn(&mut Receiver, Protocol) + Sync,
    end: impl Fn(&mut Receiver, &Telemetry) + Sync,
) {
    thread::scope(|scope| {
        for protocol in Protocol::all() {
            let (begin, end) = (&begin, &end);
            scope.spawn(move || {
                let mut receiver = protocol.receiver();
                let telemetry = start(&receiver, protocol, &[]);
                let session = telemetry.session(session("outage"));
                step(&session);
                let delivered = |health: &claude_code_telemetry::Health| {
                    [Signal::Metrics, Signal::Logs, Signal::Traces]
                        .iter()
                        .all(|signal| otlp(health, *signal).delivered > 0)
                };
                host::wait_for_health(&telemetry, delivered);
                begin(&mut receiver, protocol);
                for _ in 0..INTERVALS {
                    step(&session);
                    thread::sleep(INTERVAL);
                }
                end(&mut receiver, &telemetry);
                step(&session);
                // The report may be incomplete, because an export of the next interval may be in flight.
                let report = telemetry.flush();
                for exporter in &report.exporters {
                    assert_eq!(exporter.dropped.total(), 0, "{protocol:?}: {report}");
                    assert_eq!(exporter.state, ExporterState::Working, "{protocol:?}");
                }
                assert_exact(&receiver.received(), INTERVALS + 2);
                step(&session);
                let report = telemetry.shutdown();
                assert!(report.is_complete(), "{protocol:?}: {report}");
                assert_exact(&receiver.received(), INTERVALS + 3);
                let count = (EACH * (INTERVALS + 3)) as u64;
                let health = telemetry.health();
                assert_eq!(otlp(&health, Signal::Logs).delivered, 3 * count);
                assert_eq!(otlp(&health, Signal::Traces).delivered, 2 * count);
                for exporter in report.exporters {
                    assert_eq!(exporter.state, ExporterState::ShutDown);
                }
            });
        }
    });
}

/// Runs an outage in which every request gets the response that `answer` returns.
fn outage_with(answer: impl Fn(Protocol, usize) -> Answer + Clone + Send + Sync + 'static) {
    outage(
        move |receiver, protocol| {
            let answer = answer.clone();
            receiver.answer(move |n| answer(protocol, n));
        },
        |receiver, _| receiver.answer(|_| Answer::Ok),
    );
}

#[test]
fn no_data_is_lost_after_retryable_responses() {
    outage_with(|protocol, n| match protocol {
        Protocol::Grpc => {
            let codes = [
                Code::Unavailable,
                Code::Cancelled,
                Code::DeadlineExceeded,
                Code::Aborted,
                Code::OutOfRange,
                Code::DataLoss,
            ];
            Answer::code(codes[n % codes.len()], "later")
        }
        _ => Answer::status([503, 429, 502, 504][n % 4]),
    });
}

/// Waits until every exporter has sent a request again and reports a failure.
fn wait_until_failing(telemetry: &Telemetry) {
    host::wait_for_health(telemetry, |health| {
        let mut exporters = health.exporters.iter();
        exporters.all(|exporter| exporter.state == ExporterState::Failing && exporter.retries > 0)
    });
}

#[test]
fn no_data_is_lost_when_the_receiver_restarts() {
    outage(
        |receiver, _| receiver.stop(),
        |receiver, telemetry| {
            wait_until_failing(telemetry);
            receiver.restart();
        },
    );
}

#[test]
fn no_data_is_lost_when_the_receiver_restarts_with_requests_in_flight() {
    outage(
        |receiver, _| {
            receiver.answer(|_| Answer::Hang);
            let received_before = receiver.received().len();
            receiver.wait_until(PATIENCE, |received| received.len() > received_before);
            receiver.stop();
        },
        |receiver, telemetry| {
            wait_until_failing(telemetry);
            receiver.answer(|_| Answer::Ok);
            receiver.restart();
            // A request without a response is not acknowledged, so the same bytes are sent again.
            receiver.wait_until(PATIENCE, |received| {
                let accepted = received.accepted();
                let is_accepted = |request: &Request| {
                    let mut same = accepted.requests.iter();
                    same.any(|other| (&other.path, &other.body) == (&request.path, &request.body))
                };
                received.requests.iter().all(is_accepted)
            });
        },
    );
}

/// The receiver has the data but the client never gets the response, so the client resends the same bytes.
#[test]
fn no_data_is_lost_when_the_response_is_lost() {
    outage_with(|_, _| Answer::Reset);
}

#[test]
fn no_data_is_lost_when_the_response_breaks_off() {
    outage_with(|_, _| Answer::Cut);
}

#[test]
fn no_data_is_lost_when_the_response_never_ends() {
    outage_with(|_, _| Answer::Drip);
}

#[test]
fn no_data_is_lost_without_a_response() {
    outage_with(|_, _| Answer::Hang);
}

#[test]
fn no_data_is_lost_when_every_second_request_fails() {
    outage_with(|_, n| {
        if n % 2 == 0 {
            Answer::Reset
        } else {
            Answer::Ok
        }
    });
}

#[test]
fn retry_delay_of_zero_does_not_cause_a_busy_loop() {
    for protocol in Protocol::all() {
        let receiver = protocol.receiver();
        receiver.answer(move |_| {
            let answer = match protocol {
                Protocol::Grpc => Answer::code(Code::Unavailable, ""),
                _ => Answer::status(503),
            };
            answer.retry_after(Duration::ZERO)
        });
        let telemetry = start(
            &receiver,
            protocol,
            &[("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")],
        );
        step(&telemetry.session(session("s")));
        thread::scope(|scope| {
            // The retry pauses are short during a flush.
            scope.spawn(|| telemetry.flush());
            let received = receiver.wait_until(PATIENCE, |received| {
                let mut attempts: BTreeMap<&str, usize> = BTreeMap::new();
                for request in &received.requests {
                    *attempts.entry(&request.path).or_default() += 1;
                }
                attempts.len() == 3 && attempts.values().all(|count| *count >= 3)
            });
            let mut last = BTreeMap::new();
            for request in &received.requests {
                if let Some(before) = last.insert(&request.path, request.at) {
                    let pause = request.at - before;
                    // The pause during a flush is 200 ms, and begins after the receiver recorded the arrival.
                    assert!(pause >= Duration::from_millis(200), "{pause:?}");
                }
            }
            receiver.answer(|_| Answer::Ok);
        });
        assert!(telemetry.shutdown().is_complete());
    }
}

#[test]
fn cumulative_points_include_data_of_an_outage() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(
        &receiver,
        Protocol::any(),
        &[(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "cumulative",
        )],
    );
    let session = telemetry.session(session("s"));
    for round in 0..3 {
        receiver.answer(move |_| match round {
            1 => Answer::Reset,
            _ => Answer::Ok,
        });
        step(&session);
        telemetry.flush_within(Duration::from_millis(500));
    }
    assert!(telemetry.shutdown().is_complete());
    let points = receiver.received().accepted().deduplicated().points();
    host::assert_cumulative(&points);
    let commits = select(&points, "claude_code.commit.count", &[]);
    assert_eq!(commits.last().unwrap().value, 3.0 * EACH as f64);
}

/// A queue holds 16,384 events or spans. When it is full, the oldest are kept, and the newest are dropped and counted.
#[test]
fn newest_events_and_spans_are_dropped_and_counted_when_the_queue_is_full() {
    let receiver = Protocol::any().receiver();
    receiver.answer(|_| Answer::Hang);
    let telemetry = start(&receiver, Protocol::any(), &[]);
    let session = telemetry.session(session("s"));
    let count = 17_000;
    for _ in 0..count {
        session.prompt("Fix the bug").end();
    }
    let health = telemetry.health();
    for signal in [Signal::Logs, Signal::Traces] {
        let exporter = otlp(&health, signal);
        assert_eq!((exporter.queued, exporter.delivered), (16_384, 0));
        assert_eq!(exporter.dropped.queue_full, count - 16_384);
    }
    receiver.answer(|_| Answer::Ok);
    telemetry.shutdown();
    let received = receiver.received().accepted().deduplicated();
    assert_eq!(received.logs().len(), 16_384);
    assert_eq!(received.spans().len(), 16_384);
}

#[test]
fn queues_of_events_and_spans_are_bounded_by_bytes() {
    let receiver = Protocol::any().receiver();
    receiver.answer(|_| Answer::Hang);
    let extra = [("OTEL_LOG_USER_PROMPTS", "1")];
    let telemetry = start(&receiver, Protocol::any(), &extra);
    let session = telemetry.session(session("s"));
    let text = "x".repeat(512 * 1024);
    for _ in 0..80 {
        session.prompt(text.clone()).end();
    }
    let health = telemetry.health();
    for signal in [Signal::Logs, Signal::Traces] {
        let exporter = otlp(&health, signal);
        // 64 texts fill the 32 MiB of the queue. The other fields also need space, so fewer items may fit.
        assert!((60..=64).contains(&exporter.queued), "{exporter:?}");
        assert_eq!(exporter.dropped.queue_full, 80 - exporter.queued);
    }
    assert!(!telemetry.shutdown_within(Duration::ZERO).is_complete());
}

/// Events of 1 MiB and more are sent at once. The later events are recorded while the first request gets no response.
/// When the receiver responds again, they are sent directly, and not at the interval of an hour.
#[test]
fn large_batch_is_sent_directly_after_an_outage() {
    let receiver = Protocol::any().receiver();
    receiver.answer(|_| Answer::Hang);
    let extra = [
        ("OTEL_LOG_USER_PROMPTS", "1"),
        ("OTEL_LOGS_EXPORT_INTERVAL", host::NEVER),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    let telemetry = start(&receiver, Protocol::any(), &extra);
    let session = telemetry.session(session("s"));
    let large = || drop(session.prompt("x".repeat(2 * 1024 * 1024)));
    large();
    receiver.wait_until(PATIENCE, |received| !received.is_empty());
    (0..5).for_each(|_| large());
    receiver.answer(|_| Answer::Ok);
    receiver.wait_until(PATIENCE, |received| {
        received.accepted().deduplicated().logs().len() == 6
    });
}

/// A diagnostic callback that panics, calls the library or blocks does not affect the export.
#[test]
fn misbehaving_callback_does_not_affect_the_export() {
    use std::sync::{Arc, OnceLock, mpsc};
    type TelemetryCell = Arc<OnceLock<Telemetry>>;
    let callbacks: [fn(&TelemetryCell, &mpsc::Receiver<()>); 3] = [
        |_, _| panic!("a callback that is broken"),
        |cell, _| {
            let Some(telemetry) = cell.get() else { return };
            telemetry
                .session(session("callback"))
                .record_commit(Commit::new());
            telemetry.flush_within(Duration::from_millis(100));
            telemetry.health();
        },
        |_, gate| {
            let _ = gate.recv();
        },
    ];
    for callback in callbacks {
        let receiver = Protocol::any().receiver();
        // Failed exports cause the diagnostics.
        receiver.answer(|n| if n < 6 { Answer::Reset } else { Answer::Ok });
        let cell = TelemetryCell::default();
        let cell_of_callback = Arc::clone(&cell);
        let (open, gate) = mpsc::channel();
        let gate = std::sync::Mutex::new(gate);
        let environment = host::environment(
            &receiver.endpoint(),
            Protocol::any(),
            &[
                ("OTEL_LOGS_EXPORT_INTERVAL", "50"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
            ],
        );
        let telemetry = Telemetry::builder(host::config(environment), host::service())
            .on_diagnostic(move |_| {
                let gate = gate
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                // Warnings of the configuration are reported during the start, and are not part of this test.
                if cell_of_callback.get().is_some() {
                    callback(&cell_of_callback, &gate);
                }
            })
            .start();
        let session = telemetry.session(session("s"));
        let _ = cell.set(telemetry.clone());
        session.record_commit(Commit::new());
        session.record_api_request(ApiRequest::new("sonnet"));
        telemetry.flush();
        session.record_commit(Commit::new());
        // Far below the shutdown timeout of 60 s.
        let report = host::within(Duration::from_secs(8), || telemetry.shutdown());
        // Items that the callback itself records may be dropped after the shutdown.
        assert!(
            report.exporters.iter().all(ExporterHealth::is_complete),
            "{report}"
        );
        let once = receiver.received().accepted().deduplicated();
        assert_eq!(once.logs().len(), 1);
        let commits = select(
            &once.points(),
            "claude_code.commit.count",
            &[("session.id", "s")],
        );
        assert_eq!(sum(&commits), 2.0);
        drop(open);
    }
}
