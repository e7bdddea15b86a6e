//! URLs of requests.

use std::net::{Ipv4Addr, Ipv6Addr};

use ::http::Uri;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::receiver::host_and_port;
use crate::config::otlp::OtlpConfig;

/// The ASCII characters of a path that a request line must not contain. Non-ASCII characters are always escaped.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Returns the URL of an endpoint as it is requested: without user information, with an IP address in its usual form,
/// and with all characters escaped that a request line must not contain. The error is a sentence that says what is
/// wrong.
pub(super) fn request_url(config: &OtlpConfig) -> Result<Uri, String> {
    let endpoint = &config.endpoint;
    // The TLS configuration decides the scheme: `https` must not fall back to plain text.
    let scheme = if config.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let url = if endpoint.host().is_none_or(str::is_empty) {
        Err("it names no host".to_owned())
    } else if endpoint.scheme_str() != Some(scheme) {
        Err(format!(
            "only {scheme}:// is possible with this configuration"
        ))
    } else {
        normalized(endpoint)
    };
    url.map_err(|reason| {
        let name = host_and_port(endpoint);
        format!("{name} cannot be an OTLP endpoint: {reason}")
    })
}

/// Returns the URL without user information, normalized and escaped.
fn normalized(endpoint: &Uri) -> Result<Uri, String> {
    let scheme = endpoint.scheme_str().unwrap_or_default();
    let host = address(endpoint.host().unwrap_or_default())?;
    let port = endpoint.port_u16().map(|port| format!(":{port}"));
    let path = endpoint.path_and_query().map(ToString::to_string);
    let path = path.unwrap_or_default();
    let url = format!(
        "{scheme}://{host}{}{}",
        port.unwrap_or_default(),
        utf8_percent_encode(&path, ESCAPED)
    );
    url.parse()
        .map_err(|error: ::http::uri::InvalidUri| error.to_string())
}

/// Returns the URL with another path and the same query.
pub(super) fn at_path(url: &Uri, path: &str) -> Option<Uri> {
    let mut parts = url.clone().into_parts();
    let path = match url.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Returns the host, an IP address in its usual form; an error if it looks like an IP address and is not valid. Without
/// this check, the resolver would be asked for the text at every attempt.
fn address(host: &str) -> Result<String, &'static str> {
    if let Some(inner) = host.strip_prefix('[') {
        return match inner.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
            Some(Ok(address)) => Ok(format!("[{address}]")),
            _ => Err("invalid IPv6 address"),
        };
    }
    let labels = host.strip_suffix('.').unwrap_or(host);
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits && number(last).is_none() {
        return Ok(host.to_owned());
    }
    ipv4(labels)
        .map(|address| address.to_string())
        .ok_or("invalid IPv4 address")
}

/// Parses an IPv4 address in any of the forms that URLs allow: the last of up to four numbers fills the remaining
/// bytes.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|&number| number > 255) {
        return None;
    }
    let bits_left = 32 - 8 * first.len();
    if u64::from(*last) >= 1 << bits_left {
        return None;
    }
    let mut bits = *last;
    for (index, number) in first.iter().enumerate() {
        bits |= number << (24 - 8 * index);
    }
    Some(Ipv4Addr::from(bits))
}

/// Parses a decimal, octal (`0…`) or hexadecimal (`0x…`) number of an address.
fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    match digits {
        // As in browsers, `0x` is zero.
        "" if radix == 16 => Some(0),
        // `from_str_radix` accepts a sign.
        _ if digits.starts_with('+') => None,
        _ => u32::from_str_radix(digits, radix).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_requested_without_user_information_and_in_ascii() {
        for (endpoint, requested) in [
            ("http://h", "http://h/"),
            ("http://h?a=b", "http://h/?a=b"),
            (
                "https://user:secret@[::1]:4318/v1/logs?key=%20",
                "https://[::1]:4318/v1/logs?key=%20",
            ),
            ("http://h/ä\"{b}", "http://h/%C3%A4%22%7Bb%7D"),
        ] {
            let endpoint: Uri = endpoint.parse().unwrap();
            let requested_url = normalized(&endpoint).unwrap().to_string();
            assert_eq!(requested_url, requested, "{endpoint}");
        }
    }

    #[test]
    fn host_that_looks_like_an_address_must_be_valid() {
        for (host, expected) in [
            ("example.com", Ok("example.com")),
            ("example.com.", Ok("example.com.")),
            ("a1", Ok("a1")),
            ("127.0.0.1", Ok("127.0.0.1")),
            ("127.1", Ok("127.0.0.1")),
            ("0x7f.0.0.01", Ok("127.0.0.1")),
            ("4294967295", Ok("255.255.255.255")),
            ("4294967296", Err("invalid IPv4 address")),
            ("10.0.0.999", Err("invalid IPv4 address")),
            ("10.0.0.08", Err("invalid IPv4 address")),
            ("1.2.3.4.5", Err("invalid IPv4 address")),
            ("256.1", Err("invalid IPv4 address")),
            ("a.1", Err("invalid IPv4 address")),
            ("[0:0::1]", Ok("[::1]")),
            ("[::g]", Err("invalid IPv6 address")),
        ] {
            assert_eq!(address(host), expected.map(str::to_owned), "{host}");
        }
    }
}
