//! The runtime on real stores and real threads.

use std::sync::Arc;

use cluster::{Cluster, ClusterConfig, OpenError, Stores, prelude::*};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::fixture::{Account, Activations, Add, Total, tenant};

async fn open(path: &std::path::Path, shards: u16) -> Result<Cluster, OpenError> {
    let config = ClusterConfig {
        shards,
        ..ClusterConfig::new(Handle::current(), Handle::current())
    };
    Cluster::builder(config)
        .actor::<Account>(Activations::default())
        .open(Stores::disk(path))
        .await
}

/// Guarantees 4, 7 and 8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(directory.path(), 4).await.unwrap();
    assert!(cluster.ready());
    let reference =
        |cluster: &Cluster, n: usize| cluster.get::<Account>(ActorId::from_name::<Account>(&tenant(), &n.to_string()));
    let accounts: Arc<Vec<_>> = Arc::new((0..20).map(|n| reference(&cluster, n)).collect());
    let callers = (0..40).map(|caller| {
        let accounts = Arc::clone(&accounts);
        tokio::spawn(async move {
            for n in 0..50 {
                accounts[(caller + n) % 20].ask(Add(1)).await.unwrap();
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    cluster.shutdown().await;
    assert_eq!(accounts[0].ask(Total).await.unwrap_err().kind(), ErrorKind::Retryable);

    let cluster = open(directory.path(), 4).await.unwrap();
    for n in 0..20 {
        assert_eq!(reference(&cluster, n).ask(Total).await.unwrap(), 100);
    }
    let names = cluster
        .list::<Account>(&tenant(), DirectoryQuery::default())
        .await
        .unwrap();
    assert_eq!(names.len(), 20);
    cluster.shutdown().await;
}

const KEYS: usize = 100_000;

/// Files of a directory and their sizes, together.
fn disk_usage(path: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            // A file may be replaced while we look.
            entry.metadata().map_or(0, |found| {
                if found.is_dir() {
                    disk_usage(&entry.path())
                } else {
                    found.len()
                }
            })
        })
        .sum()
}

/// Guarantees 6 and 7: snapshots and purges under load lose nothing, and neither they nor a restart cost more than they
/// should.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_keys_survive_snapshots_under_load_and_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = || async {
        let config = ClusterConfig {
            shards: 4,
            ..ClusterConfig::new(Handle::current(), Handle::current())
        };
        let builder = Cluster::builder(config).actor::<Hoard>(());
        builder.open(Stores::disk(directory.path())).await.unwrap()
    };
    let cluster = open().await;
    let hoard =
        |cluster: &Cluster, n: usize| cluster.get::<Hoard>(ActorId::from_name::<Hoard>(&tenant(), &n.to_string()));
    for round in 0..10 {
        let fill = (0..10).map(|n| {
            let hoard = hoard(&cluster, n);
            async move { hoard.ask(Fill(round * 1000)).await.unwrap() }
        });
        tokio::join!(join_all(fill), cluster.take_snapshots());
    }
    cluster.take_snapshots().await;
    let used = disk_usage(directory.path());
    assert!(
        used < 512 << 20,
        "{used} bytes on disk for {KEYS} keys of a hundred bytes"
    );
    cluster.shutdown().await;

    let begin = std::time::Instant::now();
    let cluster = open().await;
    let took = begin.elapsed();
    println!("{KEYS} keys: {used} bytes on disk, opened in {took:?}");
    assert!(took.as_secs() < 30, "opened after {took:?}");
    for n in 0..10 {
        assert_eq!(hoard(&cluster, n).ask(Tell).await.unwrap(), KEYS / 10, "hoard {n}");
    }
    cluster.shutdown().await;
}

/// Keeps many keys.
struct Hoard;

const PIECES: Keys<String> = Keys::new("pieces/");

/// Writes a thousand keys from a number on.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "hoard.fill")]
struct Fill(usize);

/// Answers how many keys there are.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "hoard.tell", reply = usize)]
struct Tell;

impl VirtualActor for Hoard {
    const CLASS: &'static str = "hoard";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Fill>().on::<Tell>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Fill> for Hoard {
    async fn handle(&mut self, Fill(first): Fill, ctx: &mut Ctx<Self>) -> Result<()> {
        for n in first..first + 1000 {
            ctx.storage().put(&PIECES.key(&format!("{n:08}")), &"x".repeat(100))?;
        }
        Ok(())
    }
}

impl Handler<Tell> for Hoard {
    async fn handle(&mut self, _: Tell, ctx: &mut Ctx<Self>) -> Result<usize> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = List {
                after,
                ..List::default()
            };
            let rows = ctx.storage().list(&PIECES, page).await?;
            count += rows.len();
            match rows.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => return Ok(count),
            }
        }
    }
}

/// What cannot be opened says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_cannot_be_used_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(directory.path(), 2).await.unwrap();
    assert!(matches!(open(directory.path(), 2).await, Err(OpenError::Locked { .. })));
    cluster.shutdown().await;
    let changed = open(directory.path(), 4).await;
    assert!(matches!(
        changed,
        Err(OpenError::ShardsChanged {
            stored: 2,
            configured: 4
        })
    ));
    assert!(matches!(
        open(&directory.path().join("new"), 3).await,
        Err(OpenError::Shards(3))
    ));
}

/// Three clusters in one process do not know of each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_share_nothing() {
    let account = ActorId::from_name::<Account>(&tenant(), "a");
    let mut clusters = Vec::new();
    for _ in 0..3 {
        let config = ClusterConfig {
            shards: 2,
            ..ClusterConfig::new(Handle::current(), Handle::current())
        };
        let builder = Cluster::builder(config).actor::<Account>(Activations::default());
        clusters.push(builder.open(Stores::memory()).await.unwrap());
    }
    clusters[1].get::<Account>(account.clone()).ask(Add(1)).await.unwrap();
    for (cluster, total) in clusters.iter().zip([0, 1, 0]) {
        assert_eq!(cluster.get::<Account>(account.clone()).ask(Total).await.unwrap(), total);
    }
    for cluster in &clusters {
        cluster.shutdown().await;
    }
}

/// The same class twice is a mistake of the program.
#[tokio::test(start_paused = true)]
async fn a_class_is_registered_once() {
    let config = ClusterConfig {
        shards: 1,
        ..ClusterConfig::new(Handle::current(), Handle::current())
    };
    let builder = Cluster::builder(config).actor::<Account>(Activations::default());
    let opened = builder
        .actor::<Account>(Activations::default())
        .open(Stores::memory())
        .await;
    assert!(matches!(opened, Err(OpenError::DuplicateClass("account"))));
}

/// Lists two messages that go by one name.
struct Confused;

#[derive(serde::Serialize, serde::Deserialize, Message)]
#[message(name = "confused.go")]
struct Left;

#[derive(serde::Serialize, serde::Deserialize, Message)]
#[message(name = "confused.go")]
struct Right;

impl VirtualActor for Confused {
    const CLASS: &'static str = "confused";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Left>().on::<Right>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Left> for Confused {
    async fn handle(&mut self, _: Left, _: &mut Ctx<Self>) -> Result<()> {
        Ok(())
    }
}

impl Handler<Right> for Confused {
    async fn handle(&mut self, _: Right, _: &mut Ctx<Self>) -> Result<()> {
        Ok(())
    }
}

/// Two messages of one name could not be told apart.
#[tokio::test(start_paused = true)]
async fn a_class_with_two_messages_of_one_name_is_refused_by_name() {
    let config = ClusterConfig {
        shards: 1,
        ..ClusterConfig::new(Handle::current(), Handle::current())
    };
    let opened = Cluster::builder(config)
        .actor::<Confused>(())
        .open(Stores::memory())
        .await;
    assert_eq!(
        opened.unwrap_err().to_string(),
        "class confused lists the message confused.go twice: each message of a class needs a name of its own"
    );
}
