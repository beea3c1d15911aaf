//! What the leader of the meta group does so that every group is where it should be.
//!
//! Nothing that matters is kept here: each round asks all nodes how their groups are doing, and decides anew. So another
//! leader of the meta group goes on where this one ended.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{task::JoinSet, time::Instant};

use super::{
    messages::{Answer, GroupReport, Letter, Report, Request, Take},
    node::{Member, MemberState},
    overview::{GroupOverview, Move, MoveOutcome, NodeOverview, Overview},
    placement::{self, Action, Candidate, Limits, Note, Placed, Step, View},
    registrar::{Registrar, STEP_WITHIN, TELL_WITHIN},
    table::Table,
};
use crate::{Timestamp, peers::NodeId};

/// Pause between two rounds, unless there is news.
const PAUSE: Duration = Duration::from_secs(1);

/// Pause of a group after a step that it did not take: the reason may pass within moments, or stay for long.
const REST: Duration = Duration::from_millis(200);

/// How long a node may be silent before it counts as dead.
const SILENCE: Duration = Duration::from_secs(5);

/// How many entries a member may lack that counts as having what the leader has.
const CURRENT_LAG: u64 = 1000;

/// Steps that are remembered.
const HISTORY: usize = 256;

/// What the placer knows.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) view: View,
    pub(super) limits: Limits,
    table: Table,
    groups: BTreeMap<Option<u16>, GroupReport>,
    heard: BTreeMap<NodeId, Instant>,
    /// The nodes that have just answered, and are not about to stop.
    answering: BTreeSet<NodeId>,
    moves: BTreeMap<Option<u16>, Move>,
    /// Groups that did not take their last step a moment ago.
    resting: BTreeSet<Option<u16>>,
    /// Who leads next, where a leader is being changed.
    heirs: BTreeMap<Option<u16>, NodeId>,
    history: VecDeque<Move>,
    notes: Vec<Note>,
}

impl Registrar {
    /// Keeps every group where it should be, whenever this node leads the meta group.
    pub(crate) async fn place(self: Arc<Self>) {
        let Some(meta) = &self.meta else {
            return;
        };
        let mut ownership = meta.ownership();
        loop {
            let epoch = match ownership.wait_for(Option::is_some).await {
                Ok(epoch) => *epoch,
                Err(_) => return,
            };
            *self.work.lock() = Some(Work::default());
            tokio::select! {
                biased;
                lost = ownership.wait_for(|now| *now != epoch) => if lost.is_err() {
                    return;
                },
                () = self.rounds() => {}
            }
            *self.work.lock() = None;
        }
    }

    async fn rounds(self: &Arc<Self>) {
        let mut steps = JoinSet::new();
        loop {
            self.round(&mut steps).await;
            tokio::select! {
                () = self.news.notified() => {}
                Some(_) = steps.join_next() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn round(self: &Arc<Self>, steps: &mut JoinSet<()>) {
        let table = match self.meta.as_deref().map(Table::read) {
            Some(Ok(table)) => table,
            Some(Err(error)) => {
                tracing::error!(%error, "failed to read the nodes of the cluster");
                return;
            }
            None => return,
        };
        if table.next_format().is_some()
            && let Err(error) = self.raise_format().await
        {
            tracing::warn!(%error, "failed to go over to a newer format");
        }
        let reports = self.reports(&table).await;
        let changed = {
            let mut work = self.work.lock();
            let Some(work) = work.as_mut() else {
                return;
            };
            work.take_in(table, reports);
            work.states()
        };
        for (node, state) in changed {
            self.note_state(node, state).await;
        }
        for (take, leader) in self.decide() {
            let registrar = Arc::clone(self);
            steps.spawn(async move { registrar.carry_out(take, leader).await });
        }
    }

    /// How the groups are doing, on every node that answers.
    async fn reports(&self, table: &Table) -> Vec<(NodeId, Report)> {
        let ask = async |node: NodeId| {
            if node == self.node {
                return Some((node, self.report()));
            }
            match self.ask(node, &Letter::new(Request::Report), TELL_WITHIN).await {
                Ok(Answer::Report(groups)) => Some((
                    node,
                    Report {
                        groups,
                        is_leaving: false,
                    },
                )),
                Ok(Answer::Leaving(groups)) => Some((
                    node,
                    Report {
                        groups,
                        is_leaving: true,
                    },
                )),
                Ok(other) => {
                    tracing::warn!(%node, ?other, "a node did not tell how its groups are doing");
                    None
                }
                Err(error) => {
                    tracing::debug!(%node, %error, "a node did not tell how its groups are doing");
                    None
                }
            }
        };
        let reports = join_all(table.present().map(|member| ask(member.id))).await;
        reports.into_iter().flatten().collect()
    }

    /// Notes that a node was heard of, or has nothing left.
    async fn note_state(&self, node: NodeId, state: MemberState) {
        let written = self
            .write(|table| Ok((table.moved(node, state).ok().flatten().into_iter().collect(), ())))
            .await;
        if let Some(Err(error)) = written {
            tracing::warn!(%node, %state, %error, "failed to note the state of a node");
        }
        // The next round goes on from there.
        self.news.notify_one();
    }

    /// The steps to take, each with the leader of its group.
    fn decide(&self) -> Vec<(Take, Option<NodeId>)> {
        let mut work = self.work.lock();
        let Some(work) = work.as_mut() else {
            return Vec::new();
        };
        let plan = placement::plan(&work.view, &work.limits);
        work.notes = plan.notes;
        let now = self.clock.now();
        let takes = plan.steps.into_iter().map(|step| {
            let leader = work.view.groups.get(&step.shard).and_then(|placed| placed.leader);
            (work.begin(step, now), leader)
        });
        takes.collect()
    }

    async fn carry_out(&self, take: Take, leader: Option<NodeId>) {
        let (shard, began) = (take.shard, Instant::now());
        let outcome = match leader {
            None => Err("the group has no leader".to_owned()),
            Some(leader) if leader == self.node => self.take(take).await,
            Some(leader) => match self.ask(leader, &Letter::new(Request::Take(take)), STEP_WITHIN).await {
                Ok(Answer::Taken(outcome)) => outcome,
                Ok(_) => Err(format!("node {leader} does not know such steps")),
                Err(error) => Err(error.to_string()),
            },
        };
        let outcome = match outcome {
            Ok(()) => MoveOutcome::Done(began.elapsed()),
            Err(reason) => MoveOutcome::Failed(reason),
        };
        let is_taken = matches!(outcome, MoveOutcome::Done(_));
        if let Some(work) = self.work.lock().as_mut() {
            work.end(shard, outcome);
        }
        if !is_taken {
            tokio::time::sleep(REST).await;
            if let Some(work) = self.work.lock().as_mut() {
                work.resting.remove(&shard);
            }
        }
    }
}

impl Work {
    /// Takes in what the nodes told.
    fn take_in(&mut self, table: Table, reports: Vec<(NodeId, Report)>) {
        let now = Instant::now();
        let mut groups = BTreeMap::<Option<u16>, GroupReport>::new();
        self.answering.clear();
        for (node, report) in reports {
            self.heard.insert(node, now);
            if !report.is_leaving {
                self.answering.insert(node);
            }
            for mut report in report.groups {
                // Only who leads knows who follows how far.
                if report.leader == Some(node) && report.lag.is_none() {
                    report.leader = None;
                }
                let leads = report.leader == Some(node);
                let better = groups.get(&report.shard).is_none_or(|known| {
                    let known_leads = known.lag.is_some();
                    (leads, report.term, report.last) > (known_leads, known.term, known.last)
                });
                if better {
                    // Whoever only heard of a leader does not speak for it.
                    report.leader = report.leader.filter(|_| leads);
                    report.lag = report.lag.filter(|_| leads);
                    groups.insert(report.shard, report);
                }
            }
        }
        // A group of which nobody tells anything is where it was, and nobody leads it.
        for (shard, known) in &self.groups {
            groups.entry(*shard).or_insert_with(|| GroupReport {
                leader: None,
                lag: None,
                ..known.clone()
            });
        }
        self.groups = groups;
        self.table = table;
        self.view = View {
            nodes: self
                .table
                .iter()
                .map(|member| (member.id, self.candidate(member)))
                .collect(),
            groups: self
                .groups
                .iter()
                .map(|(shard, report)| (*shard, self.placed(report)))
                .collect(),
        };
    }

    fn candidate(&self, member: &Member) -> Candidate {
        Candidate {
            state: member.state,
            role: member.role,
            zone: member.zone.clone(),
            alive: self.is_alive(member.id),
        }
    }

    fn is_alive(&self, node: NodeId) -> bool {
        self.heard.get(&node).is_some_and(|heard| heard.elapsed() < SILENCE)
    }

    fn placed(&self, report: &GroupReport) -> Placed {
        let lag = report.lag.iter().flatten();
        // Of one that lacks the whole log nothing was heard yet.
        let bound = report.last.unwrap_or_default().min(CURRENT_LAG);
        let current = lag.filter(|(_, lag)| **lag <= bound).map(|(node, _)| *node);
        // One that has died is current for a while, and a group that is handed over to it waits for an election.
        let current = current.filter(|node| self.answering.contains(node));
        Placed {
            voters: report.voters.clone(),
            learners: report.learners.clone(),
            current: current.chain(report.leader).collect(),
            // What is being handed over counts for whoever receives it.
            leader: self.heirs.get(&report.shard).copied().or(report.leader),
            unfinished: report.is_changing,
            busy: self.moves.contains_key(&report.shard) || self.resting.contains(&report.shard),
        }
    }

    /// Nodes whose state is another one by now: those that came, and those that are gone.
    fn states(&self) -> Vec<(NodeId, MemberState)> {
        let is_known = !self.groups.is_empty() && self.groups.values().all(|group| group.leader.is_some());
        let changed = self.table.iter().filter_map(|member| match member.state {
            MemberState::Joining if self.is_alive(member.id) => Some((member.id, MemberState::Up)),
            MemberState::Removing if is_known && !self.is_anywhere(member.id) => {
                Some((member.id, MemberState::Removed))
            }
            MemberState::Joining
            | MemberState::Up
            | MemberState::Draining
            | MemberState::Removing
            | MemberState::Removed => None,
        });
        changed.collect()
    }

    fn is_anywhere(&self, node: NodeId) -> bool {
        let member = |group: &GroupReport| group.voters.contains(&node) || group.learners.contains(&node);
        self.groups.values().any(member)
    }

    fn begin(&mut self, step: Step, now: Timestamp) -> Take {
        let Step { shard, action, why } = step;
        if let Action::TransferLeader(heir) = &action {
            self.heirs.insert(shard, *heir);
        }
        tracing::info!(?shard, %action, why, "a group takes a step");
        let begun = Move {
            shard,
            what: action.to_string(),
            why,
            began: now,
            outcome: None,
        };
        self.moves.insert(shard, begun);
        let group = self.groups.get(&shard);
        Take {
            shard,
            action,
            term: group.map_or(0, |group| group.term),
            voters: group.map(|group| group.voters.clone()).unwrap_or_default(),
        }
    }

    fn end(&mut self, shard: Option<u16>, outcome: MoveOutcome) {
        self.heirs.remove(&shard);
        let Some(mut ended) = self.moves.remove(&shard) else {
            return;
        };
        if let MoveOutcome::Failed(reason) = &outcome {
            tracing::warn!(?shard, what = ended.what, reason, "a group did not take a step");
            self.resting.insert(shard);
        }
        ended.outcome = Some(outcome);
        self.history.push_back(ended);
        while self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// What operators see.
    pub(super) fn overview(&self, registrar: &Registrar) -> Overview {
        let general = self.notes.iter().filter(|note| note.node.is_none());
        Overview {
            cluster: registrar.cluster,
            leader: registrar.node,
            format: self.table.format(),
            nodes: self.table.iter().map(|member| self.node(member)).collect(),
            groups: self.groups.values().map(group).collect(),
            moves: self.moves.values().cloned().collect(),
            history: self.history.iter().cloned().collect(),
            notes: general.map(|note| note.why.clone()).collect(),
        }
    }

    fn node(&self, member: &Member) -> NodeOverview {
        let shards = || self.groups.values().filter(|group| group.shard.is_some());
        let votes = |group: &&GroupReport| group.voters.contains(&member.id);
        let leads = |group: &&GroupReport| group.leader == Some(member.id);
        let why = self.notes.iter().filter(|note| note.node == Some(member.id));
        NodeOverview {
            id: member.id,
            name: member.name.clone(),
            addresses: member.addresses.clone(),
            role: member.role,
            zone: member.zone.clone(),
            state: member.state,
            format: member.format,
            heard: self.heard.get(&member.id).map(Instant::elapsed),
            alive: self.is_alive(member.id),
            shards: shards().filter(votes).count(),
            leads: shards().filter(leads).count(),
            drained: member.state == MemberState::Draining
                && !self.groups.values().any(|group| votes(&group) || leads(&group)),
            why: why.map(|note| note.why.clone()).collect(),
        }
    }
}

fn group(report: &GroupReport) -> GroupOverview {
    let listed = |nodes: &BTreeSet<NodeId>| nodes.iter().copied().collect();
    GroupOverview {
        shard: report.shard,
        leader: report.leader,
        epoch: report.epoch,
        voters: listed(&report.voters),
        learners: listed(&report.learners),
        lag: report.lag.clone().unwrap_or_default(),
        applied: report.applied,
        last: report.last,
    }
}
