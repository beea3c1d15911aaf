//! The token of the local operator: whoever can read the data directory may use the command line.
//!
//! The file holds a token that proves an admin of the home tenant and is no session: it works where no actor answers, too. It
//! is written when the server listens, with mode 0600, renewed every day and when another key signs, and removed when the
//! server stops. Rights on the file are the proof; nothing is asked over the network.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cluster::prelude::TenantId;

use crate::gateway::{Purpose, Signer};

/// Life of one token; the file is renewed long before.
const LIFE: Duration = Duration::from_hours(48);

/// Age at which a token is renewed.
const RENEWAL: Duration = Duration::from_hours(24);

/// Name of the local operator in tokens.
const USER: &str = "operator";

/// The file with the token; dropping it removes the file.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    tenant: TenantId,
    signer: Signer,
    written: Option<Written>,
}

/// What stands in the file.
#[derive(Debug)]
struct Written {
    at: Instant,
    key: String,
}

impl TokenFile {
    pub(super) fn new(path: PathBuf, tenant: TenantId, signer: Signer) -> Self {
        Self {
            path,
            tenant,
            signer,
            written: None,
        }
    }

    /// Writes a fresh token where there is none, an old one, or one of a key that signs no more; a reader sees the old one or
    /// the new one.
    pub(super) fn renew(&mut self) -> io::Result<()> {
        let key = self.signer.key_id();
        let is_good = |written: &Written| written.at.elapsed() < RENEWAL && written.key == key;
        if self.written.as_ref().is_some_and(is_good) {
            return Ok(());
        }
        let claims = Signer::claims(&self.tenant, USER, Purpose::Local, LIFE);
        write_private(&self.path, self.signer.sign(&claims).as_bytes())?;
        self.written = Some(Written {
            at: Instant::now(),
            key,
        });
        Ok(())
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // A file that is gone already is what we want; one that stays expires.
        fs::remove_file(&self.path).ok();
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let staged = path.with_extension("new");
    // A file left by a killed process may have other rights.
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    drop(file);
    fs::rename(&staged, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::gateway::SigningKeys;

    #[test]
    fn only_the_owner_can_read_the_token_and_it_goes_with_the_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("operator-token");
        let signer = Signer::new(SigningKeys::new(&[3; 32], LIFE));
        let mut file = TokenFile::new(path.clone(), TenantId::new("default").unwrap(), signer.clone());
        file.renew().unwrap();
        file.renew().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let token = fs::read_to_string(&path).unwrap();
        let claims = signer.verify(token.trim(), &[Purpose::Local]).unwrap();
        assert_eq!((claims.sub.as_str(), claims.tid.as_str()), (USER, "default"));
        drop(file);
        assert!(!path.exists());
    }
}
