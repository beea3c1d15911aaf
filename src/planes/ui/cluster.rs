//! The nodes of the cluster, the shards on them, what moves and why.

use askama::Template;

use super::{
    moment::{Moment, clock_length},
    shell::{Shell, page},
    summary::Pill,
};

/// Steps that are shown.
const STEPS_SHOWN: usize = 40;

/// Where a node is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// It asked to be taken in.
    Joining,
    /// It takes copies and leads.
    Up,
    /// It gives away what it has.
    Draining,
    /// It gives away what it has and is taken out then.
    Removing,
    /// It was taken out.
    Removed,
}

/// What a node is to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardCell {
    /// It has no copy.
    None,
    /// It leads.
    Leads,
    /// It follows.
    Follows,
    /// It is being given a copy.
    Copied,
    /// It votes, and nobody leads at present.
    Voting,
    /// It has a copy and does not answer.
    Unreachable,
}

impl ShardCell {
    fn class(self) -> &'static str {
        match self {
            Self::None => "x",
            Self::Leads => "l",
            Self::Follows => "f",
            Self::Copied => "new",
            Self::Voting => "el",
            Self::Unreachable => "lost",
        }
    }

    /// Whether the number of the shard is written on it.
    fn is_numbered(&self) -> bool {
        matches!(self, Self::Leads | Self::Voting)
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where it is on its way.
    pub state: NodeState,
    /// Whether it answered lately.
    pub alive: bool,
    /// Milliseconds since it was heard of, if it was.
    pub heard_ms: Option<u64>,
    /// Shards it leads.
    pub leads: usize,
    /// Shards it has a vote in.
    pub votes: usize,
    /// Most entries that it lacks in any shard, as far as leaders know.
    pub lag: u64,
    /// Whether it has given everything away.
    pub drained: bool,
    /// Its zone, if it is in one.
    pub zone: Option<String>,
    /// What it is there for.
    pub role: String,
    /// Where others reach it: for what, and the address.
    pub addresses: Vec<(&'static str, String)>,
    /// Newest form of messages that its program knows.
    pub format: u32,
    /// Why it is not where it should be.
    pub why: Vec<String>,
    /// What it is to each shard, in their order.
    pub cells: Vec<ShardCell>,
}

impl NodeView {
    fn pill(&self) -> Pill {
        match self.state {
            NodeState::Removed => Pill::new("", "s-bad", "removed"),
            _ if !self.alive => Pill::new("bad", "s-bad", "not answering"),
            NodeState::Joining => Pill::new("live", "s-running", "joining"),
            NodeState::Up => Pill::new("good", "s-done", "well"),
            NodeState::Draining if self.drained => Pill::new("", "s-paused", "drained"),
            NodeState::Draining => Pill::new("wait", "s-wait", "draining"),
            NodeState::Removing => Pill::new("wait", "s-wait", "leaving"),
        }
    }

    fn follows(&self) -> usize {
        self.votes.saturating_sub(self.leads)
    }

    fn silence(&self) -> String {
        match self.heard_ms {
            Some(silent) if self.alive => format!("heard {:.1} s ago", seconds(silent)),
            Some(silent) => format!("silent for {:.0} s", seconds(silent)),
            None => "not heard of yet".to_owned(),
        }
    }

    fn is_member(&self) -> bool {
        self.state != NodeState::Removed
    }

    fn can_drain(&self) -> bool {
        matches!(self.state, NodeState::Up | NodeState::Joining)
    }

    fn can_come_back(&self) -> bool {
        self.state == NodeState::Draining
    }

    fn can_leave(&self) -> bool {
        matches!(self.state, NodeState::Up | NodeState::Joining | NodeState::Draining)
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// One step of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    /// The shard; that of the cluster's own records has no number.
    pub shard: Option<u16>,
    /// What is done.
    pub what: String,
    /// Why.
    pub why: String,
    /// When it began, Unix seconds.
    pub began: i64,
    /// What became of it; empty while it is being taken.
    pub outcome: Option<StepOutcome>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// It was taken, in so many milliseconds.
    Done(u64),
    /// It was not.
    Failed(String),
}

impl StepView {
    fn at(&self) -> Moment {
        Moment::clock(self.began)
    }

    fn tone(&self) -> &'static str {
        match self.outcome {
            None => "t-live",
            Some(StepOutcome::Done(_)) => "t-good",
            Some(StepOutcome::Failed(_)) => "t-bad",
        }
    }

    fn subject(&self) -> String {
        self.shard.map_or_else(
            || "The records of the cluster".to_owned(),
            |shard| format!("Shard {shard}"),
        )
    }

    fn became(&self) -> String {
        match &self.outcome {
            None => "under way".to_owned(),
            Some(StepOutcome::Done(millis)) if *millis < 1000 => format!("done in {millis} ms"),
            Some(StepOutcome::Done(millis)) => format!("done in {}", clock_length(*millis)),
            Some(StepOutcome::Failed(reason)) => format!("not taken: {reason}"),
        }
    }
}

/// The cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// Name of the node that answers.
    pub asked: String,
    /// The nodes, by number.
    pub nodes: Vec<NodeView>,
    /// Number of shards.
    pub shards: usize,
    /// Shards that nobody leads at present.
    pub leaderless: usize,
    /// Steps that are being taken.
    pub moves: Vec<StepView>,
    /// Steps that are over, newest first.
    pub history: Vec<StepView>,
    /// What holds the whole back.
    pub notes: Vec<String>,
    /// Whether this is only what the node that answers sees by itself: the cluster has no leader to tell of the whole.
    pub is_local: bool,
}

impl ClusterView {
    fn members(&self) -> impl Iterator<Item = &NodeView> {
        self.nodes.iter().filter(|node| node.is_member())
    }

    fn count(&self) -> usize {
        self.members().count()
    }

    fn is_alone(&self) -> bool {
        self.count() == 1
    }

    fn silent(&self) -> Vec<&NodeView> {
        self.members().filter(|node| !node.alive).collect()
    }

    /// Whether a person should know of something.
    fn is_troubled(&self) -> bool {
        self.leaderless > 0 || !self.moves.is_empty() || !self.notes.is_empty() || !self.silent().is_empty()
    }

    fn pill(&self) -> Pill {
        if self.is_local {
            return Pill::new("bad", "s-bad", "The cluster has no leader");
        }
        if self.leaderless > 0 {
            return Pill::new("bad", "s-bad", shards_words(self.leaderless, "without a leader"));
        }
        match self.moves.len() {
            0 if !self.silent().is_empty() => Pill::new("wait", "s-wait", "A node is missing"),
            0 => Pill::new("wait", "s-wait", "Held back"),
            moving => Pill::new("wait", "s-wait", shards_words(moving, "moving")),
        }
    }

    fn shown_history(&self) -> &[StepView] {
        &self.history[..self.history.len().min(STEPS_SHOWN)]
    }

    /// Few shards fill the width too.
    fn width(&self) -> &'static str {
        match self.shards {
            ..=8 => "m m8",
            9..=16 => "m m16",
            _ => "m",
        }
    }
}

fn shards_words(count: usize, what: &str) -> String {
    let shards = if count == 1 { "shard" } else { "shards" };
    format!("{count} {shards} {what}")
}

#[derive(Debug, Template)]
#[template(path = "cluster.html")]
struct ClusterPage<'a> {
    shell: &'a Shell,
    view: &'a ClusterView,
}

/// Renders the cluster. Forms post to `/cluster/nodes/{id}/drain`, `up` and `remove`; the last one with the field `name`.
#[must_use]
pub fn cluster_page(shell: &Shell, view: &ClusterView) -> String {
    page(&ClusterPage { shell, view })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_called_what_it_is() {
        let node = |state, alive, drained| NodeView {
            id: 1,
            name: "basalt".into(),
            state,
            alive,
            heard_ms: Some(4800),
            leads: 2,
            votes: 5,
            lag: 0,
            drained,
            zone: None,
            role: "replica".into(),
            addresses: Vec::new(),
            format: 1,
            why: Vec::new(),
            cells: Vec::new(),
        };
        for (view, word) in [
            (node(NodeState::Up, true, false), "well"),
            (node(NodeState::Up, false, false), "not answering"),
            (node(NodeState::Draining, true, false), "draining"),
            (node(NodeState::Draining, true, true), "drained"),
            (node(NodeState::Removing, true, false), "leaving"),
            (node(NodeState::Removed, false, false), "removed"),
        ] {
            assert_eq!(view.pill().word, word);
        }
        let gone = node(NodeState::Up, false, false);
        assert_eq!((gone.follows(), gone.silence().as_str()), (3, "silent for 5 s"));
        let troubled = ClusterView {
            nodes: vec![gone],
            ..ClusterView::default()
        };
        assert!(troubled.is_troubled());
        assert_eq!(troubled.pill().word, "A node is missing");
        let leaderless = ClusterView {
            leaderless: 1,
            ..troubled
        };
        assert_eq!(leaderless.pill().word, "1 shard without a leader");
        let local = ClusterView {
            is_local: true,
            ..leaderless
        };
        assert_eq!(local.pill().word, "The cluster has no leader");
    }

    #[test]
    fn a_step_tells_what_became_of_it() {
        let step = |outcome| StepView {
            shard: None,
            what: "copy to node 2".into(),
            why: "it has 1 of 2 copies".into(),
            began: 0,
            outcome,
        };
        assert_eq!(step(None).became(), "under way");
        assert_eq!(step(Some(StepOutcome::Done(40))).became(), "done in 40 ms");
        assert_eq!(step(Some(StepOutcome::Done(61_000))).became(), "done in 1:01");
        assert_eq!(step(Some(StepOutcome::Failed("no".into()))).became(), "not taken: no");
        assert_eq!(step(None).subject(), "The records of the cluster");
    }
}
