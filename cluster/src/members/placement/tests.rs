//! A cluster that takes the steps as they are planned, in an order that chance decides.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};

use super::*;
use crate::{
    members::node::{MemberState, Role, Zone},
    peers::NodeId,
};

/// More rounds than any plan of a test takes.
const ROUNDS: usize = 4000;

fn id(number: u64) -> NodeId {
    NodeId::new(number)
}

fn ids(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<NodeId> {
    numbers.into_iter().map(id).collect()
}

fn up() -> Candidate {
    Candidate {
        state: MemberState::Up,
        role: Role::Replica,
        zone: None,
        alive: true,
    }
}

/// A group in good order.
fn at(voters: &BTreeSet<NodeId>, leader: NodeId) -> Placed {
    Placed {
        voters: voters.clone(),
        current: voters.clone(),
        leader: Some(leader),
        ..Placed::default()
    }
}

struct World {
    view: View,
    limits: Limits,
    random: StdRng,
    /// Copies that were begun, of shards.
    copies: usize,
    transfers: usize,
    notes: Vec<Note>,
}

impl World {
    /// Shards and the meta group, all on one node.
    fn founded(shards: u16, seed: u64) -> Self {
        let first = id(1);
        let groups = std::iter::once(None).chain((0..shards).map(Some));
        let view = View {
            nodes: BTreeMap::from([(first, up())]),
            groups: groups.map(|group| (group, at(&ids([1]), first))).collect(),
        };
        Self {
            view,
            limits: Limits::default(),
            random: StdRng::seed_from_u64(seed),
            copies: 0,
            transfers: 0,
            notes: Vec::new(),
        }
    }

    /// As chance has it.
    fn random(nodes: u64, shards: u16, seed: u64) -> Self {
        let mut world = Self::founded(shards, seed);
        world.join(2..=nodes);
        for placed in world.view.groups.values_mut() {
            let voters = (1..=nodes).choose_multiple(&mut world.random, world.limits.copies);
            let leader = id(voters[0]);
            *placed = at(&ids(voters), leader);
        }
        world
    }

    fn join(&mut self, numbers: impl IntoIterator<Item = u64>) {
        self.view
            .nodes
            .extend(numbers.into_iter().map(|number| (id(number), up())));
    }

    fn set(&mut self, number: u64, state: MemberState) {
        self.view.nodes.get_mut(&id(number)).unwrap().state = state;
    }

    fn kill(&mut self, number: u64) {
        let dead = id(number);
        self.view.nodes.get_mut(&dead).unwrap().alive = false;
        for placed in self.view.groups.values_mut() {
            placed.current.remove(&dead);
            if placed.leader == Some(dead) {
                let alive = placed.voters.iter().filter(|node| self.view.nodes[node].alive);
                let alive = alive.copied().collect::<Vec<_>>();
                placed.leader = alive.first().copied().filter(|_| alive.len() * 2 > placed.voters.len());
            }
        }
    }

    /// Takes steps until none is planned, and checks each of them.
    fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let plan = plan(&self.view, &self.limits);
            self.notes = plan.notes;
            assert!(plan.moving <= self.limits.moves, "{} shards are moving", plan.moving);
            let mut groups = plan.steps.iter().map(|step| step.shard).collect::<Vec<_>>();
            groups.dedup();
            assert_eq!(
                groups.len(),
                plan.steps.len(),
                "two steps of one group: {:?}",
                plan.steps
            );
            // Copies that are under way arrive when chance has it; steps begin, and end in some later round.
            let mut waits = self.arrive();
            waits |= self.finish();
            if plan.steps.is_empty() && !waits {
                return;
            }
            for step in plan.steps {
                assert!(!step.why.is_empty());
                self.check(&step);
                let placed = self.view.groups.get_mut(&step.shard).unwrap();
                placed.busy = self.random.random_bool(0.3);
                self.take(step);
            }
        }
        panic!("steps are planned for ever");
    }

    fn arrive(&mut self) -> bool {
        let mut waits = false;
        for placed in self.view.groups.values_mut() {
            for learner in placed.learners.clone() {
                if self.view.nodes[&learner].alive && !placed.current.contains(&learner) {
                    waits = true;
                    if self.random.random_bool(0.5) {
                        placed.current.insert(learner);
                    }
                }
            }
        }
        waits
    }

    fn finish(&mut self) -> bool {
        let mut waits = false;
        for placed in self.view.groups.values_mut().filter(|placed| placed.busy) {
            waits = true;
            placed.busy = self.random.random_bool(0.5);
        }
        waits
    }

    fn check(&self, step: &Step) {
        let placed = &self.view.groups[&step.shard];
        let node = |node: &NodeId| &self.view.nodes[node];
        let able = |nodes: &BTreeSet<NodeId>| {
            let able = nodes.iter().filter(|id| node(id).alive && placed.current.contains(id));
            able.count() * 2 > nodes.len()
        };
        assert!(!placed.busy && placed.leader.is_some(), "{step:?} of {placed:?}");
        match &step.action {
            Action::AddLearner(to) => {
                assert!(node(to).alive && !placed.voters.contains(to) && !placed.learners.contains(to));
                assert!(step.shard.is_none() || node(to).state == MemberState::Up);
            }
            Action::DropLearner(to) => assert!(placed.learners.contains(to)),
            Action::TransferLeader(to) => {
                assert!(placed.voters.contains(to) && placed.current.contains(to));
                assert!(node(to).alive && node(to).state == MemberState::Up && placed.leader != Some(*to));
            }
            Action::ChangeVoters(to) => {
                assert!(able(&placed.voters) && able(to), "{step:?} of {placed:?}");
                for new in to - &placed.voters {
                    assert!(placed.current.contains(&new) && node(&new).alive, "{step:?}");
                }
                let lasting = placed.voters.iter().filter(|id| !node(id).leaves()).count();
                assert!(to.len() >= lasting.min(self.limits.copies), "{step:?} of {placed:?}");
                assert!(placed.unfinished || *to != placed.voters);
                // The leader is never the one that goes.
                assert!(to.contains(&placed.leader.unwrap()), "{step:?} of {placed:?}");
            }
        }
    }

    fn take(&mut self, step: Step) {
        let placed = self.view.groups.get_mut(&step.shard).unwrap();
        match step.action {
            Action::AddLearner(node) => {
                self.copies += usize::from(step.shard.is_some());
                placed.learners.insert(node);
            }
            Action::DropLearner(node) => {
                placed.learners.remove(&node);
                placed.current.remove(&node);
            }
            Action::ChangeVoters(voters) => {
                placed.learners = &placed.learners - &voters;
                placed.current = &placed.current & &(&voters | &placed.learners);
                placed.unfinished = false;
                placed.voters = voters;
            }
            Action::TransferLeader(node) => {
                self.transfers += 1;
                placed.leader = Some(node);
            }
        }
    }

    /// How many shards each node has a copy of, and how many it leads.
    fn loads(&self) -> BTreeMap<NodeId, (usize, usize)> {
        let mut loads = self
            .view
            .nodes
            .keys()
            .map(|id| (*id, (0, 0)))
            .collect::<BTreeMap<_, _>>();
        for (_, placed) in self.view.groups.iter().filter(|(shard, _)| shard.is_some()) {
            for voter in &placed.voters {
                loads.get_mut(voter).unwrap().0 += 1;
            }
            loads.get_mut(&placed.leader.unwrap()).unwrap().1 += 1;
        }
        loads
    }

    fn assert_balanced(&self) {
        let loads = self.loads();
        let nodes = self.view.nodes.iter().filter(|(_, node)| node.takes());
        let of = |part: fn(&(usize, usize)) -> usize| nodes.clone().map(|(id, _)| part(&loads[id])).collect::<Vec<_>>();
        for (what, loads) in [("copies", of(|load| load.0)), ("leaders", of(|load| load.1))] {
            let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
            assert!(most - least <= 1, "{what}: {loads:?}");
        }
        let wanted = nodes.count().min(3);
        for (shard, placed) in &self.view.groups {
            assert_eq!(placed.voters.len(), wanted, "{shard:?} {placed:?}");
            assert!(shard.is_none() || placed.learners.is_empty());
        }
    }

    fn said(&self, node: u64, words: &str) -> bool {
        let about = |note: &&Note| note.node == Some(id(node)) && note.why.contains(words);
        self.notes.iter().any(|note| about(&note))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nodes_that_join_take_their_share(nodes in 1_u64..8, shards in 1_u16..25, seed: u64) {
        let mut world = World::founded(shards, seed);
        for number in 2..=nodes {
            world.join([number]);
            world.settle();
            world.assert_balanced();
        }
    }

    #[test]
    fn whatever_there_is_becomes_balanced_with_hardly_a_copy_too_many(nodes in 3_u64..8, shards in 1_u16..25, seed: u64) {
        let mut world = World::random(nodes, shards, seed);
        let before = world.loads();
        world.settle();
        world.assert_balanced();
        let (seats, nodes) = (usize::from(shards) * 3, before.len());
        let (floor, ceiling) = (seats / nodes, seats.div_ceil(nodes));
        let come = before.values().map(|(has, _)| floor.saturating_sub(*has)).sum::<usize>();
        let go = before.values().map(|(has, _)| has.saturating_sub(ceiling)).sum::<usize>();
        let fewest = come.max(go);
        prop_assert!(world.copies <= fewest + 1, "{} copies, {fewest} would do", world.copies);
    }

    #[test]
    fn a_drained_node_has_nothing_left_if_others_can_take_it(nodes in 4_u64..8, shards in 1_u16..25, seed: u64) {
        let mut world = World::random(nodes, shards, seed);
        world.settle();
        let drained = world.random.random_range(1..=nodes);
        world.set(drained, MemberState::Draining);
        world.settle();
        prop_assert_eq!(world.loads()[&id(drained)], (0, 0));
        prop_assert!(!world.view.groups[&None].voters.contains(&id(drained)));
        prop_assert!(world.view.groups[&None].learners.contains(&id(drained)));
        prop_assert!(!world.said(drained, "has to keep"));
        world.assert_balanced();
    }

    #[test]
    fn nodes_that_fail_leave_and_come_in_any_order_do_no_harm(
        events in prop::collection::vec((0_u8..6, 1_u64..9), 1..12), shards in 1_u16..13, zones: bool, seed: u64
    ) {
        let mut world = World::founded(shards, seed);
        for (event, number) in events {
            let known = world.view.nodes.get(&id(number)).cloned();
            match (event, known) {
                (0 | 1, None) => {
                    let zone = zones.then(|| Zone::new(if number % 2 == 0 { "a" } else { "b" }).unwrap());
                    world.view.nodes.insert(id(number), Candidate { zone, ..up() });
                }
                (2, Some(_)) => world.set(number, MemberState::Draining),
                (3, Some(_)) => world.set(number, MemberState::Removing),
                (4, Some(_)) => world.set(number, MemberState::Up),
                (5, Some(_)) => {
                    let alive = world.view.nodes.values().filter(|node| node.alive).count();
                    if alive > 2 {
                        world.kill(number);
                    }
                }
                (_, _) => {}
            }
            if world.random.random_bool(0.7) {
                world.settle();
            }
        }
        world.settle();
    }
}

#[test]
fn a_gateway_is_given_nothing_and_may_go_at_once() {
    let mut world = World::founded(16, 2);
    let gateway = Candidate {
        role: Role::Gateway,
        ..up()
    };
    world.view.nodes.insert(id(2), gateway);
    world.join([3]);
    world.settle();
    assert!(!world.loads().contains_key(&id(2)) || world.loads()[&id(2)] == (0, 0));
    let members = |placed: &Placed| &placed.voters | &placed.learners;
    assert!(world.view.groups.values().all(|placed| members(placed) == ids([1, 3])));
    assert_eq!(why_not_removed(&world.view, &world.limits, id(2)), None);
    world.set(2, MemberState::Draining);
    assert!(plan(&world.view, &world.limits).steps.is_empty());
}

#[test]
fn one_node_grows_to_three_and_shrinks_back() {
    let mut world = World::founded(16, 1);
    assert!(plan(&world.view, &world.limits).steps.is_empty());
    world.join([2]);
    world.settle();
    assert!(world.notes.iter().any(|note| note.why.contains("with 2 nodes")));
    world.join([3]);
    world.settle();
    world.assert_balanced();
    for number in [1, 3] {
        world.set(number, MemberState::Draining);
        world.settle();
        assert_eq!(world.loads()[&id(number)].1, 0, "a node that drains leads nothing");
        assert!(
            world.said(number, "has to keep its copy of 16 shards, and so is not drained"),
            "{:?}",
            world.notes
        );
        let ways_out = format!("add a node, or `remove` node {number} to go on with");
        assert!(world.said(number, &ways_out), "{:?}", world.notes);
        world.set(number, MemberState::Removing);
        world.settle();
        assert_eq!(world.loads()[&id(number)], (0, 0));
        let meta = &world.view.groups[&None];
        assert!(!meta.voters.contains(&id(number)) && !meta.learners.contains(&id(number)));
    }
    assert_eq!(world.loads()[&id(2)], (16, 16));
    assert_eq!(world.view.groups[&None].voters, ids([2]));
}

#[test]
fn a_balanced_cluster_is_left_alone_and_a_dead_node_keeps_its_place() {
    let mut world = World::founded(8, 1);
    world.join([2, 3, 4]);
    world.settle();
    world.assert_balanced();
    world.kill(4);
    let before = world.copies;
    world.settle();
    assert_eq!(world.copies, before, "nothing is copied because a node does not answer");
    assert!(world.said(4, "does not answer"));
    world.set(4, MemberState::Removing);
    world.settle();
    assert_eq!(world.loads()[&id(4)].0, 0);
    assert!(world.copies > before);
}

#[test]
fn what_too_few_of_the_living_could_agree_on_is_not_begun() {
    let mut world = World::founded(4, 1);
    world.join([2, 3]);
    world.settle();
    world.kill(3);
    world.set(2, MemberState::Removing);
    world.settle();
    assert_eq!(world.loads()[&id(2)].0, 4, "nodes 1 and 2 are the majority of three");
    assert!(
        world.said(2, "too few of the voters would be alive"),
        "{:?}",
        world.notes
    );
}

#[test]
fn copies_are_spread_over_zones() {
    let mut world = World::founded(12, 1);
    for (number, zone) in [(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c"), (6, "c")] {
        let zone = Some(Zone::new(zone).unwrap());
        world.view.nodes.insert(id(number), Candidate { zone, ..up() });
    }
    world.settle();
    world.assert_balanced();
    for (shard, placed) in &world.view.groups {
        let zones = placed
            .voters
            .iter()
            .map(|node| node.get().div_ceil(2))
            .collect::<BTreeSet<_>>();
        assert_eq!(zones.len(), 3, "{shard:?} {placed:?}");
    }
}

#[test]
fn a_change_that_was_cut_off_is_finished_first() {
    let mut world = World::founded(1, 1);
    world.join([2]);
    let placed = world.view.groups.get_mut(&Some(0)).unwrap();
    placed.voters = ids([1, 2]);
    placed.unfinished = true;
    let plan = plan(&world.view, &world.limits);
    let step = plan.steps.iter().find(|step| step.shard == Some(0)).unwrap();
    assert_eq!(step.action, Action::ChangeVoters(ids([1, 2])));
}

#[test]
fn a_copy_that_nobody_needs_is_dropped() {
    let mut world = World::founded(2, 1);
    world.join([2, 3, 4]);
    world.settle();
    let placed = world.view.groups.get_mut(&Some(0)).unwrap();
    let spare = (1..5).map(id).find(|node| !placed.voters.contains(node)).unwrap();
    placed.learners.insert(spare);
    placed.current.insert(spare);
    world.settle();
    assert!(world.view.groups[&Some(0)].learners.is_empty());
    world.assert_balanced();
}
