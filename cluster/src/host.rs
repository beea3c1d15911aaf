//! The host of one shard: it owns the activations of the shard's actors while this node owns the shard.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ActorError, Bounds,
    activation::{Activation, Slot},
    address::Address,
    dead_letter::DeadLetterRows,
    erasure, garbage,
    hold::Held,
    id::ActorHash,
    lease::Lease,
    mailbox::{Fault, Letter, Mailbox, Offer, Reply},
    metrics::Rejection,
    outbox::{self, Length},
    peers::NodeId,
    remote::{Intake, Passage, Standing},
    router::Node,
    shard::{Confirmation, Epoch, Op, Outcome, Proposal, Shard, WriteSet},
    socket::{Departures, Gaps, gaps, sweep},
    timer::{self, Firings},
};

/// Why a shard is given up.
const DOUBTFUL: &str = "a commit has no definite success";
const UNCONFIRMED: &str = "a majority does not confirm that this node still owns the shard";
const ABNORMAL: &str = "an activation ended abnormally";

/// How long the turns of a shard that leaves for another node may take.
const LEAVE: Duration = Duration::from_secs(2);

/// Services of the host that a batch concerns once it is durable.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effects {
    pub(crate) alarm: bool,
    /// Durable sends of the batch.
    pub(crate) sends: usize,
    pub(crate) garbage: bool,
    pub(crate) sockets: bool,
}

/// The host of one shard.
pub(crate) struct Host {
    pub(crate) shard: Arc<dyn Shard>,
    /// Until when nobody else can own the shard.
    lease: Arc<Lease>,
    pub(crate) runtime: Handle,
    pub(crate) bounds: Arc<Bounds>,
    /// Wakes the timer: the alarm index changed.
    pub(crate) alarms: Notify,
    /// What the timer knows of due alarms. It outlives ownerships, so that a firing that one of them lost is not
    /// repeated in a hot loop.
    pub(crate) firings: Mutex<Firings>,
    /// Wakes the drain of the outbox.
    pub(crate) sends: Notify,
    /// Wakes the collector.
    pub(crate) garbage: Notify,
    /// Wakes the sweep: there may be sockets again.
    pub(crate) sockets: Notify,
    /// What actors have sent to clients and has no outcome.
    pub(crate) departures: Departures,
    /// What earlier owners may not have sent.
    pub(crate) gaps: Gaps,
    /// Wakes calls from other nodes that came before others they must not overtake.
    pub(crate) arrivals: Notify,
    /// How many durable sends wait in the outbox.
    pub(crate) outbox: Length,
    pub(crate) dead_letters: DeadLetterRows,
    node: Weak<Node>,
    /// Most live activations of this shard.
    room: usize,
    /// Bytes of batches, of all shards of the node, that have no outcome yet.
    backlog: Arc<AtomicUsize>,
    state: Mutex<State>,
    /// The ownership that activations run under, for callers that wait for it.
    owned: watch::Sender<Option<Epoch>>,
    /// Wakes the sweeper: there is an activation again.
    populated: Notify,
}

#[derive(Default)]
struct State {
    epoch: Option<Epoch>,
    /// The last ownership that was given up, and must not be taken for a new one.
    lost: Option<Epoch>,
    draining: bool,
    /// Another node is about to own the shard: what comes now is for that one.
    leaving: bool,
    services: Option<CancellationToken>,
    mailboxes: HashMap<ActorHash, Arc<Mailbox>>,
    /// What came from other nodes.
    intake: Intake,
    /// Actors that are kept at rest.
    held: Vec<Arc<Held>>,
}

/// What becomes of a call from another node.
pub(crate) enum Arrival {
    /// It was taken in: its reply says more.
    Taken,
    /// Nobody owns the shard here under the epoch that it names, so nothing was done.
    NotOwner,
    /// It must not overtake another one, which has not arrived.
    Early(Letter),
    /// That other one did not come.
    Missing,
    /// It came before, or nobody waits for it any more.
    Late,
}

impl Host {
    pub(crate) fn new(
        node: Weak<Node>,
        shard: Arc<dyn Shard>,
        runtime: Handle,
        bounds: Arc<Bounds>,
        room: usize,
        backlog: Arc<AtomicUsize>,
    ) -> Arc<Self> {
        Arc::new(Self {
            lease: shard.lease(),
            shard,
            runtime,
            bounds,
            alarms: Notify::new(),
            firings: Mutex::default(),
            sends: Notify::new(),
            garbage: Notify::new(),
            sockets: Notify::new(),
            departures: Departures::default(),
            gaps: Gaps::default(),
            arrivals: Notify::new(),
            outbox: Length::default(),
            dead_letters: DeadLetterRows::default(),
            node,
            room: room.max(1),
            backlog,
            state: Mutex::default(),
            owned: watch::Sender::new(None),
            populated: Notify::new(),
        })
    }

    /// Follows the ownership of the shard until `closing`.
    pub(crate) async fn run(self: Arc<Self>, closing: CancellationToken) {
        let mut ownership = self.shard.ownership();
        let sweeper = self
            .runtime
            .spawn(closing.clone().run_until_cancelled_owned(Arc::clone(&self).sweep()));
        loop {
            let epoch = *ownership.borrow_and_update();
            self.own(epoch, &closing);
            tokio::select! {
                biased;
                () = closing.cancelled() => break,
                changed = ownership.changed() => if changed.is_err() { break },
            }
        }
        self.own(None, &closing);
        sweeper.abort();
    }

    /// Takes over a change of ownership.
    fn own(self: &Arc<Self>, epoch: Option<Epoch>, closing: &CancellationToken) {
        let mut state = self.state.lock();
        let epoch = epoch.filter(|epoch| state.lost.is_none_or(|lost| *epoch > lost));
        if state.epoch == epoch {
            return;
        }
        self.discard(&mut state);
        state.epoch = epoch;
        state.leaving = false;
        if epoch.is_some() && !closing.is_cancelled() {
            let token = closing.child_token();
            state.services = Some(token.clone());
            self.outbox.restart();
            let serve = |service: futures_util::future::BoxFuture<'static, ()>| {
                self.runtime.spawn(token.clone().run_until_cancelled_owned(service));
            };
            serve(Box::pin(timer::run(Arc::clone(self), token.clone())));
            serve(Box::pin(outbox::run(Arc::clone(self), token.clone())));
            serve(Box::pin(garbage::run(Arc::clone(self))));
            serve(Box::pin(erasure::run(Arc::clone(self))));
            serve(Box::pin(sweep::run(Arc::clone(self))));
            serve(Box::pin(gaps::run(Arc::clone(self))));
        }
        drop(state);
        self.owned.send_replace(epoch);
    }

    /// Gives ownership up: a batch of `epoch` has no definite success, or nobody confirms what was read under it, so nothing
    /// that is live can be trusted.
    fn fail(&self, epoch: Epoch, why: &'static str) {
        let mut state = self.state.lock();
        if state.epoch != Some(epoch) {
            return;
        }
        tracing::warn!(
            shard = self.shard.number(),
            why,
            "every activation of a shard is discarded"
        );
        self.discard(&mut state);
        state.lost = Some(epoch);
        drop(state);
        self.owned.send_replace(None);
        self.shard.relinquish(epoch);
    }

    fn discard(&self, state: &mut State) {
        if let Some(epoch) = state.epoch.take() {
            state.intake.end(epoch);
        }
        self.arrivals.notify_waiters();
        if let Some(services) = state.services.take() {
            services.cancel();
        }
        let node = self.node();
        for (_, mailbox) in state.mailboxes.drain() {
            mailbox.kill();
            if let Some(node) = &node {
                node.metrics.discarded();
            }
        }
    }

    pub(crate) fn node(&self) -> Option<Arc<Node>> {
        self.node.upgrade()
    }

    /// Whether new letters are refused.
    pub(crate) fn is_draining(&self) -> bool {
        self.state.lock().draining
    }

    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.state.lock().epoch
    }

    /// Waits until activations may run here.
    pub(crate) async fn ready(&self) {
        // The sender lives as long as this host.
        let _ = self.owned.subscribe().wait_for(Option::is_some).await;
    }

    /// The ownership that activations run under, as it changes.
    pub(crate) fn owned(&self) -> watch::Receiver<Option<Epoch>> {
        self.owned.subscribe()
    }

    /// Live activations.
    pub(crate) fn activations(&self) -> usize {
        self.state.lock().mailboxes.len()
    }

    /// Proposes a batch. `settled` hears its outcome exactly once, also if the engine goes away with it.
    pub(crate) fn propose(
        self: &Arc<Self>,
        epoch: Epoch,
        ops: Vec<Op>,
        effects: Effects,
        settled: impl FnOnce(Outcome) + Send + 'static,
    ) {
        let host = Arc::clone(self);
        let bytes = ops.iter().map(Op::size).sum();
        self.backlog.fetch_add(bytes, Ordering::Relaxed);
        let settle = Settle::new(Outcome::Unknown, move |outcome| {
            host.backlog.fetch_sub(bytes, Ordering::Relaxed);
            match outcome {
                Outcome::Committed { .. } => host.wake(effects),
                Outcome::NotProposed | Outcome::Unknown => host.fail(epoch, DOUBTFUL),
            }
            settled(outcome);
        });
        self.shard.propose(Proposal {
            epoch,
            writes: WriteSet { ops },
            done: Box::new(move |outcome| settle.with(outcome)),
        });
    }

    /// Number in the gate of an actor that output waits for which rests on what was read, and on no batch: that of the
    /// last batch as long as nobody else can own the shard, and otherwise one that is settled when this node has asked.
    pub(crate) fn read(self: &Arc<Self>, mailbox: &Mailbox) -> u64 {
        let (gate, epoch) = (&mailbox.gate, mailbox.epoch);
        let last = gate.last();
        if self.lease.is_sole() || (gate.is_durable(last) && self.lease.holds(epoch)) {
            return last;
        }
        let number = gate.begin(std::iter::empty());
        let (host, settled) = (Arc::clone(self), Arc::clone(gate));
        gate.hold(last, move |verdict| match verdict {
            Ok(()) => host.confirm(epoch, move |confirmed| settled.confirm(number, confirmed)),
            Err(_) => settled.confirm(number, false),
        });
        number
    }

    /// Tells whether what was read under `epoch` until now was the state of the shard: at once while the lease holds, and
    /// otherwise after a majority was asked. If it was not, ownership is given up.
    pub(crate) fn confirm(self: &Arc<Self>, epoch: Epoch, told: impl FnOnce(bool) + Send + 'static) {
        if self.lease.holds(epoch) {
            return told(true);
        }
        let host = Arc::clone(self);
        let settle = Settle::new(false, move |confirmed| {
            if !confirmed {
                host.fail(epoch, UNCONFIRMED);
            }
            told(confirmed);
        });
        self.shard.confirm(Confirmation {
            epoch,
            done: Box::new(move |confirmed| settle.with(confirmed)),
        });
    }

    fn wake(&self, effects: Effects) {
        if effects.alarm {
            self.alarms.notify_one();
        }
        if effects.sends > 0 {
            self.outbox.committed(effects.sends);
            self.sends.notify_one();
        }
        if effects.garbage {
            self.garbage.notify_one();
        }
        if effects.sockets {
            self.sockets.notify_one();
        }
    }

    /// Puts a letter into the mailbox of an actor, activating it if need be; waits for ownership of the shard.
    pub(crate) async fn deliver(self: &Arc<Self>, address: &Arc<Address>, letter: Letter) {
        let mut letter = letter;
        while let Some(back) = self.offer(address, letter) {
            letter = back;
            self.ready().await;
        }
    }

    /// Puts a letter into the mailbox of an actor, activating it if need be. Gives it back while the shard is not owned
    /// here.
    pub(crate) fn offer(self: &Arc<Self>, address: &Arc<Address>, letter: Letter) -> Option<Letter> {
        let mut letter = letter;
        if self.has_room()
            && let Some(mailbox) = address.mailbox()
        {
            match mailbox.offer(letter, self.bounds.mailbox) {
                Offer::Taken => return None,
                Offer::Full(back) | Offer::Ending(back) => letter = back,
            }
        }
        self.put(self.state.lock(), address, letter)
    }

    /// Puts a letter from another node into the mailbox of an actor, if the shard is owned here under the epoch for which
    /// it was sent. A call with a `passage` is taken once, and not before the one that it must not overtake. So is one that
    /// is answered with a `refusal` instead: a copy of it may have been let in.
    pub(crate) fn accept(
        self: &Arc<Self>,
        address: &Arc<Address>,
        epoch: Epoch,
        passage: Option<(NodeId, &Passage)>,
        letter: Letter,
        refusal: Option<&ActorError>,
    ) -> Arrival {
        let mut state = self.state.lock();
        // A copy of what was taken, under whichever ownership, is not to be sent again.
        if let Some((from, passage)) = passage
            && state.intake.may_have_taken(state.epoch, epoch, from, passage)
        {
            return Arrival::Late;
        }
        // One that goes shall not refuse what its successor will take.
        if state.epoch != Some(epoch) || state.draining || state.leaving {
            return Arrival::NotOwner;
        }
        if let Some((from, passage)) = passage {
            match state.intake.take(from, passage) {
                Standing::Taken => {}
                Standing::Early => return Arrival::Early(letter),
                Standing::Late => return Arrival::Late,
                Standing::Full => {
                    self.reject(letter, Rejection::Mailbox);
                    return Arrival::Taken;
                }
            }
        }
        if let Some(refusal) = refusal {
            letter.reply().send(Err(Fault::Refused(refusal.clone())));
            self.arrivals.notify_waiters();
            return Arrival::Taken;
        }
        // Nobody else takes the lock in between, so it is this ownership that the letter meets.
        let back = self.put(state, address, letter);
        self.arrivals.notify_waiters();
        match back {
            None => Arrival::Taken,
            Some(_) => Arrival::NotOwner,
        }
    }

    /// Whether the disk keeps up with what is written.
    fn has_room(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) < self.bounds.backlog_bytes
    }

    /// Gives the letter back while the shard is not owned.
    fn put(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        address: &Arc<Address>,
        letter: Letter,
    ) -> Option<Letter> {
        if state.draining {
            letter.reply().send(Err(Fault::Unavailable));
            return None;
        }
        if state.leaving {
            return Some(letter);
        }
        if state.held.iter().any(|held| held.covers(address)) {
            letter.reply().send(Err(Fault::Unavailable));
            return None;
        }
        let Some(epoch) = state.epoch else { return Some(letter) };
        if !self.has_room() {
            self.reject(letter, Rejection::Backlog);
            return None;
        }
        if let Some(mailbox) = state.mailboxes.get(&address.hash) {
            match mailbox.offer(letter, self.bounds.mailbox) {
                Offer::Taken => address.remember(mailbox),
                Offer::Full(letter) => self.reject(letter, Rejection::Mailbox),
                Offer::Ending(letter) => {
                    // Only a fault of the runtime ends an activation that is still listed. What it had proposed may be
                    // on its way, so a successor must wait for the next epoch.
                    tracing::error!(actor = %address, "an activation ended abnormally");
                    drop(state);
                    self.fail(epoch, ABNORMAL);
                    // Nobody has seen it: it is for the next owner.
                    return Some(letter);
                }
            }
            return None;
        }
        if state.mailboxes.len() >= self.room && !evict(&mut state, self.room) {
            self.reject(letter, Rejection::Activations);
            return None;
        }
        match self.spawn(address, epoch) {
            Some(mailbox) => {
                mailbox.post(letter);
                address.remember(&mailbox);
                state.mailboxes.insert(address.hash, mailbox);
                if state.mailboxes.len() == 1 {
                    self.populated.notify_one();
                }
            }
            None => letter.reply().send(Err(Fault::Unavailable)),
        }
        None
    }

    fn reject(&self, letter: Letter, rejection: Rejection) {
        if let Some(node) = self.node() {
            node.metrics.rejected(rejection);
        }
        letter.reply().send(Err(Fault::Overloaded(rejection.text().into())));
    }

    fn spawn(self: &Arc<Self>, address: &Arc<Address>, epoch: Epoch) -> Option<Arc<Mailbox>> {
        let node = self.node()?;
        let class = node.classes.by_uid(address.class)?;
        let mailbox = Mailbox::new(Arc::clone(address), epoch);
        let slot = Slot::new(node, Arc::clone(self), Arc::clone(&mailbox), class);
        // ractor spawns on the runtime of its caller, who may be anywhere.
        let _runtime = self.runtime.enter();
        let (actor, _) = ractor::ActorRuntime::spawn_instant(None, Activation, slot).ok()?;
        mailbox.bind(actor);
        Some(mailbox)
    }

    /// Passivates what has been idle for long enough, again and again.
    async fn sweep(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state.lock();
                let now = Instant::now();
                let limit = self.bounds.idle;
                state.mailboxes.retain(|_, mailbox| {
                    let spent = now.duration_since(mailbox.last_used()) >= limit;
                    !(spent && mailbox.stop_if_idle())
                });
                let oldest = state.mailboxes.values().map(|mailbox| mailbox.last_used()).min();
                // One round per eighth of the limit bounds the work when many expire one after another.
                oldest.map(|oldest| (oldest + limit).max(now + limit / 8))
            };
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => self.populated.notified().await,
            }
        }
    }

    /// The mailbox of an actor, if there is one.
    pub(crate) fn mailbox(&self, hash: ActorHash) -> Option<Arc<Mailbox>> {
        self.state.lock().mailboxes.get(&hash).cloned()
    }

    /// Ends an activation after the letters it has, and waits until what it did is durable. Says whether there was one.
    pub(crate) async fn passivate(&self, hash: ActorHash) -> Result<bool, Fault> {
        let (was_live, outcome) = {
            let state = self.state.lock();
            let Some(mailbox) = state.mailboxes.get(&hash) else {
                return Ok(false);
            };
            let (reply, outcome) = Reply::channel();
            let was_live = mailbox.vitals.is_resident();
            mailbox.post(Letter::Passivate(reply));
            (was_live, outcome)
        };
        outcome.await.unwrap_or(Err(Fault::Unknown))?;
        Ok(was_live)
    }

    /// Ends every activation after the letters it has, and waits until what they did is durable.
    pub(crate) async fn passivate_all(&self) {
        let mailboxes: Vec<_> = {
            let state = self.state.lock();
            let mut mailboxes: Vec<_> = state.mailboxes.values().cloned().collect();
            mailboxes.sort_by_key(|mailbox| mailbox.address.hash);
            mailboxes
        };
        let acknowledgements: Vec<_> = mailboxes
            .into_iter()
            .map(|mailbox| {
                let (reply, outcome) = Reply::channel();
                mailbox.post(Letter::Passivate(reply));
                outcome
            })
            .collect();
        for outcome in acknowledgements {
            // An activation that was discarded meanwhile is gone as well.
            let _ = outcome.await;
        }
    }

    /// Refuses new letters, and waits until those that are here are handled and durable.
    pub(crate) async fn drain(&self) {
        {
            let mut state = self.state.lock();
            state.draining = true;
            state.mailboxes.values().for_each(|mailbox| mailbox.seal());
        }
        self.passivate_all().await;
    }

    /// Leaves new letters to the node that is about to own the shard, and waits, but not for long, until those that are
    /// here are handled and durable.
    pub(crate) async fn leave(self: &Arc<Self>) {
        let epoch = {
            let mut state = self.state.lock();
            state.leaving = true;
            state.mailboxes.values().for_each(|mailbox| mailbox.seal());
            state.epoch
        };
        self.owned.send_replace(None);
        let left = async {
            self.passivate_all().await;
            // What comes from the next owner must not overtake it.
            self.depart(epoch).await;
        };
        if tokio::time::timeout(LEAVE, left).await.is_err() {
            tracing::debug!(
                shard = self.shard.number(),
                "a shard leaves before all its turns have ended"
            );
        }
    }

    /// Waits until everything that was sent to clients has an outcome, and leaves word of that to the next owner. Nothing
    /// may be sent under the ownership meanwhile.
    pub(crate) async fn depart(self: &Arc<Self>, epoch: Option<Epoch>) {
        self.departures.ended().await;
        if let Some(epoch) = epoch {
            gaps::leave(self, epoch).await;
        }
    }

    /// Takes letters again: nobody else came to own the shard. That goes for the activations that were put away, too: a
    /// mailbox that takes nothing and is still listed would be taken for one whose activation has failed.
    pub(crate) fn stay(&self) {
        let mut state = self.state.lock();
        state.leaving = false;
        if !state.draining {
            state.mailboxes.values().for_each(|mailbox| mailbox.open());
        }
        let epoch = state.epoch;
        drop(state);
        self.owned.send_replace(epoch);
    }

    /// Refuses letters to some actors from now on, and gives their mailboxes up.
    pub(crate) fn hold(&self, held: &Arc<Held>) -> Vec<Arc<Mailbox>> {
        let mut state = self.state.lock();
        state.held.push(Arc::clone(held));
        let given_up = state.mailboxes.extract_if(|_, mailbox| held.covers(&mailbox.address));
        given_up.map(|(_, mailbox)| mailbox).collect()
    }

    /// Takes letters to these actors again, unless somebody else holds them.
    pub(crate) fn release(&self, held: &Arc<Held>) {
        self.state.lock().held.retain(|other| !Arc::ptr_eq(other, held));
    }

    /// Removes rows in a batch of their own.
    pub(crate) async fn remove(self: &Arc<Self>, keys: Vec<Bytes>) -> Outcome {
        self.write(keys.into_iter().map(|key| Op::Delete { key }).collect())
            .await
    }

    /// Commits a batch of the runtime's own.
    pub(crate) async fn write(self: &Arc<Self>, ops: Vec<Op>) -> Outcome {
        let Some(epoch) = self.epoch() else {
            return Outcome::NotProposed;
        };
        self.write_under(epoch, ops, Effects::default()).await
    }

    /// Commits a batch of the runtime's own, if `epoch` is still in force.
    pub(crate) async fn write_under(self: &Arc<Self>, epoch: Epoch, ops: Vec<Op>, effects: Effects) -> Outcome {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.propose(epoch, ops, effects, |outcome| {
            // The service that waited may have been cancelled.
            let _ = sender.send(outcome);
        });
        receiver.await.unwrap_or(Outcome::Unknown)
    }
}

/// Makes room by ending the least recently used of the idle activations, a sixteenth of all at once.
fn evict(state: &mut State, room: usize) -> bool {
    let mut idle: Vec<_> = state
        .mailboxes
        .values()
        .filter(|mailbox| mailbox.is_idle())
        .map(|mailbox| (mailbox.last_used(), mailbox.address.hash))
        .collect();
    idle.sort_unstable();
    for (_, hash) in idle.iter().take((room / 16).max(1)) {
        if state.mailboxes.get(hash).is_some_and(|mailbox| mailbox.stop_if_idle()) {
            state.mailboxes.remove(hash);
        }
    }
    state.mailboxes.len() < room
}

/// The callback of a proposal or a question, and what it hears if it is dropped.
struct Settle<T: Copy> {
    settled: Option<Box<dyn FnOnce(T) + Send>>,
    lost: T,
}

impl<T: Copy> Settle<T> {
    fn new(lost: T, settled: impl FnOnce(T) + Send + 'static) -> Self {
        Self {
            settled: Some(Box::new(settled)),
            lost,
        }
    }

    fn with(mut self, outcome: T) {
        if let Some(settled) = self.settled.take() {
            settled(outcome);
        }
    }
}

impl<T: Copy> Drop for Settle<T> {
    fn drop(&mut self) {
        if let Some(settled) = self.settled.take() {
            settled(self.lost);
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("shard", &self.shard.number())
            .finish_non_exhaustive()
    }
}
