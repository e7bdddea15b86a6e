//! The problems of a configuration.

use super::secret::PEM_BEGIN;

/// Defines the causes of a kind of problem, each with its message.
macro_rules! messages {
    ($(#[$attribute:meta])* $type:ident { $(
        $(#[$doc:meta])*
        $cause:ident $(($inner:ty))? $({ $($field:ident: $kind:ty),* })?:
            $text:literal $(, $argument:expr)?;
    )* }) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub(crate) enum $type { $(
            $(#[$doc])*
            #[error($text $(, $argument)?)]
            $cause $(($inner))? $({ $($field: $kind),* })?,
        )* }
    };
}

messages! {
    /// A problem with the configuration. No message contains a value, because some are secret.
    Problem {
        UnknownVariable { nearest: &'static str }:
            "no such variable; the nearest known one is {nearest}";
        MisspelledVariable { meant: &'static str }:
            "no such variable, so it has no effect; did you mean {meant}?";
        WithoutEffect: "known, but without effect in this library";
        NotUnicode: "not valid UTF-8, so it counts as unset";
        SettingsUnreadable { why: String }: "cannot be read, so none of it counts: {why}";
        SettingsNoFile: "not a regular file, so none of it counts";
        SettingsTooLarge { maximum: u64 }: "larger than {maximum} bytes, so none of it counts";
        SettingsMalformed { why: String }: "not valid JSON, so none of it counts: {why}";
        SettingsNoObject { what: &'static str }:
            "{what} is not a JSON object, so nothing in it counts";
        OutsideEnv: "has no effect here: variables belong inside `env`";
        InsideEnv: "has no effect inside `env`: it is a setting, and belongs beside `env`";
        NoSuchSetting:
            "no such setting; telemetry is set by variables inside `env`, such as \
            \"OTEL_METRICS_EXPORTER\": \"otlp\", and by otelHeadersHelper";
        SettingNoText: "not text, so it is left out; write it in quotation marks";
        Untrusted:
            "what it says about telemetry is ignored, because the embedding program does not trust \
            this workspace";
        ManagedIncomplete(Box<Problem>):
            "{0}. Until this is mended, the content switches (OTEL_LOG_*) of all other layers and \
            the settings files of the project count as off";
        ContentHeld: "counts as off, because managed settings, which may forbid it, cannot be read";
        ProjectHeld:
            "what it says about telemetry is ignored, because managed settings, which stand above \
            it, cannot be read";
        NotInProject { belongs: &'static str }:
            "ignored, because settings files of a project may not set it; set it in {belongs}";
        OnlyOffInProject { off: &'static str, belongs: &'static str }:
            "ignored, because settings files of a project may only switch it off ({off}); set it \
            in {belongs}";
        SetInEnvironment:
            "ignored, because settings files of a project cannot switch off what the environment \
            sets; change it in the environment";
        NotBoolean { nearest: &'static str }:
            "not a boolean, so it counts as false (nearest: {nearest}); write 1, true, yes or on, \
            or 0, false, no or off";
        EmptyBoolean:
            "empty, which counts as false although the default is true; remove it from the \
            environment, or write true or false";
        BodiesToFile:
            "writing bodies to files has no effect in this library, so it counts as false; write 1 \
            to send them";
        NotNumber { default: &'static str, maximum: u64 }:
            "not a whole number up to {maximum}, such as 5000, 64_000 or 2e3, so the default \
            {default} is used";
        BelowMinimum { minimum: u64 }: "below the minimum {minimum}, which is used instead";
        BelowMarker { marker: usize, default: usize }:
            "shorter than the marker that a cut leaves ({marker} characters), so the default \
            {default} is used";
        UnknownValue {
            word: String, nearest: &'static str, words: Vec<&'static str>, consequence: &'static str
        }:
            "{word} is unknown, so {consequence}; did you mean {nearest}? Valid: {}",
            words.join(", ");
        NoneBesideOthers: "`none` turns the exporters beside it off; remove it to use them";
        /// `position` counts from 1. The key is left out if it is invalid: if key and value of a header were swapped, it
        /// would be the secret.
        Pair { position: usize, key: Option<String>, flaw: Flaw }:
            "pair {position}{} {flaw}",
            key.as_ref().map_or_else(String::new, |key| format!(" ({key})"));
        Endpoint(EndpointProblem): "the exporter that uses it is off: {0}";
        Tls(TlsProblem): "the exporter that uses it is off: {0}";
        ExtraAuthorities(TlsProblem): "ignored: {0}";
        CertificateWithoutTls:
            "has no effect where the endpoint is http://; write https:// there to use TLS";
        ProxyNotUrl:
            "not the URL of a proxy, so it counts as unset; write one such as http://proxy:3128";
        ProxyScheme:
            "only http:// proxies can be used, so it counts as unset; write http://host:port \
            (https:// receivers are reached through it, too, and their TLS stays end to end)";
        ProxyInCgi:
            "ignored: REQUEST_METHOD is set, and in a CGI program a request can set HTTP_PROXY; \
            use http_proxy";
        ProxyPlain { receiver: String }:
            "not used for OTLP over gRPC without TLS, which proxies do not forward: {receiver} is \
            connected to directly; use OTLP over HTTP or an https:// endpoint, or name the host in \
            NO_PROXY";
        ProxyManagedCredentials { receiver: String }:
            "not used for {receiver}: managed credentials would be readable for this proxy; set it \
            in managed settings, or use an https:// endpoint";
        PathMissing { path: &'static str }:
            "requests are posted to this URL as it is; did you mean one that ends in {path}?";
        PathTwice { path: &'static str }:
            "{path} is appended to a general endpoint, which ends in it already; remove it here";
        PathIgnored: "OTLP over gRPC has no path: it is left out";
        FeatureMissing { what: &'static str, feature: &'static str }:
            "{what} needs the cargo feature `{feature}`, which this build does not have: that \
            exporter is left out";
        NoHost { default: String }:
            "neither a host name nor an address, so the default {default} is used; a port belongs \
            into OTEL_EXPORTER_PROMETHEUS_PORT";
        ManagedGeneral { general: &'static str }: "ignored, because managed settings set {general}";
        ManagedCredentials: "ignored: managed credentials are sent to managed endpoints only";
        NoManagedEndpoint:
            "off: managed settings hold credentials, but no endpoint for this signal, and others \
            are not trusted with them; set the endpoint in managed settings";
        NotEnabled: "has no effect: telemetry is off; set CLAUDE_CODE_ENABLE_TELEMETRY=1";
        Disabled: "turns off all telemetry, although CLAUDE_CODE_ENABLE_TELEMETRY is on";
        NoExporter:
            "telemetry is on, but has no exporter; set OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER \
            or OTEL_TRACES_EXPORTER, for example to otlp";
        SpansNeedBeta: "no spans are sent without CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1";
        BetaNeedsExporter:
            "no spans are sent without an exporter; set OTEL_TRACES_EXPORTER, for example to otlp";
        SharedSeries:
            "with cumulative temporality and without session.id, several processes write the same \
            series and the totals are wrong; tell them apart with a key in \
            OTEL_RESOURCE_ATTRIBUTES, such as service.instance.id, or use delta";
    }
}

messages! {
    /// A reason why an endpoint cannot be used. No message shows a part of the endpoint.
    EndpointProblem {
        NotUrl: "not a URL; write one such as http://localhost:4318";
        NoHost: "the URL has no host; write one such as http://localhost:4318";
        UnknownScheme: "only http and https URLs are supported";
        NoScheme: "OTLP over HTTP needs a URL with a scheme; write http:// or https:// before it";
    }
}

messages! {
    /// The flaw of one pair.
    #[derive(Copy)]
    Flaw {
        NoEquals: "has no `=`: left out";
        EmptyKey: "has no key: left out";
        BadKey: "has white space, control or non-ASCII characters in its key: left out";
        BadEscape: "has a `%` without two hexadecimal digits after it: left out; write %25 for `%`";
        NotUtf8: "is not UTF-8 after percent-decoding: left out";
        RawSpace: "has white space in its value; write %20";
        Repeated: "comes again: the last one is used";
        NotHeaderName: "has a key that is no HTTP header name: left out";
        NotHeaderValue:
            "has control or non-ASCII characters in its value, which no HTTP header can have: left \
            out";
        Reserved: "is a header of the protocol itself, which sets it: left out; remove it here";
        NotBase64:
            "has a name that ends in -bin, so that gRPC takes only base64 as its value: left out \
            over gRPC; encode the value";
    }
}

impl Flaw {
    /// Returns true if the key of the pair may be shown: it is valid, so it is not a secret in the wrong place.
    pub(super) fn shows_key(self) -> bool {
        use Flaw::{BadKey, EmptyKey, NoEquals, NotHeaderName};
        !matches!(self, NoEquals | EmptyKey | BadKey | NotHeaderName)
    }
}

messages! {
    /// A problem with a file. No message shows a part of its content.
    #[cfg_attr(
        not(any(feature = "grpc", feature = "http")),
        allow(dead_code, reason = "no exporter uses TLS")
    )]
    TlsProblem {
        Unreadable(String): "the file cannot be read ({0}); correct the path or the permissions";
        NoFile: "it names no regular file of at most 4 MiB; write the path of a PEM file";
        Pasted: "it holds PEM itself; write the path of a file that holds it";
        NotPem { label: &'static str }:
            "the file is not in PEM format, because no line begins with {PEM_BEGIN}; write the \
            path of a PEM file with {PEM_BEGIN} {label}-----";
        Der { command: &'static str }:
            "the file is in DER format, and PEM is needed; convert it with `openssl {command} \
            -inform DER -in FILE -out COPY` and write the path of the copy";
        Pkcs12:
            "the file is a PKCS#12 store, and PEM is needed; convert it with `openssl pkcs12 \
            -nodes -in FILE -out COPY` and write the path of the copy";
        /// `holds` is the name of the first section.
        OtherContent { holds: &'static str, wanted: &'static str, label: &'static str }:
            "the file holds {holds}, and no {wanted}; write the path of a PEM file with \
            {PEM_BEGIN} {label}-----";
        Damaged { wanted: &'static str }:
            "the {wanted} in the file cannot be read, because it is cut off or damaged; write the \
            file again";
        EncryptedKey:
            "the key is encrypted, and there is nobody to ask for its password; write a decrypted \
            copy with `openssl pkey -in KEY -out COPY` and name that";
        UnsupportedKey:
            "the key is of an unsupported kind; use RSA, ECDSA with P-256 or P-384, or Ed25519";
        Mismatch { certificate: &'static str }:
            "the key does not belong to the certificate of {certificate}; set the two together";
        CertificateAlone { key: &'static str }: "a certificate without its key; set {key} too";
        KeyAlone { certificate: &'static str }:
            "a key without its certificate; set {certificate} too";
    }
}
