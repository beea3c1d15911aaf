//! The dead letters of one shard as rows: a small head that listings read, and the message.
//!
//! Whoever adds or removes one holds the lock of the shard until the batch has an outcome, so each reads what the one
//! before it has done.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Notify};

use crate::{
    ActorError, Result, Timestamp,
    address::Stored,
    host::{Effects, Host},
    id::ClassUid,
    keyspace::{self, SendId},
    mailbox::Fault,
    metrics::Dropped,
    outbox::Envelope,
    router::Node,
    shard::{Op, Outcome},
    storage,
};

/// Longest sleep: the wall clock may be set forward meanwhile.
const NAP: Duration = Duration::from_secs(3600);

/// What a shard's services share about its dead letters.
#[derive(Default)]
pub(crate) struct DeadLetterRows {
    lock: Mutex<()>,
    /// Wakes [`expire`]: there is a letter more.
    buried: Notify,
}

/// What is known of a dead letter without its message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) target: Option<Stored>,
    pub(crate) message: String,
    pub(crate) reason: String,
    pub(crate) at: Timestamp,
    pub(crate) bytes: u64,
}

/// The stored form of a head. A new form is a new variant at the end.
#[derive(Serialize, Deserialize)]
enum Row {
    V1(Head),
}

/// Why somebody takes a letter out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Removal {
    Replay,
    Discard,
}

/// Moves a durable message to the dead letters, and lets go of the oldest if there are too many; `false` without a
/// definite success, which ends the ownership: the next one tries again.
pub(crate) async fn bury(host: &Arc<Host>, node: &Node, id: SendId, envelope: Bytes, reason: &str) -> bool {
    let _lock = host.dead_letters.lock.lock().await;
    let head = match Envelope::decode(&envelope) {
        Some(Envelope {
            target,
            message,
            payload,
        }) => (Some(target), message, payload.len()),
        None => (None, String::new(), envelope.len()),
    };
    let row = Row::V1(Head {
        target: head.0,
        message: head.1,
        reason: reason.to_owned(),
        at: node.clock.now(),
        bytes: head.2 as u64,
    });
    let mut ops = vec![
        Op::Put {
            key: keyspace::dead(id),
            value: storage::encoded(&row),
        },
        Op::Put {
            key: keyspace::dead_envelope(id),
            value: envelope,
        },
        Op::Delete {
            key: keyspace::outbox(id),
        },
    ];
    // Among those that are kept is the new one.
    let most = node.bounds.dead_letters.max(1) - 1;
    let kept = heads(host, None).unwrap_or_default();
    let surplus = kept.len().saturating_sub(most);
    for (oldest, _) in kept.into_iter().take(surplus) {
        drop_letter(host, node, oldest, Dropped::Count);
        ops.extend(removal(oldest));
    }
    let outcome = host.write(ops).await;
    host.dead_letters.buried.notify_one();
    matches!(outcome, Outcome::Committed { .. })
}

/// Lets go of what is too old, again and again.
pub(crate) async fn expire(host: &Arc<Host>, node: &Node) {
    loop {
        match expire_once(host, node).await {
            Some(nap) => tokio::select! {
                biased;
                () = host.dead_letters.buried.notified() => {}
                () = tokio::time::sleep(nap) => {}
            },
            None => host.dead_letters.buried.notified().await,
        }
    }
}

/// Lets go of what is too old; says how long nothing else will be, or that nothing is left.
async fn expire_once(host: &Arc<Host>, node: &Node) -> Option<Duration> {
    let _lock = host.dead_letters.lock.lock().await;
    let Ok(heads) = heads(host, None) else {
        return Some(NAP);
    };
    let now = node.clock.now();
    let expiry = |head: &Head| head.at.plus(node.bounds.dead_letter_age);
    let (old, young): (Vec<_>, Vec<_>) = heads.into_iter().partition(|(_, head)| expiry(head) <= now);
    if !old.is_empty() {
        for (id, _) in &old {
            drop_letter(host, node, *id, Dropped::Age);
        }
        let ops = old.into_iter().flat_map(|(id, _)| removal(id)).collect();
        // Without a definite success the ownership ends, and the next one tries again.
        let _: Outcome = host.write(ops).await;
    }
    let next = young.iter().map(|(_, head)| expiry(head)).min()?;
    Some(next.since(now).min(NAP))
}

fn drop_letter(host: &Host, node: &Node, id: SendId, cause: Dropped) {
    node.metrics.dead_letter_dropped(cause);
    tracing::error!(
        shard = host.shard.number(),
        index = id.index,
        ordinal = id.ordinal,
        ?cause,
        "a dead letter is dropped"
    );
}

/// Heads behind `after`, in order. The bound on their number is the bound on this.
pub(crate) fn heads(host: &Host, after: Option<SendId>) -> Result<Vec<(SendId, Head)>> {
    let rows = host
        .shard
        .scan(keyspace::dead_after(after), false, usize::MAX)
        .map_err(|error| unreadable(host, &error))?;
    rows.into_iter()
        .filter_map(|(key, value)| Some((keyspace::parse_dead(&key)?, value)))
        .map(|(id, value)| Ok((id, decode(&value)?)))
        .collect()
}

/// One letter; no envelope if that is broken.
pub(crate) fn read(host: &Host, id: SendId) -> Result<Option<(Head, Option<Envelope>)>> {
    let get = |key: Bytes| host.shard.get(&key).map_err(|error| unreadable(host, &error));
    let Some(head) = get(keyspace::dead(id))? else {
        return Ok(None);
    };
    let envelope = get(keyspace::dead_envelope(id))?.as_ref().and_then(Envelope::decode);
    Ok(Some((decode(&head)?, envelope)))
}

/// Takes a letter out; `false` if it is not there.
pub(crate) async fn remove(host: &Arc<Host>, node: &Node, id: SendId, why: Removal) -> Result<bool> {
    let _lock = host.dead_letters.lock.lock().await;
    // Before the letter is read: if the shard has another owner meanwhile, the batch is refused.
    let Some(epoch) = host.epoch() else {
        return Err(Fault::Unavailable.into());
    };
    let Some((_, envelope)) = read(host, id)? else {
        return Ok(false);
    };
    let mut ops: Vec<Op> = removal(id).into();
    let mut effects = Effects::default();
    match why {
        Removal::Discard => {}
        Removal::Replay => {
            let envelope = envelope.ok_or_else(|| {
                ActorError::internal(
                    "dead-letter.unreadable",
                    "the message of the dead letter cannot be read",
                )
            })?;
            let bytes = envelope.encode();
            if envelope.target.resolve(&node.classes).is_none() {
                return Err(ActorError::unsupported(
                    "class.unregistered",
                    "the class of the dead letter's receiver is not registered",
                ));
            }
            ops.push(Op::Send { envelope: bytes });
            effects.sends = 1;
        }
    }
    match host.write_under(epoch, ops, effects).await {
        Outcome::Committed { .. } => Ok(true),
        Outcome::NotProposed => Err(Fault::Unavailable.into()),
        Outcome::Unknown => Err(Fault::Unknown.into()),
    }
}

fn removal(id: SendId) -> [Op; 2] {
    [keyspace::dead(id), keyspace::dead_envelope(id)].map(|key| Op::Delete { key })
}

/// The class that a dead letter is for, by its head.
pub(crate) fn class_of(head: &[u8]) -> Option<ClassUid> {
    decode(head).ok()?.target.map(|target| target.class())
}

fn decode(bytes: &[u8]) -> Result<Head> {
    let Row::V1(head) = storage::decode("a dead letter", bytes)?;
    Ok(head)
}

fn unreadable(host: &Host, error: &std::io::Error) -> ActorError {
    tracing::error!(%error, shard = host.shard.number(), "failed to read the dead letters");
    ActorError::internal("dead-letter.read", "failed to read the dead letters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActorId, TenantId, address::Address};

    #[test]
    fn stored_heads_keep_their_form() {
        let tenant = TenantId::new("acme").unwrap();
        let id = ActorId::from_parts("chat", tenant, "a".into());
        let head = Head {
            target: Some(Address::new(ClassUid([7; 8]), id).stored()),
            message: "m".into(),
            reason: "why".into(),
            at: Timestamp::from_millis(5),
            bytes: 9,
        };
        let golden = b"\x01\x00\x01\x07\x07\x07\x07\x07\x07\x07\x07\x04acme\x01a\x01m\x03why\x0a\x09";
        assert_eq!(storage::encoded(&Row::V1(head)), &golden[..]);
        let read = decode(golden).unwrap();
        assert_eq!((read.message.as_str(), read.bytes), ("m", 9));
        assert_eq!(class_of(golden), Some(ClassUid([7; 8])));
    }
}
