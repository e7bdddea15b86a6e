//! The search for the valid word that is most similar to a misspelled one.

/// Returns the word that is most similar to `given`. A word that contains `given` ranks before all others (`http` means
/// `http/protobuf`, although `grpc` is fewer edits away); the others rank by edit distance. Of equals, the first is
/// returned.
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
            if contains { 0 } else { distance(&given, &word) },
        )
    })
}

/// Returns the Levenshtein distance, computed one row of the matrix at a time.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (deleted, a) in from.chars().enumerate() {
        let mut diagonal = deleted;
        let mut left = deleted + 1;
        for (b, above) in to.iter().zip(row.iter_mut().skip(1)) {
            let here = (diagonal + usize::from(a != *b)).min(left.min(*above) + 1);
            diagonal = *above;
            *above = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = deleted + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_the_levenshtein_distance() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("otpl", "otlp", 2),
            ("grpc", "grpc", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn nearest_prefers_words_that_contain_the_given_one() {
        let protocols = ["grpc", "http/protobuf", "http/json"];
        for (given, expected) in [
            ("http", "http/protobuf"),
            ("HTTP/PROTOBUF", "http/protobuf"),
            ("json", "http/json"),
            ("http-json", "http/json"),
            ("gprc", "grpc"),
        ] {
            assert_eq!(nearest(given, protocols), Some(expected), "{given}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
