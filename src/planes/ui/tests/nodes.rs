//! A cluster to draw, with a node that does not answer.

use super::sample::NOW;
use crate::planes::ui::*;

const SHARDS: usize = 16;

fn node(id: u64, text: &str) -> NodeView {
    let cell = |shard: usize| match (shard + usize::try_from(id).unwrap()) % 4 {
        0 => ShardCell::None,
        1 => ShardCell::Leads,
        _ => ShardCell::Follows,
    };
    NodeView {
        id,
        name: text.into(),
        state: NodeState::Up,
        alive: true,
        heard_ms: Some(400),
        leads: SHARDS / 4,
        votes: SHARDS / 4 * 3,
        lag: 2,
        drained: false,
        zone: Some(text.into()),
        role: text.into(),
        addresses: vec![("Raft", format!("{text}:7801")), ("Requests", format!("{text}:7802"))],
        format: 1,
        why: Vec::new(),
        cells: (0..SHARDS).map(cell).collect(),
    }
}

fn step(text: &str, outcome: Option<StepOutcome>) -> StepView {
    StepView {
        shard: Some(2),
        what: format!("copy to {text}"),
        why: format!("it has 2 of 3 copies, {text}"),
        began: NOW - 90,
        outcome,
    }
}

/// Four nodes; every text of them is taken from `name`, by number.
fn of(name: impl Fn(u64) -> String) -> ClusterView {
    let mut nodes: Vec<NodeView> = (1..=4).map(|id| node(id, &name(id))).collect();
    nodes[1].alive = false;
    nodes[1].heard_ms = Some(4800);
    nodes[1].why = vec![format!("{} does not answer", name(2))];
    for cell in nodes[1].cells.iter_mut().filter(|cell| **cell != ShardCell::None) {
        *cell = ShardCell::Unreachable;
    }
    nodes[2].state = NodeState::Draining;
    nodes[2].cells[1] = ShardCell::Voting;
    nodes[3].cells[0] = ShardCell::Copied;
    ClusterView {
        asked: name(1),
        nodes,
        shards: SHARDS,
        leaderless: 1,
        moves: vec![step(&name(4), None)],
        history: vec![
            step(&name(3), Some(StepOutcome::Done(40))),
            step(&name(2), Some(StepOutcome::Failed(name(5)))),
        ],
        notes: vec![name(6)],
        is_local: false,
    }
}

pub(crate) fn cluster() -> ClusterView {
    of(|id| format!("node-{id}"))
}

/// The same text everywhere.
pub(crate) fn named(text: &str) -> ClusterView {
    of(|_| text.to_owned())
}

/// One node that is a cluster of its own.
pub(crate) fn alone() -> ClusterView {
    let mut view = cluster();
    view.nodes.truncate(1);
    ClusterView {
        leaderless: 0,
        moves: Vec::new(),
        history: Vec::new(),
        notes: Vec::new(),
        ..view
    }
}
