//! Several engines on one simulated network, for tests of what their groups do together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::*;
use crate::consensus::engine::Limits;
use crate::consensus::group::Group;
use crate::consensus::membership::ChangeError;
use crate::consensus::retention::RetentionLimits;
use crate::store::{Image, Row};
use crate::testing::{Network, TestClock};

/// How long anything may take that is waited for.
const WITHIN: Duration = Duration::from_secs(60);
/// How long the outcome of one write is waited for.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// The group that most tests look at: the first shard.
pub(super) const SHARD: u32 = 1;

pub(super) fn node(number: u64) -> NodeId {
    NodeId::new(number)
}

pub(super) fn nodes(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<NodeId> {
    numbers.into_iter().map(node).collect()
}

/// The nodes of a test.
pub(super) struct Nodes {
    pub(super) network: Network,
    seed: u64,
    shards: u16,
    limits: Limits,
    clock: Arc<TestClock>,
    running: BTreeMap<NodeId, Arc<Engine>>,
    disks: BTreeMap<NodeId, MemoryDisk>,
    fatal: Arc<Mutex<Vec<(NodeId, String)>>>,
    /// What was said to be committed.
    acknowledged: BTreeMap<String, String>,
}

impl Nodes {
    /// A cluster of one node.
    pub(super) async fn found(seed: u64, shards: u16) -> Self {
        Self::found_within(seed, shards, Limits::default()).await
    }

    /// A cluster of one node that keeps next to no log behind its snapshots.
    pub(super) async fn forgetful(seed: u64, shards: u16) -> Self {
        let retention = RetentionLimits {
            entries: 2,
            ..RetentionLimits::default()
        };
        let limits = Limits {
            retention,
            ..Limits::default()
        };
        Self::found_within(seed, shards, limits).await
    }

    async fn found_within(seed: u64, shards: u16, limits: Limits) -> Self {
        let mut nodes = Self {
            network: Network::new(seed),
            seed,
            shards,
            limits,
            clock: Arc::default(),
            running: BTreeMap::new(),
            disks: BTreeMap::new(),
            fatal: Arc::default(),
            acknowledged: BTreeMap::new(),
        };
        nodes.start(NodeId::FIRST, true).await.unwrap();
        nodes.engine(NodeId::FIRST).ready().await;
        nodes
    }

    /// A cluster of so many nodes, each a voter of every group.
    pub(super) async fn of(seed: u64, count: u64, shards: u16) -> Self {
        Self::found(seed, shards).await.grown(count).await
    }

    /// The same with so many nodes.
    pub(super) async fn grown(mut self, count: u64) -> Self {
        for number in 2..=count {
            self.start(node(number), false).await.unwrap();
        }
        for group in self.groups() {
            self.change(group, self::nodes(1..=count)).await;
        }
        self
    }

    /// Lets a node take snapshots, and waits until it has purged its logs behind them.
    pub(super) async fn snapshot(&self, id: NodeId) {
        let before = self.groups().map(|group| self.group(id, group).status().applied);
        let before = before.collect::<Vec<_>>();
        self.engine(id).take_snapshots().await;
        self.until("snapshots", || {
            let taken = |group| self.group(id, group).snapshot_applied().map(|applied| applied.index);
            self.groups()
                .zip(&before)
                .all(|(group, before)| taken(group) >= *before)
                .then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    pub(super) fn groups(&self) -> std::ops::RangeInclusive<u32> {
        0..=u32::from(self.shards)
    }

    /// Opens a node on its disk.
    pub(super) async fn start(&mut self, id: NodeId, found: bool) -> Result<(), OpenError> {
        let seed = self.seed ^ (id.get() << 32);
        let disk = self.disks.entry(id).or_insert_with(|| MemoryDisk::new(seed)).clone();
        let fatal = Arc::clone(&self.fatal);
        let config = EngineConfig {
            shards: self.shards,
            stores: Stores::Memory(disk),
            node: id,
            peers: self.network.peers(id),
            found,
            raft: Handle::current(),
            actors: Handle::current(),
            clock: Arc::<TestClock>::clone(&self.clock),
            on_fatal: Arc::new(move |reason| fatal.lock().push((id, reason))),
        };
        let engine = Arc::new(Engine::open_within(config, self.limits).await?);
        self.network.attach(id, engine.service());
        self.running.insert(id, engine);
        Ok(())
    }

    /// Kills a node.
    pub(super) async fn crash(&mut self, id: NodeId) {
        self.network.detach(id);
        if let Some(engine) = self.running.remove(&id) {
            engine.crash().await;
        }
    }

    /// Kills a node and opens it again.
    pub(super) async fn restart(&mut self, id: NodeId) {
        self.crash(id).await;
        self.start(id, false).await.unwrap();
    }

    /// Gives a node that is not running an empty disk.
    pub(super) fn wipe(&mut self, id: NodeId) {
        self.disks.remove(&id);
    }

    /// The last snapshot of a group.
    pub(super) fn image(&self, id: NodeId, group: u32) -> Image {
        self.disks[&id].images().current(group).unwrap().unwrap()
    }

    pub(super) fn running(&self) -> BTreeSet<NodeId> {
        self.running.keys().copied().collect()
    }

    pub(super) fn engine(&self, id: NodeId) -> &Arc<Engine> {
        &self.running[&id]
    }

    pub(super) fn group(&self, id: NodeId, group: u32) -> &Arc<Group> {
        self.engine(id).group(group).unwrap()
    }

    /// Lets nothing through between one node and all others.
    pub(super) fn isolate(&self, id: NodeId) {
        for other in self.disks.keys().copied().filter(|other| *other != id) {
            self.network.cut(id, other);
            self.network.cut(other, id);
        }
    }

    /// Why nodes were stopped.
    pub(super) fn fatal(&self) -> Vec<(NodeId, String)> {
        self.fatal.lock().clone()
    }

    /// The nodes that own a group at this moment.
    pub(super) fn owners(&self, group: u32) -> Vec<NodeId> {
        let owns = |engine: &Engine| engine.group(group).unwrap().ownership().borrow().is_some();
        self.running
            .iter()
            .filter(|(_, engine)| owns(engine))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Waits until one of some nodes owns a group.
    pub(super) async fn leader_of(&self, group: u32, among: &BTreeSet<NodeId>) -> NodeId {
        self.until("a leader", || {
            let owners = self.owners(group);
            owners.into_iter().find(|owner| among.contains(owner))
        })
        .await
    }

    pub(super) async fn leader(&self, group: u32) -> NodeId {
        self.leader_of(group, &self.running()).await
    }

    /// Waits for something.
    pub(super) async fn until<T>(&self, what: &str, mut is: impl FnMut() -> Option<T>) -> T {
        let began = tokio::time::Instant::now();
        loop {
            if let Some(found) = is() {
                return found;
            }
            assert!(
                began.elapsed() < WITHIN,
                "seed {}: waited in vain for {what}: {:?} {:?}",
                self.seed,
                self.standings(),
                self.fatal()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn standings(&self) -> Vec<String> {
        let all = self.running.iter().flat_map(|(id, engine)| {
            self.groups().map(move |group| {
                let group = engine.group(group).unwrap();
                format!("{id}/{}: {:?} {:?}", group.number(), group.standing(), group.status())
            })
        });
        all.collect()
    }

    /// Makes these nodes the voters of a group, and nobody else a member: adds, waits until they are near, replaces the
    /// voters in one step, removes.
    pub(super) async fn change(&self, group: u32, voters: BTreeSet<NodeId>) {
        let began = tokio::time::Instant::now();
        while let Err(error) = self.step(group, &voters).await {
            assert!(
                began.elapsed() < WITHIN,
                "seed {}: the members of group {group} cannot be changed: {error}: {:?} {:?}",
                self.seed,
                self.standings(),
                self.fatal()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn step(&self, group: u32, voters: &BTreeSet<NodeId>) -> Result<(), ChangeError> {
        let Some(leader) = self.owners(group).pop() else {
            return Err(ChangeError::NotLeader { leader: None });
        };
        let leader = Arc::clone(self.group(leader, group));
        let standing = leader.standing();
        let members = standing
            .voters
            .union(&standing.learners)
            .copied()
            .collect::<BTreeSet<_>>();
        for missing in voters.difference(&members) {
            leader.add_learner(*missing).await?;
        }
        let near = async {
            loop {
                let lag = leader.lag()?;
                if voters
                    .iter()
                    .all(|voter| *voter == leader.node() || lag.get(voter).is_some_and(|lag| *lag < 100))
                {
                    return Some(());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if !matches!(tokio::time::timeout(Duration::from_secs(20), near).await, Ok(Some(()))) {
            return Err(ChangeError::Unknown);
        }
        if standing.voters != *voters || standing.is_changing {
            leader.change_voters(voters).await?;
        }
        for gone in members.difference(voters) {
            leader.remove(*gone).await?;
        }
        Ok(())
    }

    /// Writes on a node; `None` if there was no outcome in time. What is committed must stay.
    pub(super) async fn write_on(&mut self, id: NodeId, group: u32, name: &str, value: &str) -> Option<Outcome> {
        let shard = Arc::clone(self.group(id, group));
        let epoch = (*shard.ownership().borrow())?;
        let outcome = propose(&*shard, epoch, vec![put(name, value.to_owned())]);
        let outcome = tokio::time::timeout(WRITE_WITHIN, outcome).await.ok()?.ok()?;
        if matches!(outcome, Outcome::Committed { .. }) && group == SHARD {
            self.acknowledged.insert(name.to_owned(), value.to_owned());
        }
        Some(outcome)
    }

    /// Writes wherever there is a leader, until it is committed.
    pub(super) async fn write(&mut self, group: u32, name: &str, value: &str) -> NodeId {
        let began = tokio::time::Instant::now();
        loop {
            let leader = self.leader(group).await;
            if let Some(Outcome::Committed { .. }) = self.write_on(leader, group, name, value).await {
                return leader;
            }
            assert!(began.elapsed() < WITHIN, "seed {}: {name} cannot be written", self.seed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn rows(&self, id: NodeId, group: u32) -> Vec<Row> {
        let everything = (Bound::Included(Bytes::from_static(&[1])), Bound::Unbounded);
        self.group(id, group).scan(everything, false, usize::MAX).unwrap()
    }

    /// Waits until all members of a group have applied the same, and checks that it is the same, and nothing is lost.
    pub(super) async fn agree(&self, group: u32) {
        let leader = self.leader(group).await;
        let members = self
            .until("members to apply the same", || {
                let standing = self.group(leader, group).standing();
                let members = standing.voters.union(&standing.learners).copied().collect::<Vec<_>>();
                let head = |id: &NodeId| self.group(*id, group).head().unwrap();
                let same = |id: &NodeId| self.running.contains_key(id) && head(id) == head(&leader);
                let last = self.group(leader, group).status();
                (last.last == last.applied && members.iter().all(same)).then_some(members)
            })
            .await;
        let rows = self.rows(leader, group);
        for member in members {
            assert_eq!(self.rows(member, group), rows, "seed {}: node {member}", self.seed);
        }
        if group == SHARD {
            for (name, value) in &self.acknowledged {
                let kept = self.group(leader, group).get(&key(name)).unwrap();
                assert_eq!(kept, Some(Bytes::from(value.clone())), "seed {}: {name}", self.seed);
            }
        }
    }

    /// Ends all nodes; none may have been stopped by itself.
    pub(super) async fn shutdown(self) {
        assert_eq!(self.fatal(), []);
        for (id, engine) in self.running {
            self.network.detach(id);
            engine.shutdown().await;
        }
    }
}
