//! Collects the rows that `delete_all` left behind, and those of a restore that did not come to its end.

use std::{sync::Arc, time::Duration};

use crate::{host::Host, keyspace, shard::Outcome};

/// Rows removed in one batch.
const BATCH: usize = 256;

/// Generations looked at; few of them are being filled by a restore and must be left alone.
const LOOK: usize = 1024;

/// Pause after a read that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Collects until it is dropped.
pub(crate) async fn run(host: Arc<Host>) {
    loop {
        match collect(&host).await {
            Ok(true) => {}
            Ok(false) => host.garbage.notified().await,
            Err(error) => {
                tracing::error!(%error, shard = host.shard.number(), "failed to collect deleted rows");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Removes one batch; `false` if there is nothing left, or ownership went away.
async fn collect(host: &Arc<Host>) -> std::io::Result<bool> {
    let markers = host.shard.scan(keyspace::all_garbage(), false, LOOK)?;
    let held = host.epoch().map(keyspace::held_garbage);
    let Some((marker, _)) = markers.into_iter().find(|(_, value)| Some(value) != held.as_ref()) else {
        return Ok(false);
    };
    let mut keys = Vec::new();
    if let Some((hash, generation)) = keyspace::parse_garbage(&marker) {
        let rows = host.shard.scan(keyspace::generation(hash, generation), false, BATCH)?;
        keys.extend(rows.into_iter().map(|(key, _)| key));
    }
    if keys.len() < BATCH {
        keys.push(marker);
    }
    Ok(matches!(host.remove(keys).await, Outcome::Committed { .. }))
}
