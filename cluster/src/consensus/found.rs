//! A new data directory from what groups had, whose node is their only voter.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

use super::codec::{self, Head};
use super::directory::DataDirectory;
use super::log::{FjallLog, Job, LogDisk, LogWrite};
use super::types::{LeaderId, LogId, Membership, StoredMembership, Vote};
use crate::peers::NodeId;
use crate::store::{Image, ImageReader, ImageWriter, Row, replace, sync_all};

/// How far the logs begin behind the copy. What happened after the copy used up indexes that ids were made of; none of
/// them must come back with another meaning.
const GAP: u64 = 1 << 32;

const BUFFER: usize = 256 * 1024;

/// Makes a data directory, in a directory that is empty, of a node that is a cluster of its own. Every copy is checked
/// as it is read. All is synced in the end.
pub(crate) fn found(directory: &Path, shards: u16, copies: &[(u32, PathBuf)]) -> io::Result<()> {
    let mut founding = Founding::begin(directory, NodeId::FIRST)?;
    for (group, copy) in copies {
        let reader = ImageReader::open(Image::File(copy.clone()).read()?)?;
        let head = codec::read_head(reader.head().clone())?;
        founding.group(*group, head, reader.rows())?;
    }
    founding.finish(shards)
}

/// A data directory that is being made, of a node that is the only voter of all groups.
pub(super) struct Founding<'a> {
    directory: &'a Path,
    node: NodeId,
    heads: Vec<(u32, LogId)>,
}

impl<'a> Founding<'a> {
    /// Begins in a directory that is empty.
    pub(super) fn begin(directory: &'a Path, node: NodeId) -> io::Result<Self> {
        fs::create_dir(directory.join("snapshots"))?;
        File::create_new(directory.join("lock"))?;
        Ok(Self {
            directory,
            node,
            heads: Vec::new(),
        })
    }

    /// The node whose directory it will be.
    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    /// Writes rows as the snapshot of a group, which was at `head`. Returns how many there are.
    pub(super) fn group<E: Into<io::Error>>(
        &mut self,
        group: u32,
        head: Head,
        rows: impl Iterator<Item = Result<Row, E>>,
    ) -> io::Result<u64> {
        let applied = head.applied.map_or_else(
            || self.id(1, GAP),
            |applied| self.id(applied.leader_id.term + 1, applied.index + GAP),
        );
        let node = self.node.get();
        let membership = Membership::new_with_defaults(vec![[node].into()], [node]);
        let head = Head {
            applied: Some(applied),
            membership: StoredMembership::new(Some(applied), membership),
            ..head
        };
        let path = self.directory.join("snapshots").join(format!("{group:05}"));
        let out = BufWriter::with_capacity(BUFFER, File::create_new(path)?);
        let mut image = ImageWriter::begin(out, &codec::head(&head))?;
        let mut count = 0;
        for row in rows {
            let (key, value) = row.map_err(Into::into)?;
            image.push(&key, &value)?;
            count += 1;
        }
        let (out, _) = image.finish()?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        self.heads.push((group, applied));
        Ok(count)
    }

    /// Writes what belongs to the snapshots, and syncs everything.
    pub(super) fn finish(self, shards: u16) -> io::Result<()> {
        let Self { directory, heads, .. } = self;
        logs(&directory.join("log"), &heads)?;
        let ends = heads.iter().map(|(group, applied)| (*group, applied.index + 1));
        replace(&directory.join("log.marks"), &codec::marks(&ends.collect::<Vec<_>>()))?;
        DataDirectory::found(directory, shards)?;
        sync_all(directory)
    }

    fn id(&self, term: u64, index: u64) -> LogId {
        LogId {
            leader_id: LeaderId {
                term,
                node_id: self.node.get(),
            },
            index,
        }
    }
}

/// Writes empty logs that begin behind the snapshots.
fn logs(path: &Path, heads: &[(u32, LogId)]) -> io::Result<()> {
    let log = FjallLog::open(
        path,
        Arc::new(|reason| tracing::error!(reason, "a new log cannot be written")),
    )?;
    let (told, heard) = mpsc::channel();
    for (group, applied) in heads {
        let vote = Vote {
            leader_id: applied.leader_id,
            committed: true,
        };
        for write in [LogWrite::Vote(vote), LogWrite::Purge(0..0, *applied)] {
            let told = told.clone();
            log.submit(Job {
                group: *group,
                write,
                done: Box::new(move |result| {
                    // Nobody listens after the first failure.
                    told.send(result).ok();
                }),
            });
        }
    }
    drop(told);
    let written = heard.into_iter().collect::<io::Result<()>>();
    log.close();
    written
}
