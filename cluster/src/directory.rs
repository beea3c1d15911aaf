//! The directory: which actors a tenant has.
//!
//! An actor enters it with its first write and leaves it with `delete_all`. Rows that outlive that, or come before it,
//! are found by another index, so that a class can be removed without a trace.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    ActorError, Result, TenantId,
    id::ClassUid,
    keyspace::{self, KeyRange},
    shard::Shard,
    storage::FIRST_GENERATION,
};
use std::{collections::BTreeSet, ops::Bound};

/// A page of the directory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    /// Version of the values in its storage, for upgrades on activation; of no meaning while it is not listed.
    pub(crate) version: u32,
    /// Generation of its storage.
    pub(crate) generation: u32,
    /// Where it is found.
    pub(crate) presence: Presence,
}

/// Where an actor is found. The numbers of the variants are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Presence {
    /// It stores nothing, but the runtime has rows of it; the index of the unlisted finds them.
    Unlisted,
    /// It stores something, and the directory lists it.
    Listed,
    /// It has no rows. Never stored.
    Absent,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            version: 1,
            generation: FIRST_GENERATION,
            presence: Presence::Absent,
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
    rows(shard, range, limit)?
        .into_iter()
        .map(|(key, _)| name(&key, cut))
        .collect()
}

/// Rows of a range of the directory.
pub(crate) fn rows(shard: &dyn Shard, range: KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>> {
    shard
        .scan(range, false, limit)
        .map_err(|error| unreadable(shard, &error))
}

/// Adds the tenants of a class in one shard, as far as they are among the first `limit` of all.
pub(crate) fn tenants(
    shard: &dyn Shard,
    class: ClassUid,
    after: Option<&TenantId>,
    limit: usize,
    tenants: &mut BTreeSet<TenantId>,
) -> Result<()> {
    let mut last = after.cloned();
    loop {
        // One seek for each tenant, however many actors it has.
        let behind = keyspace::listed_behind(class, last.as_ref());
        let Some((key, _)) = rows(shard, behind, 1)?.pop() else {
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

/// Logs why the directory cannot be read.
pub(crate) fn unreadable(shard: &dyn Shard, error: &std::io::Error) -> ActorError {
    tracing::error!(%error, shard = shard.number(), "failed to read the directory");
    ActorError::internal("directory.read", "failed to read the directory")
}

fn name(key: &Bytes, cut: usize) -> Result<String> {
    std::str::from_utf8(&key[cut..])
        .map(str::to_owned)
        .map_err(|_| ActorError::internal("directory.read", "a name in the directory is not UTF-8"))
}
