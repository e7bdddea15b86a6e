//! Every recorded item is delivered or counted as dropped, exactly once, while everything changes at the same time:
//! threads, sessions, identities, configurations, flushes, scrapes, and receivers that fail.
//!
//! `CHAOS_SEED` repeats a run: it determines the responses of the receivers and the order of the configurations.
#![cfg(all(
    feature = "grpc",
    feature = "http",
    feature = "console",
    feature = "prometheus"
))]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::host::{PATIENCE, Protocol, Screen, config, environment, exporter, otlp, service};
use crate::scraper;
use crate::scraper::Exposition;
use crate::support::{Answer, Attributes, Point, Received, Receiver};
use claude_code_telemetry::{
    ApiRequest, Commit, Exporter, Identity, LinesOfCode, Session, SessionOptions, Signal,
    Telemetry, TokenUsage,
};
use serde_json::Value;
use tonic::Code;

const THREADS: u64 = 9;
const SESSIONS: u64 = 24;
const USERS: u64 = 3;
/// The stages of the run. The configuration changes between two stages.
const STAGES: u64 = 16;
/// The number of sessions that each thread opens in a stage.
const OPENINGS: u64 = 20;
/// The stage in which no receiver accepts a request and more events are recorded than the queue holds.
const OUTAGE: u64 = 7;
/// The number of API requests that each thread records during the outage.
const BURST: u64 = 2_500;

/// A generator of pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// The seed of a run. If the test fails, the seed is printed, so that the run can be repeated.
struct Seed(u64);

impl Seed {
    fn new() -> Self {
        let given = std::env::var("CHAOS_SEED").ok();
        let given = given.and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self(given.unwrap_or(u64::from(now.subsec_nanos())))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("CHAOS_SEED={} repeats this run", self.0);
        }
    }
}

/// A series: metric, session, user, and the values of `model` and `type`, separated by a space. A missing value is
/// empty.
type Series = (String, String, String, String);

fn series(metric: &str, attributes: &Attributes) -> Series {
    let text = |key: &str| {
        attributes
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let model_and_type = format!("{} {}", text("model"), text("type"));
    (
        metric.to_owned(),
        text("session.id").to_owned(),
        text("user.id").to_owned(),
        model_and_type,
    )
}

/// The expected totals of everything that was recorded.
#[derive(Default)]
struct Ledger {
    sums: BTreeMap<Series, f64>,
    events: BTreeMap<String, u64>,
    spans: u64,
}

impl Ledger {
    fn add(&mut self, metric: &str, who: &Who, model_and_type: &str, measurement: f64) {
        let series = (
            metric.to_owned(),
            who.session.clone(),
            who.user.clone(),
            model_and_type.to_owned(),
        );
        *self.sums.entry(series).or_default() += measurement;
    }

    fn event(&mut self, who: &Who) {
        *self.events.entry(who.session.clone()).or_default() += 1;
    }

    fn merge(&mut self, other: Self) {
        for (series, sum) in other.sums {
            *self.sums.entry(series).or_default() += sum;
        }
        for (session, count) in other.events {
            *self.events.entry(session).or_default() += count;
        }
        self.spans += other.spans;
    }
}

/// The session and the user of a record.
struct Who {
    session: String,
    user: String,
}

impl Who {
    fn new(session: u64, user: u64) -> Self {
        Self {
            session: format!("session-{session}"),
            user: format!("user-{user}"),
        }
    }

    fn identity(&self) -> Identity {
        Identity::new().user_id(self.user.clone())
    }

    /// Opens the session. Other sessions with the same id may be open, or may have ended before.
    fn open(&self, telemetry: &Telemetry, ledger: &mut Ledger) -> Session {
        ledger.add("claude_code.session.count", self, " ", 1.0);
        telemetry.session(SessionOptions::from(self.identity()).id(self.session.clone()))
    }

    fn commit(&self, session: &Session, count: u64, ledger: &mut Ledger) {
        session.record_commit(Commit::new().count(count));
        ledger.add("claude_code.commit.count", self, " ", count as f64);
    }

    fn request(&self, answer: ApiRequest, ledger: &mut Ledger) -> ApiRequest {
        ledger.event(self);
        ledger.add("claude_code.cost.usage", self, "sonnet ", 0.25);
        for (kind, count) in [
            ("input", 3.0),
            ("output", 2.0),
            ("cacheRead", 0.0),
            ("cacheCreation", 0.0),
        ] {
            ledger.add(
                "claude_code.token.usage",
                self,
                &format!("sonnet {kind}"),
                count,
            );
        }
        answer
            .cost_usd(0.25)
            .tokens(TokenUsage::new().input(3).output(2))
    }
}

/// Records a whole session, from its start to its end, with changes of the identity in between.
fn record_session(telemetry: &Telemetry, random: &mut Random, ledger: &mut Ledger) {
    let mut who = Who::new(random.below(SESSIONS), random.below(USERS));
    let session = who.open(telemetry, ledger);
    for _ in 0..2 {
        who.commit(&session, 1 + random.below(4), ledger);
        session.record_lines_of_code(LinesOfCode::new().added(2));
        ledger.add("claude_code.lines_of_code.count", &who, " added", 2.0);
        session.record_api_request(who.request(ApiRequest::new("sonnet"), ledger));
        let prompt = session.prompt("Fix the bug");
        ledger.event(&who);
        prompt
            .llm_request("sonnet")
            .finish(who.request(ApiRequest::new("sonnet"), ledger));
        drop(prompt);
        ledger.spans += 2;
        who.user = format!("user-{}", random.below(USERS));
        session.set_identity(who.identity());
    }
}

/// Runs all stages of a thread.
fn worker(telemetry: &Telemetry, seed: u64, stage: &Barrier) -> Ledger {
    let mut random = Random(seed);
    let mut ledger = Ledger::default();
    for number in 0..STAGES {
        stage.wait();
        if number == OUTAGE {
            let who = Who::new(random.below(SESSIONS), random.below(USERS));
            let session = who.open(telemetry, &mut ledger);
            for _ in 0..BURST {
                session.record_api_request(who.request(ApiRequest::new("sonnet"), &mut ledger));
            }
            // The outage must not end before every burst is recorded.
            stage.wait();
        }
        for _ in 0..OPENINGS {
            record_session(telemetry, &mut random, &mut ledger);
        }
    }
    ledger
}

/// Starts a receiver whose responses are determined by a seed. It accepts no request while `outage` is true, and all
/// requests once `calm` is true.
fn receiver(
    protocol: Protocol,
    seed: u64,
    outage: &Arc<AtomicBool>,
    calm: &Arc<AtomicBool>,
) -> Receiver {
    let receiver = protocol.receiver();
    let (outage, calm) = (Arc::clone(outage), Arc::clone(calm));
    let random = Mutex::new(Random(seed));
    receiver.answer(move |_| {
        if calm.load(Ordering::SeqCst) {
            return Answer::Ok;
        }
        let chance = match outage.load(Ordering::SeqCst) {
            true => 0,
            false => random.lock().unwrap().below(10),
        };
        match (chance, protocol) {
            (0, Protocol::Grpc) => Answer::code(Code::Unavailable, "busy"),
            (0, _) => Answer::status(503),
            (1, Protocol::Grpc) => {
                Answer::code(Code::ResourceExhausted, "busy").retry_after(Duration::from_millis(5))
            }
            (1, _) => Answer::status(429).retry_after(Duration::ZERO),
            (2, _) => Answer::status(502),
            // The receiver has read the request and may have stored it or not.
            (3, _) => Answer::Reset,
            _ => Answer::Ok,
        }
    });
    receiver
}

/// Applies another configuration. OTLP stays on, because data recorded while an exporter is off does not count as its
/// loss.
fn reconfigure(telemetry: &Telemetry, receivers: &[(Protocol, &Receiver)], random: &mut Random) {
    let (protocol, receiver) = receivers[random.below(receivers.len() as u64) as usize];
    let pick = |number: u64, all: [&'static str; 2]| all[number as usize];
    let console = pick(random.below(2), ["", ",console"]);
    let prometheus = pick(random.below(2), ["", ",prometheus"]);
    let metrics = format!("otlp{console}{prometheus}");
    let temporality = pick(random.below(2), ["delta", "cumulative"]);
    change(telemetry, receiver, protocol, &metrics, temporality);
}

fn change(
    telemetry: &Telemetry,
    receiver: &Receiver,
    protocol: Protocol,
    metrics: &str,
    temporality: &str,
) {
    let settings = settings(metrics, temporality);
    let environment = environment(&receiver.endpoint(), protocol, &settings);
    assert!(telemetry.reconfigure(config(environment)));
}

fn settings<'a>(metrics: &'a str, temporality: &'a str) -> [(&'static str, &'a str); 8] {
    [
        ("OTEL_METRICS_EXPORTER", metrics),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            temporality,
        ),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "1"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_LOGS_EXPORT_INTERVAL", "20"),
        ("OTEL_TRACES_EXPORT_INTERVAL", "20"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
    ]
}

/// Scrapes the endpoint at its current address until `done` is set, and counts the scrapes.
fn scrape_until(done: &AtomicBool, telemetry: &Telemetry, scrapes: &AtomicU64) {
    while !done.load(Ordering::SeqCst) {
        let health = telemetry.health();
        let prometheus = health
            .exporters
            .iter()
            .find(|one| one.exporter == Exporter::Prometheus);
        let address = prometheus.and_then(|prometheus| prometheus.addresses.first().copied());
        if address.and_then(scrape).is_some() {
            scrapes.fetch_add(1, Ordering::SeqCst);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the exposition if the response is complete. The endpoint may be turned off at any moment.
fn scrape(address: SocketAddr) -> Option<Exposition> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n").ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    let (head, body) = response.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    (head.starts_with("HTTP/1.1 200") && length.parse() == Ok(body.len()))
        .then(|| Exposition::read(body))
}

/// Computes the total of a series from its points. A point of either temporality states that the total grew by its
/// value between its start and its end; the earliest start is that of the series. Points that arrived more than once,
/// possibly with different temporalities, must agree.
#[track_caller]
fn total(name: &Series, points: &[&Point]) -> f64 {
    let mut points = points.to_vec();
    points.sort_by_key(|point| (point.end, point.start));
    let begin = points.iter().map(|point| point.start).min().unwrap();
    let mut totals = HashMap::from([(begin, 0.0)]);
    let mut last = 0.0;
    for point in points {
        let Some(before) = totals.get(&point.start) else {
            panic!("a gap before a point of {name:?}: {point:?}");
        };
        last = before + point.value;
        let known = *totals.entry(point.end).or_insert(last);
        assert_eq!(known, last, "two totals of {name:?} at one time");
    }
    last
}

#[track_caller]
fn assert_metrics(received: &Received, ledger: &Ledger) {
    let points = received.points();
    let mut by_series: BTreeMap<Series, Vec<&Point>> = BTreeMap::new();
    for point in &points {
        by_series
            .entry(series(&point.name, &point.attributes))
            .or_default()
            .push(point);
    }
    let totals: BTreeMap<Series, f64> = by_series
        .iter()
        .map(|(name, points)| (name.clone(), total(name, points)))
        .collect();
    for (series, sum) in &ledger.sums {
        assert_eq!(totals.get(series), Some(sum), "{series:?}");
    }
    assert_eq!(totals.len(), ledger.sums.len());
}

/// Asserts that each event, identified by its sequence number, arrived or was counted as dropped.
#[track_caller]
fn assert_events(received: &Received, ledger: &Ledger, dropped: u64) {
    let mut events_by_session: BTreeMap<String, BTreeMap<u64, Value>> = BTreeMap::new();
    for log in received.logs() {
        let session = log.attributes["session.id"].as_str().unwrap().to_owned();
        let number = log.attributes["event.sequence"].as_u64().unwrap();
        let timestamp = log.attributes["event.timestamp"].clone();
        let known = events_by_session
            .entry(session)
            .or_default()
            .insert(number, timestamp.clone());
        assert!(
            known.is_none_or(|known| known == timestamp),
            "two events have one number"
        );
    }
    for (session, events) in &events_by_session {
        let (last, _) = events.last_key_value().unwrap();
        assert!(*last < ledger.events[session], "{session} has event {last}");
    }
    let received: u64 = events_by_session
        .values()
        .map(|events| events.len() as u64)
        .sum();
    assert_eq!(received + dropped, ledger.events.values().sum::<u64>());
    assert!(dropped > 0, "the outage should have filled the queue");
}

#[test]
fn every_item_is_delivered_or_counted_under_concurrent_changes() {
    let seed = Seed::new();
    let begin = Instant::now();
    let (outage, calm) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let grpc = receiver(Protocol::Grpc, seed.0 ^ 1, &outage, &calm);
    let http = receiver(Protocol::HttpProtobuf, seed.0 ^ 2, &outage, &calm);
    let receivers = [
        (Protocol::Grpc, &grpc),
        (Protocol::HttpProtobuf, &http),
        (Protocol::HttpJson, &http),
    ];
    let first = environment(
        &grpc.endpoint(),
        Protocol::Grpc,
        &settings("otlp,prometheus", "delta"),
    );
    let telemetry = Telemetry::builder(config(first), service())
        .console_writer(Screen::default())
        .start();

    // These sessions hold every series of commits during the whole run, so that the last scrape still contains them.
    let mut ledger = Ledger::default();
    let mut held = Vec::new();
    for (session, user) in
        (0..SESSIONS).flat_map(|session| (0..USERS).map(move |user| (session, user)))
    {
        let who = Who::new(session, user);
        let session = who.open(&telemetry, &mut ledger);
        who.commit(&session, 1, &mut ledger);
        held.push((who, session));
    }

    let stage = Barrier::new(THREADS as usize + 1);
    let (done, scrapes) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let (telemetry, stage, seed) = (
                    &telemetry,
                    &stage,
                    seed.0.wrapping_mul(31).wrapping_add(number),
                );
                scope.spawn(move || worker(telemetry, seed, stage))
            })
            .collect();
        scope.spawn(|| scrape_until(&done, &telemetry, &scrapes));
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                telemetry.flush_within(Duration::from_millis(20));
            }
        });
        let mut random = Random(seed.0);
        for number in 0..STAGES {
            outage.store(number == OUTAGE, Ordering::SeqCst);
            stage.wait();
            // At least one scrape succeeds during the changes.
            if number == 1 {
                let metrics = "otlp,prometheus";
                change(&telemetry, &grpc, Protocol::Grpc, metrics, "delta");
                while scrapes.load(Ordering::SeqCst) == 0 {
                    assert!(begin.elapsed() < PATIENCE, "no scrape succeeded");
                    thread::yield_now();
                }
            }
            for _ in 0..3 {
                reconfigure(&telemetry, &receivers, &mut random);
                telemetry.flush_within(Duration::from_millis(random.below(60)));
            }
            if number == OUTAGE {
                stage.wait();
            }
        }
        for worker in workers {
            ledger.merge(worker.join().unwrap());
        }
        done.store(true, Ordering::SeqCst);
    });

    calm.store(true, Ordering::SeqCst);
    change(
        &telemetry,
        &http,
        Protocol::HttpProtobuf,
        "otlp,prometheus",
        "delta",
    );
    for (who, session) in &held {
        who.commit(session, 1, &mut ledger);
    }
    let address = scraper::address(&telemetry);
    let commits = scrape(address).unwrap();
    for ((metric, session, user, _), sum) in &ledger.sums {
        if metric == "claude_code.commit.count" {
            let labels = [("session_id", session.as_str()), ("user_id", user)];
            let scraped = commits.sum("claude_code_commit_count_total", &labels);
            assert_eq!(scraped, *sum, "{session} {user} in the scrape response");
        }
    }
    let report = telemetry.shutdown();
    assert!(report.in_time, "{report}");
    let health = telemetry.health();
    assert_eq!(
        (
            health.series_overflow,
            health.after_shutdown,
            health.invalid_measurements
        ),
        (0, 0, 0)
    );
    let lost = |signal| {
        let otlp = otlp(&health, signal);
        assert_eq!(
            otlp.dropped.total(),
            otlp.dropped.queue_full,
            "{signal}: {otlp:?}"
        );
        assert_eq!(otlp.queued, 0);
        otlp.dropped.total()
    };
    // A request whose connection was reset may have arrived or not.
    let possibly_stored = |receiver: &Receiver| {
        receiver
            .received()
            .filter(|request| request.answer.is_success() || request.answer == Answer::Reset)
            .requests
    };
    let received = Received {
        requests: possibly_stored(&grpc)
            .into_iter()
            .chain(possibly_stored(&http))
            .collect(),
    };
    assert_eq!(lost(Signal::Metrics), 0);
    assert_metrics(&received, &ledger);
    assert_events(&received, &ledger, lost(Signal::Logs));
    let spans: BTreeSet<String> = received
        .spans()
        .into_iter()
        .map(|span| span.span_id)
        .collect();
    assert_eq!(spans.len() as u64 + lost(Signal::Traces), ledger.spans);
    assert_eq!(
        exporter(&health, Signal::Metrics, Exporter::Prometheus)
            .dropped
            .total(),
        0
    );
    assert!(begin.elapsed() < 3 * PATIENCE, "{:?}", begin.elapsed());
}
