//! The values of OTLP variables that are one of a few words.

use super::kind::Input;

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

    pub(super) fn parse(input: &mut Input<'_>) -> Option<Self> {
        let all = [Self::Grpc, Self::HttpProtobuf, Self::HttpJson];
        input.word(&all.map(|protocol| (protocol.as_str(), protocol)), false)
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

    pub(super) fn parse(input: &mut Input<'_>) -> Option<Self> {
        let all = [Self::Gzip, Self::None];
        input.word(
            &all.map(|compression| (compression.as_str(), compression)),
            false,
        )
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
    /// As `Cumulative` for observable counters, which only the host's own instruments have; otherwise as `Delta`.
    LowMemory,
}

impl Temporality {
    /// Returns the temporality's value in variables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Cumulative => "cumulative",
            Self::LowMemory => "lowmemory",
        }
    }

    pub(super) fn parse(input: &mut Input<'_>) -> Option<Self> {
        let all = [Self::Delta, Self::Cumulative, Self::LowMemory];
        input.word(
            &all.map(|temporality| (temporality.as_str(), temporality)),
            true,
        )
    }
}
