//! The probe of an OTLP exporter.

use std::sync::Arc;

use tokio::time::Instant;

use super::probe::Probe;
use super::remedy::Configured;
use super::trial::Trial;
use crate::config::otlp::{OtlpConfig, Protocol};
use crate::config::variables::ENDPOINT;
use crate::config::{Config, path};
use crate::export::headers::Helper;

/// Tries an OTLP exporter until `deadline`, and returns its probe with the result; `None` if it is not configured.
pub(super) async fn try_exporter(
    mut probe: Probe,
    config: Config,
    helper: Option<Arc<Helper>>,
    deadline: Instant,
) -> Option<Probe> {
    let otlp = config.of(probe.signal).otlp.as_ref()?;
    match Trial::run(probe.signal, otlp, helper, deadline).await {
        Ok(trial) => describe(&mut probe, &config, otlp, trial),
        Err(why) => probe.problem = Some(why),
    }
    Some(probe)
}

/// Adds the result of a trial to a probe.
fn describe(probe: &mut Probe, config: &Config, otlp: &OtlpConfig, trial: Trial) {
    let configured = Configured {
        signal: probe.signal,
        config,
        otlp,
    };
    let endpoint = configured.variable(&ENDPOINT);
    // Requests are posted to the root, because the endpoint of a signal is used as it is.
    if otlp.has_bare_url {
        probe.note = Some(format!(
            "{endpoint} has no path and is used as it is; a receiver that responds with \
             404 or 405 there gets its requests at {}",
            path(probe.signal)
        ));
    }
    match &trial.outcome {
        Ok(delivery) => {
            probe.note = delivery.path_correction(endpoint).or(probe.note.take());
            let kind = match otlp.protocol {
                Protocol::Grpc => "gRPC OK",
                Protocol::HttpProtobuf | Protocol::HttpJson => "HTTP success",
            };
            probe.answer = Some(match &delivery.message {
                Some(message) => format!("{kind}, with a warning: {message}"),
                None => kind.to_owned(),
            });
        }
        Err(error) => {
            probe.problem = Some(error.to_string());
            probe.remedy = configured.remedy(error.kind(), &trial);
        }
    }
    probe.addresses = trial.connection.addresses;
    probe.connected = trial.connection.connected;
    probe.tls = trial.connection.tls;
    probe.latency = Some(trial.took);
}
