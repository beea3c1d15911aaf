//! Copies of a running node, and what is made of them.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cluster::{Backup, BackupError, Cluster, Contents, OpenError, Stores, prelude::*};
use futures_util::future::join_all;

use crate::{
    fixture::{Account, Add, Total, tenant},
    purse::{Balance, Give, MEMBERS, Ring, SHARDS, open, purse, settled},
};

/// Guarantees 6 and 10: a copy taken in the middle of transfers between shards has each of them once, and its alarms
/// fire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_backed_up_at_work_is_restored_as_it_was_at_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(&directory.path().join("data")).await.unwrap();
    purse(&cluster, 0)
        .ask(Ring(Timestamp::from_millis(i64::MAX / 4)))
        .await
        .unwrap();
    let account = ActorId::from_name::<Account>(&tenant(), "late");
    let stop = Arc::new(AtomicBool::new(false));
    let callers = (0..MEMBERS).map(|n| {
        let (cluster, stop) = (cluster.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut given = 0;
            while !stop.load(Ordering::Relaxed) {
                let to = ((n + given + 1) % MEMBERS).to_string();
                purse(&cluster, n).ask(Give { to, amount: 1 }).await.unwrap();
                given += 1;
            }
            given
        })
    });
    let callers = callers.collect::<Vec<_>>();
    let mut copies = Vec::new();
    for n in 0..3 {
        let copy = directory.path().join(format!("copy-{n}"));
        let manifest = cluster.backup(Contents::Node, &copy, |_, _| {}).await.unwrap();
        assert_eq!(
            (manifest.files.len(), manifest.shards),
            (usize::from(SHARDS) + 1, SHARDS)
        );
        copies.push(copy);
        cluster.take_snapshots().await;
    }
    stop.store(true, Ordering::Relaxed);
    let given = join_all(callers).await.into_iter().map(Result::unwrap).sum::<u64>();
    assert!(given > 100, "{given} transfers are no traffic");
    cluster.get::<Account>(account.clone()).ask(Add(1)).await.unwrap();
    assert_eq!(settled(&cluster).await, MEMBERS * 1_000_000);
    cluster.shutdown().await;

    for (n, copy) in copies.iter().enumerate() {
        let data = directory.path().join(format!("restored-{n}"));
        Backup::open(copy).unwrap().restore_node(&data).unwrap();
        let cluster = open(&data).await.unwrap();
        assert_eq!(settled(&cluster).await, MEMBERS * 1_000_000, "copy {n}");
        assert_eq!(
            cluster.get::<Account>(account.clone()).ask(Total).await.unwrap(),
            0,
            "after the copy"
        );
        // It is a node like any other: it goes on, stops, and starts.
        for n in 0..MEMBERS {
            let to = ((n + 1) % MEMBERS).to_string();
            purse(&cluster, n).ask(Give { to, amount: 1 }).await.unwrap();
        }
        assert_eq!(settled(&cluster).await, MEMBERS * 1_000_000, "copy {n}");
        cluster.take_snapshots().await;
        cluster.shutdown().await;
        let found = cluster::verify(&data, directory.path().join("scratch"), |_, _| {}).unwrap();
        assert_eq!(found.findings, []);
        let cluster = open(&data).await.unwrap();
        assert_eq!(settled(&cluster).await, MEMBERS * 1_000_000, "copy {n}");
        cluster.shutdown().await;
    }
}

/// Guarantee 10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_that_passed_while_it_lay_in_a_backup_fires() {
    let directory = tempfile::tempdir().unwrap();
    let (data, copy) = (directory.path().join("data"), directory.path().join("copy"));
    let cluster = open(&data).await.unwrap();
    let soon = Timestamp::from_millis(cluster::Clock::now(&cluster::SystemClock).as_millis() + 1500);
    purse(&cluster, 1).ask(Ring(soon)).await.unwrap();
    cluster.backup(Contents::Node, &copy, |_, _| {}).await.unwrap();
    let rung = async |cluster: &Cluster| {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        while purse(cluster, 1).ask(Balance).await.unwrap().1 == 0 {
            assert!(tokio::time::Instant::now() < deadline, "the alarm does not fire");
            tokio::task::yield_now().await;
        }
    };
    rung(&cluster).await;
    cluster.shutdown().await;
    let restored = directory.path().join("restored");
    Backup::open(&copy).unwrap().restore_node(&restored).unwrap();
    let cluster = open(&restored).await.unwrap();
    rung(&cluster).await;
    cluster.shutdown().await;
}

async fn small_backup(directory: &Path) -> std::path::PathBuf {
    let cluster = open(&directory.join("data")).await.unwrap();
    cluster
        .get::<Account>(ActorId::from_name::<Account>(&tenant(), "a"))
        .ask(Add(7))
        .await
        .unwrap();
    let copy = directory.join("copy");
    cluster.backup(Contents::Node, &copy, |_, _| {}).await.unwrap();
    let again = cluster.backup(Contents::Node, &copy, |_, _| {}).await;
    assert!(
        matches!(&again, Err(BackupError::NotEmpty { path }) if *path == copy),
        "{again:?}"
    );
    let nobody = Contents::Tenant(TenantId::new("nobody").unwrap());
    let nothing = cluster.backup(nobody, directory.join("nothing"), |_, _| {}).await;
    assert!(matches!(nothing, Err(BackupError::Nothing(_))), "{nothing:?}");
    cluster.shutdown().await;
    let mut names = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect::<Vec<_>>();
    names.sort();
    assert_eq!(names, ["copy", "data"], "nothing half-made is left");
    copy
}

/// Every byte of a backup is looked at before anything is made of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_damaged_cut_or_newer_is_refused_by_the_name_of_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let copy = small_backup(directory.path()).await;
    let files = fs::read_dir(&copy)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect::<Vec<_>>();
    assert_eq!(files.len(), usize::from(SHARDS) + 3);
    for file in &files {
        let whole = fs::read(file).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for bytes in [&flipped[..], &whole[..whole.len() - 1]] {
            fs::write(file, bytes).unwrap();
            let refused = Backup::open(&copy);
            assert!(
                matches!(&refused, Err(BackupError::Damaged { path, .. }) if path.starts_with(&copy)),
                "{}: {refused:?}",
                file.display()
            );
        }
        fs::remove_file(file).unwrap();
        assert!(
            matches!(
                Backup::open(&copy),
                Err(BackupError::Damaged { .. } | BackupError::NotABackup { .. })
            ),
            "{}",
            file.display()
        );
        fs::write(file, whole).unwrap();
    }
    let manifest = copy.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    let newer = Backup::open(&copy).unwrap_err();
    assert!(
        matches!(
            newer,
            BackupError::Newer {
                version: 2,
                known: 1,
                ..
            }
        ),
        "{newer}"
    );
    assert!(newer.to_string().contains("manifest.json"), "{newer}");
    fs::write(&manifest, text).unwrap();

    let backup = Backup::open(&copy).unwrap();
    let full = backup.restore_node(directory.path().join("data")).unwrap_err();
    assert!(matches!(full, BackupError::NotEmpty { .. }), "{full}");
    let fresh = directory.path().join("fresh");
    fs::create_dir(&fresh).unwrap();
    backup.restore_node(&fresh).unwrap();
    let cluster = open(&fresh).await.unwrap();
    let account = cluster.get::<Account>(ActorId::from_name::<Account>(&tenant(), "a"));
    assert_eq!(account.ask(Total).await.unwrap(), 7);
    cluster.shutdown().await;
}

/// A data directory of a later program is left as it is.
#[test]
fn a_newer_data_directory_is_refused_before_anything_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let stores = Stores::disk(directory.path());
    stores.check().unwrap();
    fs::write(directory.path().join("format"), "version 2\nshards 8\n").unwrap();
    let refused = stores.check().unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Newer {
                version: 2,
                known: 1,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
