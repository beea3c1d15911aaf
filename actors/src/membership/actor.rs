//! The membership actor: what it keeps, and the pages of it.

#[cfg(test)]
mod golden;

use std::{collections::BTreeMap, ops::Bound};

use cluster::prelude::{ActorError, Alarm, Ctx, Interface, Key, Keys, List, Result, Uuid, VirtualActor};
use serde::de::DeserializeOwned;

use super::{
    messages::{
        AcceptInvitation, AddMember, ConfigureTenant, CreateInvitation, CreateTenantKey, Enter, ForgetKey, FoundTenant,
        GetKey, GetMember, GetRoomUsed, GetSettings, GetTenant, ListInvitations, ListKeys, ListMembers, LookInvitation,
        RemoveMember, ResumeTenant, RevokeInvitation, RevokeTenantKey, SetRole, SuspendTenant,
    },
    record::{Invited, KeyEntry, Member, TenantProfile},
};
use crate::{
    role::{TenantStatus, refuse_system},
    user::UserId,
};

/// Name of the one membership actor of a tenant.
pub const NAME: &str = "membership";
/// Most rows of a page.
const PAGE: u32 = 100;

const PROFILE: Key<TenantProfile> = Key::new("profile");
const SETTINGS: Key<BTreeMap<String, String>> = Key::new("settings");
const MEMBERS: Keys<Member> = Keys::new("members/");
const INVITATIONS: Keys<Invited> = Keys::new("invitations/");
const KEYS: Keys<KeyEntry> = Keys::new("keys/");

/// Who acts in a tenant.
#[derive(Debug)]
pub struct Membership {
    pub(super) profile: Option<TenantProfile>,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) members: BTreeMap<UserId, Member>,
    pub(super) invitations: BTreeMap<Uuid, Invited>,
    pub(super) keys: BTreeMap<Uuid, KeyEntry>,
}

impl VirtualActor for Membership {
    const CLASS: &'static str = "membership";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<FoundTenant>()
            .on::<GetTenant>()
            .on::<GetSettings>()
            .on::<GetRoomUsed>()
            .on::<ConfigureTenant>()
            .on::<SuspendTenant>()
            .on::<ResumeTenant>()
            .on::<GetMember>()
            .on::<Enter>()
            .on::<AddMember>()
            .on::<RemoveMember>()
            .on::<SetRole>()
            .on::<ListMembers>()
            .on::<CreateInvitation>()
            .on::<ListInvitations>()
            .on::<RevokeInvitation>()
            .on::<LookInvitation>()
            .on::<AcceptInvitation>()
            .on::<CreateTenantKey>()
            .on::<RevokeTenantKey>()
            .on::<ForgetKey>()
            .on::<GetKey>()
            .on::<ListKeys>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        refuse_system(ctx)?;
        if ctx.name() != NAME {
            return Err(ActorError::invalid(
                "membership.name",
                format!("the membership of a tenant is named {NAME}"),
            ));
        }
        let profile = ctx.storage().get(&PROFILE).await?;
        let settings = ctx.storage().get(&SETTINGS).await?.unwrap_or_default();
        let id = |suffix: String| {
            Uuid::parse_str(&suffix).map_err(|_| ActorError::internal("storage.decode", "a stored id is no UUID"))
        };
        Ok(Self {
            profile,
            settings,
            members: load(&MEMBERS, |user| UserId::new(&user), ctx).await?,
            invitations: load(&INVITATIONS, id, ctx).await?,
            keys: load(&KEYS, id, ctx).await?,
        })
    }

    /// Removes invitations whose time is over.
    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        self.drop_expired_invitations(ctx)
    }
}

async fn load<K: Ord, T: DeserializeOwned>(
    keys: &Keys<T>,
    id: impl Fn(String) -> Result<K>,
    ctx: &mut Ctx<Membership>,
) -> Result<BTreeMap<K, T>> {
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let list = List {
            after: after.take(),
            ..List::default()
        };
        let rows = ctx.storage().list(keys, list).await?;
        let Some((last, _)) = rows.last() else {
            return Ok(all);
        };
        after = Some(last.clone());
        for (suffix, row) in rows {
            all.insert(id(suffix)?, row);
        }
    }
}

impl Membership {
    pub(super) fn profile(&self) -> Result<&TenantProfile> {
        self.profile.as_ref().ok_or_else(unknown)
    }

    pub(super) fn profile_mut(&mut self) -> Result<&mut TenantProfile> {
        self.profile.as_mut().ok_or_else(unknown)
    }

    /// The profile of a tenant that is served.
    pub(super) fn active(&self) -> Result<&TenantProfile> {
        let profile = self.profile()?;
        match profile.status {
            TenantStatus::Active => Ok(profile),
            TenantStatus::Suspended => Err(ActorError::forbidden("tenant.suspended", "the tenant is suspended")),
        }
    }

    pub(super) fn keep_profile(&self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&PROFILE, self.profile()?)
    }

    pub(super) fn keep_settings(&self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&SETTINGS, &self.settings)
    }

    pub(super) fn put_member(&mut self, member: Member, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&MEMBERS.key(member.user.as_str()), &member)?;
        self.members.insert(member.user.clone(), member);
        Ok(())
    }

    pub(super) fn drop_member(&mut self, user: &UserId, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().delete(&MEMBERS.key(user.as_str()))?;
        self.members.remove(user);
        Ok(())
    }

    pub(super) fn put_invitation(&mut self, id: Uuid, invited: Invited, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&INVITATIONS.key(&id.to_string()), &invited)?;
        self.invitations.insert(id, invited);
        Ok(())
    }

    pub(super) fn drop_invitation(&mut self, id: Uuid, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().delete(&INVITATIONS.key(&id.to_string()))?;
        self.invitations.remove(&id);
        Ok(())
    }

    pub(super) fn put_key(&mut self, entry: KeyEntry, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&KEYS.key(&entry.key.to_string()), &entry)?;
        self.keys.insert(entry.key, entry);
        Ok(())
    }

    pub(super) fn drop_key(&mut self, key: Uuid, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().delete(&KEYS.key(&key.to_string()))?;
        self.keys.remove(&key);
        Ok(())
    }
}

/// A page of what `wanted` lets pass, and the cursor of the next one.
pub(super) fn page<K: Ord + Clone, V, T>(
    all: &BTreeMap<K, V>,
    after: Option<K>,
    limit: u32,
    wanted: impl Fn(&K, &V) -> Option<T>,
) -> (Vec<T>, Option<K>) {
    let limit = limit.clamp(1, PAGE) as usize;
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = all
        .range((start, Bound::Unbounded))
        .filter_map(|(key, value)| Some((key, wanted(key, value)?)))
        .peekable();
    let (mut items, mut last) = (Vec::new(), None);
    while items.len() < limit
        && let Some((key, item)) = rest.next()
    {
        items.push(item);
        last = Some(key.clone());
    }
    let next = if rest.peek().is_some() { last } else { None };
    (items, next)
}

fn unknown() -> ActorError {
    ActorError::not_found("tenant.unknown", "there is no such tenant")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_show_everything_once() {
        let all: BTreeMap<u32, u32> = (0..250).map(|n| (n, n)).collect();
        let odd = |_: &u32, n: &u32| (n % 2 == 1).then_some(*n);
        for limit in [1, 7, 100, 1_000] {
            let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let (items, next) = page(&all, after, limit, odd);
                assert!(items.len() <= 100);
                seen.extend(items);
                pages += 1;
                after = next;
                if after.is_none() {
                    break;
                }
            }
            assert!(seen.iter().copied().eq((0..250).filter(|n| n % 2 == 1)));
            assert_eq!(
                pages,
                125_usize.div_ceil(limit.min(100) as usize),
                "no empty page at the end"
            );
        }
    }
}
