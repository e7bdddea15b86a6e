//! The OTLP destination of a signal, for a host to display.

use std::fmt;
use std::time::Duration;

use super::Config;
use super::otlp::OtlpConfig;
use super::variables::shown_url;
use crate::health::Exporter;
use crate::signal::Signal;

/// The destination of one signal over OTLP, and the settings of its requests. Secrets are hidden.
#[derive(Clone, Copy)]
pub struct OtlpDestination<'c>(&'c OtlpConfig);

impl Config {
    /// Returns the OTLP destination of a signal; `None` when the signal has no OTLP exporter or the exporter cannot be
    /// built ([`warnings`](Self::warnings) gives the reason).
    ///
    /// ```
    /// # use claude_code_telemetry::{Config, Signal};
    /// # let config = Config::builder().environment::<String, String>([]).build();
    /// if let Some(destination) = config.otlp(Signal::Logs) {
    ///     println!("events go to {}", destination.endpoint());
    /// }
    /// ```
    pub fn otlp(&self, signal: Signal) -> Option<OtlpDestination<'_>> {
        self.of(signal).otlp.as_ref().map(OtlpDestination)
    }

    /// Returns the reason why a configured exporter cannot be built.
    pub(crate) fn unavailable_reason(&self, signal: Signal, exporter: Exporter) -> Option<String> {
        let mut unavailable = self.of(signal).unavailable.iter();
        let found = unavailable.find(|(failed, _)| *failed == exporter.of_catalog());
        found.map(|(_, reason)| reason.clone())
    }
}

impl<'c> OtlpDestination<'c> {
    /// Returns the protocol: `grpc`, `http/protobuf` or `http/json`.
    pub fn protocol(&self) -> &'static str {
        self.0.protocol.as_str()
    }

    /// Returns the endpoint without user, password and query: the URL of the requests over HTTP; scheme, host and port
    /// over gRPC.
    pub fn endpoint(&self) -> String {
        shown_url(&self.0.endpoint.to_string())
    }

    /// Returns the configured headers: their names in lower case, each with the variable that sets it. Headers of a
    /// headers helper are not included, because they are not known beforehand.
    pub fn headers(&self) -> impl Iterator<Item = (&'c str, &'static str)> + use<'c> {
        let headers = self.0.headers.iter();
        headers.map(|(name, header)| (name.as_str(), header.variable))
    }

    /// Returns the timeout of one attempt.
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Returns the compression: `gzip` or `none`.
    pub fn compression(&self) -> &'static str {
        self.0.compression.as_str()
    }

    /// Returns the host and port of the proxy, if there is one, and the variable that sets it.
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
