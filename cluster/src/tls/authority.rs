//! A CA for tests.

use std::{fs, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::{CertificateFiles, Certificates, Security};
use crate::node_name::NodeName;

/// A CA that signs whatever it is asked to.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { certificate, issuer }
    }

    /// What the certificate of a node looks like.
    pub(crate) fn params(names: &[&str]) -> CertificateParams {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params
    }

    /// The same, of which the time has passed.
    pub(crate) fn expired(names: &[&str]) -> CertificateParams {
        let mut params = Self::params(names);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        params
    }

    /// Signs, and writes all three files into a folder.
    pub(crate) fn sign(&self, params: &CertificateParams, folder: &Path) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let files = CertificateFiles {
            ca: folder.join("ca.pem"),
            certificate: folder.join("node.pem"),
            key: folder.join("node.key"),
        };
        fs::write(&files.ca, &self.certificate).unwrap();
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    /// The files of a node, as they should be.
    pub(crate) fn issue(&self, name: &NodeName, folder: &Path) -> CertificateFiles {
        self.sign(&Self::params(&[&name.dns_name(), NodeName::DOMAIN]), folder)
    }

    /// The certificates of a node; their files are gone.
    pub(crate) fn certificates(&self, name: &NodeName) -> Certificates {
        let folder = tempfile::tempdir().unwrap();
        Certificates::read(self.issue(name, folder.path()), name).unwrap()
    }

    /// How a node protects its connections.
    pub(crate) fn security(&self, name: &NodeName) -> Security {
        Security::Certificates(Arc::new(self.certificates(name)))
    }
}
