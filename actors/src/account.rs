//! Accounts: one for each e-mail address, an actor of the system tenant that is named by the digest of the address.
//!
//! An account knows who the person is, how they prove it, where they are signed in and, as an index only, in which tenants they
//! are a member. It takes part in no hashing of passwords: the host program does that where it holds nobody up.

mod actor;
mod codes;
mod lockout;
mod messages;
mod record;
mod registration;
mod sessions;
mod sign_in;
mod tenants;
#[cfg(test)]
mod tests;

pub use actor::Account;
pub use messages::{
    ChangePassword, CloseSessions, Credentials, EraseAccount, ForgetMembership, Founded, GetAccount, GetCredentials,
    IssueCode, ListSessions, NoteMembership, Person, Proof, Purpose, Redeem, Refusal, Register, Registered, Rename,
    Renew, SessionEnded, SignInFailed, SignedIn, Which,
};
pub use record::{KnownSession, KnownTenant};
