//! Keeping actors at rest, so that what is stored of them can be replaced.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{TenantId, address::Address, host::Host, id::ActorHash};

/// How long an activation may go on with the messages it has before it is ended in the middle of one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which actors are at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Held {
    /// One.
    Actor(ActorHash),
    /// All of a tenant.
    Tenant(TenantId),
}

impl Held {
    pub(crate) fn covers(&self, address: &Address) -> bool {
        match self {
            Self::Actor(hash) => address.hash == *hash,
            Self::Tenant(tenant) => address.id.tenant() == tenant,
        }
    }
}

/// Actors of one shard that have no activation, and get none until this is dropped: calls to them are refused as
/// `retryable`, alarms and durable messages wait.
#[derive(Debug)]
pub(crate) struct Hold {
    host: Arc<Host>,
    held: Arc<Held>,
}

impl Hold {
    /// Ends the activations, and returns once all they did has an outcome.
    pub(crate) async fn begin(host: Arc<Host>, held: Held) -> Self {
        let held = Arc::new(held);
        let mailboxes = host.hold(&held);
        let hold = Self { host, held };
        futures_util::future::join_all(mailboxes.iter().map(|mailbox| mailbox.end(PATIENCE))).await;
        hold
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.host.release(&self.held);
    }
}
