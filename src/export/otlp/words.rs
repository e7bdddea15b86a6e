//! Messages for errors of libraries and of receivers.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::connect::ConnectError;
use super::stream::TOO_MUCH;
use crate::export::export_result::ErrorKind;
use crate::visible::is_control;

/// The most characters of a receiver's text that are passed on.
const MAX_CHARS: usize = 200;

/// Returns `text` on one line, without control characters, shortened to a length suitable for a log.
pub(super) fn sanitise(text: &str) -> String {
    let mut clean = String::new();
    for (index, word) in text
        .split(|c: char| is_control(c) || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .enumerate()
    {
        if index > 0 {
            clean.push(' ');
        }
        clean.push_str(word);
        // This is enough: the rest of a long text would be cut off.
        if clean.len() > 4 * MAX_CHARS {
            break;
        }
    }
    match clean.char_indices().nth(MAX_CHARS) {
        None => clean,
        Some(_) => clean.chars().take(MAX_CHARS - 1).chain(['…']).collect(),
    }
}

/// Formats a duration as `5 s`, `1.5 s` or `20 ms`.
pub(super) fn duration(duration: Duration) -> String {
    // Deadlines are instants, so the measured time is a few microseconds shorter than the configured one.
    let millis = duration.as_micros().div_ceil(1000);
    if millis < 1000 {
        format!("{millis} ms")
    } else {
        format!("{} s", (millis / 100) as f64 / 10.0)
    }
}

/// Describes why the connection to `target` failed, by the most specific cause of the whole chain. `hide` removes the
/// secrets from quoted texts, because HTTP/2 errors repeat what the receiver said.
pub(super) fn connection(
    target: &str,
    error: &(dyn Error + 'static),
    hide: impl Fn(&str) -> String,
) -> (ErrorKind, String) {
    let detail = flatten(error);
    let failure = chain(error).find_map(|cause| cause.downcast_ref::<ConnectError>());
    if let Some(ConnectError::Resolve(cause)) = failure {
        let reason = flatten(cause);
        let reason = reason
            .strip_prefix("failed to lookup address information: ")
            .unwrap_or(&reason);
        return (
            ErrorKind::Connect,
            format!("cannot find the address of {target}: {reason}"),
        );
    }
    if detail.contains(TOO_MUCH) {
        let text = format!(
            "{TOO_MUCH} from {target}: it sends interim responses without end, or is not an OTLP receiver"
        );
        return (ErrorKind::Timeout, text);
    }
    for cause in chain(error) {
        let Some(cause) = cause.downcast_ref::<io::Error>() else {
            continue;
        };
        let (kind, text) = match cause.kind() {
            io::ErrorKind::ConnectionRefused => (
                ErrorKind::ConnectionRefused,
                format!("connection refused by {target}"),
            ),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                (ErrorKind::Connect, format!("{target} cannot be reached"))
            }
            io::ErrorKind::TimedOut => (
                ErrorKind::Connect,
                format!("no connection to {target} in time"),
            ),
            io::ErrorKind::ConnectionReset => {
                (ErrorKind::Broken, format!("connection reset by {target}"))
            }
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof => {
                (ErrorKind::Broken, format!("connection closed by {target}"))
            }
            _ => continue,
        };
        return (kind, text);
    }
    // Some closed connections are reported without the system's error.
    if detail.contains("connection closed") {
        return (ErrorKind::Broken, format!("connection closed by {target}"));
    }
    (
        ErrorKind::Broken,
        format!("connection to {target} failed: {}", hide(&detail)),
    )
}

/// Returns the whole chain of causes on one line, without repeated texts.
pub(super) fn flatten(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    for cause in chain(error) {
        let text = text_of(cause);
        if words.contains(text.as_str()) {
            continue;
        }
        if !words.is_empty() {
            words.push_str(": ");
        }
        words.push_str(&text);
    }
    words
}

/// Returns the text of an error without its causes.
fn text_of(error: &(dyn Error + 'static)) -> String {
    // The `Display` of a status lists its whole content, including the headers of the answer.
    #[cfg(feature = "grpc")]
    if let Some(status) = error.downcast_ref::<tonic::Status>() {
        return status.message().to_owned();
    }
    error.to_string()
}

/// Returns the error and its causes. The `source` of an `io::Error` skips the error that it wraps, so the wrapped error
/// is looked up.
pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let made_of = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match made_of {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => (**error).source(),
        }
    })
}

/// Returns true if a receiver's message says that the request was too large.
///
/// gRPC has no separate status for this, and many receivers answer 400 over HTTP. The phrases are those of the gRPC
/// libraries of Go, Rust, Java, C++, JavaScript and .NET, and of Go's HTTP server.
pub(super) fn too_large(message: &str) -> bool {
    const SIGNS: &[&str] = &[
        "larger than max",
        "too large",
        "exceeds maximum size",
        "exceeds the maximum",
        "size limit",
    ];
    let message = message.to_ascii_lowercase();
    SIGNS.iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_put_on_one_line_and_cut() {
        assert_eq!(sanitise("a\r\n\tb \u{1b}[31mc"), "a b [31mc");
        assert_eq!(sanitise("a\u{9b}1m\u{202e}b\u{7f}"), "a 1m b");
        assert_eq!(sanitise(&"ä".repeat(200)), "ä".repeat(200));
        let cut = sanitise(&"ä".repeat(5000));
        assert_eq!(cut.chars().count(), MAX_CHARS);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn duration_is_formatted_as_it_was_configured() {
        assert_eq!(duration(Duration::from_micros(9_999_990)), "10 s");
        assert_eq!(duration(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(duration(Duration::from_millis(20)), "20 ms");
    }

    #[test]
    fn too_large_messages_of_common_servers_are_recognized() {
        for message in [
            "grpc: received message larger than max (5000000 vs. 4194304)",
            "grpc: received message after decompression larger than max 4194304",
            "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes",
            "Error decompressing: size limit, of 4 bytes, exceeded while decompressing message",
            "gRPC message exceeds maximum size 4194304: 5000000",
            "Received message exceeds the maximum configured message size.",
            "http: request body too large",
        ] {
            assert!(too_large(message), "{message}");
        }
        assert!(!too_large("quota used up"));
    }
}
