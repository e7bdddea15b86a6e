//! The probe of one exporter.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::variables::shown_url;
use crate::config::{Config, PrometheusConfig};
use crate::health::Exporter;
use crate::signal::Signal;
use crate::visible::visible;

/// The result of trying one exporter of one signal. No text contains a secret or a control character.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// The signal.
    pub signal: Signal,
    /// The exporter.
    pub exporter: Exporter,
    /// The destination: standard output, or the protocol and a URL without its secret parts; `None` when the exporter
    /// cannot be built.
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
    /// False until the exporter was tried, if that is necessary to know whether it works.
    pub(super) is_tried: bool,
}

impl Probe {
    /// Returns true if the exporter works.
    pub fn works(&self) -> bool {
        self.problem.is_none()
    }

    /// Removes the control characters from all texts.
    pub(super) fn make_visible(&mut self) {
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
    }

    /// Records that the system has no thread, descriptor or memory for the trial.
    pub(super) fn record_missing_resources(&mut self, reason: impl fmt::Display) {
        self.problem = Some(format!("it cannot be tried: {reason}"));
        self.remedy = Some(
            "raise the limits of threads (RLIMIT_NPROC, pids.max) and open files (RLIMIT_NOFILE)"
                .to_owned(),
        );
    }
}

/// Records the reason why probes have no result. `thread` tries the exporters; `is_late` is true if the caller waited until
/// the time limit, and false if the thread has closed the channel of its results.
pub(super) fn fail_untried(
    probes: &mut [Probe],
    thread: io::Result<JoinHandle<io::Result<()>>>,
    is_late: bool,
) {
    // A thread that has closed the channel ends now, so that this does not block.
    let join = |thread: JoinHandle<_>| thread.join().unwrap_or(Ok(()));
    let ended = match thread {
        Ok(_) if is_late => None,
        thread => Some(thread.and_then(join)),
    };
    for probe in probes.iter_mut().filter(|probe| !probe.is_tried) {
        match &ended {
            None => {
                let problem = "the time limit passed before the trial ended";
                probe.problem = Some(problem.to_owned());
            }
            Some(Err(error)) => probe.record_missing_resources(error),
            Some(Ok(())) => {
                let problem =
                    "it cannot be tried, because of an internal error (a panic) of the doctor";
                probe.problem = Some(problem.to_owned());
            }
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.works() {
            true => "works",
            false => "does not work",
        };
        write!(f, "{} ({}) {verdict}", self.signal, self.exporter)?;
        let all: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let all = all.join(", ");
        let is_prometheus = self.exporter == Exporter::Prometheus;
        let address = match (&self.addresses[..], self.connected) {
            ([], _) => None,
            _ if is_prometheus => Some(all),
            ([_], Some(_)) => Some(format!("{all}, connected")),
            (_, Some(connected)) => Some(format!("{all}, connected to {connected}")),
            (_, None) => Some(format!("{all}, not connected")),
        };
        let answer = self.answer.clone().map(|answer| match self.latency {
            Some(latency) => format!("{answer}, after {} ms", latency.as_millis()),
            None => answer,
        });
        for (name, line) in [
            (
                if is_prometheus { "page" } else { "sends to" },
                &self.target,
            ),
            ("address", &address),
            ("TLS", &self.tls),
            ("answer", &answer),
            ("note", &self.note),
            ("problem", &self.problem),
            ("remedy", &self.remedy),
        ] {
            if let Some(line) = line {
                write!(f, "\n  {name:8}  {line}")?;
            }
        }
        Ok(())
    }
}

/// Returns the exporters that a configuration requests, in the order of the output. Those that cannot be built contain
/// the reason.
pub(super) fn requested(config: &Config) -> Vec<Probe> {
    let mut requested = Vec::new();
    for signal in [Signal::Metrics, Signal::Logs, Signal::Traces] {
        for exporter in [Exporter::Otlp, Exporter::Prometheus, Exporter::Console] {
            let problem = config.unavailable_reason(signal, exporter);
            let target = target(config, signal, exporter);
            if problem.is_some() || target.is_some() {
                requested.push(Probe {
                    is_tried: problem.is_some() || exporter == Exporter::Console,
                    signal,
                    exporter,
                    target,
                    addresses: Vec::new(),
                    connected: None,
                    tls: None,
                    answer: None,
                    latency: None,
                    note: None,
                    problem,
                    remedy: None,
                });
            }
        }
    }
    requested
}

/// Returns the destination of an exporter; `None` if the configuration does not request it, or it cannot be built.
fn target(config: &Config, signal: Signal, exporter: Exporter) -> Option<String> {
    let signal = config.of(signal);
    match exporter {
        Exporter::Otlp => {
            let otlp = signal.otlp.as_ref()?;
            let url = shown_url(&otlp.endpoint.to_string());
            let through = match &otlp.proxy {
                Some(proxy) => format!(", through the proxy {}", proxy.name()),
                None => String::new(),
            };
            Some(format!("{url} ({}){through}", otlp.protocol.as_str()))
        }
        Exporter::Console => {
            let text = "standard output, unless the host has another writer";
            signal.console.then(|| text.to_owned())
        }
        Exporter::Prometheus => signal.prometheus.as_ref().map(PrometheusConfig::address),
        // The exporters of host instruments use the settings of the other exporters, which are tried as such.
        Exporter::HostOtlp | Exporter::HostConsole => None,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    type Trials = fn() -> io::Result<()>;

    #[test]
    fn probe_without_a_result_gives_the_reason() {
        let config = Config::builder()
            .environment([
                ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
                ("OTEL_LOGS_EXPORTER", "console"),
            ])
            .build();
        let started = |trials: Trials| Ok(thread::spawn(trials));
        let hang: Trials = || loop {
            thread::park();
        };
        let panic: Trials = || panic!("in a test");
        let fail: Trials = || Err(io::Error::other("no thread"));
        for (thread, is_late, problem, has_remedy) in [
            (started(panic), false, "internal error", false),
            (started(fail), false, "no thread", true),
            // Only a trial that panicked sends no result.
            (started(|| Ok(())), false, "internal error", false),
            (started(|| Ok(())), true, "time limit", false),
            (started(hang), true, "time limit", false),
            (Err(io::Error::other("no thread")), false, "no thread", true),
            (Err(io::Error::other("no thread")), true, "no thread", true),
        ] {
            let untried = Probe {
                problem: None,
                is_tried: false,
                ..requested(&config).remove(0)
            };
            let tried = Probe {
                is_tried: true,
                ..untried.clone()
            };
            let mut probes = [untried, tried];
            fail_untried(&mut probes, thread, is_late);
            let [found, tried] = probes;
            let text = found.problem.unwrap();
            assert!(text.contains(problem), "{problem}: {text}");
            assert_eq!(found.remedy.is_some(), has_remedy, "{problem}");
            assert_eq!(tried.problem, None);
        }
    }
}
