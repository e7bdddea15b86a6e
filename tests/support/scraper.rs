//! Helpers for the scraper's side: an HTTP client and a strict parser of the Prometheus text format.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use claude_code_telemetry::{Exporter, Signal, Telemetry};

use super::host::{PATIENCE, config, exporter, service, wait_for_health};

/// Returns the variables of a host that serves the Prometheus scrape endpoint on a free port. Entries of `extra` take
/// precedence.
pub fn environment(extra: &[(&str, &str)]) -> BTreeMap<String, String> {
    let base = [
        ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS", "60000"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "60000"),
    ];
    base.iter()
        .chain(extra)
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Starts telemetry that serves a Prometheus scrape endpoint.
pub fn telemetry(extra: &[(&str, &str)]) -> Telemetry {
    Telemetry::start(config(environment(extra)), service())
}

/// The response of an HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    /// Header values by header name in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// Returns the address of the scrape endpoint. Waits until it is served.
#[track_caller]
pub fn address(telemetry: &Telemetry) -> SocketAddr {
    let addresses = |health: &_| exporter(health, Signal::Metrics, Exporter::Prometheus).addresses;
    let health = wait_for_health(telemetry, |health| !addresses(health).is_empty());
    addresses(&health)[0]
}

/// Scrapes once, and parses the response.
#[track_caller]
pub fn scrape(telemetry: &Telemetry) -> Exposition {
    let response = request(address(telemetry), "GET", "/metrics");
    assert_eq!(response.status, 200, "{response:?}");
    Exposition::read(&response.body)
}

/// Opens a connection with timeouts for reads and writes.
#[track_caller]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a request without a body, and returns the response.
#[track_caller]
pub fn request(address: SocketAddr, method: &str, target: &str) -> HttpResponse {
    let mut stream = connect(address);
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\n\r\n"
    )
    .unwrap();
    read_response(stream, method == "HEAD")
}

/// Reads a response until the server closes the connection.
#[track_caller]
pub fn read_response(mut stream: TcpStream, head_only: bool) -> HttpResponse {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a response has a head");
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers: BTreeMap<String, String> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    assert_eq!(body.len(), if head_only { 0 } else { length });
    HttpResponse {
        status: status.parse().unwrap(),
        headers,
        body: body.to_owned(),
    }
}

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// A parsed scrape response: families by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition {
    pub families: BTreeMap<String, Family>,
}

/// All samples of a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    pub kind: String,
    pub help: String,
    pub samples: BTreeMap<Labels, f64>,
}

impl Exposition {
    /// Parses the text format, version 0.0.4, and enforces the rules that this library has to follow when it writes an
    /// exposition.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "the last line is incomplete"
        );
        let mut exposition = Self::default();
        let mut name = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (of, help) = rest.split_once(' ').unwrap();
                name = of.to_owned();
                assert!(is_name(&name), "{line}");
                let kind = lines.next().unwrap();
                let kind = kind.strip_prefix(&format!("# TYPE {name} ")).unwrap();
                assert!(["counter", "gauge"].contains(&kind), "{kind}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
                let family = Family {
                    kind: kind.to_owned(),
                    help: unescaped(help, false),
                    samples: BTreeMap::new(),
                };
                let before = exposition.families.insert(name.clone(), family);
                assert!(before.is_none(), "{name} occurs twice");
                assert!(lines.peek().is_some_and(|line| !line.starts_with('#')));
                continue;
            }
            let (labels, value) = sample(line, &name);
            let value: f64 = value.parse().unwrap();
            assert!(value.is_finite() && value >= 0.0, "{line}");
            let family = exposition
                .families
                .get_mut(&name)
                .expect("help comes first");
            let before = family.samples.insert(labels, value);
            assert!(before.is_none(), "the sample occurs twice: {line}");
        }
        exposition
    }

    /// Returns the samples of a metric whose labels include the given ones.
    pub fn select(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(Labels, f64)> {
        let Some(family) = self.families.get(name) else {
            return Vec::new();
        };
        let wanted = |of: &Labels| {
            let has = |(key, value): &(&str, &str)| of.get(*key).is_some_and(|v| v == value);
            labels.iter().all(has)
        };
        let samples = family.samples.iter().filter(|(of, _)| wanted(of));
        samples.map(|(of, value)| (of.clone(), *value)).collect()
    }

    /// Adds up the samples that [`Exposition::select`] returns.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.select(name, labels)
            .iter()
            .map(|(_, value)| value)
            .sum()
    }
}

/// Parses the labels and the value of a sample of metric `name`.
#[track_caller]
fn sample<'a>(line: &'a str, name: &str) -> (Labels, &'a str) {
    let rest = line.strip_prefix(name).expect("a sample of its family");
    let mut rest = rest.strip_prefix('{').expect("every series has labels");
    let mut labels = Labels::new();
    loop {
        let (label, after) = rest.split_once("=\"").unwrap();
        assert!(is_label(label), "{line}");
        // Find the first quotation mark that is not escaped by a backslash.
        let mut escaped = false;
        let end = after.find(|c| {
            let is_end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        });
        let (value, after) = after.split_at(end.unwrap());
        let before = labels.insert(label.to_owned(), unescaped(value, true));
        assert!(before.is_none(), "{label} occurs twice: {line}");
        rest = &after[1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    (labels, rest.strip_prefix("} ").unwrap())
}

/// Removes the escapes from a string. Label values have three escapes, help strings have two.
fn unescaped(text: &str, quotes: bool) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        out.push(match c {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                other => panic!("an invalid escape: {other:?} in {text}"),
            },
            c => c,
        });
    }
    out
}

fn is_label(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.starts_with("__")
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(valid)
}

/// Checks the name of a metric. Metrics of this library contain no colon, so the rules for labels apply.
fn is_name(name: &str) -> bool {
    is_label(name)
}
