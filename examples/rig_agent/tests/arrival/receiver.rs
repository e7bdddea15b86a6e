//! An OTLP/HTTP receiver for JSON, and what it received.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

type Attributes = BTreeMap<String, Value>;

/// A receiver on loopback.
pub struct Receiver {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bodies = Arc::<Mutex<Vec<Value>>>::default();
        let received = Arc::clone(&bodies);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let received = Arc::clone(&received);
                thread::spawn(move || {
                    let mut client = BufReader::new(client);
                    while let Some(body) = read_request(&mut client) {
                        received.lock().unwrap().push(body);
                        let response = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                        client.get_mut().write_all(response.as_bytes()).unwrap();
                    }
                });
            }
        });
        Self { address, bodies }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns everything that was received so far.
    pub fn arrived(&self) -> Arrived {
        let mut arrived = Arrived::default();
        for body in &*self.bodies.lock().unwrap() {
            arrived.add(body);
        }
        let order = |event: &Event| event.attributes["event.sequence"].as_u64();
        arrived.events.sort_by_key(order);
        arrived.spans.sort_by_key(|span| span.start);
        arrived
    }
}

/// Reads the body of the next request; `None` at the end of the connection.
fn read_request(client: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).unwrap())
}

/// The events, spans and points of metrics that were received.
#[derive(Default)]
pub struct Arrived {
    pub events: Vec<Event>,
    pub spans: Vec<Span>,
    pub metrics: Vec<(String, Attributes, f64)>,
}

pub struct Event {
    pub name: String,
    pub attributes: Attributes,
}

#[derive(Debug)]
pub struct Span {
    pub name: String,
    pub id: String,
    /// Empty without a parent.
    pub parent: String,
    pub trace: String,
    pub start: u64,
    pub end: u64,
    pub attributes: Attributes,
}

impl Event {
    #[track_caller]
    pub fn assert(&self, key: &str, expected: Value) {
        assert_eq!(
            self.attributes.get(key),
            Some(&expected),
            "{key} of {}",
            self.name
        );
    }
}

impl Arrived {
    fn add(&mut self, body: &Value) {
        for log in items(body, ["resourceLogs", "scopeLogs", "logRecords"]) {
            let attributes = attributes(log);
            let name = attributes["event.name"].as_str().unwrap().to_owned();
            self.events.push(Event { name, attributes });
        }
        for span in items(body, ["resourceSpans", "scopeSpans", "spans"]) {
            self.spans.push(Span {
                name: text(span, "name"),
                id: text(span, "spanId"),
                parent: text(span, "parentSpanId"),
                trace: text(span, "traceId"),
                start: text(span, "startTimeUnixNano").parse().unwrap(),
                end: text(span, "endTimeUnixNano").parse().unwrap(),
                attributes: attributes(span),
            });
        }
        for metric in items(body, ["resourceMetrics", "scopeMetrics", "metrics"]) {
            for point in list(&metric["sum"], "dataPoints") {
                let value = match point.get("asDouble") {
                    Some(value) => value.as_f64().unwrap(),
                    None => text(point, "asInt").parse().unwrap(),
                };
                self.metrics
                    .push((text(metric, "name"), attributes(point), value));
            }
        }
    }

    pub fn named(&self, name: &str) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.name == name)
    }

    pub fn spans_named(&self, name: &str) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(move |span| span.name == name)
    }

    /// Returns the only event called `name` that belongs to the tool call `id`; `None` if there is none.
    pub fn of_tool(&self, name: &str, id: &str) -> Option<&Event> {
        let mut found = self
            .named(name)
            .filter(|event| event.attributes["tool_use_id"] == id);
        let event = found.next();
        assert!(found.next().is_none());
        event
    }

    /// Returns the sum of the points of a metric that have these attributes.
    pub fn sum(&self, name: &str, with: &[(&str, &str)]) -> f64 {
        let points = self.metrics.iter().filter(|(metric, attributes, _)| {
            metric == name && with.iter().all(|(key, value)| attributes[*key] == *value)
        });
        points.map(|(_, _, value)| value).sum()
    }
}

/// Returns the items of a request: those of the third list, within the second, within the first.
fn items<'a>(
    body: &'a Value,
    [outer, inner, last]: [&'a str; 3],
) -> impl Iterator<Item = &'a Value> {
    list(body, outer)
        .flat_map(move |resource| list(resource, inner))
        .flat_map(move |scope| list(scope, last))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn attributes(item: &Value) -> Attributes {
    let pairs = list(item, "attributes").map(|pair| {
        // Integers are strings in OTLP/JSON.
        let value = match &pair["value"]["intValue"] {
            Value::String(integer) => json!(integer.parse::<i64>().unwrap()),
            Value::Null => pair["value"]
                .as_object()
                .unwrap()
                .values()
                .next()
                .cloned()
                .unwrap_or_default(),
            integer => integer.clone(),
        };
        (text(pair, "key"), value)
    });
    pairs.collect()
}
