//! Text without characters that control the terminal.

/// Returns true if a terminal interprets `character` instead of displaying it: control characters of C0 and C1, DEL,
/// and the controls of bidirectional text, which can make a line appear to say something else.
pub(crate) fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Returns `text` with every control character replaced by U+FFFD.
pub(crate) fn visible(text: &str) -> String {
    text.replace(is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_every_kind_are_replaced() {
        let controls = (0..=0x1f_u32)
            .chain(0x7f..=0x9f)
            .chain([0x61c, 0x200e, 0x200f])
            .chain(0x202a..=0x202e)
            .chain(0x2066..=0x2069);
        for control in controls.filter_map(char::from_u32) {
            let text = format!("a{control}b");
            assert_eq!(visible(&text), "a\u{fffd}b", "{control:?}");
        }
        let text = " ~é\u{a0}\u{200b}\u{200d}א😀\u{fffd}";
        assert_eq!(visible(text), text);
    }
}
