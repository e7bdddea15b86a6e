//! A real OpenTelemetry Collector between the library and a receiver. No data is lost when the Collector is stopped,
//! killed and restarted.
//!
//! `collector.py` in the folder that `COLLECTOR_TOOLS` names runs the Collector. Without the script or without
//! python3, the tests print a message and are skipped.
#![cfg(all(feature = "grpc", feature = "http", target_os = "linux"))]
#![allow(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::host;
use crate::host::{Protocol, assert_delta, select, session, sum, telemetry};
use crate::support::{Point, Received, Receiver};
use claude_code_telemetry::{ApiRequest, Commit, LlmRequestOptions, Session, TokenUsage};

/// Returns the script that runs a Collector, or `None` if it cannot be run.
fn script() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("COLLECTOR_TOOLS").map(PathBuf::from) else {
        eprintln!("skipped: the variable COLLECTOR_TOOLS names no folder");
        return None;
    };
    let script = folder.join("collector.py");
    let python = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_available = script.is_file() && python.is_ok_and(|status| status.success());
    if !is_available {
        eprintln!("skipped: there is no python3 or no {}", script.display());
    }
    is_available.then_some(script)
}

/// A running Collector and its ports.
struct Collector {
    python: Child,
    grpc: u16,
    http: u16,
}

impl Collector {
    fn start(script: &Path, to: &Receiver) -> Self {
        let mut python = Command::new("python3")
            .arg(script)
            .args(["--to", &to.endpoint(), "--exit-after", "120"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(python.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        let ["grpc", grpc, "http", http] = words[..] else {
            panic!("the Collector did not start: {line:?}");
        };
        Self {
            grpc: grpc.parse().unwrap(),
            http: http.parse().unwrap(),
            python,
        }
    }

    fn port(&self, protocol: Protocol) -> u16 {
        match protocol {
            Protocol::Grpc => self.grpc,
            Protocol::HttpProtobuf | Protocol::HttpJson => self.http,
        }
    }

    /// Kills the Collector itself, a child process of the script, so that it has no time to export anything.
    fn kill(self) {
        let parent = self.python.id().to_string();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // The fields after the name in parentheses: state and parent.
            let after = stat.rsplit(") ").next().unwrap_or_default();
            if after.split(' ').nth(1) == Some(&parent)
                && let Ok(pid) = entry.file_name().into_string().unwrap().parse()
            {
                signal(pid, libc::SIGKILL);
            }
        }
    }
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: the arguments are plain numbers. The process is a child or grandchild of this process.
    unsafe { libc::kill(pid, signal) };
}

impl Drop for Collector {
    /// Shuts the Collector down gracefully.
    fn drop(&mut self) {
        signal(i32::try_from(self.python.id()).unwrap(), libc::SIGTERM);
        let _ = self.python.wait();
    }
}

/// A relay with a fixed port and a target port that can change. While the target does not listen, the relay closes
/// connections.
struct Relay {
    port: u16,
    target: Arc<AtomicU16>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            target: Arc::default(),
            open: Arc::default(),
        };
        let (target, open) = (Arc::clone(&relay.target), Arc::clone(&relay.open));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let near = stream.unwrap();
                let port = target.load(Ordering::SeqCst);
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
                    continue;
                };
                let streams = [&near, &far].map(|stream| stream.try_clone().unwrap());
                open.lock().unwrap().extend(streams);
                let [back, forth] = [&near, &far].map(|stream| stream.try_clone().unwrap());
                thread::spawn(move || pump(near, forth));
                thread::spawn(move || pump(far, back));
            }
        });
        relay
    }

    fn forward_to(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Records a step: 2 events, 2 spans, and metrics.
fn step(session: &Session) {
    let prompt = session.prompt("Fix the bug");
    let call = prompt.llm_request(LlmRequestOptions::new("sonnet"));
    let tokens = TokenUsage::new().input(3);
    call.finish(ApiRequest::new("sonnet").tokens(tokens).cost_usd(0.1));
    session.record_commit(Commit::new());
}

/// Records steps for some time, and returns their number.
fn steps(session: &Session, time: Duration) -> u64 {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        step(session);
        count += 1;
        thread::sleep(Duration::from_millis(2));
    }
    count
}

/// Returns the data points, each time window of a series once. Asserts that duplicates are equal.
fn windows(received: &Received) -> Vec<Point> {
    let mut known: HashMap<(String, u64, u64), Point> = HashMap::new();
    let mut points = Vec::new();
    for point in received.points() {
        let key = (host::series_name(&point), point.start, point.end);
        match known.get(&key) {
            Some(old) => assert_eq!(*old, point, "a window was received again, changed"),
            None => {
                known.insert(key, point.clone());
                points.push(point);
            }
        }
    }
    points
}

/// Asserts that the data of `count` steps arrived, and that data which arrived again is unchanged.
#[track_caller]
fn assert_exact(received: &Received, count: u64) {
    let mut logs = BTreeMap::new();
    for log in received.logs() {
        let sequence = log.attributes["event.sequence"].as_u64().unwrap();
        if let Some(old) = logs.insert(sequence, log.clone()) {
            assert_eq!(old.raw, log.raw, "an event was received again, changed");
        }
    }
    assert!(logs.keys().copied().eq(0..2 * count), "{}", logs.len());
    let mut spans = BTreeMap::new();
    for span in received.spans() {
        if let Some(old) = spans.insert(span.span_id.clone(), span.clone()) {
            assert_eq!(old, span, "a span was received again, changed");
        }
    }
    assert_eq!(spans.len() as u64, 2 * count);
    let points = windows(received);
    assert_delta(&points);
    let total = |metric, attributes: &[_]| sum(&select(&points, metric, attributes));
    let count = count as f64;
    assert_eq!(total("claude_code.session.count", &[]), 1.0);
    assert_eq!(total("claude_code.commit.count", &[]), count);
    let input = total("claude_code.token.usage", &[("type", "input")]);
    assert_eq!(input, 3.0 * count);
    let cost = total("claude_code.cost.usage", &[]);
    assert!((cost / (0.1 * count) - 1.0).abs() < 1e-9, "{cost}");
}

#[test]
fn no_data_is_lost_when_a_collector_is_stopped_or_killed() {
    let Some(script) = script() else {
        return;
    };
    for protocol in Protocol::all() {
        let receiver = Receiver::http();
        let relay = Relay::new();
        let collector = Collector::start(&script, &receiver);
        relay.forward_to(collector.port(protocol));
        let telemetry = telemetry(
            &format!("http://127.0.0.1:{}", relay.port),
            protocol,
            &[
                ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
                ("OTEL_TRACES_EXPORTER", "otlp"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
                ("OTEL_LOGS_EXPORT_INTERVAL", "20"),
                ("OTEL_TRACES_EXPORT_INTERVAL", "20"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ],
        );
        let session = telemetry.session(session("collector"));
        // Several export intervals.
        let period = Duration::from_millis(400);
        let mut count = steps(&session, period);
        // Stop the Collector while the session records.
        thread::scope(|scope| {
            let recording = scope.spawn(|| steps(&session, period));
            drop(collector);
            count += recording.join().unwrap();
        });
        count += steps(&session, period);
        let collector = Collector::start(&script, &receiver);
        relay.forward_to(collector.port(protocol));
        count += steps(&session, period);
        // Kill the Collector while the session records.
        thread::scope(|scope| {
            let recording = scope.spawn(|| steps(&session, period));
            thread::sleep(period / 4);
            collector.kill();
            count += recording.join().unwrap();
        });
        count += steps(&session, period);
        let collector = Collector::start(&script, &receiver);
        relay.forward_to(collector.port(protocol));
        count += steps(&session, period);
        let report = telemetry.shutdown();
        assert!(report.is_complete(), "{report}");
        let retries: u64 = report.exporters.iter().map(|e| e.retries).sum();
        assert!(retries > 0);
        drop(collector);
        assert_exact(&receiver.received().accepted(), count);
    }
}
