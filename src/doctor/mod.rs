//! The diagnosis of a configuration: every exporter is tried once.

#[cfg(any(feature = "grpc", feature = "http"))]
mod otlp;
mod probe;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(any(feature = "grpc", feature = "http"))]
mod remedy;
#[cfg(any(feature = "grpc", feature = "http"))]
mod trial;

pub use probe::Probe;

use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::config::{Config, UnknownExporter, Warning};
use crate::export::headers::Helper;
use crate::export::suppression::{self, SuppressedScope};
use crate::health::Exporter;
use crate::thread;

/// The time limit of [`Config::diagnose`]: enough for a run of the headers helper (30 seconds) and a request with the
/// default timeout (10 seconds).
const LIMIT: Duration = Duration::from_secs(45);

/// The extra time that the caller waits after the limit of the probes, for a busy machine.
const GRACE: Duration = Duration::from_millis(500);

/// The result of trying every exporter of a configuration, returned by [`Config::diagnose`].
///
/// `Display` formats it for a terminal: a paragraph for each exporter, with the fix for one that does not work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// True if telemetry is on.
    pub enabled: bool,
    /// The exporters that the configuration requests, for each signal.
    pub probes: Vec<Probe>,
    /// The exporter names in the configuration that are unknown.
    pub unknown: Vec<UnknownExporter>,
    /// The variables that settings files of a project set but may not set. Each warning says where the variable
    /// belongs.
    pub misplaced: Vec<Warning>,
    /// The unknown variables that are probably misspelled. Each warning names the variable that is probably meant.
    pub misspelled: Vec<Warning>,
}

impl Diagnosis {
    /// Returns true if every requested exporter is known and works, and no variable is probably misspelled. True also
    /// when telemetry is off, because no exporter is requested then.
    pub fn is_healthy(&self) -> bool {
        self.misspelled.is_empty()
            && self.unknown.is_empty()
            && self.probes.iter().all(Probe::works)
    }
}

impl Config {
    /// Tries every exporter once: sends an empty request to each receiver, over the same transport and with the same
    /// headers and certificates as the exporter, and checks the connection. It is meant for a `doctor` command of
    /// the host, and uses no [`Telemetry`](crate::Telemetry).
    ///
    /// The exporters are tried in parallel, each within its `OTEL_EXPORTER_OTLP_TIMEOUT` (10 seconds by default) plus
    /// the time of the headers helper, if there is one (30 seconds at most). The whole call takes 45 seconds at most.
    /// It blocks the caller and never fails: an async task calls it on a thread that may block.
    ///
    /// ```no_run
    /// use claude_code_telemetry::Config;
    ///
    /// let config = Config::load();
    /// let diagnosis = config.diagnose();
    /// println!("{}\n{diagnosis}", config.explain().without_diagnosed());
    /// std::process::exit(if diagnosis.is_healthy() { 0 } else { 1 });
    /// ```
    pub fn diagnose(&self) -> Diagnosis {
        self.diagnose_within(LIMIT)
    }

    /// Calls [`diagnose`](Self::diagnose) with an explicit time limit; the shorter of the two limits applies.
    ///
    /// ```no_run
    /// use claude_code_telemetry::Config;
    ///
    /// let diagnosis = Config::load().diagnose_within(std::time::Duration::from_secs(5));
    /// println!("{diagnosis}");
    /// ```
    pub fn diagnose_within(&self, limit: Duration) -> Diagnosis {
        let limit = limit.min(LIMIT);
        let mut probes = probe::requested(self);
        let untried: Vec<_> = probes
            .iter()
            .filter(|probe| !probe.is_tried)
            .cloned()
            .collect();
        let (tried, results) = mpsc::channel();
        let config = self.clone();
        let thread = thread::spawn("claude-code-telemetry-doctor", move || {
            let _suppressed = SuppressedScope::this_thread();
            let runtime = suppression::runtime()?;
            runtime.block_on(try_all(&config, untried, limit, &tried));
            runtime.shutdown_background();
            // The channel is closed only now, because the caller then joins this thread.
            drop(tried);
            Ok(())
        });
        let end = Instant::now() + limit + GRACE;
        let is_late = loop {
            let left = end.saturating_duration_since(Instant::now());
            match results.recv_timeout(left) {
                Ok(result) => {
                    let key = (result.signal, result.exporter);
                    let mut same = probes.iter_mut();
                    if let Some(probe) = same.find(|probe| (probe.signal, probe.exporter) == key) {
                        *probe = result;
                    }
                }
                Err(error) => break error == mpsc::RecvTimeoutError::Timeout,
            }
        };
        probe::fail_untried(&mut probes, thread, is_late);
        probes.iter_mut().for_each(Probe::make_visible);
        let warnings = |is_listed: fn(&Warning) -> bool| {
            let warnings = self.warnings().iter().filter(|warning| is_listed(warning));
            warnings.cloned().collect()
        };
        Diagnosis {
            enabled: self.is_enabled(),
            probes,
            unknown: self.unknown.clone(),
            misplaced: warnings(Warning::is_misplaced),
            misspelled: warnings(Warning::is_misspelling),
        }
    }
}

/// Tries exporters in parallel, and sends the result of each as soon as it is known.
#[cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(
        unused_variables,
        reason = "only OTLP exporters are tried until a deadline"
    )
)]
async fn try_all(
    config: &Config,
    untried: Vec<Probe>,
    limit: Duration,
    tried: &mpsc::Sender<Probe>,
) {
    let deadline = tokio::time::Instant::now() + limit;
    let mut tasks = JoinSet::new();
    let has_otlp = untried.iter().any(|probe| probe.exporter == Exporter::Otlp);
    let helper = config.headers_helper.as_ref().filter(|_| has_otlp);
    let helper = helper.map(|helper| {
        let (helper, _, job) = Helper::new(helper, Arc::default());
        tasks.spawn(async {
            job().await;
            None
        });
        helper
    });
    for probe in untried {
        let config = config.clone();
        match probe.exporter {
            #[cfg(any(feature = "grpc", feature = "http"))]
            Exporter::Otlp => {
                tasks.spawn(otlp::try_exporter(probe, config, helper.clone(), deadline))
            }
            #[cfg(feature = "prometheus")]
            Exporter::Prometheus => tasks.spawn(prometheus::try_exporter(probe, config)),
            _ => continue,
        };
    }
    // Without users, the helper kills its command if that still runs, and ends.
    drop(helper);
    while let Some(ended) = tasks.join_next().await {
        // A task that panicked has no result.
        if let Ok(Some(probe)) = ended {
            let is_tried = true;
            let _ = tried.send(Probe { is_tried, ..probe });
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(
            f,
            "variables that are probably misspelled",
            &self.misspelled,
        )?;
        for probe in &self.probes {
            writeln!(f, "{probe}\n")?;
        }
        for unknown in &self.unknown {
            let UnknownExporter {
                signal,
                name,
                nearest,
                variable,
            } = unknown;
            writeln!(f, "{signal} ({name}) does not work")?;
            writeln!(f, "  problem   there is no exporter {name}")?;
            writeln!(
                f,
                "  remedy    correct {variable}; did you mean {nearest}?\n"
            )?;
        }
        write_list(f, "variables that a project may not set", &self.misplaced)?;
        let broken = self.probes.iter().filter(|probe| !probe.works()).count() + self.unknown.len();
        let all = self.probes.len() + self.unknown.len();
        match (all, broken) {
            _ if !self.enabled => f.write_str("Telemetry is off: it needs CLAUDE_CODE_ENABLE_TELEMETRY=1, and OTEL_SDK_DISABLED must not be on."),
            (0, _) => f.write_str("Telemetry has no exporter: set OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER or OTEL_TRACES_EXPORTER, for example to otlp."),
            (1, 0) => f.write_str("The exporter works."),
            (_, 0) => write!(f, "All {all} exporters work."),
            (1, _) => f.write_str("The exporter does not work."),
            (_, 1) => write!(f, "1 of {all} exporters does not work."),
            _ => write!(f, "{broken} of {all} exporters do not work."),
        }
    }
}

/// Writes a paragraph with a list of warnings, if there are any.
fn write_list(f: &mut fmt::Formatter<'_>, title: &str, warnings: &[Warning]) -> fmt::Result {
    if warnings.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}")?;
    for warning in warnings {
        writeln!(f, "  {warning}")?;
    }
    writeln!(f)
}
