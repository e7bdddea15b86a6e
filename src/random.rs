//! Random bytes, with a substitute if the system provides none.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Returns random bytes of the system, or a substitute if the system provides none.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        substitute(&mut bytes);
    }
    bytes
}

/// Fills the bytes with a hash of time, process and a counter, which still differs from run to run and from call to
/// call.
fn substitute(bytes: &mut [u8]) {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now();
    for (part, chunk) in bytes.chunks_mut(8).enumerate() {
        let mut hasher = DefaultHasher::new();
        (now, std::process::id(), call, part).hash(&mut hasher);
        chunk.copy_from_slice(&hasher.finish().to_ne_bytes()[..chunk.len()]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn substitute_bytes_differ_between_calls_and_within_a_call() {
        let mut halves = HashSet::new();
        for _ in 0..1_000 {
            let mut bytes = [0; 16];
            substitute(&mut bytes);
            halves.extend(bytes.chunks(8).map(<[u8]>::to_vec));
        }
        assert_eq!(halves.len(), 2_000);
        let mut bytes = [0; 11];
        substitute(&mut bytes);
        assert_ne!(bytes[8..], [0; 3]);
    }
}
