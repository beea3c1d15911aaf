//! Properties of the state of a shard.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn unfailing() -> OnFatal {
    Arc::new(|reason| panic!("the node was stopped: {reason}"))
}

/// Nothing moves unless a test says so.
fn still() -> StateLimits {
    StateLimits {
        age: Duration::from_secs(3600),
        shard_bytes: usize::MAX,
        node_bytes: usize::MAX,
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, usize),
    Delete(Vec<u8>),
    Flush,
    Snapshot,
    Scan {
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
        reverse: bool,
        limit: usize,
    },
}

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    // Few and short keys, so that steps meet; prefixes of one another, so that chunks could.
    prop::collection::vec(prop::sample::select(&[0_u8, 1, 0xFE, 0xFF][..]), 0..4)
        .prop_map(|tail| [&[1], &tail[..]].concat())
}

fn any_bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        any_key().prop_map(Bound::Included),
        any_key().prop_map(Bound::Excluded),
        Just(Bound::Unbounded),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![4 => 0..50_usize, 1 => Just(16 * 1024), 1 => 16_385..60_000_usize];
    prop_oneof![
        6 => (any_key(), length).prop_map(|(key, length)| Step::Put(key, length)),
        3 => any_key().prop_map(Step::Delete),
        1 => Just(Step::Flush),
        1 => Just(Step::Snapshot),
        4 => (any_bound(), any_bound(), any::<bool>(), 0..8_usize)
            .prop_map(|(from, to, reverse, limit)| Step::Scan { from, to, reverse, limit }),
    ]
}

/// What a scan of the model finds.
fn expected(model: &BTreeMap<Bytes, Bytes>, from: &Bound<Bytes>, to: &Bound<Bytes>, reverse: bool) -> Vec<Row> {
    let above = |key: &Bytes| match from {
        Bound::Included(from) => key >= from,
        Bound::Excluded(from) => key > from,
        Bound::Unbounded => true,
    };
    let below = |key: &Bytes| match to {
        Bound::Included(to) => key <= to,
        Bound::Excluded(to) => key < to,
        Bound::Unbounded => true,
    };
    let found = model
        .iter()
        .filter(|(key, _)| above(key) && below(key))
        .map(|(key, value)| (key.clone(), value.clone()));
    if reverse {
        found.rev().collect()
    } else {
        found.collect()
    }
}

fn follow(steps: Vec<Step>, state: &ShardState, images: &Images) {
    let mut model = BTreeMap::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Put(key, length) => {
                let (key, value) = (Bytes::from(key), Bytes::from(vec![number as u8; length]));
                model.insert(key.clone(), value.clone());
                state.write([(key, Some(value))]);
            }
            Step::Delete(key) => {
                let key = Bytes::from(key);
                model.remove(&key);
                state.write([(key, None)]);
            }
            Step::Flush => state.flush().unwrap(),
            Step::Snapshot => {
                let image = images.build(1, b"head", state).unwrap();
                assert_eq!(image.head().unwrap(), "head");
                state.write([(Bytes::from_static(b"\x01lost"), Some(Bytes::new()))]);
                state.install(&image, (Bytes::from_static(&[0]), None)).unwrap();
            }
            Step::Scan {
                from,
                to,
                reverse,
                limit,
            } => {
                let (from, to) = (from.map(Bytes::from), to.map(Bytes::from));
                let mut wanted = expected(&model, &from, &to, reverse);
                wanted.truncate(limit);
                assert_eq!(state.scan((from, to), reverse, limit).unwrap(), wanted);
            }
        }
        for (key, value) in &model {
            assert_eq!(state.get(key).unwrap().as_ref(), Some(value));
        }
        assert_eq!(state.get(b"\x01none").unwrap(), None);
    }
    let all = state
        .scan((Bound::Unbounded, Bound::Unbounded), false, usize::MAX)
        .unwrap();
    assert_eq!(all, model.into_iter().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn state_in_memory_is_an_ordered_map(steps in prop::collection::vec(any_step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let flusher = Flusher::task(still(), runtime.handle(), unfailing());
        let state = flusher.adopt(1, Arc::<MemoryTree>::default());
        follow(steps, &state, &Images::Memory(Arc::default()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn state_on_disk_is_an_ordered_map(steps in prop::collection::vec(any_step(), 1..40)) {
        let directory = TempDir::new().unwrap();
        let disk = StateDisk::open(directory.path(), 8 << 20, "boot", unfailing()).unwrap();
        let flusher = Flusher::thread(still(), unfailing()).unwrap();
        let state = flusher.adopt(1, disk.tree(1).unwrap());
        follow(steps, &state, &Images::Disk(directory.path().to_owned()));
    }
}

/// A disk that is full takes no new name, but gives one back.
#[test]
fn a_state_that_failed_is_rebuilt_even_if_it_cannot_be_marked() {
    let directory = TempDir::new().unwrap();
    let row = || {
        let disk = StateDisk::open(directory.path(), 8 << 20, "boot", Arc::new(|_| {})).unwrap();
        let row = disk.raw_tree(1).get([1]).unwrap();
        (disk, row)
    };
    let (disk, _) = row();
    // A row of no known form.
    disk.raw_tree(1).insert([1], &[9]).unwrap();
    disk.close(true).unwrap();
    let (disk, kept) = row();
    assert!(kept.is_some(), "a kill alone is no reason to rebuild");
    std::fs::create_dir(directory.path().join("state.draft")).unwrap();
    assert!(disk.tree(1).unwrap().get(&[1]).is_err());
    disk.close(false).unwrap();
    std::fs::remove_dir(directory.path().join("state.draft")).unwrap();
    assert!(row().1.is_none());
}

/// Replaced and removed values take their chunks with them.
#[test]
fn chunks_do_not_outlive_their_value() {
    let directory = TempDir::new().unwrap();
    let disk = StateDisk::open(directory.path(), 8 << 20, "boot", unfailing()).unwrap();
    let flusher = Flusher::thread(still(), unfailing()).unwrap();
    let state = flusher.adopt(1, disk.tree(1).unwrap());
    let key = Bytes::from_static(b"\x01large");
    for length in [100_000, 20_000, 60_000, 10] {
        state.write([(key.clone(), Some(Bytes::from(vec![1; length])))]);
        state.flush().unwrap();
    }
    state.write([(key.clone(), Some(Bytes::from(vec![1; 100_000])))]);
    state.flush().unwrap();
    state.write([(key, None)]);
    state.flush().unwrap();
    flusher.shards_for_test().iter().for_each(|state| state.close());
    let tree = disk.raw_tree(1);
    assert_eq!(tree.iter().count(), 0);
}

/// Looks at the shard in the middle of a move.
#[derive(Default)]
struct Watched {
    rows: MemoryTree,
    state: std::sync::OnceLock<std::sync::Weak<ShardState>>,
    moves: std::sync::atomic::AtomicU32,
}

impl Watched {
    fn compare(&self, changes: &overlay::Changes) {
        let state = self.state.get().and_then(std::sync::Weak::upgrade).unwrap();
        for (key, value) in changes {
            assert_eq!(state.get(key).unwrap(), *value);
        }
        let there = changes
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
            .collect::<Vec<_>>();
        assert_eq!(
            state.scan((Bound::Unbounded, Bound::Unbounded), false, 100).unwrap(),
            there
        );
    }
}

impl Tree for Watched {
    fn get(&self, key: &[u8]) -> std::io::Result<Option<Bytes>> {
        self.rows.get(key)
    }

    fn page(&self, range: &(Bound<Bytes>, Bound<Bytes>), reverse: bool, limit: usize) -> std::io::Result<Vec<Row>> {
        self.rows.page(range, reverse, limit)
    }

    fn apply(&self, changes: &overlay::Changes) -> std::io::Result<()> {
        self.compare(changes);
        self.rows.apply(changes)?;
        self.compare(changes);
        self.moves.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    fn clear(&self) -> std::io::Result<()> {
        self.rows.clear()
    }
}

/// Looks at the edition of the shard while its rows are replaced.
#[derive(Default)]
struct Replaced {
    rows: MemoryTree,
    state: std::sync::OnceLock<std::sync::Weak<ShardState>>,
    seen: parking_lot::Mutex<Vec<Option<u64>>>,
}

impl Replaced {
    fn note(&self) {
        let state = self.state.get().and_then(std::sync::Weak::upgrade);
        self.seen.lock().extend(state.map(|state| state.edition()));
    }
}

impl Tree for Replaced {
    fn get(&self, key: &[u8]) -> std::io::Result<Option<Bytes>> {
        self.rows.get(key)
    }

    fn page(&self, range: &(Bound<Bytes>, Bound<Bytes>), reverse: bool, limit: usize) -> std::io::Result<Vec<Row>> {
        self.rows.page(range, reverse, limit)
    }

    fn apply(&self, changes: &overlay::Changes) -> std::io::Result<()> {
        self.note();
        self.rows.apply(changes)?;
        self.note();
        Ok(())
    }

    fn clear(&self) -> std::io::Result<()> {
        self.note();
        self.rows.clear()
    }
}

#[test]
fn rows_that_are_being_replaced_are_of_no_edition() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let flusher = Flusher::task(still(), runtime.handle(), unfailing());
    let tree = Arc::<Replaced>::default();
    let state = flusher.adopt(1, Arc::clone(&tree) as Arc<dyn Tree>);
    tree.state.set(Arc::downgrade(&state)).unwrap();
    let row = || [(Bytes::from_static(b"\x01row"), Some(Bytes::new()))];
    state.write(row());
    let first = state.edition();
    state.flush().unwrap();
    assert!(first.is_some() && tree.seen.lock().iter().all(|seen| *seen == first));
    let image = Images::Memory(Arc::default()).build(1, b"head", &state).unwrap();
    tree.seen.lock().clear();
    state.install(&image, (Bytes::from_static(&[0]), None)).unwrap();
    let seen = tree.seen.lock().clone();
    assert!(seen.len() >= 3 && seen.iter().all(Option::is_none), "{seen:?}");
    assert!(state.edition().is_some() && state.edition() != first);
}

#[test]
fn changes_stay_readable_while_they_move() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let flusher = Flusher::task(still(), runtime.handle(), unfailing());
    let tree = Arc::<Watched>::default();
    let state = flusher.adopt(1, Arc::clone(&tree) as Arc<dyn Tree>);
    tree.state.set(Arc::downgrade(&state)).unwrap();
    for n in 0..3_u8 {
        let removed = (Bytes::from_static(b"removed"), (n == 0).then(Bytes::new));
        state.write([removed, (Bytes::from_static(b"set"), Some(Bytes::from(vec![n])))]);
        state.flush().unwrap();
    }
    assert_eq!(tree.moves.load(std::sync::atomic::Ordering::Relaxed), 3);
}

/// The flusher replaces the chunks of a value while others read them.
#[test]
fn readers_never_see_a_value_in_pieces() {
    let directory = TempDir::new().unwrap();
    let disk = StateDisk::open(directory.path(), 8 << 20, "boot", unfailing()).unwrap();
    let flusher = Flusher::thread(still(), unfailing()).unwrap();
    let state = flusher.adopt(1, disk.tree(1).unwrap());
    let key = Bytes::from_static(b"\x01large");
    let value = |n: u32| Bytes::from(n.to_be_bytes().repeat(if n.is_multiple_of(3) { 10 } else { 10_000 }));
    state.write([(key.clone(), Some(value(0)))]);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        let read = |scan: bool| {
            let mut last = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let found = if scan {
                    state
                        .scan((Bound::Unbounded, Bound::Unbounded), false, 10)
                        .unwrap()
                        .remove(0)
                        .1
                } else {
                    state.get(&key).unwrap().unwrap()
                };
                let n = u32::from_be_bytes(*found.first_chunk().unwrap());
                assert!(n >= last, "{n} after {last}");
                assert_eq!(found, value(n));
                last = n;
                // Readers and mover never wait, so on a busy machine they would leave no time to the writer.
                std::thread::yield_now();
            }
        };
        let readers = [threads.spawn(move || read(false)), threads.spawn(move || read(true))];
        let mover = threads.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                state.flush().unwrap();
                std::thread::yield_now();
            }
        });
        for n in 1..5_000 {
            state.write([(key.clone(), Some(value(n)))]);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        mover.join().unwrap();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn changes_take_room_before_they_can_move_and_give_it_back() {
    let flusher = Flusher::thread(still(), unfailing()).unwrap();
    let state = flusher.adopt(0, Arc::new(MemoryTree::default()));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut early = 0;
            while !is_over.load(Ordering::Relaxed) {
                let (gathered, used) = state.room();
                early += u32::from(used < gathered);
            }
            early
        });
        for number in 0..100_000_u32 {
            state.write([(
                Bytes::from(number.to_be_bytes().to_vec()),
                Some(Bytes::from_static(b"value")),
            )]);
        }
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(
            looks.join().unwrap(),
            0,
            "changes could move before they had taken room"
        );
    });
    state.flush().unwrap();
    assert_eq!(state.room(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn changes_move_when_they_are_old_or_many() {
    let limits = StateLimits {
        age: Duration::from_secs(1),
        shard_bytes: 10_000,
        node_bytes: 1 << 20,
    };
    let flusher = Flusher::task(limits, &tokio::runtime::Handle::current(), unfailing());
    let tree = Arc::<MemoryTree>::default();
    let state = flusher.adopt(1, Arc::clone(&tree) as Arc<dyn Tree>);
    state.write([(Bytes::from_static(b"old"), Some(Bytes::new()))]);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(tree.get(b"old").unwrap(), None);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(tree.get(b"old").unwrap().is_some());
    state.write([(Bytes::from_static(b"many"), Some(Bytes::from(vec![0; 10_000])))]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(tree.get(b"many").unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn applying_waits_while_the_overlays_are_full() {
    let limits = StateLimits {
        age: Duration::from_secs(3600),
        shard_bytes: usize::MAX,
        node_bytes: 20_000,
    };
    let flusher = Flusher::task(limits, &tokio::runtime::Handle::current(), unfailing());
    let tree = Arc::<MemoryTree>::default();
    let state = flusher.adopt(1, Arc::clone(&tree) as Arc<dyn Tree>);
    state.write([(Bytes::from_static(b"key"), Some(Bytes::from(vec![0; 30_000])))]);
    let mut admitted = std::pin::pin!(state.admit());
    assert!(futures_util::poll!(&mut admitted).is_pending());
    admitted.await;
    assert!(tree.get(b"key").unwrap().is_some());
}

/// The end of a file is what a crash takes.
#[test]
fn no_part_of_an_image_can_be_missing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let flusher = Flusher::task(still(), runtime.handle(), unfailing());
    let state = flusher.adopt(1, Arc::<MemoryTree>::default());
    for n in 0..20_u8 {
        state.write([(Bytes::from(vec![1, n]), Some(Bytes::from(vec![n; 10])))]);
    }
    let Image::Memory(whole) = Images::Memory(Arc::default()).build(1, b"head", &state).unwrap() else {
        unreachable!("an image in memory")
    };
    for length in 0..whole.len() {
        assert!(
            Image::Memory(whole.slice(..length)).verify().is_err(),
            "cut at {length} of {}",
            whole.len()
        );
    }
    for byte in 0..whole.len() {
        let mut damaged = whole.to_vec();
        damaged[byte] ^= 1;
        assert!(Image::Memory(damaged.into()).verify().is_err(), "damaged at {byte}");
    }
    Image::Memory(whole).verify().unwrap();
}

/// A tree on a disk that is full.
struct Full;

impl Tree for Full {
    fn get(&self, _: &[u8]) -> std::io::Result<Option<Bytes>> {
        Ok(None)
    }

    fn page(&self, _: &(Bound<Bytes>, Bound<Bytes>), _: bool, _: usize) -> std::io::Result<Vec<Row>> {
        Ok(Vec::new())
    }

    fn apply(&self, _: &overlay::Changes) -> std::io::Result<()> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn clear(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_written_stops_the_node_and_holds_nobody_up() {
    let reasons = Arc::<parking_lot::Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&reasons);
    let limits = StateLimits {
        age: Duration::from_secs(1),
        shard_bytes: usize::MAX,
        node_bytes: 1000,
    };
    let on_fatal: OnFatal = Arc::new(move |reason| heard.lock().push(reason));
    let flusher = Flusher::task(limits, &tokio::runtime::Handle::current(), on_fatal);
    let state = flusher.adopt(1, Arc::new(Full));
    let (key, value) = (Bytes::from_static(b"key"), Bytes::from(vec![0; 2000]));
    state.write([(key.clone(), Some(value.clone()))]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(reasons.lock().len(), 1);
    assert_eq!(
        state.get(&key).unwrap(),
        Some(value.clone()),
        "what is applied stays readable"
    );
    state.write([(key, Some(value))]);
    state.admit().await;
    flusher.close().await;
}
