//! The output of the helper: one JSON object of text values.

use std::fmt;

use http::{HeaderName, HeaderValue};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use super::failure::Failure;
use crate::config::pairs::{is_broken_binary, is_reserved};

/// The headers of one run.
#[derive(Debug)]
pub(crate) struct Headers(Vec<Header>);

/// A header with its position in the output.
#[derive(Debug)]
pub(crate) struct Header {
    /// The position, counted from 1, as failures report it.
    position: usize,
    pub(crate) name: HeaderName,
    /// The value, which is ASCII. It is marked as sensitive, so that its `Debug` output shows nothing.
    pub(crate) value: HeaderValue,
}

impl Headers {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }

    /// Returns the headers that a request can carry.
    pub(crate) fn sendable(&self, grpc: bool) -> impl Iterator<Item = &Header> {
        let headers = self.0.iter();
        headers.filter(move |header| header.flaw(grpc).is_none())
    }

    /// Returns the positions of the headers that are not sent, with the reasons; empty if all headers are sent.
    pub(super) fn left_out(&self, grpc: bool) -> String {
        let left_out = self.0.iter().filter_map(|header| {
            let flaw = header.flaw(grpc)?;
            Some(format!("the header at position {} {flaw}", header.position))
        });
        left_out.collect::<Vec<_>>().join("; ")
    }
}

impl Header {
    /// Returns the value as text.
    pub(crate) fn text(&self) -> &str {
        self.value.to_str().unwrap_or_default()
    }

    /// Returns the reason why a request cannot carry this header; `None` if it can.
    fn flaw(&self, grpc: bool) -> Option<&'static str> {
        if is_reserved(self.name.as_str()) {
            Some("is one that the protocol sets itself, such as Host: it is left out")
        } else if grpc && is_broken_binary(self.name.as_str(), self.text()) {
            Some(
                "has a name that ends in -bin and a value that is not base64: it is left out over gRPC",
            )
        } else {
            None
        }
    }
}

/// Parses the output of a run. If a name occurs several times, in any case, the last occurrence applies.
pub(super) fn parse(output: &[u8]) -> Result<Headers, Failure> {
    // Some Windows shells print a byte order mark first.
    let output = output.strip_prefix(b"\xef\xbb\xbf").unwrap_or(output);
    if output.trim_ascii().is_empty() {
        return Err(Failure::Empty);
    }
    let Pairs(pairs) = serde_json::from_slice(output).map_err(|error| match error.classify() {
        Category::Data => Failure::NotObject,
        _ => Failure::NotJson,
    })?;
    let mut headers: Vec<Header> = Vec::new();
    for (position, (name, value)) in (1..).zip(pairs) {
        let header = header(position, &name, &value)?;
        headers.retain(|present| present.name != header.name);
        headers.push(header);
    }
    Ok(Headers(headers))
}

fn header(position: usize, name: &str, value: &Value) -> Result<Header, Failure> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Failure::Name(position))?;
    let Value::String(text) = value else {
        return Err(Failure::NotText(position));
    };
    // White space around a value is not a part of the value, and HTTP/2 receivers reject it.
    let text = text.trim_matches([' ', '\t']);
    // A text header of gRPC can only contain ASCII.
    let ascii = Some(text).filter(|text| text.is_ascii());
    let mut value = ascii
        .and_then(|text| HeaderValue::from_str(text).ok())
        .ok_or(Failure::Value(position))?;
    value.set_sensitive(true);
    Ok(Header {
        position,
        name,
        value,
    })
}

/// The members of an object in their original order.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(output: &str) -> Result<Vec<(String, String)>, Failure> {
        let headers = parse(output.as_bytes())?;
        let pair = |header: &Header| {
            assert_eq!(header.value.as_bytes(), header.text().as_bytes());
            (header.name.as_str().to_owned(), header.text().to_owned())
        };
        Ok(headers.iter().map(pair).collect())
    }

    #[test]
    fn object_of_text_values_is_parsed() {
        for (output, expected) in [
            ("{}", &[][..]),
            (
                "\u{feff}\n{ \"Authorization\": \"Bearer a b\", \"X-Empty\": \"\" }\r\n",
                &[("authorization", "Bearer a b"), ("x-empty", "")],
            ),
            (
                r#"{"X-A":"first","b":"2","x-a":" last\t"}"#,
                &[("b", "2"), ("x-a", "last")],
            ),
        ] {
            let read = read(output).unwrap();
            let read: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(read, expected, "{output}");
        }
    }

    #[test]
    fn invalid_output_gives_a_failure_that_does_not_show_it() {
        let deep = format!("{{\"a\":{}", "[".repeat(60_000));
        for (output, expected) in [
            ("", Failure::Empty),
            (" \n\t", Failure::Empty),
            ("CANARY", Failure::NotJson),
            ("{\"a\":\"CANARY\"", Failure::NotJson),
            ("{\"a\":\"CANARY\"} {}", Failure::NotJson),
            ("{\"a\":\"CANARY\"}x", Failure::NotJson),
            (deep.as_str(), Failure::NotJson),
            ("\"CANARY\"", Failure::NotObject),
            ("[\"CANARY\"]", Failure::NotObject),
            ("null", Failure::NotObject),
            ("17", Failure::NotObject),
            ("{\"a\":\"CANARY\",\"b\":1}", Failure::NotText(2)),
            ("{\"a\":null}", Failure::NotText(1)),
            ("{\"a\":true}", Failure::NotText(1)),
            ("{\"a\":[\"CANARY\"]}", Failure::NotText(1)),
            ("{\"a\":{\"b\":\"CANARY\"}}", Failure::NotText(1)),
            ("{\"\":\"CANARY\"}", Failure::Name(1)),
            ("{\"CANARY x\":\"a\"}", Failure::Name(1)),
            ("{\"CANARY\\n\":\"a\"}", Failure::Name(1)),
            ("{\"a\":\"CANARY\\n\"}", Failure::Value(1)),
            ("{\"a\":\"CANARY\\u0000\"}", Failure::Value(1)),
            ("{\"a\":\"CANARY ä\"}", Failure::Value(1)),
        ] {
            let failure = read(output).unwrap_err();
            assert_eq!(failure, expected, "{output}");
            assert!(
                !format!("{failure} {failure:?}").contains("CANARY"),
                "{failure}"
            );
        }
        let binary: Vec<u8> = (0..=255).cycle().take(5000).collect();
        assert_eq!(parse(&binary).unwrap_err(), Failure::NotJson);
        assert_eq!(parse(b"{\"a\":\"\xff\"}").unwrap_err(), Failure::NotJson);
    }

    #[test]
    fn headers_that_cannot_be_sent_are_omitted_and_reported_by_position() {
        let output = r#"{"Host":"CANARY","x-bin":"CANARY!","a":"1","b-bin":"QUI","TE":"CANARY"}"#;
        let headers = parse(output.as_bytes()).unwrap();
        for (grpc, sent, positions) in [
            (true, &["a", "b-bin"][..], &[1, 2, 5][..]),
            (false, &["x-bin", "a", "b-bin"], &[1, 5]),
        ] {
            let names: Vec<_> = headers.sendable(grpc).map(|h| h.name.as_str()).collect();
            assert_eq!(names, sent);
            let left_out = headers.left_out(grpc);
            assert_eq!(left_out.matches("at position").count(), positions.len());
            for position in positions {
                assert!(
                    left_out.contains(&format!("at position {position} ")),
                    "{left_out}"
                );
            }
            assert!(!left_out.contains("CANARY"), "{left_out}");
        }
        assert_eq!(parse(br#"{"a":"1"}"#).unwrap().left_out(true), "");
    }

    #[test]
    fn debug_output_does_not_show_header_values() {
        let headers = parse(br#"{"authorization":"CANARY"}"#).unwrap();
        assert!(!format!("{headers:?}").contains("CANARY"));
    }

    /// Generates outputs in which significant tokens are frequent.
    fn outputs() -> impl Strategy<Value = Vec<u8>> {
        const PARTS: [&str; 16] = [
            "{",
            "}",
            "\"",
            ":",
            ",",
            "[",
            "]",
            "\\u0000",
            "null",
            "1",
            "authorization",
            "x-a",
            "CANARY",
            " ",
            "\n",
            "\u{feff}",
        ];
        let part = prop_oneof![
            6 => proptest::sample::select(PARTS.to_vec()).prop_map(|part| part.as_bytes().to_vec()),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ];
        proptest::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_output_gives_headers_or_a_failure_that_does_not_show_it(output in outputs()) {
            let shown = match parse(&output) {
                Ok(headers) => format!("{headers:?}"),
                Err(failure) => format!("{failure} {failure:?}"),
            };
            prop_assert!(!shown.contains("CANARY"));
        }

        #[test]
        fn valid_header_values_are_kept(values in proptest::collection::vec("[!-~]([ -~]{0,20}[!-~])?", 0..6)) {
            let object: serde_json::Map<_, _> = values
                .iter()
                .enumerate()
                .map(|(n, value)| (format!("X-{n}"), Value::from(value.as_str())))
                .collect();
            let headers = read(&Value::from(object).to_string()).unwrap();
            let expected: Vec<_> = values
                .into_iter()
                .enumerate()
                .map(|(n, value)| (format!("x-{n}"), value))
                .collect();
            prop_assert_eq!(headers, expected);
        }
    }
}
