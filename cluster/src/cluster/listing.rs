//! What an operator reads of the directory: classes, tenants, names, counts.

use std::{collections::BTreeSet, fmt, ops::Bound, sync::Arc};

use crate::{
    ActorError, ClassState, ClassStatus, DirectoryQuery, Result, TenantId, directory, erasure, host::Host,
    id::ClassUid, keyspace, router::Node, storage,
};

/// Rows of the directory that are counted at a time.
const READ: usize = 1024;

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
    /// owner here.
    pub async fn names(&self, class: &str, tenant: &TenantId, query: DirectoryQuery) -> Result<Vec<String>> {
        let limit = storage::page(query.limit, self.node.bounds.list_page)?;
        let class = self.node.class(class)?;
        let mut names = BTreeSet::new();
        for host in &self.node.hosts {
            self.ready(host).await?;
            names.extend(directory::names(&*host.shard, class, tenant, &query, limit)?);
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
        for host in &self.node.hosts {
            self.ready(host).await?;
            for class in &classes {
                add_tenants(host, *class, query.after.as_ref(), limit, &mut tenants)?;
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
        for host in &self.node.hosts {
            self.ready(host).await?;
            let (mut start, end) = match tenant {
                Some(tenant) => keyspace::under(keyspace::directory(class, tenant, "")),
                None => keyspace::listed_of(class),
            };
            loop {
                let rows = directory::rows(&*host.shard, (start, end.clone()), READ)?;
                actors += rows.len();
                if actors > bound {
                    return Ok(Count {
                        actors: bound,
                        exact: false,
                    });
                }
                let Some((last, _)) = rows.into_iter().nth(READ - 1) else {
                    break;
                };
                start = Bound::Excluded(last);
                tokio::task::yield_now().await;
            }
        }
        Ok(Count { actors, exact: true })
    }

    async fn ready(&self, host: &Host) -> Result<()> {
        let ready = tokio::time::timeout(self.node.bounds.ask, host.ready()).await;
        ready.map_err(|_| ActorError::retryable("retryable", "a shard of the directory has no owner"))
    }
}

/// Adds the tenants of a class in one shard, as far as they are among the first `limit` of all.
fn add_tenants(
    host: &Host,
    class: ClassUid,
    after: Option<&TenantId>,
    limit: usize,
    tenants: &mut BTreeSet<TenantId>,
) -> Result<()> {
    let mut last = after.cloned();
    loop {
        // One seek for each tenant, however many actors it has.
        let behind = keyspace::listed_behind(class, last.as_ref());
        let Some((key, _)) = directory::rows(&*host.shard, behind, 1)?.pop() else {
            return Ok(());
        };
        let tenant = keyspace::parse_tenant(&key)
            .ok_or_else(|| ActorError::internal("directory.read", "a tenant in the directory is broken"))?;
        tenants.insert(tenant.clone());
        if tenants.len() > limit {
            tenants.pop_last();
        }
        if tenants.len() == limit && tenants.last().is_some_and(|last| *last <= tenant) {
            return Ok(());
        }
        last = Some(tenant);
    }
}

/// Every class there is or was.
pub(super) fn classes(node: &Node) -> Result<Vec<ClassStatus>> {
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
        for host in &node.hosts {
            let done =
                erasure::is_done(host, entry.uid).map_err(|error| directory::unreadable(&*host.shard, &error))?;
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
