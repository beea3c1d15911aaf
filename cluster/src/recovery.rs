//! Going on with what one node has, after the majority of a cluster is lost for good.
//!
//! An operation on a stopped node's data directory. It makes another one beside it, in which the node is the only voter
//! of every group and the cluster has another id, so that no node of the former one can join. Then the two change
//! places; the former directory is kept.

mod error;
mod report;

use std::{
    fs, io,
    ops::RangeBounds,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use uuid::Uuid;

pub use self::{
    error::RecoveryError,
    report::{RecoveredCopy, RecoveredGroup, RecoveryReport},
};
use crate::{
    Clock, Member, MemberState, NodeName,
    backup::CLUSTER_ID,
    cluster_id::ClusterId,
    consensus::Rescue,
    keyspace,
    members::{Identity, Origin, Settled, Table},
    peers::NodeId,
    storage,
    store::{replace, sync_parent},
    wire,
};

/// The file of a data directory that says that and how it was recovered.
const RECORD: &str = "recovered";

/// What becomes of shards of which a node has no copy that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is no recovery.
    Refuse,
    /// They begin with what the node has of them, which may be old, or nothing.
    Accept,
}

/// A recovery that is prepared: everything is written, and nothing changed yet. Dropping it changes nothing.
pub struct Recovery {
    report: RecoveryReport,
    draft: Draft,
    /// Nobody else uses the directory meanwhile.
    _rescue: Rescue,
}

impl Recovery {
    /// Reads a stopped node's data directory, and writes beside it what it will be. `told` hears how many groups are done,
    /// and of how many. Blocks.
    ///
    /// # Errors
    /// If the node runs, is the only voter of everything already, is a gateway or in no cluster of several; if log or
    /// snapshots are damaged; if it has no copy of some shard and `missing` does not accept that; if there is no room.
    pub fn prepare(
        directory: impl Into<PathBuf>,
        missing: Missing,
        clock: &dyn Clock,
        told: impl Fn(usize, usize),
    ) -> Result<Self, RecoveryError> {
        let directory = directory.into();
        let kept = beside(&directory, "before-recovery");
        if kept.exists() {
            return Err(RecoveryError::Earlier { kept, directory });
        }
        let settled = match Identity::read(&directory)? {
            Some(Identity::Settled(settled)) => settled,
            Some(Identity::Founding { .. } | Identity::Joining { .. }) | None => {
                return Err(RecoveryError::Alone(directory));
            }
        };
        let rescue = Rescue::begin(&directory)?;
        let draft = Draft::begin(beside(&directory, "recovery-draft"))?;
        let cluster = ClusterId::new(Uuid::new_v4());
        let mut amendment = Amendment {
            node: settled.node,
            cluster,
            has_id: false,
            table: Vec::new(),
            lost: Vec::new(),
        };
        let groups = rescue.carry_out(&draft.0, settled.node, |key, value| amendment.amend(key, value), &told)?;
        let report = RecoveryReport {
            node: settled.node,
            name: settled.name.clone(),
            former_cluster: settled.cluster,
            cluster,
            at: clock.now(),
            lost: amendment.lost,
            groups: groups.into_iter().map(RecoveredGroup::from).collect(),
            directory,
            kept,
        };
        report.check(missing)?;
        let knows_itself = amendment.table.iter().any(|member| member.id == settled.node);
        if !amendment.has_id || !knows_itself {
            return Err(RecoveryError::NoCluster(report.directory));
        }
        let settled = Settled {
            cluster,
            origin: Origin::Founded,
            ..settled
        };
        Identity::Settled(settled).write(&draft.0)?;
        Table::of(amendment.table).save(&draft.0).map_err(at(&draft.0))?;
        let record = draft.0.join(RECORD);
        replace(&record, report.record().as_bytes()).map_err(at(&record))?;
        Ok(Self {
            report,
            draft,
            _rescue: rescue,
        })
    }

    /// What the node has, and what may be lost.
    pub fn report(&self) -> &RecoveryReport {
        &self.report
    }

    /// Puts the new directory in the place of the former one, which is kept.
    ///
    /// # Errors
    /// If a directory cannot be renamed.
    pub fn carry_out(self) -> Result<RecoveryReport, RecoveryError> {
        let Self { report, draft, .. } = self;
        let RecoveryReport { directory, kept, .. } = &report;
        fs::rename(directory, kept).map_err(at(directory))?;
        if let Err(error) = fs::rename(&draft.0, directory) {
            // The former one is better than none.
            fs::rename(kept, directory).map_err(at(kept))?;
            return Err(at(directory)(error));
        }
        sync_parent(directory).map_err(at(directory))?;
        tracing::warn!(
            node = %report.node,
            former_cluster = %report.former_cluster,
            cluster = %report.cluster,
            kept = %kept.display(),
            "the node is the only voter of everything from now on; what others had and it had not is lost"
        );
        Ok(report)
    }
}

/// What is different in the rows of the cluster itself.
struct Amendment {
    node: NodeId,
    cluster: ClusterId,
    has_id: bool,
    table: Vec<Member>,
    /// The nodes that took part.
    lost: Vec<(NodeId, NodeName)>,
}

impl Amendment {
    fn amend(&mut self, key: &Bytes, value: Bytes) -> io::Result<Bytes> {
        if *key == keyspace::setting(CLUSTER_ID) {
            self.has_id = true;
            return Ok(self.cluster.to_string().into());
        }
        if !keyspace::all_members().contains(key) {
            return Ok(value);
        }
        let mut member = wire::decode::<Member>(&value).map_err(io::Error::other)?;
        if member.id == self.node {
            member.state = MemberState::Up;
        } else {
            if member.is_present() {
                self.lost.push((member.id, member.name.clone()));
            }
            member.state = MemberState::Removed;
        }
        let value = storage::encoded(&member);
        self.table.push(member);
        Ok(value)
    }
}

/// A directory that is removed unless it gets another name.
struct Draft(PathBuf);

impl Draft {
    fn begin(path: PathBuf) -> Result<Self, RecoveryError> {
        // One that is there is left of an attempt that was cut off.
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            Ok(()) | Err(_) => {}
        }
        fs::create_dir(&path).map_err(at(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a success there is nothing of this name; after a failure what stays only takes room.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A name for a directory beside another one.
fn beside(directory: &Path, what: &str) -> PathBuf {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    directory.with_file_name(format!("{name}.{what}"))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RecoveryError {
    let path = path.to_owned();
    move |source| RecoveryError::Io { path, source }
}

impl std::fmt::Debug for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recovery")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}
