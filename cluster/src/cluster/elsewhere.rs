//! The groups of a node that keeps none: each of them is on other nodes.

use std::{io, ops::Bound, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::OpenError;
use crate::{
    Clock,
    consensus::DataDirectory,
    lease::Lease,
    members::{Action, Control, GroupReport},
    peers::NodeId,
    remote::META,
    shard::{Confirmation, Epoch, Outcome, Proposal, Shard},
};

/// The groups of a node that keeps none. It owns nothing, ever, and has no rows: whoever wants either asks other nodes.
pub(crate) struct Elsewhere {
    meta: Arc<dyn Shard>,
    shards: Vec<Arc<dyn Shard>>,
    /// Keeps another process from taking the directory for its own.
    directory: Mutex<Option<DataDirectory>>,
}

impl Elsewhere {
    /// Takes a directory, which remembers the number of shards and holds nothing of them. Blocks.
    pub(super) fn open(path: &Path, shards: u16, clock: &Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (directory, shards) = DataDirectory::open(path, shards)?;
        if directory.log().exists() {
            return Err(OpenError::Network(format!(
                "{} holds copies of shards, which a gateway has none of: start it as a replica, or remove the node and let \
                 it join as a gateway with an empty directory",
                path.display()
            )));
        }
        let group = |number| Arc::new(Absent::new(number, Arc::clone(clock))) as Arc<dyn Shard>;
        Ok(Self {
            meta: group(META),
            shards: (0..shards).map(group).collect(),
            directory: Mutex::new(Some(directory)),
        })
    }

    pub(super) fn meta(&self) -> Arc<dyn Shard> {
        Arc::clone(&self.meta)
    }

    pub(super) fn shards(&self) -> Vec<Arc<dyn Shard>> {
        self.shards.clone()
    }

    /// Lets go of the directory.
    pub(super) fn close(&self) {
        self.directory.lock().take();
    }
}

impl Control for Elsewhere {
    fn report(&self) -> Vec<GroupReport> {
        Vec::new()
    }

    fn meta_leader(&self) -> Option<NodeId> {
        None
    }

    fn take(&self, _: Option<u16>, _: Action) -> BoxFuture<'static, Result<(), String>> {
        ready(Err("the node is a gateway, and has no groups".to_owned())).boxed()
    }
}

/// A group that has no copy on this node.
struct Absent {
    number: u16,
    ownership: watch::Sender<Option<Epoch>>,
    lease: Arc<Lease>,
}

impl Absent {
    fn new(number: u16, clock: Arc<dyn Clock>) -> Self {
        Self {
            number,
            ownership: watch::Sender::new(None),
            lease: Arc::new(Lease::new(clock)),
        }
    }

    fn unread(&self) -> io::Error {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("group {} has no copy on this node", self.number),
        )
    }
}

impl Shard for Absent {
    fn number(&self) -> u16 {
        self.number
    }

    fn ownership(&self) -> watch::Receiver<Option<Epoch>> {
        self.ownership.subscribe()
    }

    fn propose(&self, proposal: Proposal) {
        (proposal.done)(Outcome::NotProposed);
    }

    fn relinquish(&self, _: Epoch) {}

    fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease)
    }

    fn confirm(&self, confirmation: Confirmation) {
        (confirmation.done)(false);
    }

    fn get(&self, _: &[u8]) -> io::Result<Option<Bytes>> {
        Err(self.unread())
    }

    fn scan(&self, _: (Bound<Bytes>, Bound<Bytes>), _: bool, _: usize) -> io::Result<Vec<(Bytes, Bytes)>> {
        Err(self.unread())
    }
}

impl std::fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elsewhere")
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::SystemClock;

    fn open(directory: &TempDir, shards: u16) -> Result<Elsewhere, OpenError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Elsewhere::open(directory.path(), shards, &clock)
    }

    #[test]
    fn a_gateway_remembers_the_number_of_shards_and_keeps_its_directory_to_itself() {
        let directory = TempDir::new().unwrap();
        let gateway = open(&directory, 4).unwrap();
        assert!(matches!(open(&directory, 4), Err(OpenError::Locked { .. })));
        gateway.close();
        assert_eq!(open(&directory, 8).unwrap().shards().len(), 4);
    }

    #[test]
    fn a_directory_with_copies_is_refused_to_a_gateway() {
        let directory = TempDir::new().unwrap();
        open(&directory, 4).unwrap().close();
        std::fs::create_dir(directory.path().join("log")).unwrap();
        assert!(matches!(open(&directory, 4), Err(OpenError::Network(_))));
    }
}
