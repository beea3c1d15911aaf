//! Clusters of engines that place their groups by themselves, while they are written to.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::oneshot, task::JoinHandle, time::Instant};

use super::{CLUSTER, LONG, id, introduction, nobody};
use crate::{
    consensus::{Engine, EngineConfig, MemoryDisk, Stores},
    members::{
        groups::EngineGroups,
        join::{self, Seeds, Silence},
        node::{MemberState, NodeAddress},
        overview::Overview,
        registrar::{Registrar, RegistrarParts},
        table::Table,
    },
    peers::{Lane, NodeId, Service},
    shard::{Op, Outcome, Proposal, Shard, WriteSet},
    testing::{Network, TestClock},
};

const SHARDS: u16 = 4;

/// The longest that a shard may refuse or delay writes.
const PAUSE: Duration = Duration::from_secs(3);

struct Door {
    engine: Arc<dyn Service>,
    registrar: Arc<Registrar>,
}

impl Service for Door {
    fn serve(&self, from: NodeId, lane: Lane, request: Bytes) -> BoxFuture<'static, Bytes> {
        match lane {
            Lane::Request => self.registrar.serve(&request),
            Lane::Heartbeat | Lane::Log | Lane::Snapshot => self.engine.serve(from, lane, request),
        }
    }
}

/// The engines there are, for those who write.
type Engines = Arc<Mutex<BTreeMap<NodeId, Arc<Engine>>>>;

struct Node {
    registrar: Arc<Registrar>,
    tasks: Vec<JoinHandle<()>>,
}

struct World {
    network: Network,
    seed: u64,
    engines: Engines,
    disks: BTreeMap<NodeId, MemoryDisk>,
    nodes: BTreeMap<NodeId, Node>,
    fatal: Arc<Mutex<Vec<String>>>,
}

impl Seeds for World {
    fn ask(&self, seed: &NodeAddress, request: Bytes, _: Duration) -> BoxFuture<'static, Result<Bytes, Silence>> {
        let number = seed.as_str().trim_start_matches("node-").trim_end_matches(":1");
        let node = self.nodes.get(&id(number.parse().unwrap()));
        match node.and_then(|node| node.registrar.admit(&request)) {
            Some(answer) => answer.map(Ok).boxed(),
            None => async { Err(nobody()) }.boxed(),
        }
    }
}

impl World {
    async fn founded(seed: u64) -> Self {
        let mut world = Self {
            network: Network::new(seed),
            seed,
            engines: Engines::default(),
            disks: BTreeMap::new(),
            nodes: BTreeMap::new(),
            fatal: Arc::default(),
        };
        world.open(1, Table::default()).await;
        let engine = Arc::clone(&world.engines.lock()[&id(1)]);
        engine.ready().await;
        world.nodes[&id(1)]
            .registrar
            .found(introduction("node-1", 1))
            .await
            .unwrap();
        world
    }

    async fn open(&mut self, number: u64, known: Table) {
        let node = id(number);
        let seed = self.seed ^ (number << 32);
        let disk = self.disks.entry(node).or_insert_with(|| MemoryDisk::new(seed)).clone();
        let fatal = Arc::clone(&self.fatal);
        let config = EngineConfig {
            shards: SHARDS,
            stores: Stores::Memory(disk),
            node,
            peers: self.network.peers(node),
            found: number == 1,
            raft: Handle::current(),
            actors: Handle::current(),
            clock: Arc::new(TestClock::default()),
            on_fatal: Arc::new(move |reason| fatal.lock().push(reason)),
        };
        let engine = Arc::new(Engine::open(config).await.unwrap());
        let registrar = Registrar::new(RegistrarParts {
            node,
            cluster: CLUSTER,
            shards: SHARDS,
            peers: self.network.peers(node),
            meta: Some(engine.meta()),
            control: Arc::new(EngineGroups::new(&engine)),
            clock: Arc::new(TestClock::default()),
            known,
            directory: None,
        });
        let door = Door {
            engine: engine.service(),
            registrar: Arc::clone(&registrar),
        };
        self.network.attach(node, Arc::new(door));
        let tasks = vec![
            tokio::spawn(Arc::clone(&registrar).keep()),
            tokio::spawn(Arc::clone(&registrar).place()),
        ];
        self.engines.lock().insert(node, engine);
        self.nodes.insert(node, Node { registrar, tasks });
    }

    async fn join(&mut self, number: u64, seed: u64) {
        let seed = NodeAddress::new(&format!("node-{seed}:1")).unwrap();
        let name = format!("node-{number}");
        let joined = join::join(self, &[seed], introduction(&name, u128::from(number)), None).await;
        let joined = joined.unwrap();
        assert_eq!(joined.node, id(number));
        self.open(number, Table::of(joined.members)).await;
    }

    /// Ends a node as a killed process ends.
    async fn crash(&mut self, number: u64) {
        self.network.detach(id(number));
        if let Some(node) = self.nodes.remove(&id(number)) {
            node.tasks.iter().for_each(JoinHandle::abort);
        }
        let engine = self.engines.lock().remove(&id(number));
        if let Some(engine) = engine {
            engine.crash().await;
        }
    }

    async fn set(&self, number: u64, state: MemberState) {
        let (_, node) = self.nodes.last_key_value().expect("a node is there");
        let set = node.registrar.set_state(id(number), state).await;
        set.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut(&Overview) -> bool) -> Overview {
        let began = Instant::now();
        let mut last = None;
        while began.elapsed() < LONG {
            for node in self.nodes.values() {
                if let Ok(overview) = node.registrar.overview().await {
                    if is_so(&overview) {
                        return overview;
                    }
                    last = Some(overview);
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("seed {}: {what}: {last:#?} {:?}", self.seed, self.fatal.lock());
    }

    async fn until_spread(&self, nodes: usize) -> Overview {
        self.until(&format!("spread over {nodes} nodes"), |overview| {
            let taking = overview.nodes.iter();
            let taking = taking.filter(|node| node.state == MemberState::Up && node.alive);
            let taking = taking.collect::<Vec<_>>();
            let even = |loads: Vec<usize>| loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1;
            taking.len() == nodes
                && overview.moves.is_empty()
                && overview.groups.len() == usize::from(SHARDS) + 1
                && overview.groups.iter().all(|group| group.voters.len() == nodes.min(3))
                && even(taking.iter().map(|node| node.shards).collect())
                && even(taking.iter().map(|node| node.leads).collect())
        })
        .await
    }

    async fn until_removed(&self, number: u64) {
        self.until("it is removed", |overview| {
            let mut nodes = overview.nodes.iter();
            nodes.any(|node| node.id == id(number) && node.state == MemberState::Removed)
        })
        .await;
    }

    async fn shutdown(self) {
        for node in self.nodes.into_values() {
            node.tasks.iter().for_each(JoinHandle::abort);
        }
        let engines = self.engines.lock().values().cloned().collect::<Vec<_>>();
        for engine in engines {
            engine.shutdown().await;
        }
        assert_eq!(*self.fatal.lock(), Vec::<String>::new());
    }
}

/// Somebody who writes to every shard all the time, wherever it is.
struct Writer {
    engines: Engines,
    acknowledged: Arc<Mutex<BTreeMap<u16, BTreeSet<u64>>>>,
    /// The longest time between two writes to one shard.
    pause: Arc<Mutex<Duration>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writer {
    fn start(engines: &Engines) -> Self {
        let mut writer = Self {
            engines: Arc::clone(engines),
            acknowledged: Arc::default(),
            pause: Arc::default(),
            tasks: Vec::new(),
        };
        for shard in 0..SHARDS {
            let (engines, acknowledged) = (Arc::clone(engines), Arc::clone(&writer.acknowledged));
            let pause = Arc::clone(&writer.pause);
            writer.tasks.push(tokio::spawn(async move {
                let mut last = Instant::now();
                for number in 0.. {
                    if write(&engines, shard, number).await {
                        acknowledged.lock().entry(shard).or_default().insert(number);
                        let mut pause = pause.lock();
                        *pause = last.elapsed().max(*pause);
                        last = Instant::now();
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }));
        }
        writer
    }

    /// Stops, and checks that nothing is lost of what was acknowledged; tells how much that was, and the longest pause.
    fn check(self) -> (usize, Duration) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let acknowledged = self.acknowledged.lock();
        for (shard, numbers) in &*acknowledged {
            let owner = owner(&self.engines, *shard).expect("every shard has an owner in the end");
            let rows = owner
                .scan((Bound::Unbounded, Bound::Unbounded), false, usize::MAX)
                .unwrap();
            let keys = rows.into_iter().map(|(key, _)| key).collect::<BTreeSet<_>>();
            for number in numbers {
                assert!(keys.contains(&key(*number)), "shard {shard} has lost write {number}");
            }
        }
        let count = acknowledged.values().map(BTreeSet::len).sum();
        (count, *self.pause.lock())
    }
}

fn owner(engines: &Engines, shard: u16) -> Option<Arc<dyn Shard>> {
    let engines = engines.lock();
    let shards = engines
        .values()
        .map(|engine| Arc::clone(&engine.shards()[usize::from(shard)]));
    let mut owned = shards.filter(|shard| shard.ownership().borrow().is_some());
    owned.next()
}

fn key(number: u64) -> Bytes {
    [&[1_u8][..], &number.to_be_bytes()].concat().into()
}

async fn write(engines: &Engines, shard: u16, number: u64) -> bool {
    let Some(owner) = owner(engines, shard) else {
        return false;
    };
    let Some(epoch) = *owner.ownership().borrow() else {
        return false;
    };
    let (sender, receiver) = oneshot::channel();
    let op = Op::Put {
        key: key(number),
        value: Bytes::from_static(b"value"),
    };
    owner.propose(Proposal {
        epoch,
        writes: WriteSet { ops: vec![op] },
        done: Box::new(|outcome| {
            // The writer may be gone.
            let _ = sender.send(outcome);
        }),
    });
    let outcome = tokio::time::timeout(Duration::from_secs(2), receiver).await;
    matches!(outcome, Ok(Ok(Outcome::Committed { .. })))
}

#[tokio::test(start_paused = true)]
async fn one_node_grows_to_three_and_shrinks_back_under_writes_and_loses_nothing() {
    let mut world = World::founded(1).await;
    let writer = Writer::start(&world.engines);
    for number in [2, 3] {
        world.join(number, 1).await;
        world.until_spread(usize::try_from(number).unwrap()).await;
    }
    for number in [1, 3] {
        world.set(number, MemberState::Draining).await;
        world
            .until("it leads nothing", |overview| {
                overview
                    .nodes
                    .iter()
                    .any(|node| node.id == id(number) && node.leads == 0)
            })
            .await;
        world.set(number, MemberState::Removing).await;
        world.until_removed(number).await;
        world.crash(number).await;
    }
    world.until_spread(1).await;
    let (count, pause) = writer.check();
    assert!(count > 300, "{count} writes");
    assert!(pause <= PAUSE, "a shard took no writes for {pause:?}");
    world.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_fourth_node_takes_its_share_under_writes_and_a_drained_one_gives_it_back() {
    let mut world = World::founded(2).await;
    for number in [2, 3] {
        world.join(number, 1).await;
    }
    world.until_spread(3).await;
    let writer = Writer::start(&world.engines);
    world.join(4, 3).await;
    let spread = world.until_spread(4).await;
    assert!(spread.nodes.iter().all(|node| node.shards == 3 && node.leads == 1));
    let leader = spread.leader;
    world.set(leader.get(), MemberState::Draining).await;
    world
        .until("it is drained", |overview| {
            overview.nodes.iter().any(|node| node.id == leader && node.drained)
        })
        .await;
    let (count, pause) = writer.check();
    assert!(count > 100, "{count} writes");
    assert!(pause <= PAUSE, "a shard took no writes for {pause:?}");
    world.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_died_is_replaced_when_it_is_removed_and_nothing_is_lost() {
    let mut world = World::founded(3).await;
    for number in 2..=4 {
        world.join(number, 1).await;
    }
    let before = world.until_spread(4).await;
    let writer = Writer::start(&world.engines);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let dead = before.leader;
    world.crash(dead.get()).await;
    world
        .until("it is reported", |overview| {
            let mut nodes = overview.nodes.iter();
            nodes.any(|node| node.id == dead && !node.alive && !node.why.is_empty())
        })
        .await;
    world.set(dead.get(), MemberState::Removing).await;
    world.until_removed(dead.get()).await;
    world.until_spread(3).await;
    let (count, pause) = writer.check();
    assert!(count > 100, "{count} writes");
    assert!(pause <= PAUSE, "a shard took no writes for {pause:?}");
    world.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn shards_go_on_while_the_group_of_the_cluster_has_no_majority() {
    let mut world = World::founded(4).await;
    for number in 2..=5 {
        world.join(number, 1).await;
    }
    let before = world.until_spread(5).await;
    let meta = before.groups.iter().find(|group| group.shard.is_none()).unwrap();
    let dead = &meta.voters[..2];
    let left = |voters: &[NodeId]| voters.iter().filter(|voter| !dead.contains(voter)).count();
    let shards = before.groups.iter().filter(|group| group.shard.is_some());
    let (alive, lost) = shards.partition::<Vec<_>, _>(|group| left(&group.voters) >= 2);
    assert!(
        !alive.is_empty() && !lost.is_empty(),
        "some shards keep their majority: {before:#?}"
    );
    for node in dead {
        world.crash(node.get()).await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for (number, group) in (0..).zip(&alive) {
        let shard = group.shard.unwrap();
        assert!(write(&world.engines, shard, number).await, "shard {shard} goes on");
    }
    for group in &lost {
        let shard = group.shard.unwrap();
        assert!(
            !write(&world.engines, shard, 0).await,
            "shard {shard} has one voter of three"
        );
    }
    // Nobody comes, goes or is moved, and whoever asks is told so.
    let (_, node) = world.nodes.last_key_value().unwrap();
    let id = *world.nodes.keys().next().unwrap();
    assert!(node.registrar.overview().await.is_err());
    assert!(node.registrar.set_state(id, MemberState::Draining).await.is_err());

    for node in dead {
        let (_, other) = world.nodes.last_key_value().unwrap();
        let known = other.registrar.table().borrow().clone();
        world.open(node.get(), known).await;
    }
    world.until_spread(5).await;
    for group in &lost {
        let shard = group.shard.unwrap();
        assert!(write(&world.engines, shard, 1).await, "shard {shard} is back");
    }
    world.shutdown().await;
}
