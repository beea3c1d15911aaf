//! Keys of programs.

use cluster::prelude::{Result, TenantId, Uuid};

use super::{Identity, error::is};
use crate::{
    api_key::{ApiKey, CheckKey, CreateKey, KeyState, RevokeKey},
    membership::{CreateTenantKey, GetTenant, KeyEntry, RevokeTenantKey, TenantProfile},
    secret::Hashed,
};

impl Identity {
    /// Makes an API key, which counts when this is answered.
    ///
    /// # Errors
    /// As [`CreateTenantKey`]; whoever had no answer repeats it.
    pub async fn create_key(&self, tenant: &TenantId, create: CreateTenantKey) -> Result<KeyEntry> {
        let secret = create.secret;
        let entry = self.ask_tenant(tenant, create).await?;
        // The membership has sent the same; this is only not to wait for it.
        let create = CreateKey {
            secret,
            name: entry.name.clone(),
            scope: entry.scope.clone(),
            by: entry.by.clone(),
            expires: entry.expires,
        };
        self.key(tenant, entry.key).ask(create).await?;
        Ok(entry)
    }

    /// Revokes an API key, which does not count any more when this is answered.
    ///
    /// # Errors
    /// As [`RevokeTenantKey`].
    pub async fn revoke_key(&self, tenant: &TenantId, key: Uuid) -> Result<()> {
        self.ask_tenant(tenant, RevokeTenantKey { key }).await?;
        match self.key(tenant, key).ask(RevokeKey).await {
            Err(error) if is(&error, &["key.unknown"]) => Ok(()),
            revoked => revoked,
        }
    }

    /// Asks what a program may do that shows the secret of a key, and what its tenant is. Whether a tenant that is suspended serves
    /// the request is up to the caller.
    ///
    /// # Errors
    /// As [`CheckKey`]; `key.invalid` also in a tenant that is not there.
    pub async fn check_key(&self, tenant: &TenantId, key: Uuid, secret: Hashed) -> Result<(KeyState, TenantProfile)> {
        let state = self.key(tenant, key).ask(CheckKey { secret }).await?;
        Ok((state, self.ask_tenant(tenant, GetTenant).await?))
    }

    fn key(&self, tenant: &TenantId, key: Uuid) -> cluster::ActorRef<ApiKey> {
        self.cluster.get(ApiKey::address(tenant, key))
    }
}
