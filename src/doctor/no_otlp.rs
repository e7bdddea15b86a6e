//! The placeholder of the OTLP probes in builds without OTLP.

use std::sync::mpsc;
use std::time::Duration;

use super::probe::Probe;
use crate::config::Config;

/// Does nothing.
pub(super) async fn probe_all(_: &Config, _: Vec<Probe>, _: Duration, _: mpsc::Sender<Probe>) {}
