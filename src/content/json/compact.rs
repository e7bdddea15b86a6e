//! JSON without white space.

use super::{Event, Scanner, Unreadable, Writer};

/// The nesting limit. Deeper documents are not rewritten.
const MAX_DEPTH: usize = 1024;

/// Returns the document without white space between its parts; `None` when it is not JSON, or nested deeper than
/// [`MAX_DEPTH`].
pub(crate) fn compact(json: &str) -> Option<String> {
    rewrite(json, MAX_DEPTH).ok()
}

/// Scans the document down to `max_depth` levels and writes it compactly.
pub(super) fn rewrite(json: &str, max_depth: usize) -> Result<String, Unreadable> {
    let mut scanner = Scanner::new(json, max_depth);
    let mut out = Writer::new(usize::MAX);
    let first = scanner.next()?.ok_or(Unreadable::Syntax)?;
    copy(&mut scanner, first, &mut out)?;
    // The scanner returns `None` only at the end of the document; anything after the value is an error.
    scanner.next()?;
    Ok(out.finish().0)
}

/// Writes the value that begins with `event` up to its end.
pub(super) fn copy<'a>(
    scanner: &mut Scanner<'a>,
    mut event: Event<'a>,
    out: &mut Writer,
) -> Result<(), Unreadable> {
    let opens = matches!(event, Event::ObjectStart | Event::ArrayStart);
    let outside = scanner.depth - usize::from(opens);
    let mut comma = false;
    loop {
        if comma && !matches!(event, Event::ObjectEnd | Event::ArrayEnd) {
            out.push(",");
        }
        comma = !matches!(
            event,
            Event::ObjectStart | Event::ArrayStart | Event::Key(_)
        );
        match event {
            Event::ObjectStart => out.push("{"),
            Event::ObjectEnd => out.push("}"),
            Event::ArrayStart => out.push("["),
            Event::ArrayEnd => out.push("]"),
            Event::Key(key) => {
                out.string(key);
                out.push(":");
            }
            Event::String(text) => out.string(text),
            Event::Scalar(text) => out.push(text),
        }
        if scanner.depth == outside {
            return Ok(());
        }
        event = scanner.next()?.ok_or(Unreadable::Syntax)?;
    }
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
}
