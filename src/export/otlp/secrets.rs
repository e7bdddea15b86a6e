//! The secrets of a request, in every form in which a receiver may repeat them.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};

use crate::config::pairs::percent_decode_lossy;
use crate::config::secret::{HIDDEN, Secret};

/// The shortest secret, in bytes. Shorter texts are not hidden, because that would make any message unreadable.
const SHORTEST: usize = 4;

/// The texts of the headers, of the proxy's credentials and of the endpoint's query that must not be shown, the longest
/// first: a part must not be replaced before the whole was found.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<Secret>);

impl Secrets {
    /// Adds the value of a header: the whole value, the credentials without their scheme, and the decoded credentials.
    pub(super) fn add_header(&mut self, value: &str) {
        let value = value.trim();
        let credentials = value.split_once(' ').map(|(_, rest)| rest.trim());
        for text in [Some(value), credentials].into_iter().flatten() {
            self.add(text);
            // Base64 is also written without padding.
            self.add(text.trim_end_matches('='));
            if let Some(decoded) = text_in_base64(text) {
                self.add(&decoded);
                for part in decoded.splitn(2, ':') {
                    self.add(part);
                }
            }
        }
    }

    /// Adds the query of a URL, which may hold a key.
    pub(super) fn add_query(&mut self, query: &str) {
        self.add(query);
        for pair in query.split('&') {
            self.add(pair.split_once('=').map_or(pair, |(_, value)| value));
        }
    }

    /// Adds a text and its percent-decoded form.
    fn add(&mut self, text: &str) {
        for form in [text, &*percent_decode_lossy(text)] {
            let is_known = self.0.iter().any(|secret| secret.expose() == form);
            if form.len() >= SHORTEST && !is_known {
                let longer = |secret: &Secret| secret.expose().len() >= form.len();
                self.0
                    .insert(self.0.partition_point(longer), Secret::new(form));
            }
        }
    }

    /// Returns a text of a receiver without the secrets.
    pub(super) fn hide_in(&self, text: &str) -> String {
        let secrets = self.0.iter().map(Secret::expose);
        secrets.fold(text.to_owned(), |text, secret| hide(secret, &text))
    }
}

/// Returns `text` without `secret`.
fn hide(secret: &str, text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = after_secret(rest, secret) {
            clean.push_str(HIDDEN);
            rest = after;
        } else {
            clean.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    clean
}

/// Returns the text after `secret`, if `text` begins with `secret`. Each byte of the secret may be escaped as in a URL,
/// in JSON, or in HTTP/2 errors.
fn after_secret<'t>(text: &'t str, secret: &str) -> Option<&'t str> {
    if let Some(after) = text.strip_prefix(secret) {
        return Some(after);
    }
    let mut rest = text.as_bytes();
    for &byte in secret.as_bytes() {
        rest = match rest {
            [b'%', high, low, after @ ..] if hex(*high, *low) == Some(byte) => after,
            [b'\\', escaped, after @ ..] if *escaped == byte && b"\"\\/".contains(&byte) => after,
            [b'\\', b'x', high, low, after @ ..] if hex(*high, *low) == Some(byte) => after,
            [b'\\', b'u', b'0', b'0', high, low, after @ ..]
                if byte.is_ascii() && hex(*high, *low) == Some(byte) =>
            {
                after
            }
            [b'+', after @ ..] if byte == b' ' => after,
            [first, after @ ..] if *first == byte => after,
            _ => return None,
        };
    }
    text.get(text.len() - rest.len()..)
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Returns the text that `text` encodes in base64, in the standard alphabet or that of URLs. Returns `None` if it
/// encodes no text.
fn text_in_base64(text: &str) -> Option<String> {
    let standard = text.replace('-', "+").replace('_', "/");
    let decoded = String::from_utf8(decode_base64(standard.as_bytes())?).ok()?;
    (!decoded.contains(char::is_control)).then_some(decoded)
}

/// Decodes base64 with padding or without. The unused bits of the last character may be set, as lenient servers allow.
pub(super) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    LENIENT.decode(text.get(..text.len() - padding)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        for value in values {
            secrets.add_header(value);
        }
        secrets
    }

    #[test]
    fn credentials_are_hidden_in_every_form() {
        // Basic YWRtaW46cGElMkZzcyB3b3JkIg== is admin:pa%2Fss word"
        let secrets = secrets(&["Basic YWRtaW46cGElMkZzcyB3b3JkIg==", "key%2Fof%20me"]);
        for (said, shown) in [
            (
                "Basic YWRtaW46cGElMkZzcyB3b3JkIg== is wrong",
                "<hidden> is wrong",
            ),
            (
                "basic YWRtaW46cGElMkZzcyB3b3JkIg is wrong",
                "basic <hidden> is wrong",
            ),
            ("YWRtaW46cGElMkZzcyB3b3JkIg%3D%3D", "<hidden>"),
            ("admin:pa%2Fss word\" is wrong", "<hidden> is wrong"),
            ("no admin with pa%2Fss word\"", "no <hidden> with <hidden>"),
            ("pa/ss word\" or pa%2fss%20word%22", "<hidden> or <hidden>"),
            ("pa%252Fss+word%22", "<hidden>"),
            (
                r#"{"password":"pa/ss word\""}"#,
                r#"{"password":"<hidden>"}"#,
            ),
            (
                r#"{"password":"pa\/ss word\""}"#,
                r#"{"password":"<hidden>"}"#,
            ),
            (
                "key/of me, key%2Fof%20me, key%2fof+me",
                "<hidden>, <hidden>, <hidden>",
            ),
            (
                r#"GOAWAY (b"\x70a\x2fss word\"")"#,
                r#"GOAWAY (b"<hidden>")"#,
            ),
            (r"pa\u002fss\u0020word\u0022", "<hidden>"),
            ("pa, 100 % of it, é%zz%", "pa, 100 % of it, é%zz%"),
        ] {
            assert_eq!(secrets.hide_in(said), shown, "{said}");
        }
    }

    #[test]
    fn user_without_a_password_is_hidden_as_a_token() {
        // `t0ken-of-me:` in base64, which is a user name with an empty password.
        let secrets = secrets(&["Basic dDBrZW4tb2YtbWU6"]);
        assert_eq!(secrets.hide_in("t0ken-of-me"), "<hidden>");
    }

    #[test]
    fn keys_in_a_query_are_hidden_in_messages() {
        let mut secrets = Secrets::default();
        secrets.add_query("v=1&key=s3cr3t");
        let said = "no /v1/logs?v=1&key=s3cr3t, v 1: s3cr3t";
        assert_eq!(secrets.hide_in(said), "no /v1/logs?<hidden>, v 1: <hidden>");
    }

    #[test]
    fn base64_is_decoded_only_if_it_encodes_text() {
        for (text, decoded) in [
            ("dTpw", Some("u:p")),
            ("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Some("Aladdin:open sesame")),
            ("w6k_w78-", Some("é?ÿ>")),
            ("sk-12345", None),
            ("a b", None),
            ("", Some("")),
        ] {
            assert_eq!(text_in_base64(text).as_deref(), decoded, "{text}");
        }
    }
}
