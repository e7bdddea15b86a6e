//! The console exporter writes a JSON object per line, and never delays the host or other exporters.
#![cfg(all(any(feature = "grpc", feature = "http"), feature = "console"))]

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver as Gate, channel};
use std::time::{Duration, Instant};

use crate::host;
use crate::host::{Protocol, Screen, environment, exporter, select, session, sum, within};
use crate::support::Receiver;
use claude_code_telemetry::{
    Commit, Exporter, ExporterState, LinesOfCode, Signal, Telemetry, ToolResult, UserPrompt,
};
use serde_json::{Value, json};

const BOTH: [(&str, &str); 2] = [
    ("OTEL_METRICS_EXPORTER", "console,otlp"),
    ("OTEL_LOGS_EXPORTER", "console,otlp"),
];

fn start(
    receiver: &Receiver,
    extra: &[(&str, &str)],
    writer: impl Write + Send + 'static,
) -> Telemetry {
    let extra = [&BOTH, extra].concat();
    let environment = environment(&receiver.endpoint(), Protocol::any(), &extra);
    Telemetry::builder(host::config(environment), host::service())
        .console_writer(writer)
        .start()
}

/// Records two events (a prompt and a tool result), two lines of code and a commit. With the start of the session,
/// these are three data points.
fn record(telemetry: &Telemetry) {
    let session = telemetry.session(session("s-1"));
    let prompt = session.prompt(UserPrompt::new("Fix \"it\"\n").id("p-1"));
    prompt.record_tool_result(
        ToolResult::new("Bash\n{}").failed("broken \u{1b}[31m\r\nline \u{2028}"),
    );
    session.record_lines_of_code(LinesOfCode::new().added(2));
    session.record_commit(Commit::new());
}

#[track_caller]
fn assert_otlp_arrived(receiver: &Receiver) {
    let received = receiver.received();
    assert_eq!(received.logs().len(), 2);
    assert_eq!(
        sum(&select(&received.points(), "claude_code.commit.count", &[])),
        1.0
    );
}

fn of_signal(lines: &[Value], signal: &str) -> Vec<Value> {
    let lines = lines.iter().filter(|line| line["signal"] == signal);
    lines.cloned().collect()
}

#[test]
fn every_line_is_a_json_object_with_its_signal() {
    let receiver = Protocol::any().receiver();
    let screen = Screen::default();
    let telemetry = start(&receiver, &[("OTEL_LOG_USER_PROMPTS", "1")], screen.clone());
    record(&telemetry);
    assert!(telemetry.shutdown().is_complete());
    let lines = screen.lines();
    let (events, metrics) = (of_signal(&lines, "events"), of_signal(&lines, "metrics"));
    assert_eq!((events.len(), metrics.len(), lines.len()), (2, 3, 5));

    assert_eq!(events[0]["body"], "claude_code.user_prompt");
    assert_eq!(events[0]["event_name"], "claude_code.user_prompt");
    assert_eq!(events[0]["attributes"]["prompt"], "Fix \"it\"\n");
    assert_eq!(
        events[0]["time"],
        events[0]["attributes"]["event.timestamp"]
    );
    assert_eq!(
        events[1]["attributes"]["error"],
        "broken \u{1b}[31m\r\nline \u{2028}"
    );
    assert_eq!(events[1]["attributes"]["event.sequence"], 1);
    // The lines contain the same data as the OTLP requests.
    for (line, log) in events.iter().zip(receiver.received().logs()) {
        assert_eq!(line["attributes"], json!(log.attributes));
        assert_eq!(line["resource"], json!(log.resource));
    }
    let commit = metrics
        .iter()
        .find(|line| line["name"] == "claude_code.commit.count")
        .unwrap();
    assert_eq!(commit["value"], 1.0);
    assert_eq!(
        (&commit["unit"], &commit["temporality"]),
        (&json!("{count}"), &json!("delta"))
    );
    assert_eq!(
        commit["attributes"],
        json!({"user.id": "user-1", "session.id": "s-1"})
    );
    assert_eq!(commit["resource"]["service.name"], "claude-code");
}

#[test]
fn control_characters_are_escaped_in_a_line() {
    let receiver = Protocol::any().receiver();
    let screen = Screen::default();
    let telemetry = start(&receiver, &[("OTEL_LOG_USER_PROMPTS", "1")], screen.clone());
    let controls: String = (0..=0x9f)
        .chain([0x61c, 0x200e, 0x200f, 0x2028])
        .chain(0x202a..=0x202e)
        .chain(0x2066..=0x2069)
        .filter_map(char::from_u32)
        .collect();
    let text = format!("{controls}é😀 \u{9b}31m\\");
    let session = telemetry.session(session(&text));
    session.prompt(UserPrompt::new(text.clone())).end();
    session.record_commit(Commit::new());
    assert!(telemetry.shutdown().is_complete());

    let raw = screen.text();
    let affects_terminal = |c: char| {
        (c.is_control() && c != '\n')
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
            || "\u{200e}\u{200f}\u{61c}".contains(c)
    };
    assert!(!raw.contains(affects_terminal), "{raw:?}");
    assert!(raw.contains("é😀 \\u009b31m\\\\"), "{raw}");
    // The parsed output is complete.
    let lines = screen.lines();
    assert_eq!(of_signal(&lines, "events")[0]["attributes"]["prompt"], text);
    for line in of_signal(&lines, "metrics") {
        assert_eq!(line["attributes"]["session.id"], text);
    }
}

#[test]
fn console_exporter_needs_no_endpoint() {
    let screen = Screen::default();
    let config = host::config(
        [
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("OTEL_METRICS_EXPORTER", "console"),
            ("OTEL_LOGS_EXPORTER", "console"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            ("OTEL_LOGS_EXPORT_INTERVAL", "10"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
    );
    let telemetry = Telemetry::builder(config, host::service())
        .console_writer(screen.clone())
        .start();
    record(&telemetry);
    // The lines are written at the export intervals, without a flush: at least one for each event and data point.
    let mut count = 5;
    let (events, metrics) = loop {
        let lines = screen.wait_for(count);
        let (events, metrics) = (of_signal(&lines, "events"), of_signal(&lines, "metrics"));
        if events.len() >= 2 && metrics.len() >= 3 {
            break (events, metrics);
        }
        count = lines.len() + 1;
    };
    let names = events.iter().map(|line| &line["event_name"]);
    assert!(names.eq(["claude_code.user_prompt", "claude_code.tool_result"]));
    let names: BTreeSet<_> = metrics
        .iter()
        .map(|line| line["name"].as_str().unwrap())
        .collect();
    let expected = ["commit.count", "lines_of_code.count", "session.count"];
    assert!(
        names
            .into_iter()
            .eq(expected.map(|name| format!("claude_code.{name}")))
    );
    let otlp =
        |exporter: &claude_code_telemetry::ExporterHealth| exporter.exporter == Exporter::Otlp;
    assert!(!telemetry.health().exporters.iter().any(otlp));
}

/// A writer that fails every write.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(
            io::ErrorKind::BrokenPipe,
            "the pipe has no reader",
        ))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn failing_writer_is_reported_and_does_not_block_otlp() {
    let receiver = Protocol::any().receiver();
    let telemetry = start(&receiver, &[], Broken);
    // Flushes without data lose nothing.
    for _ in 0..2 {
        telemetry.flush();
    }
    record(&telemetry);
    let report = telemetry.flush();
    assert_otlp_arrived(&receiver);
    assert!(!report.is_complete());
    let console = exporter(&telemetry.health(), Signal::Logs, Exporter::Console);
    assert_eq!(console.state, ExporterState::Failing);
    assert_eq!(
        (console.dropped.refused, console.queued, console.delivered),
        (2, 0, 0)
    );
    let error = console.last_error.unwrap().message;
    assert!(
        error.contains("console") && error.contains("the pipe has no reader"),
        "{error}"
    );
    assert!(report.to_string().contains("the pipe has no reader"));
}

/// A writer whose first `times` writes panic.
struct Panicking {
    times: usize,
    screen: Screen,
}

impl Write for Panicking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.times > 0 {
            self.times -= 1;
            panic!("the host's writer is broken");
        }
        self.screen.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn panicking_writer_is_reported_and_does_not_block_otlp() {
    let receiver = Protocol::any().receiver();
    let writer = Panicking {
        times: usize::MAX,
        screen: Screen::default(),
    };
    let telemetry = start(&receiver, &[], writer);
    record(&telemetry);
    within(Duration::from_secs(2), || telemetry.flush());
    assert_otlp_arrived(&receiver);
    let console = exporter(&telemetry.health(), Signal::Logs, Exporter::Console);
    assert!(console.last_error.unwrap().message.contains("panicked"));
    within(Duration::from_secs(2), || telemetry.shutdown());
}

#[test]
fn writer_is_used_again_after_a_panic() {
    let receiver = Protocol::any().receiver();
    let screen = Screen::default();
    let writer = Panicking {
        times: 1,
        screen: screen.clone(),
    };
    let telemetry = start(&receiver, &[("OTEL_METRICS_EXPORTER", "none")], writer);
    record(&telemetry);
    telemetry.flush();
    record(&telemetry);
    telemetry.flush();
    assert_eq!(screen.lines().len(), 2);
    let console = exporter(&telemetry.health(), Signal::Logs, Exporter::Console);
    assert_eq!(console.state, ExporterState::Working);
    assert_eq!((console.delivered, console.dropped.refused), (2, 2));
}

/// A writer that blocks until the sender of its channel is dropped.
pub(crate) struct Blocked(pub(crate) Gate<()>);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn blocked_writer_does_not_block_the_host_and_otlp() {
    let receiver = Protocol::any().receiver();
    let (open, gate) = channel();
    let limits = [
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "300"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "300"),
    ];
    let telemetry = start(&receiver, &limits, Blocked(gate));
    record(&telemetry);
    within(Duration::from_millis(300), || telemetry.flush());
    host::wait_for_health(&telemetry, |health| {
        let otlp = |signal| host::otlp(health, signal).delivered;
        (otlp(Signal::Logs), otlp(Signal::Metrics)) == (2, 3)
    });
    assert_otlp_arrived(&receiver);
    let console = exporter(&telemetry.health(), Signal::Logs, Exporter::Console);
    assert_eq!((console.delivered, console.queued), (0, 2));
    // OTLP export continues while the console is blocked.
    let start = Instant::now();
    let session = telemetry.session(session("s-2"));
    for _ in 0..1_000 {
        session.record_tool_result(ToolResult::new("Read"));
    }
    assert!(start.elapsed() < host::SLACK);
    telemetry.flush();
    receiver.wait_until(host::PATIENCE, |received| received.logs().len() == 1_002);
    let report = within(Duration::from_millis(300), || telemetry.shutdown());
    let lost = |exporter: &claude_code_telemetry::ExporterHealth| exporter.dropped.shutdown;
    assert!(
        report
            .exporters
            .iter()
            .any(|exporter| lost(exporter) == 1_002)
    );
    drop(open);
}
