//! The parser of `key=value,key=value` lists: resource attributes and headers.

use std::borrow::Cow;

use super::problem::{Flaw, Problem};
use super::secret::Secret;

/// A pair of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The key; for a header in lower case.
    pub(super) name: String,
    pub(super) value: Secret,
    /// The problem if gRPC cannot carry this header.
    pub(super) grpc_problem: Option<Problem>,
}

fn problem(position: usize, key: &str, flaw: Flaw) -> Problem {
    let key = flaw.shows_key().then(|| key.to_owned());
    Problem::Pair {
        position,
        key,
        flaw,
    }
}

/// Parses resource attributes: each key once, in the order given.
pub(super) fn attributes(text: &str, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    for pair in parse(text, false, problems) {
        put(&mut attributes, &pair.name, pair.value.expose().to_owned());
    }
    attributes
}

/// Parses the headers that every HTTP request can carry, in the order given.
pub(super) fn headers(text: &str, problems: &mut Vec<Problem>) -> Vec<Pair> {
    parse(text, true, problems)
}

/// Splits the text at `,` and each pair at its first `=`, trims key and value, and decodes the value. Empty items, such
/// as the one after a trailing comma, are skipped.
fn parse(text: &str, are_headers: bool, problems: &mut Vec<Problem>) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    let items = text.split(',').map(str::trim).zip(1..);
    for (item, position) in items.filter(|(item, _)| !item.is_empty()) {
        let (key, raw) = item.split_once('=').unwrap_or((item, ""));
        let (key, raw) = (key.trim(), raw.trim());
        let mut warn = |flaw| problems.push(problem(position, key, flaw));
        let checked = match are_headers {
            _ if !item.contains('=') => Err(Flaw::NoEquals),
            true => header(key, raw),
            false => attribute(key, raw).map(|value| (key.to_owned(), value)),
        };
        let (name, value) = match checked {
            Ok(checked) => checked,
            Err(flaw) => {
                warn(flaw);
                continue;
            }
        };
        if !are_headers && raw.contains(char::is_whitespace) {
            warn(Flaw::RawSpace);
        }
        if pairs.iter().any(|pair| pair.name == name) {
            warn(Flaw::Repeated);
        }
        let is_broken = are_headers && is_broken_binary(&name, &value);
        pairs.push(Pair {
            name,
            value: Secret::new(value),
            grpc_problem: is_broken.then(|| problem(position, key, Flaw::NotBase64)),
        });
    }
    pairs
}

/// Returns the value of an attribute.
fn attribute(key: &str, raw: &str) -> Result<String, Flaw> {
    if key.is_empty() {
        return Err(Flaw::EmptyKey);
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Flaw::BadKey);
    }
    percent_decode(raw)
}

/// Returns the name of a header in lower case, and its value.
fn header(key: &str, raw: &str) -> Result<(String, String), Flaw> {
    let value = attribute(key, raw)?;
    let name = http::HeaderName::from_bytes(key.as_bytes()).map_err(|_| Flaw::NotHeaderName)?;
    // gRPC text headers are limited to ASCII.
    if !value.is_ascii() || http::HeaderValue::from_str(&value).is_err() {
        return Err(Flaw::NotHeaderValue);
    }
    match is_reserved(name.as_str()) {
        true => Err(Flaw::Reserved),
        false => Ok((name.as_str().to_owned(), value)),
    }
}

fn percent_decode(text: &str) -> Result<String, Flaw> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return Err(Flaw::BadEscape);
    }
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| Flaw::NotUtf8)
}

/// Decodes a percent-encoded part of a URL. Text with an invalid escape is returned unchanged.
pub(crate) fn percent_decode_lossy(text: &str) -> String {
    percent_decode(text).unwrap_or_else(|_| text.to_owned())
}

/// Replaces the value of a key, or appends the pair if the key is new.
pub(crate) fn put<V>(pairs: &mut Vec<(String, V)>, key: &str, value: V) {
    match pairs.iter_mut().find(|(present, _)| present == key) {
        Some((_, old)) => *old = value,
        None => pairs.push((key.to_owned(), value)),
    }
}

/// Headers that belong to one connection or to the protocol. A configured one would break the request's framing,
/// misdescribe its content, or be rejected by the HTTP client.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Returns true for a header of [`RESERVED`] and for the headers of gRPC.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("grpc-")
}

/// Returns true for a header that gRPC cannot carry: the value of a name that ends in `-bin` must be base64 there, with
/// or without padding.
pub(crate) fn is_broken_binary(name: &str, value: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = value.trim_end_matches('=');
    let padding = value.len() - digits.len();
    let is_base64 = digits.bytes().all(is_digit)
        && digits.len() % 4 != 1
        && (padding == 0 || padding <= 2 && value.len().is_multiple_of(4));
    name.ends_with("-bin") && !is_base64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::otlp::Protocol;

    fn flaws(problems: &[Problem]) -> Vec<(usize, Flaw)> {
        let flaws = problems.iter().map(|problem| match problem {
            Problem::Pair { position, flaw, .. } => (*position, *flaw),
            other => panic!("{other:?}"),
        });
        flaws.collect()
    }

    /// Returns the headers that a protocol can carry, each once, and the problems.
    fn headers(text: &str, protocol: Protocol) -> (Vec<(String, Secret)>, Vec<Problem>) {
        let (mut headers, mut problems) = (Vec::new(), Vec::new());
        for pair in super::headers(text, &mut problems) {
            match pair.grpc_problem.filter(|_| protocol == Protocol::Grpc) {
                Some(problem) => problems.push(problem),
                None => put(&mut headers, &pair.name, pair.value),
            }
        }
        (headers, problems)
    }

    #[test]
    fn attributes_are_split_trimmed_and_decoded() {
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [(usize, Flaw)]);
        let table: &[Row<'_>] = &[
            ("", &[], &[]),
            ("a=b", &[("a", "b")], &[]),
            (" a = b , c=d,", &[("a", "b"), ("c", "d")], &[]),
            ("a=b=c", &[("a", "b=c")], &[]),
            ("a=", &[("a", "")], &[]),
            ("a=x%20y%2Cz%3D", &[("a", "x y,z=")], &[]),
            ("a=%20x%20", &[("a", " x ")], &[]),
            ("a=%C3%a9", &[("a", "é")], &[]),
            ("a=é", &[("a", "é")], &[]),
            ("a%20b=c", &[("a%20b", "c")], &[]),
            ("a,b=c", &[("b", "c")], &[(1, Flaw::NoEquals)]),
            ("=x,b=c", &[("b", "c")], &[(1, Flaw::EmptyKey)]),
            ("a b=x,b=c", &[("b", "c")], &[(1, Flaw::BadKey)]),
            ("é=x,b=c", &[("b", "c")], &[(1, Flaw::BadKey)]),
            ("a\u{7f}=x,b=c", &[("b", "c")], &[(1, Flaw::BadKey)]),
            ("b=c,a=100%", &[("b", "c")], &[(2, Flaw::BadEscape)]),
            ("a=%4,b=c", &[("b", "c")], &[(1, Flaw::BadEscape)]),
            ("a=%zz,b=c", &[("b", "c")], &[(1, Flaw::BadEscape)]),
            ("a=%+4,b=c", &[("b", "c")], &[(1, Flaw::BadEscape)]),
            ("a=%ff,b=c", &[("b", "c")], &[(1, Flaw::NotUtf8)]),
            ("a=x y", &[("a", "x y")], &[(1, Flaw::RawSpace)]),
            (
                "a=1,b=2,a=3",
                &[("a", "3"), ("b", "2")],
                &[(3, Flaw::Repeated)],
            ),
            ("a=1,A=2", &[("a", "1"), ("A", "2")], &[]),
        ];
        for (text, expected, expected_flaws) in table {
            let mut problems = Vec::new();
            let found = attributes(text, &mut problems);
            let found: Vec<_> = found.iter().map(|(k, v)| (&**k, &**v)).collect();
            assert_eq!(found, *expected, "{text}");
            assert_eq!(flaws(&problems), *expected_flaws, "{text}");
        }
    }

    #[test]
    fn headers_are_lower_cased_and_valid() {
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [(usize, Flaw)]);
        let table: &[Row<'_>] = &[
            (
                "Authorization=Bearer x",
                &[("authorization", "Bearer x")],
                &[],
            ),
            ("a=Basic%20dTpw%3D%3D", &[("a", "Basic dTpw==")], &[]),
            ("X-A=1,x-a=2", &[("x-a", "2")], &[(2, Flaw::Repeated)]),
            ("(a)=1,b=2", &[("b", "2")], &[(1, Flaw::NotHeaderName)]),
            (
                "a=x%0d%0ay,b=2",
                &[("b", "2")],
                &[(1, Flaw::NotHeaderValue)],
            ),
            ("a=é,b=2", &[("b", "2")], &[(1, Flaw::NotHeaderValue)]),
            ("CANARY", &[], &[(1, Flaw::NoEquals)]),
            (
                "Content-Type=x,b=2,grpc-timeout=1S,TE=x",
                &[("b", "2")],
                &[
                    (1, Flaw::Reserved),
                    (3, Flaw::Reserved),
                    (4, Flaw::Reserved),
                ],
            ),
            (
                "user-agent=x,host=y",
                &[("user-agent", "x")],
                &[(2, Flaw::Reserved)],
            ),
        ];
        for (text, expected, expected_flaws) in table {
            for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
                let (found, problems) = headers(text, protocol);
                let found: Vec<_> = found.iter().map(|(k, v)| (&**k, v.expose())).collect();
                assert_eq!(found, *expected, "{text}");
                assert_eq!(flaws(&problems), *expected_flaws, "{text}");
            }
        }
    }

    #[test]
    fn binary_headers_are_base64_over_grpc() {
        for (value, is_base64) in [
            ("", true),
            ("AA", true),
            ("AAA", true),
            ("AAAA", true),
            ("AA==", true),
            ("AAA=", true),
            ("+/09azAZ", true),
            ("A", false),
            ("AAAAA", false),
            ("AA=", false),
            ("AAAA=", false),
            ("AAAA====", false),
            ("====", false),
            ("A===", false),
            ("AA=A", false),
            ("a-_b", false),
            ("no text", false),
        ] {
            let text = format!("x-trace-bin={value},x=1");
            let (found, problems) = headers(&text, Protocol::Grpc);
            assert_eq!(found.len(), if is_base64 { 2 } else { 1 }, "{value}");
            assert_eq!(found.last().unwrap().0, "x", "{value}");
            let expected: &[_] = if is_base64 {
                &[]
            } else {
                &[(1, Flaw::NotBase64)]
            };
            assert_eq!(flaws(&problems), expected, "{value}");
            // HTTP has no such rule, and other names have none over gRPC.
            let (found, problems) = headers(&text, Protocol::HttpProtobuf);
            assert_eq!((found.len(), problems.len()), (2, 0), "{value}");
            let (found, _) = headers(&format!("x-binary={value}"), Protocol::Grpc);
            assert_eq!(found.len(), 1, "{value}");
        }
    }

    #[test]
    fn problems_show_no_value_and_no_broken_key() {
        for text in [
            "CANARY",
            "=CANARY",
            "Bearer CANARY=x",
            "(CANARY)=x",
            "a=CANARY%",
            "a=CANARY%0a",
            "host=CANARY",
            "a-bin=CANARY!",
        ] {
            for problem in headers(text, Protocol::Grpc).1 {
                assert!(
                    !format!("{problem} {problem:?}").contains("CANARY"),
                    "{text}"
                );
            }
        }
    }
}
