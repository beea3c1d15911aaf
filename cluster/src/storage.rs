//! The storage of one actor, as one turn sees it.

mod key;

use std::{collections::BTreeMap, fmt, ops::Bound, sync::Arc};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

pub use self::key::{Key, Keys};
use crate::{
    ActorError, Bounds, Result,
    alarm::AlarmState,
    gate::Gate,
    id::ActorHash,
    keyspace::{self, KeyRange},
    shard::Shard,
    wire::{self, WireError},
};

/// Generation of an actor that never called `delete_all`.
pub(crate) const FIRST_GENERATION: u32 = 1;

/// Code of the error when the state cannot be read.
pub(crate) const UNREADABLE: &str = "storage.read";

/// The storage of one actor: typed keys over ordered bytes.
///
/// Reads see the writes of this turn and of all earlier ones, durable or not. Writes are buffered and commit with the
/// turn, all or none.
pub struct Storage {
    shard: Arc<dyn Shard>,
    gate: Arc<Gate>,
    bounds: Arc<Bounds>,
    hash: ActorHash,
    /// Generation of the rows; [`delete_all`](Self::delete_all) raises it.
    pub(crate) generation: u32,
    /// The alarm, which `delete_all` removes too.
    pub(crate) alarm: AlarmState,
    /// Whether `delete_all` was called in this turn.
    pub(crate) cleared: bool,
    /// Writes of this turn; `None` removes.
    pub(crate) buffer: BTreeMap<Bytes, Option<Bytes>>,
    /// Bytes this turn writes and sends.
    pub(crate) bytes: usize,
}

/// Which keys a listing returns, and in which order. The ends are suffixes behind the prefix of the [`Keys`], in the
/// order of their UTF-8 bytes; `reverse` does not swap their meaning.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// First key, inclusive.
    pub start: Option<String>,
    /// Key before the first, exclusive: the cursor of a forward listing.
    pub after: Option<String>,
    /// Key behind the last, exclusive: the cursor of a reverse listing.
    pub end: Option<String>,
    /// Descending order.
    pub reverse: bool,
    /// Most rows returned; 0 stands for the bound of a page.
    pub limit: usize,
}

impl Storage {
    pub(crate) fn new(shard: Arc<dyn Shard>, gate: Arc<Gate>, bounds: Arc<Bounds>, hash: ActorHash) -> Self {
        Self {
            shard,
            gate,
            bounds,
            hash,
            generation: FIRST_GENERATION,
            alarm: AlarmState::default(),
            cleared: false,
            buffer: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// `storage.read` if the state cannot be read, `storage.decode` if the value is not a `T`.
    #[expect(clippy::unused_async, reason = "the contract leaves room for reads that wait")]
    pub async fn get<T: DeserializeOwned>(&self, key: &Key<T>) -> Result<Option<T>> {
        let row = keyspace::state(self.hash, self.generation, key.name());
        self.read(&row)?.map(|bytes| decode(key.name(), &bytes)).transpose()
    }

    /// Writes a value with this turn.
    ///
    /// # Errors
    /// `too-large` if key, value or the turn's batch exceeds its bound; `storage.encode` if serde refuses.
    pub fn put<T: Serialize>(&mut self, key: &Key<T>, value: &T) -> Result<()> {
        let row = self.row(key.name())?;
        let bytes = wire::encode(value).map_err(|error| {
            ActorError::internal(
                "storage.encode",
                format!("failed to encode the value of {:?}: {error}", key.name()),
            )
        })?;
        if bytes.len() > self.bounds.value_bytes {
            return Err(ActorError::too_large(
                "too-large",
                format!(
                    "a value of {} bytes exceeds the bound of {}",
                    bytes.len(),
                    self.bounds.value_bytes
                ),
            ));
        }
        self.charge(row.len() + bytes.len())?;
        self.buffer.insert(row, Some(bytes));
        Ok(())
    }

    /// Removes a value with this turn. A key without a value is no error.
    ///
    /// # Errors
    /// `too-large` if the key or the turn's batch exceeds its bound.
    pub fn delete<T>(&mut self, key: &Key<T>) -> Result<()> {
        let row = self.row(key.name())?;
        self.charge(row.len())?;
        self.buffer.insert(row, None);
        Ok(())
    }

    /// Lists a page of the members of a family as (suffix, value).
    ///
    /// # Errors
    /// `too-large` if the limit exceeds the bound of a page; otherwise as [`get`](Self::get).
    #[expect(clippy::unused_async, reason = "the contract leaves room for reads that wait")]
    pub async fn list<T: DeserializeOwned>(&self, keys: &Keys<T>, list: List) -> Result<Vec<(String, T)>> {
        let limit = page(list.limit, self.bounds.list_page)?;
        let Some(range) = self.range(keys.prefix(), &list) else {
            return Ok(Vec::new());
        };
        let rows = self.rows(&range, list.reverse, limit)?;
        let cut = keyspace::STATE_PREFIX + keys.prefix().len();
        let read = |(key, value): (Bytes, Bytes)| {
            let suffix = std::str::from_utf8(&key[cut..])
                .map_err(|_| ActorError::internal("storage.decode", "a stored key is not UTF-8"))?;
            Ok((suffix.to_owned(), decode(suffix, &value)?))
        };
        if list.reverse {
            rows.into_iter().rev().take(limit).map(read).collect()
        } else {
            rows.into_iter().take(limit).map(read).collect()
        }
    }

    /// Runs `work` and undoes its writes if it fails, or is dropped half-way. Fields of the actor are not rolled back.
    ///
    /// # Errors
    /// Whatever `work` returns.
    pub async fn transaction<R>(&mut self, work: impl AsyncFnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let before = Before {
            buffer: self.buffer.clone(),
            generation: self.generation,
            alarm: self.alarm,
            cleared: self.cleared,
            bytes: self.bytes,
        };
        let mut rollback = Rollback {
            storage: self,
            before: Some(before),
        };
        let result = work(rollback.storage).await;
        if result.is_ok() {
            rollback.before = None;
        }
        result
    }

    /// Removes everything the actor stored, and its alarm. The space is collected in the background.
    ///
    /// # Errors
    /// `storage.generations` after four thousand million calls.
    pub fn delete_all(&mut self) -> Result<()> {
        if !self.cleared {
            self.generation = self.generation.checked_add(1).ok_or_else(|| {
                ActorError::internal("storage.generations", "the generations of this actor are used up")
            })?;
        }
        self.cleared = true;
        self.buffer.clear();
        self.alarm.clear();
        Ok(())
    }

    /// Whether the turn has changed nothing.
    pub(crate) fn is_clean(&self) -> bool {
        self.buffer.is_empty() && !self.cleared && self.alarm.is_clean()
    }

    /// Reads a row through the writes of this turn and those on their way.
    pub(crate) fn read(&self, row: &[u8]) -> Result<Option<Bytes>> {
        match self.buffer.get(row) {
            Some(value) => Ok(value.clone()),
            None => current(&*self.shard, &self.gate, row),
        }
    }

    /// Rows of a range through the writes of this turn and those on their way: at least the first `limit` of them, or the
    /// last if `reverse`.
    fn rows(&self, range: &KeyRange, reverse: bool, limit: usize) -> Result<BTreeMap<Bytes, Bytes>> {
        let mut changes = self.gate.pending_range(range);
        changes.extend(
            self.buffer
                .range(range.clone())
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        // Each change hides at most one applied row, so this many applied rows always suffice.
        let applied = self
            .shard
            .scan(range.clone(), reverse, limit.saturating_add(changes.len()))
            .map_err(unreadable)?;
        let mut rows: BTreeMap<Bytes, Bytes> = applied.into_iter().collect();
        for (key, value) in changes {
            match value {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
        Ok(rows)
    }

    /// The first row of a range, or the last if `reverse`.
    pub(crate) fn edge(&self, range: &KeyRange, reverse: bool) -> Result<Option<Bytes>> {
        let rows = self.rows(range, reverse, 1)?;
        let edge = if reverse {
            rows.last_key_value()
        } else {
            rows.first_key_value()
        };
        Ok(edge.map(|(row, _)| row.clone()))
    }

    /// The keys of a range, but for what this turn writes.
    pub(crate) fn keys(&self, range: &KeyRange) -> Result<Vec<Bytes>> {
        Ok(self.rows(range, false, usize::MAX)?.into_keys().collect())
    }

    /// Place of the actor in the keyspace.
    pub(crate) fn hash(&self) -> ActorHash {
        self.hash
    }

    /// Counts bytes against the bound of the turn.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<()> {
        let total = self.bytes + bytes;
        if total > self.bounds.turn_bytes {
            return Err(ActorError::too_large(
                "too-large",
                format!(
                    "a turn of {total} bytes exceeds the bound of {}",
                    self.bounds.turn_bytes
                ),
            ));
        }
        self.bytes = total;
        Ok(())
    }

    fn row(&self, key: &str) -> Result<Bytes> {
        if key.len() > self.bounds.key_bytes {
            return Err(ActorError::too_large(
                "too-large",
                format!(
                    "a key of {} bytes exceeds the bound of {}",
                    key.len(),
                    self.bounds.key_bytes
                ),
            ));
        }
        Ok(keyspace::state(self.hash, self.generation, key))
    }

    /// The rows a listing covers; `None` if its ends leave nothing.
    fn range(&self, prefix: &str, list: &List) -> Option<KeyRange> {
        let row = |suffix: &str| keyspace::state(self.hash, self.generation, &format!("{prefix}{suffix}"));
        let (first, last) = keyspace::under(row(""));
        let start = match (&list.start, &list.after) {
            (None, None) => first,
            (Some(start), None) => Bound::Included(row(start)),
            (None, Some(after)) => Bound::Excluded(row(after)),
            (Some(start), Some(after)) if start > after => Bound::Included(row(start)),
            (Some(_), Some(after)) => Bound::Excluded(row(after)),
        };
        let end = list.end.as_deref().map_or(last, |end| Bound::Excluded(row(end)));
        let empty = match (&start, &end) {
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) => a >= b,
            (Bound::Included(_) | Bound::Excluded(_) | Bound::Unbounded, _) => false,
        };
        (!empty).then_some((start, end))
    }
}

/// Undoes the writes of a transaction unless it has succeeded.
struct Rollback<'a> {
    storage: &'a mut Storage,
    before: Option<Before>,
}

/// What a transaction may change.
struct Before {
    buffer: BTreeMap<Bytes, Option<Bytes>>,
    generation: u32,
    alarm: AlarmState,
    cleared: bool,
    bytes: usize,
}

impl Drop for Rollback<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            let Before {
                buffer,
                generation,
                alarm,
                cleared,
                bytes,
            } = before;
            self.storage.buffer = buffer;
            self.storage.generation = generation;
            self.storage.alarm = alarm;
            self.storage.cleared = cleared;
            self.storage.bytes = bytes;
        }
    }
}

/// The limit of a page: 0 stands for the bound.
pub(crate) fn page(limit: usize, bound: usize) -> Result<usize> {
    match limit {
        0 => Ok(bound),
        limit if limit <= bound => Ok(limit),
        limit => Err(ActorError::too_large(
            "too-large",
            format!("a page of {limit} exceeds the bound of {bound}"),
        )),
    }
}

/// Reads a row through the writes of an actor that are on their way.
pub(crate) fn current(shard: &dyn Shard, gate: &Gate, row: &[u8]) -> Result<Option<Bytes>> {
    // A batch stops being pending only after it is applied, so this order misses nothing.
    match gate.pending(row) {
        Some(value) => Ok(value),
        None => shard.get(row).map_err(unreadable),
    }
}

/// Reads a row that the runtime keeps for itself.
pub(crate) fn stored<T: DeserializeOwned>(storage: &Storage, row: &[u8]) -> Result<Option<T>> {
    storage
        .read(row)?
        .map(|bytes| decode("a row of the runtime", &bytes))
        .transpose()
}

/// Encodes a row that the runtime keeps for itself.
pub(crate) fn encoded<T: Serialize>(row: &T) -> Bytes {
    wire::encode(row).expect("rows of the runtime are plain integers and strings")
}

pub(crate) fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T> {
    wire::decode(bytes).map_err(|error| undecodable(key, &error))
}

pub(crate) fn undecodable(key: &str, error: &WireError) -> ActorError {
    ActorError::internal("storage.decode", format!("failed to read {key:?}: {error}"))
}

pub(crate) fn unreadable(error: std::io::Error) -> ActorError {
    tracing::error!(%error, "failed to read actor storage");
    ActorError::internal(UNREADABLE, "failed to read actor storage")
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("generation", &self.generation)
            .field("buffered", &self.buffer.len())
            .finish()
    }
}
