//! A look at the data directory of a stopped node.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::codec::{self, Head};
use super::directory::{self, DataDirectory};
use super::engine::OpenError;
use super::log::{FjallLog, Loaded, LogDisk, Marks};
use super::machine::HEAD;
use super::tail::Tail;
use crate::keyspace;
use crate::store::{Image, ImageError, ImageReader, Images, Row, StateDisk, StateTrust, Tree};
use crate::{Finding, Severity, Verification, VerifiedGroup};

/// Bytes of log read at once.
const READ_BYTES: usize = 1 << 20;
/// Rows of the state read at once.
const PAGE: usize = 256;
/// Differences of one group that are described; all are counted.
const DESCRIBED: u64 = 100;
/// Bytes of a key that are shown.
const SHOWN: usize = 48;

/// Checks everything against everything else.
pub(crate) fn verify(path: &Path, scratch: &Path, told: &dyn Fn(usize, usize)) -> Result<Verification, OpenError> {
    let (directory, shards) = DataDirectory::look(path)?;
    let scratch = Scratch::new(scratch).map_err(|source| OpenError::Directory {
        path: scratch.to_owned(),
        source,
    })?;
    let mut found = Verification::default();
    let marks = match Marks::on_disk(directory.marks()) {
        Ok(marks) => Some(marks),
        Err(error) => {
            found.add(Severity::Lost, None, &directory.marks(), error.to_string());
            None
        }
    };
    let log = scratch.copy(&directory.log())?;
    let log = whole(|| FjallLog::open(&log, Arc::new(drop)));
    if let Err(error) = &log {
        found.add(Severity::Lost, None, &directory.log(), error.to_string());
    }
    let state = state(path, &directory, &scratch, &mut found)?;
    let view = View {
        directory: &directory,
        marks,
        log: log.ok(),
        state,
    };
    let groups = usize::from(shards) + 1;
    for group in 0..=u32::from(shards) {
        let shard = group.checked_sub(1).and_then(|shard| u16::try_from(shard).ok());
        let mut verified = VerifiedGroup {
            shard,
            ..VerifiedGroup::default()
        };
        view.check(group, &mut verified, &mut found);
        found.groups.push(verified);
        told(found.groups.len(), groups);
    }
    if let Some(log) = view.log {
        log.close();
    }
    Ok(found)
}

impl Verification {
    fn add(&mut self, severity: Severity, shard: Option<u16>, path: &Path, text: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            shard,
            path: path.to_owned(),
            text: text.into(),
        });
    }
}

/// Runs what may panic on files that are damaged.
pub(super) fn whole<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::InvalidData, "it cannot be read at all")))
}

/// The state, if it is there and opens.
fn state(
    path: &Path,
    directory: &DataDirectory,
    scratch: &Scratch,
    found: &mut Verification,
) -> Result<Option<StateDisk>, OpenError> {
    let trust = StateTrust::of(path, &directory::boot()).map_err(OpenError::State)?;
    match trust {
        StateTrust::Absent => {
            found.add(
                Severity::Note,
                None,
                &directory.state(),
                "it is missing, the next start rebuilds it",
            );
            return Ok(None);
        }
        StateTrust::Untrusted => {
            let text = "it is damaged, or was not closed before the machine stopped: the next start rebuilds it";
            found.add(Severity::Note, None, &directory.state(), text);
            return Ok(None);
        }
        StateTrust::Trusted => {}
    }
    let copy = scratch.copy(&directory.state())?;
    match whole(|| StateDisk::look(&copy)) {
        Ok(state) => Ok(Some(state)),
        Err(error) => {
            let text = format!("it does not open, the next start rebuilds it: {error}");
            found.add(Severity::Note, None, &directory.state(), text);
            Ok(None)
        }
    }
}

/// What there is to look at.
struct View<'a> {
    directory: &'a DataDirectory,
    marks: Option<Marks>,
    log: Option<FjallLog>,
    state: Option<StateDisk>,
}

impl View<'_> {
    fn check(&self, group: u32, verified: &mut VerifiedGroup, found: &mut Verification) {
        let shard = verified.shard;
        let (log_path, state_path) = (self.directory.log(), self.directory.state());
        let loaded = self.log.as_ref().and_then(|log| match whole(|| log.load(group)) {
            Ok(loaded) => Some(loaded),
            Err(error) => {
                found.add(Severity::Lost, shard, &log_path, error.to_string());
                None
            }
        });
        if let (Some(loaded), Some(marks)) = (&loaded, &self.marks)
            && let Err(error) = marks.check(group, end(loaded))
        {
            found.add(Severity::Lost, shard, &log_path, error.to_string());
        }
        let image = match self.image(group) {
            Ok(image) => image,
            Err((path, error)) => {
                found.add(Severity::Lost, shard, &path, error.to_string());
                return;
            }
        };
        verified.snapshot_rows = image.as_ref().map(|image| image.rows);
        let Some(loaded) = loaded else { return };
        verified.entries = loaded.sizes.len() as u64;
        let head = image.as_ref().map(|image| image.head.clone()).unwrap_or_default();
        if next(&head) < first(&loaded) {
            let text = format!(
                "group {group} has no snapshot for its log before entry {}",
                first(&loaded)
            );
            return found.add(Severity::Lost, shard, &log_path, text);
        }
        let Some(log) = &self.log else { return };
        let mut expected = match expected(log, group, image, &loaded) {
            Ok(expected) => expected,
            Err(error) => return found.add(Severity::Lost, shard, &log_path, error.to_string()),
        };
        let state = self.state.as_ref().map(|state| self.rows(state, group, log, &loaded));
        match state {
            Some(Ok(Some(rows))) => self.compare(&mut expected, rows, verified, found),
            // The state is behind the log, or was never begun: the snapshot replaces it.
            Some(Ok(None)) => {
                let text = "it is behind the log, the next start replaces it by the snapshot";
                found.add(Severity::Note, shard, &state_path, text);
                count(&mut expected, verified, found, &log_path);
            }
            Some(Err(error)) => {
                found.add(Severity::Wrong, shard, &state_path, error.to_string());
                count(&mut expected, verified, found, &log_path);
            }
            None => count(&mut expected, verified, found, &log_path),
        }
    }

    fn image(&self, group: u32) -> Result<Option<Snapshot>, (PathBuf, io::Error)> {
        let directory = self.directory.snapshots();
        let image = Images::Disk(directory.clone())
            .current(group)
            .map_err(|error| (directory, error))?;
        let Some(image) = image else { return Ok(None) };
        let read = || {
            let reader = ImageReader::open(image.read()?)?;
            let head = codec::read_head(reader.head().clone())?;
            let mut rows = 0;
            for row in reader.rows() {
                row?;
                rows += 1;
            }
            Ok((head, rows))
        };
        let (head, rows) = read().map_err(|error| (image.path(), error))?;
        Ok(Some(Snapshot { image, head, rows }))
    }

    /// The rows of the state as they will be at the end of the log; `None` if the log does not reach back to them.
    fn rows(&self, state: &StateDisk, group: u32, log: &FjallLog, loaded: &Loaded) -> io::Result<Option<Rows>> {
        let tree = whole(|| state.tree(group))?;
        let head = whole(|| tree.get(HEAD))?
            .map(codec::read_head)
            .transpose()?
            .unwrap_or_default();
        if next(&head) > end(loaded) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is at entry {}, where the log does not reach", next(&head) - 1),
            ));
        }
        if next(&head) < first(loaded) {
            return Ok(None);
        }
        let rows = pages(tree);
        Ok(Some(Box::new(tail(log, group, head, loaded)?.over(rows))))
    }

    fn compare(&self, expected: &mut Rows, rows: Rows, verified: &mut VerifiedGroup, found: &mut Verification) {
        let (mut rows, path, shard) = (rows.peekable(), self.directory.state(), verified.shard);
        let (mut count, mut differences) = (0, 0);
        let mut differ = |text: &dyn Fn() -> String, found: &mut Verification| {
            differences += 1;
            if differences <= DESCRIBED {
                found.add(Severity::Wrong, shard, &path, text());
            }
        };
        for wanted in expected {
            let (key, value) = match wanted {
                Ok(row) => row,
                Err(error) => return found.add(Severity::Lost, shard, &self.directory.snapshots(), error.to_string()),
            };
            count += 1;
            while let Some(extra) = rows.next_if(|row| row.as_ref().is_ok_and(|row| row.0 < key)) {
                if let Ok((key, _)) = extra {
                    differ(&|| format!("row {} should not be there", shown(&key)), found);
                }
            }
            match rows.next_if(|row| row.as_ref().map_or(true, |row| row.0 == key)) {
                Some(Ok((_, present))) if present == value => {}
                Some(Ok(_)) => differ(&|| format!("row {} has another value", shown(&key)), found),
                Some(Err(error)) => {
                    found.add(Severity::Wrong, shard, &path, error.to_string());
                    return;
                }
                None => differ(&|| format!("row {} is missing", shown(&key)), found),
            }
        }
        for extra in rows {
            match extra {
                Ok((key, _)) => differ(&|| format!("row {} should not be there", shown(&key)), found),
                Err(error) => return found.add(Severity::Wrong, shard, &path, error.to_string()),
            }
        }
        verified.rows = Some(count);
        verified.differences = Some(differences);
        if differences > DESCRIBED {
            let text = format!("{} more rows differ", differences - DESCRIBED);
            found.add(Severity::Wrong, shard, &path, text);
        }
    }
}

type Rows = Box<dyn Iterator<Item = io::Result<Row>>>;

struct Snapshot {
    image: Image,
    head: Head,
    rows: u64,
}

fn count(expected: &mut Rows, verified: &mut VerifiedGroup, found: &mut Verification, path: &Path) {
    let mut rows = 0;
    for row in expected {
        match row {
            Ok(_) => rows += 1,
            Err(error) => return found.add(Severity::Lost, verified.shard, path, error.to_string()),
        }
    }
    verified.rows = Some(rows);
}

/// The first index that is, or was, in a log behind its purge point.
pub(super) fn first(loaded: &Loaded) -> u64 {
    loaded
        .first
        .unwrap_or_else(|| loaded.purged.map_or(0, |purged| purged.index + 1))
}

pub(super) fn end(loaded: &Loaded) -> u64 {
    loaded.last.or(loaded.purged).map_or(0, |last| last.index + 1)
}

pub(super) fn next(head: &Head) -> u64 {
    head.applied.map_or(0, |applied| applied.index + 1)
}

/// What the log changes behind a head.
pub(super) fn tail(log: &FjallLog, group: u32, head: Head, loaded: &Loaded) -> io::Result<Tail> {
    let mut rest = next(&head)..end(loaded);
    let mut tail = Tail::behind(head);
    while !rest.is_empty() {
        let entries = log.read(group, rest.clone(), READ_BYTES)?;
        if entries.is_empty() {
            let text = format!("entry {} of group {group} is missing", rest.start);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        rest.start += entries.len() as u64;
        for entry in entries {
            tail.push(entry)?;
        }
    }
    Ok(tail)
}

/// The rows that snapshot and log make.
fn expected(log: &FjallLog, group: u32, image: Option<Snapshot>, loaded: &Loaded) -> io::Result<Rows> {
    let Some(Snapshot { image, head, .. }) = image else {
        return Ok(Box::new(
            tail(log, group, Head::default(), loaded)?.over(std::iter::empty()),
        ));
    };
    let rows = ImageReader::open(image.read()?).map_err(io::Error::from)?.rows();
    let rows = rows.map(|row: Result<Row, ImageError>| row.map_err(io::Error::from));
    Ok(Box::new(tail(log, group, head, loaded)?.over(rows)))
}

/// The rows of a tree, but for those of the engine itself.
fn pages(tree: Arc<dyn Tree>) -> impl Iterator<Item = io::Result<Row>> {
    let mut rest = Some(keyspace::everything());
    let mut page = Vec::new().into_iter();
    std::iter::from_fn(move || {
        loop {
            if let Some(row) = page.next() {
                return Some(Ok(row));
            }
            let range = rest.take()?;
            match whole(|| tree.page(&range, false, PAGE)) {
                Ok(rows) => {
                    rest = rows.last().map(|(key, _)| (Bound::Excluded(key.clone()), range.1));
                    page = rows.into_iter();
                }
                Err(error) => return Some(Err(error)),
            }
        }
    })
}

fn shown(key: &Bytes) -> String {
    let digits = key
        .iter()
        .take(SHOWN)
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    if key.len() > SHOWN {
        format!("{digits}…")
    } else {
        digits
    }
}

/// A directory for copies, which goes when it is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        fs::create_dir(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Copies a directory; one that is missing becomes an empty one.
    pub(super) fn copy(&self, from: &Path) -> Result<PathBuf, OpenError> {
        let to = self.0.join(from.file_name().unwrap_or_default());
        match copy(from, &to) {
            Ok(()) => Ok(to),
            Err(source) => Err(OpenError::Directory {
                path: from.to_owned(),
                source,
            }),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "failed to remove copies");
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            io::copy(&mut File::open(entry.path())?, &mut File::create_new(to)?)?;
        }
    }
    Ok(())
}
