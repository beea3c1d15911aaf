//! Where rows live: table byte, hash, generation, space, user key.

#[cfg(feature = "testing")]
mod row;

use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    TenantId,
    id::{ActorHash, ClassUid},
    peers::NodeId,
    shard::Epoch,
    socket::SocketId,
};

#[cfg(feature = "testing")]
pub(crate) use self::row::Row;

/// Rows of actors.
const ACTOR: u8 = 0x01;
/// Alarms by due time.
const DUE: u8 = 0x02;
/// Durable sends on their way.
const OUTBOX: u8 = 0x03;
/// Actors by class, tenant and name.
const DIRECTORY: u8 = 0x04;
/// Durable sends that were given up: what is known of them.
const DEAD: u8 = 0x05;
/// Cluster-wide settings, in the meta group.
const SETTING: u8 = 0x06;
/// Generations of actor rows that `delete_all` left to collect.
const GARBAGE: u8 = 0x07;
/// Durable sends that were given up: their envelopes.
const DEAD_ENVELOPE: u8 = 0x08;
/// Applied class migrations, in the meta group.
const MIGRATION: u8 = 0x20;
/// Actors that have rows and are not listed, by class and hash.
const UNLISTED: u8 = 0x21;
/// Deleted classes of which nothing is left in the shard.
const ERASED: u8 = 0x22;

/// Nodes of the cluster, in the meta group.
const MEMBER: u8 = 0x23;

/// The format that nodes write for each other, in the meta group.
const FORMAT: u8 = 0x24;

/// Sockets of actors, by the process that keeps the connection.
const SOCKET: u8 = 0x25;

/// Actors that have sent something through sockets, by the ownership under which they did.
const SENT: u8 = 0x26;

/// Generation of the rows that outlive `delete_all`; those of storage begin at 1.
const LASTING: u32 = 0;

/// Kind of an actor's row.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Space {
    State = 0,
    Record = 1,
    Alarm = 2,
    Inbox = 3,
    Dedup = 4,
    Socket = 5,
}

/// What a row of the space `Socket` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SocketRow {
    /// That the socket is open.
    Record = 0,
    /// The last frame that was handled.
    Cursor = 1,
    /// What was attached to it.
    Attachment = 2,
}

/// The row of the space `Socket` for what gateways answer by themselves.
const AUTO_RESPONSE: u8 = 3;

/// Rows of the space `Dedup`: by key, and by number.
const BY_KEY: u8 = 0;
const BY_NUMBER: u8 = 1;

/// A range of whole keys.
pub(crate) type KeyRange = (Bound<Bytes>, Bound<Bytes>);

/// Name of a durable send: log index and ordinal within the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) struct SendId {
    pub(crate) index: u64,
    pub(crate) ordinal: u32,
}

fn actor_row(hash: ActorHash, generation: u32, space: Space, rest: &[u8]) -> Bytes {
    let mut key = BytesMut::with_capacity(22 + rest.len());
    key.put_u8(ACTOR);
    key.put_slice(&hash.0);
    key.put_u32(generation);
    key.put_u8(space as u8);
    key.put_slice(rest);
    key.freeze()
}

/// Bytes of a state key before the user's part.
pub(crate) const STATE_PREFIX: usize = 22;

/// A stored value of an actor.
pub(crate) fn state(hash: ActorHash, generation: u32, key: &str) -> Bytes {
    actor_row(hash, generation, Space::State, key.as_bytes())
}

/// The record of an actor: its generation and whether the directory lists it.
pub(crate) fn record(hash: ActorHash) -> Bytes {
    actor_row(hash, LASTING, Space::Record, &[])
}

/// The alarm of an actor.
pub(crate) fn alarm(hash: ActorHash) -> Bytes {
    actor_row(hash, LASTING, Space::Alarm, &[])
}

/// The last durable send an actor took from a source shard.
pub(crate) fn inbox(hash: ActorHash, source: u16) -> Bytes {
    actor_row(hash, LASTING, Space::Inbox, &source.to_be_bytes())
}

/// An actor's row, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ActorRow<'a> {
    pub(crate) hash: ActorHash,
    pub(crate) generation: u32,
    space: u8,
    rest: &'a [u8],
}

impl<'a> ActorRow<'a> {
    /// Takes the key of an actor's row apart; `None` if it is another table's.
    pub(crate) fn parse(key: &'a [u8]) -> Option<Self> {
        let (hash, rest) = key.strip_prefix(&[ACTOR])?.split_first_chunk::<16>()?;
        let (generation, rest) = rest.split_first_chunk::<4>()?;
        let (space, rest) = rest.split_first()?;
        Some(Self {
            hash: ActorHash(*hash),
            generation: u32::from_be_bytes(*generation),
            space: *space,
            rest,
        })
    }

    /// Whether it outlives `delete_all`.
    pub(crate) fn is_lasting(&self) -> bool {
        self.generation == LASTING
    }

    /// Whether it is the actor's record.
    pub(crate) fn is_record(&self) -> bool {
        self.is_lasting() && self.space == Space::Record as u8
    }

    /// Whether it is the actor's alarm.
    pub(crate) fn is_alarm(&self) -> bool {
        self.is_lasting() && self.space == Space::Alarm as u8
    }

    /// Whether it says what the actor has taken of the durable sends to it.
    pub(crate) fn is_inbox(&self) -> bool {
        self.is_lasting() && self.space == Space::Inbox as u8
    }

    /// Whether it is about sockets.
    pub(crate) fn is_socket(&self) -> bool {
        self.is_lasting() && self.space == Space::Socket as u8
    }

    /// The socket that it says is open.
    pub(crate) fn open_socket(&self) -> Option<SocketId> {
        let rest = self.rest.strip_prefix(&[SocketRow::Record as u8]);
        self.is_socket().then(|| SocketId::from_bytes(rest?))?
    }

    /// The shard whose durable sends it is about.
    pub(crate) fn source(&self) -> Option<u16> {
        let source = self.is_inbox().then_some(self.rest)?;
        Some(u16::from_be_bytes(source.try_into().ok()?))
    }

    /// The same row of another actor, in another generation.
    pub(crate) fn moved(&self, hash: ActorHash, generation: u32) -> Bytes {
        let mut key = BytesMut::with_capacity(22 + self.rest.len());
        key.put_u8(ACTOR);
        key.put_slice(&hash.0);
        key.put_u32(generation);
        key.put_u8(self.space);
        key.put_slice(self.rest);
        key.freeze()
    }
}

/// All that an actor has taken of durable sends.
pub(crate) fn inboxes(hash: ActorHash) -> KeyRange {
    under(actor_row(hash, LASTING, Space::Inbox, &[]))
}

/// All actors that have rows and are not listed.
pub(crate) fn all_unlisted() -> KeyRange {
    under(Bytes::from_static(&[UNLISTED]))
}

/// All rows of an actor that outlive `delete_all`.
pub(crate) fn lasting(hash: ActorHash) -> KeyRange {
    generation(hash, LASTING)
}

/// What a call of an actor under an idempotency key came to.
pub(crate) fn dedup(hash: ActorHash, key: &str) -> Bytes {
    let mut rest = BytesMut::with_capacity(1 + key.len());
    rest.put_u8(BY_KEY);
    rest.put_slice(key.as_bytes());
    actor_row(hash, LASTING, Space::Dedup, &rest)
}

/// The idempotency keys of an actor in the order of their numbers.
pub(crate) fn dedup_order(hash: ActorHash, number: u64) -> Bytes {
    let mut rest = [BY_NUMBER; 9];
    rest[1..].copy_from_slice(&number.to_be_bytes());
    actor_row(hash, LASTING, Space::Dedup, &rest)
}

/// All rows made by [`dedup_order`] for one actor.
pub(crate) fn all_dedup_order(hash: ActorHash) -> KeyRange {
    under(actor_row(hash, LASTING, Space::Dedup, &[BY_NUMBER]))
}

/// The number in a row made by [`dedup_order`].
pub(crate) fn parse_dedup_order(row: &[u8]) -> Option<u64> {
    let number = row.get(STATE_PREFIX + 1..)?.try_into().ok()?;
    Some(u64::from_be_bytes(number))
}

/// All rows of one generation of an actor.
pub(crate) fn generation(hash: ActorHash, generation: u32) -> KeyRange {
    let mut key = BytesMut::with_capacity(21);
    key.put_u8(ACTOR);
    key.put_slice(&hash.0);
    key.put_u32(generation);
    under(key.freeze())
}

/// What is known of a socket of an actor.
pub(crate) fn socket(hash: ActorHash, kind: SocketRow, id: SocketId) -> Bytes {
    let mut rest = [kind as u8; 1 + SocketId::BYTES];
    rest[1..].copy_from_slice(&id.to_bytes());
    actor_row(hash, LASTING, Space::Socket, &rest)
}

/// Rows made by [`socket`] for one actor.
pub(crate) fn sockets(hash: ActorHash, kind: SocketRow) -> KeyRange {
    under(actor_row(hash, LASTING, Space::Socket, &[kind as u8]))
}

/// The socket in a row made by [`socket`].
pub(crate) fn parse_socket(row: &[u8]) -> Option<SocketId> {
    SocketId::from_bytes(row.get(STATE_PREFIX + 1..)?)
}

/// What gateways answer by themselves to the clients of an actor.
pub(crate) fn auto_response(hash: ActorHash) -> Bytes {
    actor_row(hash, LASTING, Space::Socket, &[AUTO_RESPONSE])
}

/// An entry of the index of sockets, by the process that keeps the connection.
pub(crate) fn socket_index(id: SocketId, hash: ActorHash) -> Bytes {
    let mut key = BytesMut::with_capacity(41);
    key.put_u8(SOCKET);
    key.put_slice(&id.to_bytes());
    key.put_slice(&hash.0);
    key.freeze()
}

/// The socket of a key made by [`socket_index`].
pub(crate) fn parse_socket_index(key: &[u8]) -> Option<SocketId> {
    let rest = key.strip_prefix(&[SOCKET])?;
    SocketId::from_bytes(rest.get(..SocketId::BYTES)?)
}

/// All entries of the index of sockets.
pub(crate) fn all_socket_index() -> KeyRange {
    under(Bytes::from_static(&[SOCKET]))
}

/// The process of a key made by [`socket_index`].
pub(crate) fn parse_gateway(key: &[u8]) -> Option<(NodeId, u64)> {
    parse_socket_index(key).map(|id| (id.node, id.instance))
}

/// The sockets of one process.
pub(crate) fn sockets_of(node: NodeId, instance: u64) -> KeyRange {
    let mut key = BytesMut::with_capacity(17);
    key.put_u8(SOCKET);
    key.put_u64(node.get());
    key.put_u64(instance);
    under(key.freeze())
}

/// The sockets of one process behind one of them, up to another.
pub(crate) fn sockets_between(after: SocketId, to: SocketId) -> KeyRange {
    let behind = |id: SocketId| successor(&[&[SOCKET][..], &id.to_bytes()].concat());
    let start = behind(after).map_or(Bound::Unbounded, Bound::Included);
    (start, behind(to).map_or(Bound::Unbounded, Bound::Excluded))
}

/// Says that an actor has sent something through sockets under an ownership.
pub(crate) fn sent(epoch: Epoch, hash: ActorHash) -> Bytes {
    let mut key = BytesMut::with_capacity(25);
    key.put_slice(&left(epoch));
    key.put_slice(&hash.0);
    key.freeze()
}

/// Says that all that was sent through sockets under an ownership has an outcome, and its actors know it. It comes before
/// what [`sent`] makes for the same ownership.
pub(crate) fn left(epoch: Epoch) -> Bytes {
    let mut key = BytesMut::with_capacity(9);
    key.put_u8(SENT);
    key.put_u64(epoch.0);
    key.freeze()
}

/// All rows made by [`sent`] and [`left`] for one ownership.
pub(crate) fn sent_under(epoch: Epoch) -> KeyRange {
    under(left(epoch))
}

/// All rows made by [`sent`] and [`left`].
pub(crate) fn all_sent() -> KeyRange {
    under(Bytes::from_static(&[SENT]))
}

/// The ownership in a key made by [`sent`] or [`left`], and the actor in one made by the former.
pub(crate) fn parse_sent(key: &[u8]) -> Option<(Epoch, Option<ActorHash>)> {
    let (epoch, rest) = key.strip_prefix(&[SENT])?.split_first_chunk()?;
    let hash = <[u8; 16]>::try_from(rest).ok().map(ActorHash);
    (hash.is_some() || rest.is_empty()).then_some((Epoch(u64::from_be_bytes(*epoch)), hash))
}

/// An alarm in the order of due times. Times before 1970 count as 0.
pub(crate) fn due(millis: i64, hash: ActorHash) -> Bytes {
    let mut key = BytesMut::with_capacity(25);
    key.put_u8(DUE);
    key.put_u64(u64::try_from(millis).unwrap_or(0));
    key.put_slice(&hash.0);
    key.freeze()
}

/// Due time and actor of a key made by [`due`].
pub(crate) fn parse_due(key: &[u8]) -> Option<(i64, ActorHash)> {
    let (time, hash) = key.strip_prefix(&[DUE])?.split_first_chunk::<8>()?;
    Some((
        i64::try_from(u64::from_be_bytes(*time)).ok()?,
        ActorHash(hash.try_into().ok()?),
    ))
}

/// All alarms.
pub(crate) fn all_due() -> KeyRange {
    under(Bytes::from_static(&[DUE]))
}

fn send_key(table: u8, id: SendId) -> Bytes {
    let mut key = BytesMut::with_capacity(13);
    key.put_u8(table);
    key.put_u64(id.index);
    key.put_u32(id.ordinal);
    key.freeze()
}

/// A durable send on its way.
pub(crate) fn outbox(id: SendId) -> Bytes {
    send_key(OUTBOX, id)
}

/// A durable send that was given up.
pub(crate) fn dead(id: SendId) -> Bytes {
    send_key(DEAD, id)
}

/// The id in a key made by [`outbox`].
pub(crate) fn parse_outbox(key: &[u8]) -> Option<SendId> {
    parse_send(OUTBOX, key)
}

fn parse_send(table: u8, key: &[u8]) -> Option<SendId> {
    let (index, ordinal) = key.strip_prefix(&[table])?.split_first_chunk::<8>()?;
    Some(SendId {
        index: u64::from_be_bytes(*index),
        ordinal: u32::from_be_bytes(ordinal.try_into().ok()?),
    })
}

/// Durable sends behind `after`.
pub(crate) fn outbox_after(after: Option<SendId>) -> KeyRange {
    let (start, end) = under(Bytes::from_static(&[OUTBOX]));
    (after.map_or(start, |id| Bound::Excluded(outbox(id))), end)
}

/// The envelope of a given-up send.
pub(crate) fn dead_envelope(id: SendId) -> Bytes {
    send_key(DEAD_ENVELOPE, id)
}

/// The id in a key made by [`dead`].
pub(crate) fn parse_dead(key: &[u8]) -> Option<SendId> {
    parse_send(DEAD, key)
}

/// Given-up sends behind `after`.
pub(crate) fn dead_after(after: Option<SendId>) -> KeyRange {
    let (start, end) = under(Bytes::from_static(&[DEAD]));
    (after.map_or(start, |id| Bound::Excluded(dead(id))), end)
}

/// The envelopes of all given-up sends.
pub(crate) fn all_dead_envelopes() -> KeyRange {
    under(Bytes::from_static(&[DEAD_ENVELOPE]))
}

/// The directory's prefix of a tenant's actors of one class. A tenant id never contains the delimiter.
pub(crate) fn directory(class: ClassUid, tenant: &TenantId, name: &str) -> Bytes {
    let mut key = BytesMut::with_capacity(10 + tenant.as_str().len() + name.len());
    key.put_u8(DIRECTORY);
    key.put_slice(&class.0);
    key.put_slice(tenant.as_str().as_bytes());
    key.put_u8(0);
    key.put_slice(name.as_bytes());
    key.freeze()
}

/// All of the directory.
pub(crate) fn all_directory() -> KeyRange {
    under(Bytes::from_static(&[DIRECTORY]))
}

/// The directory from the next class on.
pub(crate) fn directory_behind(class: ClassUid) -> KeyRange {
    let prefix = [&[DIRECTORY][..], &class.0].concat();
    let start = successor(&prefix).map_or(Bound::Unbounded, Bound::Included);
    (start, all_directory().1)
}

/// Class, tenant and name of a key made by [`directory`].
pub(crate) fn parse_directory(key: &[u8]) -> Option<(ClassUid, &str, &str)> {
    let (class, rest) = key.strip_prefix(&[DIRECTORY])?.split_first_chunk::<8>()?;
    let (tenant, name) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
    Some((ClassUid(*class), tenant, name))
}

/// A cluster-wide setting.
pub(crate) fn setting(name: &str) -> Bytes {
    let mut key = BytesMut::with_capacity(1 + name.len());
    key.put_u8(SETTING);
    key.put_slice(name.as_bytes());
    key.freeze()
}

/// The migration that was applied as the `number`th, from 0.
pub(crate) fn migration(number: u32) -> Bytes {
    let mut key = BytesMut::with_capacity(5);
    key.put_u8(MIGRATION);
    key.put_u32(number);
    key.freeze()
}

/// A node of the cluster.
pub(crate) fn member(node: NodeId) -> Bytes {
    let mut key = BytesMut::with_capacity(9);
    key.put_u8(MEMBER);
    key.put_u64(node.get());
    key.freeze()
}

/// Every node of the cluster, in order of their numbers.
pub(crate) fn all_members() -> KeyRange {
    under(Bytes::from_static(&[MEMBER]))
}

/// The format that nodes write for each other.
pub(crate) fn format() -> Bytes {
    Bytes::from_static(&[FORMAT])
}

/// An actor that has rows and is not listed.
pub(crate) fn unlisted(class: ClassUid, hash: ActorHash) -> Bytes {
    let mut key = BytesMut::with_capacity(25);
    key.put_u8(UNLISTED);
    key.put_slice(&class.0);
    key.put_slice(&hash.0);
    key.freeze()
}

/// The actor of a key made by [`unlisted`].
pub(crate) fn parse_unlisted(key: &[u8]) -> Option<ActorHash> {
    let hash = key.strip_prefix(&[UNLISTED])?.get(8..)?;
    Some(ActorHash(hash.try_into().ok()?))
}

/// All actors of a class that have rows and are not listed.
pub(crate) fn unlisted_of(class: ClassUid) -> KeyRange {
    of_class(UNLISTED, class)
}

/// All actors of a class that are listed.
pub(crate) fn listed_of(class: ClassUid) -> KeyRange {
    of_class(DIRECTORY, class)
}

fn of_class(table: u8, class: ClassUid) -> KeyRange {
    let mut key = BytesMut::with_capacity(9);
    key.put_u8(table);
    key.put_slice(&class.0);
    under(key.freeze())
}

/// Actors of a class that are listed, behind all those of tenants up to `after`.
pub(crate) fn listed_behind(class: ClassUid, after: Option<&TenantId>) -> KeyRange {
    let (start, end) = listed_of(class);
    let behind = after.map(|tenant| under(directory(class, tenant, "")).1);
    // The end of one tenant's range is where that of the next may begin.
    let start = match behind {
        Some(Bound::Excluded(behind)) => Bound::Included(behind),
        Some(Bound::Included(_) | Bound::Unbounded) | None => start,
    };
    (start, end)
}

/// The tenant in a key made by [`directory`].
pub(crate) fn parse_tenant(key: &[u8]) -> Option<TenantId> {
    let rest = key.strip_prefix(&[DIRECTORY])?.get(8..)?;
    let tenant = rest.split(|byte| *byte == 0).next()?;
    TenantId::new(std::str::from_utf8(tenant).ok()?).ok()
}

/// Says that nothing is left of a deleted class.
pub(crate) fn erased(class: ClassUid) -> Bytes {
    let mut key = BytesMut::with_capacity(9);
    key.put_u8(ERASED);
    key.put_slice(&class.0);
    key.freeze()
}

/// All rows of an actor.
pub(crate) fn actor(hash: ActorHash) -> KeyRange {
    of_actor(ACTOR, hash)
}

/// The generations of an actor to collect.
pub(crate) fn garbage_of(hash: ActorHash) -> KeyRange {
    of_actor(GARBAGE, hash)
}

fn of_actor(table: u8, hash: ActorHash) -> KeyRange {
    let mut key = BytesMut::with_capacity(17);
    key.put_u8(table);
    key.put_slice(&hash.0);
    under(key.freeze())
}

/// A generation to collect.
pub(crate) fn garbage(hash: ActorHash, generation: u32) -> Bytes {
    let mut key = BytesMut::with_capacity(21);
    key.put_u8(GARBAGE);
    key.put_slice(&hash.0);
    key.put_u32(generation);
    key.freeze()
}

/// What keeps the collector from a generation: the ownership under which it is being filled.
pub(crate) fn held_garbage(epoch: Epoch) -> Bytes {
    Bytes::copy_from_slice(&epoch.0.to_be_bytes())
}

/// Actor and generation of a key made by [`garbage`].
pub(crate) fn parse_garbage(key: &[u8]) -> Option<(ActorHash, u32)> {
    let (hash, generation) = key.strip_prefix(&[GARBAGE])?.split_first_chunk::<16>()?;
    Some((ActorHash(*hash), u32::from_be_bytes(generation.try_into().ok()?)))
}

/// All generations to collect.
pub(crate) fn all_garbage() -> KeyRange {
    under(Bytes::from_static(&[GARBAGE]))
}

/// Every row but those of the engine itself.
pub(crate) fn everything() -> KeyRange {
    (Bound::Included(Bytes::from_static(&[ACTOR])), Bound::Unbounded)
}

/// One key.
pub(crate) fn one(key: &Bytes) -> KeyRange {
    (Bound::Included(key.clone()), Bound::Included(key.clone()))
}

/// All keys that begin with `prefix`.
pub(crate) fn under(prefix: Bytes) -> KeyRange {
    let end = successor(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(prefix), end)
}

/// The first key behind all that begin with `prefix`.
pub(crate) fn successor(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(Bytes::from(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_keys_are_ordered_by_time_and_read_back() {
        let hash = ActorHash([9; 16]);
        assert!(due(1, hash) < due(256, ActorHash([0; 16])));
        assert_eq!(parse_due(&due(77, hash)), Some((77, hash)));
    }

    #[test]
    fn ids_of_sends_and_garbage_are_read_back() {
        let id = SendId { index: 7, ordinal: 3 };
        assert_eq!(parse_outbox(&outbox(id)), Some(id));
        assert_eq!(
            parse_garbage(&garbage(ActorHash([4; 16]), 2)),
            Some((ActorHash([4; 16]), 2))
        );
    }

    #[test]
    fn sockets_are_found_by_their_numbers() {
        let id = |number| SocketId {
            node: NodeId::new(1),
            instance: 7,
            number,
        };
        let found = [1, 2, 255, 256, 257].map(|number| {
            let key = socket_index(id(number), ActorHash([u8::MAX; 16]));
            std::ops::RangeBounds::contains(&sockets_between(id(1), id(256)), &key)
        });
        assert_eq!(found, [false, true, true, true, false]);
    }

    #[test]
    fn what_was_sent_is_ordered_by_ownership_and_behind_its_end() {
        let hash = ActorHash([0; 16]);
        let keys = [
            left(Epoch(255)),
            sent(Epoch(255), hash),
            left(Epoch(256)),
            sent(Epoch(256), hash),
        ];
        assert!(keys.is_sorted());
        let parsed = keys.clone().map(|key| parse_sent(&key));
        let expected = [(255, None), (255, Some(hash)), (256, None), (256, Some(hash))];
        assert_eq!(parsed, expected.map(|(epoch, hash)| Some((Epoch(epoch), hash))));
        let found = keys.map(|key| std::ops::RangeBounds::contains(&sent_under(Epoch(255)), &key));
        assert_eq!(found, [true, true, false, false]);
        assert_eq!(
            parse_sent(&socket_index(SocketId::from_bytes(&[0; 24]).unwrap(), hash)),
            None
        );
    }

    #[test]
    fn keys_of_actors_and_of_the_directory_are_read_back() {
        let hash = ActorHash([4; 16]);
        let key = state(hash, 3, "k");
        let row = ActorRow::parse(&key).unwrap();
        assert_eq!((row.hash, row.generation, row.is_lasting()), (hash, 3, false));
        let other = ActorHash([5; 16]);
        assert_eq!(row.moved(other, 7), state(other, 7, "k"));
        assert!(ActorRow::parse(&record(hash)).unwrap().is_record());
        assert!(ActorRow::parse(&alarm(hash)).unwrap().is_alarm());
        assert_eq!(ActorRow::parse(&inbox(hash, 513)).unwrap().source(), Some(513));
        assert_eq!(ActorRow::parse(&record(hash)).unwrap().source(), None);
        assert_eq!(ActorRow::parse(&due(1, hash)), None);
        let class = ClassUid([7; 8]);
        let key = directory(class, &TenantId::new("acme").unwrap(), "a\0b");
        assert_eq!(parse_directory(&key), Some((class, "acme", "a\0b")));
    }

    #[test]
    fn numbers_of_outcomes_are_ordered_and_read_back() {
        let hash = ActorHash([9; 16]);
        assert!(dedup_order(hash, 255) < dedup_order(hash, 256));
        assert_eq!(parse_dedup_order(&dedup_order(hash, 256)), Some(256));
        assert!(!dedup(hash, "k").starts_with(&dedup_order(hash, 0)[..STATE_PREFIX + 1]));
    }

    #[test]
    fn tenants_are_read_back_and_stepped_over() {
        let class = ClassUid([255; 8]);
        let [one, two] = ["a", "a-2"].map(|tenant| TenantId::new(tenant).unwrap());
        let keys = [
            directory(class, &one, "z"),
            directory(class, &one, "\u{10ffff}"),
            directory(class, &two, "a"),
        ];
        assert_eq!(parse_tenant(&keys[1]), Some(one.clone()));
        let behind = listed_behind(class, Some(&one));
        let found = keys.map(|key| std::ops::RangeBounds::contains(&behind, &key));
        assert_eq!(found, [false, false, true]);
        let hash = ActorHash([3; 16]);
        assert_eq!(parse_unlisted(&unlisted(class, hash)), Some(hash));
    }

    #[test]
    fn the_successor_skips_trailing_ones() {
        assert_eq!(successor(&[1, 255]).unwrap(), Bytes::from_static(&[2]));
        assert_eq!(successor(&[255, 255]), None);
    }
}
