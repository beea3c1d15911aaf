//! Clusters of which everything is real but the groups; those of `engines` have real ones.

mod engines;
mod ground;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::Instant;
use uuid::Uuid;

use self::ground::{Ground, Place};
use super::{
    join::{self, Seeds, Silence, Unjoined},
    messages::{Joined, Refusal},
    node::{Addresses, MemberState, NodeAddress, Role},
    overview::{MoveOutcome, Overview},
    placement::Action,
    registrar::{MendError, Registrar, RegistrarParts},
    table::{Introduction, Table, TableError},
};
use crate::{
    cluster_id::ClusterId,
    node_name::NodeName,
    peers::{Lane, NodeId, Service},
    testing::{Network, TestClock, Weather},
};

const CLUSTER: ClusterId = ClusterId::new(Uuid::from_u128(1));
const SHARDS: u16 = 8;

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(600);

fn id(number: u64) -> NodeId {
    NodeId::new(number)
}

fn introduction(name: &str, token: u128) -> Introduction {
    let address = NodeAddress::new(&format!("{name}:1")).unwrap();
    Introduction {
        name: NodeName::new(name).unwrap(),
        addresses: Addresses {
            raft: address.clone(),
            requests: address,
            http: None,
        },
        role: Role::Replica,
        zone: None,
        format: 1,
        token: Uuid::from_u128(token),
    }
}

/// What another node asks, on its way to the registrar.
struct Door(Arc<Registrar>);

impl Service for Door {
    fn serve(&self, _: NodeId, _: Lane, request: Bytes) -> BoxFuture<'static, Bytes> {
        self.0.serve(&request)
    }
}

struct World {
    ground: Arc<Ground>,
    network: Network,
    nodes: Vec<Arc<Registrar>>,
}

/// What a seed that is not there answers.
fn nobody() -> Silence {
    Silence {
        reason: "nobody is there".to_owned(),
        may_be_done: false,
        is_lasting: false,
    }
}

/// Seeds are the nodes of a world, by the number in their address.
impl Seeds for World {
    fn ask(&self, seed: &NodeAddress, request: Bytes, _: Duration) -> BoxFuture<'static, Result<Bytes, Silence>> {
        let number = seed.as_str().trim_start_matches("node-").trim_end_matches(":1");
        let node = id(number.parse().unwrap());
        let found = self.nodes.iter().find(|registrar| registrar.node == node);
        let found = found.filter(|_| !self.ground.is_dead(node));
        match found.and_then(|registrar| registrar.admit(&request)) {
            Some(answer) => answer.map(Ok).boxed(),
            None => async { Err(nobody()) }.boxed(),
        }
    }
}

impl World {
    /// A cluster of one.
    async fn founded(seed: u64) -> Self {
        let mut world = Self {
            ground: Ground::new(SHARDS),
            network: Network::new(seed),
            nodes: Vec::new(),
        };
        world.open(id(1), Table::default());
        world.nodes[0].found(introduction("node-1", 1)).await.unwrap();
        world
    }

    fn open(&mut self, node: NodeId, known: Table) {
        let place = Arc::new(Place::new(&self.ground, node));
        let registrar = Registrar::new(RegistrarParts {
            node,
            cluster: CLUSTER,
            shards: SHARDS,
            peers: self.network.peers(node),
            meta: Some(Arc::<Place>::clone(&place)),
            control: place,
            clock: Arc::new(TestClock::default()),
            known,
            directory: None,
        });
        self.network.attach(node, Arc::new(Door(Arc::clone(&registrar))));
        tokio::spawn(Arc::clone(&registrar).keep());
        tokio::spawn(Arc::clone(&registrar).place());
        self.nodes.push(registrar);
    }

    async fn ask_to_join(&self, name: &str, token: u128, seed: u64) -> Result<Joined, Refusal> {
        let seed = NodeAddress::new(&format!("node-{seed}:1")).unwrap();
        join::join(self, &[seed], introduction(name, token), None).await
    }

    /// Lets the next node join, by whatever node.
    async fn join(&mut self, number: u64, seed: u64) {
        let name = format!("node-{number}");
        let joined = self.ask_to_join(&name, u128::from(number), seed).await.unwrap();
        assert_eq!((joined.node, joined.shards), (id(number), SHARDS));
        self.open(id(number), Table::of(joined.members));
    }

    fn kill(&self, number: u64) {
        self.network.detach(id(number));
        self.ground.kill(id(number));
    }

    fn living(&self) -> &Arc<Registrar> {
        let living = self.nodes.iter().rev();
        let mut living = living.filter(|registrar| !self.ground.is_dead(registrar.node));
        living.next().expect("somebody is alive")
    }

    /// Waits until the cluster looks so.
    async fn until(&self, what: &str, mut is_so: impl FnMut(&Overview) -> bool) -> Overview {
        let began = Instant::now();
        let mut last = None;
        while began.elapsed() < LONG {
            if let Ok(overview) = self.living().overview().await {
                if is_so(&overview) {
                    return overview;
                }
                last = Some(overview);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("{what}: {last:#?}");
    }

    /// Waits until shards and leaders are spread evenly over so many nodes, and all is quiet.
    async fn until_spread(&self, nodes: usize) -> Overview {
        let copies = nodes.min(3);
        self.until(&format!("spread over {nodes} nodes"), |overview| {
            let taking = overview.nodes.iter();
            let taking = taking.filter(|node| node.state == MemberState::Up && node.alive);
            let taking = taking.collect::<Vec<_>>();
            let even = |loads: Vec<usize>| loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1;
            taking.len() == nodes
                && overview.moves.is_empty()
                && overview.groups.len() == usize::from(SHARDS) + 1
                && overview.groups.iter().all(|group| group.voters.len() == copies)
                && even(taking.iter().map(|node| node.shards).collect())
                && even(taking.iter().map(|node| node.leads).collect())
        })
        .await
    }

    async fn state_of(&self, number: u64) -> MemberState {
        let overview = self.living().overview().await.unwrap();
        let node = overview.nodes.iter().find(|node| node.id == id(number));
        node.unwrap().state
    }
}

#[tokio::test(start_paused = true)]
async fn one_node_grows_to_three_and_shrinks_back_to_one() {
    let mut world = World::founded(1).await;
    for number in [2, 3] {
        world.join(number, 1).await;
        world.until_spread(usize::try_from(number).unwrap()).await;
    }
    assert!(world.ground.fewest_voters() >= 1);
    for number in [1, 3] {
        let node = id(number);
        world.living().set_state(node, MemberState::Draining).await.unwrap();
        let blocked = world
            .until("it leads nothing", |overview| {
                let node = overview.nodes.iter().find(|other| other.id == node).unwrap();
                node.leads == 0 && node.why.iter().any(|why| why.contains("has to keep"))
            })
            .await;
        let node_now = blocked.nodes.iter().find(|other| other.id == node).unwrap();
        assert!(!node_now.drained && node_now.shards == usize::from(SHARDS));
        world.living().set_state(node, MemberState::Removing).await.unwrap();
        world
            .until("it is removed", |overview| {
                let node = overview.nodes.iter().find(|other| other.id == node).unwrap();
                node.state == MemberState::Removed
            })
            .await;
    }
    let alone = world.until_spread(1).await;
    assert_eq!(alone.leader, id(2));
    let last = world.living().set_state(id(2), MemberState::Removing).await;
    assert!(
        matches!(last, Err(MendError::Refused(Refusal::Needed { .. }))),
        "{last:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_answered_says_so_at_its_deadline() {
    let world = World::founded(1).await;
    let seed = |number: u64| NodeAddress::new(&format!("node-{number}:1")).unwrap();
    let within = Duration::from_secs(7);
    let began = Instant::now();
    let asked = join::join_within(&world, &[seed(8), seed(9)], introduction("node-2", 2), None, within).await;
    let seeds = [seed(8), seed(9)].map(|seed| (seed, nobody())).to_vec();
    let may_be_in = false;
    assert_eq!(asked, Err(Unjoined::Unanswered { seeds, may_be_in }));
    assert!(began.elapsed() <= within, "{:?}", began.elapsed());
    for _ in 0..2 {
        let asked = join::join_within(&world, &[seed(8), seed(1)], introduction("node-2", 2), None, within).await;
        assert_eq!(asked.unwrap().node, id(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_refused_hears_why_at_once() {
    let world = World::founded(1).await;
    let seeds = [NodeAddress::new("node-1:1").unwrap()];
    let began = Instant::now();
    let ask = async |node, cluster| join::join_within(&world, &seeds, node, cluster, Duration::from_secs(9)).await;
    let taken = ask(introduction("node-1", 2), None).await.unwrap_err();
    let Unjoined::Refused(refusal) = taken else {
        panic!("{taken:?}");
    };
    assert!(refusal.to_string().contains("the name node-1 is taken"), "{refusal}");
    let other = Some(ClusterId::new(Uuid::from_u128(77)));
    let foreign = ask(introduction("node-2", 2), other).await.unwrap_err();
    assert!(
        matches!(foreign, Unjoined::Refused(Refusal::OtherCluster { .. })),
        "{foreign:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_joins_takes_its_share_although_the_network_is_bad() {
    for seed in 0..8 {
        let mut world = World::founded(seed).await;
        world.network.set_weather(Weather {
            loss: 0.05,
            repeat: 0.05,
            ..Weather::default()
        });
        for number in 2..=4 {
            world.join(number, number - 1).await;
        }
        let overview = world.until_spread(4).await;
        assert!(
            overview.nodes.iter().all(|node| node.shards == 6 && node.leads == 2),
            "seed {seed}"
        );
        assert!(
            overview
                .history
                .iter()
                .all(|step| !step.why.is_empty() && step.outcome.is_some())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_drained_node_has_nothing_left_and_can_come_back() {
    let mut world = World::founded(1).await;
    for number in 2..=4 {
        world.join(number, 1).await;
    }
    world.until_spread(4).await;
    // It leads the meta group, and so the placing itself.
    let leader = world.living().overview().await.unwrap().leader;
    world.living().set_state(leader, MemberState::Draining).await.unwrap();
    let drained = world
        .until("it is drained", |overview| {
            overview.nodes.iter().any(|node| node.id == leader && node.drained)
        })
        .await;
    assert_ne!(drained.leader, leader);
    assert!(drained.groups.iter().all(|group| group.voters.len() == 3));
    world.living().set_state(leader, MemberState::Up).await.unwrap();
    world.until_spread(4).await;
    assert_eq!(
        world.ground.fewest_voters_since_three(),
        3,
        "no group ever had fewer copies"
    );
}

/// Two others cannot have three copies of anything.
#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_drained_says_why_and_what_helps() {
    let mut world = World::founded(6).await;
    for number in 2..=3 {
        world.join(number, 1).await;
    }
    world.until_spread(3).await;
    world.living().set_state(id(2), MemberState::Draining).await.unwrap();
    let node = |overview: &Overview| overview.nodes.iter().find(|node| node.id == id(2)).cloned().unwrap();
    let held = world
        .until("it leads nothing", |overview| {
            let is_settled = overview.moves.is_empty() && overview.leader != id(2);
            is_settled && node(overview).leads == 0
        })
        .await;
    let held = node(&held);
    assert!(!held.drained && held.shards > 0);
    let [why] = &*held.why else { panic!("{:?}", held.why) };
    assert!(
        why.contains("is not drained: of each group there are to be 3 copies, and only 2 other nodes could have one")
            && why.contains("add a node, or `remove` node 2 to go on with 2 copies"),
        "{why}"
    );
    // The first of the two ways out.
    world.join(4, 1).await;
    let drained = world.until("it is drained", |overview| node(overview).drained).await;
    assert_eq!(node(&drained).why, [""; 0]);
    assert!(drained.groups.iter().all(|group| group.voters.len() == 3));
}

/// The second one.
#[tokio::test(start_paused = true)]
async fn a_node_that_could_not_be_drained_is_removed() {
    let mut world = World::founded(7).await;
    for number in 2..=3 {
        world.join(number, 1).await;
    }
    world.until_spread(3).await;
    world.living().set_state(id(2), MemberState::Draining).await.unwrap();
    world.living().set_state(id(2), MemberState::Removing).await.unwrap();
    let left = world
        .until("it is gone", |overview| {
            overview
                .nodes
                .iter()
                .any(|node| node.id == id(2) && node.state == MemberState::Removed)
        })
        .await;
    assert!(left.groups.iter().all(|group| group.voters.len() == 2));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_died_is_given_no_leaders() {
    let mut world = World::founded(1).await;
    for number in 2..=3 {
        world.join(number, 1).await;
    }
    let spread = world.until_spread(3).await;
    let dead = spread
        .nodes
        .iter()
        .map(|node| node.id)
        .find(|node| *node != spread.leader);
    let dead = dead.unwrap();
    world.kill(dead.get());
    let after = world
        .until("it is reported", |overview| {
            overview.nodes.iter().any(|node| node.id == dead && !node.alive)
        })
        .await;
    let begun = after.history.iter().chain(&after.moves).skip(spread.history.len());
    let given = begun.filter(|step| step.what == Action::TransferLeader(dead).to_string());
    assert_eq!(given.collect::<Vec<_>>(), [] as [&super::overview::Move; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_about_to_stop_is_given_no_leaders() {
    for stops in 1..=3 {
        let mut world = World::founded(stops).await;
        for number in 2..=3 {
            world.join(number, 1).await;
        }
        let node = id(stops);
        let spread = world.until_spread(3).await;
        let leaving = world.nodes.iter().find(|registrar| registrar.node == node).unwrap();
        leaving.leave();
        for group in spread.groups.iter().filter(|group| group.leader == Some(node)) {
            let next = *group.voters.iter().find(|voter| **voter != node).unwrap();
            let given = leaving.control.take(group.shard, Action::TransferLeader(next));
            given.await.unwrap();
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let leads = leaving.control.report().iter().any(|group| group.leader == Some(node));
            assert!(!leads, "node {node}: {:#?}", world.living().overview().await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_again_has_the_same_number_and_a_removed_number_never_comes_back() {
    let mut world = World::founded(1).await;
    for number in 2..=3 {
        world.join(number, 1).await;
    }
    // Again, by another node, and with another address.
    let again = world.ask_to_join("node-3", 3, 2).await.unwrap();
    assert_eq!(again.node, id(3));
    let taken = world.ask_to_join("node-3", 99, 1).await;
    assert!(
        matches!(taken, Err(Refusal::Table(TableError::NameTaken { .. }))),
        "{taken:?}"
    );
    world.until_spread(3).await;
    world.living().set_state(id(3), MemberState::Removing).await.unwrap();
    world
        .until("it is removed", |overview| {
            overview.nodes[2].state == MemberState::Removed
        })
        .await;
    assert_eq!(
        world.ask_to_join("node-3", 3, 1).await,
        Err(Refusal::Table(TableError::Removed(id(3))))
    );
    assert_eq!(world.ask_to_join("node-3", 100, 1).await.unwrap().node, id(4));
    let elsewhere = Some(ClusterId::new(Uuid::from_u128(2)));
    let seed = [NodeAddress::new("node-1:1").unwrap()];
    let other = join::join(&world, &seed, introduction("node-9", 9), elsewhere).await;
    assert!(matches!(other, Err(Refusal::OtherCluster { .. })));
}

#[tokio::test(start_paused = true)]
async fn leaders_move_no_more_often_than_they_must_and_never_to_a_node_that_just_died() {
    let mut world = World::founded(1).await;
    for number in 2..=3 {
        world.join(number, 1).await;
    }
    let spread = world.until_spread(3).await;
    let given = spread
        .history
        .iter()
        .filter(|step| step.what.contains("lead on"))
        .count();
    let shards = usize::from(SHARDS);
    assert!(
        given <= shards - shards / 3,
        "{given} leaders moved: {:#?}",
        spread.history
    );
    // One that does not place.
    let dead = if spread.leader == id(3) { id(2) } else { id(3) };
    let before = spread.history.len();
    world.kill(dead.get());
    let missed = world
        .until("it is missed", |overview| {
            overview.nodes.iter().any(|node| node.id == dead && !node.alive) && overview.moves.is_empty()
        })
        .await;
    let to_dead = format!("lead on node {dead}");
    let since = missed.history.iter().skip(before).filter(|step| step.what == to_dead);
    assert_eq!(since.count(), 0, "{:#?}", missed.history);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_not_taken_is_tried_again_but_not_at_once() {
    let mut world = World::founded(1).await;
    world.ground.refuse(Some(Some(3)));
    world.join(2, 1).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let overview = world.living().overview().await.unwrap();
    let copied = overview.groups.iter().filter(|group| group.voters.len() == 2).count();
    assert_eq!(copied, usize::from(SHARDS), "the others do not wait for it");
    assert!(overview.moves.is_empty() || overview.moves.iter().all(|step| step.shard == Some(3)));
    let times = world.ground.refuse(None);
    assert!((10..=100).contains(&times), "{times} times in 20 seconds");
    world.until_spread(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_node_is_reported_and_replaced_when_it_is_removed() {
    let mut world = World::founded(1).await;
    for number in 2..=4 {
        world.join(number, 1).await;
    }
    let before = world.until_spread(4).await;
    // The leader of the meta group, so that another one has to find out.
    let dead = before.leader;
    world.kill(dead.get());
    let reported = world
        .until("it is reported", |overview| {
            let node = overview.nodes.iter().find(|node| node.id == dead).unwrap();
            !node.alive && node.why.iter().any(|why| why.contains("does not answer"))
        })
        .await;
    assert_ne!(reported.leader, dead);
    assert_eq!(reported.nodes.iter().find(|node| node.id == dead).unwrap().shards, 6);
    world.living().set_state(dead, MemberState::Removing).await.unwrap();
    world
        .until("it is removed", |overview| {
            overview
                .nodes
                .iter()
                .any(|node| node.id == dead && node.state == MemberState::Removed)
        })
        .await;
    let after = world.until_spread(3).await;
    let seen = after.nodes.iter().filter(|node| node.state != MemberState::Removed);
    assert_eq!(seen.map(|node| node.shards).collect::<Vec<_>>(), [8, 8, 8]);
    assert_eq!(world.state_of(dead.get()).await, MemberState::Removed);
}

#[tokio::test(start_paused = true)]
async fn what_the_placer_began_is_finished_by_the_next_one() {
    for seed in 0..8 {
        let mut world = World::founded(seed).await;
        for number in 2..=5 {
            if number == 4 {
                world.until_spread(3).await;
            }
            world.join(number, 1).await;
        }
        world
            .until("some copies are on their way", |overview| {
                let mut shards = overview.groups.iter().filter(|group| group.shard.is_some());
                overview.nodes.len() == 5 && shards.any(|group| !group.learners.is_empty())
            })
            .await;
        let leader = world.living().overview().await.unwrap().leader;
        world.kill(leader.get());
        world
            .until("another leader", |overview| overview.leader != leader)
            .await;
        world
            .living()
            .set_state(leader, MemberState::Removing)
            .await
            .unwrap_or_else(|error| {
                panic!("seed {seed}: {error}");
            });
        let overview = world.until_spread(4).await;
        let failed = |step: &super::overview::Move| matches!(step.outcome, Some(MoveOutcome::Failed(_)));
        assert!(
            overview.history.iter().filter(|step| failed(step)).count() < 50,
            "seed {seed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_knows_the_others() {
    let mut world = World::founded(1).await;
    for number in 2..=4 {
        world.join(number, 1).await;
    }
    world.until_spread(4).await;
    for registrar in &world.nodes {
        let mut table = registrar.table();
        let known =
            table.wait_for(|table| table.present().filter(|member| member.state == MemberState::Up).count() == 4);
        tokio::time::timeout(LONG, known).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_goes_over_to_a_format_once_all_its_nodes_know_it() {
    let of_format = |name: &str, token: u128, format: u32| Introduction {
        format,
        ..introduction(name, token)
    };
    let mut world = World::founded(21).await;
    world.join(2, 1).await;
    for format in [1, 2] {
        // A node introduces itself whenever it starts.
        let upgraded = of_format("node-1", 1, 2);
        world.nodes[0].announce(upgraded).await.unwrap();
        world.nodes[1].announce(of_format("node-2", 2, format)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let overview = world.nodes[1].overview().await.unwrap();
        assert_eq!(overview.format, format, "what the oldest knows");
    }
    let old = world.ask_to_join("node-3", 3, 1).await;
    assert!(
        matches!(old, Err(Refusal::Table(TableError::TooOld(_, 1, 2)))),
        "{old:?}"
    );
    let back = world.nodes[1].announce(introduction("node-2", 2)).await;
    assert!(matches!(back, Err(MendError::Refused(_))), "{back:?}");
}
