//! `foundation cluster certs`: a CA for a cluster, and a certificate for each node.
//!
//! The CA is made the first time. Each node gets a folder with the three files that belong on its machine. Nothing is
//! ever overwritten, and what was made is read back as a node would read it before anybody is told to copy it.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use clap::Args;
use cluster::{CertificateError, CertificateFiles, Certificates, NodeName};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use serde_json::json;

use crate::cli::output::Output;

/// The name of every CA made here: whoever has its key need not read its certificate to sign.
const AUTHORITY: &str = "foundation cluster CA";

/// Life of a CA.
const AUTHORITY_YEARS: i16 = 10;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Folder of the CA; it is made if there is none.
    #[arg(long, value_name = "DIR")]
    ca: PathBuf,
    /// Name of a node to make a certificate for; may be repeated.
    #[arg(long = "node", value_name = "NAME")]
    nodes: Vec<NodeName>,
    /// Life of the certificates of nodes in days.
    #[arg(long, default_value_t = 397, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

/// Why certificates were not made.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// Something is where a certificate was to be.
    #[error("{} exists already and is not overwritten: move it away first", .0.display())]
    Exists(PathBuf),
    /// The CA is not whole.
    #[error("{} is missing, and without it {} is of no use", missing.display(), present.display())]
    Half {
        /// The file that is not there.
        missing: PathBuf,
        /// The file that is there.
        present: PathBuf,
    },
    /// A node is named twice.
    #[error("node {0} is named twice")]
    Twice(NodeName),
    /// A file could not be read or written.
    #[error("failed to use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key of the CA cannot sign.
    #[error("failed to sign with {}: {source}", path.display())]
    Sign {
        /// The file of the key.
        path: PathBuf,
        /// Why.
        source: rcgen::Error,
    },
    /// What was made would not be accepted.
    #[error(transparent)]
    Unusable(#[from] CertificateError),
}

/// Where a CA is.
struct Authority {
    certificate: PathBuf,
    key: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), CertsError> {
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (folder, nodes) = (&arguments.ca, &arguments.nodes);
    let is_new = make(folder, nodes, today, arguments.days)?;
    let folders = nodes.iter().map(|node| folder.join(node.as_str())).collect::<Vec<_>>();
    let result = json!({
        "ca": folder.join("ca.pem"),
        "is-new": is_new,
        "nodes": nodes.iter().zip(&folders).map(|(node, folder)| json!({ "name": node, "folder": folder })).collect::<Vec<_>>(),
    });
    output.result(&result, || {
        let mut lines = Vec::new();
        if is_new {
            lines.push(format!(
                "made a CA in {}, good for {AUTHORITY_YEARS} years",
                folder.display()
            ));
        }
        for (node, folder) in nodes.iter().zip(&folders) {
            lines.push(format!(
                "{}: copy ca.pem, node.pem and node.key to the machine of {node}, readable only by the server",
                folder.display()
            ));
        }
        lines.push(format!(
            "keep {} to yourself: whoever has it can be any node",
            folder.join("ca.key").display()
        ));
        lines.join("\n")
    });
    Ok(())
}

/// Makes what is missing of the CA, and all nodes. Returns whether the CA is new.
fn make(folder: &Path, nodes: &[NodeName], today: Date, days: u16) -> Result<bool, CertsError> {
    let authority = Authority {
        certificate: folder.join("ca.pem"),
        key: folder.join("ca.key"),
    };
    // Before anything is made.
    for (index, node) in nodes.iter().enumerate() {
        if nodes[..index].contains(node) {
            return Err(CertsError::Twice(node.clone()));
        }
        let folder = folder.join(node.as_str());
        if folder.exists() {
            return Err(CertsError::Exists(folder));
        }
    }
    let is_new = match (authority.certificate.exists(), authority.key.exists()) {
        (true, true) => false,
        (false, false) => {
            authority.make(folder, today)?;
            true
        }
        (true, false) => {
            return Err(CertsError::Half {
                missing: authority.key,
                present: authority.certificate,
            });
        }
        (false, true) => {
            return Err(CertsError::Half {
                missing: authority.certificate,
                present: authority.key,
            });
        }
    };
    for node in nodes {
        let folder = folder.join(node.as_str());
        let made = make_folder(&folder).and_then(|()| authority.issue(node, &folder, today, days));
        if let Err(error) = made {
            // Half a folder would be in the way of the next attempt.
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
    }
    Ok(is_new)
}

impl Authority {
    fn make(&self, folder: &Path, today: Date) -> Result<(), CertsError> {
        if !folder.exists() {
            make_folder(folder)?;
        }
        let sign = |source| CertsError::Sign {
            path: self.key.clone(),
            source,
        };
        let key = KeyPair::generate().map_err(sign)?;
        let params = Self::params(today);
        let certificate = params.self_signed(&key).map_err(sign)?;
        write(&self.key, 0o600, &key.serialize_pem())?;
        write(&self.certificate, 0o644, &certificate.pem())
    }

    /// What it is good for: to sign certificates of nodes, and nothing else.
    fn params(today: Date) -> CertificateParams {
        let mut params = named(AUTHORITY, Vec::new());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(NodeName::DOMAIN.to_owned())],
            excluded_subtrees: Vec::new(),
        });
        live(&mut params, today, today.saturating_add(AUTHORITY_YEARS.years()));
        params
    }

    fn issue(&self, node: &NodeName, folder: &Path, today: Date, days: u16) -> Result<(), CertsError> {
        let sign = |source| CertsError::Sign {
            path: self.key.clone(),
            source,
        };
        let issuer = KeyPair::from_pem(&read(&self.key)?).map_err(sign)?;
        let issuer = Issuer::new(Self::params(today), issuer);
        let names = [node.dns_name(), NodeName::DOMAIN.to_owned()];
        let names = names
            .into_iter()
            .map(|name| name.try_into().map(rcgen::SanType::DnsName));
        let mut params = named(node.as_str(), names.collect::<Result<_, _>>().map_err(sign)?);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        live(&mut params, today, today.saturating_add(i64::from(days).days()));

        let key = KeyPair::generate().map_err(sign)?;
        let certificate = params.signed_by(&key, &issuer).map_err(sign)?;
        let files = CertificateFiles {
            ca: folder.join("ca.pem"),
            certificate: folder.join("node.pem"),
            key: folder.join("node.key"),
        };
        write(&files.ca, 0o644, &read(&self.certificate)?)?;
        write(&files.key, 0o600, &key.serialize_pem())?;
        write(&files.certificate, 0o644, &certificate.pem())?;
        Certificates::read(files, node)?;
        Ok(())
    }
}

fn named(name: &str, subject_alt_names: Vec<rcgen::SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = subject_alt_names;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// From yesterday, because clocks differ.
fn live(params: &mut CertificateParams, today: Date, until: Date) {
    let midnight = |date: Date| {
        let part = |part: i8| u8::try_from(part).expect("months and days are positive");
        date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    params.not_before = midnight(today.saturating_sub(1.day()));
    params.not_after = midnight(until);
}

fn make_folder(path: &Path) -> Result<(), CertsError> {
    let made = fs::DirBuilder::new().mode(0o700).create(path);
    made.map_err(|source| refused(path, source))
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), CertsError> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
    .map_err(|source| refused(path, source))
}

fn read(path: &Path) -> Result<String, CertsError> {
    fs::read_to_string(path).map_err(|source| refused(path, source))
}

fn refused(path: &Path, source: io::Error) -> CertsError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::AlreadyExists => CertsError::Exists(path),
        _ => CertsError::File { path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::tempdir;

    use super::*;

    fn today() -> Date {
        jiff::Timestamp::now().to_zoned(TimeZone::UTC).date()
    }

    fn names(names: &[&str]) -> Vec<NodeName> {
        names.iter().map(|name| NodeName::new(*name).unwrap()).collect()
    }

    fn files(folder: &Path) -> CertificateFiles {
        CertificateFiles {
            ca: folder.join("ca.pem"),
            certificate: folder.join("node.pem"),
            key: folder.join("node.key"),
        }
    }

    #[test]
    fn one_ca_serves_all_nodes_now_and_later() {
        let folder = tempdir().unwrap();
        let ca = folder.path().join("ca");
        let nodes = names(&["a", "b", "c"]);
        assert!(make(&ca, &nodes[..2], today(), 397).unwrap());
        assert!(!make(&ca, &nodes[2..], today(), 397).unwrap());
        for node in &nodes {
            Certificates::read(files(&ca.join(node.as_str())), node).unwrap();
            // It is nobody else's.
            let other = &names(&["other"])[0];
            assert!(Certificates::read(files(&ca.join(node.as_str())), other).is_err());
        }
        for key in ["ca.key", "a/node.key", "b/node.key", "c/node.key"] {
            let mode = fs::metadata(ca.join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
        for private in ["", "a"] {
            let mode = fs::metadata(ca.join(private)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{private}");
        }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_made_beside_it() {
        let folder = tempdir().unwrap();
        make(folder.path(), &names(&["a"]), today(), 397).unwrap();
        let before = fs::read(folder.path().join("a/node.pem")).unwrap();
        let refused = make(folder.path(), &names(&["b", "a"]), today(), 397).unwrap_err();
        assert!(matches!(refused, CertsError::Exists(_)), "{refused}");
        assert_eq!(fs::read(folder.path().join("a/node.pem")).unwrap(), before);
        assert!(!folder.path().join("b").exists());
        let refused = make(folder.path(), &names(&["c", "c"]), today(), 397).unwrap_err();
        assert!(matches!(refused, CertsError::Twice(_)), "{refused}");
    }

    #[test]
    fn half_a_ca_is_named_and_left_alone() {
        for (missing, present) in [("ca.pem", "ca.key"), ("ca.key", "ca.pem")] {
            let folder = tempdir().unwrap();
            make(folder.path(), &[], today(), 397).unwrap();
            fs::remove_file(folder.path().join(missing)).unwrap();
            let refused = make(folder.path(), &names(&["a"]), today(), 397)
                .unwrap_err()
                .to_string();
            let start = format!("{} is missing", folder.path().join(missing).display());
            assert!(refused.starts_with(&start) && refused.contains(present), "{refused}");
            assert!(!folder.path().join(missing).exists() && !folder.path().join("a").exists());
        }
    }

    #[test]
    fn what_no_node_would_accept_is_taken_back() {
        let folder = tempdir().unwrap();
        make(folder.path(), &[], today(), 397).unwrap();
        let long_ago = jiff::civil::date(2001, 1, 1);
        let refused = make(folder.path(), &names(&["a"]), long_ago, 397)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("expired"), "{refused}");
        assert!(!folder.path().join("a").exists());
    }

    #[test]
    fn the_ca_is_good_for_nodes_only() {
        let folder = tempdir().unwrap();
        make(folder.path(), &[], today(), 397).unwrap();
        let key = KeyPair::from_pem(&read(&folder.path().join("ca.key")).unwrap()).unwrap();
        let issuer = Issuer::new(Authority::params(today()), key);
        let node = &names(&["a"])[0];
        let names = ["example.org".to_owned(), node.dns_name(), NodeName::DOMAIN.to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let own = KeyPair::generate().unwrap();
        fs::write(folder.path().join("node.key"), own.serialize_pem()).unwrap();
        fs::write(
            folder.path().join("node.pem"),
            params.signed_by(&own, &issuer).unwrap().pem(),
        )
        .unwrap();
        let refused = Certificates::read(files(folder.path()), node).unwrap_err().to_string();
        assert!(refused.contains("NameConstraint"), "{refused}");
    }
}
