//! The engine on a disk in memory, with a paused clock.

use std::ops::Bound;
use std::time::Duration;

use tokio::runtime::Handle;

use super::*;
use crate::consensus::engine::Limits;
use crate::consensus::machine::outbox_key;
use crate::consensus::snapshotter::LogLimits;
use crate::store::StateLimits;

fn everything() -> (Bound<Bytes>, Bound<Bytes>) {
    (Bound::Included(Bytes::from_static(&[1])), Bound::Unbounded)
}

async fn start(disk: &MemoryDisk) -> Engine {
    let engine = open(Stores::Memory(disk.clone()), 2).await.unwrap();
    engine.ready().await;
    engine
}

#[tokio::test(start_paused = true)]
async fn a_committed_write_is_read_at_once_and_after_a_restart() {
    let disk = MemoryDisk::new(1);
    let engine = start(&disk).await;
    let shard = &engine.shards()[1];
    assert_eq!(shard.number(), 1);
    commit(
        &**shard,
        vec![put("a", "1"), put("b", "2"), Op::Delete { key: key("a") }],
    )
    .await;
    assert_eq!(shard.get(&key("a")).unwrap(), None);
    assert_eq!(shard.get(&key("b")).unwrap(), Some(Bytes::from("2")));
    engine.shutdown().await;
    let engine = start(&disk).await;
    assert_eq!(engine.shards()[1].get(&key("b")).unwrap(), Some(Bytes::from("2")));
    assert_eq!(
        engine.shards()[0].get(&key("b")).unwrap(),
        None,
        "shards do not share rows"
    );
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_installs_a_new_epoch() {
    let disk = MemoryDisk::new(1);
    let engine = start(&disk).await;
    let before = epoch(&*engine.shards()[0]);
    engine.shutdown().await;
    let engine = start(&disk).await;
    assert!(epoch(&*engine.shards()[0]) > before);
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_of_another_epoch_is_never_proposed() {
    let engine = start(&MemoryDisk::new(1)).await;
    let shard = &engine.shards()[0];
    let Epoch(current) = epoch(&**shard);
    for stale in [current - 1, current + 1] {
        assert_eq!(
            propose(&**shard, Epoch(stale), vec![put("a", "1")]).await.unwrap(),
            Outcome::NotProposed
        );
    }
    assert_eq!(shard.get(&key("a")).unwrap(), None);
    engine.shutdown().await;
}

/// What the proposer cannot know, the state machine still refuses: entries of a former owner, and entries after one
/// that was lost on the way.
#[tokio::test(start_paused = true)]
async fn the_state_machine_rejects_another_epoch_and_a_gap_in_the_rounds() {
    use crate::consensus::types::{Command, Reply};
    let engine = start(&MemoryDisk::new(1)).await;
    let group = engine.meta_group();
    let Epoch(current) = epoch(&**group);
    let round = |epoch, round| {
        let mut ops = Vec::new();
        codec::put_op(&mut ops, &put("a", format!("{epoch}/{round}")));
        group.raft().client_write(Command::Write {
            epoch: Epoch(epoch),
            round,
            ops: ops.into(),
        })
    };
    assert_eq!(round(current - 1, 0).await.unwrap().data, Reply::Rejected);
    assert_eq!(round(current + 1, 0).await.unwrap().data, Reply::Rejected);
    assert_eq!(round(current, 1).await.unwrap().data, Reply::Rejected);
    assert_eq!(group.get(&key("a")).unwrap(), None);
    assert_eq!(round(current, 0).await.unwrap().data, Reply::Applied);
    assert_eq!(
        round(current, 0).await.unwrap().data,
        Reply::Rejected,
        "a round is applied once"
    );
    assert_eq!(group.get(&key("a")).unwrap(), Some(format!("{current}/0").into()));
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_without_success_costs_the_epoch() {
    use crate::consensus::types::Command;
    let engine = start(&MemoryDisk::new(1)).await;
    let group = engine.meta_group();
    let former = epoch(&**group);
    // A round that the proposer does not know of makes its next one fail.
    let stray = Command::Write {
        epoch: former,
        round: 0,
        ops: Bytes::new(),
    };
    group.raft().client_write(stray).await.unwrap();
    let (failed, late) = (
        propose(&**group, former, vec![put("a", "1")]),
        propose(&**group, former, vec![put("b", "1")]),
    );
    assert_eq!(failed.await.unwrap(), Outcome::Unknown);
    assert!(matches!(late.await.unwrap(), Outcome::Unknown | Outcome::NotProposed));
    assert_eq!(
        propose(&**group, former, vec![put("c", "1")]).await.unwrap(),
        Outcome::NotProposed
    );
    let later = group
        .ownership()
        .wait_for(|owned| owned.is_some_and(|owned| owned > former))
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(
        propose(&**group, later, vec![put("d", "1")]).await.unwrap(),
        Outcome::Committed { .. }
    ));
    for lost in ["a", "b", "c"] {
        assert_eq!(group.get(&key(lost)).unwrap(), None);
    }
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_relinquished_shard_gets_a_later_epoch_and_refuses_the_former() {
    let engine = start(&MemoryDisk::new(1)).await;
    let shard = &engine.shards()[0];
    let former = epoch(&**shard);
    let mut ownership = shard.ownership();
    shard.relinquish(former);
    assert_eq!(*ownership.borrow_and_update(), None);
    let later = ownership.wait_for(Option::is_some).await.unwrap().unwrap();
    assert!(later > former);
    shard.relinquish(former);
    assert_eq!(
        *ownership.borrow(),
        Some(later),
        "only the current epoch can be given up"
    );
    assert_eq!(
        propose(&**shard, former, vec![put("a", "1")]).await.unwrap(),
        Outcome::NotProposed
    );
    commit(&**shard, vec![put("a", "2")]).await;
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_writes_share_entries_and_keep_their_order() {
    let disk = MemoryDisk::new(1);
    disk.set_sync(Duration::from_millis(5)..=Duration::from_millis(5));
    let engine = start(&disk).await;
    let shard = &engine.shards()[0];
    let epoch = epoch(&**shard);
    let waiting = (0..1000).map(|n: u32| propose(&**shard, epoch, vec![put("last", n.to_string())]));
    let mut indexes = Vec::new();
    for outcome in waiting.collect::<Vec<_>>() {
        let Outcome::Committed { index, .. } = outcome.await.unwrap() else {
            panic!("not committed")
        };
        indexes.push(index);
    }
    assert!(indexes.is_sorted());
    indexes.dedup();
    assert!(indexes.len() <= 4, "1000 writes took {} entries", indexes.len());
    assert_eq!(shard.get(&key("last")).unwrap(), Some(Bytes::from("999")));
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn durable_sends_are_keyed_by_entry_and_ordinal() {
    let engine = start(&MemoryDisk::new(1)).await;
    let shard = &engine.shards()[0];
    let epoch = epoch(&**shard);
    let send = |text: &str| Op::Send {
        envelope: Bytes::copy_from_slice(text.as_bytes()),
    };
    let one = propose(&**shard, epoch, vec![send("a"), put("x", "1"), send("b")]);
    let two = propose(&**shard, epoch, vec![send("c")]);
    let mut sent = Vec::new();
    for (outcome, envelopes) in [(one, &["a", "b"][..]), (two, &["c"])] {
        let Outcome::Committed { index, first_ordinal } = outcome.await.unwrap() else {
            panic!("not committed")
        };
        for (ordinal, envelope) in (first_ordinal..).zip(envelopes) {
            assert_eq!(
                shard.get(&outbox_key(index, ordinal)).unwrap(),
                Some(Bytes::from(*envelope))
            );
            sent.push((index, ordinal));
        }
    }
    sent.dedup();
    assert_eq!(sent.len(), 3);
    let range = (Bound::Included(Bytes::from_static(&[3])), Bound::Unbounded);
    assert_eq!(shard.scan(range, false, 10).unwrap().len(), 3);
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_of_two_settings_stays() {
    let engine = start(&MemoryDisk::new(1)).await;
    let meta = engine.meta();
    let set = |value: &'static str| Op::PutIfAbsent {
        key: key("key"),
        value: Bytes::from_static(value.as_bytes()),
    };
    commit(&*meta, vec![set("a"), set("b")]).await;
    commit(&*meta, vec![set("c")]).await;
    assert_eq!(meta.get(&key("key")).unwrap(), Some(Bytes::from("a")));
    commit(&*meta, vec![Op::Delete { key: key("key") }, set("d")]).await;
    assert_eq!(meta.get(&key("key")).unwrap(), Some(Bytes::from("d")));
    assert_eq!(meta.number(), u16::MAX);
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_stops_the_node_and_leaves_the_outcome_unknown() {
    let disk = MemoryDisk::new(1);
    let (on_fatal, reasons) = failing();
    let stores = Stores::Memory(disk.clone());
    let engine = Engine::open(EngineConfig {
        shards: 1,
        stores,
        node: NodeId::FIRST,
        peers: Arc::new(NoPeers),
        found: true,
        raft: Handle::current(),
        actors: Handle::current(),
        clock: Arc::new(SystemClock),
        on_fatal,
    })
    .await
    .unwrap();
    engine.ready().await;
    let shard = &engine.shards()[0];
    commit(&**shard, vec![put("a", "1")]).await;
    disk.fail_syncs();
    assert_eq!(write(&**shard, vec![put("a", "2")]).await, Outcome::Unknown);
    assert!(
        reasons
            .lock()
            .iter()
            .any(|reason| reason.contains("failed to commit to the log"))
    );
    assert_eq!(*shard.ownership().borrow(), None);
    engine.crash().await;
    let engine = start_one(&disk).await;
    assert_eq!(engine.shards()[0].get(&key("a")).unwrap(), Some(Bytes::from("1")));
    engine.shutdown().await;
}

async fn start_one(disk: &MemoryDisk) -> Engine {
    let engine = open(Stores::Memory(disk.clone()), 1).await.unwrap();
    engine.ready().await;
    engine
}

#[tokio::test(start_paused = true)]
async fn proposals_after_shutdown_are_refused_and_those_before_are_answered() {
    let engine = start(&MemoryDisk::new(1)).await;
    let shard = engine.shards().remove(0);
    let epoch = epoch(&*shard);
    let taken = propose(&*shard, epoch, vec![put("a", "1")]);
    engine.shutdown().await;
    assert!(matches!(taken.await.unwrap(), Outcome::Committed { .. }));
    assert_eq!(
        propose(&*shard, epoch, vec![put("a", "2")]).await.unwrap(),
        Outcome::NotProposed
    );
    assert!(
        shard.get(b"unknown").is_err(),
        "a closed shard does not pretend to be empty"
    );
}

#[tokio::test(start_paused = true)]
async fn a_sole_voter_stays_the_owner() {
    let engine = start(&MemoryDisk::new(1)).await;
    let before = engine.status();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(engine.status(), before);
    commit(&*engine.meta(), vec![put("a", "1")]).await;
    engine.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_lost_its_end_is_refused() {
    let disk = MemoryDisk::new(1);
    let engine = start(&disk).await;
    for n in 0..10 {
        commit(&*engine.shards()[0], vec![put("a", n.to_string())]).await;
    }
    snapshot(&engine).await;
    engine.shutdown().await;
    disk.cut_log(1, 0);
    disk.forget_purge(1);
    let error = open(Stores::Memory(disk), 2).await.unwrap_err();
    assert!(matches!(error, OpenError::Marks(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_log_without_the_state_before_it_is_refused() {
    let disk = MemoryDisk::new(1);
    let engine = start(&disk).await;
    commit(&*engine.shards()[0], vec![put("a", "1")]).await;
    snapshot(&engine).await;
    engine.shutdown().await;
    disk.lose_state();
    disk.lose_snapshots();
    let error = open(Stores::Memory(disk), 2).await.unwrap_err();
    assert!(matches!(error, OpenError::Gap { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_shortens_the_log_and_the_state_comes_back_from_it() {
    let disk = MemoryDisk::new(1);
    let engine = start(&disk).await;
    let shard = &engine.shards()[0];
    for n in 0..300_u32 {
        commit(&**shard, vec![put(&format!("{n:03}"), vec![7; 1000])]).await;
    }
    let before = engine.status()[1].clone();
    snapshot(&engine).await;
    let after = engine.status()[1].clone();
    assert!(after.log_bytes < before.log_bytes / 10, "{before:?} {after:?}");
    assert!(
        after.snapshot >= before.applied && after.snapshot_bytes > 300_000,
        "{after:?}"
    );
    commit(&**shard, vec![put("after", "1")]).await;
    let rows = shard.scan(everything(), false, 1000).unwrap();
    engine.shutdown().await;
    disk.lose_state();
    let engine = start(&disk).await;
    assert_eq!(engine.shards()[0].scan(everything(), false, 1000).unwrap(), rows);
    assert_eq!(rows.len(), 301);
    engine.shutdown().await;
}

/// Waits until every group has purged its log behind a new snapshot.
async fn snapshot(engine: &Engine) {
    engine.take_snapshots().await;
    for group in std::iter::once(engine.meta_group()).chain(engine.shard_groups()) {
        let applied = group.status().applied;
        let purged = |metrics: &openraft::RaftMetrics<_>| metrics.purged.map(|purged| purged.index) >= applied;
        group
            .raft()
            .wait(Some(Duration::from_secs(10)))
            .metrics(purged, "purged")
            .await
            .unwrap();
    }
    // A purge is queued behind what is being synced.
    commit(&*engine.meta(), vec![put("fence", "")]).await;
}

#[tokio::test(start_paused = true)]
async fn long_logs_are_cut_without_being_asked() {
    let limits = Limits {
        log: LogLimits {
            group_bytes: 2 << 20,
            node_bytes: 100 << 20,
        },
        ..Limits::default()
    };
    let stores = Stores::Memory(MemoryDisk::new(1));
    let config = EngineConfig {
        shards: 1,
        stores,
        node: NodeId::FIRST,
        peers: Arc::new(NoPeers),
        found: true,
        raft: Handle::current(),
        actors: Handle::current(),
        clock: Arc::new(SystemClock),
        on_fatal: unfailing(),
    };
    let engine = Engine::open_within(config, limits).await.unwrap();
    engine.ready().await;
    let shard = &engine.shards()[0];
    for n in 0..200_u32 {
        commit(&**shard, vec![put(&(n % 4).to_string(), vec![1; 100_000])]).await;
    }
    let status = engine.status().remove(1);
    assert!(status.snapshot.is_some() && status.log_bytes < 6 << 20, "{status:?}");
    engine.shutdown().await;
}

/// Longer than what is kept in memory, than one read of the log, and than the overlays may be.
#[tokio::test(start_paused = true)]
async fn a_long_log_is_replayed_in_pieces() {
    let disk = MemoryDisk::new(1);
    let engine = start_one(&disk).await;
    for n in 0..100_u32 {
        commit(
            &*engine.shards()[0],
            vec![put(&format!("{n:03}"), vec![n as u8; 100_000])],
        )
        .await;
    }
    let rows = engine.shards()[0].scan(everything(), false, 1000).unwrap();
    assert_eq!(rows.len(), 100);
    engine.shutdown().await;
    disk.lose_state();
    let state = StateLimits {
        node_bytes: 1 << 20,
        ..StateLimits::default()
    };
    let limits = Limits {
        state,
        ..Limits::default()
    };
    let stores = Stores::Memory(disk);
    let config = EngineConfig {
        shards: 1,
        stores,
        node: NodeId::FIRST,
        peers: Arc::new(NoPeers),
        found: true,
        raft: Handle::current(),
        actors: Handle::current(),
        clock: Arc::new(SystemClock),
        on_fatal: unfailing(),
    };
    let engine = Engine::open_within(config, limits).await.unwrap();
    engine.ready().await;
    assert_eq!(engine.shards()[0].scan(everything(), false, 1000).unwrap(), rows);
    engine.shutdown().await;
}

/// A kill leaves no fresh marks, but the flushed state remembers what was applied.
#[tokio::test(start_paused = true)]
async fn a_log_that_ends_before_the_state_is_refused() {
    let disk = MemoryDisk::new(3);
    let engine = start_one(&disk).await;
    for n in 0..10 {
        commit(&*engine.shards()[0], vec![put("a", n.to_string())]).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let applied = engine.status()[1].applied.unwrap();
    let flushed = disk.fork();
    engine.shutdown().await;
    let disk = flushed;
    disk.cut_log(1, applied);
    let error = open(Stores::Memory(disk), 1).await.unwrap_err();
    assert!(matches!(error, OpenError::Marks(_)), "{error}");
}
