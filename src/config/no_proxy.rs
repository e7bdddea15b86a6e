//! `NO_PROXY`: the hosts that are reached without a proxy.

use std::net::IpAddr;

use super::endpoint::without_brackets;

/// Returns true if a list exempts a host from the proxy. The list is parsed as curl and most programs do: entries are
/// separated by commas or white space.
///
/// - `*`: every host.
/// - `example.com`, `.example.com`, `*.example.com`: that host and every subdomain of it, in any case.
/// - `10.1.2.3`, `[::1]`: that address; `10.0.0.0/8`, `fd00::/8`: every address of that network. Host names are not
///   resolved for this comparison.
/// - each with `:port` appended: only that port.
pub(super) fn exempts(list: &str, host: &str, port: u16) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address = address(host);
    let mut entries = list.split(|c: char| c == ',' || c.is_whitespace());
    entries.any(|entry| match without_port(entry) {
        ("", _) => false,
        (_, Some(only)) if only != port => false,
        (name, _) => matches(name, host, address),
    })
}

/// Returns true if the host, a name or an address, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.eq_ignore_ascii_case("localhost")
        || address(name).is_some_and(|address| address.is_loopback())
}

/// Splits an entry into host and port.
fn without_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        // Other colons are part of an IPv6 address.
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn matches(entry: &str, host: &str, address: Option<IpAddr>) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some(address) = address {
        return match entry.split_once('/') {
            Some((network, bits)) => in_network(address, network, bits),
            None => self::address(entry) == Some(address),
        };
    }
    let domain = entry.strip_prefix('*').unwrap_or(entry);
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let start = host.len().checked_sub(domain.len());
    let Some((before, end)) = start.and_then(|start| host.split_at_checked(start)) else {
        return false;
    };
    !domain.is_empty()
        && end.eq_ignore_ascii_case(domain)
        && (before.is_empty() || before.ends_with('.'))
}

/// Parses an address, with or without brackets. An IPv4-mapped IPv6 address equals the IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = without_brackets(text).parse().ok()?;
    Some(address.to_canonical())
}

fn in_network(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Some(network), Ok(bits)) = (self::address(network), bits.parse::<u32>()) else {
        return false;
    };
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128_u32),
        _ => return false,
    };
    let rest = width.checked_sub(bits);
    rest.is_some_and(|rest| address.checked_shr(rest) == network.checked_shr(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_matched_as_curl_does() {
        for (list, host, exempt) in [
            ("", "h", false),
            (" , ,", "h", false),
            ("*", "h", true),
            ("a,*", "10.0.0.1", true),
            ("h", "h", true),
            ("H", "h", true),
            ("h", "h.", true),
            ("h.", "h", true),
            ("a b\th", "h", true),
            ("a, h ,b", "h", true),
            ("example.com", "example.com", true),
            ("example.com", "otel.example.com", true),
            ("example.com", "notexample.com", false),
            ("example.com", "com", false),
            ("example.com", "example.com.evil", false),
            (".example.com", "example.com", true),
            (".example.com", "a.b.EXAMPLE.com", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "aexample.com", false),
            (".", "h", false),
            ("ü", "xy", false),
            ("h:4318", "h", true),
            ("h:4317", "h", false),
            ("h:x", "h", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1:4318", "10.0.0.1", true),
            ("10.0.0.1:1", "10.0.0.1", false),
            ("0.0.1", "10.0.0.1", false),
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "11.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/33", "10.0.0.1", false),
            ("10.0.0.0/8", "10.example.com", false),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("[::1]:4318", "[::1]", true),
            ("[::1]:1", "[::1]", false),
            ("fd00::/8", "[fd12::1]", true),
            ("fd00::/8", "[fe80::1]", false),
            ("::/0", "[fe80::1]", true),
            ("10.0.0.1", "[::ffff:10.0.0.1]", true),
        ] {
            let found = exempts(list, host, 4318);
            assert_eq!(found, exempt, "{list:?} {host}");
        }
    }
}
