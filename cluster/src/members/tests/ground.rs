//! Groups as agreement would have them: what one node decides, all see.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use super::super::{control::Control, messages::GroupReport, placement::Action};
use crate::{
    SystemClock,
    lease::Lease,
    peers::NodeId,
    shard::{Confirmation, Epoch, Op, Outcome, Proposal, Shard},
};

/// How long it takes to copy a group.
const COPY: Duration = Duration::from_millis(1700);
/// How long a change of members takes, or of a leader.
const CHANGE: Duration = Duration::from_millis(30);
/// How long a group is without a leader when its own has died.
const FAILOVER: Duration = Duration::from_millis(1500);

pub(super) struct Ground(Mutex<State>);

struct State {
    rows: BTreeMap<Bytes, Bytes>,
    groups: BTreeMap<Option<u16>, Group>,
    ownerships: BTreeMap<NodeId, watch::Sender<Option<Epoch>>>,
    dead: BTreeSet<NodeId>,
    /// A group that takes no step, and how many it did not take.
    refusing: Option<(Option<u16>, usize)>,
    fewest: usize,
    /// The fewest voters of a shard since all had three.
    fewest_since_three: Option<usize>,
}

struct Group {
    term: u64,
    leader: Option<NodeId>,
    voters: BTreeSet<NodeId>,
    /// Since when each of them follows.
    learners: BTreeMap<NodeId, Instant>,
}

impl Ground {
    /// All groups are on the first node.
    pub(super) fn new(shards: u16) -> Arc<Self> {
        let group = |shard| {
            let group = Group {
                term: 1,
                leader: Some(NodeId::FIRST),
                voters: BTreeSet::from([NodeId::FIRST]),
                learners: BTreeMap::new(),
            };
            (shard, group)
        };
        Arc::new(Self(Mutex::new(State {
            rows: BTreeMap::new(),
            groups: std::iter::once(None).chain((0..shards).map(Some)).map(group).collect(),
            ownerships: BTreeMap::new(),
            dead: BTreeSet::new(),
            refusing: None,
            fewest: 1,
            fewest_since_three: None,
        })))
    }

    pub(super) fn is_dead(&self, node: NodeId) -> bool {
        self.0.lock().dead.contains(&node)
    }

    pub(super) fn fewest_voters(&self) -> usize {
        self.0.lock().fewest
    }

    pub(super) fn fewest_voters_since_three(&self) -> usize {
        self.0.lock().fewest_since_three.unwrap_or_default()
    }

    /// Has a group take no step, or all of them; returns how many steps were not taken.
    pub(super) fn refuse(&self, group: Option<Option<u16>>) -> usize {
        let refusing = group.map(|group| (group, 0));
        let before = std::mem::replace(&mut self.0.lock().refusing, refusing);
        before.map_or(0, |(_, times)| times)
    }

    /// Ends a node; its groups have other leaders after a while, if they can.
    pub(super) fn kill(self: &Arc<Self>, node: NodeId) {
        self.0.lock().dead.insert(node);
        let ground = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(FAILOVER).await;
            let state = &mut *ground.0.lock();
            for group in state.groups.values_mut().filter(|group| group.leader == Some(node)) {
                let alive = group.voters.difference(&state.dead).copied().collect::<Vec<_>>();
                let elected = alive.first().filter(|_| alive.len() * 2 > group.voters.len());
                group.term += 1;
                group.leader = elected.copied();
            }
            state.tell();
        });
    }
}

impl State {
    /// Tells nodes whether they own the meta group.
    fn tell(&mut self) {
        let meta = &self.groups[&None];
        for (node, ownership) in &self.ownerships {
            let epoch = (meta.leader == Some(*node)).then_some(Epoch(meta.term));
            ownership.send_if_modified(|owned| {
                let is_new = *owned != epoch;
                *owned = epoch;
                is_new
            });
        }
        let shards = || self.groups.iter().filter(|(shard, _)| shard.is_some());
        let fewest = shards().map(|(_, group)| group.voters.len()).min().unwrap_or_default();
        self.fewest = self.fewest.min(fewest);
        if fewest == 3 || self.fewest_since_three.is_some() {
            self.fewest_since_three = Some(self.fewest_since_three.map_or(fewest, |before| before.min(fewest)));
        }
    }

    fn take(&mut self, node: NodeId, shard: Option<u16>, action: Action) -> Result<(), String> {
        if let Some((_, times)) = self.refusing.as_mut().filter(|(group, _)| *group == shard) {
            *times += 1;
            return Err("it is told to refuse".to_owned());
        }
        let group = self.groups.get_mut(&shard).ok_or("there is no such group")?;
        if group.leader != Some(node) {
            return Err("it does not lead the group".to_owned());
        }
        let agree = |voters: &BTreeSet<NodeId>| voters.difference(&self.dead).count() * 2 > voters.len();
        if !agree(&group.voters) {
            return Err("too few voters are alive".to_owned());
        }
        match action {
            Action::AddLearner(node) => {
                group.learners.entry(node).or_insert_with(Instant::now);
            }
            Action::DropLearner(node) => {
                group.learners.remove(&node);
            }
            Action::ChangeVoters(voters) => {
                let member = |node: &NodeId| group.voters.contains(node) || group.learners.contains_key(node);
                assert!(voters.iter().all(member), "{shard:?}: {voters:?} are not all members");
                assert!(voters.contains(&node), "a leader never takes its own vote away");
                for new in &voters - &group.voters {
                    assert!(
                        group.learners[&new].elapsed() >= COPY,
                        "{shard:?}: node {new} lacks entries"
                    );
                }
                if !agree(&voters) {
                    return Err("too few of the new voters are alive".to_owned());
                }
                group.learners.retain(|node, _| !voters.contains(node));
                group.voters = voters;
            }
            Action::TransferLeader(to) => {
                if !group.voters.contains(&to) || self.dead.contains(&to) {
                    return Err("it cannot lead".to_owned());
                }
                group.leader = Some(to);
                group.term += 1;
            }
        }
        self.tell();
        Ok(())
    }
}

/// The groups of one node.
pub(super) struct Place {
    ground: Arc<Ground>,
    node: NodeId,
}

impl Place {
    pub(super) fn new(ground: &Arc<Ground>, node: NodeId) -> Self {
        let mut state = ground.0.lock();
        state.ownerships.insert(node, watch::Sender::new(None));
        state.tell();
        Self {
            ground: Arc::clone(ground),
            node,
        }
    }
}

impl Control for Place {
    fn report(&self) -> Vec<GroupReport> {
        let state = self.ground.0.lock();
        let member = |group: &Group| group.voters.contains(&self.node) || group.learners.contains_key(&self.node);
        let groups = state.groups.iter().filter(|(_, group)| member(group));
        let report = |(shard, group): (&Option<u16>, &Group)| {
            let behind = |since: &Instant| if since.elapsed() >= COPY { 0 } else { 5000 };
            let followers = group.learners.iter().map(|(node, since)| (*node, behind(since)));
            let voters = group.voters.iter().filter(|voter| **voter != self.node);
            // One that is dead lacks nothing either, as long as nothing is written.
            let voters = voters.map(|voter| (*voter, 0));
            GroupReport {
                shard: *shard,
                term: group.term,
                leader: group.leader,
                voters: group.voters.clone(),
                learners: group.learners.keys().copied().collect(),
                is_changing: false,
                epoch: Some(group.term),
                applied: Some(1),
                last: Some(1),
                lag: (group.leader == Some(self.node)).then(|| voters.chain(followers).collect()),
            }
        };
        groups.map(report).collect()
    }

    fn meta_leader(&self) -> Option<NodeId> {
        let state = self.ground.0.lock();
        let meta = &state.groups[&None];
        meta.leader
            .filter(|_| meta.voters.contains(&self.node) || meta.learners.contains_key(&self.node))
    }

    fn take(&self, shard: Option<u16>, action: Action) -> BoxFuture<'static, Result<(), String>> {
        let (ground, node) = (Arc::clone(&self.ground), self.node);
        async move {
            tokio::time::sleep(CHANGE).await;
            ground.0.lock().take(node, shard, action)
        }
        .boxed()
    }
}

/// The meta group.
impl Shard for Place {
    fn number(&self) -> u16 {
        u16::MAX
    }

    fn ownership(&self) -> watch::Receiver<Option<Epoch>> {
        self.ground.0.lock().ownerships[&self.node].subscribe()
    }

    fn propose(&self, proposal: Proposal) {
        let (ground, node) = (Arc::clone(&self.ground), self.node);
        tokio::spawn(async move {
            tokio::time::sleep(CHANGE).await;
            let is_owned = {
                let mut state = ground.0.lock();
                let is_owned = *state.ownerships[&node].borrow() == Some(proposal.epoch) && !state.dead.contains(&node);
                for op in proposal.writes.ops.into_iter().filter(|_| is_owned) {
                    match op {
                        Op::Put { key, value } => drop(state.rows.insert(key, value)),
                        other => panic!("{other:?} is not written to the table"),
                    }
                }
                is_owned
            };
            (proposal.done)(if is_owned {
                Outcome::Committed {
                    index: 1,
                    first_ordinal: 0,
                }
            } else {
                Outcome::NotProposed
            });
        });
    }

    fn relinquish(&self, _: Epoch) {}

    fn lease(&self) -> Arc<Lease> {
        Arc::new(Lease::new(Arc::new(SystemClock)))
    }

    fn confirm(&self, confirmation: Confirmation) {
        (confirmation.done)(true);
    }

    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        Ok(self.ground.0.lock().rows.get(key).cloned())
    }

    fn scan(&self, range: (Bound<Bytes>, Bound<Bytes>), _: bool, limit: usize) -> io::Result<Vec<(Bytes, Bytes)>> {
        let state = self.ground.0.lock();
        let meta = &state.groups[&None];
        if !meta.voters.contains(&self.node) && !meta.learners.contains_key(&self.node) {
            return Ok(Vec::new());
        }
        let rows = state.rows.range(range).take(limit);
        Ok(rows.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
