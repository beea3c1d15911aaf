//! Where certificates are, and how they are read.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};
use serde::{Deserialize, Serialize};

use super::CertificateError;

/// The files with the certificates of a node, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertificateFiles {
    /// Certificates of the CA. Several are accepted while one replaces the other.
    pub ca: PathBuf,
    /// Certificate of the node, and those between it and the CA.
    pub certificate: PathBuf,
    /// Private key of the node.
    pub key: PathBuf,
}

/// What the files hold.
pub(super) struct Contents {
    pub(super) ca: Vec<CertificateDer<'static>>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// Which state of a file was read; empty if it is not there.
pub(super) type Stamp = Option<(SystemTime, u64, u64)>;

impl CertificateFiles {
    pub(super) fn read(&self) -> Result<Contents, CertificateError> {
        Ok(Contents {
            ca: certificates(&self.ca)?,
            chain: certificates(&self.certificate)?,
            key: key(&self.key)?,
        })
    }

    /// Changes whenever a file is written or replaced.
    pub(super) fn stamps(&self) -> [Stamp; 3] {
        [&self.ca, &self.certificate, &self.key].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Read {
        path: path.to_owned(),
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let contents = read(path)?;
    let found = CertificateDer::pem_slice_iter(&contents).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unreadable(path, "certificates", &pem::Error::NoItemsFound)),
        Err(error) => Err(unreadable(path, "certificates", &error)),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| unreadable(path, "a private key", &error))
}

fn unreadable(path: &Path, expected: &'static str, error: &pem::Error) -> CertificateError {
    CertificateError::Pem {
        path: path.to_owned(),
        expected,
        reason: error.to_string(),
    }
}
