//! The calls of a schedule: how often each is handled, and what its caller may be told.

use super::{Stamp, World, index};

/// A call as seen from outside.
#[derive(Default)]
pub(crate) struct Call {
    parent: Option<u64>,
    to: usize,
    /// The cell that does it once, although it is repeated under one key.
    pub(super) repeats: Option<usize>,
    /// The last version of the cell that somebody had heard of when the call was made.
    floor: u64,
    /// The caller has heard what came of it.
    pub(super) answered: bool,
    /// How often a turn began with it.
    begun: u32,
    /// The caller has gone away.
    left: bool,
    /// The caller was told that nothing happened.
    denied: bool,
    /// Tokens of the versions it proposed.
    pub(super) proposed: Vec<(usize, u64)>,
}

impl World {
    /// A call to a cell is made, for another call or for none.
    pub(crate) fn call(&mut self, parent: Option<u64>, to: usize) -> u64 {
        self.tally.calls += 1;
        self.calls.push(Call {
            parent,
            to,
            floor: self.floor(to),
            ..Call::default()
        });
        self.calls.len() as u64 - 1
    }

    /// A call is made that is repeated under one key until it is answered.
    pub(crate) fn repeated_call(&mut self, to: usize) -> u64 {
        let call = self.call(None, to);
        self.calls[index(call)].repeats = Some(to);
        call
    }

    pub(crate) fn stream(&mut self) -> usize {
        self.streams.push(Vec::new());
        self.streams.len() - 1
    }

    /// Guarantee 13: a call is handled at most once, and not behind the back of its caller.
    pub(crate) fn call_begun(&mut self, call: u64, stream: Option<(usize, usize)>) {
        let known = &mut self.calls[index(call)];
        known.begun += 1;
        if known.repeats.is_some() {
            // What counts is what it has left behind in the end.
            return;
        }
        let fault = match (known.begun, known.left) {
            (1, false) => None,
            // Between nodes, it may have arrived a little late.
            (1, true) if self.several => None,
            (1, true) => Some("began after its caller had gone"),
            _ => Some("was handled twice"),
        };
        if let Some((stream, number)) = stream {
            self.streams[stream].push(number);
        }
        if let Some(fault) = fault {
            self.violated(format!("call {call} {fault}"));
        }
    }

    pub(crate) fn call_left(&mut self, call: u64) {
        self.calls[index(call)].left = true;
    }

    pub(crate) fn call_denied(&mut self, call: u64) {
        self.calls[index(call)].denied = true;
    }

    /// Guarantee 15: only who waits somewhere up the chain may be refused, and a cycle further down needs a turn first.
    pub(crate) fn call_refused(&mut self, call: u64) {
        if self.calls[index(call)].begun == 0 {
            self.violated(format!("call {call} was refused as a cycle, and is none"));
        }
    }

    /// Guarantees 3 and 13: what is answered was handled, and by a turn that saw all that was heard of before the call.
    pub(crate) fn call_answered(&mut self, call: u64, stamp: Stamp, how: &str) {
        self.heard(stamp, how);
        let known = &mut self.calls[index(call)];
        known.answered = true;
        if known.repeats.is_some() {
            return;
        }
        let (begun, floor, to) = (known.begun, known.floor, known.to);
        if begun != 1 {
            self.violated(format!("call {call} was answered, but handled {begun} times"));
        } else if stamp.cell == to && stamp.version < floor {
            let version = stamp.version;
            self.violated(format!(
                "call {call} was answered from version {version}, but {floor} was heard of before it"
            ));
        }
    }

    /// The call, among this one and those it was made for, whose caller was told that nothing happened.
    pub(super) fn denied(&self, call: usize) -> Option<usize> {
        let mut next = Some(call);
        while let Some(call) = next {
            if self.calls[call].denied {
                return Some(call);
            }
            next = self.calls[call].parent.map(index);
        }
        None
    }

    /// Guarantee 13: through one reference, calls arrive in order until one of them errs.
    pub(crate) fn check_order(&mut self, stream: usize, fine: usize) {
        let begun: Vec<_> = self.streams[stream]
            .iter()
            .filter(|number| **number < fine)
            .copied()
            .collect();
        if !begun.is_sorted() {
            self.violated(format!("calls through one reference were handled as {begun:?}"));
        }
    }
}
