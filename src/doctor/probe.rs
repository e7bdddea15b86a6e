//! The probe of one exporter.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::variables::shown_url;
use crate::config::{Config, PrometheusConfig};
use crate::health::Exporter;
use crate::signal::Signal;
use crate::visible::visible;

/// All exporters, in the order of the output.
const EVERY: [(Signal, Exporter); 7] = [
    (Signal::Metrics, Exporter::Otlp),
    (Signal::Metrics, Exporter::Prometheus),
    (Signal::Metrics, Exporter::Console),
    (Signal::Logs, Exporter::Otlp),
    (Signal::Logs, Exporter::Console),
    (Signal::Traces, Exporter::Otlp),
    (Signal::Traces, Exporter::Console),
];

/// The result of trying one exporter of one signal. No text contains a secret or a control character.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// The signal.
    pub signal: Signal,
    /// The exporter.
    pub exporter: Exporter,
    /// The destination: standard output, or a URL without its secret parts and the protocol; `None` when the exporter
    /// is off.
    pub target: Option<String>,
    /// The addresses to which the host name resolves.
    pub addresses: Vec<SocketAddr>,
    /// The first of these addresses that accepts a connection.
    pub connected: Option<SocketAddr>,
    /// The negotiated TLS parameters as text; `None` without TLS, and when the handshake failed.
    pub tls: Option<String>,
    /// The response of the receiver, if it accepted the request.
    pub answer: Option<String>,
    /// The time until the response, or until the request failed.
    pub latency: Option<Duration>,
    /// A remark about a setting that is unusual, although it may work.
    pub note: Option<String>,
    /// The reason why the exporter does not work; `None` when it works.
    pub problem: Option<String>,
    /// The fix for the problem: the variable to change.
    pub remedy: Option<String>,
}

impl Probe {
    fn new(signal: Signal, exporter: Exporter) -> Self {
        Self {
            signal,
            exporter,
            target: None,
            addresses: Vec::new(),
            connected: None,
            tls: None,
            answer: None,
            latency: None,
            note: None,
            problem: None,
            remedy: None,
        }
    }

    /// Returns true if the exporter works.
    pub fn works(&self) -> bool {
        self.problem.is_none()
    }

    /// Returns the probe without control characters in its texts.
    pub(super) fn visible(mut self) -> Self {
        let texts = [
            &mut self.target,
            &mut self.tls,
            &mut self.answer,
            &mut self.note,
            &mut self.problem,
            &mut self.remedy,
        ];
        for text in texts.into_iter().flatten() {
            *text = visible(text);
        }
        self
    }

    /// Returns the result of a probe that did not finish in time, or could not be run because of an error.
    pub(super) fn untried(self, error: Option<&io::Error>) -> Self {
        match (self.exporter, &self.problem) {
            (Exporter::Otlp | Exporter::Prometheus, None) => Self {
                problem: Some(match error {
                    Some(error) => format!("it cannot be tried: {error}"),
                    None => "the time was over before it was tried to the end".to_owned(),
                }),
                remedy: error.map(|_| {
                    "raise the limits of threads (RLIMIT_NPROC, pids.max) and open files (RLIMIT_NOFILE)"
                        .to_owned()
                }),
                ..self
            },
            _ => self,
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = if self.works() {
            "works"
        } else {
            "does not work"
        };
        write!(f, "{} ({}) {ends}", self.signal, self.exporter)?;
        let address = match (&self.addresses[..], self.connected) {
            ([], _) => None,
            (all, _) if self.exporter == Exporter::Prometheus => Some(list(all)),
            ([only], Some(_)) => Some(format!("{only}, connected")),
            (_, Some(connected)) => Some(format!(
                "{}, connected to {connected}",
                list(&self.addresses)
            )),
            (_, None) => Some(format!("{}, not connected", list(&self.addresses))),
        };
        let answer = self.answer.clone().map(|answer| match self.latency {
            Some(latency) => format!("{answer}, after {} ms", latency.as_millis()),
            None => answer,
        });
        let goes = match self.exporter {
            Exporter::Prometheus => "page",
            _ => "sends to",
        };
        let lines = [
            (goes, self.target.clone()),
            ("address", address),
            ("TLS", self.tls.clone()),
            ("answer", answer),
            ("note", self.note.clone()),
            ("problem", self.problem.clone()),
            ("remedy", self.remedy.clone()),
        ];
        for (name, line) in lines {
            if let Some(line) = line {
                write!(f, "\n  {name:8}  {line}")?;
            }
        }
        Ok(())
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    let all: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// Returns the exporters that a configuration requests, before they are tried. Those that cannot be built contain the
/// reason.
pub(super) fn requested(config: &Config) -> Vec<Probe> {
    let asked = EVERY.iter().filter_map(|&(signal, exporter)| {
        let probe = Probe::new(signal, exporter);
        if let Some(reason) = config.unavailable_reason(signal, exporter) {
            return Some(Probe {
                problem: Some(reason),
                ..probe
            });
        }
        let (otlp, console) = config.exporters(signal);
        let target = match exporter {
            Exporter::Otlp => otlp.map(|otlp| {
                let url = shown_url(&otlp.endpoint.to_string());
                let protocol = otlp.protocol.as_str();
                match &otlp.proxy {
                    None => format!("{url} ({protocol})"),
                    Some(proxy) => {
                        format!("{url} ({protocol}), through the proxy {}", proxy.name())
                    }
                }
            }),
            Exporter::Console => {
                console.then(|| "standard output, unless the host has another writer".to_owned())
            }
            Exporter::Prometheus => config
                .metrics
                .prometheus
                .as_ref()
                .map(PrometheusConfig::place),
            // The host exporters use the OTLP exporter settings of their signal.
            Exporter::Host => None,
        };
        target.map(|target| Probe {
            target: Some(target),
            ..probe
        })
    });
    asked.collect()
}
