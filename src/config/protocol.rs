//! The values of OTLP variables that are one of a few words.

/// An OTLP protocol: transport and encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    /// `grpc`
    Grpc,
    /// `http/protobuf`
    HttpProtobuf,
    /// `http/json`
    HttpJson,
}

impl Protocol {
    /// Returns the protocol's value in variables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
}

/// The compression of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Compression {
    /// `none`
    #[default]
    None,
    /// `gzip`
    Gzip,
}

impl Compression {
    /// Returns the compression's value in variables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
        }
    }
}

/// The aggregation temporality of metrics: the period that a data point covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Temporality {
    /// The time since the previous data point.
    #[default]
    Delta,
    /// The time since the start.
    Cumulative,
}
