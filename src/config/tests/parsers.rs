//! Property tests: parsers never panic on any input, and accepted values satisfy their invariants.

use std::any::Any;

use proptest::prelude::*;

use super::*;
use crate::config::endpoint::Endpoint;
use crate::config::kind::Exporters;
use crate::config::otlp::Compression;
use crate::config::variables::Variable;

/// Generates texts in which the syntax of a parser is frequent.
fn texts(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => proptest::sample::select(parts).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => proptest::char::range(' ', '~').prop_map(String::from),
    ];
    proptest::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

const PAIRS: &[&str] = &[
    "=", ",", "%", "%20", "%2C", "%ff", "%C3%A9", " ", "\t", "\r\n", "key", "Key", "value", "é",
    "\u{0}", "Host", "x-bin", "A", "QUJD",
];

const URLS: &[&str] = &[
    "http",
    "https",
    "://",
    ":",
    "/",
    "//",
    "@",
    "user",
    "%40",
    "localhost",
    "[::1]",
    "4317",
    "99999",
    "?",
    "#",
    "v1",
    "..",
    " ",
    "é",
];

/// Percent-encodes every byte of a text.
fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

proptest! {
    #[test]
    fn attributes_are_valid_and_unique(text in texts(PAIRS)) {
        let mut problems = Vec::new();
        let attributes = pairs::attributes(&text, &mut problems);
        for (n, (key, _)) in attributes.iter().enumerate() {
            prop_assert!(!key.is_empty());
            prop_assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{key:?}");
            prop_assert!(attributes[..n].iter().all(|(before, _)| before != key));
        }
        let items = text.split(',').filter(|item| !item.trim().is_empty()).count();
        prop_assert!(attributes.len() <= items);
        // Every item that is left out is reported.
        prop_assert!(attributes.len() + problems.len() >= items);
    }

    #[test]
    fn encoded_attributes_are_decoded_unchanged(
        values in proptest::collection::vec(any::<String>(), 0..5),
    ) {
        let written: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(n, value)| format!("key.{n} = {}", percent_encoded(value)))
            .collect();
        let mut problems = Vec::new();
        let attributes = pairs::attributes(&written.join(" , "), &mut problems);
        prop_assert!(problems.is_empty(), "{problems:?}");
        let read: Vec<_> = attributes.into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn headers_can_be_sent(text in texts(PAIRS)) {
        let config = otlp_over_grpc(&text);
        let headers = &config.metrics.otlp.as_ref().unwrap().headers;
        for (n, (name, header)) in headers.iter().enumerate() {
            let value = header.value.expose();
            prop_assert!(http::HeaderName::from_lowercase(name.as_bytes()).is_ok());
            prop_assert!(http::HeaderValue::from_str(value).is_ok());
            prop_assert!(value.is_ascii());
            prop_assert!(name != "host" && name != "connection");
            if name.ends_with("-bin") {
                let digits = value.trim_end_matches('=');
                prop_assert!(!digits.contains(['-', '_', '=', ' ', '%']) && digits.len() % 4 != 1);
            }
            prop_assert!(headers[..n].iter().all(|(before, _)| before != name));
        }
    }

    #[test]
    fn problems_of_headers_show_no_value(before in texts(PAIRS), after in texts(PAIRS)) {
        // Valid keys may be shown, but `CANARY` is never a part of a key, because `=` precedes it.
        let config = otlp_over_grpc(&format!("{before}=CANARY{after}"));
        for warning in config.warnings() {
            prop_assert!(!warning.to_string().contains("CANARY"), "{warning}");
        }
    }

    #[test]
    fn endpoints_are_urls_without_credentials(text in texts(URLS), insecure: bool) {
        let Ok(endpoint) = Endpoint::parse(&text, insecure) else {
            return Ok(());
        };
        let urls = [endpoint.without_path().unwrap(), endpoint.appended("/v1/logs").unwrap()];
        for url in urls.into_iter().chain([endpoint.url.clone()]) {
            let authority = url.authority().unwrap();
            prop_assert!(!authority.as_str().contains('@'), "{url}");
            prop_assert!(!authority.host().is_empty(), "{url}");
            prop_assert_eq!(url.scheme() == Some(&http::uri::Scheme::HTTPS), endpoint.is_https());
        }
        let appended = endpoint.appended("/v1/logs").unwrap();
        prop_assert!(appended.path().ends_with("/v1/logs"), "{appended}");
        // Parsing the output again yields the same URL. It has a scheme, so `insecure` has no effect.
        let given = endpoint.url.to_string();
        let again = Endpoint::parse(&given, !insecure).unwrap();
        prop_assert_eq!(again.url.to_string(), given);
        prop_assert!(again.authorization.is_none());
        let header = endpoint.authorization.as_ref().map(Secret::expose);
        prop_assert!(header.is_none_or(|header| http::HeaderValue::from_str(header).is_ok()));
    }

    #[test]
    fn user_and_password_are_decoded_unchanged(user: String, password: String) {
        let url = format!("http://{}:{}@host:1", percent_encoded(&user), percent_encoded(&password));
        let endpoint = Endpoint::parse(&url, true).unwrap();
        let header = endpoint.authorization.unwrap();
        let expected = reference_base64(format!("{user}:{password}").as_bytes());
        prop_assert_eq!(header.expose(), format!("Basic {expected}"));
    }

    #[test]
    fn values_of_every_kind_are_within_their_range(text in texts(&["1", "0", "true", "otlp", "none", ",", " ", "-", "+", "_", "e", "E3", "99999999999999999999"])) {
        for variable in variables::all() {
            let (value, problems) = variable.kind.parse(&text, true);
            if let Some((minimum, maximum)) = range(variable)
                && let Some(value) = value.as_deref()
            {
                let number = number(value).unwrap();
                let default: u64 = variable.kind.default.parse().unwrap();
                prop_assert!((minimum..=maximum).contains(&number) || number == default, "{}", text);
                if problems.is_empty() {
                    prop_assert_eq!(Some(number), reference_number(&text), "{}", text);
                }
            }
            let value = value.as_deref();
            if let Some(words) = words(variable) {
                // A word that is not listed counts as unset.
                let is_listed = words.iter().any(|word| word.eq_ignore_ascii_case(&text));
                prop_assert!(value.is_none() || is_listed);
            }
            if let Some(found) = value.and_then(|value| value.downcast_ref::<Exporters>()) {
                prop_assert!(!found.none || found.exporters.is_empty());
            }
            if let Some(word) = value.and_then(|value| value.downcast_ref::<Compression>()) {
                prop_assert!(problems.is_empty());
                prop_assert_eq!(format!("{:?}", word).to_lowercase(), text.as_str());
            }
        }
    }
}

/// Returns the range of a variable that is a number, as its problems state it.
fn range(variable: &Variable) -> Option<(u64, u64)> {
    let minimum = match variable.kind.parse("0", false).1[..] {
        [Problem::BelowMinimum { minimum }] => minimum,
        _ => 0,
    };
    match variable.kind.parse("?", false).1[..] {
        [Problem::NotNumber { maximum, .. }] => Some((minimum, maximum)),
        _ => None,
    }
}

/// Returns the valid words of a variable whose value must be one of a list of words, as its problem states them.
fn words(variable: &Variable) -> Option<Vec<&'static str>> {
    match variable.kind.parse("?", false) {
        (None, problems) => problems.into_iter().find_map(|problem| match problem {
            Problem::UnknownValue { words, .. } => Some(words),
            _ => None,
        }),
        (Some(_), _) => None,
    }
}

/// Returns the value of a variable that is a number.
fn number(value: &(dyn Any + Send + Sync)) -> Option<u64> {
    let duration = value.downcast_ref::<Duration>();
    let milliseconds = duration.and_then(|value| u64::try_from(value.as_millis()).ok());
    milliseconds
        .or_else(|| value.downcast_ref::<usize>().map(|number| *number as u64))
        .or_else(|| value.downcast_ref::<u32>().map(|number| (*number).into()))
        .or_else(|| value.downcast_ref::<u16>().map(|number| (*number).into()))
}

/// Returns a configuration with these headers for metrics over gRPC.
fn otlp_over_grpc(headers: &str) -> Config {
    with(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", headers),
    ])
}

/// Parses a number by expanding its exponent into zeros.
fn reference_number(text: &str) -> Option<u64> {
    let text = text.to_lowercase().replace('_', "");
    let (digits, zeros) = text.split_once('e').unwrap_or((&text, "0"));
    let zeros = "0".repeat(zeros.parse().ok().filter(|zeros| *zeros < 30)?);
    format!("{digits}{zeros}").parse().ok()
}

/// Encodes Base64 bit by bit.
fn reference_base64(bytes: &[u8]) -> String {
    let digits: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['+', '/'])
        .collect();
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let mut text: String = bits
        .chunks(6)
        .map(|six| {
            let padded = (0..6).map(|at| six.get(at).copied().unwrap_or_default());
            digits[padded.fold(0, |value, bit| value << 1 | usize::from(bit))]
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}
