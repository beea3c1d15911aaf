//! A new data directory from copies of groups.

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
use crate::store::{Image, ImageReader, ImageWriter, replace, sync_all};

/// The node that the directory is made for.
const NODE: u64 = NodeId::FIRST.get();

/// How far the logs begin behind the copy. What happened after the copy used up indexes that ids were made of; none of
/// them must come back with another meaning.
const GAP: u64 = 1 << 32;

const BUFFER: usize = 256 * 1024;

/// Makes a data directory, in a directory that is empty, of a node that is a cluster of its own. Every copy is checked
/// as it is read. All is synced in the end.
pub(crate) fn found(directory: &Path, shards: u16, copies: &[(u32, PathBuf)]) -> io::Result<()> {
    let snapshots = directory.join("snapshots");
    fs::create_dir(&snapshots)?;
    File::create_new(directory.join("lock"))?;
    let mut heads = Vec::new();
    for (group, copy) in copies {
        heads.push((*group, snapshot(copy, &snapshots.join(format!("{group:05}")))?));
    }
    logs(&directory.join("log"), &heads)?;
    let ends = heads.iter().map(|(group, applied)| (*group, applied.index + 1));
    replace(&directory.join("log.marks"), &codec::marks(&ends.collect::<Vec<_>>()))?;
    DataDirectory::found(directory, shards)?;
    sync_all(directory)
}

/// Writes a copy as the snapshot of a group whose only voter is this node.
fn snapshot(copy: &Path, path: &Path) -> io::Result<LogId> {
    let reader = ImageReader::open(Image::File(copy.to_owned()).read()?)?;
    let head = codec::read_head(reader.head().clone())?;
    let applied = head.applied.map_or_else(
        || id(1, GAP),
        |applied| id(applied.leader_id.term + 1, applied.index + GAP),
    );
    let membership = Membership::new_with_defaults(vec![[NODE].into()], [NODE]);
    let head = Head {
        applied: Some(applied),
        membership: StoredMembership::new(Some(applied), membership),
        ..head
    };
    let out = BufWriter::with_capacity(BUFFER, File::create_new(path)?);
    let mut image = ImageWriter::begin(out, &codec::head(&head))?;
    for row in reader.rows() {
        let (key, value) = row?;
        image.push(&key, &value)?;
    }
    let (out, _) = image.finish()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(applied)
}

fn id(term: u64, index: u64) -> LogId {
    LogId {
        leader_id: LeaderId { term, node_id: NODE },
        index,
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
