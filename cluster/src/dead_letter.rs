//! Dead letters: durable messages that were given up, kept until somebody decides about them.

mod rows;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

pub(crate) use self::rows::{DeadLetterRows, Head, Removal, bury, class_of, expire, remove};
use crate::{
    ActorError, ActorId, Message, Result, TenantId, Timestamp,
    host::Host,
    keyspace::SendId,
    remote::{DeadLetterPage, ReadDeadLetter, RemoveDeadLetter},
    router::Node,
    storage, wire,
};

/// Name of a dead letter, as text `shard-index-ordinal`. One that is replayed and fails again gets a new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeadLetterId {
    shard: u16,
    send: SendId,
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.shard, self.send.index, self.send.ordinal)
    }
}

impl FromStr for DeadLetterId {
    type Err = ActorError;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let mut parts = text.split('-');
            let shard = parts.next()?.parse().ok()?;
            let index = parts.next()?.parse().ok()?;
            let ordinal = parts.next()?.parse().ok()?;
            let id = Self {
                shard,
                send: SendId { index, ordinal },
            };
            // There is one way to write each.
            (id.to_string() == text).then_some(id)
        };
        parse().ok_or_else(|| ActorError::invalid("dead-letter.id", "the text does not name a dead letter"))
    }
}

impl TryFrom<String> for DeadLetterId {
    type Error = ActorError;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<DeadLetterId> for String {
    fn from(id: DeadLetterId) -> Self {
        id.to_string()
    }
}

/// A durable message that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Its name.
    pub id: DeadLetterId,
    /// Who should have had it; empty if the stored message cannot be read.
    pub receiver: Option<Receiver>,
    /// Wire name of the message.
    pub message: String,
    /// Why it was given up.
    pub reason: String,
    /// When it was given up.
    pub at: Timestamp,
    /// Size of the encoded message.
    pub bytes: usize,
}

/// The receiver of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receiver {
    /// Its class; empty if no class of this node has the stored identity.
    pub class: Option<String>,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
}

/// A dead letter with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterContent {
    letter: DeadLetter,
    payload: bytes::Bytes,
}

impl DeadLetterContent {
    /// The letter.
    pub fn letter(&self) -> &DeadLetter {
        &self.letter
    }

    /// The encoded message.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The message.
    ///
    /// # Errors
    /// `message.unknown` if the letter holds another one, `message.decode` if it cannot be read.
    pub fn message<M: Message>(&self) -> Result<M> {
        if self.letter.message != M::NAME {
            return Err(ActorError::unsupported(
                crate::interface::UNKNOWN,
                format!("the dead letter holds {:?}, not {}", self.letter.message, M::NAME),
            ));
        }
        wire::decode(&self.payload).map_err(|error| {
            ActorError::invalid(
                crate::interface::UNREADABLE,
                format!("failed to decode {}: {error}", M::NAME),
            )
        })
    }
}

/// A page of dead letters, in the order of their names: per shard the oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DeadLetterQuery {
    /// Only those to actors of this tenant.
    pub tenant: Option<TenantId>,
    /// Only those to this actor.
    pub receiver: Option<ActorId>,
    /// Letter before the first of the page: the cursor.
    pub after: Option<DeadLetterId>,
    /// Most letters returned; 0 stands for the bound of a page.
    pub limit: usize,
}

impl DeadLetterQuery {
    fn takes(&self, letter: &DeadLetter) -> bool {
        let receiver = letter.receiver.as_ref();
        let of_tenant = |tenant: &TenantId| receiver.is_some_and(|receiver| receiver.tenant == *tenant);
        let of_actor = |id: &ActorId| {
            receiver.is_some_and(|receiver| {
                receiver.class.as_deref() == Some(id.class())
                    && (&receiver.tenant, receiver.name.as_str()) == (id.tenant(), id.name())
            })
        };
        self.tenant.as_ref().is_none_or(of_tenant) && self.receiver.as_ref().is_none_or(of_actor)
    }
}

/// The dead letters of a cluster.
#[derive(Clone)]
pub struct DeadLetters(Arc<Node>);

impl DeadLetters {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self(node)
    }

    /// Lists a page.
    ///
    /// # Errors
    /// `too-large` if the limit exceeds the bound of a page, `retryable` while a shard has no owner.
    pub async fn list(&self, query: DeadLetterQuery) -> Result<Vec<DeadLetter>> {
        let limit = storage::page(query.limit, self.0.bounds.list_page)?;
        let first = query.after.map_or(0, |after| after.shard);
        let mut letters = Vec::new();
        for shard in self.0.shards().skip(usize::from(first)) {
            let after = query.after.filter(|after| after.shard == shard);
            let page = DeadLetterPage {
                query: query.clone(),
                after: after.map(|after| after.send),
                limit: limit - letters.len(),
            };
            let found = self.0.operate(shard, page).await?;
            let found = found
                .into_iter()
                .map(|(send, head)| letter(&self.0, DeadLetterId { shard, send }, head));
            letters.extend(found);
            if letters.len() >= limit {
                break;
            }
        }
        Ok(letters)
    }

    /// Reads one with its content.
    ///
    /// # Errors
    /// `dead-letter.not-found`, `retryable` while its shard has no owner.
    pub async fn read(&self, id: DeadLetterId) -> Result<DeadLetterContent> {
        self.check(id)?;
        let found = self.0.operate(id.shard, ReadDeadLetter(id.send)).await?;
        let (head, payload) = found.ok_or_else(|| missing(id))?;
        Ok(DeadLetterContent {
            letter: letter(&self.0, id, head),
            payload: payload.into(),
        })
    }

    /// Sends one again, behind what its sender has sent since: it leaves the dead letters in the batch that puts it on its
    /// way, so however often this is called, the receiver handles it once in effect. If it fails again, it becomes a dead
    /// letter of another name.
    ///
    /// # Errors
    /// `dead-letter.not-found`, also if it was replayed before; `dead-letter.unreadable`; `class.unregistered` if no class
    /// of this node has the receiver's identity; `retryable` and `unknown` as for a call.
    pub async fn replay(&self, id: DeadLetterId) -> Result<()> {
        self.remove(id, Removal::Replay).await
    }

    /// Removes one for good.
    ///
    /// # Errors
    /// `dead-letter.not-found`; `retryable` and `unknown` as for a call.
    pub async fn discard(&self, id: DeadLetterId) -> Result<()> {
        self.remove(id, Removal::Discard).await
    }

    async fn remove(&self, id: DeadLetterId, removal: Removal) -> Result<()> {
        self.check(id)?;
        let remove = RemoveDeadLetter { id: id.send, removal };
        if self.0.operate(id.shard, remove).await? {
            Ok(())
        } else {
            Err(missing(id))
        }
    }

    /// Refuses what names no shard of this cluster.
    fn check(&self, id: DeadLetterId) -> Result<()> {
        let known = usize::from(id.shard) < self.0.hosts.len();
        known.then_some(()).ok_or_else(|| missing(id))
    }
}

/// Letters of one shard, behind `after`, that a query takes.
pub(crate) fn page(
    node: &Node,
    host: &Host,
    query: &DeadLetterQuery,
    after: Option<SendId>,
    limit: usize,
) -> Result<Vec<(SendId, Head)>> {
    let shard = host.shard.number();
    let heads = rows::heads(host, after)?;
    let takes = |(send, head): &(SendId, Head)| {
        let id = DeadLetterId { shard, send: *send };
        query.takes(&letter(node, id, head.clone()))
    };
    Ok(heads.into_iter().filter(takes).take(limit).collect())
}

/// One letter with its encoded message, which is empty if it is broken.
pub(crate) fn read(host: &Host, id: SendId) -> Result<Option<(Head, Vec<u8>)>> {
    let found = rows::read(host, id)?;
    Ok(found.map(|(head, envelope)| {
        (
            head,
            envelope.map(|envelope| envelope.payload.to_vec()).unwrap_or_default(),
        )
    }))
}

fn letter(node: &Node, id: DeadLetterId, head: Head) -> DeadLetter {
    let Head {
        target,
        message,
        reason,
        at,
        bytes,
    } = head;
    let receiver = target.map(|target| {
        let (class, tenant, name) = target.into_parts();
        Receiver {
            class: node.classes.by_uid(class).map(|class| class.name().to_owned()),
            tenant,
            name,
        }
    });
    DeadLetter {
        id,
        receiver,
        message,
        reason,
        at,
        bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
    }
}

fn missing(id: DeadLetterId) -> ActorError {
    ActorError::not_found("dead-letter.not-found", format!("there is no dead letter {id}"))
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_round_trip_as_text() {
        let id: DeadLetterId = "3-170-12".parse().unwrap();
        assert_eq!(id.to_string(), "3-170-12");
        for bad in ["", "3", "3-1", "3-1-2-4", "3-1-x", "70000-1-2", "03-1-2", "+3-1-2"] {
            assert_eq!(
                bad.parse::<DeadLetterId>().unwrap_err().code(),
                "dead-letter.id",
                "{bad}"
            );
        }
    }
}
