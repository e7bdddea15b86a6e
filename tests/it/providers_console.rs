//! The host's own metrics, logs and spans, recorded with the providers of the OpenTelemetry SDK, on the console: their
//! lines, with and without OTLP beside it, and a console that blocks.
#![cfg(all(feature = "providers", feature = "console", feature = "grpc"))]

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::console::Blocked;
use crate::host;
use crate::host::{
    Protocol, Screen, assert_delta, environment, exporter, select, service, session,
    start_with_diagnostics, sum, wait_for_health, within,
};
use crate::support::{Receiver, black_hole};
use claude_code_telemetry::{
    Commit, Exporter, ExporterState, Health, Providers, Signal, Telemetry, TelemetryBuilder,
    UserPrompt,
};
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{
    Link, Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use serde_json::{Value, json};

const SCOPE: &str = "my-agent";

/// The variable without which `OTEL_TRACES_EXPORTER` has no effect.
const TRACES_BETA: (&str, &str) = ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1");

const CONSOLE: [(&str, &str); 4] = [
    TRACES_BETA,
    ("OTEL_METRICS_EXPORTER", "console"),
    ("OTEL_LOGS_EXPORTER", "console"),
    ("OTEL_TRACES_EXPORTER", "console"),
];

const BOTH: [(&str, &str); 4] = [
    TRACES_BETA,
    ("OTEL_METRICS_EXPORTER", "console,otlp"),
    ("OTEL_LOGS_EXPORTER", "console,otlp"),
    ("OTEL_TRACES_EXPORTER", "console,otlp"),
];

/// Only OTLP, which [`environment`] already configures for metrics and events.
const OTLP: [(&str, &str); 2] = [TRACES_BETA, ("OTEL_TRACES_EXPORTER", "otlp")];

const SIGNALS: [Signal; 3] = [Signal::Metrics, Signal::Logs, Signal::Traces];

fn config(endpoint: &str, extra: &[&[(&str, &str)]]) -> claude_code_telemetry::Config {
    host::config(environment(endpoint, Protocol::any(), &extra.concat()))
}

fn builder(
    endpoint: &str,
    extra: &[&[(&str, &str)]],
    writer: impl Write + Send + 'static,
) -> TelemetryBuilder {
    Telemetry::builder(config(endpoint, extra), service()).console_writer(writer)
}

fn start(receiver: &Receiver, extra: &[&[(&str, &str)]], screen: &Screen) -> Telemetry {
    builder(&receiver.endpoint(), extra, screen.clone()).start()
}

/// Records an item of each signal with the host's instruments.
fn record_all_signals(providers: &Providers) {
    let meter = providers.meter_provider().meter(SCOPE);
    meter.u64_counter("cache.hits").build().add(1, &[]);
    emit_log(providers, "nothing there");
    let tracer = providers.tracer_provider().tracer(SCOPE);
    tracer.start("look").end();
}

fn emit_log(providers: &Providers, text: &'static str) {
    let logger = providers.logger_provider().logger(SCOPE);
    let mut record = logger.create_log_record();
    record.set_body(AnyValue::from(text));
    logger.emit(record);
}

/// Returns the lines of the host's instruments. Only these have the member `scope`.
fn of_host(screen: &Screen) -> Vec<Value> {
    let mut lines = screen.lines();
    lines.retain(|line| line.get("scope").is_some());
    lines
}

#[track_caller]
fn only<'l>(lines: &'l [Value], name: &str) -> &'l Value {
    let mut found = lines.iter().filter(|line| line["name"] == name);
    let line = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} has several lines");
    line
}

/// Returns a line without its times and its resource, which must be there.
#[track_caller]
fn without_times(line: &Value, times: &[&str]) -> Value {
    let mut line = line.clone();
    let members = line.as_object_mut().unwrap();
    for time in times {
        let time = members.remove(*time).unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    let resource = members.remove("resource").unwrap();
    assert_eq!(resource["service.name"], "claude-code");
    line
}

/// Waits until the exporters of all signals have delivered what they held when they were turned off.
#[track_caller]
fn wait_until_off(telemetry: &Telemetry, kind: Exporter) {
    wait_for_health(telemetry, |health| {
        let mut signals = SIGNALS.into_iter();
        signals.all(|signal| exporter(health, signal, kind).state == ExporterState::ShutDown)
    });
}

#[track_caller]
fn delivered(health: &Health, kind: Exporter) -> [u64; 3] {
    SIGNALS.map(|signal| exporter(health, signal, kind).delivered)
}

#[test]
fn metrics_of_every_type_are_lines() {
    let screen = Screen::default();
    let telemetry = builder("http://127.0.0.1:1", &[&CONSOLE], screen.clone()).start();
    let providers = telemetry.providers();
    let scope = InstrumentationScope::builder(SCOPE)
        .with_version("9")
        .with_attributes([KeyValue::new("team", "core")])
        .build();
    let meter = providers.meter_provider().meter_with_scope(scope);
    let disk = [KeyValue::new("tier", "disk")];
    let hits = meter.u64_counter("cache.hits").with_unit("{hit}").build();
    hits.add(2, &disk);
    hits.add(3, &disk);
    meter.f64_counter("cache.cost").build().add(0.5, &[]);
    let open = meter.i64_up_down_counter("cache.open").build();
    open.add(1, &[]);
    open.add(-3, &[]);
    let fill = meter.f64_gauge("cache.fill").build();
    fill.record(0.25, &[]);
    let _entries = meter
        .i64_observable_gauge("cache.entries")
        .with_callback(|observer| observer.observe(7, &[]))
        .build();
    let time = meter.f64_histogram("cache.time");
    let time = time.with_unit("s").with_boundaries(vec![0.5, 2.0]).build();
    time.record(0.25, &[]);
    time.record(1.5, &[]);
    assert!(telemetry.shutdown().is_complete());

    let lines = screen.lines();
    let scope = json!({"name": SCOPE, "version": "9", "attributes": {"team": "core"}});
    for (name, expected) in [
        (
            "cache.hits",
            json!({"type": "sum", "monotonic": true, "value": 5, "unit": "{hit}", "temporality": "delta",
                "attributes": {"tier": "disk"}}),
        ),
        (
            "cache.cost",
            json!({"type": "sum", "monotonic": true, "value": 0.5, "unit": "", "temporality": "delta",
                "attributes": {}}),
        ),
        (
            "cache.open",
            json!({"type": "sum", "monotonic": false, "value": -2, "unit": "", "temporality": "cumulative",
                "attributes": {}}),
        ),
        (
            "cache.fill",
            json!({"type": "gauge", "value": 0.25, "unit": "", "attributes": {}}),
        ),
        (
            "cache.entries",
            json!({"type": "gauge", "value": 7, "unit": "", "attributes": {}}),
        ),
        (
            "cache.time",
            json!({"type": "histogram", "count": 2, "sum": 1.75, "min": 0.25, "max": 1.5,
                "explicit_bounds": [0.5, 2.0], "bucket_counts": [1, 1, 0], "unit": "s", "temporality": "delta",
                "attributes": {}}),
        ),
    ] {
        let line = only(&lines, name);
        let mut expected = expected;
        expected["signal"] = json!("metrics");
        expected["name"] = json!(name);
        expected["scope"] = scope.clone();
        let times: &[_] = match expected.get("temporality") {
            Some(_) => &["time", "start"],
            None => &["time"],
        };
        assert_eq!(without_times(line, times), expected);
    }
    assert_eq!(lines.len(), 6);
}

#[test]
fn log_record_with_any_body_and_attributes_is_a_line() {
    let screen = Screen::default();
    let telemetry = builder("http://127.0.0.1:1", &[&CONSOLE], screen.clone()).start();
    let providers = telemetry.providers();
    let logger = providers.logger_provider().logger(SCOPE);
    let mut record = logger.create_log_record();
    record.set_severity_number(Severity::Warn);
    record.set_severity_text("WARN");
    record.set_event_name("cache.miss");
    let list = [AnyValue::Int(1), AnyValue::Boolean(true)];
    record.set_body(AnyValue::Map(Box::new(
        [
            ("list".into(), AnyValue::ListAny(Box::new(list.into()))),
            ("bytes".into(), AnyValue::Bytes(Box::new(vec![0, 0xff]))),
        ]
        .into(),
    )));
    record.add_attribute("number", AnyValue::Double(f64::NAN));
    record.add_attribute("text", "two\nlines \u{1b}[31m");
    record.set_trace_context(
        TraceId::from(0xab_u128),
        SpanId::from(0xcd_u64),
        Some(TraceFlags::SAMPLED),
    );
    logger.emit(record);
    // A record with only a text.
    emit_log(&providers, "plain");
    assert!(telemetry.shutdown().is_complete());

    let lines = screen.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        without_times(&lines[0], &["time"]),
        json!({
            "signal": "events",
            "severity_number": 13,
            "severity_text": "WARN",
            "body": {"list": [1, true], "bytes": "AP8="},
            "event_name": "cache.miss",
            "trace_id": "000000000000000000000000000000ab",
            "span_id": "00000000000000cd",
            "attributes": {"number": "NaN", "text": "two\nlines \u{1b}[31m"},
            "scope": {"name": SCOPE},
        })
    );
    assert_eq!(
        without_times(&lines[1], &["time"]),
        json!({"signal": "events", "body": "plain", "attributes": {}, "scope": {"name": SCOPE}})
    );
    // The host gave no time, so the line has the time of the call.
    assert!(!lines[1]["time"].as_str().unwrap().starts_with("1970"));
    assert!(!screen.text().contains('\u{1b}'));
}

#[test]
fn host_span_is_a_line() {
    let screen = Screen::default();
    let telemetry = builder("http://127.0.0.1:1", &[&CONSOLE], screen.clone()).start();
    let tracer = telemetry.providers().tracer_provider().tracer(SCOPE);
    let link = SpanContext::new(
        TraceId::from(0xab_u128),
        SpanId::from(0xcd_u64),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    let parent = tracer.start("parent");
    let parent_context = parent.span_context().clone();
    let context = Context::new().with_remote_span_context(parent_context.clone());
    let mut compile = tracer
        .span_builder("compile")
        .with_kind(SpanKind::Client)
        .with_attributes([
            KeyValue::new("files", 3),
            KeyValue::new(
                "flags",
                opentelemetry::Value::Array(opentelemetry::Array::Bool(vec![true, false])),
            ),
        ])
        .with_links(vec![Link::new(link, vec![KeyValue::new("why", "same")], 0)])
        .start_with_context(&tracer, &context);
    compile.add_event("half", vec![KeyValue::new("percent", 50)]);
    compile.set_status(Status::error("does not compile"));
    let compile_id = compile.span_context().span_id();
    compile.end();
    let mut parent = parent;
    parent.set_status(Status::Ok);
    parent.end();
    assert!(telemetry.shutdown().is_complete());

    let lines = screen.lines();
    let mut line = without_times(only(&lines, "compile"), &["time", "start"]);
    let event = line["events"][0].as_object_mut().unwrap();
    assert!(event.remove("time").is_some());
    assert_eq!(
        line,
        json!({
            "signal": "spans",
            "name": "compile",
            "trace_id": parent_context.trace_id().to_string(),
            "span_id": compile_id.to_string(),
            "parent_span_id": parent_context.span_id().to_string(),
            "kind": "client",
            "error": "does not compile",
            "attributes": {"files": 3, "flags": [true, false]},
            "events": [{"name": "half", "attributes": {"percent": 50}}],
            "links": [{
                "trace_id": "000000000000000000000000000000ab",
                "span_id": "00000000000000cd",
                "attributes": {"why": "same"},
            }],
            "scope": {"name": SCOPE},
        })
    );
    let parent = only(&lines, "parent");
    assert_eq!(
        (&parent["kind"], &parent["status"]),
        (&json!("internal"), &json!("ok"))
    );
}

#[test]
fn lines_of_the_catalog_have_no_members_of_host_instruments() {
    let screen = Screen::default();
    let telemetry = builder("http://127.0.0.1:1", &[&CONSOLE], screen.clone()).start();
    record_all_signals(&telemetry.providers());
    let session = telemetry.session(session("s"));
    session.prompt(UserPrompt::new("Fix the bug")).end();
    session.record_commit(Commit::new());
    assert!(telemetry.shutdown().is_complete());
    assert_eq!(of_host(&screen).len(), 3);
    let text = screen.text();
    let lines = text.lines().filter(|line| line.contains("session.id"));
    let mut signals = Vec::new();
    for line in lines {
        let value: Value = serde_json::from_str(line).unwrap();
        let signal = value["signal"].as_str().unwrap().to_owned();
        let expected: &[_] = match &*signal {
            "metrics" => &[
                "signal",
                "time",
                "name",
                "value",
                "unit",
                "temporality",
                "start",
                "attributes",
                "resource",
            ],
            "events" => &[
                "signal",
                "time",
                "body",
                "event_name",
                "trace_id",
                "span_id",
                "attributes",
                "resource",
            ],
            _ => &[
                "signal",
                "time",
                "name",
                "trace_id",
                "span_id",
                "start",
                "attributes",
                "events",
                "resource",
            ],
        };
        let mut members: Vec<_> = value.as_object().unwrap().keys().collect();
        members.sort_by_key(|member| line.find(&format!("\"{member}\":")));
        assert_eq!(members, expected, "{line}");
        signals.push(signal);
    }
    signals.sort_unstable();
    signals.dedup();
    assert_eq!(signals, ["events", "metrics", "spans"]);
}

#[test]
fn report_names_the_deliveries_of_host_instruments_by_exporter() {
    let receiver = Protocol::any().receiver();
    let screen = Screen::default();
    let telemetry = start(&receiver, &[&BOTH], &screen);
    let report = telemetry.flush().to_string();
    assert!(!report.contains("host"), "{report}");
    let providers = telemetry.providers();
    let session = telemetry.session(session("s"));
    session.prompt("Fix the bug").end();
    record_all_signals(&providers);
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    let text = report.to_string();
    for signal in SIGNALS {
        for exporter in ["otlp", "console"] {
            let host_line =
                format!("{signal} ({exporter}, host instruments): 1 delivered, 0 waiting, 0 lost");
            assert!(
                text.lines().any(|found| found == host_line),
                "{host_line}: {text}"
            );
            let catalog_line = format!("{signal} ({exporter}): 1 delivered, 0 waiting, 0 lost");
            assert!(
                text.lines().any(|found| found == catalog_line),
                "{catalog_line}: {text}"
            );
        }
    }
    let is_host = |kind: Exporter| kind.is_host();
    let host = report.exporters.iter().filter(|one| is_host(one.exporter));
    assert_eq!(host.count(), 6);
    assert_eq!(of_host(&screen).len(), 3);
    let health = telemetry.health();
    assert_eq!(delivered(&health, Exporter::HostOtlp), [1; 3]);
    assert_eq!(delivered(&health, Exporter::HostConsole), [1; 3]);

    // Later records are lost, and counted by the exporter that would have delivered them.
    emit_log(&providers, "late");
    let text = telemetry.shutdown().to_string();
    for exporter in ["otlp", "console"] {
        let line = format!("events ({exporter}, host instruments): 1 delivered, 0 waiting, 1 lost");
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn report_names_the_reason_why_the_otlp_exporter_of_host_logs_is_off() {
    let screen = Screen::default();
    let telemetry = builder(
        "http://127.0.0.1:1",
        &[&[
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "console,otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector"),
        ]],
        screen.clone(),
    )
    .start();
    let providers = telemetry.providers();
    emit_log(&providers, "written");
    let report = telemetry.shutdown();
    assert_eq!(of_host(&screen).len(), 1);
    let otlp = exporter(&telemetry.health(), Signal::Logs, Exporter::HostOtlp);
    assert_eq!(otlp.state, ExporterState::Off);
    let text = report.to_string();
    let line = "events (otlp, host instruments): 0 delivered, 0 waiting, 0 lost; last error: ";
    let line = text.lines().find_map(|found| found.strip_prefix(line));
    assert!(line.is_some_and(|reason| reason.contains("ftp")), "{text}");
}

/// The console and OTLP are turned on and off one after the other. Each gets exactly what is recorded while it is on.
#[test]
fn console_has_its_own_deltas_while_it_is_on() {
    let receiver = Protocol::any().receiver();
    let screen = Screen::default();
    let telemetry = start(&receiver, &[&OTLP], &screen);
    let providers = telemetry.providers();
    let hits = providers
        .meter_provider()
        .meter(SCOPE)
        .u64_counter("cache.hits")
        .build();
    let tracer = providers.tracer_provider().tracer(SCOPE);
    let record = |count: u64, text: &'static str| {
        hits.add(count, &[]);
        emit_log(&providers, text);
        tracer.start(text).end();
    };
    let change = |extra: &[(&str, &str)]| {
        assert!(telemetry.reconfigure(config(&receiver.endpoint(), &[extra])));
    };
    record(1_000, "off");
    change(&BOTH);
    record(1, "on");
    assert!(telemetry.flush().is_complete());
    // Data from before an exporter is turned off is delivered.
    record(2, "still on");
    change(&OTLP);
    wait_until_off(&telemetry, Exporter::HostConsole);
    record(10_000, "off again");
    assert!(telemetry.flush().is_complete());
    change(&CONSOLE);
    wait_until_off(&telemetry, Exporter::HostOtlp);
    record(4, "only console");
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");

    let lines = of_host(&screen);
    let written = |member: &str| -> Vec<_> {
        let lines = lines.iter().filter_map(|line| line[member].as_str());
        lines
            .filter(|text| *text != "cache.hits")
            .map(str::to_owned)
            .collect()
    };
    for member in ["body", "name"] {
        assert_eq!(written(member), ["on", "still on", "only console"]);
    }
    let hits = lines.iter().filter(|line| line["name"] == "cache.hits");
    let hits: Vec<_> = hits.map(|line| line["value"].as_u64().unwrap()).collect();
    assert_eq!(hits.iter().sum::<u64>(), 7, "{hits:?}");

    let received = receiver.received();
    let points = select(&received.points(), "cache.hits", &[]);
    assert_eq!(sum(&points), 11_003.0);
    assert_delta(&points);
    assert_eq!((received.logs().len(), received.spans().len()), (4, 4));
    for kind in [Exporter::HostOtlp, Exporter::HostConsole] {
        for signal in SIGNALS {
            let health = exporter(&telemetry.health(), signal, kind);
            assert_eq!(health.dropped.total(), 0, "{health:?}");
        }
    }
}

#[test]
fn blocked_console_blocks_neither_the_host_nor_otlp_and_its_losses_are_named() {
    const RECORDS: u64 = 20_000;
    let receiver = Protocol::any().receiver();
    let (open, gate) = channel();
    let limits = [
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "300"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "300"),
    ];
    let telemetry = builder(&receiver.endpoint(), &[&BOTH, &limits], Blocked(gate)).start();
    let providers = telemetry.providers();
    record_all_signals(&providers);
    let limit = Duration::from_millis(300);
    assert!(within(limit, || providers.meter_provider().force_flush()).is_err());
    wait_for_health(&telemetry, |health| {
        delivered(health, Exporter::HostOtlp) == [1; 3]
    });
    assert_eq!(
        delivered(&telemetry.health(), Exporter::HostConsole),
        [0; 3]
    );
    // More records than a queue holds.
    within(Duration::from_secs(20), || {
        (0..RECORDS).for_each(|_| emit_log(&providers, "more"));
    });
    let report = within(limit, || telemetry.shutdown());
    let console = exporter(&telemetry.health(), Signal::Logs, Exporter::HostConsole);
    assert_eq!(console.delivered, 0);
    assert!(console.dropped.queue_full > 0, "{console:?}");
    // With the log record of `record_all_signals`.
    assert_eq!(console.dropped.total(), RECORDS + 1);
    let text = report.to_string();
    let line = format!(
        "events (console, host instruments): 0 delivered, 0 waiting, {} lost",
        RECORDS + 1
    );
    assert!(text.contains(&line), "{text}");
    drop(open);
}

/// A writer that takes a few bytes at a time.
struct Slow(Screen);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let few = bytes.len().min(7);
        thread::yield_now();
        self.0.write(&bytes[..few])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_are_whole_while_threads_record_host_and_catalog_data() {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    let screen = Screen::default();
    let often = [
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_LOGS_EXPORT_INTERVAL", "1"),
        ("OTEL_TRACES_EXPORT_INTERVAL", "1"),
    ];
    let extra: [&[_]; 2] = [&CONSOLE, &often];
    let telemetry = builder("http://127.0.0.1:1", &extra, Slow(screen.clone())).start();
    let providers = telemetry.providers();
    let session = telemetry.session(session("s"));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    record_all_signals(&providers);
                    session.prompt("Fix the bug").end();
                    session.record_commit(Commit::new());
                }
            });
        }
    });
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    // Every line is a JSON object, or `lines` panics.
    let (all, host) = (screen.lines(), of_host(&screen));
    let count = |lines: &[Value], signal: &str| {
        lines.iter().filter(|line| line["signal"] == signal).count()
    };
    for signal in ["events", "spans"] {
        assert_eq!(count(&host, signal), THREADS * EACH, "{signal}");
        assert_eq!(count(&all, signal), 2 * THREADS * EACH, "{signal}");
    }
    let hits = host.iter().filter(|line| line["name"] == "cache.hits");
    let hits: u64 = hits.map(|line| line["value"].as_u64().unwrap()).sum();
    assert_eq!(hits, (THREADS * EACH) as u64);
}

#[test]
fn flush_and_shutdown_of_a_provider_wait_once_for_all_exporters() {
    let hole = black_hole();
    let limit = Duration::from_secs(3);
    let flush = [("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "3000")];
    let telemetry = builder(&hole.endpoint(), &[&BOTH, &flush], Screen::default()).start();
    let provider = telemetry.providers().meter_provider().clone();
    let (gate, stuck) = channel::<()>();
    let stuck = std::sync::Mutex::new(stuck);
    let meter = provider.meter(SCOPE);
    meter
        .i64_observable_gauge("stuck")
        .with_callback(move |_| {
            let _ = stuck.lock().unwrap().recv();
        })
        .build();
    let start = Instant::now();
    assert!(provider.force_flush().is_err());
    assert!(start.elapsed() < 2 * limit, "{:?}", start.elapsed());
    // The default timeout of the SDK for a shutdown.
    let limit = Duration::from_secs(5);
    let start = Instant::now();
    assert!(provider.shutdown().is_err());
    assert!(start.elapsed() < 2 * limit, "{:?}", start.elapsed());
    drop(gate);
    telemetry.shutdown_within(Duration::ZERO);
}

/// Waits until a condition is true, but at most for 0.7 seconds.
fn wait_briefly(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_millis(700);
    while !condition() && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The SDK stores what a callback observes for both exporters. If both collected at the same time, the first call of
/// this test's callback would store its smaller value after the second observation of the other exporter, and before
/// that exporter reads it.
#[test]
fn observable_counter_has_the_same_total_on_both_exporters() {
    const TOTAL: u64 = 1_000_000;
    let receiver = Protocol::any().receiver();
    let screen = Screen::default();
    let often = [("OTEL_METRIC_EXPORT_INTERVAL", "100")];
    let telemetry = start(&receiver, &[&BOTH, &often], &screen);
    let meter = telemetry.providers().meter_provider().meter(SCOPE);
    let [observations, collections] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let [is_stored, is_over] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let (observed, collected) = (Arc::clone(&observations), Arc::clone(&collections));
    let (stored, over) = (Arc::clone(&is_stored), Arc::clone(&is_over));
    meter
        .u64_observable_counter("cache.reads")
        .with_callback(move |observer| {
            let earlier = observed.fetch_add(1, Ordering::SeqCst);
            let value = match over.load(Ordering::SeqCst) {
                true => TOTAL,
                false => (earlier + 1) * 10,
            };
            if earlier == 0 {
                wait_briefly(|| collected.load(Ordering::SeqCst) == 2);
            }
            observer.observe(value, &[]);
            if earlier == 0 {
                stored.store(true, Ordering::SeqCst);
            }
        })
        .build();
    // In a collection, the callback of the gauge runs after that of the counter.
    meter
        .u64_observable_gauge("cache.entries")
        .with_callback(move |_| {
            if collections.fetch_add(1, Ordering::SeqCst) == 1 {
                wait_briefly(|| is_stored.load(Ordering::SeqCst));
            }
        })
        .build();
    wait_for_health(&telemetry, |_| observations.load(Ordering::SeqCst) >= 6);
    is_over.store(true, Ordering::SeqCst);
    assert!(telemetry.shutdown().is_complete());

    let lines = of_host(&screen);
    let written = lines.iter().map(|line| line["value"].as_u64().unwrap());
    let sent = receiver.received().points();
    let sent = select(&sent, "cache.reads", &[]);
    let sent = sent.iter().map(|point| point.value as u64);
    for deltas in [written.collect::<Vec<_>>(), sent.collect()] {
        assert!(deltas.iter().all(|delta| *delta <= TOTAL), "{deltas:?}");
        assert_eq!(deltas.iter().sum::<u64>(), TOTAL, "{deltas:?}");
    }
}

#[test]
fn late_change_of_the_temporality_is_reported_once_for_all_exporters() {
    let receiver = Protocol::any().receiver();
    let screen = Screen::default();
    let started = builder(&receiver.endpoint(), &[&BOTH], screen.clone());
    let (telemetry, diagnostics) = start_with_diagnostics(started);
    let hits = telemetry
        .providers()
        .meter_provider()
        .meter(SCOPE)
        .u64_counter("cache.hits")
        .build();
    let variable = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let late = config(&receiver.endpoint(), &[&BOTH, &[(variable, "cumulative")]]);
    assert!(telemetry.reconfigure(late));
    for _ in 0..2 {
        hits.add(1, &[]);
        assert!(telemetry.flush().is_complete());
    }
    assert!(telemetry.shutdown().is_complete());
    diagnostics.assert_once(&format!("{variable}: the host's own metrics stay delta"));
    let lines = of_host(&screen);
    let values: Vec<_> = lines
        .iter()
        .map(|line| (&line["value"], &line["temporality"]))
        .collect();
    assert_eq!(values, [(&json!(1), &json!("delta")); 2]);
}
