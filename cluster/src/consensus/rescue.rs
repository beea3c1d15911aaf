//! What a stopped node has of every group, as the data directory of a node that is their only voter.
//!
//! Snapshot and log of each group are laid together, also entries of which this node does not know that they were
//! committed: they may have been, and nobody can say otherwise any more. The state is not looked at. Nothing is written
//! into the old directory.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::codec;
use super::directory::DataDirectory;
use super::engine::OpenError;
use super::found::Founding;
use super::log::{FjallLog, LogDisk, MarkError, Marks};
use super::types::StoredMembership;
use super::verify::{Scratch, end, first, next, tail, whole};
use crate::peers::NodeId;
use crate::store::{Image, ImageReader, Images};

/// Why a node's groups cannot be rescued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RescueError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("group {group} is damaged: {source}")]
    Group { group: u32, source: io::Error },
    #[error(transparent)]
    Log(#[from] MarkError),
    #[error("failed to write the new data directory: {0}")]
    Write(#[source] io::Error),
}

/// What a node is to a group, as far as it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copy {
    Voter,
    Learner,
    /// It was a member once, and stopped following.
    Former,
    /// It never was one.
    None,
}

/// One group of the old directory.
#[derive(Debug, Clone)]
pub(crate) struct RescuedGroup {
    pub(crate) group: u32,
    pub(crate) copy: Copy,
    pub(crate) voters: BTreeSet<NodeId>,
    /// Index of the last entry.
    pub(crate) last: Option<u64>,
    pub(crate) rows: u64,
}

/// A stopped node's data directory, which nobody else may use meanwhile.
pub(crate) struct Rescue {
    directory: DataDirectory,
    shards: u16,
}

impl Rescue {
    /// Takes hold of a directory.
    pub(crate) fn begin(path: &Path) -> Result<Self, RescueError> {
        let (directory, shards) = DataDirectory::look(path)?;
        Ok(Self { directory, shards })
    }

    /// Makes the new directory in `into`, which must be empty. Each row of the group of the cluster itself goes through
    /// `amend`. `told` hears how many groups are done, and of how many.
    pub(crate) fn carry_out(
        &self,
        into: &Path,
        node: NodeId,
        mut amend: impl FnMut(&Bytes, Bytes) -> io::Result<Bytes>,
        told: &dyn Fn(usize, usize),
    ) -> Result<Vec<RescuedGroup>, RescueError> {
        let mut founding = Founding::begin(into, node).map_err(RescueError::Write)?;
        let marks = Marks::on_disk(self.directory.marks())
            .map_err(|error| OpenError::of(&self.directory.marks(), error, OpenError::Log))?;
        let scratch = Scratch::new(&into.join("scratch")).map_err(RescueError::Write)?;
        // Opening a log may write to it.
        let log = scratch.copy(&self.directory.log())?;
        let log = whole(|| FjallLog::open(&log, Arc::new(drop)));
        let log = log.map_err(|error| OpenError::of(&self.directory.log(), error, OpenError::Log))?;
        let (mut groups, count) = (Vec::new(), usize::from(self.shards) + 1);
        for group in 0..=u32::from(self.shards) {
            groups.push(self.group(group, &log, &marks, &mut founding, &mut amend)?);
            told(groups.len(), count);
        }
        log.close();
        drop(scratch);
        founding.finish(self.shards).map_err(RescueError::Write)?;
        Ok(groups)
    }

    fn group(
        &self,
        group: u32,
        log: &FjallLog,
        marks: &Marks,
        founding: &mut Founding<'_>,
        amend: &mut impl FnMut(&Bytes, Bytes) -> io::Result<Bytes>,
    ) -> Result<RescuedGroup, RescueError> {
        let damaged = |source| RescueError::Group { group, source };
        let loaded = whole(|| log.load(group)).map_err(damaged)?;
        marks.check(group, end(&loaded))?;
        let image = Images::Disk(self.directory.snapshots()).current(group);
        let reader = image.and_then(|image| image.as_ref().map(open).transpose());
        let reader = reader.map_err(damaged)?;
        let head = reader.as_ref().map(|reader| codec::read_head(reader.head().clone()));
        let head = head.transpose().map_err(|error| damaged(error.into()))?;
        let head = head.unwrap_or_default();
        if next(&head) < first(&loaded) {
            let first = first(&loaded);
            return Err(OpenError::Gap { group, first }.into());
        }
        let tail = tail(log, group, head, &loaded).map_err(damaged)?;
        let head = tail.head().clone();
        let rescued = RescuedGroup {
            group,
            copy: copy(&head.membership, founding.node()),
            voters: head.membership.voter_ids().map(NodeId::new).collect(),
            last: head.applied.map(|applied| applied.index),
            rows: 0,
        };
        let rows = reader.into_iter().flat_map(ImageReader::rows);
        let rows = tail.over(rows).map(|row| {
            let (key, value) = row.map_err(io::Error::from)?;
            let value = if group == 0 { amend(&key, value)? } else { value };
            Ok::<_, io::Error>((key, value))
        });
        let rows = founding.group(group, head, rows).map_err(damaged)?;
        Ok(RescuedGroup { rows, ..rescued })
    }
}

fn open(image: &Image) -> io::Result<ImageReader> {
    Ok(ImageReader::open(image.read()?)?)
}

fn copy(membership: &StoredMembership, node: NodeId) -> Copy {
    let node = node.get();
    let membership = membership.membership();
    if membership.voter_ids().any(|voter| voter == node) {
        Copy::Voter
    } else if membership.learner_ids().any(|learner| learner == node) {
        Copy::Learner
    } else if membership.voter_ids().next().is_some() {
        Copy::Former
    } else {
        Copy::None
    }
}

impl std::fmt::Debug for Rescue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rescue")
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}
