//! Who may act: the steps over several actors by which people and programs come, prove who they are, and go.
//!
//! Accounts and sessions live in the system tenant and memberships each in their own, so no turn changes both. The steps here are in
//! an order in which a crash between two of them does no harm, and each can be repeated: the whole is repeated by whoever had no
//! answer, with the same ids and secrets. What a crash leaves all the same is an entry in the account's index of tenants that no
//! membership stands behind; signing in removes it.
//!
//! Nothing here knows HTTP, makes random numbers or hashes passwords: those are given.

mod codes;
mod error;
mod invitations;
mod keys;
mod passwords;
mod sessions;
mod sign_in;
mod sign_up;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use cluster::prelude::{Cluster, Handler, Message, Result, TenantId};

pub use self::{
    error::IdentityError,
    invitations::Newcomer,
    sessions::Admitted,
    sign_in::{Entered, NewSession, SignIn},
    sign_up::{SignUp, SignedUp},
};
use crate::{account::Account, email::Email, membership::Membership, ports::Passwords};

/// Does the steps on a cluster.
#[derive(Clone)]
pub struct Identity {
    cluster: Cluster,
    passwords: Arc<dyn Passwords>,
}

impl Identity {
    /// Works on a cluster.
    #[must_use]
    pub fn new(cluster: Cluster, passwords: Arc<dyn Passwords>) -> Self {
        Self { cluster, passwords }
    }

    async fn ask_account<M: Message>(&self, email: &Email, message: M) -> Result<M::Reply>
    where
        Account: Handler<M>,
    {
        self.cluster.get::<Account>(Account::address(email)).ask(message).await
    }

    async fn ask_tenant<M: Message>(&self, tenant: &TenantId, message: M) -> Result<M::Reply>
    where
        Membership: Handler<M>,
    {
        self.cluster
            .get::<Membership>(Membership::address(tenant))
            .ask(message)
            .await
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
