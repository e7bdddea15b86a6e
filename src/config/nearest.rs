//! The valid word that a misspelled one probably stands for.

use strsim::osa_distance;

/// The number of characters of a name that are compared.
const MAX_LENGTH: usize = 200;

/// Returns the word nearest to a given one: a word that contains it before all others (`http` stands for `http/protobuf`,
/// although `grpc` is fewer edits away), else by edit distance, where two letters in the wrong order are one edit; the
/// first of equals.
pub(crate) fn nearest<'w>(
    given: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    // A key of a settings file can have any length.
    let given: String = given.chars().take(MAX_LENGTH).collect();
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

/// Returns true if a given name is probably a misspelling of a word: at most two edits away, where two letters in the
/// wrong order are one edit, or the same words (separated by `_`) in another order or number (`METRIC`, `METRICS`).
pub(super) fn is_misspelling(given: &str, word: &str) -> bool {
    // Most names of an environment differ in length or in more letters, which is much faster to find out than the
    // distance.
    given.len().abs_diff(word.len()) <= 2 * MAX_EDITS
        && letters_in_one(given, word) <= 2 * MAX_EDITS
        && (osa_distance(given, word) <= MAX_EDITS || singular_words(given) == singular_words(word))
}

/// The largest distance of a misspelled name.
const MAX_EDITS: usize = 2;

/// Returns a lower bound of the number of letters that only one of the texts has, in any order. An edit changes this
/// number by two at most. `S` does not count, because singular and plural are the same word for [`is_misspelling`].
fn letters_in_one(one: &str, other: &str) -> usize {
    // Letters that share a count can only lower the bound.
    let mut counts = [0_i32; 32];
    for (text, step) in [(one, 1), (other, -1)] {
        for byte in text.bytes().filter(|byte| *byte != b'S') {
            if let Some(count) = counts.get_mut(usize::from(byte % 32)) {
                *count += step;
            }
        }
    }
    let differences = counts.iter().map(|count| count.unsigned_abs() as usize);
    differences.sum()
}

/// Returns the words of a name in the singular, sorted.
fn singular_words(name: &str) -> Vec<&str> {
    let words = name.split('_');
    let mut words: Vec<_> = words
        .map(|word| word.strip_suffix('S').unwrap_or(word))
        .collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelling_is_two_edits_away_or_has_the_same_words() {
        for (given, word, expected) in [
            (
                "OTEL_EXPORTER_OLTP_ENDPOINT",
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                true,
            ),
            (
                "CLAUDE_CODE_ENABLE_TELEMETERY",
                "CLAUDE_CODE_ENABLE_TELEMETRY",
                true,
            ),
            ("OTEL_METRICS_EXPORTR", "OTEL_METRICS_EXPORTER", true),
            ("OTEL_METRIC_EXPORTER", "OTEL_METRICS_EXPORTER", true),
            ("OTLE_METRIC_EXPORTER", "OTEL_METRICS_EXPORTER", true),
            ("OTLE_METRIC_EXPORTR", "OTEL_METRICS_EXPORTER", false),
            ("OTEL_EXPORTER_METRICS", "OTEL_METRICS_EXPORTER", true),
            (
                "OTEL_OTLP_EXPORTERS_HEADER",
                "OTEL_EXPORTER_OTLP_HEADERS",
                true,
            ),
            ("OTEL_LOGS_USERS_PROMPT", "OTEL_LOG_USER_PROMPTS", true),
            (
                "OTEL_METRIC_EXPORT_TIMEOUT",
                "OTEL_METRIC_EXPORT_INTERVAL",
                false,
            ),
            ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", false),
            ("OTEL_SERVICE_VERSION", "OTEL_SERVICE_NAME", false),
            ("ÖTEL_SERVICE_NAME", "OTEL_SERVICE_NAME", true),
        ] {
            assert_eq!(is_misspelling(given, word), expected, "{given}");
            assert_eq!(is_misspelling(word, given), expected, "{given}");
        }
    }

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
