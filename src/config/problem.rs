//! The problems of a configuration.

use super::secret::PEM_BEGIN;

/// A problem with the configuration. No message contains a value, because some are secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("unknown variable; the most similar known variable is {nearest}")]
    UnknownVariable { nearest: &'static str },
    #[error("unknown variable, so it has no effect; did you mean {meant}?")]
    MisspelledVariable { meant: &'static str },
    #[error("has no effect in this library")]
    WithoutEffect,
    #[error("not valid UTF-8, so it counts as unset")]
    NotUnicode,
    #[error("cannot be read, so the whole file is ignored: {why}")]
    SettingsUnreadable { why: String },
    #[error("not valid JSON, so the whole file is ignored: {why}")]
    SettingsMalformed { why: String },
    #[error("{what} is not a JSON object, so its content is ignored")]
    SettingsNotAnObject { what: &'static str },
    #[error("has no effect here: variables belong inside `env`")]
    OutsideEnv,
    #[error("has no effect inside `env`: it is a setting, and belongs beside `env`")]
    InsideEnv,
    #[error(
        "no such setting; telemetry is set by variables inside `env`, such as \"OTEL_METRICS_EXPORTER\": \"otlp\", and by otelHeadersHelper"
    )]
    NoSuchSetting,
    #[error("not a string, so it is ignored; write it in quotation marks")]
    SettingNotAString,
    #[error(
        "its telemetry settings are ignored, because the embedding program does not trust this workspace"
    )]
    Untrusted,
    #[error(
        "{0}. Until this is fixed, the content switches (OTEL_LOG_*) of all other layers and the settings files of the project count as off"
    )]
    ManagedIncomplete(Box<Problem>),
    #[error("counts as off, because managed settings, which may forbid it, cannot be read")]
    ContentSwitchIgnored,
    #[error(
        "its telemetry settings are ignored, because managed settings, which take precedence, cannot be read"
    )]
    ProjectIgnored,
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
    NotNumber { default: &'static str, maximum: u64 },
    #[error("below the minimum {minimum}, which is used instead")]
    BelowMinimum { minimum: u64 },
    #[error(
        "shorter than the truncation marker ({marker} characters), so the default {default} is used"
    )]
    BelowMarker {
        marker: usize,
        default: &'static str,
    },
    #[error("{word} is unknown, so {consequence}; did you mean {nearest}? Valid: {}", words.join(", "))]
    UnknownValue {
        word: String,
        nearest: &'static str,
        words: Vec<&'static str>,
        consequence: &'static str,
    },
    #[error("`none` turns the exporters beside it off; remove it to use them")]
    NoneBesideOthers,
    #[error("pair {position}{} {flaw}", key.as_ref().map_or_else(String::new, |key| format!(" ({key})")))]
    Pair {
        /// The position of the pair in the list, from 1.
        position: usize,
        /// The key, unless it is invalid: if key and value of a header were swapped, it would be the secret.
        key: Option<String>,
        flaw: Flaw,
    },
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
    NoHost { default: &'static str },
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

/// A reason why an endpoint cannot be used. No message shows a part of the endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointProblem {
    #[error("not a URL; write one such as http://localhost:4318")]
    NotUrl,
    #[error("the URL has no host; write one such as http://localhost:4318")]
    NoHost,
    #[error("only http and https URLs are supported")]
    UnknownScheme,
    #[error("OTLP over HTTP needs a URL with a scheme; write http:// or https:// before it")]
    NoScheme,
}

/// The flaw of one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("has no `=`: left out")]
    NoEquals,
    #[error("has no key: left out")]
    EmptyKey,
    #[error("has white space, control or non-ASCII characters in its key: left out")]
    BadKey,
    #[error("has a `%` without two hexadecimal digits after it: left out; write %25 for `%`")]
    BadEscape,
    #[error("is not UTF-8 after percent-decoding: left out")]
    NotUtf8,
    #[error("has white space in its value; write %20")]
    RawSpace,
    #[error("is repeated: the last value is used")]
    Repeated,
    #[error("has a key that is not an HTTP header name: left out")]
    NotHeaderName,
    #[error(
        "has control or non-ASCII characters in its value, which no HTTP header can have: left out"
    )]
    NotHeaderValue,
    #[error("is a header of the protocol itself, which sets it: left out; remove it here")]
    Reserved,
    #[error(
        "has a name that ends in -bin, so that gRPC takes only base64 as its value: left out over gRPC; encode the value"
    )]
    NotBase64,
}

impl Flaw {
    /// Returns true if the key of the pair may be shown: it is valid, so it is not a secret in the wrong place.
    pub(super) fn shows_key(self) -> bool {
        use Flaw::{BadKey, EmptyKey, NoEquals, NotHeaderName};
        !matches!(self, NoEquals | EmptyKey | BadKey | NotHeaderName)
    }
}

/// A problem with a file. No message shows a part of its content.
#[cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, reason = "no exporter uses TLS")
)]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsProblem {
    #[error("the file cannot be read ({0}); correct the path or the permissions")]
    Unreadable(String),
    #[error("it holds PEM itself; write the path of a file that holds it")]
    Pasted,
    #[error(
        "the file is not in PEM format, because no line begins with {PEM_BEGIN}; write the path of a PEM file with {PEM_BEGIN} {label}-----"
    )]
    NotPem { label: &'static str },
    #[error(
        "the file is in DER format, and PEM is needed; convert it with `openssl {command} -inform DER -in FILE -out COPY` and write the path of the copy"
    )]
    Der { command: &'static str },
    #[error(
        "the file is a PKCS#12 store, and PEM is needed; convert it with `openssl pkcs12 -nodes -in FILE -out COPY` and write the path of the copy"
    )]
    Pkcs12,
    #[error(
        "the file holds {holds}, and no {wanted}; write the path of a PEM file with {PEM_BEGIN} {label}-----"
    )]
    OtherContent {
        /// The name of the first section.
        holds: &'static str,
        wanted: &'static str,
        label: &'static str,
    },
    #[error(
        "the {wanted} in the file cannot be read, because it is incomplete or damaged; write the file again"
    )]
    Damaged { wanted: &'static str },
    #[error(
        "the key is encrypted, and telemetry cannot ask for its password; write a decrypted copy with `openssl pkey -in KEY -out COPY` and name that"
    )]
    EncryptedKey,
    #[error("the key is of an unsupported kind; use RSA, ECDSA with P-256 or P-384, or Ed25519")]
    UnsupportedKey,
    #[error("the key does not belong to the certificate of {certificate}; set the two together")]
    Mismatch { certificate: &'static str },
    #[error("a certificate without its key; set {key} too")]
    CertificateAlone { key: &'static str },
    #[error("a key without its certificate; set {certificate} too")]
    KeyAlone { certificate: &'static str },
}
