//! What a stored row is, told from its key.

use super::{
    ACTOR, ActorHash, ActorRow, DEAD, DEAD_ENVELOPE, DIRECTORY, DUE, ERASED, FORMAT, GARBAGE, MEMBER, MIGRATION,
    OUTBOX, SENT, SETTING, SOCKET, SendId, SocketId, Space, UNLISTED,
};

/// A stored row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// A value of an actor.
    State(ActorHash, u32),
    Record(ActorHash),
    Alarm(ActorHash),
    Inbox(ActorHash),
    /// A call under an idempotency key.
    Dedup(ActorHash),
    /// What is known of the sockets of an actor.
    Socket(ActorHash),
    /// An open socket of an actor.
    OpenSocket(ActorHash, SocketId),
    /// An entry of the index of sockets.
    SocketIndex(ActorHash, SocketId),
    /// That an actor has sent something through sockets.
    Sent(ActorHash),
    /// That an ownership under which something was sent has ended in good order.
    Left,
    /// An entry of the alarm index, with its moment.
    Due(i64, ActorHash),
    Outbox(SendId),
    Directory,
    /// An entry of the index of actors that have rows and are not listed.
    Unlisted(ActorHash),
    /// A send that was given up: what is known of it.
    Dead(SendId),
    DeadEnvelope(SendId),
    /// What concerns classes or the cluster as a whole.
    Setting,
    /// A generation to collect.
    Garbage(ActorHash, u32),
}

impl Row {
    /// The row behind a key; `None` if no function of this module makes such a key.
    pub(crate) fn of(key: &[u8]) -> Option<Self> {
        let (&table, rest) = key.split_first()?;
        match table {
            ACTOR => actor(key),
            DUE => super::parse_due(key).map(|(millis, hash)| Self::Due(millis, hash)),
            OUTBOX => super::parse_outbox(key).map(Self::Outbox),
            DIRECTORY => Some(Self::Directory),
            DEAD => super::parse_dead(key).map(Self::Dead),
            DEAD_ENVELOPE => super::parse_send(DEAD_ENVELOPE, key).map(Self::DeadEnvelope),
            UNLISTED => rest.last_chunk::<16>().map(|hash| Self::Unlisted(ActorHash(*hash))),
            SETTING | MIGRATION | ERASED | MEMBER | FORMAT => Some(Self::Setting),
            SOCKET => {
                let hash = rest.last_chunk::<16>().map(|hash| ActorHash(*hash));
                Some(Self::SocketIndex(hash?, super::parse_socket_index(key)?))
            }
            SENT => super::parse_sent(key).map(|(_, hash)| hash.map_or(Self::Left, Self::Sent)),
            GARBAGE => super::parse_garbage(key).map(|(hash, generation)| Self::Garbage(hash, generation)),
            _ => None,
        }
    }
}

fn actor(key: &[u8]) -> Option<Row> {
    let row = ActorRow::parse(key)?;
    let (hash, generation, lasting) = (row.hash, row.generation, row.is_lasting());
    match row.space {
        space if space == Space::State as u8 && !lasting => Some(Row::State(hash, generation)),
        space if space == Space::Record as u8 && lasting => Some(Row::Record(hash)),
        space if space == Space::Alarm as u8 && lasting => Some(Row::Alarm(hash)),
        space if space == Space::Inbox as u8 && lasting => Some(Row::Inbox(hash)),
        space if space == Space::Dedup as u8 && lasting => Some(Row::Dedup(hash)),
        space if space == Space::Socket as u8 && lasting => Some(match row.open_socket() {
            Some(socket) => Row::OpenSocket(hash, socket),
            None => Row::Socket(hash),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace;

    #[test]
    fn rows_are_told_from_their_keys() {
        let hash = ActorHash([7; 16]);
        assert_eq!(Row::of(&keyspace::state(hash, 3, "k")), Some(Row::State(hash, 3)));
        assert_eq!(Row::of(&keyspace::record(hash)), Some(Row::Record(hash)));
        assert_eq!(Row::of(&keyspace::alarm(hash)), Some(Row::Alarm(hash)));
        assert_eq!(Row::of(&keyspace::inbox(hash, 1)), Some(Row::Inbox(hash)));
        assert_eq!(Row::of(&keyspace::dedup(hash, "k")), Some(Row::Dedup(hash)));
        assert_eq!(Row::of(&keyspace::dedup_order(hash, 1)), Some(Row::Dedup(hash)));
        let send = SendId { index: 1, ordinal: 2 };
        assert_eq!(Row::of(&keyspace::dead(send)), Some(Row::Dead(send)));
        assert_eq!(Row::of(&keyspace::dead_envelope(send)), Some(Row::DeadEnvelope(send)));
        assert_eq!(Row::of(&keyspace::due(5, hash)), Some(Row::Due(5, hash)));
        assert_eq!(Row::of(&keyspace::garbage(hash, 2)), Some(Row::Garbage(hash, 2)));
        assert_eq!(Row::of(b"\xff"), None);
    }
}
