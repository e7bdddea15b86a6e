//! The kinds of variables: how a text is parsed, what applies without one, and how it is shown.

use std::any::Any;
use std::time::Duration;

use super::nearest::nearest;
use super::problem::Problem;
use crate::health::Exporter;
use crate::visible::visible;

/// The kind of a variable whose value is a `T`.
pub(crate) enum Kind<T: 'static> {
    Boolean {
        default: bool,
        from: fn(bool) -> T,
    },
    Number {
        range: Range,
        from: fn(u64) -> T,
    },
    /// A word of a fixed list.
    Word {
        words: &'static [(&'static str, T)],
        any_case: bool,
        default: T,
    },
    /// Any text, or a text with a special format.
    Text {
        default: &'static str,
        /// The format, for the documentation.
        #[cfg_attr(not(test), allow(dead_code))]
        format: &'static str,
        shown: fn(&str) -> String,
        parse: fn(&str, &mut Vec<Problem>) -> T,
    },
}

/// The range of a whole number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) unit: &'static str,
    pub(super) default: u64,
    pub(super) minimum: u64,
    pub(super) maximum: u64,
}

/// A parsed value of any type.
pub(super) type AnyValue = Box<dyn Any + Send + Sync>;

/// A [`Kind`] without the type of its values, for the table of all variables.
pub(crate) trait AnyKind: Sync {
    /// Parses a trimmed text, and adds its problems. `None` means that the text counts as unset.
    fn parse(
        &self,
        text: &str,
        in_environment: bool,
        problems: &mut Vec<Problem>,
    ) -> Option<AnyValue>;

    /// Returns the default as it would be written; empty = unset.
    fn default_text(&self) -> String;

    /// Returns a text with its secrets hidden.
    fn shown(&self, text: &str) -> String;

    /// Returns the valid values, for the documentation.
    #[cfg(test)]
    fn format(&self) -> String;

    /// Returns the range of a number.
    #[cfg(test)]
    fn range(&self) -> Option<Range>;

    /// Returns false for the value of a word that is not in the list.
    #[cfg(test)]
    fn is_listed(&self, value: &dyn Any) -> bool;
}

impl<T: Clone + PartialEq + Send + Sync> AnyKind for Kind<T> {
    fn parse(
        &self,
        text: &str,
        in_environment: bool,
        problems: &mut Vec<Problem>,
    ) -> Option<AnyValue> {
        let value = match self {
            // In every other layer an empty text cancels the values of the layers below.
            Self::Boolean { default, from } if text.is_empty() && in_environment => {
                problems.extend(default.then_some(Problem::EmptyBoolean));
                from(false)
            }
            _ if text.is_empty() => return None,
            Self::Boolean { from, .. } => from(boolean_or_false(text, problems)),
            Self::Number { range, from } => from(range.parse(text, problems)),
            Self::Word {
                words, any_case, ..
            } => match word(text, words, *any_case, "it counts as unset") {
                Ok(value) => value,
                Err(problem) => {
                    problems.push(problem);
                    return None;
                }
            },
            Self::Text { parse, .. } => parse(text, problems),
        };
        Some(Box::new(value))
    }

    fn default_text(&self) -> String {
        match self {
            Self::Boolean { default, .. } => default.to_string(),
            Self::Number { range, .. } => range.default.to_string(),
            Self::Word { words, default, .. } => {
                let mut words = words.iter();
                let found = words.find(|(_, value)| value == default);
                found.map_or_else(String::new, |(word, _)| (*word).to_owned())
            }
            Self::Text { default, .. } => (*default).to_owned(),
        }
    }

    fn shown(&self, text: &str) -> String {
        match self {
            Self::Text { shown, .. } => shown(text),
            _ => visible(text),
        }
    }

    #[cfg(test)]
    fn format(&self) -> String {
        match self {
            Self::Boolean { .. } => "boolean".to_owned(),
            Self::Number { range, .. } if range.minimum > 0 => {
                format!("{}, at least {}", range.unit, range.minimum)
            }
            Self::Number { range, .. } => range.unit.to_owned(),
            Self::Word {
                words, any_case, ..
            } => {
                let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                let any_case = if *any_case { ", in any case" } else { "" };
                words.join(", ") + any_case
            }
            Self::Text { format, .. } => (*format).to_owned(),
        }
    }

    #[cfg(test)]
    fn range(&self) -> Option<Range> {
        match self {
            Self::Number { range, .. } => Some(*range),
            _ => None,
        }
    }

    #[cfg(test)]
    fn is_listed(&self, value: &dyn Any) -> bool {
        match self {
            Self::Word { words, .. } => words
                .iter()
                .any(|(_, word)| value.downcast_ref::<T>() == Some(word)),
            _ => true,
        }
    }
}

impl<T: Clone> Kind<T> {
    /// Returns the value of a variable that is not set.
    pub(super) fn default(&self) -> T {
        match self {
            Self::Boolean { default, from } => from(*default),
            Self::Number { range, from } => from(range.default),
            Self::Word { default, .. } => default.clone(),
            Self::Text { default, parse, .. } => parse(default, &mut Vec::new()),
        }
    }
}

pub(super) const fn milliseconds(default: u64, minimum: u64) -> Kind<Duration> {
    Kind::Number {
        range: Range {
            unit: "ms",
            default,
            minimum,
            maximum: i64::MAX.unsigned_abs(),
        },
        from: Duration::from_millis,
    }
}

pub(super) const fn number<T>(
    unit: &'static str,
    default: u64,
    maximum: u32,
    from: fn(u64) -> T,
) -> Kind<T> {
    Kind::Number {
        range: Range {
            unit,
            default,
            minimum: 0,
            maximum: maximum as u64,
        },
        from,
    }
}

const TRUE: [&str; 4] = ["1", "true", "yes", "on"];
const FALSE: [&str; 4] = ["0", "false", "no", "off"];

/// Parses a boolean.
pub(super) fn boolean(text: &str) -> Option<bool> {
    let is = |word: &&str| word.eq_ignore_ascii_case(text);
    match TRUE.iter().any(is) {
        true => Some(true),
        false => FALSE.iter().any(is).then_some(false),
    }
}

/// Parses a boolean. An invalid one is false, the safe choice for content and for cardinality.
pub(super) fn boolean_or_false(text: &str, problems: &mut Vec<Problem>) -> bool {
    boolean(text).unwrap_or_else(|| {
        let words = TRUE.into_iter().chain(FALSE);
        let nearest = nearest(text, words).unwrap_or_default();
        problems.push(Problem::NotBoolean { nearest });
        false
    })
}

impl Range {
    /// Returns a number within the range.
    pub(super) fn parse(&self, text: &str, problems: &mut Vec<Problem>) -> u64 {
        let Self {
            default,
            minimum,
            maximum,
            ..
        } = *self;
        match whole_number(text) {
            Some(value) if value < minimum => {
                problems.push(Problem::BelowMinimum { minimum });
                minimum
            }
            Some(value) if value <= maximum => value,
            _ => {
                problems.push(Problem::NotNumber { default, maximum });
                default
            }
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

/// Parses one of the allowed words. `consequence` is that of any other word.
fn word<T: Clone>(
    text: &str,
    words: &[(&'static str, T)],
    any_case: bool,
    consequence: &'static str,
) -> Result<T, Problem> {
    let equal = |word: &str| word == text || any_case && word.eq_ignore_ascii_case(text);
    if let Some((_, value)) = words.iter().find(|(word, _)| equal(word)) {
        return Ok(value.clone());
    }
    let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    Err(Problem::UnknownValue {
        word: visible(text),
        nearest: nearest(text, words.iter().copied()).unwrap_or_default(),
        words,
        consequence,
    })
}

/// The exporters that a list names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exporters {
    pub(super) wanted: Vec<Exporter>,
    /// The list contains `none`, which turns the other exporters off.
    pub(super) none: bool,
    /// The unknown names, each once, with the most similar valid name.
    pub(super) unknown: Vec<(String, &'static str)>,
}

/// Parses a list of exporters, separated by commas. Unknown names are left out; the other names remain valid.
pub(super) fn exporters(
    text: &str,
    words: &[&'static str],
    problems: &mut Vec<Problem>,
) -> Exporters {
    let mut found = Exporters::default();
    let words: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
    for item in text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        match word(item, &words, false, "that exporter is left out") {
            Ok("otlp") => found.wanted.push(Exporter::Otlp),
            Ok("console") => found.wanted.push(Exporter::Console),
            Ok("prometheus") => found.wanted.push(Exporter::Prometheus),
            Ok(_) => found.none = true,
            Err(problem) => {
                if let Problem::UnknownValue { word, nearest, .. } = &problem
                    && !found.unknown.iter().any(|(known, _)| known == word)
                {
                    found.unknown.push((word.clone(), nearest));
                }
                problems.push(problem);
            }
        }
    }
    if !found.none {
        return found;
    }
    problems.extend((!found.wanted.is_empty()).then_some(Problem::NoneBesideOthers));
    Exporters {
        none: true,
        ..Exporters::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boolean_accepts_its_words_in_any_case() {
        let boolean = |text| {
            let mut problems = Vec::new();
            let value = boolean_or_false(text, &mut problems);
            problems.pop().map_or(Ok(value), Err)
        };
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
        let range = Range {
            unit: "ms",
            default: 500,
            minimum: 10,
            maximum: 1000,
        };
        let number = |text| {
            let mut problems = Vec::new();
            let value = range.parse(text, &mut problems);
            assert!(problems.len() < 2, "{problems:?}");
            (value, problems.pop())
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
            let (got, problem) = number(text);
            assert_eq!(got, value, "{text}");
            assert_eq!(problem.is_some(), text == "007777", "{text}");
        }
        for text in ["0", "9", "0e3", "9e0"] {
            let minimum = Some(Problem::BelowMinimum { minimum: 10 });
            assert_eq!(number(text), (10, minimum), "{text}");
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
            let (value, problem) = number(text);
            assert_eq!(value, 500, "{text}");
            assert!(matches!(problem, Some(Problem::NotNumber { .. })), "{text}");
        }
    }

    #[test]
    fn word_is_one_of_the_list() {
        let words = [("delta", 1), ("cumulative", 2)];
        let word = |text, any_case| super::word(text, &words, any_case, "");
        assert_eq!(word("delta", false), Ok(1));
        assert_eq!(word("DELTA", true), Ok(1));
        for (text, any_case) in [("Delta", false), ("dleta", true)] {
            let Err(Problem::UnknownValue { nearest, .. }) = word(text, any_case) else {
                panic!("{text} taken");
            };
            assert_eq!(nearest, "delta");
        }
    }

    #[test]
    fn exporters_reports_unknown_names_and_none_with_others() {
        let table: [(&str, &[Exporter], bool, usize); 9] = [
            ("otlp", &[Exporter::Otlp], false, 0),
            (
                " otlp , console ",
                &[Exporter::Otlp, Exporter::Console],
                false,
                0,
            ),
            ("otlp,otlp", &[Exporter::Otlp, Exporter::Otlp], false, 0),
            ("otlp,,", &[Exporter::Otlp], false, 0),
            ("none", &[], true, 0),
            ("otlp,none", &[], true, 1),
            ("otpl,prometheus", &[Exporter::Prometheus], false, 1),
            ("OTLP", &[], false, 1),
            (" , ", &[], false, 0),
        ];
        let words = ["console", "otlp", "prometheus", "none"];
        for (text, wanted, none, warnings) in table {
            let mut problems = Vec::new();
            let found = exporters(text, &words, &mut problems);
            assert_eq!((&*found.wanted, found.none), (wanted, none), "{text}");
            assert_eq!(problems.len(), warnings, "{text}");
        }
    }
}
