//! What a cluster gets once: its signing keys, and a way in for its first admin.

use actors::role::HOME_TENANT;
use cluster::prelude::{ActorError, Cluster, TenantId};

use crate::{
    gateway::{FIRST_USER, Gateway, SIGNED_IN, sign_in_link},
    planes::observability::ClusterKey,
};

/// Setting that holds the key of all signatures of audit chains.
const AUDIT_KEY: &str = "audit-key";

/// Reads the key that signs audit chains, or makes it, and hands it to the actors.
pub(super) async fn audit_key(cluster: &Cluster, key: &ClusterKey) -> Result<(), ActorError> {
    let fresh: [u8; 32] = rand::random();
    let seed = cluster.settings().put_if_absent(AUDIT_KEY, fresh.to_vec()).await?;
    key.set(&seed)
        .map_err(|error| ActorError::internal("audit.key", error.to_string()))
}

/// A link for the first admin, as long as nobody has ever signed in.
pub(super) async fn first_link(gateway: &Gateway) -> Result<Option<String>, ActorError> {
    if gateway.cluster.settings().get(SIGNED_IN).await?.is_some() {
        return Ok(None);
    }
    gateway.callers.found_home().await?;
    let tenant = TenantId::new(HOME_TENANT)?;
    Ok(Some(sign_in_link(gateway, &tenant, FIRST_USER)))
}
