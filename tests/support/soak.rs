//! A long run against a receiver that is killed repeatedly, and a check that all data is accounted for.
//!
//! The receiver is a separate process, so that it can be killed at any point. Before each response it appends the
//! identity and a hash of each received item to a file, the item log, which survives the kill.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod port;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use claude_code_telemetry::{
    ApiRequest, Commit, Config, Identity, LlmRequestOptions, Report, Service, Session,
    SessionOptions, Signal, Telemetry, TokenUsage, ToolResult,
};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use prost::Message;

const EVENT: u64 = 1;
const SPAN: u64 = 2;
/// The kinds from this number on are data points: this number plus the index in [`METRICS`].
const POINT: u64 = 3;

const METRICS: [&str; 4] = [
    "claude_code.session.count",
    "claude_code.commit.count",
    "claude_code.token.usage",
    "claude_code.cost.usage",
];

/// The longest time that the receiver accepts data without responding, before it is killed.
const MUTE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time that the receiver waits until its port is free.
const PATIENCE: Duration = Duration::from_secs(30);

/// An entry of the item log: the item's kind, its identity (three words), its value and a hash.
type Entry = [u64; 6];
const ENTRY_BYTES: u64 = 48;

// ---------------------------------------------------------------- the receiver

/// Receives until it is killed. Prints `ready` when it listens.
pub fn receive(port: u16, protocol: &str, item_log: &Path) {
    let grpc = protocol == "grpc";
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(item_log)
        .unwrap();
    // The last kill may have truncated an entry. Such an entry was never acknowledged.
    let length = file.metadata().unwrap().len();
    file.set_len(length - length % ENTRY_BYTES).unwrap();
    let file = Rc::new(file);
    let mute: Rc<Path> = mute_file(item_log).into();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        // A connection of another process may occupy the port for a moment.
        let start = Instant::now();
        let listener = loop {
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(listener) => break listener,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        println!("\nready");
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let file = Rc::clone(&file);
            let mute = Rc::clone(&mute);
            let service = service_fn(move |request| {
                respond(request, grpc, Rc::clone(&file), Rc::clone(&mute))
            });
            tokio::task::spawn_local(async move {
                let io = TokioIo::new(stream);
                if grpc {
                    let _ = hyper::server::conn::http2::Builder::new(Local)
                        .serve_connection(io, service)
                        .await;
                } else {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await;
                }
            });
        }
    });
}

/// Returns the path of a file. While it exists, the receiver reads all requests and responds to none.
fn mute_file(item_log: &Path) -> PathBuf {
    item_log.with_extension("mute")
}

/// An executor that runs hyper's tasks on the current thread.
#[derive(Clone)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    grpc: bool,
    file: Rc<File>,
    mute: Rc<Path>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body().collect().await?.to_bytes();
    if grpc {
        // Removes the prefix of the gRPC message: a flag and the length.
        body = body.slice(5..);
    }
    let bytes: Vec<u8> = entries(&path, body)
        .into_iter()
        .flatten()
        .flat_map(u64::to_le_bytes)
        .collect();
    (&*file).write_all(&bytes).unwrap();
    if mute.exists() {
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(Empty::new());
    if grpc {
        let headers = response.headers_mut();
        headers.insert("content-type", "application/grpc".parse().unwrap());
        headers.insert("grpc-status", "0".parse().unwrap());
    }
    Ok(response)
}

fn entries(path: &str, body: Bytes) -> Vec<Entry> {
    if path.contains("logs") {
        let message = ExportLogsServiceRequest::decode(body).unwrap();
        let groups = message.resource_logs.into_iter();
        let scopes = groups.flat_map(|group| group.scope_logs);
        let records = scopes.flat_map(|scope| scope.log_records);
        records
            .map(|record| {
                let session = find(&record.attributes, "session.id");
                let sequence = match find(&record.attributes, "event.sequence") {
                    Some(any_value::Value::IntValue(number)) => *number as u64,
                    other => panic!("{other:?}"),
                };
                let session = hash(format!("{session:?}").as_bytes());
                let bytes = record.encode_to_vec();
                [EVENT, session, sequence, 0, 0, hash(&bytes)]
            })
            .collect()
    } else if path.contains("trace") {
        let message = ExportTraceServiceRequest::decode(body).unwrap();
        let groups = message.resource_spans.into_iter();
        let scopes = groups.flat_map(|group| group.scope_spans);
        let spans = scopes.flat_map(|scope| scope.spans);
        spans
            .map(|span| {
                let id = u64::from_be_bytes(span.span_id[..].try_into().unwrap());
                [SPAN, id, 0, 0, 0, hash(&span.encode_to_vec())]
            })
            .collect()
    } else {
        let message = ExportMetricsServiceRequest::decode(body).unwrap();
        let groups = message.resource_metrics.into_iter();
        let scopes = groups.flat_map(|group| group.scope_metrics);
        let mut entries = Vec::new();
        for metric in scopes.flat_map(|scope| scope.metrics) {
            let number = METRICS.iter().position(|name| *name == metric.name);
            let number = number.expect("no other metric is recorded") as u64;
            let Some(metric::Data::Sum(sum)) = metric.data else {
                panic!("{} is not a sum", metric.name);
            };
            for point in sum.data_points {
                let Some(number_data_point::Value::AsDouble(value)) = point.value else {
                    panic!("{point:?}");
                };
                let series = hash(format!("{} {:?}", metric.name, point.attributes).as_bytes());
                let (start, end) = (point.start_time_unix_nano, point.time_unix_nano);
                let hash = hash(&point.encode_to_vec());
                entries.push([POINT + number, series, start, end, value.to_bits(), hash]);
            }
        }
        entries
    }
}

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a any_value::Value> {
    let pair = attributes.iter().find(|pair| pair.key == key)?;
    pair.value.as_ref()?.value.as_ref()
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

// ---------------------------------------------------------------- the host

/// The parameters of a run.
pub struct Parameters {
    pub protocol: &'static str,
    pub records: u64,
    pub threads: u64,
    pub restarts: u64,
    /// The rate in records per second for all threads together. The last tenth is recorded without a limit.
    pub rate: u64,
    /// The time between a kill and the restart of the receiver.
    pub downtime: Duration,
    /// Returns the command that calls [`receive`] with port, protocol and the path of the item log.
    pub receiver: fn(u16, &str, &Path) -> Command,
    /// The limit for the host's resident memory, in bytes.
    pub max_memory: u64,
}

/// The number of items that were recorded.
#[derive(Default)]
struct Recorded {
    records: AtomicU64,
    events: AtomicU64,
    spans: AtomicU64,
    sessions: AtomicU64,
    commits: AtomicU64,
    requests: AtomicU64,
}

const COST: f64 = 0.1;

/// The result of a run.
pub struct Summary {
    pub failures: Vec<String>,
    text: String,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        for failure in &self.failures {
            write!(f, "\nFAILED: {failure}")?;
        }
        Ok(())
    }
}

struct Receiver {
    command: fn(u16, &str, &Path) -> Command,
    protocol: &'static str,
    port: u16,
    item_log: PathBuf,
    child: Option<Child>,
}

impl Receiver {
    fn start(&mut self) {
        let mut child = (self.command)(self.port, self.protocol, &self.item_log)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).any(|line| line == "ready");
        assert!(ready, "the receiver did not start");
        self.child = Some(child);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs the test, and compares the received items with the recorded ones.
pub fn run(parameters: &Parameters) -> Summary {
    let folder = tempfile::tempdir().unwrap();
    let mut receiver = Receiver {
        command: parameters.receiver,
        protocol: parameters.protocol,
        port: port::free_port(),
        item_log: folder.path().join("item_log"),
        child: None,
    };
    receiver.start();
    let endpoint = format!("http://127.0.0.1:{}", receiver.port);
    let config = Config::builder()
        .environment([
            ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
            ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", parameters.protocol),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
            ("OTEL_LOGS_EXPORT_INTERVAL", "100"),
            ("OTEL_TRACES_EXPORT_INTERVAL", "100"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
            ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
        ])
        .build();
    let telemetry = Telemetry::start(config, Service::new("claude-code", "1.2.3"));
    let recorded = Recorded::default();
    let (started, done) = (Instant::now(), AtomicBool::new(false));
    let memory = AtomicU64::new(resident().unwrap_or(0));
    let before = memory.load(Ordering::SeqCst);
    let finished = Mutex::new(None);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                memory.fetch_max(resident().unwrap_or(0), Ordering::SeqCst);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let threads: Vec<_> = (0..parameters.threads)
            .map(|number| {
                let (telemetry, recorded) = (&telemetry, &recorded);
                scope.spawn(move || record(telemetry, parameters, number, recorded))
            })
            .collect();
        for restart in 1..=parameters.restarts {
            let due = parameters.records * restart / (parameters.restarts + 1);
            while recorded.records.load(Ordering::SeqCst) < due {
                thread::sleep(Duration::from_millis(1));
            }
            // Before the kill, the receiver stores requests without acknowledging them, so the host must resend them.
            let mute = mute_file(&receiver.item_log);
            File::create(&mute).unwrap();
            let length = || std::fs::metadata(&receiver.item_log).map_or(0, |file| file.len());
            let (before, start) = (length(), Instant::now());
            while length() == before && start.elapsed() < MUTE_TIMEOUT {
                thread::sleep(Duration::from_millis(10));
            }
            receiver.kill();
            std::fs::remove_file(&mute).unwrap();
            thread::sleep(parameters.downtime);
            receiver.start();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        *finished.lock().unwrap() = Some((started.elapsed(), telemetry.shutdown()));
        done.store(true, Ordering::SeqCst);
    });
    let (took, report) = finished.into_inner().unwrap().unwrap();
    receiver.kill();
    let item_log = std::fs::read(&receiver.item_log).unwrap();
    let memory = (before, memory.into_inner());
    verify(parameters, &recorded, &report, &item_log, took, memory)
}

/// Records the share of one thread.
fn record(telemetry: &Telemetry, parameters: &Parameters, number: u64, recorded: &Recorded) {
    let share = parameters.records / parameters.threads;
    let start = Instant::now();
    let add = |counter: &AtomicU64, count| {
        counter.fetch_add(count, Ordering::SeqCst);
    };
    let open = |n: u64| -> Session {
        add(&recorded.sessions, 1);
        let identity = Identity::new().user_id("user-1");
        let options = SessionOptions::new().id(format!("{number}-{n}"));
        telemetry.session(options.identity(identity))
    };
    let request = || {
        add(&recorded.requests, 1);
        add(&recorded.events, 1);
        let tokens = TokenUsage::new().input(3).output(1);
        ApiRequest::new("sonnet").tokens(tokens).cost_usd(COST)
    };
    let mut session = open(0);
    for n in 1..=share {
        match n % 200 {
            0 => {
                let prompt = session.prompt("Fix the bug");
                let call = prompt.llm_request(LlmRequestOptions::new("sonnet"));
                call.finish(request());
                add(&recorded.events, 1);
                add(&recorded.spans, 2);
            }
            rest if rest % 3 == 0 => session.record_api_request(request()),
            rest if rest % 3 == 1 => {
                session.record_tool_result(ToolResult::new("Read"));
                add(&recorded.events, 1);
            }
            _ => {
                session.record_commit(Commit::new());
                add(&recorded.commits, 1);
            }
        }
        add(&recorded.records, 1);
        if n % 5_000 == 0 {
            session = open(n);
        }
        if n % 64 == 0 && n < share / 10 * 9 {
            let due =
                Duration::from_secs_f64((n * parameters.threads) as f64 / parameters.rate as f64);
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
}

/// Returns the resident memory of the process in bytes, where the system provides it.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

// ---------------------------------------------------------------- the item log

fn verify(
    parameters: &Parameters,
    recorded: &Recorded,
    report: &Report,
    item_log: &[u8],
    took: Duration,
    (memory_before, memory): (u64, u64),
) -> Summary {
    let mut failures = Vec::new();
    let mut expect = |is_met: bool, failure: String| {
        if !is_met {
            failures.push(failure);
        }
    };
    let mut known: HashMap<[u64; 4], [u64; 2]> = HashMap::new();
    let (mut duplicates, mut changed) = (0u64, 0u64);
    for entry in item_log.chunks_exact(ENTRY_BYTES as usize) {
        let word = |n: usize| u64::from_le_bytes(entry[8 * n..8 * n + 8].try_into().unwrap());
        let key = [word(0), word(1), word(2), word(3)];
        if let Some(old) = known.insert(key, [word(4), word(5)]) {
            duplicates += 1;
            changed += u64::from(old != [word(4), word(5)]);
        }
    }
    expect(
        duplicates > 0,
        "no item was received twice, so resending was not tested".to_owned(),
    );
    expect(
        changed == 0,
        format!("{changed} items were received again, changed"),
    );
    let load = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let mut text = format!(
        "{}: {} records on {} threads in {:.1} s, {} restarts\n{duplicates} items were received twice, {changed} of them changed",
        parameters.protocol,
        load(&recorded.records),
        parameters.threads,
        took.as_secs_f64(),
        parameters.restarts,
    );
    for (signal, kind, count) in [
        (Signal::Logs, EVENT, load(&recorded.events)),
        (Signal::Traces, SPAN, load(&recorded.spans)),
    ] {
        let received = known.keys().filter(|key| key[0] == kind).count() as u64;
        let exporter = report
            .exporters
            .iter()
            .find(|e| e.signal == signal)
            .unwrap();
        let dropped = exporter.dropped.total();
        text += &format!(
            "\n{signal}: {count} recorded, {received} received, {dropped} dropped; {} retries",
            exporter.retries
        );
        expect(
            received + dropped == count && received == exporter.delivered,
            format!("{signal}: {count} recorded, {received} received: {exporter:?}"),
        );
    }
    let metrics = report
        .exporters
        .iter()
        .find(|e| e.signal == Signal::Metrics);
    let metrics = metrics.unwrap();
    expect(metrics.dropped.total() == 0, format!("{metrics:?}"));
    let mut series: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    let mut totals = [0.0; METRICS.len()];
    for ([kind, series_hash, start, end], [value, _]) in &known {
        if *kind >= POINT {
            series.entry(*series_hash).or_default().push((*start, *end));
            totals[(kind - POINT) as usize] += f64::from_bits(*value);
        }
    }
    let mut point_count = 0;
    for points in series.values_mut() {
        points.sort_unstable();
        point_count += points.len();
        expect(
            points.windows(2).all(|pair| pair[0].1 == pair[1].0),
            "a series is not contiguous".to_owned(),
        );
    }
    let requests = load(&recorded.requests) as f64;
    let expected = [
        load(&recorded.sessions) as f64,
        load(&recorded.commits) as f64,
        // Three input tokens and one output token.
        4.0 * requests,
        COST * requests,
    ];
    text += &format!(
        "\nmetrics: {point_count} points of {} series; {} retries",
        series.len(),
        metrics.retries
    );
    for ((name, received), expected) in METRICS.iter().zip(totals).zip(expected) {
        // Counts are exact. The cost is a sum of floating-point numbers.
        let error = (received / expected - 1.0).abs();
        let limit = if *name == METRICS[3] { 1e-9 } else { 0.0 };
        text += &format!("\n  {name}: {received} of {expected}");
        expect(error <= limit, format!("{name}: {received} of {expected}"));
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    text += &format!(
        "\nmemory: {:.1} MiB at the start, {:.1} MiB at most",
        mib(memory_before),
        mib(memory)
    );
    let limit = parameters.max_memory;
    expect(memory < limit, format!("memory: {memory} of {limit} bytes"));
    let retries: u64 = report
        .exporters
        .iter()
        .map(|exporter| exporter.retries)
        .sum();
    expect(
        retries > 0,
        "no request was resent, so the restarts were not tested".to_owned(),
    );
    Summary { failures, text }
}
