//! A gateway calls the roll of its sockets once in a while, so that neither side takes one for open that the other has
//! given up: the owner of a shard answers which of them its actors do not have, and tells actors which of theirs were not
//! named.
//!
//! Of a client that was taken for lost, because its gateway could not be reached, nobody else would know before it says
//! something; of one that left while it was being connected, nobody before its gateway ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{SocketId, departure};
use crate::{Result, address::Address, host::Host, keyspace, peers::NodeId, remote::Operate, router::Node, storage};

/// Pause between the rounds. Shorter than a gateway may be out of reach until its sockets are given up, so that one to
/// which that may have happened has missed an answer.
const PAUSE: Duration = Duration::from_secs(20);

/// Pause behind a round in which somebody did not answer.
const SOON: Duration = Duration::from_secs(5);

/// How long an owner may take for an answer.
const WITHIN: Duration = Duration::from_secs(5);

/// Most sockets that are asked about at once.
const BATCH: usize = 1024;

/// Most sockets whose actors are told at once that they are closed. The others have to wait for the next round.
const LOST: usize = 256;

/// Owners that are asked at once.
const ABREAST: usize = 16;

/// Rounds in which a shard is asked that has no sockets here any more: what was on its way has arrived by then.
const LAST_ROUNDS: u32 = 4;

/// Rows that are read at a time.
const PAGE: usize = 256;

/// What a process says about a part of its sockets of one shard.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Roll {
    pub(crate) gateway: NodeId,
    pub(crate) instance: u64,
    /// It is about numbers behind this one, ...
    pub(crate) after: u64,
    /// ... up to this one.
    pub(crate) to: u64,
    /// Sockets that are open.
    pub(crate) open: Vec<u64>,
    /// Those whose actor has not let them in yet, as far as the gateway knows.
    pub(crate) connecting: Vec<u64>,
}

impl Operate for Roll {
    /// Sockets that are open, and that no actor has.
    type Output = Vec<u64>;

    async fn operate(self, node: Arc<Node>, host: Arc<Host>) -> Result<Vec<u64>> {
        let Self {
            gateway,
            instance,
            after,
            to,
            open,
            connecting,
        } = self;
        let id = |number| SocketId {
            node: gateway,
            instance,
            number,
        };
        let mut unknown: BTreeSet<u64> = open.iter().copied().collect();
        let named: BTreeSet<u64> = open.into_iter().chain(connecting).collect();
        let mut lost = 0;
        let (mut start, end) = keyspace::sockets_between(id(after), id(to));
        loop {
            let range = (start, end.clone());
            let rows = host.shard.scan(range, false, PAGE).map_err(storage::unreadable)?;
            let Some((last, _)) = rows.last() else { break };
            start = Bound::Excluded(last.clone());
            for (key, value) in rows {
                let Some(socket) = keyspace::parse_socket_index(&key) else {
                    continue;
                };
                unknown.remove(&socket.number);
                if named.contains(&socket.number) || lost == LOST {
                    continue;
                }
                if let Some(address) = Address::decode(&value, &node.classes) {
                    lost += 1;
                    departure::lose(&node, &address, vec![socket]);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(unknown.into_iter().collect())
    }
}

/// Calls the roll again and again until the node is gone.
pub(crate) async fn run(node: Weak<Node>) {
    let mut watched = BTreeMap::new();
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let Some(node) = node.upgrade() else { return };
        pause = if round(&node, &mut watched).await { PAUSE } else { SOON };
    }
}

/// Asks the owners of all shards that matter, by the rounds in which they still do; says whether all have answered.
async fn round(node: &Arc<Node>, watched: &mut BTreeMap<u16, u32>) -> bool {
    let called = node.ports.call_roll();
    watched.extend(called.shards.into_iter().map(|shard| (shard, LAST_ROUNDS)));
    let mut rolls = Vec::new();
    for shard in watched.keys() {
        let sockets = called.open.get(shard).map_or(&[][..], Vec::as_slice);
        rolls.extend(parts(node, called.to, sockets).into_iter().map(|roll| (*shard, roll)));
    }
    let answers = rolls.into_iter().map(|(shard, roll)| ask(node, shard, roll));
    let answers: Vec<_> = stream::iter(answers).buffer_unordered(ABREAST).collect().await;
    let mut are_all = true;
    for answered in &answers {
        are_all &= answered.is_some();
        for number in answered.iter().flatten() {
            node.ports.disown(*number);
        }
    }
    if are_all {
        watched.retain(|shard, rounds| {
            *rounds -= 1;
            *rounds > 0 || called.open.contains_key(shard)
        });
        watched.values_mut().for_each(|rounds| *rounds = (*rounds).max(1));
    }
    are_all
}

/// What is asked about the sockets of one shard, each with whether it is open, in order of their numbers.
fn parts(node: &Node, to: u64, sockets: &[(u64, bool)]) -> Vec<Roll> {
    let mut rolls = Vec::new();
    let mut after = 0;
    let mut chunks = sockets.chunks(BATCH).peekable();
    loop {
        let chunk = chunks.next().unwrap_or_default();
        let last = chunk.last().filter(|_| chunks.peek().is_some());
        let to = last.map_or(to, |(number, _)| *number);
        let numbers = |is_open: bool| {
            let numbers = chunk.iter().filter(move |(_, open)| *open == is_open);
            numbers.map(|(number, _)| *number).collect()
        };
        rolls.push(Roll {
            gateway: node.remote.node,
            instance: node.ports.instance,
            after,
            to,
            open: numbers(true),
            connecting: numbers(false),
        });
        if last.is_none() {
            return rolls;
        }
        after = to;
    }
}

/// Sockets that no actor has; `None` if nobody says.
async fn ask(node: &Arc<Node>, shard: u16, roll: Roll) -> Option<Vec<u64>> {
    match tokio::time::timeout(WITHIN, node.operate(shard, roll)).await {
        Ok(Ok(unknown)) => Some(unknown),
        // An earlier program cannot say.
        Ok(Err(error)) if !error.is_passing() => Some(Vec::new()),
        Ok(Err(_)) | Err(_) => None,
    }
}
