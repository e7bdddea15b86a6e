//! gzip compression of requests and decompression of responses.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The most bytes of a decompressed response: enough for a partial success.
const MAX_PLAIN: u64 = 64 * 1024;

/// Returns `body` in compressed form.
pub(super) fn compress(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::default());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// Decompresses `body`. Returns `None` if it is broken or too large.
pub(super) fn decompress(body: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(body).take(MAX_PLAIN + 1);
    decoder.read_to_end(&mut plain).ok()?;
    (plain.len() as u64 <= MAX_PLAIN).then_some(plain)
}
