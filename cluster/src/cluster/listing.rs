//! What an operator reads of the directory: classes, tenants, names, counts.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::{
    ClassState, ClassStatus, DirectoryQuery, Result, TenantId,
    remote::{self, IsErased, Names, Tenants},
    router::Node,
    storage,
};

/// Reads the directory of the whole cluster, across all shards and in one order.
#[derive(Clone)]
pub struct Listing {
    node: Arc<Node>,
}

/// A page of tenants.
#[derive(Debug, Clone, Default)]
pub struct TenantQuery {
    /// Only tenants that have actors of this class.
    pub class: Option<String>,
    /// Tenant before the first of the page: the cursor.
    pub after: Option<TenantId>,
    /// Most tenants returned; 0 stands for the bound of a page.
    pub limit: usize,
}

/// A number of actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Count {
    /// How many there are, or at least are.
    pub actors: usize,
    /// Whether these are all; if not, counting stopped at [`Bounds::count`](crate::Bounds::count).
    pub exact: bool,
}

impl Listing {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// Names of a tenant's actors of a class that have written, in order.
    ///
    /// # Errors
    /// `too-large` if the limit exceeds the bound of a page, `class.unregistered`, `retryable` while a shard has no
    /// owner.
    pub async fn names(&self, class: &str, tenant: &TenantId, query: DirectoryQuery) -> Result<Vec<String>> {
        let limit = storage::page(query.limit, self.node.bounds.list_page)?;
        let class = self.node.class(class)?;
        let mut names = BTreeSet::new();
        let page = Names {
            class,
            tenant: tenant.clone(),
            query,
            limit,
        };
        for shard in self.node.shards() {
            names.extend(self.node.operate(shard, page.clone()).await?);
            while names.len() > limit {
                names.pop_last();
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Tenants that have actors that have written, in order.
    ///
    /// # Errors
    /// As [`names`](Self::names).
    pub async fn tenants(&self, query: TenantQuery) -> Result<Vec<TenantId>> {
        let limit = storage::page(query.limit, self.node.bounds.list_page)?;
        let live = self.node.classes.registry().live();
        let classes = match &query.class {
            Some(class) => vec![self.node.class(class)?],
            None => live.values().map(|entry| entry.uid).collect(),
        };
        let mut tenants = BTreeSet::new();
        let page = Tenants {
            classes,
            after: query.after,
            limit,
        };
        for shard in self.node.shards() {
            tenants.extend(self.node.operate(shard, page.clone()).await?);
            while tenants.len() > limit {
                tenants.pop_last();
            }
        }
        Ok(tenants.into_iter().collect())
    }

    /// Counts the actors of a class that have written, of one tenant or of all.
    ///
    /// # Errors
    /// As [`names`](Self::names).
    pub async fn count(&self, class: &str, tenant: Option<&TenantId>) -> Result<Count> {
        let class = self.node.class(class)?;
        let bound = self.node.bounds.count;
        let mut actors = 0;
        for shard in self.node.shards() {
            let count = remote::Count {
                class,
                tenant: tenant.cloned(),
                limit: bound - actors,
            };
            actors += self.node.operate(shard, count).await?;
            if actors > bound {
                return Ok(Count {
                    actors: bound,
                    exact: false,
                });
            }
        }
        Ok(Count { actors, exact: true })
    }
}

/// Every class there is or was.
pub(super) async fn classes(node: &Arc<Node>) -> Result<Vec<ClassStatus>> {
    let registry = node.classes.registry();
    let status = |name: &String, entry: &crate::migration::Entry, state| ClassStatus {
        name: name.clone(),
        application: entry.application.clone(),
        uid: entry.uid.to_string(),
        migration: entry.since.clone(),
        state,
    };
    let live = registry.live().iter();
    let mut classes: Vec<_> = live
        .map(|(name, entry)| status(name, entry, ClassState::Live))
        .collect();
    for (name, entry) in registry.deleted() {
        let mut shards_left = 0;
        for shard in node.shards() {
            let done = node.operate(shard, IsErased(entry.uid)).await?;
            shards_left += usize::from(!done);
        }
        let state = match shards_left {
            0 => ClassState::Deleted,
            shards_left => ClassState::Deleting { shards_left },
        };
        classes.push(status(name, entry, state));
    }
    Ok(classes)
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}
