//! The merge of JSON objects.

use super::compact::copy;
use super::{Event, Scanner, Text, Unreadable, Writer};

/// The nesting limit. Deeper documents are not merged.
const MAX_DEPTH: usize = 1024;

/// Returns the members of all objects as one compact object, in order. A key of an earlier object hides the same key of
/// a later one. A member that is an empty string is left out. `None` when no member is left.
pub(crate) fn merge<'a>(
    objects: impl IntoIterator<Item = &'a str>,
) -> Result<Option<String>, Unreadable> {
    let mut out = Writer::new(usize::MAX);
    let mut earlier: Vec<Text<'a>> = Vec::new();
    for object in objects {
        let hidden = earlier.len();
        let mut scanner = Scanner::new(object, MAX_DEPTH);
        let Some(Event::ObjectStart) = scanner.next()? else {
            return Err(Unreadable::Syntax);
        };
        while let Some(Event::Key(key)) = scanner.next()? {
            let value = scanner.next()?.ok_or(Unreadable::Syntax)?;
            let is_empty = matches!(value, Event::String(text) if text.units() == 0);
            let is_hidden = || {
                let name = key.decoded();
                earlier[..hidden].iter().any(|known| known.is(&name))
            };
            if is_empty || is_hidden() {
                if let Event::ObjectStart | Event::ArrayStart = value {
                    scanner.skip_open()?;
                }
                continue;
            }
            out.push(if earlier.is_empty() { "{" } else { "," });
            out.string(key);
            out.push(":");
            copy(&mut scanner, value, &mut out)?;
            earlier.push(key);
        }
        // The scanner returns `None` only at the end of the document; anything after the object is an error.
        scanner.next()?;
    }
    if earlier.is_empty() {
        return Ok(None);
    }
    out.push("}");
    Ok(Some(out.finish().0))
}

#[cfg(test)]
mod tests {
    use super::*;

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
