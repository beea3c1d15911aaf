//! What a look at a stopped node found.

use std::path::PathBuf;

use serde::Serialize;

use crate::{OpenError, consensus};

/// What a look at a stopped node found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The groups that were looked at, that of the cluster itself first.
    pub groups: Vec<VerifiedGroup>,
    /// All that is not as it should be.
    pub findings: Vec<Finding>,
}

/// What there is of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifiedGroup {
    /// Number of the shard; empty for the group of the cluster itself.
    pub shard: Option<u16>,
    /// Entries of its log.
    pub entries: u64,
    /// Rows of its snapshot; empty if it has none yet.
    pub snapshot_rows: Option<u64>,
    /// Rows that its state should have; empty if snapshot or log cannot be read.
    pub rows: Option<u64>,
    /// Rows of the state that are missing, too many, or different; empty if they could not be compared.
    pub differences: Option<u64>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The shard; empty if it concerns the group of the cluster itself, or all.
    pub shard: Option<u16>,
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong.
    pub text: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The next start takes care of it, and nothing is lost.
    Note,
    /// The state says something else than snapshot and log do, and would be believed: remove it, it is rebuilt.
    Wrong,
    /// Snapshot or log are damaged: a backup is needed.
    Lost,
}

impl Verification {
    /// The worst of the findings.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// Looks at all that a stopped node keeps: whether every log entry is whole and none is missing, whether every snapshot
/// can be read to its end, and whether the state has exactly the rows that snapshot and log make.
///
/// The data directory is only read. The engines that have to be opened for this are opened on copies in `scratch`, a
/// directory that must not exist, takes as much room as log and state together, and is removed in the end. `told`
/// hears how many groups are done, and of how many. Blocks.
///
/// # Errors
/// If the directory is in use, is no data directory, has an unknown format, or `scratch` cannot be written.
pub fn verify(
    directory: impl Into<PathBuf>,
    scratch: impl Into<PathBuf>,
    told: impl Fn(usize, usize),
) -> Result<Verification, OpenError> {
    Ok(consensus::verify(&directory.into(), &scratch.into(), &told)?)
}
