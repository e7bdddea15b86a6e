//! gzip compression of requests and decompression of answers.

#[cfg(feature = "grpc")]
use std::io::Read;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::config::otlp as config;

/// Returns `body` in compressed form; `None` if requests are sent uncompressed.
pub(super) fn packed(body: &[u8], compression: config::Compression) -> Option<Bytes> {
    match compression {
        config::Compression::Gzip => compress(body),
        config::Compression::None => None,
    }
}

/// Compresses `body`. The same input always gives the same output, because the header contains no time.
fn compress(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::default());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Decompresses `body`. Returns `None` if it is broken or larger than `limit` bytes.
#[cfg(feature = "grpc")]
pub(super) fn decompress(body: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(body).take(limit as u64 + 1);
    decoder.read_to_end(&mut plain).ok()?;
    (plain.len() <= limit).then_some(plain)
}
