//! The index of API keys.
//!
//! Index and key are changed by one turn here: what it sends to the key is durable with it. So there is never a key that nobody can
//! find and revoke, nor for long an entry without a key.

use std::time::Duration;

use cluster::prelude::{ActorError, Ctx, Handler, Result};
use serde_json::json;

use super::{
    Membership,
    actor::page,
    messages::{CreateTenantKey, ForgetKey, GetKey, KeyPage, ListKeys, RevokeTenantKey},
    record::KeyEntry,
};
use crate::{
    api_key::{ApiKey, CreateKey, RevokeKey},
    audit::{self, events},
    line,
};

/// Longest life of a key that ends by itself.
const LIFE_MAX: Duration = Duration::from_hours(24 * 3_660);

impl Handler<CreateTenantKey> for Membership {
    async fn handle(&mut self, create: CreateTenantKey, ctx: &mut Ctx<Self>) -> Result<KeyEntry> {
        let now = ctx.now();
        let room = self.profile()?.plan.room().keys;
        let entry = KeyEntry {
            key: create.key,
            name: line::name(&create.name, "key.name")?,
            scope: create.scope,
            by: create.by,
            created: now,
            expires: create.expires,
        };
        if let Some(known) = self.keys.get(&entry.key) {
            let again = KeyEntry {
                created: known.created,
                ..entry
            };
            return if *known == again {
                Ok(again)
            } else {
                Err(ActorError::conflict("key.exists", "the id belongs to another key"))
            };
        }
        entry.scope.check()?;
        if entry
            .expires
            .is_some_and(|expires| expires <= now || expires > now.plus(LIFE_MAX))
        {
            return Err(ActorError::invalid(
                "key.life",
                "a key ends in the future, and within ten years, if it ends by itself",
            ));
        }
        if self.keys.len() >= room {
            return Err(ActorError::conflict(
                "key.too-many",
                format!("the plan of the tenant has room for {room} keys"),
            ));
        }
        let create = CreateKey {
            secret: create.secret,
            name: entry.name.clone(),
            scope: entry.scope.clone(),
            by: entry.by.clone(),
            expires: entry.expires,
        };
        ctx.send(&ctx.get::<ApiKey>(&entry.key.to_string()), create)?;
        let created = json!({ "key": entry.key, "name": entry.name, "scope": entry.scope, "expires": entry.expires.map(|at| at.as_secs()) });
        self.put_key(entry.clone(), ctx)?;
        audit::record(ctx, events::API_KEY_CREATED, created)?;
        Ok(entry)
    }
}

impl Handler<RevokeTenantKey> for Membership {
    async fn handle(&mut self, RevokeTenantKey { key }: RevokeTenantKey, ctx: &mut Ctx<Self>) -> Result<()> {
        self.profile()?;
        if !self.keys.contains_key(&key) {
            return Err(ActorError::not_found("key.unknown", "there is no such key"));
        }
        ctx.send(&ctx.get::<ApiKey>(&key.to_string()), RevokeKey)?;
        self.drop_key(key, ctx)?;
        audit::record(ctx, events::API_KEY_REVOKED, json!({ "key": key }))
    }
}

impl Handler<ForgetKey> for Membership {
    async fn handle(&mut self, ForgetKey { key }: ForgetKey, ctx: &mut Ctx<Self>) -> Result<()> {
        if self.keys.contains_key(&key) {
            self.drop_key(key, ctx)?;
        }
        Ok(())
    }
}

impl Handler<GetKey> for Membership {
    async fn handle(&mut self, GetKey { key }: GetKey, ctx: &mut Ctx<Self>) -> Result<KeyEntry> {
        self.profile()?;
        let entry = self
            .keys
            .get(&key)
            .ok_or_else(|| ActorError::not_found("key.unknown", "there is no such key"))?;
        if entry.expires.is_some_and(|expires| expires <= ctx.now()) {
            return Err(ActorError::forbidden("key.expired", "the time of the key is over"));
        }
        Ok(entry.clone())
    }
}

impl Handler<ListKeys> for Membership {
    async fn handle(&mut self, ListKeys { after, limit }: ListKeys, _ctx: &mut Ctx<Self>) -> Result<KeyPage> {
        self.profile()?;
        let (items, next) = page(&self.keys, after, limit, |_, entry| Some(entry.clone()));
        Ok(KeyPage { items, next })
    }
}
