//! Registration, and the codes that are mailed.

use cluster::prelude::{ActorError, Ctx, Handler, Result};
use serde_json::json;

use super::{
    Account,
    actor::{UNVERIFIED_FOR, unknown},
    messages::{IssueCode, Person, Proof, Purpose, Redeem, Register, Registered, Which},
    record::{Code, Profile, Registration},
};
use crate::{
    audit::{self, events},
    email::Email,
    line,
    secret::{Hashed, PasswordHash},
    session::SessionEnd,
    user::UserId,
};

impl Handler<Register> for Account {
    async fn handle(&mut self, register: Register, ctx: &mut Ctx<Self>) -> Result<Registered> {
        let now = ctx.now();
        if register.email.account() != ctx.name() {
            return Err(ActorError::invalid(
                "account.email",
                "the account is of another address",
            ));
        }
        if self.profile.as_ref().is_some_and(|profile| profile.verified.is_some()) {
            return Err(ActorError::conflict(
                "account.exists",
                "there is an account of this address",
            ));
        }
        let given = Registration {
            name: line::name(&register.name, "account.name")?,
            password: register.password,
            founds: register
                .founds
                .map(|name| line::name(&name, "tenant.name"))
                .transpose()?,
        };
        if let Proof::Code { code, expires } = register.proof {
            let mut codes = self.codes.clone();
            codes.issue(
                Code {
                    purpose: Purpose::VerifyEmail,
                    hash: code,
                    issued: now,
                    expires,
                    attempts: 0,
                    registration: Some(given.clone()),
                },
                now,
            )?;
            if self.profile.is_some() && codes == self.codes {
                return self.registered(); // it is the same call again
            }
            self.codes = codes;
            self.keep_codes(ctx)?;
        }
        self.enter(&register.email, &given, ctx)?;
        match register.proof {
            Proof::Code { .. } => {
                ctx.set_alarm(now.plus(UNVERIFIED_FOR));
                self.set_registration(Some(given), ctx)?;
            }
            Proof::Given => self.verify(Some(given), None, ctx)?,
        }
        self.registered()
    }
}

impl Handler<IssueCode> for Account {
    async fn handle(&mut self, issue: IssueCode, ctx: &mut Ctx<Self>) -> Result<Person> {
        let is_verified = self.profile()?.verified.is_some();
        let registration = match issue.purpose {
            Purpose::VerifyEmail if is_verified => {
                return Err(ActorError::conflict(
                    "account.verified",
                    "the address is proven already",
                ));
            }
            Purpose::VerifyEmail => Some(self.registration.clone().ok_or_else(unknown)?),
            Purpose::ResetPassword | Purpose::SignIn => None,
        };
        let mut codes = self.codes.clone();
        codes.issue(
            Code {
                purpose: issue.purpose,
                hash: issue.code,
                issued: ctx.now(),
                expires: issue.expires,
                attempts: 0,
                registration,
            },
            ctx.now(),
        )?;
        if codes != self.codes {
            self.codes = codes;
            self.keep_codes(ctx)?;
        }
        self.person()
    }
}

impl Handler<Redeem> for Account {
    async fn handle(&mut self, redeem: Redeem, ctx: &mut Ctx<Self>) -> Result<Person> {
        let Redeem {
            purpose,
            code,
            password,
        } = redeem;
        if purpose == Purpose::ResetPassword && password.is_none() {
            return Err(ActorError::invalid("account.password", "the new password is missing"));
        }
        if purpose == Purpose::VerifyEmail && self.was_verified_by(&code) {
            return self.person();
        }
        let before = self.codes.clone();
        let redeemed = self.codes.redeem(purpose, &code, ctx.now());
        if self.codes != before {
            self.keep_codes(ctx)?;
        }
        let redeemed = redeemed.ok_or_else(invalid)?;
        if self.profile()?.verified.is_none() {
            self.verify(redeemed.registration, Some(redeemed.hash), ctx)?;
        }
        if purpose == Purpose::ResetPassword {
            self.reset(password, ctx)?;
        }
        self.person()
    }
}

impl Account {
    fn registered(&self) -> Result<Registered> {
        Ok(Registered {
            user: self.profile()?.user.clone(),
        })
    }

    /// Makes the profile, or, of an account that is not verified, fills it in anew.
    fn enter(&mut self, email: &Email, given: &Registration, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        let is_new = self.profile.is_none();
        let user = match &self.profile {
            Some(profile) => profile.user.clone(),
            None => UserId::new(&ctx.uuid().to_string())?,
        };
        let (event, told) = if is_new {
            (events::USER_CREATED, json!({ "user": user, "email": email }))
        } else {
            (events::USER_UPDATED, json!({ "user": user, "changed": "registration" }))
        };
        self.profile = Some(Profile {
            user,
            email: email.clone(),
            name: given.name.clone(),
            registered: now,
            verified: None,
            verified_by: None,
            founds: None,
            last_tenant: None,
        });
        self.keep_profile(ctx)?;
        audit::record(ctx, event, told)
    }

    /// The address is proven. A password that was registered counts only if it is this registration that was proven: any other
    /// one may have been made by anybody.
    fn verify(&mut self, proven: Option<Registration>, by: Option<Hashed>, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        let password = proven.as_ref().map(|proven| proven.password.clone());
        let given = proven.or_else(|| self.registration.take());
        let profile = self.profile_mut()?;
        profile.verified = Some(now);
        profile.verified_by = by;
        if let Some(given) = given {
            profile.name = given.name;
            profile.founds = given.founds;
        }
        let verified = json!({ "user": profile.user });
        self.keep_profile(ctx)?;
        self.set_password(password, ctx)?;
        self.set_registration(None, ctx)?;
        self.codes.drop_purpose(Purpose::VerifyEmail);
        self.keep_codes(ctx)?;
        ctx.delete_alarm();
        audit::record(ctx, events::USER_VERIFIED, verified)
    }

    /// Whoever holds the mailbox sets another password: nobody who was signed in before stays so.
    fn reset(&mut self, password: Option<PasswordHash>, ctx: &mut Ctx<Self>) -> Result<()> {
        self.set_password(password, ctx)?;
        self.codes.drop_purpose(Purpose::ResetPassword);
        self.codes.drop_purpose(Purpose::SignIn);
        self.keep_codes(ctx)?;
        self.forgive(ctx)?;
        self.close(Which::All, SessionEnd::PasswordChanged, ctx)?;
        let updated = json!({ "user": self.profile()?.user, "changed": "password" });
        audit::record(ctx, events::USER_UPDATED, updated)
    }

    fn was_verified_by(&self, code: &Hashed) -> bool {
        let by = self.profile.as_ref().and_then(|profile| profile.verified_by.as_ref());
        by.is_some_and(|by| by == code)
    }
}

fn invalid() -> ActorError {
    ActorError::forbidden("code.invalid", "the code is wrong, was used, or its time is over")
}
