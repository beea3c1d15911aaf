//! What a backup holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ActorId, TenantId};

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contents {
    /// All that the cluster keeps.
    Node,
    /// The actors of one tenant, and the durable messages among them.
    Tenant(TenantId),
    /// One actor, without the messages to and from it.
    Actor(ActorId),
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("the whole cluster"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Self::Actor(actor) => write!(f, "actor {actor}"),
        }
    }
}
