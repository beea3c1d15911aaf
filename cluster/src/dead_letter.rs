//! Dead letters: durable messages that were given up, kept until somebody decides about them.

mod rows;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

pub(crate) use self::rows::{DeadLetterRows, bury, class_of, expire};
use self::rows::{Head, Removal};
use crate::{
    ActorError, ActorId, Message, Result, TenantId, Timestamp, host::Host, keyspace::SendId, router::Node, storage,
    wire,
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
#[derive(Debug, Clone, Default)]
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
    /// `too-large` if the limit exceeds the bound of a page, `retryable` while a shard has no owner here.
    pub async fn list(&self, query: DeadLetterQuery) -> Result<Vec<DeadLetter>> {
        let limit = storage::page(query.limit, self.0.bounds.list_page)?;
        let first = query.after.map_or(0, |after| usize::from(after.shard));
        let mut letters = Vec::new();
        for host in self.0.hosts.iter().skip(first) {
            self.ready(host).await?;
            let shard = host.shard.number();
            let after = query.after.filter(|after| after.shard == shard);
            let heads = rows::heads(host, after.map(|after| after.send))?;
            let found = heads
                .into_iter()
                .map(|(send, head)| self.letter(DeadLetterId { shard, send }, head))
                .filter(|letter| query.takes(letter));
            letters.extend(found.take(limit - letters.len()));
            if letters.len() == limit {
                break;
            }
        }
        Ok(letters)
    }

    /// Reads one with its content.
    ///
    /// # Errors
    /// `dead-letter.not-found`, `retryable` while its shard has no owner here.
    pub async fn read(&self, id: DeadLetterId) -> Result<DeadLetterContent> {
        let host = self.host(id).await?;
        let (head, envelope) = rows::read(host, id.send)?.ok_or_else(|| missing(id))?;
        Ok(DeadLetterContent {
            letter: self.letter(id, head),
            payload: envelope.map(|envelope| envelope.payload).unwrap_or_default(),
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
        let host = Arc::clone(self.host(id).await?);
        let (node, runtime) = (Arc::clone(&self.0), host.runtime.clone());
        // A task of its own, because a caller that goes away must not leave a batch behind that nobody waits for: the next
        // one would not see it yet, and send the letter a second time.
        let removed = runtime.spawn(async move { rows::remove(&host, &node, id.send, removal).await });
        match removed.await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(missing(id)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ActorError::unknown(
                "unknown",
                "the node ended while a dead letter was decided about",
            )),
        }
    }

    async fn host(&self, id: DeadLetterId) -> Result<&Arc<Host>> {
        let host = self.0.hosts.get(usize::from(id.shard)).ok_or_else(|| missing(id))?;
        self.ready(host).await?;
        Ok(host)
    }

    async fn ready(&self, host: &Host) -> Result<()> {
        tokio::time::timeout(self.0.bounds.ask, host.ready())
            .await
            .map_err(|_| ActorError::retryable("retryable", "a shard of the dead letters has no owner"))
    }

    fn letter(&self, id: DeadLetterId, head: Head) -> DeadLetter {
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
                class: self.0.classes.by_uid(class).map(|class| class.name().to_owned()),
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
