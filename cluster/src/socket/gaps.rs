//! What an owner may have taken with it: frames of turns that are durable, and that it had not sent yet when it was lost.
//!
//! Nobody knows which ones these are. So the first turn of an actor that sends something under an ownership leaves a row
//! that says so, and an owner that goes in good order leaves one for the shard, when all that was sent has an outcome. An
//! owner that finds rows of an earlier ownership without the latter tells these actors, in the background, and each before
//! it hears of anything else.

use std::{collections::BTreeMap, io, ops::Bound, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;

use super::SocketId;
use crate::{
    address::{Address, Stored},
    host::{Effects, Host},
    id::ActorHash,
    keyspace::{self, KeyRange, SocketRow},
    mailbox::{Letter, Reply},
    router::Node,
    shard::{Epoch, Op, Outcome, Shard},
};

/// Rows that are looked at before the next are read.
const PAGE: usize = 256;

/// Actors that are told at once.
const ABREAST: usize = 16;

/// Pause until those are told that could not be: the first one, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What a host knows of the ownerships before the present one, and of its end.
#[derive(Default)]
pub(crate) struct Gaps(Mutex<State>);

#[derive(Default)]
struct State {
    /// Ownerships before this one that did not end in good order.
    lost: Option<(Epoch, Arc<[Epoch]>)>,
    /// The ownership of which is written that it ended in good order, although it may go on.
    left: Option<Epoch>,
}

impl Gaps {
    /// Ownerships before `epoch` that have sent something and did not end in good order.
    pub(crate) fn lost(&self, shard: &dyn Shard, epoch: Epoch) -> io::Result<Arc<[Epoch]>> {
        let mut state = self.0.lock();
        if let Some((of, lost)) = &state.lost
            && *of == epoch
        {
            return Ok(Arc::clone(lost));
        }
        let lost = find_lost(shard, epoch)?;
        state.lost = Some((epoch, Arc::clone(&lost)));
        Ok(lost)
    }

    /// All actors have heard of the ownerships before this one.
    fn told(&self, epoch: Epoch) {
        self.0.lock().lost = Some((epoch, Arc::default()));
    }

    /// Whether it is written that an ownership has ended in good order.
    pub(crate) fn has_left(&self, epoch: Epoch) -> bool {
        self.0.lock().left == Some(epoch)
    }

    /// It is not written any more from the batch on that comes next.
    pub(crate) fn stays(&self) {
        self.0.lock().left = None;
    }
}

/// The row that comes first of an ownership tells how it ended.
fn find_lost(shard: &dyn Shard, epoch: Epoch) -> io::Result<Arc<[Epoch]>> {
    let (mut start, end) = keyspace::all_sent();
    let mut lost = Vec::new();
    loop {
        let next = shard.scan((start, end.clone()), false, 1)?;
        let next = next.first().and_then(|(key, _)| keyspace::parse_sent(key));
        let Some((of, actor)) = next.filter(|(of, _)| *of < epoch) else {
            return Ok(lost.into());
        };
        if actor.is_some() {
            lost.push(of);
        }
        start = behind(keyspace::sent_under(of));
    }
}

fn behind(range: KeyRange) -> Bound<Bytes> {
    match range.1 {
        Bound::Excluded(behind) => Bound::Included(behind),
        Bound::Included(last) => Bound::Excluded(last),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// The rows by which an actor is known to have sent something under these ownerships.
pub(crate) fn marks(shard: &dyn Shard, lost: &[Epoch], hash: ActorHash) -> io::Result<Vec<Bytes>> {
    let mut marks = Vec::new();
    for epoch in lost {
        let mark = keyspace::sent(*epoch, hash);
        if shard.get(&mark)?.is_some() {
            marks.push(mark);
        }
    }
    Ok(marks)
}

/// Whether a socket may still be open: one that an earlier run of this node kept is not.
pub(crate) fn may_be_open(node: &Node, socket: SocketId) -> bool {
    socket.node != node.remote.node || socket.instance == node.ports.instance
}

/// Writes that an ownership ends in good order, if anything was sent under it.
pub(crate) async fn leave(host: &Arc<Host>, epoch: Epoch) {
    match host.shard.scan(keyspace::sent_under(epoch), false, 1) {
        Ok(sent) if sent.is_empty() => {}
        Ok(_) => {
            // Before it is written: whoever goes on after all takes it back, and must know of it.
            host.gaps.0.lock().left = Some(epoch);
            let written = Op::Put {
                key: keyspace::left(epoch),
                value: Bytes::new(),
            };
            // Without it the next owner tells actors of gaps that are none.
            host.write_under(epoch, vec![written], Effects::default()).await;
        }
        Err(error) => tracing::error!(%error, shard = host.shard.number(), "failed to read what was sent to clients"),
    }
}

/// Tells the actors of a shard what its earlier owners may not have sent.
pub(crate) async fn run(host: Arc<Host>) {
    let (Some(node), Some(epoch)) = (host.node(), host.epoch()) else {
        return;
    };
    let mut pause = PAUSE.0;
    loop {
        match round(&node, &host, epoch).await {
            Ok(Told::All) => return host.gaps.told(epoch),
            Ok(Told::Some) => {}
            // The next ownership goes on.
            Ok(Told::Lost) => return,
            Err(error) => {
                tracing::error!(%error, shard = host.shard.number(), "failed to read what was sent to clients");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// What came of a round.
enum Told {
    /// Every actor knows.
    All,
    /// Some could not be told.
    Some,
    /// The shard is not owned here any more.
    Lost,
}

/// Looks at all that was sent under earlier ownerships: tells actors of those that were lost, and removes the rest.
async fn round(node: &Arc<Node>, host: &Arc<Host>, epoch: Epoch) -> io::Result<Told> {
    let lost = host.gaps.lost(&*host.shard, epoch)?;
    let (mut start, _) = keyspace::all_sent();
    let end = keyspace::sent_under(epoch).0;
    let Bound::Included(end) = end else {
        return Ok(Told::All);
    };
    let mut are_all = true;
    // Each is removed behind the rows that it is about, which without it would count as those of a lost ownership.
    let mut left = Vec::new();
    loop {
        let rows = host.shard.scan((start, Bound::Excluded(end.clone())), false, PAGE)?;
        let Some((last, _)) = rows.last() else { break };
        start = Bound::Excluded(last.clone());
        let (mut void, mut waiting) = (Vec::new(), BTreeMap::new());
        for (key, value) in rows {
            match keyspace::parse_sent(&key) {
                Some((_, None)) => left.push(key),
                Some((of, Some(hash))) if lost.contains(&of) && has_clients(node, host, hash)? => {
                    match Address::decode(&value, &node.classes) {
                        Some(address) => drop(waiting.insert(hash, address)),
                        None if is_deleted(node, &value) => void.push(key),
                        // A program that knows the class will own the shard one day.
                        None => tracing::error!(shard = host.shard.number(), "an actor with sockets is not known"),
                    }
                }
                Some(_) => void.push(key),
                None => {}
            }
        }
        if !is_removed(host, void).await {
            return Ok(Told::Lost);
        }
        let told = waiting.into_values().map(|address| wake(host, address));
        let told = stream::iter(told).buffer_unordered(ABREAST);
        are_all &= told.all(std::future::ready).await;
    }
    if !is_removed(host, left).await {
        return Ok(Told::Lost);
    }
    Ok(if are_all { Told::All } else { Told::Some })
}

/// Whether an actor has sockets that may still be open. Those that are not, the sweep closes.
fn has_clients(node: &Node, host: &Host, hash: ActorHash) -> io::Result<bool> {
    let (mut start, end) = keyspace::sockets(hash, SocketRow::Record);
    loop {
        let rows = host.shard.scan((start, end.clone()), false, PAGE)?;
        let Some((last, _)) = rows.last() else { return Ok(false) };
        start = Bound::Excluded(last.clone());
        let mut sockets = rows.iter().filter_map(|(key, _)| keyspace::parse_socket(key));
        if sockets.any(|socket| may_be_open(node, socket)) {
            return Ok(true);
        }
    }
}

fn is_deleted(node: &Node, address: &[u8]) -> bool {
    Stored::class_in(address).is_some_and(|class| node.classes.is_deleted(class))
}

async fn is_removed(host: &Arc<Host>, keys: Vec<Bytes>) -> bool {
    keys.is_empty() || matches!(host.remove(keys).await, Outcome::Committed { .. })
}

/// Activates an actor, which thereby hears of it. Says whether it did.
async fn wake(host: &Arc<Host>, address: Arc<Address>) -> bool {
    let (reply, told) = Reply::channel();
    host.deliver(&address, Letter::Wake(reply)).await;
    matches!(told.await, Ok(Ok(_)))
}
