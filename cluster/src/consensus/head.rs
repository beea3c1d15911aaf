//! How a shard's head moves over the entries of its log, without the rows.

use openraft::EntryPayload;

use super::codec::{self, CodecError, Head};
use super::types::{Command, Entry, Reply, StoredMembership};
use crate::shard::{Epoch, Op};

impl Head {
    /// Moves over the next entry, and returns the operations that take effect: none if another owner, or a gap in the
    /// rounds, rejects them.
    pub(crate) fn advance(&mut self, entry: Entry) -> Result<(Reply, Vec<Op>), CodecError> {
        let mut effective = Vec::new();
        let reply = match entry.payload {
            EntryPayload::Blank => Reply::Nothing,
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
                Reply::Nothing
            }
            EntryPayload::Normal(Command::Own { .. }) => {
                let epoch = Epoch(entry.log_id.index);
                (self.epoch, self.round) = (Some(epoch), 0);
                Reply::Installed(epoch)
            }
            EntryPayload::Normal(Command::Write { epoch, round, ops }) => {
                if self.epoch == Some(epoch) && self.round == round {
                    effective = codec::read_ops(ops)?;
                    self.round += 1;
                    Reply::Applied
                } else {
                    Reply::Rejected
                }
            }
        };
        self.applied = Some(entry.log_id);
        Ok((reply, effective))
    }
}
