//! The size of the demo (the transcript `examples/stack/demo.jsonl`) on the wire: the numbers in `docs/BACKENDS.md`.
//!
//! `cargo test --test it alerts_and_dashboards::size -- --nocapture` prints them.

use std::collections::BTreeSet;

use super::live;
use super::text;
use crate::support::{Message, Receiver};

/// The items and bytes that the runs of the demo sent.
#[derive(Debug)]
struct Size {
    sessions: usize,
    series: usize,
    points: usize,
    events: usize,
    spans: usize,
    metric_bytes: usize,
    event_bytes: usize,
    span_bytes: usize,
}

/// Replays the demo `runs` times, each in a separate process that reports every series once.
fn measure(runs: usize, extra: &[(&str, &str)]) -> Size {
    let demo = text("demo.jsonl");
    let steps: Vec<_> = live::without_sleeps(&demo);
    let receiver = Receiver::http();
    for _ in 0..runs {
        let home = tempfile::tempdir().unwrap();
        let mut all = vec![
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
            ("OTEL_LOGS_EXPORT_INTERVAL", "3600000"),
            ("OTEL_TRACES_EXPORT_INTERVAL", "3600000"),
        ];
        all.extend(extra);
        live::replay(&receiver, home.path(), &all, &steps);
    }
    let received = receiver.received();
    let points = received.points();
    let bytes = |wanted: fn(&Message) -> bool| {
        let requests = received.filter(|request| wanted(&request.message));
        requests
            .requests
            .iter()
            .map(|request| request.body.len())
            .sum()
    };
    let count = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>().len();
    let series = points
        .iter()
        .map(|p| format!("{} {:?}", p.name, p.attributes));
    Size {
        sessions: runs
            * steps
                .iter()
                .filter(|s| s.contains("\"step\": \"session\""))
                .count(),
        series: count(series.collect()),
        points: points.len(),
        events: received.logs().len(),
        spans: received.spans().len(),
        metric_bytes: bytes(|message| matches!(message, Message::Metrics(_))),
        event_bytes: bytes(|message| matches!(message, Message::Logs(_))),
        span_bytes: bytes(|message| matches!(message, Message::Traces(_))),
    }
}

#[test]
fn sizes_on_the_wire_match_the_documentation() {
    let row = |name: &str, size: &Size| {
        let per = |bytes: usize, count: usize| bytes.checked_div(count).unwrap_or(0);
        println!(
            "{name:44} {:2} sessions {:3} series {:3} points of {:3} bytes, {:3} events of {:3}, {:3} spans of {:3}",
            size.sessions,
            size.series,
            size.points,
            per(size.metric_bytes, size.points),
            size.events,
            per(size.event_bytes, size.events),
            size.spans,
            per(size.span_bytes, size.spans),
        );
    };
    let gzip = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let plain = measure(1, &[]);
    row("protobuf", &plain);
    row("protobuf, gzip", &measure(1, &[gzip]));
    let json = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    row("JSON", &measure(1, &[json]));
    let switches = [
        ("OTEL_METRICS_INCLUDE_SESSION_ID", "false"),
        ("OTEL_METRICS_INCLUDE_VERSION", "true"),
        ("OTEL_METRICS_INCLUDE_ACCOUNT_UUID", "false"),
        ("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", "false"),
    ];
    let four_runs = measure(4, &[]);
    row("four times", &four_runs);
    let mut sizes = Vec::new();
    for (name, value) in switches {
        let size = measure(4, &[(name, value)]);
        row(&format!("{name}={value}"), &size);
        sizes.push(size);
    }

    // The numbers in `docs/BACKENDS.md`.
    assert_eq!((plain.sessions, plain.series, plain.points), (5, 73, 73));
    assert_eq!((plain.events, plain.spans), (128, 170));
    assert_eq!(
        four_runs.series,
        4 * plain.series,
        "a session has its own series"
    );
    assert_eq!(
        sizes[0].series, plain.series,
        "without session.id they are shared"
    );
    for size in &sizes[1..] {
        assert_eq!(
            size.series, four_runs.series,
            "the other switches make no series"
        );
    }
    let between = |low: usize, bytes: usize, count: usize| {
        let each = bytes / count;
        assert!(
            (low..=low + low / 4).contains(&each),
            "{each} instead of {low} or so"
        );
    };
    between(480, plain.metric_bytes, plain.points);
    between(830, plain.event_bytes, plain.events);
    between(700, plain.span_bytes, plain.spans);
}
