//! openraft's own suite for logs and state machines, over both kinds of store.

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::unfailing;
use crate::SystemClock;
use crate::consensus::log::{FjallLog, LogDisk, LogStore, Marks, MemoryDisk};
use crate::consensus::machine::{Machine, MachineParts};
use crate::consensus::ownership::Ownership;
use crate::consensus::types::Types;
use crate::lease::Lease;
use crate::store::{Flusher, Images, StateDisk, StateLimits, Tree};

/// What a store needs to live as long as the test that uses it.
struct Kept {
    _directory: Option<TempDir>,
    _flusher: Flusher,
    _state: Option<StateDisk>,
}

fn build(
    log: Arc<dyn LogDisk>,
    flusher: &Flusher,
    tree: Arc<dyn Tree>,
    images: Images,
    marks: Marks,
) -> (LogStore, Machine) {
    let marks = Arc::new(marks);
    let progress = marks.track(7);
    let lease = Arc::new(Lease::new(Arc::new(SystemClock)));
    let store = LogStore::open(7, log, Arc::default(), Arc::clone(&progress), 1, lease).unwrap();
    let parts = MachineParts {
        group: 7,
        state: flusher.adopt(7, tree),
        images,
        marks,
        progress,
        ownership: Arc::new(Ownership::new()),
        snapshot: Arc::default(),
        turn: Arc::new(Semaphore::new(1)),
        running: mpsc::channel(1).0,
    };
    (store, Machine::open(parts).unwrap())
}

struct OnDisk;

impl StoreBuilder<Types, LogStore, Machine, Kept> for OnDisk {
    async fn build(&self) -> Result<(Kept, LogStore, Machine), StorageError<Types>> {
        let directory = TempDir::new().unwrap();
        let path = directory.path();
        std::fs::create_dir(path.join("snapshots")).unwrap();
        let log = FjallLog::open(&path.join("log"), unfailing()).unwrap();
        let state = StateDisk::open(path, 8 << 20, "boot", unfailing()).unwrap();
        let flusher = Flusher::thread(StateLimits::default(), unfailing()).unwrap();
        let marks = Marks::on_disk(path.join("log.marks")).unwrap();
        let images = Images::Disk(path.join("snapshots"));
        let (store, machine) = build(Arc::new(log), &flusher, state.tree(7).unwrap(), images, marks);
        Ok((
            Kept {
                _directory: Some(directory),
                _flusher: flusher,
                _state: Some(state),
            },
            store,
            machine,
        ))
    }
}

struct InMemory;

impl StoreBuilder<Types, LogStore, Machine, Kept> for InMemory {
    async fn build(&self) -> Result<(Kept, LogStore, Machine), StorageError<Types>> {
        let disk = MemoryDisk::new(1);
        let log = disk.open(&Handle::current(), unfailing());
        let flusher = Flusher::task(StateLimits::default(), &Handle::current(), unfailing());
        let marks = Marks::in_memory(disk.marks()).unwrap();
        let (store, machine) = build(Arc::new(log), &flusher, disk.tree(7), disk.images(), marks);
        Ok((
            Kept {
                _directory: None,
                _flusher: flusher,
                _state: None,
            },
            store,
            machine,
        ))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_on_disk_pass_the_suite() {
    Suite::test_all(OnDisk).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stores_in_memory_pass_the_suite() {
    Suite::test_all(InMemory).await.unwrap();
}
