//! The copy of one group: its rows as they were while they were read, and its log since.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::choice::Choice;
use super::image::{Writing, Written};
use super::pages::{self, Pages, unexpected};
use super::{Captured, Result, Scope, Source, read_head};
use crate::consensus::codec::{self, Head};
use crate::consensus::copies::{Asked, Given, read_log};
use crate::consensus::tail::Tail;
use crate::consensus::types::Entry;
use crate::keyspace::KeyRange;
use crate::store::{Image, ImageReader, Row};
use crate::{ActorError, TenantId};

/// Bytes of log after which it is taken for one that still grows.
const PAGE: usize = 1 << 20;

/// Memory for changes that are laid over the rows at once. A longer log is laid over them part by part.
const CHANGES: usize = 64 << 20;

/// The copy of one group that is not complete yet.
pub(super) struct Copy {
    source: Arc<dyn Source>,
    group: u32,
    /// Where the group was before the first row was read.
    head: Head,
    choice: Choice,
    files: Files,
    drafted: Written,
    /// The first entry that was not fetched.
    next: u64,
}

/// What a copy is written to.
#[derive(Clone)]
struct Files {
    /// What it becomes.
    image: PathBuf,
    /// The rows.
    draft: PathBuf,
    /// Entries of the log.
    log: PathBuf,
}

impl Files {
    fn of(group: u32, folder: &Path) -> Self {
        let name = match group.checked_sub(1) {
            Some(shard) => format!("shard-{shard:03}.image"),
            None => "meta.image".to_owned(),
        };
        let image = folder.join(name);
        Self {
            draft: image.with_extension("draft"),
            log: image.with_extension("log"),
            image,
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

impl Copy {
    /// Reads the rows of a group.
    pub(super) async fn draft(source: Arc<dyn Source>, group: u32, scope: Scope, folder: &Path) -> Result<Self> {
        let files = Files::of(group, folder);
        let mut choice = Choice::new(scope);
        let mut draft = Drafting::begin(&*source, group, &files).await?;
        choice.read(&mut draft).await?;
        let (head, drafted) = draft.finish().await?;
        Ok(Self {
            source,
            group,
            next: head.applied.map_or(0, |applied| applied.index + 1),
            head,
            choice,
            files,
            drafted,
        })
    }

    pub(super) fn group(&self) -> u32 {
        self.group
    }

    /// Fetches the log, up to an entry or about to its end. Says whether it could: not if it begins later by now.
    pub(super) async fn follow(&mut self, end: Option<u64>) -> Result<bool> {
        while end.is_none_or(|end| self.next <= end) {
            let Some(content) = self.fetch().await? else {
                return Ok(false);
            };
            let (bytes, entries) = (content.len(), read_log(content));
            for entry in &entries {
                let read = codec::read_entry(entry.clone()).map_err(|_| unexpected())?;
                if read.log_id.index != self.next {
                    return Err(unexpected().into());
                }
                self.next += 1;
            }
            let is_last = entries.is_empty() || bytes < PAGE;
            let path = self.files.log.clone();
            blocking(move || append(&path, &entries)).await?;
            if is_last {
                return Ok(end.is_none_or(|end| self.next > end));
            }
        }
        Ok(true)
    }

    /// The next entries, in pieces if they are large.
    async fn fetch(&self) -> Result<Option<Bytes>> {
        let mut content = BytesMut::new();
        loop {
            let asked = Asked::Log {
                from: self.next,
                offset: content.len(),
            };
            match self.source.ask(self.group, asked).await? {
                (Given::Gone, _) => return Ok(None),
                (Given::Log { left }, piece) => {
                    content.extend_from_slice(&piece);
                    if left == 0 || piece.is_empty() {
                        return Ok(Some(content.freeze()));
                    }
                }
                _ => return Err(unexpected().into()),
            }
        }
    }

    /// Lays over the rows what the log changed up to a moment.
    pub(super) async fn complete(self, end: Head) -> Result<Captured> {
        let Self {
            group,
            head,
            choice,
            files,
            drafted,
            ..
        } = self;
        Ok(blocking(move || {
            let applied = end.applied;
            let Written { rows, bytes, sha256 } = if head == end {
                fs::rename(&files.draft, &files.image)?;
                drafted
            } else {
                lay_over(&files, head, end, choice)?
            };
            fs::remove_file(&files.log)?;
            Ok(Captured {
                group,
                path: files.image,
                applied,
                rows,
                bytes,
                sha256,
            })
        })
        .await?)
    }
}

/// Writes the image: the rows of the draft, and over them the log from one head to another.
fn lay_over(files: &Files, head: Head, end: Head, mut choice: Choice) -> io::Result<Written> {
    if choice.grows() {
        let mut tail = Tail::behind(head.clone());
        each(&files.log, &end, |entry| {
            tail.push(entry)?;
            if tail.bytes() >= CHANGES {
                choice.extend(&tail);
                tail = Tail::behind(tail.head().clone());
            }
            Ok(())
        })?;
        choice.extend(&tail);
    }
    let mut tail = Tail::behind(head);
    let mut rows = files.draft.clone();
    let mut parts = 0;
    each(&files.log, &end, |entry| {
        tail.push(entry)?;
        if tail.bytes() >= CHANGES {
            let head = tail.head().clone();
            let part = std::mem::replace(&mut tail, Tail::behind(head.clone()));
            parts += 1;
            let next = files.draft.with_extension(format!("{parts}.draft"));
            merge(&rows, part, &head, &choice, &next)?;
            rows.clone_from(&next);
        }
        Ok(())
    })?;
    if tail.head().applied != end.applied {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the log that was fetched does not lead to the moment of the copy",
        ));
    }
    merge(&rows, tail, &end, &choice, &files.image)
}

/// Lays changes over the rows of a file, which goes.
fn merge(rows: &Path, mut tail: Tail, head: &Head, choice: &Choice, into: &Path) -> io::Result<Written> {
    tail.retain(|key, value| choice.wants(key, value));
    let mut image = Writing::begin(into, head)?;
    for row in tail.over(ImageReader::open(Image::File(rows.to_owned()).read()?)?.rows()) {
        image.push([row?])?;
    }
    let written = image.finish()?;
    fs::remove_file(rows)?;
    Ok(written)
}

fn append(path: &Path, entries: &[Bytes]) -> io::Result<()> {
    let mut log = BufWriter::new(OpenOptions::new().append(true).open(path)?);
    let mut record = Vec::new();
    for entry in entries {
        record.clear();
        codec::put_bytes(&mut record, entry);
        log.write_all(&record)?;
    }
    log.flush()
}

/// Hands out the entries of a file up to that of a head.
fn each(path: &Path, end: &Head, mut hand: impl FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
    let Some(last) = end.applied else { return Ok(()) };
    let mut log = BufReader::new(File::open(path)?);
    let mut length = [0; 4];
    loop {
        match log.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut entry = vec![0; u32::from_be_bytes(length) as usize];
        log.read_exact(&mut entry)?;
        let entry = codec::read_entry(entry.into())?;
        if entry.log_id.index > last.index {
            return Ok(());
        }
        hand(entry)?;
    }
}

/// The rows of a group on their way into a file.
pub(super) struct Drafting<'a> {
    source: &'a dyn Source,
    group: u32,
    head: Head,
    /// `None` only while it is written to.
    writing: Option<Writing>,
}

impl<'a> Drafting<'a> {
    async fn begin(source: &'a dyn Source, group: u32, files: &Files) -> Result<Self> {
        // Where the group is before the first row is read.
        let nothing = Asked::Rows {
            spans: Vec::new(),
            limit: 0,
        };
        let (Given::Rows { head, .. }, _) = source.ask(group, nothing).await? else {
            return Err(unexpected().into());
        };
        let head = read_head(head)?;
        let (files, begun) = (files.clone(), head.clone());
        let writing = blocking(move || {
            File::create(&files.log)?;
            Writing::begin(&files.draft, &begun)
        });
        Ok(Self {
            source,
            group,
            writing: Some(writing.await?),
            head,
        })
    }

    /// Adds the rows of ranges that are wanted.
    pub(super) async fn add(
        &mut self,
        ranges: impl IntoIterator<Item = KeyRange>,
        mut wanted: impl FnMut(&Row) -> bool,
    ) -> Result<()> {
        let mut pages = Pages::new(self.source, self.group, ranges);
        while let Some(mut page) = pages.next().await? {
            if page.head.applied < self.head.applied {
                return Err(ActorError::retryable(
                    "backup.owner",
                    "a node that was replaced took itself for the owner",
                )
                .into());
            }
            page.rows.retain(&mut wanted);
            self.push(page.rows).await?;
        }
        Ok(())
    }

    /// Adds rows.
    pub(super) async fn push(&mut self, rows: Vec<Row>) -> Result<()> {
        let Some(mut writing) = self.writing.take() else {
            return Err(io::Error::other("a file was given up").into());
        };
        let written = blocking(move || {
            writing.push(rows)?;
            Ok(writing)
        });
        self.writing = Some(written.await?);
        Ok(())
    }

    /// Reads the rows of a range.
    pub(super) async fn rows(&self, range: KeyRange) -> Result<Vec<Row>> {
        Ok(pages::rows(self.source, self.group, range).await?)
    }

    /// The entries of a tenant in the directory.
    pub(super) async fn listed(&self, tenant: &TenantId) -> Result<Vec<Row>> {
        Ok(pages::of_tenant(self.source, self.group, tenant).await?)
    }

    async fn finish(self) -> Result<(Head, Written)> {
        let Some(writing) = self.writing else {
            return Err(io::Error::other("a file was given up").into());
        };
        Ok((self.head, blocking(move || writing.finish()).await?))
    }
}
