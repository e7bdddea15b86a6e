//! Texts of TLS errors, with the fix.

use std::error::Error;

use rustls::{CertificateError, Error as TlsError};

use super::error::{chain, flatten};
use crate::export::export_result::{ErrorKind, ExportError, TlsFailure};
use crate::export::server_verifier::{is_marked_as_authority, is_of_old_version, webpki_error};
use crate::export::tls::Tls;

/// Explains a failure of TLS; returns `None` for other failures. `quote` makes a text of the receiver safe to display.
pub(super) fn explain(
    name: &str,
    tls: &Tls,
    error: &(dyn Error + 'static),
    quote: impl Fn(&str) -> String,
) -> Option<ExportError> {
    let cause = chain(error).find_map(|cause| cause.downcast_ref::<TlsError>());
    let (failure, text) = match cause {
        Some(TlsError::InvalidCertificate(problem)) => certificate(name, tls, problem, quote),
        Some(TlsError::InvalidMessage(_)) => (
            TlsFailure::NotTls,
            format!("{name} does not speak TLS: is it an http:// endpoint?"),
        ),
        Some(TlsError::AlertReceived(received)) => alert(name, tls, &format!("{received:?}")),
        Some(TlsError::PeerIncompatible(_)) => incompatible(name),
        Some(other) => (
            TlsFailure::Connection,
            format!("the TLS connection to {name} failed: {other}"),
        ),
        None => without_cause(name, tls, &flatten(error))?,
    };
    Some(ExportError::new(ErrorKind::Tls(failure), text))
}

/// Explains why the receiver's certificate was rejected.
fn certificate(
    name: &str,
    tls: &Tls,
    problem: &CertificateError,
    quote: impl Fn(&str) -> String,
) -> (TlsFailure, String) {
    let (failure, what) = match problem {
        CertificateError::UnknownIssuer => (
            TlsFailure::UnknownAuthority,
            match tls.trust_variable() {
                None => "is not signed by a known authority: set OTEL_EXPORTER_OTLP_CERTIFICATE"
                    .to_owned(),
                Some(variable) => format!(
                    "is not signed by a known authority: the file of {variable} does not hold its \
                     authority"
                ),
            },
        ),
        CertificateError::NotValidForName => {
            (TlsFailure::OtherNames, "is for other names".to_owned())
        }
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let names = quote(&names.join(", "));
            (
                TlsFailure::OtherNames,
                format!("is for other names: {names}"),
            )
        }
        // `openssl req -x509` sets the mark by default.
        marked if is_marked_as_authority(marked) => (
            TlsFailure::MarkedAsAuthority,
            match tls.trust_variable() {
                None => {
                    "is marked as an authority's (CA:TRUE): set OTEL_EXPORTER_OTLP_CERTIFICATE \
                         to a file that holds it, or use one without the mark"
                        .to_owned()
                }
                Some(variable) => format!(
                    "is marked as an authority's (CA:TRUE) and is not in the file of {variable}: \
                     add it there, or use one without the mark"
                ),
            },
        ),
        old if is_of_old_version(old) => (
            TlsFailure::OldVersion,
            "has X.509 version 1 (or that of its issuer), which holds no names to verify: use \
             version 3 with a subjectAltName"
                .to_owned(),
        ),
        other => (TlsFailure::Certificate, rejection(other)),
    };
    (failure, format!("the certificate of {name} {what}"))
}

/// Describes a rejected certificate for which there is only one fix: another certificate.
fn rejection(problem: &CertificateError) -> String {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: is the clock right?".to_owned()
        }
        CertificateError::NotValidForNameContext { .. } => {
            "is for no name at all: it needs a subjectAltName".to_owned()
        }
        CertificateError::Revoked => "has been revoked".to_owned(),
        CertificateError::BadSignature => {
            "is not accepted: a signature does not match its key".to_owned()
        }
        CertificateError::BadEncoding => {
            "is not accepted: it cannot be read as a certificate of X.509".to_owned()
        }
        other => match webpki_error(other) {
            Some(name) => format!("is not accepted ({name})"),
            None => format!("is not accepted: {other}"),
        },
    }
}

/// Returns `example.com` for `DnsName("example.com")`, and `127.0.0.1` for `IpAddress(127.0.0.1)`.
fn bare(name: &str) -> &str {
    name.split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .map_or(name, |inner| inner.trim_matches('"'))
}

/// Explains the alert with which the receiver ended the connection.
fn alert(name: &str, tls: &Tls, alert: &str) -> (TlsFailure, String) {
    let text = match alert {
        "CertificateRequired" => return wants_certificate(name),
        "NoApplicationProtocol" if tls.is_http_2() => {
            format!("{name} does not speak HTTP/2 over TLS")
        }
        "NoApplicationProtocol" => {
            format!("{name} does not speak HTTP/1.1 over TLS: is it an OTLP/gRPC endpoint?")
        }
        "UnrecognisedName" => format!("{name} does not know the host's name"),
        _ if tls.is_certificate_requested() => {
            return client_certificate(name, tls, |variable| {
                format!("{name} does not accept the client certificate of {variable} ({alert})")
            });
        }
        "HandshakeFailure" | "ProtocolVersion" | "InsufficientSecurity" => {
            return incompatible(name);
        }
        _ => format!("{name} broke the TLS connection off ({alert})"),
    };
    (TlsFailure::Connection, text)
}

/// Explains a failure without a rustls error in its chain. HTTP/2 passes on texts, not causes, and a receiver may close
/// the connection before its alert arrives.
fn without_cause(name: &str, tls: &Tls, detail: &str) -> Option<(TlsFailure, String)> {
    if let Some((_, received)) = detail.split_once("received fatal alert: ") {
        let received = received.split(|c: char| !c.is_ascii_alphanumeric()).next();
        return Some(alert(name, tls, received.unwrap_or_default()));
    }
    if detail.contains("tls handshake eof") {
        let text = format!(
            "{name} closed the connection during the TLS handshake: is it an http:// endpoint?"
        );
        return Some((TlsFailure::NotTls, text));
    }
    tls.is_certificate_requested().then(|| {
        client_certificate(name, tls, |variable| {
            format!(
                "{name} closed the connection: does it accept the client certificate of {variable}?"
            )
        })
    })
}

/// Explains a failure after the receiver asked for a client certificate. `rejected` describes the rejection of the
/// certificate that a variable names.
fn client_certificate(
    name: &str,
    tls: &Tls,
    rejected: impl FnOnce(&str) -> String,
) -> (TlsFailure, String) {
    match tls.identity_variable() {
        None => wants_certificate(name),
        Some(variable) => (TlsFailure::ClientCertificate, rejected(variable)),
    }
}

fn wants_certificate(name: &str) -> (TlsFailure, String) {
    let text = format!(
        "{name} wants a client certificate: set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY"
    );
    (TlsFailure::ClientCertificate, text)
}

fn incompatible(name: &str) -> (TlsFailure, String) {
    let text = format!(
        "{name} and this client have no version or cipher of TLS in common (1.2 and 1.3 are offered)"
    );
    (TlsFailure::Connection, text)
}
