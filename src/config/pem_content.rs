//! Descriptions of files that do not contain the expected certificate or private key.
#![cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, reason = "no exporter uses TLS")
)]

use super::problem::TlsProblem;
use super::secret::PEM_BEGIN;

/// The object that a PEM file should contain.
pub(super) struct Wanted {
    name: &'static str,
    /// The command of OpenSSL for such an object.
    command: &'static str,
    /// The labels of its PEM sections, the usual one first.
    labels: &'static [&'static str],
}

pub(super) const CERTIFICATE: Wanted = Wanted {
    name: "certificate",
    command: "x509",
    labels: &["CERTIFICATE"],
};

pub(super) const PRIVATE_KEY: Wanted = Wanted {
    name: "private key",
    command: "pkey",
    labels: &["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"],
};

impl Wanted {
    pub(super) fn damaged(&self) -> TlsProblem {
        TlsProblem::Damaged { wanted: self.name }
    }

    /// Returns the problem of a file in which no readable object of this kind was found.
    pub(super) fn problem(&self, bytes: &[u8]) -> TlsProblem {
        let (wanted, command) = (self.name, self.command);
        let label = self.labels.first().copied().unwrap_or_default();
        let has = |label: &[u8]| self.labels.iter().any(|known| known.as_bytes() == label);
        let mut labels = bytes.split(|&byte| byte == b'\n').filter_map(self::label);
        match labels.next() {
            None if is_pkcs12(bytes) => TlsProblem::Pkcs12,
            None if is_der(bytes) => TlsProblem::Der { command },
            None => TlsProblem::NotPem { label },
            Some(first) if has(first) || labels.any(has) => self.damaged(),
            Some(first) => TlsProblem::OtherContent {
                holds: name(first),
                wanted,
                label,
            },
        }
    }
}

/// Returns the label of a line that begins a PEM section.
fn label(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(PEM_BEGIN.as_bytes())?.trim_ascii();
    Some(rest.strip_suffix(b"-----").unwrap_or(rest))
}

/// Returns a readable name of a PEM label. An unknown label is not shown, because it may be any text.
fn name(label: &[u8]) -> &'static str {
    match label {
        b"CERTIFICATE" => "a certificate",
        b"TRUSTED CERTIFICATE" => "a certificate with trust settings of OpenSSL",
        b"CERTIFICATE REQUEST" | b"NEW CERTIFICATE REQUEST" => "a certificate request",
        b"X509 CRL" => "a revocation list",
        b"PKCS7" | b"CMS" => "a PKCS#7 bundle",
        b"PUBLIC KEY" | b"RSA PUBLIC KEY" => "a public key",
        b"OPENSSH PRIVATE KEY" => "a private key of OpenSSH",
        b"DSA PRIVATE KEY" => "a DSA key",
        label if label.ends_with(b"PRIVATE KEY") => "a private key",
        _ => "PEM of another kind",
    }
}

/// The tag of an ASN.1 SEQUENCE. It is also the ASCII digit 0.
const SEQUENCE: u8 = 0x30;

/// The tag and length octets of an ASN.1 INTEGER whose value has one octet.
const SMALL_INTEGER: &[u8] = &[0x02, 0x01];

/// Returns true if the content begins like a certificate or a key in DER, and unlike text.
fn is_der(bytes: &[u8]) -> bool {
    let has_long_length = matches!(bytes, [SEQUENCE, 0x80..=0x84, ..]);
    let first = sequence(bytes);
    has_long_length || first.is_some_and(|first| first.starts_with(SMALL_INTEGER))
}

/// Returns true if the content begins like a PKCS#12 store: with version 3, which no key has.
fn is_pkcs12(bytes: &[u8]) -> bool {
    let version = sequence(bytes).and_then(|first| first.strip_prefix(SMALL_INTEGER));
    version.is_some_and(|version| version.starts_with(&[3]))
}

/// Returns the content of a SEQUENCE, and the bytes after it.
fn sequence(bytes: &[u8]) -> Option<&[u8]> {
    let (&tag, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    // From 0x80 on, the lower bits are the number of octets of the length.
    let octets = usize::from(length.saturating_sub(0x80));
    rest.get(octets..).filter(|_| tag == SEQUENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOT_PEM: TlsProblem = TlsProblem::NotPem {
        label: "CERTIFICATE",
    };
    const DER: TlsProblem = TlsProblem::Der { command: "x509" };
    const DAMAGED: TlsProblem = TlsProblem::Damaged {
        wanted: "certificate",
    };

    fn other(holds: &'static str) -> TlsProblem {
        TlsProblem::OtherContent {
            holds,
            wanted: "certificate",
            label: "CERTIFICATE",
        }
    }

    fn content(bytes: &[u8]) -> TlsProblem {
        CERTIFICATE.problem(bytes)
    }

    #[test]
    fn content_is_recognized_by_its_first_octets() {
        for (bytes, expected) in [
            (&b""[..], NOT_PEM),
            (b"0", NOT_PEM),
            (b"0.5 and more text", NOT_PEM),
            (b"\x30\xff\x02", NOT_PEM),
            (b"\xef\xbb\xbf-----BEGIN CERTIFICATE-----", NOT_PEM),
            (b"\x30\x82\x01\x00\x30\x82", DER),
            (b"\x30\x2e\x02\x01\x00\x30\x05", DER),
            (b"\x30\x82\x01\x00\x02\x01\x00", DER),
            (b"\x30\x82\x01\x00\x02\x01\x03", TlsProblem::Pkcs12),
            (b"\x30\x80\x02\x01\x03", TlsProblem::Pkcs12),
        ] {
            assert_eq!(content(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn content_is_named_after_its_first_section_unless_the_expected_one_is_present() {
        for (text, expected) in [
            ("-----BEGIN CERTIFICATE-----\r\n", DAMAGED),
            (
                "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n",
                DAMAGED,
            ),
            (
                "Text before\n-----BEGIN PUBLIC KEY-----\r\n",
                other("a public key"),
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----BEGIN PUBLIC KEY-----",
                other("a private key"),
            ),
            ("-----BEGIN CANARY-----", other("PEM of another kind")),
            ("-----BEGIN", other("PEM of another kind")),
        ] {
            assert_eq!(content(text.as_bytes()), expected, "{text:?}");
        }
    }
}
