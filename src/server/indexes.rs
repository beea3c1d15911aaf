//! The vector index of every tenant is looked at once after the start: where it was made with another embedding model, by an
//! earlier version, or never, its actor makes it anew in the background.

use std::time::Duration;

use actors::vectors::{CheckIndex, NAME, VectorIndex};
use cluster::{
    TenantQuery,
    prelude::{ActorError, ActorId, Cluster, TenantId},
};

use crate::gateway::ContextTokens;

/// Tenants that are read at once.
const PAGE: usize = 100;
/// Times that an actor which does not answer is asked.
const ATTEMPTS: u32 = 5;
/// Pause before it is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// Looks at the index of every tenant.
pub(super) async fn check_all(cluster: Cluster, context: ContextTokens) {
    if let Err(error) = check(&cluster, &context).await {
        tracing::warn!(%error, "failed to look at the vector index of every tenant");
    }
}

async fn check(cluster: &Cluster, context: &ContextTokens) -> Result<(), ActorError> {
    let mut after = None;
    loop {
        let query = TenantQuery {
            class: Some("tenant".to_owned()),
            after,
            limit: PAGE,
        };
        let tenants = cluster.listing().tenants(query).await?;
        for tenant in &tenants {
            context.as_system(tenant, ask(cluster, tenant)).await?;
        }
        let Some(last) = tenants.last().filter(|_| tenants.len() == PAGE) else {
            return Ok(());
        };
        after = Some(last.clone());
    }
}

async fn ask(cluster: &Cluster, tenant: &TenantId) -> Result<(), ActorError> {
    let mut attempt = 1;
    loop {
        let index = cluster.get::<VectorIndex>(ActorId::from_name::<VectorIndex>(tenant, NAME));
        match index.ask(CheckIndex).await {
            Ok(_) => return Ok(()),
            Err(error) if attempt == ATTEMPTS => return Err(error),
            Err(_) => attempt += 1,
        }
        tokio::time::sleep(PAUSE).await;
    }
}
