//! Truncation of text at a limit, with a marker.

use std::borrow::Cow;

use super::utf16;

/// The documented default limit, in UTF-16 units with the marker.
pub(crate) const DEFAULT_LIMIT: usize = 61_440;

/// Text within its limit, and its original length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Truncated {
    /// The whole text, or as much of its beginning as fits with the marker.
    pub(crate) text: String,
    /// The length of the whole text in UTF-16 units.
    pub(crate) original_length: usize,
    /// True if the text was truncated.
    pub(crate) truncated: bool,
}

/// Returns the marker at the end of a text that was truncated at `limit`.
pub(crate) fn marker(limit: usize) -> Cow<'static, str> {
    if limit == DEFAULT_LIMIT {
        Cow::Borrowed("\n\n[TRUNCATED - Content exceeds 60KB limit]")
    } else {
        Cow::Owned(format!(
            "\n\n[TRUNCATED - Content exceeds {limit} character limit]"
        ))
    }
}

/// Truncates `text` to the `room` that earlier texts left of their shared `limit`, which the marker names. If not even
/// the marker fits, a text that is too long becomes empty.
pub(crate) fn fit(text: &str, room: usize, limit: usize) -> Truncated {
    let (head, counted) = utf16::cut(text, room);
    let original_length = counted + utf16::len(&text[head.len()..]);
    let truncated = original_length > room;
    let kept = head.to_owned();
    Truncated {
        text: match truncated {
            true => shorten(kept, room, limit),
            false => kept,
        },
        original_length,
        truncated,
    }
}

/// Replaces the end of the first `room` units of a longer text with the marker for `limit`.
pub(super) fn shorten(mut head: String, room: usize, limit: usize) -> String {
    let marker = marker(limit);
    // The marker is ASCII: its bytes are its UTF-16 units.
    let Some(kept) = room.checked_sub(marker.len()) else {
        return String::new();
    };
    head.truncate(utf16::cut(&head, kept).0.len());
    head.push_str(&marker);
    head
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn truncate(text: &str, limit: usize) -> Truncated {
        fit(text, limit, limit)
    }

    fn has_room_for_marker(limit: usize) -> bool {
        marker(limit).len() <= limit
    }

    #[test]
    fn text_that_fits_exactly_is_kept_whole() {
        let text = "x".repeat(DEFAULT_LIMIT);
        let kept = truncate(&text, DEFAULT_LIMIT);
        assert_eq!(
            (kept.original_length, kept.truncated),
            (DEFAULT_LIMIT, false)
        );
        assert_eq!(kept.text, text);
        assert_eq!(truncate("short", 200).text, "short");
    }

    #[test]
    fn text_one_unit_too_long_is_truncated_with_the_marker_inside_the_limit() {
        let text = "x".repeat(DEFAULT_LIMIT + 1);
        let cut = truncate(&text, DEFAULT_LIMIT);
        assert_eq!(cut.original_length, DEFAULT_LIMIT + 1);
        assert!(cut.truncated);
        assert_eq!(utf16::len(&cut.text), DEFAULT_LIMIT);
        assert!(
            cut.text
                .ends_with("x\n\n[TRUNCATED - Content exceeds 60KB limit]")
        );
    }

    #[test]
    fn marker_names_a_limit_other_than_the_default() {
        let text = "é".repeat(300);
        let cut = truncate(&text, 200);
        assert_eq!(utf16::len(&cut.text), 200);
        assert!(
            cut.text
                .ends_with("é\n\n[TRUNCATED - Content exceeds 200 character limit]")
        );
    }

    #[test]
    fn surrogate_pair_at_the_limit_is_left_out() {
        let head = "x".repeat(199 - marker(200).len());
        let text = format!("{head}😀{}", "y".repeat(300));
        let cut = truncate(&text, 200);
        assert_eq!(cut.text, format!("{head}{}", marker(200)));
    }

    #[test]
    fn limit_without_room_for_its_marker_leaves_an_empty_text() {
        assert!(has_room_for_marker(DEFAULT_LIMIT));
        let smallest = (0..100).find(|&limit| has_room_for_marker(limit)).unwrap();
        assert_eq!(smallest, marker(smallest).len());
        assert!((smallest..1_000).all(has_room_for_marker));
        let text = "x".repeat(100);
        let cut = truncate(&text, smallest - 1);
        assert_eq!((&*cut.text, cut.truncated), ("", true));
    }

    #[test]
    fn marker_names_the_shared_limit() {
        let text = "x".repeat(500);
        let cut = fit(&text, 100, DEFAULT_LIMIT);
        assert_eq!(utf16::len(&cut.text), 100);
        assert!(cut.text.ends_with("exceeds 60KB limit]"));
        assert!(!fit(&"x".repeat(100), 100, DEFAULT_LIMIT).truncated);
        assert!(!fit("xx", 2, DEFAULT_LIMIT).truncated);
        // Not even the marker fits.
        let empty = fit("xxx", 2, DEFAULT_LIMIT);
        assert_eq!((&*empty.text, empty.original_length), ("", 3));
    }

    proptest! {
        #[test]
        fn truncated_text_stays_within_the_limit(text in any::<String>(), times in 0..20_usize, limit in 60..400_usize) {
            let text = text.repeat(times);
            let cut = truncate(&text, limit);
            prop_assert_eq!(cut.original_length, utf16::len(&text));
            prop_assert_eq!(cut.truncated, cut.original_length > limit);
            prop_assert!(utf16::len(&cut.text) <= limit);
            if cut.truncated {
                let head = cut.text.strip_suffix(&*marker(limit)).unwrap();
                prop_assert!(text.starts_with(head));
                prop_assert!(utf16::len(&cut.text) + 1 >= limit);
                prop_assert_eq!(shorten(text.clone(), limit, limit), cut.text);
            } else {
                prop_assert_eq!(cut.text, text.as_str());
            }
        }
    }
}
