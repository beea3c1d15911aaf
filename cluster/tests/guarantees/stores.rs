//! The runtime on real stores and real threads.

use std::sync::Arc;

use cluster::{Cluster, ClusterConfig, OpenError, Stores, prelude::*};
use futures_util::future::join_all;
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
