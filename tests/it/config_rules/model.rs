//! A second implementation of the configuration rules, written as plainly as possible.

use std::collections::BTreeMap;

/// The layers, highest precedence first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Managed,
    Host,
    Local,
    Project,
    User,
    Environment,
}

pub(crate) const LAYERS: [Layer; 6] = [
    Layer::Managed,
    Layer::Host,
    Layer::Local,
    Layer::Project,
    Layer::User,
    Layer::Environment,
];

/// The variables that every layer sets.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) set: BTreeMap<Layer, BTreeMap<String, String>>,
    pub(crate) trusted: bool,
    /// True if one of the managed settings files cannot be read. `set` has the variables of the other file.
    pub(crate) unreadable: bool,
    /// `METRICS`, `LOGS` or `TRACES`.
    pub(crate) signal: &'static str,
}

/// The expected exporter of a signal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exporter {
    pub(crate) protocol: &'static str,
    pub(crate) endpoint: String,
    /// The name of the variable that sets a header, by the header's name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) timeout: u64,
    pub(crate) compression: &'static str,
    pub(crate) proxy: Option<String>,
}

/// The expected exporter, or the reason why there is none.
pub(crate) type Resolved = Result<Exporter, &'static str>;

/// Returns true if a project's settings file may set this variable to any value.
fn is_harmless(name: &str) -> bool {
    let ends = [
        "_INTERVAL",
        "_TIMEOUT",
        "_TIMEOUT_MS",
        "_COMPRESSION",
        "_TEMPORALITY_PREFERENCE",
    ];
    name == "OTEL_RESOURCE_ATTRIBUTES"
        || name.starts_with("OTEL_METRICS_INCLUDE_")
        || ends.iter().any(|end| name.ends_with(end))
}

/// Returns true if a project's settings file may use this value to switch something off.
fn switches_off(name: &str, value: &str) -> bool {
    match name {
        "OTEL_METRICS_EXPORTER" | "OTEL_LOGS_EXPORTER" | "OTEL_TRACES_EXPORTER" => {
            value.split(',').any(|word| word == "none")
        }
        "OTEL_LOG_USER_PROMPTS" | "OTEL_LOG_TOOL_DETAILS" | "OTEL_LOG_TOOL_CONTENT" => {
            ["0", "false", "no", "off"].contains(&value)
        }
        _ => false,
    }
}

/// Parses a boolean. Returns `None` for any other string.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

impl Given {
    /// Returns true if this layer may set this variable to this value.
    pub(crate) fn may_set(&self, layer: Layer, name: &str, value: &str) -> bool {
        let is_content = name.starts_with("OTEL_LOG_");
        match layer {
            Layer::Managed => true,
            _ if is_content && self.unreadable => false,
            Layer::Local | Layer::Project => {
                let environment = self.set.get(&Layer::Environment);
                let in_environment = environment
                    .and_then(|set| set.get(name))
                    .is_some_and(|value| !value.is_empty());
                self.trusted
                    && !self.unreadable
                    && (is_harmless(name) || switches_off(name, value) && !in_environment)
            }
            _ => true,
        }
    }

    /// Returns the layer of highest precedence that may set the variable, with the value.
    fn highest_precedence(&self, name: &str) -> Option<(Layer, &str)> {
        self.set.iter().find_map(|(layer, set)| {
            let value = set.get(name)?;
            let may = self.may_set(*layer, name, value);
            may.then_some((*layer, value.as_str()))
        })
    }

    /// Returns the value of the layer of highest precedence. An empty value unsets the variable.
    fn get(&self, name: &str) -> Option<(Layer, &str)> {
        self.highest_precedence(name)
            .filter(|(_, value)| !value.is_empty())
    }

    /// Returns the state of a content switch: off unless the value of the highest layer is true.
    pub(crate) fn content(&self, name: &str) -> bool {
        self.get(name).and_then(|(_, value)| boolean(value)) == Some(true)
    }

    /// Returns true if the value of a switch that is on by default causes a warning. An empty value does so only in the
    /// environment, where it counts as false; in other layers it unsets the variable.
    pub(crate) fn has_switch_warning(&self, name: &str) -> bool {
        match self.highest_precedence(name) {
            Some((layer, "")) => layer == Layer::Environment,
            Some((_, value)) => boolean(value).is_none(),
            None => false,
        }
    }

    /// Returns true if the signal is exported over OTLP.
    pub(crate) fn has_otlp(&self) -> bool {
        let name = format!("OTEL_{}_EXPORTER", self.signal);
        let list = self.get(&name).map_or("", |(_, value)| value);
        let has = |word| list.split(',').any(|item| item == word);
        has("otlp") && !has("none")
    }

    fn general(&self, kind: &str) -> (String, Option<(Layer, &str)>) {
        let name = format!("OTEL_EXPORTER_OTLP_{kind}");
        let found = self.get(&name);
        (name, found)
    }

    fn specific(&self, kind: &str) -> (String, Option<(Layer, &str)>) {
        let name = format!("OTEL_EXPORTER_OTLP_{}_{kind}", self.signal);
        let found = self.get(&name);
        (name, found)
    }

    /// Returns true if a managed variable for all signals overrides another layer's variable for this signal.
    pub(crate) fn is_overridden_by_managed(&self, kind: &str) -> bool {
        let is_managed =
            |found: Option<(Layer, &str)>| found.map(|(layer, _)| layer == Layer::Managed);
        is_managed(self.general(kind).1) == Some(true)
            && is_managed(self.specific(kind).1) == Some(false)
    }

    /// Returns the variable for the signal, unless a managed variable overrides it.
    fn effective_specific(&self, kind: &str) -> Option<(Layer, &str)> {
        let (_, found) = self.specific(kind);
        found.filter(|_| !self.is_overridden_by_managed(kind))
    }

    fn chosen_protocol(&self) -> Option<&'static str> {
        let valid = |found: Option<(Layer, &str)>| match found?.1 {
            "grpc" => Some("grpc"),
            "http/protobuf" => Some("http/protobuf"),
            "http/json" => Some("http/json"),
            _ => None,
        };
        valid(self.effective_specific("PROTOCOL")).or_else(|| valid(self.general("PROTOCOL").1))
    }

    /// Returns true if managed settings hold credentials, which are then sent only to managed endpoints.
    fn has_managed_credentials(&self) -> bool {
        let all = [
            self.general("HEADERS").1,
            self.specific("HEADERS").1,
            self.get("otelHeadersHelper"),
        ];
        all.into_iter()
            .flatten()
            .any(|(layer, _)| layer == Layer::Managed)
    }

    pub(crate) fn resolve(&self) -> Resolved {
        let has_managed_credentials = self.has_managed_credentials();
        let usable =
            |(layer, _): &(Layer, &str)| !has_managed_credentials || *layer == Layer::Managed;
        let (specific, general) = (
            self.effective_specific("ENDPOINT"),
            self.general("ENDPOINT").1,
        );
        let path = match self.signal {
            "METRICS" => "/v1/metrics",
            "LOGS" => "/v1/logs",
            _ => "/v1/traces",
        };
        let protocol_by_port = |url: &str| {
            if url.contains(":4317") {
                "grpc"
            } else {
                "http/protobuf"
            }
        };
        let chosen = self.chosen_protocol();
        let (protocol, endpoint) = if let Some((_, url)) = specific.filter(usable) {
            let protocol = chosen.unwrap_or(protocol_by_port(url));
            (
                protocol,
                if protocol == "grpc" {
                    origin(url)
                } else {
                    url.to_owned()
                },
            )
        } else if let Some((_, url)) = general.filter(usable) {
            let protocol = chosen.unwrap_or(protocol_by_port(url));
            let whole = format!("{url}{path}");
            (
                protocol,
                if protocol == "grpc" {
                    origin(url)
                } else {
                    whole
                },
            )
        } else if specific.or(general).is_some() {
            return Err("managed settings hold credentials");
        } else {
            let protocol = chosen.unwrap_or("http/protobuf");
            let whole = match protocol {
                "grpc" => "http://localhost:4317/".to_owned(),
                _ => format!("http://localhost:4318{path}"),
            };
            (protocol, whole)
        };
        if endpoint.starts_with("ftp://") {
            return Err("only http and https URLs are supported");
        }
        Ok(Exporter {
            protocol,
            headers: self.headers(protocol),
            timeout: self.timeout(),
            compression: self.compression(),
            proxy: self.proxy(protocol, &endpoint, has_managed_credentials),
            endpoint,
        })
    }

    /// Merges the headers for all signals with those for the signal, which take precedence. Names are
    /// case-insensitive. `Host` belongs to the connection, and over gRPC the value of a name that ends in `-bin` must
    /// be base64.
    fn headers(&self, protocol: &str) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        let general = self.general("HEADERS");
        let specific = (
            self.specific("HEADERS").0,
            self.effective_specific("HEADERS"),
        );
        for (variable, found) in [general, specific] {
            for pair in found.map_or("", |(_, text)| text).split(',') {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                let is_broken = protocol == "grpc" && name.ends_with("-bin") && value == "!";
                if name != "Host" && !is_broken {
                    headers.insert(name.to_ascii_lowercase(), variable.clone());
                }
            }
        }
        headers
    }

    /// Returns the timeout. A value that is not a number gives the default. A number may use an exponent and `_` as
    /// separator.
    fn timeout(&self) -> u64 {
        let found = self.specific("TIMEOUT").1.or(self.general("TIMEOUT").1);
        found
            .and_then(|(_, text)| text.replace('_', "").parse::<f64>().ok())
            .map_or(10_000, |number| number as u64)
    }

    /// Returns the compression. An unknown value counts as unset.
    fn compression(&self) -> &'static str {
        for found in [
            self.specific("COMPRESSION").1,
            self.general("COMPRESSION").1,
        ] {
            match found {
                Some((_, "gzip")) => return "gzip",
                Some((_, "none")) => return "none",
                _ => {}
            }
        }
        "none"
    }

    /// Returns the name of the variable whose proxy is used. If `has_managed_credentials` is true, only a managed proxy
    /// may read the credentials.
    fn proxy(
        &self,
        protocol: &str,
        endpoint: &str,
        has_managed_credentials: bool,
    ) -> Option<String> {
        let secure = endpoint.starts_with("https://");
        let name = if secure { "HTTPS_PROXY" } else { "HTTP_PROXY" };
        let all = self.get("ALL_PROXY").map(|found| ("ALL_PROXY", found));
        let one = self.get(name).map(|found| (name, found));
        let is_managed = |(_, (layer, _)): &(&str, (Layer, &str))| *layer == Layer::Managed;
        let (name, (layer, _)) = all
            .filter(is_managed)
            .filter(|_| !one.as_ref().is_some_and(is_managed))
            .or(one)
            .or(all)?;
        // Proxies do not forward gRPC without TLS, and can read the headers of other requests without TLS.
        let readable = !secure;
        let refused =
            readable && (protocol == "grpc" || has_managed_credentials && layer != Layer::Managed);
        (!endpoint.contains("localhost") && !refused).then(|| name.to_owned())
    }
}

/// Returns a URL without its path.
fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    format!("{scheme}://{}/", rest.split('/').next().unwrap())
}
