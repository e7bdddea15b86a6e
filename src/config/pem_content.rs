//! Descriptions of files that do not contain the expected certificate or private key.
#![cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, reason = "no exporter uses TLS")
)]

use std::fmt;

use super::variables::PEM_BEGIN;

/// The object that a PEM file should contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PemKind {
    Certificate,
    PrivateKey,
}

/// The content of a file that lacks the expected object. Holds no part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    NotPem,
    Der,
    Pkcs12,
    /// PEM sections of other kinds. The text names the first section.
    Other(&'static str),
    /// The expected object, but unreadable.
    Damaged,
}

/// A file whose content cannot be used. Displays the cause and the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongContent {
    wanted: PemKind,
    content: Content,
}

impl WrongContent {
    /// Describes a file in which no readable `wanted` was found.
    pub(crate) fn new(wanted: PemKind, bytes: &[u8]) -> Self {
        let mut labels = bytes.split(|&byte| byte == b'\n').filter_map(label);
        let content = match labels.next() {
            None if is_pkcs12(bytes) => Content::Pkcs12,
            None if is_der(bytes) => Content::Der,
            None => Content::NotPem,
            Some(first) if wanted.has(first) || labels.any(|label| wanted.has(label)) => {
                Content::Damaged
            }
            Some(first) => Content::Other(name(first)),
        };
        Self { wanted, content }
    }

    /// Describes a file in which `wanted` was found and cannot be read.
    pub(crate) fn damaged(wanted: PemKind) -> Self {
        let content = Content::Damaged;
        Self { wanted, content }
    }
}

impl fmt::Display for WrongContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wanted, command, label) = match self.wanted {
            PemKind::Certificate => ("certificate", "x509", "CERTIFICATE"),
            PemKind::PrivateKey => ("private key", "pkey", "PRIVATE KEY"),
        };
        let path = format!("write the path of a PEM file with {PEM_BEGIN} {label}-----");
        match self.content {
            Content::NotPem => write!(
                f,
                "the file is not in PEM format, because no line begins with {PEM_BEGIN}; {path}"
            ),
            Content::Der => write!(
                f,
                "the file is in DER format, and PEM is needed; convert it with `openssl {command} -inform DER -in FILE -out COPY` and write the path of the copy"
            ),
            Content::Pkcs12 => f.write_str(
                "the file is a PKCS#12 store, and PEM is needed; convert it with `openssl pkcs12 -nodes -in FILE -out COPY` and write the path of the copy",
            ),
            Content::Other(name) => write!(f, "the file holds {name}, and no {wanted}; {path}"),
            Content::Damaged => write!(
                f,
                "the {wanted} in the file cannot be read, because it is cut off or damaged; write the file again"
            ),
        }
    }
}

impl PemKind {
    fn has(self, label: &[u8]) -> bool {
        match self {
            Self::Certificate => label == b"CERTIFICATE",
            Self::PrivateKey => matches!(
                label,
                b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY"
            ),
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

    fn content(bytes: &[u8]) -> Content {
        WrongContent::new(PemKind::Certificate, bytes).content
    }

    #[test]
    fn content_is_recognized_by_its_first_octets() {
        for (bytes, expected) in [
            (&b""[..], Content::NotPem),
            (b"0", Content::NotPem),
            (b"0.5 and more text", Content::NotPem),
            (b"\x30\xff\x02", Content::NotPem),
            (b"\xef\xbb\xbf-----BEGIN CERTIFICATE-----", Content::NotPem),
            (b"\x30\x82\x01\x00\x30\x82", Content::Der),
            (b"\x30\x2e\x02\x01\x00\x30\x05", Content::Der),
            (b"\x30\x82\x01\x00\x02\x01\x00", Content::Der),
            (b"\x30\x82\x01\x00\x02\x01\x03", Content::Pkcs12),
            (b"\x30\x80\x02\x01\x03", Content::Pkcs12),
        ] {
            assert_eq!(content(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn content_is_named_after_its_first_section_unless_the_expected_one_is_present() {
        for (text, expected) in [
            ("-----BEGIN CERTIFICATE-----\r\n", Content::Damaged),
            (
                "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n",
                Content::Damaged,
            ),
            (
                "Text before\n-----BEGIN PUBLIC KEY-----\r\n",
                Content::Other("a public key"),
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\n-----BEGIN PUBLIC KEY-----",
                Content::Other("a private key"),
            ),
            (
                "-----BEGIN CANARY-----",
                Content::Other("PEM of another kind"),
            ),
            ("-----BEGIN", Content::Other("PEM of another kind")),
        ] {
            assert_eq!(content(text.as_bytes()), expected, "{text:?}");
        }
    }
}
