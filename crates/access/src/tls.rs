//! The files of a TLS client.

use std::path::{Path, PathBuf};

use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use serde::Deserialize;

use crate::file::{self, FileError};

const CA: &str = "tls.ca_file";
const CERTIFICATE: &str = "tls.certificate_file";
const KEY: &str = "tls.key_file";

/// The files of a TLS client, all in PEM. They are read again for each connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsFiles {
    /// The authorities that are trusted to sign the server's certificate. Required for TLS.
    pub ca_file: Option<PathBuf>,
    /// The certificate of this client, with its chain, for a server that demands one.
    pub certificate_file: Option<PathBuf>,
    /// The private key of that certificate.
    pub key_file: Option<PathBuf>,
}

/// The validated content of the files, in PEM.
#[derive(Clone)]
pub struct TlsMaterial {
    /// The trusted authorities: at least one.
    pub authorities: Vec<u8>,
    /// The identity of this client.
    pub identity: Option<ClientIdentity>,
}

/// A client certificate and its key, in PEM; they belong together.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The certificate and its chain.
    pub certificate: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

impl TlsFiles {
    /// Whether no file is named: no TLS is meant.
    pub const fn is_empty(&self) -> bool {
        self.ca_file.is_none() && self.certificate_file.is_none() && self.key_file.is_none()
    }

    /// Reads and validates the files.
    ///
    /// # Errors
    /// A file is missing or unusable; certificate and key do not belong together.
    pub fn read(&self) -> Result<TlsMaterial, FileError> {
        let Some(path) = &self.ca_file else {
            return Err(FileError::Unfit { key: CA, expected: "is required for TLS" });
        };
        let authorities = file::read(CA, path)?;
        check_authorities(path, &authorities)?;
        let identity = match (&self.certificate_file, &self.key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(read_identity(certificate, key)?),
            (Some(_), None) => {
                return Err(FileError::Unfit { key: KEY, expected: "is required with tls.certificate_file" });
            }
            (None, Some(_)) => {
                return Err(FileError::Unfit { key: CERTIFICATE, expected: "is required with tls.key_file" });
            }
        };
        Ok(TlsMaterial { authorities, identity })
    }
}

fn check_authorities(path: &Path, pem: &[u8]) -> Result<(), FileError> {
    let unusable = || FileError::unusable(CA, path, "certificates of authorities in PEM");
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate.map(|certificate| store.add(certificate));
        if !matches!(added, Ok(Ok(()))) {
            return Err(unusable());
        }
    }
    if store.is_empty() { Err(unusable()) } else { Ok(()) }
}

fn read_identity(certificate_path: &Path, key_path: &Path) -> Result<ClientIdentity, FileError> {
    let certificate = file::read(CERTIFICATE, certificate_path)?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&certificate).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(FileError::unusable(CERTIFICATE, certificate_path, "a certificate in PEM"));
    }
    let key = file::read(KEY, key_path)?;
    // The cause is omitted: it could quote the key.
    let parsed = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_cause| FileError::unusable(KEY, key_path, "a private key in PEM"))?;
    CertifiedKey::from_der(chain, parsed, &aws_lc_rs::default_provider()).map_err(|wrong| {
        FileError::unusable(KEY, key_path, format!("the key of tls.certificate_file ({wrong})"))
    })?;
    Ok(ClientIdentity { certificate, key })
}

/// Makes the cryptography of this crate that of the process, for clients that take the process's. Several calls do no
/// harm.
pub fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been faster.
        let _installed = aws_lc_rs::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests;
