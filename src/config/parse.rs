//! Parsers of the values of variables, for all layers.

use super::nearest::nearest;
use super::variables::Number;
use super::warnings::Problem;
use crate::visible::visible;

const TRUE: [&str; 4] = ["1", "true", "yes", "on"];
const FALSE: [&str; 4] = ["0", "false", "no", "off"];

/// Parses a boolean. The caller treats an invalid value as false, the safe choice for content and for cardinality.
pub(super) fn boolean(text: &str) -> Result<bool, Problem> {
    let is = |word: &&str| word.eq_ignore_ascii_case(text);
    if TRUE.iter().any(is) {
        Ok(true)
    } else if FALSE.iter().any(is) {
        Ok(false)
    } else {
        Err(Problem::NotBoolean {
            nearest: nearest_of(text, TRUE.iter().chain(&FALSE)),
        })
    }
}

/// Returns a number within its range, and the problem with the text if there is one.
pub(super) fn number(text: &str, range: &Number) -> (u64, Option<Problem>) {
    match whole_number(text) {
        Some(value) if value < range.minimum => {
            let minimum = range.minimum;
            (minimum, Some(Problem::BelowMinimum { minimum }))
        }
        Some(value) if value <= range.maximum => (value, None),
        _ => {
            let Number {
                default, maximum, ..
            } = *range;
            (default, Some(Problem::NotNumber { default, maximum }))
        }
    }
}

/// Parses a whole number without a sign: decimal digits, with optional separators between them (`64_000`), and an
/// optional exponent (`2e3`, `2E+3`). Returns `None` for anything else, and for a number that does not fit into 64
/// bits.
fn whole_number(text: &str) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix('+').unwrap_or(exponent)),
        None => (text, "0"),
    };
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !mantissa.split('_').all(is_digits) || !is_digits(exponent) {
        return None;
    }
    let mantissa: u64 = mantissa.replace('_', "").parse().ok()?;
    let factor = 10_u64.checked_pow(exponent.parse().ok()?)?;
    mantissa.checked_mul(factor)
}

/// Parses one of the allowed words, and returns it as the table of variables writes it.
pub(super) fn word(
    text: &str,
    words: &'static [&'static str],
    any_case: bool,
) -> Result<&'static str, Problem> {
    let equal = |word: &&&str| **word == text || any_case && word.eq_ignore_ascii_case(text);
    match words.iter().find(equal) {
        Some(word) => Ok(word),
        None => Err(Problem::UnknownValue {
            word: visible(text),
            nearest: nearest_of(text, words),
            words,
            consequence: "it counts as unset",
        }),
    }
}

/// The exporters that a list names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exporters {
    pub(super) otlp: bool,
    pub(super) console: bool,
    pub(super) prometheus: bool,
    /// The list contains `none`, which turns the other exporters off.
    pub(super) none: bool,
}

impl Exporters {
    pub(super) fn any(self) -> bool {
        self.otlp || self.console || self.prometheus
    }
}

/// Parses a list of exporters. Unknown names are left out and reported; the other names remain valid.
pub(super) fn exporters(text: &str, words: &'static [&'static str]) -> (Exporters, Vec<Problem>) {
    let mut found = Exporters::default();
    let mut problems = Vec::new();
    let items = text.split(',').map(str::trim);
    for item in items.filter(|item| !item.is_empty()) {
        match words.iter().find(|word| **word == item) {
            Some(&"otlp") => found.otlp = true,
            Some(&"console") => found.console = true,
            Some(&"prometheus") => found.prometheus = true,
            Some(_) => found.none = true,
            None => problems.push(Problem::UnknownValue {
                word: visible(item),
                nearest: nearest_of(item, words),
                words,
                consequence: "that exporter is left out",
            }),
        }
    }
    if found.none && found.any() {
        problems.push(Problem::NoneBesideOthers);
    }
    if found.none {
        found = Exporters {
            none: true,
            ..Exporters::default()
        };
    }
    (found, problems)
}

fn nearest_of<'w>(text: &str, words: impl IntoIterator<Item = &'w &'static str>) -> &'static str {
    nearest(text, words.into_iter().copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boolean_accepts_its_words_in_any_case() {
        for text in ["1", "true", "TRUE", "Yes", "on", "oN"] {
            assert_eq!(boolean(text), Ok(true), "{text}");
        }
        for text in ["0", "false", "False", "NO", "off"] {
            assert_eq!(boolean(text), Ok(false), "{text}");
        }
        for (text, meant) in [
            ("2", "1"),
            ("ture", "true"),
            ("offf", "off"),
            ("enabled", "true"),
        ] {
            let Err(Problem::NotBoolean { nearest }) = boolean(text) else {
                panic!("{text} taken");
            };
            if text != "enabled" {
                assert_eq!(nearest, meant, "{text}");
            }
        }
    }

    #[test]
    fn number_is_checked_against_its_range() {
        let range = Number {
            unit: "ms",
            default: 500,
            minimum: 10,
            maximum: 1000,
        };
        for (text, value) in [
            ("10", 10),
            ("1000", 1000),
            ("007777", 500),
            ("00077", 77),
            ("1_000", 1000),
            ("1_0_0", 100),
            ("5e2", 500),
            ("5E+2", 500),
            ("2_5e01", 250),
            ("100e0", 100),
        ] {
            let (got, problem) = number(text, &range);
            assert_eq!(got, value, "{text}");
            assert_eq!(problem.is_some(), text == "007777", "{text}");
        }
        for text in ["0", "9", "0e3", "9e0"] {
            let minimum = Some(Problem::BelowMinimum { minimum: 10 });
            assert_eq!(number(text, &range), (10, minimum), "{text}");
        }
        for text in [
            "",
            "+50",
            "-1",
            "50.0",
            "1.5e2",
            "500e-1",
            "5e",
            "e2",
            "5e2e1",
            "5e++2",
            "5e1_0",
            "1e3_",
            "1e20",
            "1e99999999999",
            "0x10",
            "_10",
            "10_",
            "1__0",
            "1,000",
            "5 0",
            "50ms",
            "٥٠",
            "1001",
            "18446744073709551616",
        ] {
            let (value, problem) = number(text, &range);
            assert_eq!(value, 500, "{text}");
            assert!(matches!(problem, Some(Problem::NotNumber { .. })), "{text}");
        }
    }

    #[test]
    fn word_is_one_of_the_list() {
        const WORDS: &[&str] = &["delta", "cumulative"];
        assert_eq!(word("delta", WORDS, false), Ok("delta"));
        assert_eq!(word("DELTA", WORDS, true), Ok("delta"));
        for (text, any_case) in [("Delta", false), ("dleta", true)] {
            let Err(Problem::UnknownValue { nearest, .. }) = word(text, WORDS, any_case) else {
                panic!("{text} taken");
            };
            assert_eq!(nearest, "delta");
        }
    }

    #[test]
    fn exporters_reports_unknown_names_and_none_with_others() {
        const WORDS: &[&str] = &["console", "otlp", "prometheus", "none"];
        let of = |names: &[&str]| Exporters {
            otlp: names.contains(&"otlp"),
            console: names.contains(&"console"),
            prometheus: names.contains(&"prometheus"),
            none: names.contains(&"none"),
        };
        let table: [(&str, &[&str], usize); 9] = [
            ("otlp", &["otlp"], 0),
            (" otlp , console ", &["otlp", "console"], 0),
            ("otlp,otlp", &["otlp"], 0),
            ("otlp,,", &["otlp"], 0),
            ("none", &["none"], 0),
            ("otlp,none", &["none"], 1),
            ("otpl,prometheus", &["prometheus"], 1),
            ("OTLP", &[], 1),
            (" , ", &[], 0),
        ];
        for (text, names, warnings) in table {
            let (found, problems) = exporters(text, WORDS);
            assert_eq!(found, of(names), "{text}");
            assert_eq!(problems.len(), warnings, "{text}");
        }
    }
}
