//! Length and truncation in UTF-16 code units, the "characters" of every documented limit.

/// The number of bytes counted at once. It is small enough that a `u8` holds the number of units, so that the compiler
/// can vectorize the count with lanes of one byte.
const BLOCK: usize = 64;

/// Returns the length of `text` in UTF-16 code units.
pub(crate) fn len(text: &str) -> usize {
    let (blocks, rest) = text.as_bytes().as_chunks::<BLOCK>();
    blocks.iter().map(|block| units_of(block)).sum::<usize>() + units_of(rest)
}

/// Returns the longest prefix of `text` of at most `units` code units, and its length in units. A surrogate pair is never
/// split; the length is then `units` - 1. Reads no more than the prefix and one block.
pub(crate) fn cut(text: &str, units: usize) -> (&str, usize) {
    let mut end = 0;
    let mut counted = 0;
    for block in text.as_bytes().as_chunks::<BLOCK>().0 {
        let more = units_of(block);
        if counted + more > units {
            break;
        }
        counted += more;
        end += BLOCK;
    }
    // A character counts where it begins: the bytes of the last block's last character that follow the block belong to
    // the prefix.
    while !text.is_char_boundary(end) {
        end += 1;
    }
    for character in text[end..].chars() {
        let more = character.len_utf16();
        if counted + more > units {
            break;
        }
        counted += more;
        end += character.len_utf8();
    }
    (&text[..end], counted)
}

/// Returns the number of units of the characters that begin in at most [`BLOCK`] bytes of UTF-8: one for each byte that
/// is not a continuation byte, one more for each first byte of a four-byte character.
fn units_of(bytes: &[u8]) -> usize {
    let units: u8 = bytes
        .iter()
        .map(|&byte| u8::from(byte & 0xC0 != 0x80) + u8::from(byte >= 0xF0))
        .sum();
    usize::from(units)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn len_matches_javascript() {
        assert_eq!(len(""), 0);
        assert_eq!(len("éé😀"), 4);
        assert_eq!(len(&"ファイル".repeat(100)), 400);
        assert_eq!(len(&"🗂️".repeat(100)), 300);
    }

    #[test]
    fn prefix_never_splits_a_surrogate_pair() {
        assert_eq!(cut("a😀b", 2), ("a", 1));
        assert_eq!(cut("a😀b", 3), ("a😀", 3));
        assert_eq!(cut("a😀b", 9), ("a😀b", 4));
        assert_eq!(cut("😀", 0), ("", 0));
    }

    #[test]
    fn character_across_a_block_boundary_is_kept_whole() {
        for before in BLOCK - 4..=BLOCK {
            let text = format!("{}😀{}", "x".repeat(before), "y".repeat(BLOCK));
            assert_eq!(cut(&text, before + 1).0, &text[..before], "{before} before");
            assert_eq!(cut(&text, before + 2).0, &text[..before + 4]);
            assert_eq!(cut(&text, before + 3).0, &text[..before + 5]);
        }
    }

    proptest! {
        #[test]
        fn len_matches_the_encoding(text in any::<String>(), times in 1..20_usize) {
            let text = text.repeat(times);
            prop_assert_eq!(len(&text), text.encode_utf16().count());
        }

        #[test]
        fn prefix_is_the_longest_that_fits(
            text in proptest::collection::vec(
                prop_oneof![Just('a'), Just('é'), Just('語'), Just('😀')], 0..300,
            ),
            units in 0..400_usize,
        ) {
            let text: String = text.into_iter().collect();
            let (kept, counted) = cut(&text, units);
            prop_assert!(text.starts_with(kept));
            prop_assert_eq!(counted, len(kept));
            prop_assert!(counted <= units);
            if let Some(next) = text[kept.len()..].chars().next() {
                prop_assert!(counted + next.len_utf16() > units);
            }
        }
    }
}
