//! A writer that was superseded, in a shared directory and in a bucket.

use std::time::Duration;

use actors::ports::VectorRow;
use rand::{Rng, SeedableRng};

use super::*;
use crate::planes::data::store::{server::S3Server, tests as bucket};

/// Where two nodes have the index.
struct Shared {
    place: Place,
    /// The directory, or the address of the server.
    at: String,
    _directory: tempfile::TempDir,
    _server: Option<S3Server>,
}

impl Shared {
    fn directory() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::Directory {
            path: directory.path().join("vectors"),
            is_shared: true,
        };
        Self {
            place,
            at: directory.path().join("vectors").to_str().unwrap().to_owned(),
            _directory: directory,
            _server: None,
        }
    }

    fn bucket() -> Self {
        let server = S3Server::start();
        Self {
            place: bucket::place(&server),
            at: server.endpoint(),
            _directory: tempfile::tempdir().unwrap(),
            _server: Some(server),
        }
    }

    /// The index as another process has it: nothing in memory is shared.
    async fn open(&self) -> LanceVectors {
        open_at(self.place.clone(), VectorsConfig::default()).await
    }
}

/// Guarantee 3, carried on into the index: the old owner wakes late, and neither repeats nor undoes anything.
async fn a_late_writer_changes_nothing(shared: Shared) {
    let (old, new) = (shared.open().await, shared.open().await);
    put(&old, "acme", 1, vec![row("r1", 0, "intake", 0)]).await.unwrap();

    // The new owner goes on where the old one was, and does again what that had begun.
    put(
        &new,
        "acme",
        2,
        vec![row("r1", 0, "intake", 0), row("r1", 0, "market", 1)],
    )
    .await
    .unwrap();
    forget(&new, "acme", 2, "r1", Some(0)).await.unwrap();
    put(&new, "acme", 2, vec![row("r1", 1, "intake", 2)]).await.unwrap();

    let superseded = Err(VectorError::Superseded { writer: 2 });
    assert_eq!(put(&old, "acme", 1, vec![row("r1", 0, "market", 1)]).await, superseded);
    assert_eq!(forget(&old, "acme", 1, "r1", None).await, superseded);
    // What it knew of the table is forgotten now, and it is refused all the same.
    assert_eq!(put(&old, "acme", 1, vec![row("r1", 0, "market", 1)]).await, superseded);
    for vectors in [&old, &new] {
        let found = all(vectors, "acme").await;
        let names: Vec<_> = found
            .iter()
            .map(|found| (found.attempt, found.phase.as_str()))
            .collect();
        assert_eq!(names, [(1, "intake")]);
    }
    put(&new, "acme", 2, vec![row("r1", 1, "market", 2)]).await.unwrap();
    assert_eq!(
        all(&old, "acme").await.len(),
        2,
        "every node sees what the owner writes"
    );
}

/// Many writers that take each other's place while all of them write the same rows: the moment of each freeze is another.
async fn no_row_is_doubled_however_writers_meet(shared: Shared, rounds: u64) {
    let nodes = [shared.open().await, shared.open().await, shared.open().await];
    let mut late = Vec::new();
    let mut expected = 0;
    for round in 1..=rounds {
        let node = &nodes[usize::try_from(round % 3).unwrap()];
        let rows = |phases: u64| {
            (0..phases)
                .map(|phase| row("r1", 0, &format!("p{phase}"), 0))
                .collect::<Vec<_>>()
        };
        // Not awaited yet: it goes on while its successor takes over, and may commit before or never.
        let (frozen, writer) = (node.clone(), 2 * round - 1);
        late.push(tokio::spawn(
            async move { put(&frozen, "acme", writer, rows(round)).await },
        ));
        tokio::time::sleep(Duration::from_millis(3 * (round % 7))).await;
        let next = &nodes[usize::try_from((round + 1) % 3).unwrap()];
        put(next, "acme", 2 * round, rows(round)).await.unwrap();
        expected = round;
    }
    for outcome in late {
        match outcome.await.unwrap() {
            Ok(()) | Err(VectorError::Superseded { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    for node in &nodes {
        assert_eq!(all(node, "acme").await.len() as u64, expected);
        let listed = node.listed("acme".into(), "r1".into(), 0).await.unwrap();
        assert_eq!(listed.len() as u64, expected);
    }
    // The table is whole: a writer that has never seen it goes on.
    let fresh = shared.open().await;
    put(&fresh, "acme", 2 * rounds + 1, vec![row("r2", 0, "intake", 0)])
        .await
        .unwrap();
    assert_eq!(all(&fresh, "acme").await.len() as u64, expected + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_writer_changes_nothing_in_a_shared_directory() {
    a_late_writer_changes_nothing(Shared::directory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_writer_changes_nothing_in_a_bucket() {
    a_late_writer_changes_nothing(Shared::bucket()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_doubled_in_a_shared_directory_however_writers_meet() {
    // Not in a bucket: the server of the tests looks and writes in two steps, which S3 does not.
    no_row_is_doubled_however_writers_meet(Shared::directory(), 24).await;
}

/// The rows that both owners write.
fn both(version: u32) -> Vec<VectorRow> {
    let row = |phase: usize| VectorRow {
        version,
        ..row("r1", 0, &format!("p{phase}"), phase % 4)
    };
    (0..12).map(row).collect()
}

/// Variables that tell the process of the old owner what to do.
const AT: &str = "TEST_OLD_OWNER_AT";
const WRITER: &str = "TEST_OLD_OWNER_WRITER";

/// No test: the process that the tests freeze. It writes until it is told that it was superseded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the tests below start it as a process"]
async fn the_old_owner() {
    let variable = |name: &str| {
        std::env::vars()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    };
    let Some(at) = variable(AT) else { return };
    let writer = variable(WRITER).unwrap().parse().unwrap();
    let place = match at.strip_prefix("http://127.0.0.1:") {
        Some(port) => bucket::place_at(port.parse().unwrap()),
        None => Place::Directory {
            path: at.into(),
            is_shared: true,
        },
    };
    let vectors = open_at(place, VectorsConfig::default()).await;
    for version in 1.. {
        match put(&vectors, "acme", writer, both(version)).await {
            Ok(()) => {}
            Err(VectorError::Superseded { .. }) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn signal(process: &std::process::Child, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args([signal, &process.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Guarantee 3, carried on into the index: a process is frozen wherever it is in a write, another takes over, and the first
/// one wakes.
async fn a_frozen_process_changes_nothing_when_it_wakes(shared: Shared, trials: u64) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut dice = rand::rngs::StdRng::seed_from_u64(seed);
    let new = shared.open().await;
    for trial in 1..=trials {
        let before = all(&new, "acme").await;
        let mut old = std::process::Command::new(std::env::current_exe().unwrap())
            .args([OLD_OWNER, "--exact", "--ignored"])
            .env(AT, &shared.at)
            .env(WRITER, (2 * trial - 1).to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while all(&new, "acme").await == before {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "seed {seed}: the old owner writes nothing"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..80))).await;
        signal(&old, "-STOP");
        // Some of them the old owner was about to write once more, some it would have found gone.
        let version = 1_000_000 + u32::try_from(trial).unwrap();
        put(&new, "acme", 2 * trial, both(version)).await.unwrap();
        put(&new, "acme", 2 * trial, vec![row("r2", 0, &format!("t{trial}"), 0)])
            .await
            .unwrap();
        forget(&new, "acme", 2 * trial, "gone", None).await.unwrap();
        let expected = all(&new, "acme").await;
        assert_eq!(expected.len() as u64, 12 + trial, "seed {seed}, trial {trial}");
        signal(&old, "-CONT");
        let ended = tokio::task::spawn_blocking(move || old.wait().unwrap()).await.unwrap();
        assert!(ended.success(), "seed {seed}, trial {trial}: {ended}");
        assert_eq!(all(&new, "acme").await, expected, "seed {seed}, trial {trial}");
        assert_eq!(
            all(&shared.open().await, "acme").await,
            expected,
            "seed {seed}, trial {trial}"
        );
    }
}

/// The name under which the process of the old owner is started.
const OLD_OWNER: &str = "planes::data::vectors::index::tests::takeover::the_old_owner";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_process_changes_nothing_in_a_shared_directory() {
    a_frozen_process_changes_nothing_when_it_wakes(Shared::directory(), 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_process_changes_nothing_in_a_bucket() {
    a_frozen_process_changes_nothing_when_it_wakes(Shared::bucket(), 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_and_a_shared_directory_keep_the_contract() {
    for shared in [Shared::directory(), Shared::bucket()] {
        contract::vectors(shared.open().await).await;
    }
}

/// The successor has read and is about to commit when the old owner compacts: neither loses anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_compaction_breaks_nothing() {
    let shared = Shared::directory();
    let (old, new) = (shared.open().await, shared.open().await);
    for run in 0..8 {
        put(&old, "acme", 1, vec![row(&format!("r{run}"), 0, "intake", 0)])
            .await
            .unwrap();
    }
    put(&new, "acme", 2, vec![row("r8", 0, "intake", 0)]).await.unwrap();
    let outcome = old.compact("acme").await;
    assert_eq!(outcome, Err(VectorError::Superseded { writer: 2 }));
    put(&new, "acme", 2, vec![row("r9", 0, "intake", 0)]).await.unwrap();
    new.compact("acme").await.unwrap();
    assert_eq!(all(&shared.open().await, "acme").await.len(), 10);
}

/// Everything of a bucket is gone while it is in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_lost_in_a_bucket_is_empty_and_can_be_written_again() {
    let server = S3Server::start();
    let vectors = open_at(bucket::place(&server), VectorsConfig::default()).await;
    let rows = || (0..4).map(|n| row("r1", n, "intake", 0)).collect::<Vec<_>>();
    for _ in 0..3 {
        put(&vectors, "acme", 4, rows()).await.unwrap();
        assert_eq!(all(&vectors, "acme").await.len(), 4);
    }
    for entry in std::fs::read_dir(server.bucket()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
    assert!(all(&vectors, "acme").await.is_empty());
    assert_eq!(vectors.writer("acme".into()).await, Ok(0));
    if put(&vectors, "acme", 4, rows()).await.is_err() {
        put(&vectors, "acme", 4, rows()).await.unwrap();
    }
    assert_eq!(all(&vectors, "acme").await.len(), 4);
}
