//! The types that instantiate openraft.

use std::fmt;

use bytes::Bytes;
use openraft::impls::{BoxedErrorSource, InlineBatch, leader_id_adv};
use openraft::raft::responder::Responder;
use openraft::{EntryPayload, OptionalSend, RaftTypeConfig};

use crate::shard::Epoch;

/// Type configuration of every group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Types;

pub(crate) type LeaderId = leader_id_adv::LeaderId<u64, u64>;
pub(crate) type LogId = openraft::LogId<LeaderId>;
pub(crate) type Vote = openraft::Vote<LeaderId>;
pub(crate) type Payload = EntryPayload<Command, u64, ()>;
pub(crate) type Entry = openraft::Entry<LeaderId, Payload>;
pub(crate) type Membership = openraft::Membership<u64, ()>;
pub(crate) type StoredMembership = openraft::StoredMembership<LeaderId, u64, ()>;

impl RaftTypeConfig for Types {
    type D = Command;
    type R = Reply;
    type NodeId = u64;
    type Node = ();
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote;
    type Payload = Payload;
    type Entry = Entry;
    type AsyncRuntime = openraft::impls::TokioRuntime;
    type Responder<T>
        = Answer<T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

/// What a log entry asks of the state machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Installs the proposing node as owner; the entry's own index becomes the epoch.
    Own {
        /// The new owner.
        node: u64,
    },
    /// One round of write-sets.
    Write {
        /// Rejected whole under any other epoch.
        epoch: Epoch,
        /// Counts the rounds of the epoch from zero: a gap means that an earlier round was lost, and rejects this one.
        round: u64,
        /// Encoded operations (see `codec::ops`).
        ops: Bytes,
    },
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own { node } => write!(f, "own by {node}"),
            Self::Write { epoch, round, ops } => write!(f, "write {}/{round} of {} bytes", epoch.0, ops.len()),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the state machine answers to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A blank or membership entry.
    Nothing,
    /// The epoch that an `Own` entry installed.
    Installed(Epoch),
    /// The write-sets took effect.
    Applied,
    /// Another epoch, or a gap in the rounds: nothing took effect.
    Rejected,
}

/// Hears the result of one proposal, exactly once; `None` if openraft dropped it.
pub(crate) struct Answer<T: OptionalSend + 'static>(Option<Box<dyn FnOnce(Option<T>) + Send>>);

impl<T: OptionalSend + 'static> Answer<T> {
    pub(crate) fn new(hear: impl FnOnce(Option<T>) + Send + 'static) -> Self {
        Self(Some(Box::new(hear)))
    }
}

impl<T: OptionalSend + 'static> Responder<Types, T> for Answer<T> {
    fn on_complete(mut self, result: T) {
        if let Some(hear) = self.0.take() {
            hear(Some(result));
        }
    }
}

impl<T: OptionalSend + 'static> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(hear) = self.0.take() {
            hear(None);
        }
    }
}
