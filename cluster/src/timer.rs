//! The timer of one shard: it reads the index of due alarms, fires what is due and sleeps until the next.
//!
//! A handler that fails stores its own retry. What is repeated here is a firing that the runtime lost: its ownership
//! ended, or the actor could not be activated for now. Such a firing does not count.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::{
    Timestamp,
    address::{Address, Stored},
    alarm::{self, AlarmRow, Due},
    host::Host,
    keyspace,
    mailbox::{Fault, Letter, Reply},
    router::Node,
};

/// Alarms of one shard that are fired at a time.
const FIRING: usize = 256;

/// Pause after a failed read, and before an alarm that met a full mailbox is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest sleep: the wall clock may be set forward meanwhile, and timers stand still while the machine is suspended.
const NAP: Duration = Duration::from_secs(60);

/// What is known of due alarms, by their entries in the index.
#[derive(Debug, Default)]
pub(crate) struct Firings(BTreeMap<Bytes, Firing>);

#[derive(Debug, Clone, Copy)]
struct Firing {
    state: State,
    /// Firings so far that the runtime lost.
    lost: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// On its way to the actor.
    Running,
    /// To be repeated at this moment.
    Waiting(Timestamp),
    /// It cannot fire on this node.
    Parked,
}

impl Firings {
    fn running(&self) -> usize {
        let running = |firing: &&Firing| firing.state == State::Running;
        self.0.values().filter(running).count()
    }

    /// Forgets alarms that are not in the index any more, as far as `rows` shows it.
    fn forget(&mut self, rows: &[(Bytes, Bytes)], complete: bool) {
        let last = rows.last().map(|(key, _)| key).filter(|_| !complete);
        self.0.retain(|key, firing| {
            firing.state == State::Running
                || last.is_some_and(|last| key > last)
                || rows.binary_search_by(|(row, _)| row.cmp(key)).is_ok()
        });
    }
}

/// Fires alarms until it is dropped.
pub(crate) async fn run(host: Arc<Host>, token: CancellationToken) {
    repeat_lost(&host);
    loop {
        let Some(nap) = fire_due(&host, &token) else {
            return;
        };
        tokio::select! {
            biased;
            () = host.alarms.notified() => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

/// What still runs when an ownership begins was lost with an earlier one.
fn repeat_lost(host: &Host) {
    let Some(node) = host.node() else { return };
    for (key, firing) in &mut host.firings.lock().0 {
        if firing.state == State::Running {
            firing.lose(host, &node, key);
        }
    }
}

/// Fires what is due and says how long nothing else will be; `None` if the node is gone.
fn fire_due(host: &Arc<Host>, token: &CancellationToken) -> Option<Duration> {
    let node = host.node()?;
    let mut firings = host.firings.lock();
    let limit = firings.0.len() + FIRING;
    let rows = match host.shard.scan(keyspace::all_due(), false, limit) {
        Ok(rows) => rows,
        Err(error) => {
            tracing::error!(%error, shard = host.shard.number(), "failed to read the alarm index");
            return Some(PAUSE);
        }
    };
    let is_full = rows.len() == limit;
    firings.forget(&rows, !is_full);
    let now = node.clock.now();
    let mut running = firings.running();
    let mut nap = NAP;
    for (key, value) in rows {
        let due = keyspace::parse_due(&key).map(|(millis, _)| Timestamp::from_millis(millis));
        if let Some(due) = due.filter(|due| *due > now) {
            return Some(nap.min(due.since(now)));
        }
        if running >= FIRING {
            // The end of any of them wakes the timer.
            return Some(nap);
        }
        let lost = match firings.0.get(&key) {
            None => 0,
            Some(firing) => match firing.state {
                State::Running | State::Parked => continue,
                State::Waiting(until) if until > now => {
                    nap = nap.min(until.since(now));
                    continue;
                }
                State::Waiting(_) => firing.lost,
            },
        };
        let resolved = due.zip(Address::decode(&value, &node.classes));
        let state = if resolved.is_some() {
            State::Running
        } else {
            // That of a deleted class goes with the other rows of the class.
            if !Stored::class_in(&value).is_some_and(|class| node.classes.is_deleted(class)) {
                tracing::error!(
                    shard = host.shard.number(),
                    "an entry of the alarm index is broken, or belongs to a class that never was"
                );
            }
            State::Parked
        };
        firings.0.insert(key.clone(), Firing { state, lost });
        if let Some((at, address)) = resolved {
            running += 1;
            let due = Due {
                at,
                interrupted: lost > 0,
            };
            let fire = fire(Arc::clone(host), key, due, address);
            host.runtime.spawn(token.clone().run_until_cancelled_owned(fire));
        }
    }
    // Behind those that can only be parked there may be others.
    Some(if is_full { Duration::ZERO } else { nap })
}

async fn fire(host: Arc<Host>, key: Bytes, due: Due, address: Arc<Address>) {
    let (reply, outcome) = Reply::channel();
    host.deliver(&address, Letter::Alarm(due, reply)).await;
    let outcome = outcome.await.unwrap_or(Err(Fault::Unavailable));
    let Some(node) = host.node() else { return };
    {
        let mut firings = host.firings.lock();
        match outcome {
            Ok(_) => drop(firings.0.remove(&key)),
            Err(fault) => {
                tracing::debug!(actor = %address, ?fault, "a firing was lost");
                if let Some(firing) = firings.0.get_mut(&key) {
                    match fault {
                        Fault::Overloaded(_) => firing.state = State::Waiting(node.clock.now().plus(PAUSE)),
                        Fault::Handler(_)
                        | Fault::Foreign(_)
                        | Fault::Activation(_)
                        | Fault::Panic
                        | Fault::Unavailable
                        | Fault::Unknown
                        | Fault::Refused(_) => firing.lose(&host, &node, &key),
                    }
                }
            }
        }
    }
    host.alarms.notify_one();
}

impl Firing {
    /// Waits for another try, longer each time.
    fn lose(&mut self, host: &Host, node: &Node, key: &[u8]) {
        let doublings = self.lost + stored(host, key).map_or(0, |row| row.doublings);
        let pause = alarm::pause(doublings, node.jitter());
        self.state = State::Waiting(node.clock.now().plus(pause));
        self.lost += 1;
    }
}

/// The alarm behind an entry of the index. What cannot be read is treated like a first firing.
fn stored(host: &Host, key: &[u8]) -> Option<AlarmRow> {
    let (_, hash) = keyspace::parse_due(key)?;
    let bytes = host.shard.get(&keyspace::alarm(hash)).ok()??;
    AlarmRow::decode(&bytes).ok()
}
