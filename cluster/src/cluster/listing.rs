//! What an operator reads of the directory: classes, tenants, names, counts.

use std::{collections::BTreeSet, fmt, ops::ControlFlow, sync::Arc};

use crate::{
    ClassState, ClassStatus, Dated, DirectoryQuery, Freshness, Result, TenantId,
    remote::{self, IsErased, Names, Seen, Tenants},
    router::Node,
    storage,
};

/// Reads the directory of the whole cluster, across all shards and in one order.
#[derive(Clone)]
pub struct Listing {
    node: Arc<Node>,
}

/// Reads the directory as [`Listing`] does, from copies too, and says how old what it shows is.
#[derive(Clone)]
pub struct DatedListing {
    node: Arc<Node>,
    freshness: Freshness,
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

    /// The same, as old as a caller accepts, and with its age: copies on this node may answer.
    pub fn with(self, freshness: Freshness) -> DatedListing {
        DatedListing {
            node: self.node,
            freshness,
        }
    }

    fn latest(&self) -> DatedListing {
        self.clone().with(Freshness::latest())
    }

    /// Names of a tenant's actors of a class that have written, in order.
    ///
    /// # Errors
    /// `too-large` if the limit exceeds the bound of a page, `class.unregistered`, `retryable` while a shard has no
    /// owner.
    pub async fn names(&self, class: &str, tenant: &TenantId, query: DirectoryQuery) -> Result<Vec<String>> {
        Ok(self.latest().names(class, tenant, query).await?.found)
    }

    /// Tenants that have actors that have written, in order.
    ///
    /// # Errors
    /// As [`names`](Self::names).
    pub async fn tenants(&self, query: TenantQuery) -> Result<Vec<TenantId>> {
        Ok(self.latest().tenants(query).await?.found)
    }

    /// Counts the actors of a class that have written, of one tenant or of all.
    ///
    /// # Errors
    /// As [`names`](Self::names).
    pub async fn count(&self, class: &str, tenant: Option<&TenantId>) -> Result<Count> {
        Ok(self.latest().count(class, tenant).await?.found)
    }
}

impl DatedListing {
    /// As [`Listing::names`].
    ///
    /// # Errors
    /// As there, and `read-token.foreign` if the token is of another cluster. `retryable` if a shard has no owner that
    /// answers, and its copy here is not known to be young enough: where an age is accepted, three seconds after it was last
    /// certain that there is an owner.
    pub async fn names(&self, class: &str, tenant: &TenantId, query: DirectoryQuery) -> Result<Dated<Vec<String>>> {
        let limit = storage::page(query.limit, self.node.bounds.list_page)?;
        let page = Names {
            class: self.node.class(class)?,
            tenant: tenant.clone(),
            query,
            limit,
        };
        let mut names = BTreeSet::new();
        let seen = self
            .node
            .look(page, &self.freshness, |found| add(&mut names, found, limit));
        Ok(dated(seen.await?, names.into_iter().collect()))
    }

    /// As [`Listing::tenants`].
    ///
    /// # Errors
    /// As [`names`](Self::names).
    pub async fn tenants(&self, query: TenantQuery) -> Result<Dated<Vec<TenantId>>> {
        let limit = storage::page(query.limit, self.node.bounds.list_page)?;
        let live = self.node.classes.registry().live();
        let classes = match &query.class {
            Some(class) => vec![self.node.class(class)?],
            None => live.values().map(|entry| entry.uid).collect(),
        };
        let page = Tenants {
            classes,
            after: query.after,
            limit,
        };
        let mut tenants = BTreeSet::new();
        let seen = self
            .node
            .look(page, &self.freshness, |found| add(&mut tenants, found, limit));
        Ok(dated(seen.await?, tenants.into_iter().collect()))
    }

    /// As [`Listing::count`]. Where counting stopped early, the token covers only the shards that were counted.
    ///
    /// # Errors
    /// As [`names`](Self::names).
    pub async fn count(&self, class: &str, tenant: Option<&TenantId>) -> Result<Dated<Count>> {
        let bound = self.node.bounds.count;
        let count = remote::Count {
            class: self.node.class(class)?,
            tenant: tenant.cloned(),
            limit: bound,
        };
        let mut actors = 0;
        let seen = self.node.look(count, &self.freshness, |found| {
            actors += found;
            if actors > bound {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let seen = seen.await?;
        let count = Count {
            actors: actors.min(bound),
            exact: actors <= bound,
        };
        Ok(dated(seen, count))
    }
}

/// Adds what one shard shows, and keeps the first.
fn add<T: Ord>(first: &mut BTreeSet<T>, found: impl IntoIterator<Item = T>, limit: usize) -> ControlFlow<()> {
    first.extend(found);
    while first.len() > limit {
        first.pop_last();
    }
    ControlFlow::Continue(())
}

fn dated<T>(seen: Seen, found: T) -> Dated<T> {
    let Seen { age, token } = seen;
    Dated { found, age, token }
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

impl fmt::Debug for DatedListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatedListing")
            .field("freshness", &self.freshness)
            .finish_non_exhaustive()
    }
}
