//! The probes of the OTLP exporters.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::probe::{Probe, requested};
use super::remedy;
use super::trial::Trial;
use crate::config::Config;
use crate::diagnostics::Diagnostics;
use crate::export::headers::Helper;
use crate::health::Exporter;

/// Tries all OTLP exporters in parallel.
pub(super) async fn probe_all(config: &Config, limit: Duration, found: mpsc::Sender<Probe>) {
    let last = Instant::now() + limit;
    let tried: Vec<_> = requested(config)
        .into_iter()
        .filter(|probe| probe.exporter == Exporter::Otlp && probe.works())
        .collect();
    let helper = config
        .headers_helper
        .as_ref()
        .filter(|_| !tried.is_empty())
        .and_then(|helper| Helper::new(helper, Arc::new(Diagnostics::default())));
    let (helper, running) = match helper {
        Some((helper, commands, job)) => (Some(helper), Some((commands, tokio::spawn(job())))),
        None => (None, None),
    };
    let mut probes = JoinSet::new();
    for probe in tried {
        let Some(otlp) = config.exporters(probe.signal).0.cloned() else {
            continue;
        };
        let (config, helper, found) = (config.clone(), helper.clone(), found.clone());
        probes.spawn(async move {
            let trial = Trial::run(probe.signal, &otlp, helper, last).await;
            let _ = found.send(remedy::describe(probe, &config, &otlp, trial));
        });
    }
    while probes.join_next().await.is_some() {}
    drop(helper);
    if let Some((_commands, running)) = running {
        let _ = running.await;
    }
    // The caller joins this thread when the channel is closed, so the channel stays open until nothing is left to do.
    drop(found);
}
