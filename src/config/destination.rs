//! Where a signal goes over OTLP, for a host to show.

use std::fmt;
use std::time::Duration;

use super::Config;
use super::otlp::{Compression, OtlpConfig};
use super::variables::shown_url;
use crate::health::Exporter;
use crate::signal::Signal;

/// Where one signal goes over OTLP, and how. Secrets are hidden in it.
#[derive(Clone, Copy)]
pub struct OtlpDestination<'c>(&'c OtlpConfig);

impl Config {
    /// Where this signal goes over OTLP; `None` when it does not, or cannot ([`warnings`](Self::warnings) says why).
    pub fn otlp(&self, signal: Signal) -> Option<OtlpDestination<'_>> {
        self.exporters(signal).0.map(OtlpDestination)
    }

    /// The OTLP exporter of a signal, and whether the console has it.
    pub(crate) fn exporters(&self, signal: Signal) -> (Option<&OtlpConfig>, bool) {
        match signal {
            Signal::Metrics => (self.metrics.otlp.as_ref(), self.metrics.console),
            Signal::Events => (self.events.otlp.as_ref(), self.events.console),
            Signal::Spans => (self.spans.otlp.as_ref(), self.spans.console),
        }
    }

    /// The reason why an exporter that was asked for cannot be had.
    pub(crate) fn why_off(&self, signal: Signal, exporter: Exporter) -> Option<String> {
        let mut off = self.off.iter();
        off.find(|off| (off.signal, off.exporter) == (signal, exporter))
            .map(|off| off.reason.clone())
    }
}

impl<'c> OtlpDestination<'c> {
    /// `grpc`, `http/protobuf` or `http/json`.
    pub fn protocol(&self) -> &'static str {
        self.0.protocol.as_str()
    }

    /// Over HTTP the URL that requests are posted to, over gRPC scheme, host and port. Without user, password and query.
    pub fn endpoint(&self) -> String {
        shown_url(&self.0.endpoint.to_string())
    }

    /// The configured headers: their names in lower case, and the variable that each comes from. Those of a headers
    /// helper are not known beforehand.
    pub fn headers(&self) -> impl Iterator<Item = (&'c str, &'static str)> + use<'c> {
        let sources = self.0.header_sources.iter();
        sources.map(|(name, variable)| (name.as_str(), *variable))
    }

    /// The longest that one attempt takes.
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// `gzip` or `none`.
    pub fn compression(&self) -> &'static str {
        match self.0.compression {
            Compression::Gzip => "gzip",
            Compression::None => "none",
        }
    }

    /// The proxy on the way, if there is one: its host and port, and the variable that names it.
    pub fn proxy(&self) -> Option<(String, &'static str)> {
        let proxy = self.0.proxy.as_deref()?;
        Some((proxy.name(), proxy.variable))
    }
}

impl fmt::Debug for OtlpDestination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
