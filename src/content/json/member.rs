//! One member of an object.

use super::{Event, Part, Scanner};

/// Deeper documents are not searched.
const MAX_DEPTH: usize = 1024;

/// The text of the top-level member `name`; nothing when there is none or it is no text. Reads no further than it.
pub(crate) fn member(json: &str, name: &str) -> Option<String> {
    let mut scanner = Scanner::new(json, MAX_DEPTH);
    let Event::ObjectStart = scanner.next().ok()?? else {
        return None;
    };
    while let Event::Key(key) = scanner.next().ok()?? {
        let value = scanner.next().ok()??;
        if key.is(name) {
            let Event::String(text) = value else {
                return None;
            };
            let mut out = String::new();
            for part in text.parts() {
                match part {
                    Part::Plain(plain) => out.push_str(plain),
                    Part::Char(character) => out.push(character),
                    Part::Lone(_) => out.push(char::REPLACEMENT_CHARACTER),
                }
            }
            return Some(out);
        }
        if let Event::ObjectStart | Event::ArrayStart = value {
            scanner.skip_open().ok()?;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_top_level_is_searched() {
        let json = r#"{"a":{"b":"no"},"c":["b"],"b":"\u0068i\ud800","b":"later"}"#;
        assert_eq!(member(json, "b").as_deref(), Some("hi\u{fffd}"));
        assert_eq!(member(json, "a"), None);
        assert_eq!(member(json, "d"), None);
        assert_eq!(member("[\"b\"]", "b"), None);
        assert_eq!(member("{\"b\":", "b"), None);
        assert_eq!(member("nonsense", "b"), None);
    }
}
