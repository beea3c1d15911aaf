//! Copies of a cluster of several nodes, taken through any of them.

use std::{
    cell::{Cell, RefCell},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cluster::{
    Backup, BackupError, Cluster, Contents, Manifest,
    prelude::*,
    testing::{TestNodes, Weather},
};
use futures_util::future::{join, join_all};
use tokio::{runtime::Builder, time::Instant};

use crate::{
    fixture::{Account, Activations, Add, Total, tenant},
    purse::{Chest, Fill, Give, MEMBERS, Open, Purse, SHARDS, filled, open, purse, settled},
};

async fn nodes(seed: u64) -> TestNodes {
    TestNodes::builder(seed)
        .engines()
        .shards(SHARDS)
        .weather(Weather {
            delay: Duration::from_micros(50)..=Duration::from_millis(2),
            ..Weather::default()
        })
        .actor::<Account>(Activations::default())
        .actor::<Purse>(())
        .actor::<Chest>(())
        .start()
        .await
}

fn paused<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test)
}

fn real<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(test)
}

/// What clients do while a copy is taken: money goes round, and two accounts are added to in turn.
struct Traffic {
    nodes: Vec<Cluster>,
    stop: Cell<bool>,
    given: Cell<u64>,
    longest: Cell<Duration>,
}

/// Accounts of which the second is never ahead of the first.
const STEPS: [&str; 2] = ["first", "second"];

fn step(cluster: &Cluster, which: usize) -> ActorRef<Account> {
    cluster.get(ActorId::from_name::<Account>(&tenant(), STEPS[which]))
}

impl Traffic {
    fn on(test: &TestNodes) -> Self {
        Self {
            nodes: (0..3).map(|node| test.node(node)).collect(),
            stop: Cell::new(false),
            given: Cell::default(),
            longest: Cell::default(),
        }
    }

    async fn run(&self) {
        let giving = (0..MEMBERS).map(|n| async move {
            for round in 0.. {
                if self.stop.get() {
                    return;
                }
                let to = ((n + round + 1) % MEMBERS).to_string();
                let node = &self.nodes[(n + round) as usize % 3];
                let begun = Instant::now();
                // Where an owner goes away, a call may fail; money never does.
                if purse(node, n).ask(Give { to, amount: 1 }).await.is_ok() {
                    self.given.set(self.given.get() + 1);
                    self.longest.set(self.longest.get().max(begun.elapsed()));
                }
            }
        });
        let stepping = async {
            for round in 0.. {
                if self.stop.get() {
                    return;
                }
                for which in 0..2 {
                    if step(&self.nodes[round % 3], which).ask(Add(1)).await.is_err() {
                        return;
                    }
                }
            }
        };
        join(join_all(giving), stepping).await;
    }

    /// Does something while clients go on.
    async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let work = async {
            let done = work.await;
            self.stop.set(true);
            done
        };
        join(self.run(), work).await.1
    }
}

fn whole(manifest: &Manifest) {
    assert_eq!(
        (manifest.files.len(), manifest.shards),
        (usize::from(SHARDS) + 1, SHARDS)
    );
    assert!(manifest.files.iter().all(|file| file.applied.is_some()), "{manifest:?}");
}

/// What a copy becomes on a node of its own: all the money is there, and no effect without its cause.
async fn check(copy: &Path) {
    let data = copy.with_extension("data");
    Backup::open(copy).unwrap().restore_node(&data).unwrap();
    let cluster = open(&data).await.unwrap();
    assert_eq!(settled(&cluster).await, MEMBERS * 1_000_000, "{}", copy.display());
    let first = step(&cluster, 0).ask(Total).await.unwrap();
    let second = step(&cluster, 1).ask(Total).await.unwrap();
    assert!(
        first == second || first == second + 1,
        "the copy has step {second} of what only went as far as step {first}"
    );
    purse(&cluster, 0)
        .ask(Give {
            to: "1".to_owned(),
            amount: 1,
        })
        .await
        .unwrap();
    assert_eq!(settled(&cluster).await, MEMBERS * 1_000_000);
    cluster.shutdown().await;
    let found = cluster::verify(&data, data.with_extension("scratch"), |_, _| {}).unwrap();
    assert_eq!(found.findings, []);
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    entries
}

/// Guarantees 6 and 7: the shards of a copy are of one moment, whichever nodes own them and whichever is asked.
#[test]
fn a_cluster_at_work_is_copied_through_each_of_its_nodes() {
    let directory = tempfile::tempdir().unwrap();
    let copies: Vec<_> = (0..3)
        .map(|node| directory.path().join(format!("copy-{node}")))
        .collect();
    paused(async {
        let test = nodes(1).await;
        for (node, copy) in copies.iter().enumerate() {
            let traffic = Traffic::on(&test);
            let steps = Arc::new(AtomicUsize::new(0));
            let told = Arc::clone(&steps);
            let cluster = test.node(node);
            let taken = traffic.during(async {
                test.advance(Duration::from_millis(50)).await;
                let before = traffic.given.get();
                let taken = cluster.backup(Contents::Node, copy, move |done, total| {
                    assert_eq!(total, 2 * (usize::from(SHARDS) + 1));
                    told.store(done, Ordering::Relaxed);
                });
                let manifest = taken.await.unwrap();
                assert!(traffic.given.get() > before, "nothing went on beside the copy");
                manifest
            });
            whole(&taken.await);
            assert_eq!(steps.load(Ordering::Relaxed), 2 * (usize::from(SHARDS) + 1));
            assert!(
                traffic.longest.get() < Duration::from_millis(500),
                "{:?}",
                traffic.longest
            );
            assert_eq!(settled(&test.node(node)).await, MEMBERS * 1_000_000);
        }
        assert_eq!(test.fatal(), [""; 0]);
    });
    real(async {
        for copy in &copies {
            check(copy).await;
        }
    });
}

/// Guarantees 3 and 6: shards that go from node to node while they are copied are in the copy once, and whole.
#[test]
fn a_shard_that_moves_while_it_is_copied_is_copied_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut copies = Vec::new();
    for seed in 0..4 {
        println!("seed {seed}");
        let copy = directory.path().join(format!("copy-{seed}"));
        paused(async {
            let test = nodes(seed).await;
            let traffic = Traffic::on(&test);
            let cluster = test.node(0);
            let moves = Cell::new(0);
            let taken = traffic.during(async {
                let is_done = Cell::new(false);
                let taking = async {
                    let taken = cluster.backup(Contents::Node, &copy, |_, _| {}).await;
                    is_done.set(true);
                    taken
                };
                let moving = async {
                    for round in 0.. {
                        if is_done.get() || round == 12 {
                            return;
                        }
                        let shard = ((seed + round) % u64::from(SHARDS)) as u16;
                        test.move_shard(shard, (test.owner(shard) + 1) % 3).await;
                        moves.set(round + 1);
                    }
                };
                join(taking, moving).await.0
            });
            whole(&taken.await.unwrap());
            assert!(moves.get() > 0, "no shard moved");
        });
        copies.push(copy);
    }
    real(async {
        for copy in &copies {
            check(copy).await;
        }
    });
}

/// A node that dies in the middle delays the copy until others own its shards; without a majority there is no copy,
/// a reason, and nothing left behind.
#[test]
fn a_node_that_dies_while_it_is_copied_is_replaced_or_named() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy");
    paused(async {
        let test = nodes(7).await;
        let traffic = Traffic::on(&test);
        let (begun, cluster) = (RefCell::new(None), test.node(0));
        let taken = traffic.during(async {
            let told = Arc::new(AtomicUsize::new(0));
            let hears = Arc::clone(&told);
            let taking = cluster.backup(Contents::Node, &copy, move |done, _| {
                hears.store(done, Ordering::Relaxed)
            });
            let dying = async {
                while told.load(Ordering::Relaxed) == 0 {
                    tokio::time::sleep(Duration::from_micros(100)).await;
                }
                *begun.borrow_mut() = Some(told.load(Ordering::Relaxed));
                test.crash(2).await;
            };
            join(taking, dying).await.0
        });
        whole(&taken.await.unwrap());
        assert!(
            begun
                .borrow()
                .is_some_and(|steps| steps < 2 * (usize::from(SHARDS) + 1))
        );

        test.crash(1).await;
        let none = directory.path().join("none");
        let refused = cluster.backup(Contents::Node, &none, |_, _| {}).await.unwrap_err();
        assert!(
            matches!(&refused, BackupError::Node(error) if error.kind() == ErrorKind::Retryable),
            "{refused}"
        );
        // Whoever leaves leaves nothing either.
        let left = tokio::time::timeout(
            Duration::from_millis(100),
            cluster.backup(Contents::Node, &none, |_, _| {}),
        );
        left.await.unwrap_err();
        assert_eq!(entries(directory.path()), [copy.as_path()]);
    });
    real(check(&copy));
}

/// A tenant and an actor are copied through a node that owns nothing of them, and rows larger than a page are whole.
#[test]
fn a_tenant_and_an_actor_are_copied_from_wherever_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let (one, all) = (directory.path().join("one"), directory.path().join("all"));
    let other = TenantId::new("other").unwrap();
    let id = ActorId::from_name::<Chest>(&tenant(), "one");
    paused(async {
        let test = nodes(9).await;
        let fill = |mark| Fill {
            count: 12,
            bytes: 600_000,
            mark,
        };
        let chest = |node: usize, tenant: &TenantId| {
            let id = ActorId::from_name::<Chest>(tenant, "one");
            test.node(node).get::<Chest>(id)
        };
        chest(0, &tenant()).ask(fill(1)).await.unwrap();
        chest(0, &other).ask(fill(2)).await.unwrap();
        let owner = test.owner(test.shard_of::<Chest>(&id));
        let asked = test.node((owner + 1) % 3);
        let manifest = asked
            .backup(Contents::Actor(id.clone()), &one, |_, _| {})
            .await
            .unwrap();
        assert_eq!(manifest.files.len(), 1);
        let manifest = asked.backup(Contents::Tenant(tenant()), &all, |_, _| {}).await.unwrap();
        assert_eq!(manifest.files.len(), usize::from(SHARDS));
        assert!(
            manifest.bytes() < 12 * 600_000 + 100_000,
            "the other tenant is not in it"
        );
    });
    real(async {
        let cluster = open(&directory.path().join("data")).await.unwrap();
        for copy in [&one, &all] {
            let backup = Backup::open(copy).unwrap();
            let contents = Contents::Actor(id.clone());
            let restored = cluster.restore(&backup, contents, cluster::Existing::Replace).await;
            assert_eq!(restored.unwrap().actors, 1);
            let chest = cluster.get::<Chest>(id.clone());
            assert_eq!(chest.ask(Open).await.unwrap(), filled(12, 1));
        }
        cluster.shutdown().await;
    });
}
