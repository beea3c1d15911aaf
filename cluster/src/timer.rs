//! The timer of one shard: it reads the index of due alarms, fires what is due and sleeps until the next.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;

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

type Firing = Arc<Mutex<BTreeSet<Bytes>>>;

/// Fires alarms until it is dropped.
pub(crate) async fn run(host: Arc<Host>) {
    let firing = Firing::default();
    loop {
        let Some(nap) = fire_due(&host, &firing) else { return };
        tokio::select! {
            biased;
            () = host.alarms.notified() => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

/// Fires what is due and says how long nothing else will be; `None` if the node is gone.
fn fire_due(host: &Arc<Host>, firing: &Firing) -> Option<Duration> {
    let node = host.node()?;
    let limit = firing.lock().len() + FIRING;
    let rows = match host.shard.scan(keyspace::all_due(), false, limit) {
        Ok(rows) => rows,
        Err(error) => {
            tracing::error!(%error, shard = host.shard.number(), "failed to read the alarm index");
            return Some(PAUSE);
        }
    };
    let now = node.clock.now();
    for (key, value) in rows {
        let parsed = keyspace::parse_due(&key).map(|(millis, _)| Timestamp::from_millis(millis));
        if let Some(due) = parsed.filter(|due| *due > now) {
            return Some(due.since(now).min(NAP));
        }
        {
            let mut firing = firing.lock();
            if firing.len() >= FIRING {
                // The end of any of them wakes the timer.
                return Some(NAP);
            }
            if !firing.insert(key.clone()) {
                continue;
            }
        }
        let address = Address::decode(&value, &node.classes);
        host.runtime
            .spawn(fire(Arc::clone(host), Arc::clone(firing), key, parsed.zip(address)));
    }
    Some(NAP)
}

async fn fire(host: Arc<Host>, firing: Firing, key: Bytes, alarm: Option<(Timestamp, Arc<Address>)>) {
    let Some((due, address)) = alarm else {
        // Without its class the alarm can never run; it stays for a node that knows the class.
        tracing::error!(
            shard = host.shard.number(),
            "an alarm belongs to a class that is not registered"
        );
        return;
    };
    let (reply, outcome) = Reply::channel();
    host.deliver(&address, Letter::Alarm(due, reply)).await;
    match outcome.await.unwrap_or(Err(Fault::Unavailable)) {
        Ok(_) => {}
        Err(fault) => {
            tracing::debug!(actor = %address, ?fault, "an alarm could not be delivered");
            tokio::time::sleep(PAUSE).await;
        }
    }
    firing.lock().remove(&key);
    host.alarms.notify_one();
}
