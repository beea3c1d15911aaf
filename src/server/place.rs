//! The place of the node among others, as the runtime takes it.

use std::sync::Arc;

use cluster::{CertificateError, Certificates, NetworkConfig, NodeAddress, Security};

use crate::config::{Config, NodePlace, Protection};

/// Reads what the section `[cluster]` names; none if the node is a cluster of its own.
///
/// # Errors
///
/// Fails when a certificate cannot be used.
pub(crate) fn network(config: &Config) -> Result<Option<NetworkConfig>, CertificateError> {
    let place = config
        .cluster
        .place()
        .expect("a configuration is checked when it is loaded");
    let Some(place) = place else { return Ok(None) };
    let NodePlace {
        name,
        role,
        zone,
        raft,
        requests,
        seeds,
        protection,
    } = place;
    let security = match protection {
        Protection::Certificates(files) => Security::Certificates(Arc::new(Certificates::read(files, &name)?)),
        Protection::Plaintext(plaintext) => Security::Plaintext(plaintext),
    };
    let http = config.server.bind;
    // An address that stands for all of the machine tells operators nothing.
    let http = Some(http.to_string()).filter(|_| !http.ip().is_unspecified());
    Ok(Some(NetworkConfig {
        name,
        role,
        zone,
        raft: raft.into(),
        requests: requests.into(),
        http: http.and_then(|http| NodeAddress::new(&http).ok()),
        seeds,
        security,
    }))
}
