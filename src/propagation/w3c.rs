//! W3C Trace Context: `traceparent` and `tracestate`, read strictly.

use std::fmt;
use std::sync::Arc;

use super::TraceContext;

/// The parent that another process names: a `traceparent` with its `tracestate`.
///
/// ```
/// use claude_code_telemetry::TraceParent;
/// let parent = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some("vendor=abc"));
/// assert!(parent.is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
    sampled: bool,
    state: Option<Arc<str>>,
}

/// Why a text is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceParentError {
    /// It has not the form `version-traceid-parentid-flags`.
    #[error("it is not of the form 00-<32 hex digits>-<16 hex digits>-<2 hex digits>")]
    Form,
    /// A part has something other than lower-case hexadecimal digits.
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
    /// Reads the two values as the W3C recommendation asks. A `tracestate` that breaks its rules is left out, as the
    /// recommendation says; white space around either is ignored.
    ///
    /// # Errors
    ///
    /// When `traceparent` is malformed: the caller then starts a new trace.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Result<Self, TraceParentError> {
        let text = traceparent.trim_matches([' ', '\t']);
        let bytes = text.as_bytes();
        // A later version may append more after another dash.
        let dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
        if bytes.len() < 55 || !dashes || !text.is_ascii() {
            return Err(TraceParentError::Form);
        }
        let version = hex::<1>(&bytes[..2])?[0];
        match version {
            0xff => return Err(TraceParentError::Version),
            0 if bytes.len() > 55 => return Err(TraceParentError::Form),
            _ if bytes.len() > 55 && bytes[55] != b'-' => return Err(TraceParentError::Form),
            _ => {}
        }
        let trace_id = hex::<16>(&bytes[3..35])?;
        let parent_id = hex::<8>(&bytes[36..52])?;
        let flags = hex::<1>(&bytes[53..55])?[0];
        if trace_id == [0; 16] {
            return Err(TraceParentError::ZeroTraceId);
        }
        if parent_id == [0; 8] {
            return Err(TraceParentError::ZeroParentId);
        }
        Ok(Self {
            trace_id,
            parent_id,
            sampled: flags & 1 == 1,
            state: tracestate.and_then(trace_state),
        })
    }

    pub(crate) fn context(&self) -> TraceContext {
        TraceContext {
            trace_id: self.trace_id,
            span_id: self.parent_id,
            sampled: self.sampled,
            trace_state: self.state.clone(),
            remote: true,
        }
    }
}

impl From<&TraceContext> for TraceParent {
    fn from(context: &TraceContext) -> Self {
        Self {
            trace_id: context.trace_id,
            parent_id: context.span_id,
            sampled: context.sampled,
            state: context.trace_state.clone(),
        }
    }
}

/// The value of `traceparent`.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        for byte in self.trace_id {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("-")?;
        for byte in self.parent_id {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "-{:02x}", u8::from(self.sampled))
    }
}

/// Bytes written as lower-case hexadecimal digits; `digits` has twice as many.
fn hex<const N: usize>(digits: &[u8]) -> Result<[u8; N], TraceParentError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(TraceParentError::Digits),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

/// The most members of a `tracestate`.
const MAX_MEMBERS: usize = 32;

/// A `tracestate` that keeps the rules, in one line without empty members; nothing when one of its members breaks
/// them.
fn trace_state(text: &str) -> Option<Arc<str>> {
    let members: Vec<&str> = text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
        .collect();
    if members.is_empty() || members.len() > MAX_MEMBERS {
        return None;
    }
    for (n, member) in members.iter().enumerate() {
        let (key, value) = member.split_once('=')?;
        let repeated = members[..n]
            .iter()
            .any(|before| before.split_once('=').is_some_and(|(name, _)| name == key));
        if repeated || !is_key(key) || !is_value(value) {
            return None;
        }
    }
    Some(members.join(",").into())
}

/// `key` of the recommendation: a simple key, or `tenant@system`.
fn is_key(key: &str) -> bool {
    let body = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    let starts_with_letter =
        |text: &str| text.starts_with(|first: char| first.is_ascii_lowercase());
    match key.split_once('@') {
        None => key.len() <= 256 && starts_with_letter(key) && body(key),
        Some((tenant, system)) => {
            let first = tenant.bytes().next();
            let begins =
                first.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            begins
                && tenant.len() <= 241
                && body(tenant)
                && system.len() <= 14
                && starts_with_letter(system)
                && body(system)
        }
    }
}

/// `value` of the recommendation: up to 256 printable characters but `,` and `=`, the last one no space.
fn is_value(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 256
        && !value.ends_with(' ')
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}
