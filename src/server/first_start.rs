//! What a cluster gets once: its signing key, and a way in for its first admin.

use cluster::prelude::{ActorError, Cluster, TenantId};

use crate::gateway::{ContextTokens, Gateway, HOME_TENANT, Role, SIGNED_IN, Signer, sign_in_link};

/// Setting that holds the key of all tokens.
const SIGNING_KEY: &str = "signing-key";

/// The user of the first sign-in link.
const FIRST_USER: &str = "admin";

/// Reads the key of the cluster, or makes it. Nodes that start together agree on one.
pub(super) async fn signer(cluster: &Cluster, context: &ContextTokens) -> Result<Signer, ActorError> {
    let fresh: [u8; 32] = rand::random();
    let key = cluster.settings().put_if_absent(SIGNING_KEY, fresh.to_vec()).await?;
    context.set_key(&key);
    Ok(Signer::new(&key))
}

/// A link for the first admin, as long as nobody has ever signed in.
pub(super) async fn first_link(gateway: &Gateway) -> Result<Option<String>, ActorError> {
    if gateway.cluster.settings().get(SIGNED_IN).await?.is_some() {
        return Ok(None);
    }
    let tenant = TenantId::new(HOME_TENANT)?;
    Ok(Some(sign_in_link(gateway, &tenant, FIRST_USER, Role::Admin)))
}
