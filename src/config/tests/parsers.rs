//! Property tests: parsers never panic on any input, and accepted values satisfy their invariants.

use proptest::prelude::*;

use crate::config::endpoint::Endpoint;
use crate::config::otlp::Protocol;
use crate::config::pairs;
use crate::config::parse;
use crate::config::secret::Secret;
use crate::config::variables::{self, Kind};

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
        let (attributes, problems) = pairs::attributes(&text);
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
        let (attributes, problems) = pairs::attributes(&written.join(" , "));
        prop_assert!(problems.is_empty(), "{problems:?}");
        let read: Vec<_> = attributes.into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn headers_can_be_sent(text in texts(PAIRS)) {
        let (headers, _) = pairs::headers(&text, Protocol::Grpc);
        for (n, (name, value)) in headers.iter().enumerate() {
            prop_assert!(http::HeaderName::from_lowercase(name.as_bytes()).is_ok());
            prop_assert!(http::HeaderValue::from_str(value.expose()).is_ok());
            prop_assert!(value.expose().is_ascii());
            prop_assert!(name != "host" && name != "connection");
            if name.ends_with("-bin") {
                let digits = value.expose().trim_end_matches('=');
                prop_assert!(!digits.contains(['-', '_', '=', ' ', '%']) && digits.len() % 4 != 1);
            }
            prop_assert!(headers[..n].iter().all(|(before, _)| before != name));
        }
    }

    #[test]
    fn problems_of_headers_show_no_value(before in texts(PAIRS), after in texts(PAIRS)) {
        // A valid key may be shown, and this one is.
        let (_, problems) = pairs::headers(&format!("{before}=CANARY{after}"), Protocol::Grpc);
        for problem in problems {
            prop_assert!(!problem.to_string().contains("CANARY"), "{problem}");
        }
    }

    #[test]
    fn endpoints_are_urls_without_credentials(text in texts(URLS), insecure: bool) {
        let Ok(endpoint) = Endpoint::parse(&text, insecure) else {
            return Ok(());
        };
        for url in [endpoint.as_given(), endpoint.without_path(), endpoint.appended("/v1/logs")] {
            let url = url.unwrap();
            let authority = url.authority().unwrap();
            prop_assert!(!authority.as_str().contains('@'), "{url}");
            prop_assert!(!authority.host().is_empty(), "{url}");
            prop_assert_eq!(url.scheme() == Some(&http::uri::Scheme::HTTPS), endpoint.is_https());
        }
        let appended = endpoint.appended("/v1/logs").unwrap();
        prop_assert!(appended.path().ends_with("/v1/logs"), "{appended}");
        // Parsing the output again yields the same URL.
        let given = endpoint.as_given().unwrap().to_string();
        let again = Endpoint::parse(&given, !insecure).unwrap();
        prop_assert_eq!(again.as_given().unwrap().to_string(), given);
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
            match variable.kind {
                Kind::Boolean { .. } => drop(parse::boolean(&text)),
                Kind::Number(range) => {
                    let (value, problem) = parse::number(&text, &range);
                    prop_assert!((range.minimum..=range.maximum).contains(&value) || value == range.default);
                    if problem.is_none() {
                        prop_assert_eq!(Some(value), reference_number(&text), "{}", text);
                    }
                }
                Kind::Word { words, any_case, .. } => {
                    if let Ok(word) = parse::word(&text, words, any_case) {
                        prop_assert!(words.contains(&word));
                    }
                }
                Kind::Exporters(words) => {
                    let (found, _) = parse::exporters(&text, words);
                    prop_assert!(!(found.none && found.any()));
                }
                _ => {}
            }
        }
    }
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
