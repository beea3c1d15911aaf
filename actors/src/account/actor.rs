//! The account actor: what it keeps, who the person is.

#[cfg(test)]
mod golden;

use std::time::Duration;

use cluster::{
    Timestamp,
    prelude::{ActorError, Alarm, Ctx, Handler, Interface, Key, Result, VirtualActor},
};
use serde_json::json;

use super::{
    codes::Codes,
    lockout::Failures,
    messages::{
        ChangePassword, CloseSessions, EraseAccount, ForgetMembership, Founded, GetAccount, GetCredentials, IssueCode,
        ListSessions, NoteMembership, Person, Redeem, Register, Rename, Renew, SessionEnded, SignInFailed, SignedIn,
        Which,
    },
    record::{KnownSession, KnownTenant, Profile, Registration},
};
use crate::{
    audit::{self, events},
    line,
    role::require_system,
    secret::PasswordHash,
    session::SessionEnd,
};

/// An account that nobody has proven to be theirs is removed so long after it was last registered.
pub(super) const UNVERIFIED_FOR: Duration = Duration::from_hours(24 * 7);

const PROFILE: Key<Profile> = Key::new("profile");
/// The password of a verified account.
const PASSWORD: Key<PasswordHash> = Key::new("password");
/// The last registration of an account that is not verified.
const REGISTRATION: Key<Registration> = Key::new("registration");
const CODES: Key<Codes> = Key::new("codes");
const FAILURES: Key<Failures> = Key::new("failures");
const SESSIONS: Key<Vec<KnownSession>> = Key::new("sessions");
const TENANTS: Key<Vec<KnownTenant>> = Key::new("tenants");

/// A person, found by their address.
#[derive(Debug, Default)]
pub struct Account {
    pub(super) profile: Option<Profile>,
    pub(super) password: Option<PasswordHash>,
    pub(super) registration: Option<Registration>,
    pub(super) codes: Codes,
    pub(super) failures: Failures,
    /// When attempts to sign in began of which it is not known yet how they ended.
    pub(super) attempts: Vec<Timestamp>,
    /// Open sessions, the oldest first.
    pub(super) sessions: Vec<KnownSession>,
    pub(super) tenants: Vec<KnownTenant>,
}

impl VirtualActor for Account {
    const CLASS: &'static str = "account";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<GetAccount>()
            .on::<Rename>()
            .on::<EraseAccount>()
            .on::<Register>()
            .on::<IssueCode>()
            .on::<Redeem>()
            .on::<GetCredentials>()
            .on::<SignedIn>()
            .on::<SignInFailed>()
            .on::<ChangePassword>()
            .on::<Renew>()
            .on::<ListSessions>()
            .on::<CloseSessions>()
            .on::<SessionEnded>()
            .on::<NoteMembership>()
            .on::<ForgetMembership>()
            .on::<Founded>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        require_system(ctx)?;
        let storage = ctx.storage();
        let Some(profile) = storage.get(&PROFILE).await? else {
            return Ok(Self::default());
        };
        Ok(Self {
            profile: Some(profile),
            password: storage.get(&PASSWORD).await?,
            registration: storage.get(&REGISTRATION).await?,
            codes: storage.get(&CODES).await?.unwrap_or_default(),
            failures: storage.get(&FAILURES).await?.unwrap_or_default(),
            attempts: Vec::new(),
            sessions: storage.get(&SESSIONS).await?.unwrap_or_default(),
            tenants: storage.get(&TENANTS).await?.unwrap_or_default(),
        })
    }

    /// Removes an account that nobody has proven to be theirs.
    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        match &self.profile {
            Some(profile) if profile.verified.is_none() => self.erase("unverified", ctx),
            Some(_) | None => Ok(()),
        }
    }
}

impl Handler<GetAccount> for Account {
    async fn handle(&mut self, GetAccount: GetAccount, _ctx: &mut Ctx<Self>) -> Result<Person> {
        self.person()
    }
}

impl Handler<Rename> for Account {
    async fn handle(&mut self, Rename { name }: Rename, ctx: &mut Ctx<Self>) -> Result<Person> {
        let name = line::name(&name, "account.name")?;
        let profile = self.profile_mut()?;
        if profile.name != name {
            profile.name = name;
            let updated = json!({ "user": profile.user, "changed": "name" });
            self.keep_profile(ctx)?;
            audit::record(ctx, events::USER_UPDATED, updated)?;
        }
        self.person()
    }
}

impl Handler<EraseAccount> for Account {
    async fn handle(&mut self, EraseAccount: EraseAccount, ctx: &mut Ctx<Self>) -> Result<()> {
        if self.profile.is_some() {
            self.close(Which::All, SessionEnd::Erased, ctx)?;
            self.erase("asked", ctx)?;
        }
        Ok(())
    }
}

impl Account {
    /// The person, as others are told.
    pub(super) fn person(&self) -> Result<Person> {
        let profile = self.profile()?.clone();
        Ok(Person {
            user: profile.user,
            email: profile.email,
            name: profile.name,
            is_verified: profile.verified.is_some(),
            tenants: self.tenants.clone(),
            last_tenant: profile.last_tenant,
            founds: profile.founds,
        })
    }

    pub(super) fn profile(&self) -> Result<&Profile> {
        self.profile.as_ref().ok_or_else(unknown)
    }

    pub(super) fn profile_mut(&mut self) -> Result<&mut Profile> {
        self.profile.as_mut().ok_or_else(unknown)
    }

    /// The profile, if its address is proven.
    pub(super) fn verified(&self) -> Result<&Profile> {
        let profile = self.profile()?;
        if profile.verified.is_some() {
            Ok(profile)
        } else {
            Err(ActorError::forbidden(
                "account.unverified",
                "nobody has proven yet that the address is theirs",
            ))
        }
    }

    pub(super) fn keep_profile(&self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&PROFILE, self.profile()?)
    }

    pub(super) fn keep_codes(&self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&CODES, &self.codes)
    }

    pub(super) fn keep_failures(&self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&FAILURES, &self.failures)
    }

    pub(super) fn keep_sessions(&self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&SESSIONS, &self.sessions)
    }

    pub(super) fn keep_tenants(&self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&TENANTS, &self.tenants)
    }

    pub(super) fn set_password(&mut self, password: Option<PasswordHash>, ctx: &mut Ctx<Self>) -> Result<()> {
        match &password {
            Some(password) => ctx.storage().put(&PASSWORD, password)?,
            None => ctx.storage().delete(&PASSWORD)?,
        }
        self.password = password;
        Ok(())
    }

    pub(super) fn set_registration(&mut self, given: Option<Registration>, ctx: &mut Ctx<Self>) -> Result<()> {
        match &given {
            Some(given) => ctx.storage().put(&REGISTRATION, given)?,
            None => ctx.storage().delete(&REGISTRATION)?,
        }
        self.registration = given;
        Ok(())
    }

    fn erase(&mut self, why: &str, ctx: &mut Ctx<Self>) -> Result<()> {
        let deleted = json!({ "user": self.profile()?.user, "why": why });
        *self = Self::default();
        ctx.storage().delete_all()?;
        audit::record(ctx, events::USER_DELETED, deleted)
    }
}

pub(super) fn unknown() -> ActorError {
    ActorError::not_found("account.unknown", "there is no account of this address")
}
