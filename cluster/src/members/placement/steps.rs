//! The one next step of each group.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Target, leaders,
    target::{Reason, is_alive},
    view::{Action, Limits, Note, Placed, Plan, Step, View, listed, named},
};
use crate::{
    members::node::{MemberState, Role},
    peers::NodeId,
};

/// How urgent it is to begin a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Missing,
    Relief,
    Balance,
}

/// What a group needs now.
enum Need {
    /// It is where it should be.
    Nothing,
    /// It waits: for a step that is being taken, for a copy, or for a leader.
    Wait,
    /// A copy is begun, which is bounded.
    Begin(Urgency, Step),
    /// A leader changes, which is bounded.
    Transfer(Step),
    /// Anything else.
    Step(Step),
}

/// Decides what is to be done now.
pub(crate) fn plan(view: &View, limits: &Limits) -> Plan {
    let target = Target::of(view, limits);
    let mut planner = Planner {
        view,
        limits,
        leading: leaders::loads(view),
        moving: moving(view, &target),
        plan: Plan::default(),
        target,
    };
    planner.decide();
    planner.plan.notes.extend(notes(view, limits, &planner.target));
    planner.plan.moving = planner.moving.len();
    planner.plan
}

/// Shards that are being copied.
fn moving(view: &View, target: &Target) -> BTreeSet<u16> {
    let moves = |placed: &Placed, chosen: &BTreeSet<NodeId>| chosen.iter().any(|node| placed.learners.contains(node));
    view.groups
        .iter()
        .filter(|(shard, placed)| moves(placed, &target.voters[*shard]))
        .filter_map(|(shard, _)| *shard)
        .collect()
}

struct Planner<'a> {
    view: &'a View,
    limits: &'a Limits,
    target: Target,
    /// How many shards each node leads, or will.
    leading: BTreeMap<NodeId, usize>,
    moving: BTreeSet<u16>,
    plan: Plan,
}

impl Planner<'_> {
    fn decide(&mut self) {
        let mut begins = Vec::new();
        let mut free = BTreeSet::new();
        let busy = self.view.groups.values().filter(|placed| placed.busy).count();
        let mut transfers = self.limits.transfers.saturating_sub(busy);
        for (shard, placed) in &self.view.groups {
            match self.need(*shard, placed) {
                Need::Nothing => free.extend(*shard),
                Need::Wait => {}
                Need::Begin(urgency, step) => begins.push((urgency, step)),
                Need::Transfer(step) => {
                    if transfers > 0 {
                        transfers -= 1;
                        if let Action::TransferLeader(to) = step.action {
                            self.leading.entry(to).and_modify(|load| *load += 1);
                        }
                        self.plan.steps.push(step);
                    }
                }
                Need::Step(step) => self.plan.steps.push(step),
            }
        }
        begins.sort_by_key(|(urgency, step)| (*urgency, step.shard));
        for (_, step) in begins {
            match step.shard {
                Some(shard) if self.moving.len() >= self.limits.moves && !self.moving.contains(&shard) => {}
                Some(shard) => {
                    self.moving.insert(shard);
                    self.plan.steps.push(step);
                }
                None => self.plan.steps.push(step),
            }
        }
        self.even_out_leaders(&free, transfers);
    }

    fn need(&self, shard: Option<u16>, placed: &Placed) -> Need {
        let Some(leader) = placed.leader.filter(|_| !placed.busy) else {
            return Need::Wait;
        };
        let step = |action, why| Step { shard, action, why };
        let chosen = &self.target.voters[&shard];
        if placed.unfinished {
            let mut voters = chosen & &placed.voters;
            voters.insert(leader);
            let why = "an earlier change of its voters was cut off".to_owned();
            return Need::Step(step(Action::ChangeVoters(voters), why));
        }
        let heir = self.heir(placed, chosen, leader);
        if let (Some(heir), Some(state)) = (heir, self.leaving(leader)) {
            let why = format!("node {leader} is {state}");
            return Need::Transfer(step(Action::TransferLeader(heir), why));
        }
        let missing = chosen - &placed.voters;
        if let Some(node) = missing.difference(&placed.learners).next() {
            return self.begin(shard, *node);
        }
        if !missing.is_subset(&placed.current) || !self.can_go_on(placed, chosen) {
            return Need::Wait;
        }
        if *chosen != placed.voters {
            if chosen.contains(&leader) {
                let why = self.why_change(shard, placed, chosen);
                return Need::Step(step(Action::ChangeVoters(chosen.clone()), why));
            }
            if let Some(heir) = heir {
                let why = format!("node {leader} hands its copy on");
                return Need::Transfer(step(Action::TransferLeader(heir), why));
            }
            // All voters change at once, and the leader is the last to go.
            let mut voters = chosen.clone();
            if !voters.insert(leader) || voters == placed.voters {
                return Need::Wait;
            }
            let why = self.why_change(shard, placed, chosen);
            return Need::Step(step(Action::ChangeVoters(voters), why));
        }
        self.follow(shard, placed)
    }

    /// The voter that should lead next: one that stays, is up to date and leads little.
    fn heir(&self, placed: &Placed, chosen: &BTreeSet<NodeId>, leader: NodeId) -> Option<NodeId> {
        let takes = |node: &&NodeId| self.view.nodes.get(node).is_some_and(|node| node.takes());
        let heirs = chosen
            .iter()
            .filter(takes)
            .filter(|node| **node != leader && placed.voters.contains(node) && placed.current.contains(node));
        heirs
            .min_by_key(|node| (self.leading.get(node).copied(), **node))
            .copied()
    }

    /// The state of a node that gives everything away.
    fn leaving(&self, node: NodeId) -> Option<MemberState> {
        match self.view.nodes.get(&node)?.state {
            MemberState::Joining | MemberState::Up => None,
            state @ (MemberState::Draining | MemberState::Removing | MemberState::Removed) => Some(state),
        }
    }

    fn begin(&self, shard: Option<u16>, node: NodeId) -> Need {
        let reason = self.target.reasons.get(&(shard, node));
        let (urgency, why) = match reason {
            Some(Reason::Missing { has, wanted }) => (Urgency::Missing, format!("it has {has} of {wanted} copies")),
            Some(Reason::Relief(former)) => {
                // Leaders go before copies.
                if self.leaves_leaders(*former) {
                    return Need::Wait;
                }
                let state = self
                    .leaving(*former)
                    .map_or_else(|| "keeps no copies".to_owned(), |state| format!("is {state}"));
                (Urgency::Relief, format!("node {former} {state}"))
            }
            Some(Reason::Balance { from, has, takes }) => (
                Urgency::Balance,
                format!("node {from} has {has} shards, node {node} has {takes}"),
            ),
            None => (Urgency::Missing, format!("node {node} should have a copy")),
        };
        let action = Action::AddLearner(node);
        Need::Begin(urgency, Step { shard, action, why })
    }

    /// Whether a node still leads a shard that another voter could lead.
    fn leaves_leaders(&self, node: NodeId) -> bool {
        self.view.groups.iter().any(|(shard, placed)| {
            placed.leader == Some(node) && self.heir(placed, &self.target.voters[shard], node).is_some()
        })
    }

    /// Whether more than half of the voters, before and after, are alive and have what the leader has.
    fn can_go_on(&self, placed: &Placed, chosen: &BTreeSet<NodeId>) -> bool {
        let most = |voters: &BTreeSet<NodeId>| {
            let able = voters
                .iter()
                .filter(|node| is_alive(self.view, **node) && placed.current.contains(node));
            able.count() * 2 > voters.len()
        };
        most(chosen) && most(&placed.voters)
    }

    fn why_change(&self, shard: Option<u16>, placed: &Placed, chosen: &BTreeSet<NodeId>) -> String {
        let (come, go) = (chosen - &placed.voters, &placed.voters - chosen);
        let reason = come.iter().find_map(|node| self.target.reasons.get(&(shard, *node)));
        match (come.is_empty(), go.is_empty()) {
            (false, true) => match reason {
                Some(Reason::Missing { has, wanted }) => format!("it had {has} of {wanted} copies"),
                Some(Reason::Relief(_) | Reason::Balance { .. }) | None => format!("{} caught up", listed(&come)),
            },
            (false, false) => format!("{} caught up and takes over from {}", listed(&come), listed(&go)),
            (true, _) => format!("{} gives its copy away", listed(&go)),
        }
    }

    /// What is left when the voters are the right ones: the followers.
    fn follow(&self, shard: Option<u16>, placed: &Placed) -> Need {
        let followers = self.followers(shard);
        let step = |action, why| Need::Step(Step { shard, action, why });
        let gone = |node: &&NodeId| match shard {
            Some(_) => true,
            // A follower of the meta group that does not answer may come back.
            None => self.view.nodes.get(node).is_none_or(|node| node.leaves()),
        };
        if let Some(node) = placed.learners.difference(&followers).find(gone) {
            return step(
                Action::DropLearner(*node),
                format!("node {node} shall have no copy of it"),
            );
        }
        let missing = followers
            .iter()
            .find(|node| !placed.voters.contains(node) && !placed.learners.contains(node));
        match missing {
            Some(node) => step(
                Action::AddLearner(*node),
                "every node follows the meta group".to_owned(),
            ),
            None => Need::Nothing,
        }
    }

    /// Who should follow a group without a vote: nobody but, in the meta group, all that keep copies of anything.
    fn followers(&self, shard: Option<u16>) -> BTreeSet<NodeId> {
        let nodes = self.view.nodes.iter().filter(|(_, node)| {
            shard.is_none()
                && node.alive
                && node.role == Role::Replica
                && matches!(node.state, MemberState::Up | MemberState::Draining)
        });
        nodes.map(|(id, _)| *id).collect()
    }

    fn even_out_leaders(&mut self, free: &BTreeSet<u16>, most: usize) {
        let loads = leaders::loads(self.view);
        let load = |node| loads.get(&node).copied().unwrap_or_default();
        for transfer in leaders::transfers(self.view, free).into_iter().take(most) {
            let leaders::Transfer { shard, from, to } = transfer;
            self.plan.steps.push(Step {
                shard: Some(shard),
                action: Action::TransferLeader(to),
                why: format!("node {from} leads {} shards, node {to} leads {}", load(from), load(to)),
            });
        }
    }
}

/// Why a node cannot be removed, in words; `None` if it can.
pub(crate) fn why_not_removed(view: &View, limits: &Limits, node: NodeId) -> Option<String> {
    let mut after = view.clone();
    let leaving = after.nodes.get_mut(&node)?;
    let keeps = leaving.role == Role::Replica;
    leaving.state = MemberState::Removing;
    if keeps && !after.nodes.values().any(|node| node.takes()) {
        return Some("no other node that answers could take its copies".to_owned());
    }
    let groups = Target::of(&after, limits).stuck.remove(&node)?;
    let shards = groups.iter().flatten().count();
    let meta = if groups.contains(&None) {
        " and the meta group"
    } else {
        ""
    };
    Some(format!(
        "{shards} shards{meta} would be left with too few voters that are alive; bring those back, or remove them first"
    ))
}

/// What is not as it should be, and why it stays so.
fn notes(view: &View, limits: &Limits, target: &Target) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |node, why| notes.push(Note { node, why });
    let keeps = view.nodes.values().filter(|node| node.keeps()).count();
    if keeps == 2 {
        let why = "with 2 nodes every shard has 2 copies and stops when either node does; a third node ends that";
        note(None, why.to_owned());
    }
    for (id, node) in &view.nodes {
        if !node.alive && node.state != MemberState::Removed {
            let shards = shards_of(view, *id);
            note(
                Some(*id),
                format!("node {id} does not answer; it has a copy of {shards} shards, which stays until it is removed"),
            );
        }
    }
    for (id, groups) in &target.stuck {
        let (shards, state) = (
            groups.iter().flatten().count(),
            view.nodes.get(id).map(|node| node.state),
        );
        let what = match (shards, groups.contains(&None)) {
            (0, _) => "its vote in the meta group".to_owned(),
            (shards, _) => format!("its copy of {shards} shards"),
        };
        let free = view.nodes.values().filter(|node| node.takes()).count();
        let copies = limits.copies.min(keeps + 1);
        let why = match state {
            Some(MemberState::Draining) if free < copies => {
                let others = match free {
                    0 => "no other node that answers could have one; add a node".to_owned(),
                    1 => format!(
                        "only 1 other node could have one; add a node, or `remove` node {id} to go on with 1 copy"
                    ),
                    free => format!(
                        "only {free} other nodes could have one; add a node, or `remove` node {id} to go on with {free} \
                         copies"
                    ),
                };
                format!(
                    "node {id} has to keep {what}, and so is not drained: of each group there are to be {copies} copies, \
                     and {others}"
                )
            }
            Some(
                MemberState::Joining
                | MemberState::Up
                | MemberState::Draining
                | MemberState::Removing
                | MemberState::Removed,
            )
            | None => {
                format!("node {id} has to keep {what}: without it too few of the voters would be alive")
            }
        };
        note(Some(*id), why);
    }
    for (shard, placed) in &view.groups {
        if placed.leader.is_none() {
            note(None, format!("{} has no leader", named(*shard)));
        }
    }
    if !target.short.is_empty() {
        let why = format!(
            "{} groups have fewer copies than there are nodes: too few of these answer",
            target.short.len()
        );
        note(None, why);
    }
    notes
}

fn shards_of(view: &View, node: NodeId) -> usize {
    view.groups
        .iter()
        .filter(|(shard, placed)| shard.is_some() && placed.voters.contains(&node))
        .count()
}
