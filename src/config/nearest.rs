//! The valid word that a misspelled one probably stands for.

use strsim::osa_distance;

/// Returns the word nearest to a given one: a word that contains it before all others (`http` stands for `http/protobuf`,
/// although `grpc` is fewer edits away), else by edit distance, where two letters in the wrong order are one edit; the
/// first of equals.
pub(super) fn nearest<'w>(
    given: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    let given = given.to_lowercase();
    words.into_iter().min_by_key(|word| {
        let word = word.to_lowercase();
        let contains = word.contains(&given);
        (
            !contains,
            if contains {
                0
            } else {
                osa_distance(&given, &word)
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word_contains_the_given_one_or_is_fewest_edits_away() {
        let protocols = ["grpc", "http/protobuf", "http/json"];
        for (given, expected) in [
            ("http", "http/protobuf"),
            ("HTTP/PROTOBUF", "http/protobuf"),
            ("json", "http/json"),
            ("http-json", "http/json"),
            ("gprc", "grpc"),
            ("grpc", "grpc"),
            ("", "grpc"),
        ] {
            assert_eq!(nearest(given, protocols), Some(expected), "{given}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
