//! Moves overlays into their trees, for all shards of a node.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::OnFatal;
use super::shard::ShardState;

/// Bounds of the overlays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How old a change may get before it is moved.
    pub(crate) age: Duration,
    /// How large the overlay of one shard may get before it is moved.
    pub(crate) shard_bytes: usize,
    /// How large all overlays together may get before applying waits.
    pub(crate) node_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(1),
            shard_bytes: 8 << 20,
            node_bytes: 64 << 20,
        }
    }
}

/// The memory that all overlays share, and the word to the flusher.
#[derive(Debug)]
pub(super) struct Pool {
    limits: Limits,
    used: AtomicUsize,
    room: Notify,
    /// Nothing moves any more: the node is stopping, and nobody shall wait for room.
    broken: AtomicBool,
    word: Mutex<Word>,
    thread: Condvar,
    task: Notify,
}

#[derive(Debug, Default)]
struct Word {
    dirty: bool,
    urgent: bool,
    stop: bool,
}

impl Pool {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            used: AtomicUsize::new(0),
            room: Notify::new(),
            broken: AtomicBool::new(false),
            word: Mutex::default(),
            thread: Condvar::new(),
            task: Notify::new(),
        }
    }

    /// Accounts for changes; says what the overlays hold with them.
    pub(super) fn take(&self, cost: usize) -> usize {
        self.used.fetch_add(cost, Ordering::Relaxed) + cost
    }

    /// Lets the flusher know of changes of a shard whose overlay now holds `shard` bytes, and all together `used`.
    pub(super) fn tell_of(&self, used: usize, shard: usize) {
        let urgent = shard >= self.limits.shard_bytes || used >= self.limits.node_bytes / 2;
        self.tell(|word| {
            let news = !word.dirty || (urgent && !word.urgent);
            word.dirty = true;
            word.urgent |= urgent;
            news
        });
    }

    pub(super) fn release(&self, cost: usize) {
        self.used.fetch_sub(cost, Ordering::Relaxed);
        self.room.notify_waiters();
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Waits until the overlays are within their bound.
    pub(super) async fn admit(&self) {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.used.load(Ordering::Relaxed) < self.limits.node_bytes || self.broken.load(Ordering::Relaxed) {
                return;
            }
            room.await;
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Word) -> bool) {
        if change(&mut self.word.lock()) {
            self.thread.notify_one();
            self.task.notify_one();
        }
    }

    fn is_full(&self, state: &ShardState) -> bool {
        state.gathered() >= self.limits.shard_bytes
            || (state.gathered() > 0 && self.used.load(Ordering::Relaxed) >= self.limits.node_bytes / 2)
    }
}

/// The one flusher of a node.
pub(crate) struct Flusher {
    pool: Arc<Pool>,
    shards: Arc<Mutex<Vec<Arc<ShardState>>>>,
    worker: Mutex<Option<Worker>>,
}

enum Worker {
    Thread(thread::JoinHandle<()>),
    Task(tokio::task::JoinHandle<()>),
}

impl Flusher {
    /// Starts a flusher on a thread of its own.
    pub(crate) fn thread(limits: Limits, on_fatal: OnFatal) -> io::Result<Self> {
        let (pool, shards) = (Arc::new(Pool::new(limits)), Arc::default());
        let round = Round {
            pool: Arc::clone(&pool),
            shards: Arc::clone(&shards),
            on_fatal,
        };
        let worker = thread::Builder::new()
            .name("state-flusher".to_owned())
            .spawn(move || round.run_on_thread())?;
        Ok(Self {
            pool,
            shards,
            worker: Mutex::new(Some(Worker::Thread(worker))),
        })
    }

    /// Starts a flusher as a task that lives by tokio's clock.
    pub(crate) fn task(limits: Limits, runtime: &tokio::runtime::Handle, on_fatal: OnFatal) -> Self {
        let (pool, shards) = (Arc::new(Pool::new(limits)), Arc::default());
        let round = Round {
            pool: Arc::clone(&pool),
            shards: Arc::clone(&shards),
            on_fatal,
        };
        let worker = runtime.spawn(round.run_as_task());
        Self {
            pool,
            shards,
            worker: Mutex::new(Some(Worker::Task(worker))),
        }
    }

    /// Takes a shard on.
    pub(crate) fn adopt(&self, group: u32, tree: Arc<dyn super::Tree>) -> Arc<ShardState> {
        let state = Arc::new(ShardState::new(group, tree, Arc::clone(&self.pool)));
        self.shards.lock().push(Arc::clone(&state));
        state
    }

    #[cfg(test)]
    pub(super) fn shards_for_test(&self) -> Vec<Arc<ShardState>> {
        self.shards.lock().clone()
    }

    /// Moves everything, stops, and lets go of the trees.
    pub(crate) async fn close(&self) {
        self.pool.tell(|word| {
            word.stop = true;
            true
        });
        let worker = self.worker.lock().take();
        let ended = match worker {
            Some(Worker::Thread(worker)) => tokio::task::spawn_blocking(move || worker.join().map_err(drop))
                .await
                .map_err(drop)
                .flatten(),
            Some(Worker::Task(worker)) => worker.await.map_err(drop),
            None => Ok(()),
        };
        if ended.is_err() {
            tracing::error!("the flusher of the state panicked");
        }
        self.shards.lock().drain(..).for_each(|state| state.close());
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.pool.tell(|word| {
            word.stop = true;
            true
        });
    }
}

struct Round {
    pool: Arc<Pool>,
    shards: Arc<Mutex<Vec<Arc<ShardState>>>>,
    on_fatal: OnFatal,
}

/// What a wait ended with.
enum Due {
    Everything,
    FullOnes,
    Last,
}

impl Round {
    fn run_on_thread(self) {
        let mut since = None;
        loop {
            let due = {
                let mut word = self.pool.word.lock();
                loop {
                    if let Some(due) = self.due(&mut word, since.map(|since: Instant| since.elapsed())) {
                        break due;
                    }
                    if word.dirty {
                        let since = *since.get_or_insert_with(Instant::now);
                        self.pool.thread.wait_until(&mut word, since + self.pool.limits.age);
                    } else {
                        self.pool.thread.wait(&mut word);
                    }
                }
            };
            if !self.flush(&due, &mut || since = None) {
                return;
            }
        }
    }

    async fn run_as_task(self) {
        let mut since = None;
        loop {
            let told = self.pool.task.notified();
            let (due, dirty) = {
                let mut word = self.pool.word.lock();
                (
                    self.due(&mut word, since.map(|since: tokio::time::Instant| since.elapsed())),
                    word.dirty,
                )
            };
            match due {
                Some(due) => {
                    if !self.flush(&due, &mut || since = None) {
                        return;
                    }
                }
                None if dirty => {
                    let since = *since.get_or_insert_with(tokio::time::Instant::now);
                    tokio::select! {
                        biased;
                        () = told => {}
                        () = tokio::time::sleep_until(since + self.pool.limits.age) => {}
                    }
                }
                None => told.await,
            }
        }
    }

    fn due(&self, word: &mut Word, age: Option<Duration>) -> Option<Due> {
        if word.stop {
            Some(Due::Last)
        } else if word.dirty && age.is_some_and(|age| age >= self.pool.limits.age) {
            (word.dirty, word.urgent) = (false, false);
            Some(Due::Everything)
        } else if std::mem::take(&mut word.urgent) {
            Some(Due::FullOnes)
        } else {
            None
        }
    }

    /// Moves what is due; false when the flusher is done.
    fn flush(&self, due: &Due, all_moved: &mut dyn FnMut()) -> bool {
        let shards = self.shards.lock().clone();
        let only_full = match due {
            Due::FullOnes => true,
            Due::Everything | Due::Last => {
                all_moved();
                false
            }
        };
        for state in shards.iter().filter(|state| !only_full || self.pool.is_full(state)) {
            if let Err(error) = state.flush() {
                self.pool.broken.store(true, Ordering::Relaxed);
                self.pool.room.notify_waiters();
                (self.on_fatal)(format!("failed to write the state of group {}: {error}", state.group()));
                return false;
            }
        }
        !matches!(due, Due::Last)
    }
}
