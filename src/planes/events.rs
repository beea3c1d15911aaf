//! The port `Events`: wakes whoever watches a run in this process.
//!
//! Nothing here is a copy of the truth. A durable event only wakes its watchers, who read it again from the run itself, so a
//! lost, late or repeated wake-up cannot lose or double an event. Live updates are passed on and may be dropped.

use std::{collections::HashMap, fmt, sync::Arc};

use actors::{
    ports::{Events, LiveUpdate},
    records::{RunEvent, RunEventKind},
};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::metrics;

/// Updates that one watcher may be behind before it misses some.
const BACKLOG: usize = 128;

/// Runs whose present state is remembered; of further ones people see what comes after they look.
const LIVE_RUNS: usize = 1024;

/// Bytes of a draft that are remembered for people who come later.
const DRAFT_BYTES: usize = 64 * 1024;

/// Everyone who watches a run in this process. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Watchers {
    rooms: Arc<Mutex<Rooms>>,
    per_tenant: usize,
}

#[derive(Debug, Default)]
struct Rooms {
    runs: HashMap<(String, String), broadcast::Sender<Signal>>,
    tenants: HashMap<String, usize>,
    live: HashMap<(String, String), Live>,
}

/// What a run is doing now, as far as this process heard of it: for people who begin to look in the middle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Identifier of the phase.
    pub phase: String,
    /// Its step, once one was told.
    pub step: Option<String>,
    /// Requests ahead of ours at the model.
    pub queue: u32,
    /// The draft so far.
    pub draft: String,
}

impl Live {
    fn take(&mut self, update: &LiveUpdate) {
        let phase = match update {
            LiveUpdate::Step { phase, .. } | LiveUpdate::Queued { phase, .. } | LiveUpdate::Draft { phase, .. } => {
                phase
            }
        };
        if *phase != self.phase {
            *self = Self {
                phase: phase.clone(),
                ..Self::default()
            };
        }
        match update {
            LiveUpdate::Step { step, .. } => {
                if step == "draft" {
                    self.draft.clear();
                }
                self.step = Some(step.clone());
                self.queue = 0;
            }
            LiveUpdate::Queued { position, .. } => self.queue = *position,
            LiveUpdate::Draft { text, .. } => {
                self.queue = 0;
                if self.draft.len() + text.len() <= DRAFT_BYTES {
                    self.draft.push_str(text);
                }
            }
        }
    }

    /// The updates that tell the same.
    fn updates(&self) -> Vec<LiveUpdate> {
        let phase = || self.phase.clone();
        let step = self.step.clone().map(|step| LiveUpdate::Step { phase: phase(), step });
        let queue = (self.queue > 0).then(|| LiveUpdate::Queued {
            phase: phase(),
            position: self.queue,
        });
        let draft = (!self.draft.is_empty()).then(|| LiveUpdate::Draft {
            phase: phase(),
            text: self.draft.clone(),
        });
        [step, draft, queue].into_iter().flatten().collect()
    }
}

/// What a watcher hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// The run has new durable events, or may have: read them.
    Durable,
    /// A volatile update.
    Live(LiveUpdate),
}

/// The tenant has as many watchers as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tenant has {limit} event streams open, as many as it may have")]
pub struct TooManyWatchers {
    /// How many it may have.
    pub limit: usize,
}

impl Watchers {
    /// Makes an empty set that admits `per_tenant` watchers of each tenant.
    #[must_use]
    pub fn new(per_tenant: usize) -> Self {
        Self {
            rooms: Arc::default(),
            per_tenant,
        }
    }

    /// Starts to watch a run. What is published from now on is heard.
    ///
    /// # Errors
    ///
    /// Fails when the tenant has too many watchers.
    pub fn watch(&self, tenant: &str, run: &str) -> Result<Watch, TooManyWatchers> {
        let mut rooms = self.rooms.lock();
        let count = rooms.tenants.entry(tenant.to_owned()).or_default();
        if *count >= self.per_tenant {
            return Err(TooManyWatchers { limit: self.per_tenant });
        }
        *count += 1;
        let key = (tenant.to_owned(), run.to_owned());
        let room = rooms
            .runs
            .entry(key.clone())
            .or_insert_with(|| broadcast::channel(BACKLOG).0);
        let receiver = room.subscribe();
        ::metrics::gauge!(metrics::EVENT_STREAMS).increment(1.0);
        Ok(Watch {
            receiver: Some(receiver),
            so_far: rooms.live.get(&key).map(Live::updates).unwrap_or_default(),
            key,
            rooms: Arc::clone(&self.rooms),
        })
    }

    /// What a run is doing now, as far as this process heard of it.
    #[must_use]
    pub fn now(&self, tenant: &str, run: &str) -> Option<Live> {
        self.rooms
            .lock()
            .live
            .get(&(tenant.to_owned(), run.to_owned()))
            .cloned()
    }

    fn send(&self, tenant: &str, run: &str, signal: Signal) {
        let key = (tenant.to_owned(), run.to_owned());
        // Both under one lock: a new watcher gets each update once, in what was so far or as it comes.
        let mut rooms = self.rooms.lock();
        if let Signal::Live(update) = &signal
            && (rooms.live.len() < LIVE_RUNS || rooms.live.contains_key(&key))
        {
            rooms.live.entry(key.clone()).or_default().take(update);
        }
        if let Some(room) = rooms.runs.get(&key) {
            // Without a receiver there is nobody to tell.
            room.send(signal).ok();
        }
    }
}

impl Events for Watchers {
    fn publish(&self, tenant: &str, event: &RunEvent) {
        if is_rest(event.kind) {
            let key = (tenant.to_owned(), event.run_id.clone());
            self.rooms.lock().live.remove(&key);
        }
        self.send(tenant, &event.run_id, Signal::Durable);
    }

    fn live(&self, tenant: &str, run_id: &str, update: LiveUpdate) {
        self.send(tenant, run_id, Signal::Live(update));
    }
}

/// Whether nothing is worked on after such an event until another one. What was written before a pause is still written to its
/// end, and a phase that follows another one forgets it.
fn is_rest(kind: RunEventKind) -> bool {
    match kind {
        RunEventKind::ApprovalRequested
        | RunEventKind::RunRejected
        | RunEventKind::RunKilled
        | RunEventKind::RunCompleted
        | RunEventKind::RunFailed
        | RunEventKind::RunCancelled
        | RunEventKind::IdeaParked => true,
        RunEventKind::RunStarted
        | RunEventKind::PhaseStarted
        | RunEventKind::PhaseCompleted
        | RunEventKind::PivotTriggered
        | RunEventKind::RunApproved
        | RunEventKind::RunPaused
        | RunEventKind::RunResumed
        | RunEventKind::IdeaPromoted => false,
    }
}

/// One watcher of one run. Dropping it frees its place.
pub struct Watch {
    receiver: Option<broadcast::Receiver<Signal>>,
    so_far: Vec<LiveUpdate>,
    key: (String, String),
    rooms: Arc<Mutex<Rooms>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Watch")
            .field("run", &self.key.1)
            .finish_non_exhaustive()
    }
}

impl Watch {
    /// Takes what was told before this watcher came and still holds.
    pub fn so_far(&mut self) -> Vec<LiveUpdate> {
        std::mem::take(&mut self.so_far)
    }

    /// Waits for the next signal. Whoever was too slow misses live updates and is told to read the durable ones.
    pub async fn next(&mut self) -> Signal {
        let Some(receiver) = self.receiver.as_mut() else {
            return std::future::pending().await;
        };
        match receiver.recv().await {
            Ok(signal) => signal,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                ::metrics::counter!(metrics::LIVE_UPDATES_DROPPED_TOTAL).increment(missed);
                Signal::Durable
            }
            // The room lives as long as this watcher, so its sender does too.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.receiver = None;
        let mut rooms = self.rooms.lock();
        if rooms.runs.get(&self.key).is_some_and(|room| room.receiver_count() == 0) {
            rooms.runs.remove(&self.key);
        }
        if let Some(count) = rooms.tenants.get_mut(&self.key.0) {
            *count -= 1;
            if *count == 0 {
                rooms.tenants.remove(&self.key.0);
            }
        }
        ::metrics::gauge!(metrics::EVENT_STREAMS).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn step(text: &str) -> LiveUpdate {
        LiveUpdate::Step {
            phase: "strategy".to_owned(),
            step: text.to_owned(),
        }
    }

    #[test]
    fn a_watcher_hears_its_run_and_no_other() {
        let watchers = Watchers::new(4);
        let mut watch = watchers.watch("acme", "r1").unwrap();
        watchers.live("acme", "r2", step("draft"));
        watchers.live("other", "r1", step("draft"));
        assert_eq!(watch.next().now_or_never(), None);
        watchers.live("acme", "r1", step("draft"));
        assert_eq!(watch.next().now_or_never(), Some(Signal::Live(step("draft"))));
    }

    #[test]
    fn who_comes_later_is_told_what_holds() {
        let watchers = Watchers::new(4);
        let draft = |text: &str| LiveUpdate::Draft {
            phase: "strategy".to_owned(),
            text: text.to_owned(),
        };
        for update in [
            step("context"),
            draft("lost"),
            step("draft"),
            draft("We "),
            draft("win"),
        ] {
            watchers.live("acme", "r1", update);
        }
        let mut watch = watchers.watch("acme", "r1").unwrap();
        assert_eq!(watch.so_far(), [step("draft"), draft("We win")]);
        assert_eq!(watch.so_far(), [], "told once");
        assert_eq!(watch.next().now_or_never(), None);
        watchers.live(
            "acme",
            "r1",
            LiveUpdate::Queued {
                phase: "synthesis".to_owned(),
                position: 2,
            },
        );
        let now = watchers.now("acme", "r1").unwrap();
        assert_eq!(
            (now.phase.as_str(), now.queue, now.draft.as_str()),
            ("synthesis", 2, "")
        );
        assert_eq!(watchers.now("other", "r1"), None);
    }

    #[test]
    fn a_slow_watcher_is_told_to_read_again() {
        let watchers = Watchers::new(4);
        let mut watch = watchers.watch("acme", "r1").unwrap();
        for _ in 0..=BACKLOG {
            watchers.live("acme", "r1", step("draft"));
        }
        assert_eq!(watch.next().now_or_never(), Some(Signal::Durable));
    }

    #[test]
    fn places_are_bounded_per_tenant_and_freed() {
        let watchers = Watchers::new(2);
        let first = watchers.watch("acme", "r1").unwrap();
        let second = watchers.watch("acme", "r2").unwrap();
        assert_eq!(watchers.watch("acme", "r1").unwrap_err(), TooManyWatchers { limit: 2 });
        watchers.watch("other", "r1").unwrap();
        drop(first);
        watchers.watch("acme", "r1").unwrap();
        drop(second);
        let rooms = watchers.rooms.lock();
        assert!(
            rooms.runs.is_empty() && rooms.tenants.is_empty() && rooms.live.is_empty(),
            "nothing is left of watchers who went"
        );
    }
}
