//! Lookup of a member of a JSON object.

use super::{Event, Scanner};

/// The nesting limit. Deeper documents are not searched.
const MAX_DEPTH: usize = 1024;

/// Returns the text of the top-level member `name`; `None` when it is missing, empty or not a string.
pub(crate) fn member(json: &str, name: &str) -> Option<String> {
    match find(json, name)? {
        Event::String(text) => Some(text.decoded()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// Returns the top-level member `name` as it is written, if it is a number, a boolean or `null`.
pub(crate) fn scalar<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    match find(json, name)? {
        Event::Scalar(scalar) => Some(scalar),
        _ => None,
    }
}

/// Returns the first event of the value of the first top-level member `name`. Reads no further than that.
fn find<'a>(json: &'a str, name: &str) -> Option<Event<'a>> {
    let mut scanner = Scanner::new(json, MAX_DEPTH);
    let Event::ObjectStart = scanner.next().ok()?? else {
        return None;
    };
    while let Event::Key(key) = scanner.next().ok()?? {
        let value = scanner.next().ok()??;
        if key.is(name) {
            return Some(value);
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

    #[test]
    fn member_of_an_empty_text_is_none() {
        assert_eq!(member(r#"{"a":""}"#, "a"), None);
    }

    #[test]
    fn scalar_returns_numbers_and_booleans_as_they_are_written() {
        let json = r#"{"a":1.50,"b":true,"c":"1","d":[1]}"#;
        let found = ["a", "b", "c", "d", "e"].map(|name| scalar(json, name));
        assert_eq!(found, [Some("1.50"), Some("true"), None, None, None]);
    }
}
