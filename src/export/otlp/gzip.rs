//! gzip, for requests and for answers.

#[cfg(feature = "grpc")]
use std::io::Read;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::config::otlp as config;

/// `body` as it is sent when it is compressed; nothing when it is not.
pub(super) fn packed(body: &[u8], compression: config::Compression) -> Option<Bytes> {
    match compression {
        config::Compression::Gzip => compress(body),
        config::Compression::None => None,
    }
}

/// `body` compressed. The same input always gives the same output: the header holds no time.
fn compress(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::default());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// `body` decompressed, unless it is broken or larger than `limit`.
#[cfg(feature = "grpc")]
pub(super) fn decompress(body: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(body).take(limit as u64 + 1);
    decoder.read_to_end(&mut plain).ok()?;
    (plain.len() <= limit).then_some(plain)
}
