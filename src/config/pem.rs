//! The readers of certificate and key files.
#![cfg_attr(
    not(any(feature = "grpc", feature = "http")),
    allow(dead_code, unused_imports, reason = "no exporter uses TLS")
)]

use std::fmt;
use std::path::PathBuf;

use super::problem::TlsProblem;
use super::regular_file::{self, FileProblem};
use super::secret::{HIDDEN, PEM_BEGIN};

#[cfg(any(feature = "grpc", feature = "http"))]
pub(crate) use present::Material;

#[cfg(not(any(feature = "grpc", feature = "http")))]
pub(crate) use absent::Material;

/// The paths of certificates and keys. The files are read again when a connection fails, because they may have been
/// renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) trust: Trust,
    pub(crate) identity: Option<IdentityFiles>,
}

/// The authorities that may sign the certificate of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The authorities that the platform trusts.
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

impl PemFile {
    pub(super) fn error(&self, problem: TlsProblem) -> FileError {
        FileError {
            file: self.clone(),
            problem,
        }
    }
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

/// Returns the bytes of a file.
fn content(file: &PemFile) -> Result<Vec<u8>, TlsProblem> {
    if file.path.to_string_lossy().contains(PEM_BEGIN) {
        return Err(TlsProblem::Pasted);
    }
    regular_file::read(&file.path).map_err(|problem| match problem {
        FileProblem::Unreadable(error) => TlsProblem::Unreadable(error.to_string()),
        FileProblem::NotRegular | FileProblem::TooLarge => TlsProblem::NoFile,
    })
}

/// Hides the content.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
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

    use super::{FileError, IdentityFiles, PemFile, TlsFiles, TlsProblem, Trust, content};
    use crate::config::pem_content::{CERTIFICATE, PRIVATE_KEY};

    /// The content of an exporter's certificate and key files.
    #[derive(Clone, Default, PartialEq, Eq)]
    pub(crate) struct Material {
        pub(crate) authorities: Vec<CertificateDer<'static>>,
        pub(crate) identity: Option<KeyPair>,
    }

    /// A certificate chain, from the client's certificate towards its authority, and the private key. Without `Debug`,
    /// because of the key.
    #[derive(Clone, PartialEq, Eq)]
    pub(crate) struct KeyPair {
        chain: Vec<CertificateDer<'static>>,
        key: Arc<PrivateKeyDer<'static>>,
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
                Trust::Only(file) => authorities(file)?,
                Trust::PlatformAnd(file) => authorities(file).unwrap_or_else(|error| {
                    ignored(error);
                    Vec::new()
                }),
            };
            let identity = self.identity.as_ref().map(key_pair).transpose()?;
            Ok(Material {
                authorities,
                identity,
            })
        }
    }

    impl KeyPair {
        /// Returns the certificate with its key, ready to sign.
        ///
        /// The certificate is sent as it is and is not parsed: `CertifiedKey::from_der` refuses X.509 version 1, which
        /// plain `openssl x509 -req` makes. The receiver decides which certificates it accepts.
        pub(crate) fn certified_key(&self) -> Result<CertifiedKey, rustls::Error> {
            let provider = ring::default_provider();
            let key = provider
                .key_provider
                .load_private_key(self.key.clone_key())?;
            Ok(CertifiedKey::new(self.chain.clone(), key))
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

    /// Returns the certificates of a file, at least one of which can be used.
    fn authorities(file: &PemFile) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let read = || {
            let all = certificates(&content(file)?)?;
            // As in other TLS clients, an unreadable certificate in a large bundle does not invalidate the others.
            if !any_readable(&all) {
                return Err(damaged_certificate());
            }
            Ok(all)
        };
        read().map_err(|problem| file.error(problem))
    }

    /// Returns a certificate and the key that belongs to it.
    fn key_pair(files: &IdentityFiles) -> Result<KeyPair, FileError> {
        let IdentityFiles { certificate, key } = files;
        let chain = content(certificate)
            .and_then(|content| certificates(&content))
            .map_err(|problem| certificate.error(problem))?;
        let private_key = content(key)
            .and_then(|content| private_key(&content))
            .map_err(|problem| key.error(problem))?;
        let pair = KeyPair {
            chain,
            key: Arc::new(private_key),
        };
        match pair.certified_key() {
            Err(_) => Err(key.error(TlsProblem::UnsupportedKey)),
            Ok(certified) if is_consistent(&certified) => Ok(pair),
            Ok(_) if any_readable(pair.chain.get(..1).unwrap_or_default()) => {
                Err(key.error(TlsProblem::Mismatch {
                    certificate: certificate.variable,
                }))
            }
            Ok(_) => Err(certificate.error(damaged_certificate())),
        }
    }

    /// Returns true if at least one certificate is a readable X.509 certificate of version 1 or 3.
    fn any_readable(certificates: &[CertificateDer<'static>]) -> bool {
        let certificates = certificates.iter().cloned();
        let (readable, _) = RootCertStore::empty().add_parsable_certificates(certificates);
        readable > 0
    }

    fn damaged_certificate() -> TlsProblem {
        let wanted = CERTIFICATE.name;
        TlsProblem::Damaged { wanted }
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
            if content.windows(9).any(|word| word == b"ENCRYPTED") {
                TlsProblem::EncryptedKey
            } else {
                PRIVATE_KEY.problem(content)
            }
        })
    }
}

/// Stand-ins for builds without an exporter that uses TLS.
#[cfg(not(any(feature = "grpc", feature = "http")))]
mod absent {
    use super::{FileError, TlsFiles};

    #[derive(Clone, PartialEq, Eq)]
    pub(crate) struct Material;

    impl TlsFiles {
        pub(crate) fn read(&self, _: &mut dyn FnMut(FileError)) -> Result<Material, FileError> {
            Ok(Material)
        }
    }
}
