//! The connections that others have made to this node, and how many there may be.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{RaftPlaneLimits, table::Refusal};
use crate::peers::{Lane, NodeId};

/// The connections that others have made to this node.
#[derive(Default)]
pub(super) struct Accepted(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    /// Those that have not said who they are, the oldest first.
    greetings: VecDeque<(u64, CancellationToken)>,
    /// Those that have.
    callers: HashMap<(NodeId, Lane), (u64, CancellationToken)>,
}

/// The place of one connection. It is free again when this is dropped.
pub(super) struct Place {
    accepted: Arc<Accepted>,
    number: u64,
    caller: Option<(NodeId, Lane)>,
    /// Tells that the place is needed for another one.
    pub(super) lost: CancellationToken,
}

impl Accepted {
    /// Gives a place to a connection that has not said who it is. Whoever has been silent for longest makes room, so
    /// that those who say nothing cannot keep the others out.
    pub(super) fn greet(self: &Arc<Self>, limits: &RaftPlaneLimits) -> Place {
        let mut state = self.0.lock();
        while state.greetings.len() >= limits.greetings.max(1)
            && let Some((_, oldest)) = state.greetings.pop_front()
        {
            oldest.cancel();
        }
        let (number, lost) = (state.next, CancellationToken::new());
        state.next += 1;
        state.greetings.push_back((number, lost.clone()));
        Place {
            accepted: Arc::clone(self),
            number,
            caller: None,
            lost,
        }
    }

    /// Ends the connections of a node.
    pub(super) fn drop_node(&self, node: NodeId) {
        for ((of, _), (_, lost)) in &self.0.lock().callers {
            if *of == node {
                lost.cancel();
            }
        }
    }
}

impl Place {
    /// Now it is known who calls. A node has one connection on each lane, and dials another one only when it has given
    /// up the one before.
    pub(super) fn settle(&mut self, node: NodeId, lane: Lane, limits: &RaftPlaneLimits) -> Result<(), Refusal> {
        let mut state = self.accepted.0.lock();
        let key = (node, lane);
        if !state.callers.contains_key(&key) && state.callers.len() >= limits.connections {
            return Err(Refusal::TooMany);
        }
        state.greetings.retain(|(number, _)| *number != self.number);
        if let Some((_, before)) = state.callers.insert(key, (self.number, self.lost.clone())) {
            before.cancel();
        }
        self.caller = Some(key);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.accepted.0.lock();
        match self.caller {
            Some(key) => {
                if state
                    .callers
                    .get(&key)
                    .is_some_and(|(number, _)| *number == self.number)
                {
                    state.callers.remove(&key);
                }
            }
            None => state.greetings.retain(|(number, _)| *number != self.number),
        }
    }
}
