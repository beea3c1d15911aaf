//! The directory: which actors a tenant has.
//!
//! An actor enters it with its first write and leaves it with `delete_all`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    ActorError, Result, TenantId,
    id::ClassUid,
    keyspace::{self, KeyRange},
    shard::Shard,
    storage::FIRST_GENERATION,
};
use std::ops::Bound;

/// A page of the directory.
#[derive(Debug, Clone, Default)]
pub struct DirectoryQuery {
    /// Only names that begin so.
    pub prefix: String,
    /// Name before the first of the page: the cursor.
    pub after: Option<String>,
    /// Most names returned; 0 stands for the bound of a page.
    pub limit: usize,
}

/// What the runtime keeps about an actor that has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Version of the actor's stored rows, for upgrades on activation.
    pub(crate) version: u16,
    /// Generation of its storage.
    pub(crate) generation: u32,
    /// Whether the directory lists it.
    pub(crate) listed: bool,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            version: 1,
            generation: FIRST_GENERATION,
            listed: false,
        }
    }
}

/// Names of one shard that a page may hold, in order.
pub(crate) fn names(
    shard: &dyn Shard,
    class: ClassUid,
    tenant: &TenantId,
    query: &DirectoryQuery,
    limit: usize,
) -> Result<Vec<String>> {
    let cut = keyspace::directory(class, tenant, "").len();
    let (start, end) = keyspace::under(keyspace::directory(class, tenant, &query.prefix));
    let range: KeyRange = match &query.after {
        Some(after) if *after >= query.prefix => (Bound::Excluded(keyspace::directory(class, tenant, after)), end),
        Some(_) | None => (start, end),
    };
    if let (Bound::Excluded(start), Bound::Excluded(end)) = &range
        && start >= end
    {
        return Ok(Vec::new());
    }
    let rows = shard.scan(range, false, limit).map_err(|error| {
        tracing::error!(%error, shard = shard.number(), "failed to read the directory");
        ActorError::internal("directory.read", "failed to read the directory")
    })?;
    rows.into_iter().map(|(key, _)| name(&key, cut)).collect()
}

fn name(key: &Bytes, cut: usize) -> Result<String> {
    std::str::from_utf8(&key[cut..])
        .map(str::to_owned)
        .map_err(|_| ActorError::internal("directory.read", "a name in the directory is not UTF-8"))
}
