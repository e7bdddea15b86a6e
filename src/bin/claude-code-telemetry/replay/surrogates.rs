//! Lone surrogates, which JavaScript writes when it cuts a text inside a surrogate pair.

/// Replaces each escape of a lone surrogate (`\ud83d`) with the escape of U+FFFD, which has the same length. A Rust
/// string cannot contain a lone surrogate.
pub(crate) fn replace_lone_surrogates(json: &mut [u8]) {
    let mut at = 0;
    while let Some(next) = json[at..].iter().position(|byte| *byte == b'\\') {
        at += next;
        at += match (escaped_unit(json, at), escaped_unit(json, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                json[at + 2..at + 6].copy_from_slice(b"fffd");
                6
            }
            (Some(_), _) => 6,
            // Another escape: its second byte may be a backslash.
            (None, _) => 2,
        };
        at = at.min(json.len());
    }
}

/// Returns the UTF-16 code unit whose escape begins at `at`.
fn escaped_unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    proptest! {
        #[test]
        fn text_is_read_as_lossy_utf_16(
            units in vec(prop_oneof![any::<u16>(), 0xd7f0..0xe010_u16, 0x20..0x7f_u16], 0..40),
            escapes in vec(any::<bool>(), 40),
        ) {
            let mut text = String::from('"');
            for (unit, escape) in units.iter().zip(escapes) {
                match char::from_u32((*unit).into()) {
                    Some(plain @ ('"' | '\\')) => text.extend(['\\', plain]),
                    Some(plain) if !escape && plain >= ' ' => text.push(plain),
                    _ => text.push_str(&format!("\\u{unit:04x}")),
                }
            }
            text.push('"');
            let mut json = text.into_bytes();
            replace_lone_surrogates(&mut json);
            let read: String = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }

        #[test]
        fn any_line_is_accepted(mut line: Vec<u8>, escape in "\\\\(u[0-9a-f]{0,5})?") {
            line.extend(escape.into_bytes());
            replace_lone_surrogates(&mut line);
        }
    }
}
