//! What is asked of an account.

use cluster::{
    TenantId, Timestamp,
    prelude::{ActorId, Message, Uuid},
};
use serde::{Deserialize, Serialize};

use super::{Account, KnownSession, KnownTenant};
use crate::{
    email::Email,
    role::system_tenant,
    secret::{Hashed, PasswordHash},
    session::SessionEnd,
    user::UserId,
};

impl Account {
    /// Address of the account of an e-mail address.
    #[must_use]
    pub fn address(email: &Email) -> ActorId {
        ActorId::from_name::<Self>(&system_tenant(), &email.account())
    }
}

/// Makes the account, or, as long as nobody has proven that the address is theirs, registers it anew.
///
/// Errors: `account.exists` if it is verified, which the caller hides from strangers; `account.pause` if a mail was sent less than
/// a minute ago; `account.email`, `account.name`, `code.life`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "account.register", reply = Registered)]
pub struct Register {
    /// The address, which names the account.
    pub email: Email,
    /// What the person is called.
    pub name: String,
    /// The password, which counts once the address is proven.
    pub password: PasswordHash,
    /// How it is, or will be, proven.
    pub proof: Proof,
    /// Name of the tenant that the person founds, if they were not invited to one.
    pub founds: Option<String>,
}

/// How it is proven that the address belongs to whoever registers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Proof {
    /// By a code that is mailed there. It proves this registration and no other one of the same address.
    Code {
        /// The code.
        code: Hashed,
        /// Until when it counts.
        expires: Timestamp,
    },
    /// It was, by an invitation that was mailed there, or the operator of the server answers for it.
    Given,
}

/// The account was made, or registered anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The person.
    pub user: UserId,
}

/// What a mailed code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Proves that the address belongs to whoever registered.
    VerifyEmail,
    /// Sets another password.
    ResetPassword,
    /// Signs in without a password.
    SignIn,
}

/// Takes a code that will be mailed.
///
/// Errors: `account.unknown`, which the caller hides from strangers; `account.verified` if there is nothing to verify;
/// `account.pause` if one for the same purpose was issued less than a minute ago; `code.too-many`, `code.life`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "account.code", reply = Person)]
pub struct IssueCode {
    /// What it is for.
    pub purpose: Purpose,
    /// The code.
    pub code: Hashed,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// Shows a code that was mailed. It counts once; for [`Purpose::VerifyEmail`] showing it again is answered alike. Each purpose proves
/// the address.
///
/// Errors: `code.invalid`, whatever is wrong with the code; `account.password` without a password where one is needed.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "account.redeem", reply = Person)]
pub struct Redeem {
    /// What it is shown for.
    pub purpose: Purpose,
    /// The code.
    pub code: Hashed,
    /// The new password, for [`Purpose::ResetPassword`].
    pub password: Option<PasswordHash>,
}

/// Asks who the account belongs to.
///
/// Errors: `account.unknown`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "account.get", reply = Person)]
pub struct GetAccount;

/// A person, as their account knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The id, which lasts.
    pub user: UserId,
    /// The address.
    pub email: Email,
    /// What the person is called.
    pub name: String,
    /// Whether the address was proven.
    pub is_verified: bool,
    /// Tenants in which the person is, or is about to be, a member: an index, of which the tenants know better.
    pub tenants: Vec<KnownTenant>,
    /// The tenant the person signed in to the last time.
    pub last_tenant: Option<TenantId>,
    /// Name of the tenant that the person founds, until it is there.
    pub founds: Option<String>,
}

/// Asks what a password is checked against. An attempt counts as failed until it is known how it ended.
///
/// Errors: `account.unknown`, for which the caller does as much work as for a known one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "account.credentials", reply = Credentials)]
pub struct GetCredentials;

/// What a password is checked against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Credentials {
    /// This, if the person has a password.
    Open {
        /// The person.
        person: Person,
        /// The password; of an account that is not verified, the one of the last registration.
        password: Option<PasswordHash>,
    },
    /// Nothing: too many attempts have failed.
    Locked {
        /// Until when.
        until: Timestamp,
    },
}

/// The person signed in: opens the session, durably.
///
/// Errors: `account.unknown`, `account.unverified`, and those of [`OpenSession`](crate::session::OpenSession).
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "account.signed-in", reply = Person)]
pub struct SignedIn {
    /// Id of the session, made by the caller; the same again opens no other one.
    pub session: Uuid,
    /// The tenant the person works in.
    pub tenant: Option<TenantId>,
    /// Where the person signed in.
    pub device: String,
    /// When the session ends by itself.
    pub expires: Timestamp,
}

/// An attempt to sign in was refused. Answers until when the next ones are, if they are.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "account.sign-in-failed", reply = Option<Timestamp>)]
pub struct SignInFailed {
    /// Why.
    pub why: Refusal,
}

/// Why a sign-in was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// It was another password.
    Password,
    /// The password was right and the address is not proven. It is no guess, so it does not count.
    Unverified,
}

/// Sets another password and closes all sessions but one. The caller has checked the old one.
///
/// Errors: `account.unknown`, `account.unverified`; `account.password-changed` if it was another one by now.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "account.change-password")]
pub struct ChangePassword {
    /// The one that was checked, if the person had one.
    pub instead_of: Option<PasswordHash>,
    /// The new one.
    pub password: PasswordHash,
    /// The session that goes on.
    pub keep: Option<Uuid>,
}

/// Replaces the hash of the same password by a better one. It changes nothing if the password was changed meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "account.renew-hash")]
pub struct Renew {
    /// The one that was checked.
    pub instead_of: PasswordHash,
    /// The better one.
    pub password: PasswordHash,
}

/// Calls the person otherwise.
///
/// Errors: `account.unknown`, `account.name`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "account.rename", reply = Person)]
pub struct Rename {
    /// The name.
    pub name: String,
}

/// Removes the account with all it knows, and closes its sessions. An account that is not there is no error. The tenants are told
/// before, because one that would be without an admin objects.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "account.erase")]
pub struct EraseAccount;

/// Lists the open sessions, the latest first.
///
/// Errors: `account.unknown`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "account.sessions", reply = Vec<KnownSession>)]
pub struct ListSessions;

/// Closes sessions, durably, and answers which.
///
/// Errors: `account.unknown`; `session.unknown` if it is none of the person's.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "account.close-sessions", reply = Vec<Uuid>)]
pub struct CloseSessions {
    /// Which.
    pub which: Which,
    /// Why.
    pub why: SessionEnd,
}

/// Which sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// Every one.
    All,
    /// Every one but this.
    Others(Uuid),
    /// This one.
    One(Uuid),
}

/// A session of the account was revoked.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "account.session-ended")]
pub struct SessionEnded {
    /// Id of the session.
    pub session: Uuid,
}

/// Notes that the person is, or is about to be, a member of a tenant.
///
/// Errors: `account.unknown`, `account.unverified`, `account.too-many-tenants`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "account.note-membership")]
pub struct NoteMembership {
    /// The tenant.
    pub tenant: TenantId,
    /// What it is called.
    pub name: String,
}

/// The tenant that the person founds is there.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "account.founded", reply = Person)]
pub struct Founded;

/// Forgets a tenant of which the person turned out to be no member. It changes nothing within a minute after it was noted, for the
/// person may be about to be one.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "account.forget-membership")]
pub struct ForgetMembership {
    /// The tenant.
    pub tenant: TenantId,
}
