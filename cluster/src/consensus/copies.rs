//! What the owner of a group gives to whoever copies it: its rows, its log, and a moment of rest.
//!
//! Rows and log are given in pages, and nothing is kept between two of them: a page says how far the state was before it
//! was read, so that whoever copies can lay the log behind that over the rows. So a copy that was begun with one owner goes
//! on with the next.
//!
//! A rest is kept here. It ends when it is told to, and by itself after a while: a node that copies may die.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use super::codec;
use super::group::Group;
use crate::shard::{Epoch, Shard, is_confirmed};
use crate::store::{Row, ShardState};

/// Bytes of rows after which a page is full.
const ROWS: usize = 1 << 20;

/// Rows that are read at first: each may have megabytes.
const FEW: usize = 4;

/// Rows that are read at once where they turn out to be small.
const MANY: usize = 256;

/// Most bytes of log in one answer.
const PIECE: usize = 4 << 20;

/// How long a group may take to come to rest: what is on its way must get through.
const SETTLE: Duration = Duration::from_millis(500);

/// Longest rest.
const REST: Duration = Duration::from_secs(1);

/// How long a majority may take to say that the owner was one until the rest ended.
const CONFIRM: Duration = Duration::from_millis(500);

/// A range of keys on its way.
pub(crate) type Span = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// What the owner of a group is asked. A new variant comes last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Asked {
    /// Rows of ranges, one range after another, at most so many.
    Rows { spans: Vec<Span>, limit: usize },
    /// Applied entries from an index on; of their bytes those behind an offset.
    Log { from: u64, offset: usize },
    /// That the group rests, under a token.
    Rest { token: u64 },
    /// That it goes on.
    GoOn { token: u64 },
}

/// What it answers. A new variant comes last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Given {
    /// The content is rows.
    Rows {
        /// How far the state was before the first row was read.
        head: Vec<u8>,
        /// The ownership under which they were read.
        epoch: Epoch,
        /// How many of the ranges are through.
        done: usize,
        /// The last row, if the next range goes on behind it.
        after: Option<Vec<u8>>,
    },
    /// The content is entries, or a part of them that so many bytes follow.
    Log { left: usize },
    /// The log begins later.
    Gone,
    /// The group rests; this is how far its state is.
    Resting { head: Vec<u8> },
    /// Whether it had rested until now, as the group of its owner.
    WentOn(bool),
    /// It does not come to rest, or has had this rest.
    Restless,
}

/// The groups of a node, for those who copy them.
pub(crate) struct Copies {
    /// By number.
    groups: Vec<Arc<Group>>,
    /// The last rest of each group.
    rests: Arc<Mutex<BTreeMap<u32, Rest>>>,
}

struct Rest {
    token: u64,
    /// Gone when it ended.
    hold: Option<(OwnedSemaphorePermit, Epoch)>,
}

impl Copies {
    pub(super) fn new(groups: Vec<Arc<Group>>) -> Self {
        Self {
            groups,
            rests: Arc::default(),
        }
    }

    /// Answers as the owner of a group; `None` if this node is not.
    pub(crate) async fn serve(&self, number: u32, asked: Asked) -> Option<io::Result<(Given, Bytes)>> {
        let group = self.groups.get(usize::try_from(number).ok()?)?;
        let epoch = owned(group)?;
        let given = match asked {
            Asked::Rows { spans, limit } => {
                let group = Arc::clone(group);
                blocking(move || rows(&group, epoch, spans, limit)).await
            }
            Asked::Log { from, offset } => {
                let group = Arc::clone(group);
                blocking(move || log(&group, from, offset)).await
            }
            Asked::Rest { token } => return self.rest(number, group, epoch, token).await,
            Asked::GoOn { token } => return Some(Ok((self.go_on(number, group, token).await, Bytes::new()))),
        };
        // Another owner may have written meanwhile.
        let is_owner = is_confirmed(&**group, epoch).await && owned(group) == Some(epoch);
        is_owner.then_some(given)
    }

    async fn rest(&self, number: u32, group: &Group, epoch: Epoch, token: u64) -> Option<io::Result<(Given, Bytes)>> {
        let restless = Some(Ok((Given::Restless, Bytes::new())));
        if self.rests.lock().get(&number).is_some_and(|last| last.token == token) {
            return restless;
        }
        let Ok(permit) = tokio::time::timeout(SETTLE, group.rest()).await else {
            return restless;
        };
        let head = match group.head() {
            Ok(head) => codec::head(&head),
            Err(error) => return Some(Err(error)),
        };
        if owned(group) != Some(epoch) {
            return None;
        }
        let hold = Some((permit, epoch));
        self.rests.lock().insert(number, Rest { token, hold });
        let rests = Arc::clone(&self.rests);
        tokio::spawn(async move {
            tokio::time::sleep(REST).await;
            end(&rests, number, token);
        });
        Some(Ok((Given::Resting { head }, Bytes::new())))
    }

    async fn go_on(&self, number: u32, group: &Group, token: u64) -> Given {
        let Some((permit, epoch)) = end(&self.rests, number, token) else {
            return Given::WentOn(false);
        };
        let confirmed = tokio::time::timeout(CONFIRM, is_confirmed(group, epoch)).await;
        let rested = confirmed.unwrap_or(false) && owned(group) == Some(epoch);
        drop(permit);
        Given::WentOn(rested)
    }
}

impl std::fmt::Debug for Copies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copies").finish_non_exhaustive()
    }
}

/// Ends a rest, if it lasts.
fn end(rests: &Mutex<BTreeMap<u32, Rest>>, number: u32, token: u64) -> Option<(OwnedSemaphorePermit, Epoch)> {
    let mut rests = rests.lock();
    let rest = rests.get_mut(&number).filter(|rest| rest.token == token)?;
    rest.hold.take()
}

fn owned(group: &Group) -> Option<Epoch> {
    *group.ownership().borrow()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn rows(group: &Group, epoch: Epoch, spans: Vec<Span>, limit: usize) -> io::Result<(Given, Bytes)> {
    let head = codec::head(&group.head()?);
    let mut page = Page {
        bytes: Vec::new(),
        left: limit,
    };
    let (mut done, mut after) = (0, None);
    for (from, to) in spans {
        let range = (from.map(Bytes::from), to.map(Bytes::from));
        after = page.fill(group.state(), range)?;
        if after.is_some() {
            break;
        }
        done += 1;
    }
    let given = Given::Rows {
        head,
        epoch,
        done,
        after: after.map(|key| key.to_vec()),
    };
    Ok((given, page.bytes.into()))
}

struct Page {
    bytes: Vec<u8>,
    /// How many more rows.
    left: usize,
}

impl Page {
    /// Adds the rows of a range; the last one if the page is full before the range ends.
    fn fill(&mut self, state: &ShardState, range: (Bound<Bytes>, Bound<Bytes>)) -> io::Result<Option<Bytes>> {
        let (mut from, to) = range;
        let mut wanted = FEW;
        loop {
            let read = state.scan((from, to.clone()), false, wanted.min(self.left.max(1)))?;
            let Some((last, _)) = read.last() else { return Ok(None) };
            from = Bound::Excluded(last.clone());
            for (key, value) in &read {
                codec::put_bytes(&mut self.bytes, key);
                codec::put_bytes(&mut self.bytes, value);
                self.left = self.left.saturating_sub(1);
                if self.left == 0 || self.bytes.len() >= ROWS {
                    return Ok(Some(key.clone()));
                }
            }
            wanted = (wanted * 2).min(MANY);
        }
    }
}

/// Takes rows apart that an owner gave.
pub(super) fn read_rows(mut content: Bytes) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    while !content.is_empty() {
        rows.push((codec::take_bytes(&mut content)?, codec::take_bytes(&mut content)?));
    }
    Ok(rows)
}

fn log(group: &Group, from: u64, offset: usize) -> io::Result<(Given, Bytes)> {
    // The log may reach further than what is agreed.
    let end = group.head()?.applied.map_or(0, |applied| applied.index + 1);
    if from >= end {
        return Ok((Given::Log { left: 0 }, Bytes::new()));
    }
    let Some(entries) = group.log().page(from..end)? else {
        return Ok((Given::Gone, Bytes::new()));
    };
    let mut bytes = Vec::new();
    for entry in &entries {
        codec::put_bytes(&mut bytes, &codec::entry(entry));
    }
    let bytes = Bytes::from(bytes);
    let begin = offset.min(bytes.len());
    let stop = (begin + PIECE).min(bytes.len());
    let left = bytes.len() - stop;
    Ok((Given::Log { left }, bytes.slice(begin..stop)))
}

/// Takes the whole entries apart that an owner gave; what is behind them is left out.
pub(super) fn read_log(mut content: Bytes) -> Vec<Bytes> {
    let mut entries = Vec::new();
    while let Ok(entry) = codec::take_bytes(&mut content) {
        entries.push(entry);
    }
    entries
}
