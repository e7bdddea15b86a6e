//! The readers of certificate and key files.
#![cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, unused_imports, reason = "no exporter uses TLS")
)]

use std::fmt;
use std::path::PathBuf;

use super::problem::TlsProblem;
use super::secret::{HIDDEN, PEM_BEGIN};

#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use present::Material;

#[cfg(not(any(feature = "grpc", feature = "http")))]
pub(crate) use absent::Material;

/// The paths of certificates and keys. The files are read again when a connection fails, because they may have been
/// renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) trust: Trust,
    pub(crate) identity: Option<IdentityFiles>,
}

/// The authorities that may sign the certificate of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The authorities that the platform trusts.
    #[default]
    Platform,
    /// The authorities of the platform and of this file, as in Node.js.
    PlatformAnd(PemFile),
    /// Only the authorities of this file, as in OpenTelemetry.
    Only(PemFile),
}

/// The client certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityFiles {
    pub(crate) certificate: PemFile,
    pub(crate) key: PemFile,
}

/// A file that a variable names.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PemFile {
    pub(crate) variable: &'static str,
    pub(crate) path: PathBuf,
}

/// A problem with the file of a variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file:?}: {problem}")]
pub(crate) struct FileError {
    pub(crate) file: PemFile,
    pub(crate) problem: TlsProblem,
}

/// Hides a path that contains PEM: it may be a key pasted instead of its path.
impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        let shown = if path.contains(PEM_BEGIN) {
            HIDDEN.into()
        } else {
            path
        };
        write!(f, "{}={shown:?}", self.variable)
    }
}

impl Eq for Material {}

/// Hides the content.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(any(feature = "grpc", feature = "http"))]
mod present {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::sign::CertifiedKey;

    use super::{FileError, IdentityFiles, PemFile, TlsFiles, TlsProblem, Trust};
    use crate::config::pem_content::{CERTIFICATE, PRIVATE_KEY};
    use crate::config::secret::PEM_BEGIN;
    use crate::regular_file;

    /// The content of an exporter's certificate and key files.
    #[derive(Clone, Default)]
    pub(crate) struct Material {
        pub(crate) authorities: Vec<CertificateDer<'static>>,
        /// The client's certificate, those on the way to its authority, and the private key.
        pub(crate) identity: Option<Arc<CertifiedKey>>,
    }

    impl Material {
        fn chain(&self) -> Option<&[CertificateDer<'static>]> {
            self.identity.as_deref().map(|identity| &*identity.cert)
        }
    }

    /// Compares no private keys: certificates are equal only if their public keys are.
    impl PartialEq for Material {
        fn eq(&self, other: &Self) -> bool {
            self.authorities == other.authorities && self.chain() == other.chain()
        }
    }

    impl TlsFiles {
        /// Reads all files. Additional authorities that cannot be read are passed to `ignored` and left out, as in
        /// Node.js: leaving them out trusts fewer receivers, never more.
        pub(crate) fn read(
            &self,
            ignored: &mut dyn FnMut(FileError),
        ) -> Result<Material, FileError> {
            let authorities = match &self.trust {
                Trust::Platform => Vec::new(),
                Trust::Only(file) => file.read(authorities)?,
                Trust::PlatformAnd(file) => file.read(authorities).unwrap_or_else(|error| {
                    ignored(error);
                    Vec::new()
                }),
            };
            let identity = self
                .identity
                .as_ref()
                .map(IdentityFiles::read)
                .transpose()?;
            Ok(Material {
                authorities,
                identity,
            })
        }
    }

    impl PemFile {
        fn error(&self, problem: TlsProblem) -> FileError {
            let file = self.clone();
            FileError { file, problem }
        }

        fn read<T>(&self, parse: fn(&[u8]) -> Result<T, TlsProblem>) -> Result<T, FileError> {
            let content = match self.path.to_string_lossy().contains(PEM_BEGIN) {
                true => Err(TlsProblem::Pasted),
                false => regular_file::read(&self.path)
                    .map_err(|error| TlsProblem::Unreadable(error.to_string())),
            };
            let parsed = content.and_then(|content| parse(&content));
            parsed.map_err(|problem| self.error(problem))
        }
    }

    impl IdentityFiles {
        /// Returns a certificate and the key that belongs to it, ready to sign.
        ///
        /// The certificate is sent as it is and is not parsed: `CertifiedKey::from_der` refuses X.509 version 1, which
        /// plain `openssl x509 -req` makes. The receiver decides which certificates it accepts.
        fn read(&self) -> Result<Arc<CertifiedKey>, FileError> {
            let Self { certificate, key } = self;
            let chain = certificate.read(certificates)?;
            let private_key = key.read(private_key)?;
            let private_key = ring::default_provider()
                .key_provider
                .load_private_key(private_key)
                .map_err(|_| key.error(TlsProblem::UnsupportedKey))?;
            let identity = CertifiedKey::new(chain, private_key);
            if is_consistent(&identity) {
                return Ok(Arc::new(identity));
            }
            Err(
                match any_readable(identity.cert.get(..1).unwrap_or_default()) {
                    true => key.error(TlsProblem::Mismatch {
                        certificate: certificate.variable,
                    }),
                    false => certificate.error(CERTIFICATE.damaged()),
                },
            )
        }
    }

    /// Returns true if the certificate contains the public key of the private key.
    fn is_consistent(pair: &CertifiedKey) -> bool {
        match (pair.cert.first(), pair.key.public_key()) {
            (Some(certificate), Some(key)) => certificate
                .windows(key.len())
                .any(|part| part == key.as_ref()),
            _ => false,
        }
    }

    /// Returns true if at least one certificate is a readable X.509 certificate of version 1 or 3.
    fn any_readable(certificates: &[CertificateDer<'static>]) -> bool {
        let certificates = certificates.iter().cloned();
        let (readable, _) = RootCertStore::empty().add_parsable_certificates(certificates);
        readable > 0
    }

    /// Returns the certificates of a file, at least one of which can be used. As in other TLS clients, an unreadable
    /// certificate in a large bundle does not invalidate the others.
    fn authorities(content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
        let all = certificates(content)?;
        match any_readable(&all) {
            true => Ok(all),
            false => Err(CERTIFICATE.damaged()),
        }
    }

    /// Returns the certificates of a file; an error if there are none.
    fn certificates(content: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
        let all = CertificateDer::pem_slice_iter(content).collect::<Result<Vec<_>, _>>();
        all.ok()
            .filter(|all| !all.is_empty())
            .ok_or_else(|| CERTIFICATE.problem(content))
    }

    fn private_key(content: &[u8]) -> Result<PrivateKeyDer<'static>, TlsProblem> {
        PrivateKeyDer::from_pem_slice(content).map_err(|_| {
            // Covers PKCS#8 and the traditional format of OpenSSL (`Proc-Type: 4,ENCRYPTED`).
            match content.windows(9).any(|word| word == b"ENCRYPTED") {
                true => TlsProblem::EncryptedKey,
                false => PRIVATE_KEY.problem(content),
            }
        })
    }
}

/// Stand-ins for builds without an exporter that uses TLS.
#[cfg(not(any(feature = "grpc", feature = "http")))]
mod absent {
    use super::{FileError, TlsFiles};

    #[derive(Clone, Default, PartialEq)]
    pub(crate) struct Material;

    impl TlsFiles {
        pub(crate) fn read(&self, _: &mut dyn FnMut(FileError)) -> Result<Material, FileError> {
            Ok(Material)
        }
    }
}
