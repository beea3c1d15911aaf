//! TLS of the HTTP server: a certificate and its key in two files, which are read again when they change.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::{Mutex, RwLock};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::config::TlsFiles;

/// Pause between two looks at the files.
pub(super) const RENEWAL: Duration = Duration::from_secs(10);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} does not hold {expected} in PEM form", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// The two do not go together, or are of a kind that is not supported.
    #[error("the certificate in {} cannot be used with the key in {}: {reason}", certificate.display(), key.display())]
    Unusable {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Which state of a file was read; empty if it is not there.
type Stamp = Option<(SystemTime, u64, u64)>;

/// The certificate that the server shows. As long as what its files hold cannot be used, the last good one stays.
pub(super) struct ServerCertificate {
    files: TlsFiles,
    current: RwLock<Arc<CertifiedKey>>,
    stamps: Mutex<[Stamp; 2]>,
}

impl ServerCertificate {
    /// Reads the certificate.
    ///
    /// # Errors
    ///
    /// Fails when a file cannot be read, holds something else, or the key is that of another certificate.
    pub(super) fn read(files: TlsFiles) -> Result<Self, TlsError> {
        let stamps = stamps(&files);
        let current = load(&files)?;
        Ok(Self {
            files,
            current: RwLock::new(Arc::new(current)),
            stamps: Mutex::new(stamps),
        })
    }

    /// What rustls is to do with connections: TLS 1.2 and 1.3, no certificates of clients.
    pub(super) fn server_config(self: &Arc<Self>) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self))
    }

    /// Looks whether the files have changed; new connections get what they hold.
    pub(super) fn renew(&self) {
        // Before they are read: what is written meanwhile is found the next time.
        let found = stamps(&self.files);
        let mut stamps = self.stamps.lock();
        if *stamps == found {
            return;
        }
        *stamps = found;
        match load(&self.files) {
            Ok(loaded) => {
                *self.current.write() = Arc::new(loaded);
                tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is in use");
            }
            Err(error) => tracing::warn!(%error, "the last certificate stays in use"),
        }
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    [&files.certificate, &files.key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    })
}

fn load(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let TlsFiles { certificate, key } = files;
    let pem = |path: &Path, expected| TlsError::Pem {
        path: path.to_owned(),
        expected,
    };
    let chain = CertificateDer::pem_slice_iter(&contents(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| pem(certificate, "a certificate"))?;
    // The reason is left out: a parser that quotes what it read would write a part of the key into the log.
    let private = PrivateKeyDer::from_pem_slice(&contents(key)?).map_err(|_| pem(key, "a private key"))?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| TlsError::Unusable {
        certificate: certificate.clone(),
        key: key.clone(),
        reason: error.to_string(),
    })
}

fn contents(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConnection,
        pki_types::{CertificateDer, ServerName},
    };
    use tempfile::TempDir;

    use super::*;

    fn made() -> Made<rcgen::KeyPair> {
        generate_simple_self_signed(["plans.example".to_owned()]).unwrap()
    }

    fn write(directory: &TempDir, certificate: &str, key: &str) -> TlsFiles {
        let files = TlsFiles {
            certificate: directory.path().join("tls.pem"),
            key: directory.path().join("tls.key"),
        };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    /// The certificate that a client is shown which trusts only `trusted`.
    fn shown(
        server: &ServerConfig,
        trusted: &CertificateDer<'static>,
    ) -> Result<CertificateDer<'static>, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("plans.example").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server.clone())).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut &wire[..]).unwrap();
            server.process_new_packets()?;
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut &wire[..]).unwrap();
            client.process_new_packets()?;
        }
        Ok(client.peer_certificates().unwrap()[0].clone())
    }

    #[test]
    fn a_changed_certificate_is_shown_to_new_connections_and_a_bad_one_is_not() {
        let directory = TempDir::new().unwrap();
        let (first, second) = (made(), made());
        let files = write(&directory, &first.cert.pem(), &first.signing_key.serialize_pem());
        let certificate = Arc::new(ServerCertificate::read(files).unwrap());
        let config = certificate.server_config();
        assert_eq!(shown(&config, first.cert.der()).as_ref(), Ok(first.cert.der()));

        // The files of a pair are never written at once.
        write(&directory, &second.cert.pem(), &first.signing_key.serialize_pem());
        certificate.renew();
        assert_eq!(shown(&config, first.cert.der()).as_ref(), Ok(first.cert.der()));
        write(&directory, &second.cert.pem(), &second.signing_key.serialize_pem());
        certificate.renew();
        assert_eq!(shown(&config, second.cert.der()).as_ref(), Ok(second.cert.der()));
        assert!(shown(&config, first.cert.der()).is_err());
        fs::remove_file(directory.path().join("tls.key")).unwrap();
        certificate.renew();
        assert_eq!(shown(&config, second.cert.der()).as_ref(), Ok(second.cert.der()));
    }

    #[test]
    fn what_cannot_be_used_is_named_and_the_key_is_not_told() {
        let directory = TempDir::new().unwrap();
        let (one, other) = (made(), made());
        let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let refused = |certificate: &str, key: &str| {
            let read = ServerCertificate::read(write(&directory, certificate, key));
            read.unwrap_err().to_string()
        };
        assert!(refused("", &key).contains("tls.pem does not hold a certificate"));
        assert!(refused(&certificate, "").contains("tls.key does not hold a private key"));
        assert!(refused(&certificate, &other.signing_key.serialize_pem()).contains("cannot be used with the key"));
        let broken = key.replace("-----END", "!-----END");
        let told = refused(&certificate, &broken);
        assert!(key.lines().all(|line| !told.contains(line)), "{told}");
    }
}
