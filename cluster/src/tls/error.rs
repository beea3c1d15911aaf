//! What can be wrong with certificates, and with a connection.

use std::{io, net::IpAddr, path::PathBuf};

use crate::node_name::NodeName;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} does not hold {expected} in PEM form: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What was found instead.
        reason: String,
    },
    /// What a file holds cannot be used.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The certificate is not one that others would accept from this node.
    #[error("the certificate in {} is not good for node {node} below the CA in {}: {reason}", path.display(), ca.display())]
    Refused {
        /// The file with the certificate.
        path: PathBuf,
        /// The file with the CA.
        ca: PathBuf,
        /// This node.
        node: NodeName,
        /// Why.
        reason: String,
    },
    /// The certificate does not name exactly one node.
    #[error("the certificate in {} must name one node below {}, and names {}", path.display(), NodeName::DOMAIN, listed(names))]
    Names {
        /// The file.
        path: PathBuf,
        /// Whom it names.
        names: Vec<String>,
    },
}

/// Why a connection is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    #[error("failed to connect: {0}")]
    Connect(#[source] io::Error),
    #[error(
        "without certificates nodes talk only between loopback addresses, not between {local} and {remote}: set up certificates"
    )]
    Plaintext { local: IpAddr, remote: IpAddr },
    #[error("without certificates a node listens only on loopback addresses, not on {0}: set up certificates")]
    PlaintextListener(IpAddr),
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] io::Error),
    #[error("the certificate must name one node below {}, and names {}", NodeName::DOMAIN, listed(.0))]
    Names(Vec<String>),
    #[error("the certificate is that of node {found}, not of {expected}")]
    OtherNode { expected: NodeName, found: NodeName },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
