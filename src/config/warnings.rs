//! The warnings about the configuration. A problem with the configuration never fails the host.

use std::fmt;

use super::endpoint::EndpointProblem;
use super::pairs::PairProblem;
use super::source::{Assignment, Layer, Provenance};
use super::tls::TlsProblem;
use super::variables::Variable;
use crate::visible::visible;

/// A warning about a setting that is probably a mistake. It displays the variable, its value (unless that is secret),
/// its origin and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    variable: Option<String>,
    value: Option<String>,
    origin: Option<Provenance>,
    problem: Problem,
}

impl Warning {
    /// Returns a warning about a value.
    pub(super) fn about(variable: &Variable, set: &Assignment, problem: Problem) -> Self {
        let mut warning = Self::about_file(set.origin.clone(), problem);
        warning.variable = Some(set.name.clone());
        warning.value = Some(variable.kind.shown(&set.value));
        warning
    }

    /// Returns a warning about a variable whose value cannot be shown: an unknown variable may hold a secret, and some
    /// values are not valid text.
    pub(super) fn about_name(name: &str, origin: Provenance, problem: Problem) -> Self {
        let mut warning = Self::about_file(origin, problem);
        warning.variable = Some(visible(name));
        warning
    }

    /// Returns a warning about a settings file, or a folder of settings files.
    pub(super) fn about_file(origin: Provenance, problem: Problem) -> Self {
        let mut warning = Self::overall(problem);
        warning.origin = Some(origin);
        warning
    }

    /// Returns a warning about the configuration as a whole.
    pub(super) fn overall(problem: Problem) -> Self {
        Self {
            variable: None,
            value: None,
            origin: None,
            problem,
        }
    }

    /// Returns the variable, if the warning is about one.
    pub fn variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    /// Returns the value with its secrets hidden; `None` if the warning is not about a value.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Returns the origin of the value, or the settings file that the warning is about.
    pub fn origin(&self) -> Option<&Provenance> {
        self.origin.as_ref()
    }

    /// Returns the most similar valid word or variable.
    pub fn nearest(&self) -> Option<&str> {
        match &self.problem {
            Problem::UnknownVariable { nearest }
            | Problem::UnknownValue { nearest, .. }
            | Problem::NotBoolean { nearest } => Some(nearest),
            _ => None,
        }
    }

    /// Returns true if a settings file of a project sets a variable that it may not set.
    pub(crate) fn is_misplaced(&self) -> bool {
        matches!(
            self.problem,
            Problem::NotInProject { .. }
                | Problem::OnlyOffInProject { .. }
                | Problem::SetInEnvironment
        )
    }

    #[cfg(test)]
    pub(super) fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            f.write_str(variable)?;
            if let Some(value) = &self.value {
                write!(f, "={value}")?;
            }
            if let Some(origin) = &self.origin {
                write!(f, " ({origin})")?;
            }
            f.write_str(": ")?;
        } else if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&visible(&self.problem.to_string()))
    }
}

/// A problem with the configuration. No message contains a value, because some are secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("no such variable; the nearest known one is {nearest}")]
    UnknownVariable { nearest: &'static str },
    #[error("known, but without effect in this library")]
    WithoutEffect,
    #[error("not valid UTF-8, so it counts as unset")]
    NotUnicode,
    #[error("cannot be read, so none of it counts: {why}")]
    SettingsUnreadable { why: String },
    #[error("not a regular file, so none of it counts")]
    SettingsNoFile,
    #[error("larger than {maximum} bytes, so none of it counts")]
    SettingsTooLarge { maximum: u64 },
    #[error("not valid JSON, so none of it counts: {why}")]
    SettingsMalformed { why: String },
    #[error("{what} is not a JSON object, so nothing in it counts")]
    SettingsNoObject { what: &'static str },
    #[error("has no effect here: variables belong inside `env`")]
    OutsideEnv,
    #[error("has no effect inside `env`: it is a setting, and belongs beside `env`")]
    InsideEnv,
    #[error(
        "no such setting; telemetry is set by variables inside `env`, such as \"OTEL_METRICS_EXPORTER\": \"otlp\", and by otelHeadersHelper"
    )]
    NoSuchSetting,
    #[error("not text, so it is left out; write it in quotation marks")]
    SettingNoText,
    #[error(
        "what it says about telemetry is ignored, because the embedding program does not trust this workspace"
    )]
    Untrusted,
    #[error(
        "{0}. Until this is mended, the content switches (OTEL_LOG_*) of all other layers and the settings files of the project count as off"
    )]
    ManagedIncomplete(Box<Problem>),
    #[error("counts as off, because managed settings, which may forbid it, cannot be read")]
    ContentHeld,
    #[error(
        "what it says about telemetry is ignored, because managed settings, which stand above it, cannot be read"
    )]
    ProjectHeld,
    #[error("ignored, because settings files of a project may not set it; set it in {belongs}")]
    NotInProject { belongs: &'static str },
    #[error(
        "ignored, because settings files of a project may only switch it off ({off}); set it in {belongs}"
    )]
    OnlyOffInProject {
        off: &'static str,
        belongs: &'static str,
    },
    #[error(
        "ignored, because settings files of a project cannot switch off what the environment sets; change it in the environment"
    )]
    SetInEnvironment,
    #[error(
        "not a boolean, so it counts as false (nearest: {nearest}); write 1, true, yes or on, or 0, false, no or off"
    )]
    NotBoolean { nearest: &'static str },
    #[error(
        "empty, which counts as false although the default is true; remove it from the environment, or write true or false"
    )]
    EmptyBoolean,
    #[error(
        "writing bodies to files has no effect in this library, so it counts as false; write 1 to send them"
    )]
    BodiesToFile,
    #[error(
        "not a whole number up to {maximum}, such as 5000, 64_000 or 2e3, so the default {default} is used"
    )]
    NotNumber { default: u64, maximum: u64 },
    #[error("below the minimum {minimum}, which is used instead")]
    BelowMinimum { minimum: u64 },
    #[error(
        "shorter than the marker that a cut leaves ({marker} characters), so the default {default} is used"
    )]
    BelowMarker { marker: usize, default: usize },
    #[error("{word} is unknown, so {consequence}; did you mean {nearest}? Valid: {}", words.join(", "))]
    UnknownValue {
        word: String,
        nearest: &'static str,
        words: Vec<&'static str>,
        consequence: &'static str,
    },
    #[error("`none` turns the exporters beside it off; remove it to use them")]
    NoneBesideOthers,
    #[error("{0}")]
    Pair(PairProblem),
    #[error("the exporter that uses it is off: {0}")]
    Endpoint(EndpointProblem),
    #[error("the exporter that uses it is off: {0}")]
    Tls(TlsProblem),
    #[error("ignored: {0}")]
    ExtraAuthorities(TlsProblem),
    #[error("has no effect where the endpoint is http://; write https:// there to use TLS")]
    CertificateWithoutTls,
    #[error("not the URL of a proxy, so it counts as unset; write one such as http://proxy:3128")]
    ProxyNotUrl,
    #[error(
        "only http:// proxies can be used, so it counts as unset; write http://host:port (https:// receivers are reached through it, too, and their TLS stays end to end)"
    )]
    ProxyScheme,
    #[error(
        "ignored: REQUEST_METHOD is set, and in a CGI program a request can set HTTP_PROXY; use http_proxy"
    )]
    ProxyInCgi,
    #[error(
        "not used for OTLP over gRPC without TLS, which proxies do not forward: {receiver} is connected to directly; use OTLP over HTTP or an https:// endpoint, or name the host in NO_PROXY"
    )]
    ProxyPlain { receiver: String },
    #[error(
        "not used for {receiver}: managed credentials would be readable for this proxy; set it in managed settings, or use an https:// endpoint"
    )]
    ProxyManagedCredentials { receiver: String },
    #[error("requests are posted to this URL as it is; did you mean one that ends in {path}?")]
    PathMissing { path: &'static str },
    #[error("{path} is appended to a general endpoint, which ends in it already; remove it here")]
    PathTwice { path: &'static str },
    #[error("OTLP over gRPC has no path: it is left out")]
    PathIgnored,
    #[error(
        "{what} needs the cargo feature `{feature}`, which this build does not have: that exporter is left out"
    )]
    FeatureMissing {
        what: &'static str,
        feature: &'static str,
    },
    #[error(
        "neither a host name nor an address, so the default {default} is used; a port belongs into OTEL_EXPORTER_PROMETHEUS_PORT"
    )]
    NoHost { default: String },
    #[error("ignored, because managed settings set {general}")]
    ManagedGeneral { general: &'static str },
    #[error("ignored: managed credentials are sent to managed endpoints only")]
    ManagedCredentials,
    #[error(
        "off: managed settings hold credentials, but no endpoint for this signal, and others are not trusted with them; set the endpoint in managed settings"
    )]
    NoManagedEndpoint,
    #[error("has no effect: telemetry is off; set CLAUDE_CODE_ENABLE_TELEMETRY=1")]
    NotEnabled,
    #[error("turns off all telemetry, although CLAUDE_CODE_ENABLE_TELEMETRY is on")]
    Disabled,
    #[error(
        "telemetry is on, but has no exporter; set OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER or OTEL_TRACES_EXPORTER, for example to otlp"
    )]
    NoExporter,
    #[error("no spans are sent without CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1")]
    SpansNeedBeta,
    #[error("no spans are sent without an exporter; set OTEL_TRACES_EXPORTER, for example to otlp")]
    BetaNeedsExporter,
    #[error(
        "with cumulative temporality and without session.id, several processes write the same series and the totals are wrong; tell them apart with a key in OTEL_RESOURCE_ATTRIBUTES, such as service.instance.id, or use delta"
    )]
    SharedSeries,
}

impl Problem {
    /// Adds the consequence of a problem in managed settings: a policy cannot be read.
    pub(super) fn in_layer(self, layer: Layer) -> Self {
        match layer {
            Layer::Managed => Self::ManagedIncomplete(Box::new(self)),
            _ => self,
        }
    }
}

/// The findings of a resolution. Each warning is kept once.
#[derive(Default)]
pub(super) struct Report {
    pub(super) warnings: Vec<Warning>,
    /// The behavior that results from the variables although none of them states it.
    pub(super) facts: Vec<String>,
}

impl Report {
    pub(super) fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(super) fn fact(&mut self, text: String) {
        self.facts.push(visible(&text));
    }
}
