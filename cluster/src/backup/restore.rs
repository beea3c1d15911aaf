//! Bringing a tenant or an actor of a backup into a running node, by ordinary batches.
//!
//! The rows of an actor go into a generation of storage that nobody reads yet; one last batch makes it the present one,
//! together with alarm, directory and what else belongs to the actor. Until then a mark keeps the collector away from
//! that generation for as long as this ownership of the shard lasts: after a crash the collector removes it.
//!
//! What an actor has taken of the durable messages to it stays as it is: those cursors count the logs of the node it now
//! lives on.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use tokio::sync::{mpsc, oneshot};

use super::{Backup, BackupError, Contents, Manifest, manifest::hex};
use crate::{
    ActorError, ActorId, Cluster, TenantId,
    address::Address,
    alarm::AlarmRow,
    directory::{Presence, Record},
    hold::{Held, Hold},
    host::{Effects, Host},
    id::{ActorHash, ClassUid},
    inbox,
    keyspace::{self, ActorRow, SendId},
    mailbox::Fault,
    outbox::Envelope,
    paging,
    router::Classes,
    shard::{Epoch, Op, Outcome},
    storage,
    store::{Image, ImageReader},
    wire,
};

/// Bytes after which a batch is full.
const BATCH: usize = 1 << 20;

/// How far apart the generations are that restoring uses.
const GENERATIONS: u32 = 1 << 16;

/// Rows that may wait between the reader of a file and the writer of its batches.
const AHEAD: usize = 1024;

/// What to do with actors that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Refuse, before anything is written.
    Refuse,
    /// Give them up for those of the backup. Of a tenant this gives up all actors, also those the backup does not have.
    Replace,
}

/// What was restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// Actors that are now as the backup has them.
    pub actors: u64,
    /// Actors that were given up because the backup does not have them.
    pub removed: u64,
    /// Durable messages that are on their way again.
    pub messages: u64,
}

impl Cluster {
    /// Restores a tenant or an actor from a backup that holds it. Meanwhile calls to what is restored are refused as
    /// `retryable`. Each actor is restored whole or not at all; what was interrupted is done again from the beginning,
    /// with [`Existing::Replace`].
    ///
    /// # Errors
    /// [`BackupError::Present`], [`BackupError::Missing`] if the backup does not have it, [`BackupError::UnknownClass`]:
    /// then nothing was written. [`BackupError::Node`] if a batch was not committed, and with `backup.elsewhere` if another
    /// node owns a shard.
    pub async fn restore(
        &self,
        backup: &Backup,
        contents: Contents,
        existing: Existing,
    ) -> Result<Restored, BackupError> {
        self.owns_all()?;
        let (cluster, backup) = (self.clone(), backup.clone());
        let work = async move { Restore::plan(&cluster, backup, contents, existing).await?.run().await };
        // On a task of its own: a caller that leaves stops nothing half-way.
        let done = self.node().hosts[0].runtime.spawn(work).await;
        done.unwrap_or_else(|_| Err(ActorError::internal("restore.panic", "the restoring panicked").into()))
    }
}

/// What is to be done.
struct Restore {
    cluster: Cluster,
    contents: Contents,
    /// By their place in the backup.
    actors: Arc<HashMap<ActorHash, Arc<Address>>>,
    /// The present identities of the classes of the backup.
    classes: Arc<HashMap<ClassUid, ClassUid>>,
    /// Messages that their receivers had taken already when the backup was made.
    taken: Arc<HashSet<(u16, SendId)>>,
    files: Vec<(u16, PathBuf)>,
    existing: Existing,
}

impl Restore {
    /// Finds out what the backup has, and whether it may be restored.
    async fn plan(
        cluster: &Cluster,
        backup: Backup,
        contents: Contents,
        existing: Existing,
    ) -> Result<Self, BackupError> {
        if !covers(&backup.manifest().contents, &contents) {
            return Err(backup.other());
        }
        let path = backup.path().to_owned();
        let files = backup.manifest().files.iter();
        let files = files
            .filter_map(|file| Some((file.shard?, path.join(&file.name))))
            .collect::<Vec<_>>();
        let classes = classes(backup.manifest(), &cluster.node().classes);
        let node = Arc::clone(cluster.node());
        let (read, wanted, uids) = (files.clone(), contents.clone(), classes.clone());
        let work = move || actors(backup.manifest(), &read, &wanted, &uids, &node.classes);
        let actors = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| BackupError::io(&path)(std::io::Error::other(error)))??;
        let read = files.clone();
        let taken = match contents.clone() {
            Contents::Tenant(tenant) => tokio::task::spawn_blocking(move || taken(&read, &tenant))
                .await
                .map_err(std::io::Error::other)
                .flatten()
                .map_err(|error| BackupError::read(&path, error))?,
            Contents::Node | Contents::Actor(_) => HashSet::new(),
        };
        if actors.is_empty() {
            return Err(BackupError::Missing(contents));
        }
        let plan = Self {
            cluster: cluster.clone(),
            contents,
            actors: Arc::new(actors),
            classes: Arc::new(classes),
            taken: Arc::new(taken),
            files,
            existing,
        };
        if existing == Existing::Refuse
            && let Some(present) = plan.present()?.pop()
        {
            return Err(BackupError::Present(present.id.clone()));
        }
        Ok(plan)
    }

    /// The actors that stand where those of the backup will, or, of a tenant, any.
    fn present(&self) -> Result<Vec<Arc<Address>>, BackupError> {
        let node = self.cluster.node();
        let mut present = Vec::new();
        match &self.contents {
            Contents::Tenant(tenant) => {
                for host in &node.hosts {
                    let read = |range, limit| host.shard.scan(range, false, limit);
                    let listed = paging::of_tenant(&read, tenant).map_err(unreadable)?;
                    present.extend(listed.iter().filter_map(|(key, _)| address(key, &node.classes)));
                }
            }
            Contents::Node | Contents::Actor(_) => {
                for address in self.actors.values() {
                    if record(node.host(address.hash), address.hash)?
                        .is_some_and(|record| record.presence == Presence::Listed)
                    {
                        present.push(Arc::clone(address));
                    }
                }
            }
        }
        Ok(present)
    }

    async fn run(self) -> Result<Restored, BackupError> {
        let node = Arc::clone(self.cluster.node());
        let _alone = self.cluster.restoring().await;
        let holds = match &self.contents {
            Contents::Tenant(tenant) => {
                let hold = |host| Hold::begin(Arc::clone(host), Held::Tenant(tenant.clone()));
                join_all(node.hosts.iter().map(hold)).await
            }
            Contents::Node | Contents::Actor(_) => {
                let hold = |address: &Arc<Address>| {
                    Hold::begin(Arc::clone(node.host(address.hash)), Held::Actor(address.hash))
                };
                join_all(self.actors.values().map(hold)).await
            }
        };
        // Again, now that nobody can make one any more.
        let present = self.present()?;
        if self.existing == Existing::Refuse
            && let Some(present) = present.first()
        {
            return Err(BackupError::Present(present.id.clone()));
        }
        let mut restored = Restored::default();
        if let Contents::Tenant(tenant) = &self.contents {
            for hold in &holds {
                forget_messages(hold.host(), tenant).await?;
            }
            let kept = self.actors.values().map(|address| address.hash).collect::<HashSet<_>>();
            for address in present.iter().filter(|address| !kept.contains(&address.hash)) {
                let host = node.host(address.hash);
                Incoming::begin(host, Arc::clone(address)).await?.remove().await?;
                restored.removed += 1;
            }
        }
        let files = self.files.iter().map(|(shard, path)| self.file(*shard, path.clone()));
        for part in try_join_all(files).await? {
            restored.actors += part.actors;
            restored.messages += part.messages;
        }
        tracing::info!(contents = %self.contents, actors = restored.actors, "restored from a backup");
        Ok(restored)
    }

    /// Restores what is wanted of one file.
    async fn file(&self, shard: u16, path: PathBuf) -> Result<Restored, BackupError> {
        let node = self.cluster.node();
        let (steps, mut arriving) = mpsc::channel(AHEAD);
        let reader = Reader {
            path: path.clone(),
            shard,
            taken: Arc::clone(&self.taken),
            actors: Arc::clone(&self.actors),
            classes: Arc::clone(&self.classes),
            tenant: match &self.contents {
                Contents::Tenant(tenant) => Some(tenant.clone()),
                Contents::Node | Contents::Actor(_) => None,
            },
            steps,
        };
        let reading = tokio::task::spawn_blocking(move || reader.run());
        let mut restored = Restored::default();
        let mut incoming: Option<Incoming> = None;
        let source = &node.hosts[usize::from(shard) % node.hosts.len()];
        let mut messages = Vec::new();
        while let Some(step) = arriving.recv().await {
            match step {
                Step::Begin(address) => {
                    restored.actors += 1;
                    incoming = Some(Incoming::begin(node.host(address.hash), address).await?);
                }
                Step::Row(key, value) => match &mut incoming {
                    Some(incoming) => incoming.row(&key, value).await?,
                    None => debug_assert!(false, "a row comes after its actor"),
                },
                Step::End => match incoming.take() {
                    Some(incoming) => incoming.end().await?,
                    None => debug_assert!(false, "an actor ends after it began"),
                },
                Step::Message(envelope) => {
                    restored.messages += 1;
                    messages.push(Op::Send { envelope });
                    if size(&messages) >= BATCH {
                        send(source, std::mem::take(&mut messages)).await?;
                    }
                }
            }
        }
        send(source, messages).await?;
        reading
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|error| BackupError::read(&path, error))?;
        Ok(restored)
    }
}

/// Whether one thing is part of another.
fn covers(whole: &Contents, part: &Contents) -> bool {
    match (whole, part) {
        (_, Contents::Node) => false,
        (Contents::Node, Contents::Tenant(_) | Contents::Actor(_)) => true,
        (Contents::Tenant(whole), Contents::Tenant(part)) => whole == part,
        (Contents::Tenant(whole), Contents::Actor(part)) => whole == part.tenant(),
        (Contents::Actor(whole), Contents::Actor(part)) => whole == part,
        (Contents::Actor(_), Contents::Tenant(_)) => false,
    }
}

/// Which class of this program each class of the backup is.
fn classes(manifest: &Manifest, registered: &Classes) -> HashMap<ClassUid, ClassUid> {
    let known = registered.uids().map(|(name, uid)| {
        let digits = manifest.classes.get(name).cloned();
        (digits.unwrap_or_else(|| hex(&uid.0)), uid)
    });
    known
        .filter_map(|(digits, uid)| Some((uid_of(&digits)?, uid)))
        .collect()
}

fn uid_of(digits: &str) -> Option<ClassUid> {
    u64::from_str_radix(digits, 16)
        .ok()
        .map(|uid| ClassUid(uid.to_be_bytes()))
}

/// What the backup calls a class.
fn name_of(manifest: &Manifest, uid: ClassUid) -> String {
    let digits = hex(&uid.0);
    let named = manifest.classes.iter().find(|(_, known)| **known == digits);
    named.map_or_else(|| digits.clone(), |(name, _)| name.clone())
}

/// The wanted actors of a backup.
fn actors(
    manifest: &Manifest,
    files: &[(u16, PathBuf)],
    wanted: &Contents,
    uids: &HashMap<ClassUid, ClassUid>,
    classes: &Classes,
) -> Result<HashMap<ActorHash, Arc<Address>>, BackupError> {
    let mut found = HashMap::new();
    for (_, path) in files {
        let reader = Image::File(path.clone()).read().map_err(BackupError::io(path))?;
        let reader = ImageReader::open(reader).map_err(|error| BackupError::read(path, error.into()))?;
        for row in reader.rows() {
            let (key, value) = row.map_err(|error| BackupError::read(path, error.into()))?;
            let Some((uid, tenant, name)) = keyspace::parse_directory(&key) else {
                continue;
            };
            let is_wanted = match wanted {
                Contents::Node => true,
                Contents::Tenant(wanted) => tenant == wanted.as_str(),
                Contents::Actor(id) => tenant == id.tenant().as_str() && name == id.name(),
            };
            if !is_wanted {
                continue;
            }
            let present = uids
                .get(&uid)
                .copied()
                .and_then(|uid| Some((uid, classes.by_uid(uid)?)));
            let Some((uid, class)) = present else {
                // An actor of that name may be of another class.
                if matches!(wanted, Contents::Actor(_)) {
                    continue;
                }
                return Err(BackupError::UnknownClass(name_of(manifest, uid)));
            };
            if matches!(wanted, Contents::Actor(id) if id.class() != class.name()) {
                continue;
            }
            let hash = value[..].try_into().map(ActorHash);
            let hash = hash.map_err(|_| BackupError::damaged(path, "an entry of its directory is broken"))?;
            let tenant = TenantId::new(tenant)?;
            found.insert(
                hash,
                Address::new(uid, ActorId::from_parts(class.name(), tenant, name.to_owned())),
            );
        }
    }
    Ok(found)
}

/// The messages of a tenant that were taken, but not yet removed: a row outlives by a moment what it was for.
fn taken(files: &[(u16, PathBuf)], tenant: &TenantId) -> std::io::Result<HashSet<(u16, SendId)>> {
    let rows = |path: &PathBuf| Ok::<_, std::io::Error>(ImageReader::open(Image::File(path.clone()).read()?)?.rows());
    let mut waiting: HashMap<(ActorHash, u16), Vec<SendId>> = HashMap::new();
    for (shard, path) in files {
        for row in rows(path)? {
            let (key, value) = row?;
            let Some(id) = keyspace::parse_outbox(&key) else {
                continue;
            };
            let target = Envelope::decode(&value).map(|envelope| envelope.target);
            if let Some(target) = target.filter(|target| target.tenant() == tenant) {
                waiting.entry((target.hash(), *shard)).or_default().push(id);
            }
        }
    }
    let mut taken = HashSet::new();
    if waiting.is_empty() {
        return Ok(taken);
    }
    for (_, path) in files {
        for row in rows(path)? {
            let (key, value) = row?;
            let Some((hash, source)) = ActorRow::parse(&key).and_then(|row| Some((row.hash, row.source()?))) else {
                continue;
            };
            if let Some(ids) = waiting.get(&(hash, source)) {
                let last = wire::decode::<SendId>(&value).map_err(std::io::Error::other)?;
                let known = ids.iter().filter(|id| inbox::is_duplicate(Some(last), **id));
                taken.extend(known.map(|id| (source, *id)));
            }
        }
    }
    Ok(taken)
}

/// The actor behind an entry of the directory; `None` if its class is not registered.
fn address(key: &[u8], classes: &Classes) -> Option<Arc<Address>> {
    let (uid, tenant, name) = keyspace::parse_directory(key)?;
    let id = ActorId::from_parts(
        classes.by_uid(uid)?.name(),
        TenantId::new(tenant).ok()?,
        name.to_owned(),
    );
    Some(Address::new(uid, id))
}

/// What is read of a file, in its order.
enum Step {
    Begin(Arc<Address>),
    Row(Bytes, Bytes),
    End,
    Message(Bytes),
}

struct Reader {
    path: PathBuf,
    shard: u16,
    taken: Arc<HashSet<(u16, SendId)>>,
    actors: Arc<HashMap<ActorHash, Arc<Address>>>,
    classes: Arc<HashMap<ClassUid, ClassUid>>,
    /// Whose durable messages are wanted.
    tenant: Option<TenantId>,
    steps: mpsc::Sender<Step>,
}

impl Reader {
    /// Reads until the end, or until nobody listens. Blocks.
    fn run(self) -> std::io::Result<()> {
        let mut current = None;
        for row in ImageReader::open(Image::File(self.path.clone()).read()?)?.rows() {
            let (key, value) = row?;
            let actor = ActorRow::parse(&key).map(|row| row.hash);
            let wanted = actor.filter(|hash| self.actors.contains_key(hash));
            if wanted != current {
                if current.is_some() && self.steps.blocking_send(Step::End).is_err() {
                    return Ok(());
                }
                current = wanted;
                let begun = wanted.and_then(|hash| self.actors.get(&hash));
                if let Some(address) = begun
                    && self.steps.blocking_send(Step::Begin(Arc::clone(address))).is_err()
                {
                    return Ok(());
                }
            }
            let step = if wanted.is_some() {
                Some(Step::Row(key, value))
            } else if let Some(id) = keyspace::parse_outbox(&key)
                && !self.taken.contains(&(self.shard, id))
            {
                self.message(&value).map(Step::Message)
            } else {
                None
            };
            if let Some(step) = step
                && self.steps.blocking_send(step).is_err()
            {
                return Ok(());
            }
        }
        if current.is_some() {
            // Whoever has left has said why.
            self.steps.blocking_send(Step::End).ok();
        }
        Ok(())
    }

    /// A durable message under the present identity of its receiver's class.
    fn message(&self, envelope: &Bytes) -> Option<Bytes> {
        let tenant = self.tenant.as_ref()?;
        let mut envelope = Envelope::decode(envelope).filter(|envelope| envelope.target.tenant() == tenant)?;
        let class = self.classes.get(&envelope.target.class());
        envelope.target = envelope.target.of_class(*class?);
        Some(envelope.encode())
    }
}

/// An actor whose rows arrive.
struct Incoming {
    host: Arc<Host>,
    epoch: Epoch,
    address: Arc<Address>,
    /// What is there of it.
    before: Option<Record>,
    before_alarm: Option<AlarmRow>,
    /// What the backup says of it.
    record: Record,
    alarm: Option<AlarmRow>,
    /// Where its rows go.
    generation: u32,
    batch: Vec<Op>,
    /// Whether rows are in that generation already.
    held: bool,
}

impl Incoming {
    async fn begin(host: &Arc<Host>, address: Arc<Address>) -> Result<Self, BackupError> {
        let owned = tokio::time::timeout(host.bounds.ask, host.ready()).await;
        let epoch = owned.ok().and_then(|()| host.epoch());
        let epoch = epoch.ok_or_else(|| ActorError::from(Fault::Unavailable))?;
        let hash = address.hash;
        let before = record(host, hash)?;
        let alarm = host.shard.get(&keyspace::alarm(hash)).map_err(unreadable)?;
        let alarm = alarm.map(|row| AlarmRow::decode(&row)).transpose();
        let mut incoming = Self {
            host: Arc::clone(host),
            epoch,
            generation: generation(host, hash, before)?,
            before,
            before_alarm: alarm.map_err(|error| unreadable(std::io::Error::other(error)))?,
            address,
            record: Record::default(),
            alarm: None,
            batch: Vec::new(),
            held: false,
        };
        incoming.give_up_lasting()?;
        Ok(incoming)
    }

    /// Removes what outlives `delete_all`, but for what the actor has taken of durable messages.
    fn give_up_lasting(&mut self) -> Result<(), BackupError> {
        let read = |range, limit| self.host.shard.scan(range, false, limit);
        let mut lasting = Vec::new();
        paging::each(&read, keyspace::lasting(self.address.hash), &mut |key, _| {
            if ActorRow::parse(&key).is_some_and(|row| !row.is_inbox()) {
                lasting.push(Op::Delete { key });
            }
            Ok(())
        })
        .map_err(unreadable)?;
        self.batch = lasting;
        Ok(())
    }

    async fn row(&mut self, key: &[u8], value: Bytes) -> Result<(), BackupError> {
        let hash = self.address.hash;
        let Some(row) = ActorRow::parse(key) else { return Ok(()) };
        let broken = || ActorError::internal("restore.row", "a row of the backup cannot be read");
        if row.is_record() {
            self.record = wire::decode(&value).map_err(|_| broken())?;
        } else if row.is_alarm() {
            self.alarm = Some(AlarmRow::decode(&value).map_err(|_| broken())?);
        } else if row.is_inbox() || (!row.is_lasting() && row.generation != self.record.generation) {
            // Cursors of another log, or rows that were deleted and not collected yet.
        } else {
            let generation = if row.is_lasting() {
                row.generation
            } else {
                self.generation
            };
            self.batch.push(Op::Put {
                key: row.moved(hash, generation),
                value,
            });
            if !row.is_lasting() && size(&self.batch) >= BATCH {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Commits the rows of the new generation that have gathered, and keeps the rest for the last batch.
    async fn flush(&mut self) -> Result<(), BackupError> {
        let generation = self.generation;
        let is_new = |op: &Op| match op {
            Op::Put { key, .. } => ActorRow::parse(key).is_some_and(|row| row.generation == generation),
            Op::Delete { .. } | Op::Send { .. } | Op::PutIfAbsent { .. } => false,
        };
        let (mut rows, rest) = std::mem::take(&mut self.batch)
            .into_iter()
            .partition::<Vec<_>, _>(is_new);
        self.batch = rest;
        if !std::mem::replace(&mut self.held, true) {
            rows.push(Op::Put {
                key: keyspace::garbage(self.address.hash, generation),
                value: keyspace::held_garbage(self.epoch),
            });
        }
        let committed = commit(&self.host, self.epoch, rows, Effects::default()).await;
        if committed.is_err() {
            self.abandon().await;
        }
        committed
    }

    /// Makes the new generation the present one.
    async fn end(mut self) -> Result<(), BackupError> {
        let hash = self.address.hash;
        let mut ops = std::mem::take(&mut self.batch);
        self.leave(&mut ops);
        if let Some(alarm) = self.alarm {
            ops.push(Op::Put {
                key: keyspace::alarm(hash),
                value: storage::encoded(&alarm),
            });
            ops.push(Op::Put {
                key: keyspace::due(alarm.due.as_millis(), hash),
                value: self.address.encode(),
            });
        }
        let record = Record {
            generation: self.generation,
            ..self.record
        };
        self.enter(record, &mut ops);
        self.conclude(ops).await
    }

    /// Leaves nothing of the actor.
    async fn remove(mut self) -> Result<(), BackupError> {
        let mut ops = std::mem::take(&mut self.batch);
        self.leave(&mut ops);
        let record = Record {
            generation: self.generation,
            presence: Presence::Unlisted,
            ..self.before.unwrap_or_default()
        };
        self.enter(record, &mut ops);
        self.conclude(ops).await
    }

    /// Gives up what is there.
    fn leave(&self, ops: &mut Vec<Op>) {
        let hash = self.address.hash;
        if let Some(alarm) = self.before_alarm {
            ops.push(Op::Delete {
                key: keyspace::due(alarm.due.as_millis(), hash),
            });
        }
        let presence = self.before.map_or(Presence::Absent, |before| before.presence);
        if let Some((key, _)) = self.address.entry(presence) {
            ops.push(Op::Delete { key });
        }
        if let Some(before) = self.before.filter(|before| before.presence == Presence::Listed) {
            ops.push(Op::Put {
                key: keyspace::garbage(hash, before.generation),
                value: Bytes::new(),
            });
        }
    }

    fn enter(&self, record: Record, ops: &mut Vec<Op>) {
        let hash = self.address.hash;
        if let Some((key, value)) = self.address.entry(record.presence) {
            ops.push(Op::Put { key, value });
        }
        ops.push(Op::Put {
            key: keyspace::record(hash),
            value: storage::encoded(&record),
        });
        if self.held {
            ops.push(Op::Delete {
                key: keyspace::garbage(hash, self.generation),
            });
        }
    }

    async fn conclude(self, ops: Vec<Op>) -> Result<(), BackupError> {
        let effects = Effects {
            alarm: true,
            sends: 0,
            garbage: true,
        };
        let committed = commit(&self.host, self.epoch, ops, effects).await;
        if committed.is_err() {
            self.abandon().await;
        }
        committed
    }

    /// Lets the collector have what was written. If the ownership is lost, it takes it by itself.
    async fn abandon(&self) {
        if self.held {
            let mark = Op::Put {
                key: keyspace::garbage(self.address.hash, self.generation),
                value: Bytes::new(),
            };
            let effects = Effects {
                garbage: true,
                ..Effects::default()
            };
            commit(&self.host, self.epoch, vec![mark], effects).await.ok();
        }
    }
}

/// A generation of storage that nobody uses, nor will soon: `delete_all` counts up from the present one, and meets
/// neither it nor what the collector has not removed yet of another one.
fn generation(host: &Host, hash: ActorHash, before: Option<Record>) -> Result<u32, BackupError> {
    let read = |range, limit| host.shard.scan(range, false, limit);
    let mut last = before.unwrap_or_default().generation;
    paging::each(&read, keyspace::garbage_of(hash), &mut |key, _| {
        last = keyspace::parse_garbage(&key).map_or(last, |(_, generation)| last.max(generation));
        Ok(())
    })
    .map_err(unreadable)?;
    let next = (last / GENERATIONS)
        .checked_add(1)
        .and_then(|step| step.checked_mul(GENERATIONS));
    let used_up = || ActorError::internal("storage.generations", "the generations of this actor are used up");
    Ok(next.ok_or_else(used_up)?)
}

fn size(ops: &[Op]) -> usize {
    ops.iter().map(Op::size).sum()
}

fn record(host: &Host, hash: ActorHash) -> Result<Option<Record>, BackupError> {
    let row = host.shard.get(&keyspace::record(hash)).map_err(unreadable)?;
    let record = row.map(|row| wire::decode(&row)).transpose();
    record.map_err(|error| unreadable(std::io::Error::other(error)))
}

/// Removes the durable messages to a tenant that are on their way: they belong to what is given up.
async fn forget_messages(host: &Arc<Host>, tenant: &TenantId) -> Result<(), BackupError> {
    let read = |range, limit| host.shard.scan(range, false, limit);
    let mut keys = Vec::new();
    paging::each(&read, keyspace::outbox_after(None), &mut |key, value| {
        if Envelope::decode(&value).is_some_and(|envelope| envelope.target.tenant() == tenant) {
            keys.push(Op::Delete { key });
        }
        Ok(())
    })
    .map_err(unreadable)?;
    let epoch = host.epoch().ok_or_else(|| ActorError::from(Fault::Unavailable))?;
    let forgotten = keys.len();
    commit(host, epoch, keys, Effects::default()).await?;
    host.outbox.removed(forgotten);
    Ok(())
}

async fn send(host: &Arc<Host>, messages: Vec<Op>) -> Result<(), BackupError> {
    let epoch = host.epoch().ok_or_else(|| ActorError::from(Fault::Unavailable))?;
    let effects = Effects {
        sends: messages.len(),
        ..Effects::default()
    };
    commit(host, epoch, messages, effects).await
}

async fn commit(host: &Arc<Host>, epoch: Epoch, ops: Vec<Op>, effects: Effects) -> Result<(), BackupError> {
    if ops.is_empty() {
        return Ok(());
    }
    let (tell, heard) = oneshot::channel();
    host.propose(epoch, ops, effects, |outcome| {
        // The receiver waits below; it is gone only with its runtime.
        tell.send(outcome).ok();
    });
    match heard.await.unwrap_or(Outcome::Unknown) {
        Outcome::Committed { .. } => Ok(()),
        Outcome::NotProposed => Err(ActorError::from(Fault::Unavailable).into()),
        Outcome::Unknown => Err(ActorError::from(Fault::Unknown).into()),
    }
}

fn unreadable(error: std::io::Error) -> BackupError {
    tracing::error!(%error, "failed to read the state");
    ActorError::internal("storage.read", "failed to read the state").into()
}
