//! Copies of groups as they are at one moment, taken beside their work.
//!
//! The rows of a group are read while they change, as for a snapshot. Then all groups rest for an instant, which is the
//! moment of the copy, and what their logs changed between the first row read and that moment is laid over the copies.
//! So no batch is torn, and no durable send is lost or doubled between two shards of a copy. While this lasts no snapshot
//! is taken, so that no log is purged that is still needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::codec::{self, Head};
use super::group::Group;
use super::tail::Tail;
use super::types::LogId;
use crate::TenantId;
use crate::id::ActorHash;
use crate::keyspace::{self, ActorRow};
use crate::outbox::Envelope;
use crate::paging;
use crate::store::{Image, ImageReader, ImageWriter, ShardState};

/// Bytes gathered before they are written.
const BUFFER: usize = 256 * 1024;

/// What is copied.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// Every row of every group.
    Node,
    /// The actors of a tenant, and the durable sends among them.
    Tenant(TenantId),
    /// One actor.
    Actor {
        hash: ActorHash,
        /// Its key in the directory.
        entry: Bytes,
    },
}

/// The copy of one group.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) group: u32,
    pub(crate) path: PathBuf,
    /// The last entry it contains.
    pub(crate) applied: Option<LogId>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

/// Hears how many files are done, and of how many.
pub(crate) type Told = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// Copies groups into a directory, one synced file each.
pub(crate) async fn capture(
    groups: Vec<Arc<Group>>,
    turn: &Semaphore,
    scope: Scope,
    into: PathBuf,
    told: Told,
) -> io::Result<Vec<Captured>> {
    let shards = u16::try_from(groups.len().saturating_sub(1)).unwrap_or(u16::MAX);
    let groups = groups
        .into_iter()
        .filter(|group| scope.concerns(group.number(), shards));
    let groups = groups.collect::<Vec<_>>();
    let steps = 2 * groups.len();
    // A snapshot that is finished was begun before any head below is read, so its purge takes nothing that is needed.
    let _turn = turn.acquire().await.map_err(io::Error::other)?;
    let mut drafts = Vec::new();
    for group in &groups {
        let (group, scope, into) = (Arc::clone(group), scope.clone(), into.clone());
        drafts.push(blocking(move || Draft::write(group, scope, &into)).await?);
        told(drafts.len(), steps);
    }
    let resting = join_all(groups.iter().map(|group| group.rest())).await;
    let heads = groups.iter().map(|group| group.head()).collect::<io::Result<Vec<_>>>();
    drop(resting);
    let mut captured = Vec::new();
    for (draft, head) in drafts.into_iter().zip(heads?) {
        captured.push(blocking(move || draft.complete(&head)).await?);
        told(groups.len() + captured.len(), steps);
    }
    Ok(captured)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The name of a group's copy.
fn file_name(group: u32) -> String {
    match group.checked_sub(1) {
        Some(shard) => format!("shard-{shard:03}.image"),
        None => "meta.image".to_owned(),
    }
}

impl Scope {
    fn concerns(&self, group: u32, shards: u16) -> bool {
        match self {
            Self::Node => true,
            Self::Tenant(_) => group > 0,
            Self::Actor { hash, .. } => group == u32::from(hash.shard(shards)) + 1,
        }
    }
}

/// The rows of a group as they were while they were read.
struct Draft {
    group: Arc<Group>,
    /// Where the group was before the first row was read.
    head: Head,
    choice: Choice,
    path: PathBuf,
    written: Written,
}

impl Draft {
    fn write(group: Arc<Group>, scope: Scope, into: &Path) -> io::Result<Self> {
        let head = group.head()?;
        let path = into.join(file_name(group.number()));
        let mut choice = Choice::new(scope);
        let written = written(&path, &head, |image| choice.read(group.state(), image))?;
        Ok(Self {
            group,
            head,
            choice,
            path,
            written,
        })
    }

    /// Lays over the rows what the log changed up to a moment.
    fn complete(self, end: &Head) -> io::Result<Captured> {
        let Self {
            group,
            head,
            mut choice,
            path,
            mut written,
        } = self;
        if head != *end {
            let from = head.applied.map_or(0, |applied| applied.index + 1);
            let to = end.applied.map_or(0, |applied| applied.index + 1);
            let mut tail = Tail::behind(head);
            group.log().each(from..to, |entry| Ok(tail.push(entry)?))?;
            debug_assert_eq!(tail.head(), end, "the log is what moved the head");
            choice.extend(&tail);
            tail.retain(|key, value| choice.wants(key, value));
            let draft = path.with_extension("draft");
            fs::rename(&path, &draft)?;
            let rows = ImageReader::open(Image::File(draft.clone()).read()?)?.rows();
            written = self::written(&path, end, |image| {
                for row in tail.over(rows) {
                    let (key, value) = row?;
                    image.push(&key, &value)?;
                }
                Ok(())
            })?;
            fs::remove_file(&draft)?;
        }
        let Written { rows, bytes, sha256 } = written;
        Ok(Captured {
            group: group.number(),
            path,
            applied: end.applied,
            rows,
            bytes,
            sha256,
        })
    }
}

/// Which rows of a group are copied.
struct Choice {
    scope: Scope,
    /// The actors of the tenant in this group.
    actors: BTreeSet<ActorHash>,
}

type ImageFile = ImageWriter<BufWriter<Summed>>;

impl Choice {
    fn new(scope: Scope) -> Self {
        Self {
            scope,
            actors: BTreeSet::new(),
        }
    }

    /// Reads the rows of the choice in key order.
    fn read(&mut self, state: &ShardState, image: &mut ImageFile) -> io::Result<()> {
        match &self.scope {
            Scope::Node => image.scan(state, keyspace::everything()),
            Scope::Actor { hash, entry } => {
                image.scan(state, keyspace::actor(*hash))?;
                match state.get(entry)? {
                    Some(value) => image.push(entry, &value),
                    None => Ok(()),
                }
            }
            Scope::Tenant(tenant) => {
                let read = |range, limit| state.scan(range, false, limit);
                let listed = paging::of_tenant(&read, tenant)?;
                let mut actors: BTreeMap<_, _> = unlisted(&read)?.into_iter().map(|hash| (hash, false)).collect();
                actors.extend(listed.iter().filter_map(|(_, hash)| Some((hash_of(hash)?, true))));
                for (hash, is_listed) in actors {
                    if is_listed {
                        self.actors.insert(hash);
                        image.scan(state, keyspace::actor(hash))?;
                    } else {
                        image.scan(state, keyspace::inboxes(hash))?;
                    }
                }
                paging::each(&read, keyspace::outbox_after(None), &mut |key, value| {
                    if is_for(&value, tenant) {
                        image.push(&key, &value)?;
                    }
                    Ok(())
                })?;
                listed.iter().try_for_each(|(key, value)| image.push(key, value))
            }
        }
    }

    /// Adds the actors that a tail made.
    fn extend(&mut self, tail: &Tail) {
        if let Scope::Tenant(tenant) = &self.scope {
            let made = tail.written().filter(|(key, _)| is_listing(key, tenant));
            self.actors.extend(made.filter_map(|(_, hash)| hash_of(hash)));
        }
    }

    fn wants(&self, key: &Bytes, value: Option<&Bytes>) -> bool {
        match &self.scope {
            Scope::Node => true,
            Scope::Actor { hash, entry } => key == entry || ActorRow::parse(key).is_some_and(|row| row.hash == *hash),
            Scope::Tenant(tenant) => match ActorRow::parse(key) {
                Some(row) => row.is_inbox() || self.actors.contains(&row.hash),
                None if keyspace::parse_outbox(key).is_some() => value.is_none_or(|value| is_for(value, tenant)),
                None => is_listing(key, tenant),
            },
        }
    }
}

/// Actors of all tenants that store nothing. Some may have taken a message that is still on its way, and what they have
/// taken tells; whose they are, it does not.
fn unlisted(read: paging::Read<'_>) -> io::Result<Vec<ActorHash>> {
    let mut found = Vec::new();
    paging::each(read, keyspace::all_unlisted(), &mut |key, _| {
        found.extend(keyspace::parse_unlisted(&key));
        Ok(())
    })?;
    Ok(found)
}

fn hash_of(entry: &Bytes) -> Option<ActorHash> {
    Some(ActorHash(entry[..].try_into().ok()?))
}

fn is_for(envelope: &Bytes, tenant: &TenantId) -> bool {
    Envelope::decode(envelope).is_some_and(|envelope| envelope.target.tenant() == tenant)
}

fn is_listing(key: &Bytes, tenant: &TenantId) -> bool {
    keyspace::parse_directory(key).is_some_and(|(_, of, _)| of == tenant.as_str())
}

/// What was written to a file.
struct Written {
    rows: u64,
    bytes: u64,
    sha256: [u8; 32],
}

/// Writes an image to a new file and syncs it.
fn written(path: &Path, head: &Head, fill: impl FnOnce(&mut ImageFile) -> io::Result<()>) -> io::Result<Written> {
    let file = Summed {
        file: File::create_new(path)?,
        sum: Sha256::new(),
        bytes: 0,
    };
    let mut image = ImageWriter::begin(BufWriter::with_capacity(BUFFER, file), &codec::head(head))?;
    fill(&mut image)?;
    let (out, rows) = image.finish()?;
    let Summed { file, sum, bytes } = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(Written {
        rows,
        bytes,
        sha256: sum.finalize().into(),
    })
}

/// A file that knows the sum of what was written to it.
struct Summed {
    file: File,
    sum: Sha256,
    bytes: u64,
}

impl Write for Summed {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let written = self.file.write(part)?;
        self.sum.update(&part[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
