//! Calls of tools that have no result yet.

use std::collections::BTreeMap;

use cluster::prelude::{List, Result};

use super::{
    agent::{Chat, Here},
    message::set_error,
    protocol,
    rows::{CALLS, CallState, StoredCall},
};

/// The calls, by their ids. An answer has one at most.
#[derive(Debug, Default)]
pub(super) struct Calls(BTreeMap<String, StoredCall>);

impl Calls {
    pub(super) async fn load(ctx: Here<'_, '_>) -> Result<Self> {
        let calls = ctx.list(&CALLS, List::default()).await?;
        Ok(Self(calls.into_iter().collect()))
    }

    pub(super) fn get(&self, call: &str) -> Option<&StoredCall> {
        self.0.get(call)
    }

    pub(super) fn put(&mut self, call: &str, stored: StoredCall, ctx: Here<'_, '_>) -> Result<()> {
        ctx.put(&CALLS.key(call), &stored)?;
        self.0.insert(call.to_owned(), stored);
        Ok(())
    }

    /// Removes a call; nobody waits for a decision about it any more.
    pub(super) fn remove(&mut self, call: &str, ctx: Here<'_, '_>) -> Result<()> {
        if let Some(stored) = self.0.remove(call) {
            ctx.delete(&CALLS.key(call))?;
            if let CallState::Waiting { expiry, .. } = stored.state {
                ctx.cancel(expiry)?;
            }
        }
        Ok(())
    }

    /// Removes the calls of the messages from a place on.
    pub(super) fn forget_from(&mut self, place: u64, ctx: Here<'_, '_>) -> Result<()> {
        let calls = self.0.iter().filter(|(_, stored)| stored.place >= place);
        let calls: Vec<String> = calls.map(|(call, _)| call.clone()).collect();
        calls.iter().try_for_each(|call| self.remove(call, ctx))
    }

    /// Whether a message waits for a decision.
    pub(super) fn is_undecided(&self, place: u64) -> bool {
        let mut calls = self.0.values();
        calls.any(|stored| stored.place == place && matches!(stored.state, CallState::Waiting { .. }))
    }

    /// The call of a message that may be made.
    pub(super) fn ready(&self, place: u64) -> Option<String> {
        let mut calls = self.0.iter();
        let ready = calls.find(|(_, stored)| stored.place == place && matches!(stored.state, CallState::Ready { .. }));
        ready.map(|(call, _)| call.clone())
    }
}

impl Chat {
    /// The conversation goes on without the calls that nobody has decided about, or that nobody has let be made.
    pub(super) fn withdraw_calls(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        let present: Vec<&String> = self
            .turns
            .running
            .iter()
            .filter_map(|turn| turn.call.as_ref())
            .collect();
        let waiting: Vec<u64> = self.turns.waiting.iter().map(|turn| turn.place).collect();
        let left = self
            .calls
            .0
            .iter()
            .filter(|(call, stored)| !present.contains(call) && !waiting.contains(&stored.place));
        let left: Vec<String> = left.map(|(call, _)| call.clone()).collect();
        for call in left {
            self.give_up(&call, "the conversation went on without it", ctx)?;
        }
        Ok(())
    }

    /// A call is not made.
    pub(super) fn give_up(&mut self, call: &str, why: &str, ctx: Here<'_, '_>) -> Result<()> {
        let Some(place) = self.calls.get(call).map(|stored| stored.place) else {
            return Ok(());
        };
        self.calls.remove(call, ctx)?;
        let Some(mut message) = self.transcript.get(place).cloned() else {
            return Ok(());
        };
        if let Some(part) = message.call_mut(call) {
            set_error(part, why);
        }
        ctx.broadcast(protocol::updated(&message), None)?;
        self.transcript.put(place, message, ctx)
    }
}
