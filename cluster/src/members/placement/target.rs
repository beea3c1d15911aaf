//! Which nodes each group should have.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::view::{Limits, Placed, View};
use crate::{members::node::Zone, peers::NodeId};

/// Why a node should be given a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// There are fewer copies than there should be.
    Missing { has: usize, wanted: usize },
    /// Another node gives its copy away.
    Relief(NodeId),
    /// Another node has more copies.
    Balance { from: NodeId, has: usize, takes: usize },
}

/// Which nodes each group should have, and why.
#[derive(Debug, Default)]
pub(crate) struct Target {
    pub(super) voters: BTreeMap<Option<u16>, BTreeSet<NodeId>>,
    pub(super) reasons: BTreeMap<(Option<u16>, NodeId), Reason>,
    /// Groups that a node that shall give them away has to keep.
    pub(super) stuck: BTreeMap<NodeId, BTreeSet<Option<u16>>>,
    /// Shards that have fewer copies than there are nodes for.
    pub(super) short: BTreeSet<Option<u16>>,
}

impl Target {
    /// Decides it, with as few moves as possible from what there is.
    pub(super) fn of(view: &View, limits: &Limits) -> Self {
        let mut target = Self::default();
        let mut loads = view
            .nodes
            .iter()
            .filter(|(_, node)| node.takes())
            .map(|(id, _)| (*id, 0))
            .collect::<BTreeMap<_, usize>>();
        for (shard, placed) in &view.groups {
            let kept = kept(view, placed, wanted(view, limits, *shard));
            if shard.is_some() {
                for node in &kept {
                    loads.entry(*node).and_modify(|load| *load += 1);
                }
            }
            target.voters.insert(*shard, kept);
        }
        for (shard, placed) in &view.groups {
            target.fill(view, limits, *shard, placed, &mut loads);
        }
        target.balance(view, &mut loads);
        target
    }

    /// Fills the empty seats of a group, and lets it keep what cannot be replaced.
    fn fill(
        &mut self,
        view: &View,
        limits: &Limits,
        shard: Option<u16>,
        placed: &Placed,
        loads: &mut BTreeMap<NodeId, usize>,
    ) {
        let wanted = wanted(view, limits, shard);
        let chosen = self.voters.entry(shard).or_default();
        let given_up = &placed.voters - &*chosen;
        let mut given_up = given_up.into_iter();
        while chosen.len() < wanted {
            let zones = zones(view, chosen);
            let free = loads.iter().filter(|(node, _)| !chosen.contains(node));
            let Some(node) = free
                .min_by_key(|(node, load)| {
                    let follows = placed.learners.contains(node);
                    let near = zones.contains(&place(view, **node));
                    // What was begun is finished; the meta group costs too little to be spread.
                    (!follows, near, if shard.is_some() { **load } else { 0 }, **node)
                })
                .map(|(node, _)| *node)
            else {
                self.short.insert(shard);
                break;
            };
            let reason = match given_up.next() {
                Some(former) => Reason::Relief(former),
                None => Reason::Missing {
                    has: placed.voters.len(),
                    wanted,
                },
            };
            chosen.insert(node);
            if shard.is_some() {
                loads.entry(node).and_modify(|load| *load += 1);
            }
            self.reasons.insert((shard, node), reason);
        }
        self.keep_what_must_stay(view, shard, placed, copies(limits, shard));
    }

    /// A node that drains keeps its copy while nobody can take it; so does one that is to be removed, if the group could
    /// not go on without it.
    fn keep_what_must_stay(&mut self, view: &View, shard: Option<u16>, placed: &Placed, copies: usize) {
        let chosen = self.voters.entry(shard).or_default();
        let leaves = |node: &NodeId| view.nodes.get(node).is_none_or(|node| node.leaves());
        let lasting = placed.voters.iter().filter(|node| !leaves(node)).count();
        // There are more only for a moment, while a group moves as a whole.
        let least = lasting.min(copies);
        let mut others = (&placed.voters - &*chosen).into_iter().collect::<Vec<_>>();
        others.sort_by_key(|node| (leaves(node), !is_alive(view, *node), *node));
        let mut others = others.into_iter().peekable();
        while let Some(node) =
            others.next_if(|node| (chosen.len() < least && !leaves(node)) || !has_majority(view, chosen))
        {
            chosen.insert(node);
            self.stuck.entry(node).or_default().insert(shard);
        }
    }

    /// Evens out how many copies nodes have, by moves that bring no two copies of a shard into one zone.
    fn balance(&mut self, view: &View, loads: &mut BTreeMap<NodeId, usize>) {
        let movable = self
            .voters
            .iter()
            .filter(|(shard, chosen)| shard.is_some() && is_movable(view, &view.groups[*shard], chosen))
            .map(|(shard, _)| *shard)
            .collect::<BTreeSet<_>>();
        // Moves that were begun come first, as long as they help; of these, the one that fewest nodes can make room for.
        while let Some((shard, from, to)) = self.begun_move(view, loads, &movable) {
            self.shift(loads, shard, from, to);
        }
        while let Some((shard, from, to)) = self.best_move(view, loads, &movable) {
            self.shift(loads, shard, from, to);
        }
    }

    fn begun_move(
        &self,
        view: &View,
        loads: &BTreeMap<NodeId, usize>,
        movable: &BTreeSet<Option<u16>>,
    ) -> Option<(Option<u16>, NodeId, NodeId)> {
        let begun = movable
            .iter()
            .flat_map(|shard| view.groups[shard].learners.iter().map(move |to| (*shard, *to)));
        let moves = begun.filter_map(|(shard, to)| {
            let givers = self.voters[&shard].iter().copied();
            let givers = givers.filter(|from| self.helps(view, loads, shard, *from, to));
            let givers = givers.collect::<Vec<_>>();
            let fullest = *givers.iter().min_by_key(|from| (Reverse(loads[from]), **from))?;
            Some((Reverse(loads[&fullest]), givers.len(), (shard, fullest, to)))
        });
        moves.min().map(|(_, _, found)| found)
    }

    fn best_move(
        &self,
        view: &View,
        loads: &BTreeMap<NodeId, usize>,
        movable: &BTreeSet<Option<u16>>,
    ) -> Option<(Option<u16>, NodeId, NodeId)> {
        let mut fullest = loads.iter().map(|(node, load)| (*load, *node)).collect::<Vec<_>>();
        fullest.sort_by_key(|(load, node)| (Reverse(*load), *node));
        let mut emptiest = fullest.clone();
        emptiest.sort_unstable();
        for (most, from) in fullest {
            for (_, to) in emptiest.iter().take_while(|(least, _)| least + 1 < most) {
                let shards = movable
                    .iter()
                    .filter(|shard| self.helps(view, loads, **shard, from, *to));
                // A seat that is still empty costs nothing to give to another node, and a follower costs less than a voter
                // that leads.
                let cheapest = shards.min_by_key(|shard| {
                    let placed = &view.groups[*shard];
                    let has = placed.voters.contains(&from) || placed.learners.contains(&from);
                    let member = placed.voters.contains(to) || placed.learners.contains(to);
                    (u8::from(has) + u8::from(!member), placed.leader == Some(from), **shard)
                });
                if let Some(shard) = cheapest {
                    return Some((*shard, from, *to));
                }
            }
        }
        None
    }

    /// Whether a move makes loads more even, and zones no fewer.
    fn helps(
        &self,
        view: &View,
        loads: &BTreeMap<NodeId, usize>,
        shard: Option<u16>,
        from: NodeId,
        to: NodeId,
    ) -> bool {
        let chosen = &self.voters[&shard];
        let (Some(most), Some(least)) = (loads.get(&from), loads.get(&to)) else {
            return false;
        };
        if !chosen.contains(&from) || chosen.contains(&to) || *most < least + 2 {
            return false;
        }
        let mut after = chosen.clone();
        after.remove(&from);
        after.insert(to);
        zones(view, &after).len() >= zones(view, chosen).len()
    }

    fn shift(&mut self, loads: &mut BTreeMap<NodeId, usize>, shard: Option<u16>, from: NodeId, to: NodeId) {
        let reason = match self.reasons.remove(&(shard, from)) {
            // The seat was empty, and is filled by another one.
            Some(reason) => reason,
            None => Reason::Balance {
                from,
                has: loads[&from],
                takes: loads[&to],
            },
        };
        let chosen = self.voters.entry(shard).or_default();
        chosen.remove(&from);
        chosen.insert(to);
        loads.entry(from).and_modify(|load| *load -= 1);
        loads.entry(to).and_modify(|load| *load += 1);
        self.reasons.insert((shard, to), reason);
    }
}

/// How many voters a group should have, if there are nodes for them.
fn copies(limits: &Limits, shard: Option<u16>) -> usize {
    match shard {
        Some(_) => limits.copies,
        None => limits.meta_voters,
    }
}

/// How many voters a group should have.
fn wanted(view: &View, limits: &Limits, shard: Option<u16>) -> usize {
    let nodes = view.nodes.values().filter(|node| node.keeps()).count();
    nodes.min(copies(limits, shard))
}

/// The voters that stay, if there are places for them.
fn kept(view: &View, placed: &Placed, wanted: usize) -> BTreeSet<NodeId> {
    let keeps = |node: &&NodeId| view.nodes.get(node).is_some_and(|node| node.keeps());
    let mut kept = placed.voters.iter().filter(keeps).copied().collect::<Vec<_>>();
    // There are too many only for a moment, while a group moves as a whole.
    kept.sort_by_key(|node| (!is_alive(view, *node), placed.leader != Some(*node), *node));
    kept.into_iter().take(wanted).collect()
}

/// Whether a group may be moved only to even things out: not while it has lost a member.
fn is_movable(view: &View, placed: &Placed, chosen: &BTreeSet<NodeId>) -> bool {
    placed.voters.iter().chain(chosen).all(|node| is_alive(view, *node))
}

pub(super) fn is_alive(view: &View, node: NodeId) -> bool {
    view.nodes.get(&node).is_some_and(|node| node.alive)
}

/// Whether more than half of them are alive.
fn has_majority(view: &View, nodes: &BTreeSet<NodeId>) -> bool {
    let alive = nodes.iter().filter(|node| is_alive(view, **node)).count();
    alive * 2 > nodes.len()
}

/// What may fail as one: a zone, or a node that is in none.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Zone(&'a Zone),
    Node(NodeId),
}

fn place(view: &View, node: NodeId) -> Place<'_> {
    let zone = view.nodes.get(&node).and_then(|node| node.zone.as_ref());
    zone.map_or(Place::Node(node), Place::Zone)
}

fn zones<'a>(view: &'a View, nodes: &BTreeSet<NodeId>) -> BTreeSet<Place<'a>> {
    nodes.iter().map(|node| place(view, *node)).collect()
}
