//! The timer of one shard: it reads the index of due alarms, fires what is due and sleeps until the next.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    Timestamp,
    address::Address,
    host::Host,
    keyspace,
    mailbox::{Fault, Letter, Reply},
};

/// Alarms of one shard that are fired at a time.
const FIRING: usize = 256;

/// Pause before an alarm that could not be delivered is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest sleep: the wall clock may be set forward meanwhile.
const NAP: Duration = Duration::from_secs(3600);

/// Entries of the index that need no more firing.
#[derive(Default)]
struct Taken {
    /// Alarms on their way to their actors.
    firing: BTreeSet<Bytes>,
    /// Alarms that cannot fire on this node.
    parked: BTreeSet<Bytes>,
}

/// Fires alarms until it is dropped.
pub(crate) async fn run(host: Arc<Host>, token: CancellationToken) {
    let taken = Arc::<Mutex<Taken>>::default();
    loop {
        let Some(nap) = fire_due(&host, &taken, &token) else {
            return;
        };
        tokio::select! {
            biased;
            () = host.alarms.notified() => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

/// Fires what is due and says how long nothing else will be; `None` if the node is gone.
fn fire_due(host: &Arc<Host>, taken: &Arc<Mutex<Taken>>, token: &CancellationToken) -> Option<Duration> {
    let node = host.node()?;
    let limit = {
        let taken = taken.lock();
        taken.firing.len() + taken.parked.len() + FIRING
    };
    let rows = match host.shard.scan(keyspace::all_due(), false, limit) {
        Ok(rows) => rows,
        Err(error) => {
            tracing::error!(%error, shard = host.shard.number(), "failed to read the alarm index");
            return Some(PAUSE);
        }
    };
    let now = node.clock.now();
    for (key, value) in rows {
        let due = keyspace::parse_due(&key).map(|(millis, _)| Timestamp::from_millis(millis));
        if let Some(due) = due.filter(|due| *due > now) {
            return Some(due.since(now).min(NAP));
        }
        let mut taken_now = taken.lock();
        if taken_now.firing.len() >= FIRING {
            // The end of any of them wakes the timer.
            return Some(NAP);
        }
        if taken_now.firing.contains(&key) || taken_now.parked.contains(&key) {
            continue;
        }
        let Some((due, address)) = due.zip(Address::decode(&value, &node.classes)) else {
            // Without its class the alarm can never run; it stays for a node that knows the class.
            tracing::error!(
                shard = host.shard.number(),
                "an alarm belongs to a class that is not registered"
            );
            taken_now.parked.insert(key);
            continue;
        };
        taken_now.firing.insert(key.clone());
        drop(taken_now);
        let fire = fire(Arc::clone(host), Arc::clone(taken), key, due, address);
        host.runtime.spawn(token.clone().run_until_cancelled_owned(fire));
    }
    Some(NAP)
}

async fn fire(host: Arc<Host>, taken: Arc<Mutex<Taken>>, key: Bytes, due: Timestamp, address: Arc<Address>) {
    let (reply, outcome) = Reply::channel();
    host.deliver(&address, Letter::Alarm(due, reply), None).await;
    if let Err(fault) = outcome.await.unwrap_or(Err(Fault::Unavailable)) {
        tracing::debug!(actor = %address, ?fault, "an alarm could not be delivered");
        tokio::time::sleep(PAUSE).await;
    }
    taken.lock().firing.remove(&key);
    host.alarms.notify_one();
}
