//! Signing in, and passwords.

use std::time::Duration;

use cluster::prelude::{ActorError, Ctx, Handler, Result, Timestamp};
use serde_json::json;

use super::{
    Account,
    lockout::{FREE, Failures},
    messages::{
        ChangePassword, Credentials, GetCredentials, Person, Purpose, Refusal, Renew, SignInFailed, SignedIn, Which,
    },
    record::KnownSession,
};
use crate::{
    audit::{self, events},
    line::{self, DEVICE_CHARS_MAX},
    session::{OpenSession, Session, SessionEnd},
};

/// How long an attempt counts as failed while it is not known how it ended.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// How soon somebody tries again who met so many attempts at the same time.
const CROWDED: Duration = Duration::from_secs(1);
/// Open sessions of one account. The oldest is closed for the next one.
pub(super) const SESSIONS_MAX: usize = 50;

impl Handler<GetCredentials> for Account {
    async fn handle(&mut self, GetCredentials: GetCredentials, ctx: &mut Ctx<Self>) -> Result<Credentials> {
        let person = self.person()?;
        let now = ctx.now();
        if let Some(until) = self.failures.locked_until(now) {
            return Ok(Credentials::Locked { until });
        }
        // Passwords are checked beside the account, many at a time. Without this the guesses of one moment would all be free.
        self.attempts.retain(|began| now.since(*began) < ATTEMPT_MAX);
        let failed = self.failures.present(now);
        let allowed = FREE.saturating_sub(failed).max(1) as usize;
        if self.attempts.len() >= allowed {
            return Ok(Credentials::Locked {
                until: now.plus(CROWDED),
            });
        }
        self.attempts.push(now);
        let registered = self.registration.as_ref().map(|given| given.password.clone());
        let password = self.password.clone().or(registered);
        Ok(Credentials::Open { person, password })
    }
}

impl Handler<SignedIn> for Account {
    async fn handle(&mut self, signed_in: SignedIn, ctx: &mut Ctx<Self>) -> Result<Person> {
        let SignedIn {
            session,
            tenant,
            device,
            expires,
        } = signed_in;
        let now = ctx.now();
        let profile = self.verified()?;
        if self.sessions.iter().any(|known| known.session == session) {
            return self.person();
        }
        if !line::is_line(&device, DEVICE_CHARS_MAX) || expires <= now {
            return Err(ActorError::invalid(
                "session.invalid",
                "a session has a plain device and ends in the future",
            ));
        }
        let open = OpenSession {
            user: profile.user.clone(),
            email: profile.email.clone(),
            tenant: tenant.clone(),
            device: device.clone(),
            expires,
        };
        self.end_attempt();
        self.forgive(ctx)?;
        let profile = self.profile_mut()?;
        if tenant.is_some() && profile.last_tenant != tenant {
            profile.last_tenant = tenant;
            self.keep_profile(ctx)?;
        }
        self.sessions.retain(|known| now < known.expires);
        if self.sessions.len() >= SESSIONS_MAX {
            let oldest = self.sessions[0].session;
            self.close(Which::One(oldest), SessionEnd::TooMany, ctx)?;
        }
        self.sessions.push(KnownSession {
            session,
            device,
            opened: now,
            expires,
        });
        self.keep_sessions(ctx)?;
        // Known here before it can be used, so that no session is ever out of reach of the account. The caller opens it too, so as
        // not to wait; whichever comes second changes nothing.
        ctx.send(&ctx.get::<Session>(&session.to_string()), open)?;
        self.person()
    }
}

impl Handler<SignInFailed> for Account {
    async fn handle(&mut self, SignInFailed { why }: SignInFailed, ctx: &mut Ctx<Self>) -> Result<Option<Timestamp>> {
        let now = ctx.now();
        let refused = json!({ "user": self.profile()?.user, "why": why });
        self.end_attempt();
        match why {
            Refusal::Password => {
                self.failures.add(now);
                self.keep_failures(ctx)?;
            }
            Refusal::Unverified => {}
        }
        audit::record(ctx, events::SIGN_IN_REFUSED, refused)?;
        Ok(self.failures.locked_until(now))
    }
}

impl Handler<ChangePassword> for Account {
    async fn handle(&mut self, change: ChangePassword, ctx: &mut Ctx<Self>) -> Result<()> {
        let ChangePassword {
            instead_of,
            password,
            keep,
        } = change;
        let updated = json!({ "user": self.verified()?.user, "changed": "password" });
        if self.password.as_ref() == Some(&password) {
            return Ok(()); // it is the same call again
        }
        if self.password != instead_of {
            return Err(ActorError::conflict(
                "account.password-changed",
                "the password was changed meanwhile",
            ));
        }
        self.end_attempt();
        self.set_password(Some(password), ctx)?;
        self.codes.drop_purpose(Purpose::ResetPassword);
        self.codes.drop_purpose(Purpose::SignIn);
        self.keep_codes(ctx)?;
        self.forgive(ctx)?;
        self.close(keep.map_or(Which::All, Which::Others), SessionEnd::PasswordChanged, ctx)?;
        audit::record(ctx, events::USER_UPDATED, updated)
    }
}

impl Handler<Renew> for Account {
    async fn handle(&mut self, Renew { instead_of, password }: Renew, ctx: &mut Ctx<Self>) -> Result<()> {
        if self.password.as_ref() == Some(&instead_of) {
            self.set_password(Some(password), ctx)?;
        }
        Ok(())
    }
}

impl Account {
    /// It is known how one attempt ended.
    fn end_attempt(&mut self) {
        if !self.attempts.is_empty() {
            self.attempts.remove(0);
        }
    }

    /// Forgets failed attempts.
    pub(super) fn forgive(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        if self.failures.count > 0 {
            self.failures = Failures::default();
            self.keep_failures(ctx)?;
        }
        Ok(())
    }
}
