//! What the runtime is measured against.

use std::{fs::File, io::Write, path::Path, sync::mpsc};

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::oneshot;

use crate::actors::VALUE;

/// Bytes of a value and what the log keeps with it.
const ENTRY: usize = VALUE + 76;

/// A bare ractor actor that answers.
pub(crate) struct Bare;

pub(crate) enum Ping {
    Call(RpcReplyPort<u64>),
}

impl ractor::Message for Ping {}

impl Actor for Bare {
    type Msg = Ping;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Ping>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Ping>,
        Ping::Call(reply): Ping,
        state: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        *state += 1;
        reply.send(*state)?;
        Ok(())
    }
}

/// Calls a bare actor.
pub(crate) async fn ping(bare: ActorRef<Ping>) {
    let called = bare.call(Ping::Call, None).await;
    called.expect("the actor lives");
}

/// A thread that makes writes durable, all that wait with one sync.
#[derive(Clone)]
pub(crate) struct Syncer(mpsc::Sender<oneshot::Sender<()>>);

impl Syncer {
    /// Appends to a file.
    pub(crate) fn file(path: &Path) -> Self {
        let mut file = File::create(path).expect("the file can be made");
        Self::start(move |group| {
            file.write_all(&vec![7; group * ENTRY]).expect("the disk takes it");
            file.sync_data().expect("the disk syncs");
        })
    }

    /// Writes to fjall, which is set up as the log of a node is.
    pub(crate) fn fjall(path: &Path) -> Self {
        let db = Database::builder(path)
            .worker_threads(1)
            .cache_size(16 << 20)
            .max_journaling_size(128 << 20)
            .open()
            .expect("a new database opens");
        let options = || KeyspaceCreateOptions::default().max_memtable_size(16 << 20);
        let entries = db.keyspace("entries", options).expect("a new keyspace opens");
        let mut index = 0_u64;
        Self::start(move |group| {
            let mut batch = db.batch().durability(Some(PersistMode::SyncData));
            for _ in 0..group {
                index += 1;
                batch.insert(&entries, index.to_be_bytes(), vec![7_u8; ENTRY]);
            }
            batch.commit().expect("the disk syncs");
        })
    }

    fn start(mut commit: impl FnMut(usize) + Send + 'static) -> Self {
        let (queue, waiting) = mpsc::channel::<oneshot::Sender<()>>();
        std::thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
                commit(group.len());
                for done in group {
                    // A caller never leaves before its reply.
                    let _ = done.send(());
                }
            }
        });
        Self(queue)
    }

    /// Writes, and waits until that is durable.
    pub(crate) async fn write(&self) {
        let (done, synced) = oneshot::channel();
        self.0.send(done).expect("the thread lives");
        synced.await.expect("the thread answers");
    }
}
