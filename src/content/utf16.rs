//! Lengths and cuts in UTF-16 code units, the "characters" of every documented limit.

/// Bytes counted at once: few enough that a `u8` holds their units, so that the compiler can
/// count in vector lanes of one byte.
const BLOCK: usize = 64;

/// The length of `text` in UTF-16 code units.
pub(crate) fn len(text: &str) -> usize {
    let (blocks, rest) = text.as_bytes().as_chunks::<BLOCK>();
    blocks.iter().map(|block| units_of(block)).sum::<usize>() + units_of(rest)
}

/// The longest prefix of `text` of at most `units` code units. A character that needs a surrogate
/// pair is in it whole or not at all.
pub(crate) fn prefix(text: &str, units: usize) -> &str {
    cut(text, units).0
}

/// [`prefix`] with its own length in units, which is one less than `units` where a pair did not
/// fit. Reads no more than the prefix and one block.
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
    // A character counts where it begins: one that the last block counted belongs to the prefix
    // with the bytes that lie behind that block.
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

/// Units of the characters that begin in at most [`BLOCK`] bytes of UTF-8: one for each byte that
/// continues no character, one more for each that begins a character of four bytes.
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
    fn counts_like_javascript() {
        assert_eq!(len(""), 0);
        assert_eq!(len("éé😀"), 4);
        assert_eq!(len(&"ファイル".repeat(100)), 400);
        assert_eq!(len(&"🗂️".repeat(100)), 300);
    }

    #[test]
    fn never_splits_a_pair() {
        assert_eq!(cut("a😀b", 2), ("a", 1));
        assert_eq!(cut("a😀b", 3), ("a😀", 3));
        assert_eq!(cut("a😀b", 9), ("a😀b", 4));
        assert_eq!(cut("😀", 0), ("", 0));
    }

    #[test]
    fn a_character_across_the_block_is_kept_whole() {
        for before in BLOCK - 4..=BLOCK {
            let text = format!("{}😀{}", "x".repeat(before), "y".repeat(BLOCK));
            assert_eq!(
                prefix(&text, before + 1),
                &text[..before],
                "{before} before"
            );
            assert_eq!(prefix(&text, before + 2), &text[..before + 4]);
            assert_eq!(prefix(&text, before + 3), &text[..before + 5]);
        }
    }

    proptest! {
        #[test]
        fn the_length_is_that_of_the_encoding(text in any::<String>(), times in 1..20_usize) {
            let text = text.repeat(times);
            prop_assert_eq!(len(&text), text.encode_utf16().count());
        }

        #[test]
        fn the_prefix_is_the_longest_that_fits(
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
