//! Which rows of a group are copied.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::copy::Drafting;
use super::{Result, Scope};
use crate::TenantId;
use crate::consensus::tail::Tail;
use crate::id::ActorHash;
use crate::keyspace::{self, ActorRow};
use crate::outbox::Envelope;
use crate::store::Row;

/// Which rows of a group are copied.
pub(super) struct Choice {
    scope: Scope,
    /// The actors of the tenant in this group.
    actors: BTreeSet<ActorHash>,
}

impl Choice {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            actors: BTreeSet::new(),
        }
    }

    /// Reads the rows of the choice in key order.
    pub(super) async fn read(&mut self, draft: &mut Drafting<'_>) -> Result<()> {
        let all = |_: &Row| true;
        match &self.scope {
            Scope::Node => draft.add([keyspace::everything()], all).await,
            Scope::Actor { hash, entry } => {
                draft.add([keyspace::actor(*hash)], all).await?;
                draft.add([keyspace::one(entry)], all).await
            }
            Scope::Tenant(tenant) => {
                let listed = draft.listed(tenant).await?;
                let unlisted = draft.rows(keyspace::all_unlisted()).await?;
                // Actors of all tenants that store nothing. Some may have taken a message that is still on its way, and
                // what they have taken tells; whose they are, it does not.
                let unlisted = unlisted.iter().filter_map(|(key, _)| keyspace::parse_unlisted(key));
                let mut actors: BTreeMap<_, _> = unlisted.map(|hash| (hash, false)).collect();
                actors.extend(listed.iter().filter_map(|(_, hash)| Some((hash_of(hash)?, true))));
                let is_listed = actors.iter().filter(|(_, is_listed)| **is_listed);
                self.actors = is_listed.map(|(hash, _)| *hash).collect();
                let ranges = actors.into_iter().map(|(hash, is_listed)| {
                    if is_listed {
                        keyspace::actor(hash)
                    } else {
                        keyspace::inboxes(hash)
                    }
                });
                draft.add(ranges, all).await?;
                let for_tenant = |(_, envelope): &Row| is_for(envelope, tenant);
                draft.add([keyspace::outbox_after(None)], for_tenant).await?;
                draft.push(listed).await
            }
        }
    }

    /// Whether actors that the log made have to be known before its changes are.
    pub(super) fn grows(&self) -> bool {
        matches!(self.scope, Scope::Tenant(_))
    }

    /// Adds the actors that a tail made.
    pub(super) fn extend(&mut self, tail: &Tail) {
        if let Scope::Tenant(tenant) = &self.scope {
            let made = tail.written().filter(|(key, _)| is_listing(key, tenant));
            self.actors.extend(made.filter_map(|(_, hash)| hash_of(hash)));
        }
    }

    pub(super) fn wants(&self, key: &Bytes, value: Option<&Bytes>) -> bool {
        match &self.scope {
            Scope::Node => true,
            Scope::Actor { hash, entry } => key == entry || ActorRow::parse(key).is_some_and(|row| row.hash == *hash),
            Scope::Tenant(tenant) => match ActorRow::parse(key) {
                Some(row) => row.is_inbox() || self.actors.contains(&row.hash),
                None if keyspace::parse_outbox(key).is_some() => value.is_none_or(|value| is_for(value, tenant)),
                None => is_listing(key, tenant),
            },
        }
    }
}

fn hash_of(entry: &Bytes) -> Option<ActorHash> {
    Some(ActorHash(entry[..].try_into().ok()?))
}

fn is_for(envelope: &Bytes, tenant: &TenantId) -> bool {
    Envelope::decode(envelope).is_some_and(|envelope| envelope.target.tenant() == tenant)
}

fn is_listing(key: &Bytes, tenant: &TenantId) -> bool {
    keyspace::parse_directory(key).is_some_and(|(_, of, _)| of == tenant.as_str())
}
