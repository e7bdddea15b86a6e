//! Operations on whole documents.

use super::{Event, RawString, Scanner, Unreadable, Writer};

/// The nesting limit. Deeper documents are neither rewritten nor searched.
const MAX_DEPTH: usize = 1024;

/// Returns the document without white space between its parts; `None` when it is not JSON, or nested too deep.
pub(crate) fn compact(json: &str) -> Option<String> {
    rewrite(json, MAX_DEPTH).ok()
}

/// Scans the document down to `max_depth` levels and writes it compactly.
pub(super) fn rewrite(json: &str, max_depth: usize) -> Result<String, Unreadable> {
    let mut scanner = Scanner::new(json, max_depth);
    let mut out = Writer::new(usize::MAX, json);
    loop {
        match scanner.next()? {
            Event::End => return Ok(out.finish().0),
            event => out.event(event),
        }
    }
}

/// Returns a scanner of the members of an object.
fn object(json: &str) -> Result<Scanner<'_>, Unreadable> {
    let mut scanner = Scanner::new(json, MAX_DEPTH);
    match scanner.next()? {
        Event::ObjectStart => Ok(scanner),
        _ => Err(Unreadable),
    }
}

/// Passes each value to `visit`, with the keys that lead to it; an item of an array has the key `""`. An array or
/// object is passed as its start event. Stops at the first syntax error, after the values before it.
pub(crate) fn visit<'a>(json: &'a str, mut visit: impl FnMut(&[&'a str], Event<'a>)) {
    let mut scanner = Scanner::new(json, MAX_DEPTH);
    let mut path = Vec::new();
    while let Ok(event) = scanner.next() {
        match event {
            Event::End => return,
            Event::Key(key) => {
                path.pop();
                // A key with escapes matches no name.
                path.push(key.plain().unwrap_or_default());
            }
            Event::ObjectEnd | Event::ArrayEnd => {
                path.pop();
            }
            value => visit(&path, value),
        }
        if let Event::ObjectStart | Event::ArrayStart = event {
            // The first key of an object replaces this one.
            path.push("");
        }
    }
}

/// Returns the text of the top-level member `name`; `None` when it is missing, empty or not a string.
pub(crate) fn member(json: &str, name: &str) -> Option<String> {
    match find_member(json, name).ok()? {
        Event::String(text) => Some(text.decoded()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// Returns the top-level member `name` as it is written, if it is a number, a boolean or `null`.
pub(crate) fn scalar<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    match find_member(json, name).ok()? {
        Event::Scalar(scalar) => Some(scalar),
        _ => None,
    }
}

/// Returns the first event of the value of the first top-level member `name`, and reads no further; [`Event::End`] if
/// there is none.
fn find_member<'a>(json: &'a str, name: &str) -> Result<Event<'a>, Unreadable> {
    let mut scanner = object(json)?;
    while let Event::Key(key) = scanner.next()? {
        let value = scanner.next()?;
        if key.is(name) {
            return Ok(value);
        }
        scanner.skip(value)?;
    }
    Ok(Event::End)
}

/// Returns the members of all objects as one compact object, in order. A key of an earlier object hides the same key of
/// a later one. A member that is an empty string is left out. `None` when no member is left.
pub(crate) fn merge<'a>(
    objects: impl IntoIterator<Item = &'a str>,
) -> Result<Option<String>, Unreadable> {
    let mut out = Writer::new(usize::MAX, "");
    out.event(Event::ObjectStart);
    let mut written: Vec<RawString<'a>> = Vec::new();
    for json in objects {
        let of_earlier_objects = written.len();
        let mut scanner = object(json)?;
        while let Event::Key(key) = scanner.next()? {
            let value = scanner.next()?;
            let name = key.decoded();
            let is_empty = matches!(value, Event::String(text) if text.units() == 0);
            if is_empty
                || written[..of_earlier_objects]
                    .iter()
                    .any(|known| known.is(&name))
            {
                scanner.skip(value)?;
                continue;
            }
            out.event(Event::Key(key));
            scanner.value(value, |event| out.event(event))?;
            written.push(key);
        }
        // Anything after the object is an error.
        scanner.next()?;
    }
    out.event(Event::ObjectEnd);
    Ok(Some(out.finish().0).filter(|_| !written.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_removes_only_white_space() {
        let json = " { \"a\" : [ 1 , { } , [ ] , \"b c\" ] ,\n\"d\": null } ";
        assert_eq!(
            compact(json).as_deref(),
            Some(r#"{"a":[1,{},[],"b c"],"d":null}"#)
        );
        assert_eq!(compact("{\"a\":"), None);
        assert_eq!(compact(" \"x\" ").as_deref(), Some("\"x\""));
    }

    #[test]
    fn member_searches_only_the_top_level() {
        let json = r#"{"a":{"b":"no"},"c":["b"],"b":"\u0068i\ud800","b":"later"}"#;
        assert_eq!(member(json, "b").as_deref(), Some("hi\u{fffd}"));
        assert_eq!(member(json, "a"), None);
        assert_eq!(member(json, "d"), None);
        assert_eq!(member("[\"b\"]", "b"), None);
        assert_eq!(member("{\"b\":", "b"), None);
        assert_eq!(member("nonsense", "b"), None);
    }

    #[test]
    fn member_with_an_empty_text_is_none() {
        assert_eq!(member(r#"{"a":""}"#, "a"), None);
    }

    #[test]
    fn scalar_returns_numbers_and_booleans_as_they_are_written() {
        let json = r#"{"a":1.50,"b":true,"c":"1","d":[1]}"#;
        let found = ["a", "b", "c", "d", "e"].map(|name| scalar(json, name));
        assert_eq!(found, [Some("1.50"), Some("true"), None, None, None]);
    }

    fn merged(objects: &[&str]) -> Option<String> {
        merge(objects.iter().copied()).unwrap()
    }

    #[test]
    fn members_of_the_first_object_hide_those_of_the_second() {
        let first = r#"{ "b" : [ 1, {"a": ""} ], "\u0061": null, "c": "\ud800" }"#;
        let second = r#"{"a":1,"b":{"x":[2]},"d":{"e":"f"},"c":3}"#;
        assert_eq!(
            merged(&[first, second]).as_deref(),
            Some(r#"{"b":[1,{"a":""}],"a":null,"c":"\ud800","d":{"e":"f"}}"#)
        );
    }

    #[test]
    fn members_that_are_empty_texts_are_left_out() {
        assert_eq!(
            merged(&[r#"{"a":"","b":""}"#, r#"{"b":"x","c":""}"#]).as_deref(),
            Some(r#"{"b":"x"}"#)
        );
        assert_eq!(merged(&[r#"{"a":""}"#, "{}"]), None);
        assert_eq!(merged(&[]), None);
    }

    #[test]
    fn repeated_keys_of_one_object_are_kept() {
        assert_eq!(
            merged(&[r#"{"a":1,"a":2}"#]).as_deref(),
            Some(r#"{"a":1,"a":2}"#)
        );
    }

    #[test]
    fn only_objects_are_merged() {
        for text in ["", "x", "[]", "\"a\"", "{\"a\":", "{} {}", "{\"a\":[1}"] {
            assert!(merge([text, "{}"]).is_err(), "{text}");
            assert!(merge(["{}", text]).is_err(), "{text}");
        }
    }
}
