//! The kinds of variables: how a text is parsed, what applies without one, and how it is shown.

use std::any::Any;
use std::panic::RefUnwindSafe;
use std::time::Duration;

use super::nearest::nearest;
use super::problem::Problem;
use crate::content::truncate::marker;
use crate::health::Exporter;
use crate::visible::visible;

/// The kind of a variable. `P` is the [`Parser`] of its texts.
pub(crate) struct Kind<P: ?Sized = dyn Parse> {
    /// The default as it would be written; empty = unset.
    pub(super) default: &'static str,
    /// The valid values, for the documentation.
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) format: &'static str,
    /// Returns a text with its secrets hidden.
    pub(super) shown: fn(&str) -> String,
    pub(super) is_boolean: bool,
    pub(super) parse: P,
}

/// A parser of texts to values of type `T`. `None` means that the text counts as unset.
pub(crate) type Parser<T> = fn(&mut Input<'_>) -> Option<T>;

/// A trimmed text, and the problems that its parser finds.
pub(crate) struct Input<'a> {
    pub(super) text: &'a str,
    /// The default of the variable as it would be written.
    pub(super) default: &'static str,
    pub(super) problems: Vec<Problem>,
}

/// A parsed value of any type.
pub(super) type AnyValue = Box<dyn Any + Send + Sync>;

/// A [`Parser`] without the type of its values, for the table of all variables.
pub(crate) trait Parse: Sync + RefUnwindSafe {
    fn parse(&self, input: &mut Input<'_>) -> Option<AnyValue>;
}

impl<T: Send + Sync + 'static> Parse for Parser<T> {
    fn parse(&self, input: &mut Input<'_>) -> Option<AnyValue> {
        Some(Box::new(self(input)?))
    }
}

impl Kind {
    /// Parses a trimmed text. `None` means that the text counts as unset. An empty text cancels the values of the
    /// layers below, but an empty boolean of the environment is false.
    pub(super) fn parse(
        &self,
        text: &str,
        in_environment: bool,
    ) -> (Option<AnyValue>, Vec<Problem>) {
        let mut input = Input::new(text, self.default);
        let is_unset = text.is_empty() && !(in_environment && self.is_boolean);
        let value = (!is_unset).then(|| self.parse.parse(&mut input));
        (value.flatten(), input.problems)
    }
}

impl<T: Default> Kind<Parser<T>> {
    /// Returns the value of a variable that is not set.
    pub(super) fn default(&self) -> T {
        (self.parse)(&mut Input::new(self.default, self.default)).unwrap_or_default()
    }
}

impl<'a> Input<'a> {
    pub(super) fn new(text: &'a str, default: &'static str) -> Self {
        Self {
            text,
            default,
            problems: Vec::new(),
        }
    }

    /// Returns a whole number within the range: the default for any other text, and the minimum for a smaller number.
    fn whole_number(&mut self, minimum: u64, maximum: u64) -> Option<u64> {
        match whole_number(self.text) {
            Some(value) if value < minimum => {
                self.problems.push(Problem::BelowMinimum { minimum });
                Some(minimum)
            }
            Some(value) if value <= maximum => Some(value),
            _ => {
                let default = self.default;
                self.problems.push(Problem::NotNumber { default, maximum });
                whole_number(default)
            }
        }
    }

    /// Returns the value of one of the allowed words.
    pub(super) fn word<T: Copy>(
        &mut self,
        words: &[(&'static str, T)],
        any_case: bool,
    ) -> Option<T> {
        let found = word(self.text, words, any_case, "it counts as unset");
        found.map_err(|problem| self.problems.push(problem)).ok()
    }
}

/// Returns a kind whose values are no booleans.
pub(super) const fn of<T>(
    default: &'static str,
    format: &'static str,
    shown: fn(&str) -> String,
    parse: Parser<T>,
) -> Kind<Parser<T>> {
    Kind {
        default,
        format,
        shown,
        is_boolean: false,
        parse,
    }
}

pub(super) const fn milliseconds<const MINIMUM: u64>(
    default: &'static str,
) -> Kind<Parser<Duration>> {
    of(default, "ms", visible, |input| {
        let number = input.whole_number(MINIMUM, i64::MAX.unsigned_abs())?;
        Some(Duration::from_millis(number))
    })
}

pub(super) const fn number<T: TryFrom<u64>, const MAXIMUM: u32>(
    default: &'static str,
    unit: &'static str,
) -> Kind<Parser<T>> {
    of(default, unit, visible, |input| {
        input.whole_number(0, MAXIMUM.into())?.try_into().ok()
    })
}

/// Parses the length to which content is truncated. One shorter than the truncation marker would leave no room for
/// content.
pub(super) fn content_length(input: &mut Input<'_>) -> Option<usize> {
    let length = input.whole_number(0, u32::MAX.into())?.try_into().ok()?;
    let (marker, default) = (marker(length).len(), input.default);
    if length < marker {
        input
            .problems
            .push(Problem::BelowMarker { marker, default });
        return None;
    }
    Some(length)
}

pub(super) fn text(input: &mut Input<'_>) -> Option<String> {
    Some(input.text.to_owned())
}

const TRUE: [&str; 4] = ["1", "true", "yes", "on"];
const FALSE: [&str; 4] = ["0", "false", "no", "off"];

/// Returns true or false for one of their words.
pub(super) fn truth(text: &str) -> Option<bool> {
    let is = |word: &&str| word.eq_ignore_ascii_case(text);
    match TRUE.iter().any(is) {
        true => Some(true),
        false => FALSE.iter().any(is).then_some(false),
    }
}

/// Parses a boolean. An invalid one is false, the safe choice for content and for cardinality.
pub(super) fn boolean(input: &mut Input<'_>) -> Option<bool> {
    let value = truth(input.text);
    if value.is_none() && !input.text.is_empty() {
        let words = TRUE.into_iter().chain(FALSE);
        let nearest = nearest(input.text, words).unwrap_or_default();
        input.problems.push(Problem::NotBoolean { nearest });
    } else if value.is_none() && input.default == "true" {
        input.problems.push(Problem::EmptyBoolean);
    }
    Some(value.unwrap_or(false))
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
fn word<T: Copy>(
    text: &str,
    words: &[(&'static str, T)],
    any_case: bool,
    consequence: &'static str,
) -> Result<T, Problem> {
    let equal = |word: &str| word == text || any_case && word.eq_ignore_ascii_case(text);
    if let Some((_, value)) = words.iter().find(|(word, _)| equal(word)) {
        return Ok(*value);
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
    pub(super) exporters: Vec<Exporter>,
    /// True if the list contains `none`, which turns the other exporters off.
    pub(super) none: bool,
    /// The unknown names, each once, with the most similar valid name.
    pub(super) unknown: Vec<(String, &'static str)>,
}

/// The words of a list of exporters, in the order in which warnings list them. `none` stands for no exporter.
const EXPORTERS: [(&str, Option<Exporter>); 4] = [
    ("console", Some(Exporter::Console)),
    ("otlp", Some(Exporter::Otlp)),
    ("prometheus", Some(Exporter::Prometheus)),
    ("none", None),
];

/// Names of the console exporter in other programs. The edit distance would suggest other exporters for them.
const CONSOLE: [&str; 3] = ["stdout", "stdio", "logging"];

/// Parses a list of exporters, separated by commas. Only metrics have a Prometheus exporter. Unknown names are left out;
/// the other names remain valid.
pub(super) fn exporters(input: &mut Input<'_>, are_of_metrics: bool) -> Exporters {
    let mut found = Exporters::default();
    let words = EXPORTERS.into_iter();
    let words: Vec<_> = words
        .filter(|(_, exporter)| are_of_metrics || *exporter != Some(Exporter::Prometheus))
        .collect();
    let items = input.text.split(',').map(str::trim);
    for item in items.filter(|item| !item.is_empty()) {
        match word(item, &words, false, "that exporter is left out") {
            Ok(Some(exporter)) => found.exporters.push(exporter),
            Ok(None) => found.none = true,
            Err(mut problem) => {
                if let Problem::UnknownValue { word, nearest, .. } = &mut problem {
                    if CONSOLE.contains(&&**word) {
                        *nearest = "console";
                    }
                    if !found.unknown.iter().any(|(known, _)| known == word) {
                        found.unknown.push((word.clone(), nearest));
                    }
                }
                input.problems.push(problem);
            }
        }
    }
    if found.none {
        let others = std::mem::take(&mut found.exporters);
        found.unknown.clear();
        input
            .problems
            .extend((!others.is_empty()).then_some(Problem::NoneBesideOthers));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boolean_accepts_its_words_in_any_case() {
        let boolean = |text| {
            let mut input = Input::new(text, "false");
            let value = super::boolean(&mut input).unwrap();
            input.problems.pop().map_or(Ok(value), Err)
        };
        for text in ["1", "true", "TRUE", "Yes", "on", "oN"] {
            assert_eq!(boolean(text), Ok(true), "{text}");
        }
        for text in ["0", "false", "False", "NO", "off"] {
            assert_eq!(boolean(text), Ok(false), "{text}");
        }
        for (text, nearest) in [("2", "1"), ("ture", "true"), ("offf", "off")] {
            assert_eq!(
                boolean(text),
                Err(Problem::NotBoolean { nearest }),
                "{text}"
            );
        }
        let enabled = boolean("enabled");
        assert!(matches!(enabled, Err(Problem::NotBoolean { .. })));
    }

    #[test]
    fn number_is_checked_against_its_range() {
        let number = |text| {
            let mut input = Input::new(text, "500");
            let value = input.whole_number(10, 1000).unwrap();
            assert!(input.problems.len() < 2, "{:?}", input.problems);
            (value, input.problems.pop())
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
        for (text, listed, none, warnings) in table {
            let mut input = Input::new(text, "");
            let found = exporters(&mut input, true);
            assert_eq!((&*found.exporters, found.none), (listed, none), "{text}");
            assert_eq!(input.problems.len(), warnings, "{text}");
        }
    }

    #[test]
    fn console_is_suggested_for_its_names_in_other_programs() {
        for text in ["stdout", "stdio", "logging"] {
            let mut input = Input::new(text, "");
            let found = exporters(&mut input, false);
            assert_eq!(found.unknown, [(text.to_owned(), "console")]);
            let problem = input.problems.pop().unwrap().to_string();
            assert!(problem.contains("did you mean console?"), "{problem}");
        }
    }

    #[test]
    fn exporters_of_events_and_spans_have_no_prometheus() {
        let mut input = Input::new("prometheus", "");
        assert_eq!(exporters(&mut input, false).exporters, []);
        let problem = input.problems.pop().unwrap().to_string();
        assert!(problem.ends_with("Valid: console, otlp, none"), "{problem}");
    }
}
