//! What nodes ask each other and answer, as bytes.
//!
//! Variants are numbered by their order: a new one comes last. A node that cannot read a request says so, and has done
//! nothing.

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    operation::Operation,
    restoring::{Kept, Restoring},
};
use crate::{
    ActorError, Credential, IdempotencyKey, Timestamp,
    address::Stored,
    caller::Account,
    consensus::{Asked, Given},
    id::ActorHash,
    keyspace::SendId,
    mailbox::Fault,
    shard::{Epoch, Leader},
    socket::SocketId,
    storage, wire,
};

/// Most bytes of a message or reply that goes to another node.
pub(super) const CONTENT_BYTES: usize = 8 * 1024 * 1024;

/// The format from which on nodes tell each other on whose account calls are made.
pub(super) const ACCOUNTS: u32 = 2;

/// What one node asks another.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// A message to an actor; the content is the encoded message. Said as long as a node does not know
    /// [`CallFor`](Self::CallFor).
    Call(Box<Call>),
    /// A row of the meta group.
    Meta(Meta),
    /// Who owns what, as far as the node knows.
    Leaders,
    /// Something that the owner of a shard looks up or does.
    Operation { shard: u16, operation: Operation },
    /// Something that the owner of a group gives to whoever copies it.
    Copy { group: u16, asked: Asked },
    /// Something of a restore; the content is a batch, or a part of it.
    Restoring(Restoring),
    /// How far these shards go, of those that the node owns.
    Confirm(Vec<u16>),
    /// As an operation that only looks, after the entry at `behind`; the answer says how far the owner was.
    Look {
        shard: u16,
        behind: u64,
        operation: Operation,
    },
    /// A message to an actor, and on whose account; the content is the encoded message.
    CallFor { call: Box<Call>, account: Shown },
    /// What actors send through sockets of this node, the `number`th from this run of the sender; the content is what.
    Deliver { instance: u64, number: u64 },
    /// Which run of the node this is.
    Instance,
    /// When a socket of a run of this node last was answered automatically.
    AutoResponded { instance: u64, number: u64 },
}

/// A message to an actor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) target: Stored,
    pub(super) message: String,
    /// The ownership it is for.
    pub(super) epoch: Epoch,
    pub(super) sender: Sender,
}

/// On whose account a message is, as far as another node may know.
#[derive(Serialize, Deserialize)]
pub(super) enum Shown {
    /// Nobody's that is known.
    Nobody,
    /// That of whoever has shown this credential.
    Holder(String),
    /// That of an actor for which its node vouches with this.
    Vouched(String),
}

/// Who sent a message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Sender {
    /// Somebody who waits for the reply.
    Ask {
        passage: Passage,
        /// The actors that wait, from the asker back to the first.
        chain: Vec<ActorHash>,
        request: Option<String>,
        key: Option<IdempotencyKey>,
        /// How long the caller goes on waiting.
        remaining: Duration,
    },
    /// The outbox of a shard.
    Outbox { source: u16, id: SendId },
}

/// The place of a call among those from one run of a node to one owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Passage {
    /// The run of the node.
    pub(crate) instance: u64,
    /// Number of the call.
    pub(crate) number: u64,
    /// No call before this one is waited for.
    pub(crate) floor: u64,
    /// The call that it must not overtake.
    pub(crate) after: Option<u64>,
}

/// What is asked of the owner of the meta group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Meta {
    /// Reads a row.
    Get { key: Vec<u8> },
    /// Writes a row unless there is one, and reads the one that holds.
    PutIfAbsent { key: Vec<u8>, value: Vec<u8> },
}

/// What a node answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The content is the encoded reply.
    Reply,
    /// A durable message was taken.
    Done,
    /// It failed, or was refused.
    Fault(Fault),
    /// It was not handled: this node does not own the shard under the epoch that was named.
    NotLeader(Option<Leader>),
    /// It was not handled: the call before it has not arrived.
    Early,
    /// It came before, or after its time; nothing is said about what became of it.
    Late,
    /// It was not handled: this node cannot read it.
    Unreadable,
    /// A row of the meta group.
    Row(Option<Vec<u8>>),
    /// What was asked of a group failed.
    Failed(ActorError),
    /// Who owns what.
    Leaders(Vec<(u16, Leader)>),
    /// The content is what the owner of a shard found.
    Output,
    /// What the owner of a group gives, with the content.
    Given(Given),
    /// What became of a part of a restore.
    Kept(Kept),
    /// Shards that the node owns, and the entry up to which everything is that was acknowledged before.
    Confirmed(Vec<(u16, u64)>),
    /// The content is what the owner of a shard found, which is no less than what the entry at this index has made.
    Seen(u64),
    /// It was delivered, but to these sockets, which are not there.
    Delivered(Vec<SocketId>),
    /// The run of the node.
    Instance(u64),
    /// When an automatic response was last sent.
    AutoResponded(Option<Timestamp>),
}

impl Shown {
    /// An account that has left its node.
    pub(super) fn of(account: &Account) -> Self {
        match account {
            Account::Holder(credential) => Self::Holder(credential.as_str().to_owned()),
            Account::Vouched(credential) => Self::Vouched(credential.as_str().to_owned()),
            Account::Nobody | Account::Own(_) => Self::Nobody,
        }
    }

    /// The account, unless what is shown exceeds its bound.
    pub(super) fn account(&self) -> Result<Account, ActorError> {
        Ok(match self {
            Self::Nobody => Account::Nobody,
            Self::Holder(credential) => Account::Holder(Credential::new(credential)?),
            Self::Vouched(credential) => Account::Vouched(Credential::new(credential)?),
        })
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Holder(_) => "Holder(..)",
            Self::Vouched(_) => "Vouched(..)",
        })
    }
}

impl Request {
    pub(super) fn encode(&self, content: &[u8]) -> Bytes {
        wire::frame(&storage::encoded(self), content)
    }

    pub(super) fn decode(bytes: &Bytes) -> Option<(Self, Bytes)> {
        wire::unframe(bytes)
    }
}

impl Answer {
    pub(super) fn encode(&self, content: &[u8]) -> Bytes {
        wire::frame(&storage::encoded(self), content)
    }

    pub(super) fn decode(bytes: &Bytes) -> Option<(Self, Bytes)> {
        wire::unframe(bytes)
    }
}

/// Refuses what is too large for the way between nodes.
pub(super) fn check(content: &Bytes) -> Result<(), ActorError> {
    if content.len() <= CONTENT_BYTES {
        return Ok(());
    }
    Err(ActorError::too_large(
        "too-large",
        format!(
            "a message or reply of {} bytes exceeds the bound of {CONTENT_BYTES} between nodes",
            content.len()
        ),
    ))
}
