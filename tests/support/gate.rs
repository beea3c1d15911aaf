//! A gate that holds the answers of a scripted endpoint until a test opens it.
//!
//! Used by path: `#[path = "support/gate.rs"] mod gate;`.
#![allow(dead_code, reason = "each test binary uses another part of it")]
#![expect(unreachable_pub, reason = "a test binary has no other module to reach it from")]
#![expect(clippy::unwrap_used, reason = "it is part of a test")]

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// Longest time that anything waits at a gate.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    waiting: usize,
}

/// A gate, closed at first. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

impl Gate {
    /// Waits until the gate is open. Blocks the thread: a test that uses it has several.
    pub fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.waiting += 1;
        changed.notify_all();
        let (mut state, _) = changed
            .wait_timeout_while(state, PATIENCE, |state| !state.is_open)
            .unwrap();
        assert!(state.is_open, "the gate stayed closed");
        state.waiting -= 1;
    }

    /// Waits until something waits at the gate.
    pub fn reached(&self) {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap();
        let (state, _) = changed
            .wait_timeout_while(state, PATIENCE, |state| state.waiting == 0)
            .unwrap();
        assert!(state.waiting > 0, "nothing came to the gate");
    }

    /// Lets everything through that waits and that comes.
    pub fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().is_open = true;
        changed.notify_all();
    }

    /// Holds whatever comes from now on.
    pub fn close(&self) {
        self.0.0.lock().unwrap().is_open = false;
    }
}
