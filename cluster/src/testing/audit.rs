//! Whether the durable rows of a node belong together, at any moment: they change in whole batches only.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use crate::{
    alarm::AlarmRow,
    directory::{Presence, Record},
    id::ActorHash,
    keyspace::{Row, SendId},
    router::Node,
    shard::Shard,
    socket::SocketId,
    wire,
};

/// Rows that an engine keeps for itself.
const ENGINE: &[u8] = &[0];

/// Rows that the runtime has yet to work off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// Durable sends on their way.
    pub sends: usize,
    /// Durable sends that were given up.
    pub dead: usize,
    /// Alarms that are set.
    pub alarms: usize,
    /// Generations of rows to collect.
    pub garbage: usize,
    /// Actors in the directory.
    pub listed: usize,
}

impl std::ops::AddAssign for Leftovers {
    fn add_assign(&mut self, other: Self) {
        self.sends += other.sends;
        self.dead += other.dead;
        self.alarms += other.alarms;
        self.garbage += other.garbage;
        self.listed += other.listed;
    }
}

/// The rows of one shard, by what they are.
#[derive(Default)]
struct Rows {
    records: BTreeMap<ActorHash, Record>,
    states: BTreeSet<(ActorHash, u32)>,
    alarms: BTreeSet<(i64, ActorHash)>,
    due: BTreeSet<(i64, ActorHash)>,
    garbage: BTreeSet<(ActorHash, u32)>,
    directory: Vec<Bytes>,
    unlisted: BTreeSet<ActorHash>,
    dead: BTreeSet<SendId>,
    dead_envelopes: BTreeSet<SendId>,
    sockets: BTreeSet<(ActorHash, SocketId)>,
    socket_index: BTreeSet<(ActorHash, SocketId)>,
}

pub(super) fn audit(node: &Node) -> Result<Leftovers, String> {
    let mut leftovers = Leftovers::default();
    for number in node.shards() {
        leftovers += audit_shard(node, number)?;
    }
    Ok(leftovers)
}

pub(super) fn audit_shard(node: &Node, number: u16) -> Result<Leftovers, String> {
    let shards = u16::try_from(node.hosts.len()).expect("a cluster has at most 256 shards");
    let mut leftovers = Leftovers::default();
    let host = &node.hosts[usize::from(number)];
    shard(&*host.shard, shards, &mut leftovers).map_err(|fault| format!("shard {number}: {fault}"))?;
    Ok(leftovers)
}

fn shard(shard: &dyn Shard, shards: u16, leftovers: &mut Leftovers) -> Result<(), String> {
    let mut rows = Rows::default();
    let all = shard.scan((Bound::Unbounded, Bound::Unbounded), false, usize::MAX);
    for (key, value) in all.map_err(|error| error.to_string())? {
        if key.starts_with(ENGINE) {
            continue;
        }
        let row = Row::of(&key).ok_or_else(|| format!("the key {key:?} is none of the runtime's"))?;
        if let Row::State(hash, _)
        | Row::Record(hash)
        | Row::Alarm(hash)
        | Row::Inbox(hash)
        | Row::Dedup(hash)
        | Row::Socket(hash)
        | Row::OpenSocket(hash, _)
        | Row::SocketIndex(hash, _)
        | Row::Sent(hash)
        | Row::Due(_, hash) = row
            && hash.shard(shards) != shard.number()
        {
            return Err(format!("{row:?} is a row of another shard"));
        }
        rows.take(row, value, leftovers)?;
    }
    rows.check()?;
    leftovers.alarms += rows.alarms.len();
    leftovers.garbage += rows.garbage.len();
    leftovers.listed += rows.directory.len();
    Ok(())
}

impl Rows {
    fn take(&mut self, row: Row, value: Bytes, leftovers: &mut Leftovers) -> Result<(), String> {
        match row {
            Row::State(hash, generation) => drop(self.states.insert((hash, generation))),
            Row::Record(hash) => drop(self.records.insert(hash, wire::decode(&value).map_err(broken(row))?)),
            Row::Alarm(hash) => {
                let alarm = AlarmRow::decode(&value).map_err(broken(row))?;
                self.alarms.insert((alarm.due.as_millis(), hash));
            }
            Row::Due(millis, hash) => drop(self.due.insert((millis, hash))),
            Row::Garbage(hash, generation) => drop(self.garbage.insert((hash, generation))),
            Row::Directory => self.directory.push(value),
            Row::Unlisted(hash) => drop(self.unlisted.insert(hash)),
            Row::Outbox(_) => leftovers.sends += 1,
            Row::Dead(id) => {
                self.dead.insert(id);
                leftovers.dead += 1;
            }
            Row::DeadEnvelope(id) => drop(self.dead_envelopes.insert(id)),
            Row::OpenSocket(hash, socket) => drop(self.sockets.insert((hash, socket))),
            Row::SocketIndex(hash, socket) => drop(self.socket_index.insert((hash, socket))),
            Row::Inbox(_) | Row::Dedup(_) | Row::Socket(_) | Row::Sent(_) | Row::Left | Row::Setting => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if self.alarms != self.due {
            return Err(format!("alarms {:?}, their index {:?}", self.alarms, self.due));
        }
        if self.sockets != self.socket_index {
            return Err(format!(
                "sockets {:?}, their index {:?}",
                self.sockets, self.socket_index
            ));
        }
        if self.dead != self.dead_envelopes {
            return Err(format!(
                "dead letters {:?}, their envelopes {:?}",
                self.dead, self.dead_envelopes
            ));
        }
        for (hash, generation) in &self.states {
            let Some(record) = self.records.get(hash) else {
                return Err(format!("{:?} has values and no record", hash));
            };
            let garbage = self.garbage.contains(&(*hash, *generation));
            if garbage == (record.generation == *generation) || *generation > record.generation {
                return Err(format!(
                    "values of generation {generation} beside the present one {} (to be collected: {garbage})",
                    record.generation
                ));
            }
            if *generation == record.generation && record.presence != Presence::Listed {
                return Err(format!("{:?} has values and is not listed", hash));
            }
        }
        let listed: BTreeSet<_> = self
            .records
            .iter()
            .filter(|(_, record)| record.presence == Presence::Listed)
            .map(|(hash, _)| Bytes::copy_from_slice(&hash.0))
            .collect();
        let directory: BTreeSet<_> = self.directory.iter().cloned().collect();
        if listed != directory || directory.len() != self.directory.len() {
            return Err(format!("the directory lists {directory:?}, the records {listed:?}"));
        }
        let unlisted = self.records.iter();
        let unlisted = unlisted.filter(|(_, record)| record.presence == Presence::Unlisted);
        let unlisted: BTreeSet<_> = unlisted.map(|(hash, _)| *hash).collect();
        if unlisted != self.unlisted {
            return Err(format!("unlisted are {:?}, by the records {unlisted:?}", self.unlisted));
        }
        Ok(())
    }
}

fn broken(row: Row) -> impl FnOnce(wire::WireError) -> String {
    move |error| format!("{row:?} is broken: {error}")
}
