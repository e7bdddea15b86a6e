//! The probes of the OTLP exporters.

use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::probe::Probe;
use super::remedy;
use super::trial::Trial;
use crate::config::Config;
use crate::export::headers::Helper;
use crate::health::Exporter;

/// Tries all OTLP exporters in parallel.
pub(super) async fn probe_all(
    config: &Config,
    mut untried: Vec<Probe>,
    limit: Duration,
    tried: mpsc::Sender<Probe>,
) {
    let deadline = Instant::now() + limit;
    untried.retain(|probe| probe.exporter == Exporter::Otlp);
    let helper = config.headers_helper.as_ref();
    let helper = helper.filter(|_| !untried.is_empty()).map(|helper| {
        let (helper, commands, job) = Helper::new(helper, Arc::default());
        (helper, (commands, tokio::spawn(job())))
    });
    let (helper, running) = helper.unzip();
    let mut probes = JoinSet::new();
    for mut probe in untried {
        let Some(otlp) = config.of(probe.signal).otlp.clone() else {
            continue;
        };
        let (config, helper, tried) = (config.clone(), helper.clone(), tried.clone());
        probes.spawn(async move {
            let trial = Trial::run(probe.signal, &otlp, helper, deadline).await;
            remedy::describe(&mut probe, &config, &otlp, trial);
            let _ = tried.send(probe);
        });
    }
    let mut panic = None;
    while let Some(ended) = probes.join_next().await {
        panic = panic.or(ended.err().and_then(|error| error.try_into_panic().ok()));
    }
    // Without users, the helper kills its command if that still runs, and ends.
    drop(helper);
    if let Some((_commands, running)) = running {
        let _ = running.await;
    }
    // The caller joins this thread when the channel is closed, so the channel stays open until nothing is left to do.
    drop(tried);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}
