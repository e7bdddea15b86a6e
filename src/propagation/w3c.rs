//! W3C Trace Context: strict parsing of `traceparent` and `tracestate`.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::TraceContext;

/// A remote parent: a `traceparent` with its `tracestate`.
///
/// ```
/// use claude_code_telemetry::TraceParent;
/// let parent = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some("vendor=abc"));
/// assert!(parent.is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    pub(crate) context: TraceContext,
}

/// A reason why a text is not a valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceParentError {
    /// The text does not have the form `version-traceid-parentid-flags`.
    #[error("it is not of the form 00-<32 hex digits>-<16 hex digits>-<2 hex digits>")]
    Form,
    /// A part contains characters other than lower-case hexadecimal digits.
    #[error("only the digits 0 to 9 and a to f may stand between its dashes")]
    Digits,
    /// The version is `ff`.
    #[error("the version ff is forbidden")]
    Version,
    /// The trace id is all zero.
    #[error("the trace id is all zero")]
    ZeroTraceId,
    /// The parent id is all zero.
    #[error("the parent id is all zero")]
    ZeroParentId,
}

impl TraceParent {
    /// Parses the two values as the W3C recommendation requires. An invalid `tracestate` is left out, as the
    /// recommendation says; white space around either value is ignored.
    ///
    /// # Errors
    ///
    /// Returns an error if `traceparent` is malformed; the caller then starts a new trace.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Result<Self, TraceParentError> {
        let text = traceparent.trim_matches([' ', '\t']);
        // A later version may append more fields after another dash.
        let is_dash = |at: usize| text.as_bytes().get(at) == Some(&b'-');
        if text.len() < 55 || ![2, 35, 52].into_iter().all(is_dash) || !text.is_ascii() {
            return Err(TraceParentError::Form);
        }
        let version = hex(&text[..2])?;
        if version == 0xff {
            return Err(TraceParentError::Version);
        }
        if text.len() > 55 && (version == 0 || !is_dash(55)) {
            return Err(TraceParentError::Form);
        }
        let trace_id = hex(&text[3..35])?;
        let parent_id = hex(&text[36..52])?;
        let flags = hex(&text[53..55])?;
        if trace_id == 0 {
            return Err(TraceParentError::ZeroTraceId);
        }
        if parent_id == 0 {
            return Err(TraceParentError::ZeroParentId);
        }
        Ok(Self {
            context: TraceContext {
                trace_id: trace_id.to_be_bytes(),
                span_id: (parent_id as u64).to_be_bytes(),
                sampled: flags & 1 == 1,
                trace_state: tracestate.and_then(trace_state),
                remote: true,
            },
        })
    }

    /// Returns the bytes that the value keeps on the heap.
    pub(crate) fn text_size(&self) -> usize {
        let state = self.context.trace_state.as_ref();
        state.map_or(0, |state| state.len())
    }
}

/// Formats the value of `traceparent`.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context.traceparent())
    }
}

/// Parses lower-case hexadecimal digits. `from_str_radix` would also accept a sign and upper-case digits.
fn hex(digits: &str) -> Result<u128, TraceParentError> {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = Some(digits).filter(|digits| digits.bytes().all(is_digit));
    let number = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
    number.ok_or(TraceParentError::Digits)
}

/// The maximum number of members of a `tracestate`.
const MAX_MEMBERS: usize = 32;

/// Parses a `tracestate`. Returns it in one line without empty members; `None` if a member is invalid.
fn trace_state(text: &str) -> Option<Arc<str>> {
    let members: Vec<&str> = text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
        .collect();
    let mut keys = HashSet::new();
    let valid = members.iter().all(|member| {
        let pair = member.split_once('=');
        pair.is_some_and(|(key, value)| is_key(key) && is_value(value) && keys.insert(key))
    });
    let fits = (1..=MAX_MEMBERS).contains(&members.len());
    (valid && fits).then(|| members.join(",").into())
}

/// Returns true for a valid `key` of the recommendation: a simple key, or `tenant@system`.
fn is_key(key: &str) -> bool {
    let is_part = |text: &str, max_length: usize, may_begin_with_digit: bool| {
        let is_first =
            |byte: u8| byte.is_ascii_lowercase() || may_begin_with_digit && byte.is_ascii_digit();
        let is_other = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        text.len() <= max_length
            && text.bytes().next().is_some_and(is_first)
            && text.bytes().all(is_other)
    };
    match key.split_once('@') {
        None => is_part(key, 256, false),
        Some((tenant, system)) => is_part(tenant, 241, true) && is_part(system, 14, false),
    }
}

/// Returns true for a valid `value` of the recommendation: up to 256 printable characters except `,` and `=`, the last
/// one not a space.
fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && !value.ends_with(' ')
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    /// `version-TRACE-PARENT-rest`
    fn with(version: &str, rest: &str) -> String {
        format!("{version}-{TRACE}-{PARENT}-{rest}")
    }

    #[test]
    fn traceparent_follows_the_recommendation() {
        use TraceParentError::{Digits, Form, Version, ZeroParentId, ZeroTraceId};
        let cases: Vec<(String, Result<bool, TraceParentError>)> = vec![
            // 3.2.2.2 version-format, 3.2.2.5.1 sampled flag: the least significant bit, regardless of the others.
            (with("00", "01"), Ok(true)),
            (with("00", "00"), Ok(false)),
            (with("00", "09"), Ok(true)),
            (with("00", "ff"), Ok(true)),
            (with("00", "fe"), Ok(false)),
            // 3.2.2.1 version: `ff` is forbidden; two lower-case hexadecimal digits and a dash.
            (with("ff", "01"), Err(Version)),
            (with("0A", "01"), Err(Digits)),
            (with("0x", "01"), Err(Digits)),
            (with("0", "01"), Err(Form)),
            (with("000", "01"), Err(Form)),
            (with("", "01"), Err(Form)),
            // 3.2.2.2 version-format: version 00 ends with the flags.
            (with("00", "01-what-may-come"), Err(Form)),
            (with("00", "01-"), Err(Form)),
            (with("00", "011"), Err(Form)),
            (with("00", "1"), Err(Form)),
            (with("00", ""), Err(Form)),
            (with("00", "0G"), Err(Digits)),
            (with("00", "0A"), Err(Digits)),
            // 3.2.2.3 trace-id: 32 lower-case hexadecimal digits, not all zero.
            (
                format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
                Err(Digits),
            ),
            (
                format!("00-{}-{PARENT}-01", "0".repeat(32)),
                Err(ZeroTraceId),
            ),
            (format!("00-{}-{PARENT}-01", &TRACE[1..]), Err(Form)),
            (format!("00-{TRACE}0-{PARENT}-01"), Err(Form)),
            (format!("00-{}g-{PARENT}-01", &TRACE[1..]), Err(Digits)),
            // 3.2.2.4 parent-id: 16 lower-case hexadecimal digits, not all zero.
            (
                format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
                Err(Digits),
            ),
            (
                format!("00-{TRACE}-{}-01", "0".repeat(16)),
                Err(ZeroParentId),
            ),
            (format!("00-{TRACE}-{}-01", &PARENT[1..]), Err(Form)),
            (format!("00-{TRACE}-{PARENT}0-01"), Err(Form)),
            // 3.2.2 traceparent Header Field Values: dashes, US-ASCII.
            (format!("00_{TRACE}_{PARENT}_01"), Err(Form)),
            (format!("00{TRACE}{PARENT}01"), Err(Form)),
            (format!("00-{TRACE}-{PARENT}-0é"), Err(Form)),
            (format!("00-{}é-{PARENT}-01", &TRACE[2..]), Err(Form)),
            (String::new(), Err(Form)),
            ("-".repeat(55), Err(Digits)),
            // 3.2.4 Versioning of traceparent: a later version has the same beginning, and more fields only after a
            // dash.
            (with("01", "01"), Ok(true)),
            (with("cc", "00"), Ok(false)),
            (with("cc", "01-what-may-come"), Ok(true)),
            (with("cc", "01-"), Ok(true)),
            (with("cc", "01.what-may-come"), Err(Form)),
            (with("cc", "0"), Err(Form)),
            (
                format!("cc-{}-{PARENT}-01", "0".repeat(32)),
                Err(ZeroTraceId),
            ),
            // RFC 7230 3.2.4, which applies to HTTP headers: white space around a value is not part of it; white space
            // inside is.
            (format!(" \t{} \t", with("00", "01")), Ok(true)),
            (with("00", " 01"), Err(Form)),
            (with("0 ", "01"), Err(Digits)),
            (format!("{}\n", with("00", "01")), Err(Form)),
        ];
        for (text, expected) in cases {
            let parsed = TraceParent::parse(&text, None);
            assert_eq!(
                parsed.as_ref().map(|parent| parent.context.sampled),
                expected.as_ref().copied(),
                "{text:?}"
            );
            let Ok(parent) = parsed else { continue };
            // 3.2.4: propagated as the highest known version; 3.2.2.5.2: other flags are sent as zero.
            let flags = u8::from(parent.context.sampled);
            assert_eq!(
                parent.to_string(),
                format!("00-{TRACE}-{PARENT}-{flags:02x}")
            );
        }
    }

    #[test]
    fn tracestate_follows_the_recommendation() {
        let members = |count: usize| {
            let members: Vec<String> = (0..count).map(|n| format!("k{n}=v")).collect();
            members.join(",")
        };
        let long = |key: usize, value: usize| format!("{}={}", "k".repeat(key), "v".repeat(value));
        let tenant = |tenant: usize, system: usize| {
            format!("{}@{}=v", "t".repeat(tenant), "s".repeat(system))
        };
        let same = |text: &str| (text.to_owned(), Some(text.to_owned()));
        let other = |text: &str, sent: &str| (text.to_owned(), Some(sent.to_owned()));
        let bad = |text: &str| (text.to_owned(), None);
        let cases: Vec<(String, Option<String>)> = vec![
            // 3.3.1.2 list: members between commas, in their order.
            same("rojo=00f067aa0ba902b7"),
            same("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
            // 3.3.1.1 tracestate Header Field Values: spaces and tabs around members are ignored ...
            other(" rojo=1 ,\tcongo=2\t", "rojo=1,congo=2"),
            // ... empty members are allowed, and empty headers too, but should not be sent ...
            other("rojo=1,", "rojo=1"),
            other(",rojo=1,, ,\t,congo=2", "rojo=1,congo=2"),
            bad(""),
            bad(" \t"),
            bad(",,"),
            // ... and there are at most 32 of them. (Empty members, which are not propagated, do not count here.)
            same(&members(32)),
            bad(&members(33)),
            other(&format!("{},", members(32)), &members(32)),
            // 3.3.1.3 list-members: a key and a value.
            bad("rojo"),
            bad("rojo=1,congo"),
            bad("rojo:1"),
            bad("rojo=1;congo=2"),
            bad("=1"),
            // 3.3.1.3.1 key: begins with a lower-case letter; a to z, 0 to 9, `_-*/`; up to 256 characters.
            same("a-_*/9=1"),
            same("z=1"),
            bad("Rojo=1"),
            bad("rOjo=1"),
            bad("9rojo=1"),
            bad("_rojo=1"),
            bad("ro jo=1"),
            bad("rojo =1"),
            bad("ro.jo=1"),
            bad("röjo=1"),
            same(&long(256, 1)),
            bad(&long(257, 1)),
            // 3.3.1.3.1 key: `tenant@system`; the tenant may begin with a digit, 241 and 14 characters.
            same("fw529a3039@dt=1"),
            same("5dd@dt=1"),
            same("t-_*/@s-_*/=1"),
            bad("@dt=1"),
            bad("t@=1"),
            bad("t@5dt=1"),
            bad("t@Dt=1"),
            bad("_t@dt=1"),
            bad("t@d@t=1"),
            same(&tenant(241, 14)),
            bad(&tenant(242, 14)),
            bad(&tenant(241, 15)),
            // 3.3.1.3.2 value: 1 to 256 printable ASCII characters except `,` and `=`, the last one not a space.
            same("rojo= 1 2"),
            same("rojo=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~"),
            bad("rojo="),
            bad("rojo= "),
            bad("rojo=1=2"),
            bad("rojo=1\t2"),
            bad("rojo=1\u{7f}"),
            bad("rojo=1\n"),
            bad("rojo=é"),
            same(&long(1, 256)),
            bad(&long(1, 257)),
            // 3.3.1.4 Combined Header Value: one entry for a key.
            bad("rojo=1,rojo=2"),
            bad("rojo=1,congo=2,rojo=1"),
            bad("t@dt=1,t@dt=2"),
            same("rojo=1,rojo@dt=2"),
            // 3.3.1.5 tracestate Limits: at least 512 characters are propagated.
            same(&format!("{},{}", long(255, 256), long(256, 256))),
        ];
        for (text, expected) in cases {
            // 3.3: an invalid `tracestate` does not affect `traceparent`.
            let parent = TraceParent::parse(&with("00", "01"), Some(&text)).unwrap();
            assert_eq!(
                parent.context.trace_state.as_deref(),
                expected.as_deref(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn tracestate_without_a_valid_traceparent_is_not_parsed() {
        // 3.3: without a valid `traceparent`, `tracestate` is not parsed.
        assert_eq!(
            TraceParent::parse("nothing", Some("rojo=1")),
            Err(TraceParentError::Form)
        );
    }

    /// Generates texts in which the syntax is frequent.
    fn texts(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
        let part = prop_oneof![
            6 => proptest::sample::select(parts).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn valid_traceparent_is_propagated_unchanged(trace: [u8; 16], parent: [u8; 8], flags: u8) {
            let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let text = format!("00-{}-{}-{flags:02x}", digits(&trace), digits(&parent));
            let zero = trace == [0; 16] || parent == [0; 8];
            match TraceParent::parse(&text, None) {
                Ok(read) => {
                    prop_assert!(!zero);
                    prop_assert_eq!(read.to_string(), format!("{}-{:02x}", &text[..52], flags & 1));
                }
                Err(_) => prop_assert!(zero),
            }
        }

        #[test]
        fn parse_never_panics(
            text in texts(&["00", "ff", "-", TRACE, PARENT, "01", "0", " ", "é"]),
        ) {
            if let Ok(read) = TraceParent::parse(&text, None) {
                prop_assert_eq!(TraceParent::parse(&read.to_string(), None), Ok(read));
            }
        }

        #[test]
        fn tracestate_is_valid_or_left_out(
            text in texts(&["a", "vendor", "t@v", "@", "=", "=1", ",", ", ", " ", "\t", "A", "é", "\n"]),
        ) {
            let parent = with("00", "01");
            let parse = |text: &str| {
                let parsed = TraceParent::parse(&parent, Some(text)).unwrap();
                parsed.context.trace_state
            };
            let state = parse(&text);
            if let Some(state) = state {
                prop_assert!(http::HeaderValue::from_str(&state).is_ok(), "{state:?}");
                prop_assert!(!state.is_empty() && state.split(',').count() <= MAX_MEMBERS);
                // Parsing the output again yields the same value.
                prop_assert_eq!(parse(&state), Some(state));
            }
        }
    }
}
