//! How a snapshot is sent: piece by piece, from wherever the receiver is, one piece on its way at a time.

use std::time::Duration;

use bytes::Bytes;
use openraft::Snapshot;
use openraft::errors::{NetworkError, RPCError, StreamingError, Unreachable};

use super::{Client, unexpected};
use crate::consensus::rpc::{Call, Part, Progress, Response, SnapshotId};
use crate::consensus::types::{LeaderId, Types, Vote};
use crate::peers::Lane;
use crate::store::{Image, ImageSource};

/// Bytes of one piece.
pub(crate) const PART: usize = 1 << 20;
/// How long the answer to a piece may take.
const PART_WITHIN: Duration = Duration::from_secs(10);
/// How often one piece is sent before the receiver is given up for a while.
const ATTEMPTS: u32 = 5;
/// How often a receiver that is busy, or installs, is asked again, and how many times until the newest snapshot may be
/// another one.
const ASK_AGAIN: Duration = Duration::from_millis(100);
const ASK_TIMES: u32 = 600;

impl Client {
    /// Sends a snapshot until the member has installed it, and returns the vote it answered with.
    pub(super) async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: Snapshot<LeaderId, u64, (), Image>,
    ) -> Result<Vote, StreamingError<Types>> {
        let image = snapshot.snapshot;
        let applied = snapshot.meta.last_log_id.ok_or_else(|| unreadable("it is empty"))?;
        // Opened once: a newer snapshot that takes its place leaves this one readable.
        let mut source = ImageSource::open(&image).await.map_err(unreadable)?;
        let snapshot = SnapshotId {
            applied,
            bytes: source.bytes(),
            sum: source.sum(),
        };
        let part = |offset, bytes| Part {
            vote,
            snapshot,
            offset,
            bytes,
        };
        let mut next = part(0, Bytes::new());
        let mut waited = 0;
        loop {
            match self.send_part(next).await? {
                Progress::Next(offset) if offset < snapshot.bytes => {
                    let bytes = source.part(offset, PART).await.map_err(unreadable)?;
                    next = part(offset, bytes);
                }
                Progress::Next(_) => return Err(unexpected().into()),
                Progress::Busy | Progress::Installing if waited < ASK_TIMES => {
                    waited += 1;
                    tokio::time::sleep(ASK_AGAIN).await;
                    next = part(0, Bytes::new());
                }
                Progress::Busy | Progress::Installing | Progress::Failed => {
                    let text = format!("node {} does not take the snapshot", self.target);
                    return Err(Unreachable::from_string(text).into());
                }
                Progress::Installed(vote) => return Ok(vote),
            }
        }
    }

    /// Sends one piece until it is answered.
    async fn send_part(&self, part: Part) -> Result<Progress, RPCError<Types>> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.call(Lane::Snapshot, Call::Part(part.clone()), PART_WITHIN).await {
                Ok(Response::Part(progress)) => return Ok(progress),
                Ok(Response::Append(_) | Response::Vote(_) | Response::Transfer(_) | Response::Refused(_)) => {
                    return Err(unexpected());
                }
                Err(RPCError::Timeout(_)) if attempt < ATTEMPTS => {}
                Err(RPCError::Timeout(timeout)) => return Err(Unreachable::new(&timeout).into()),
                Err(error) => return Err(error),
            }
        }
    }
}

fn unreadable(error: impl std::fmt::Display) -> StreamingError<Types> {
    tracing::error!(%error, "a snapshot cannot be sent");
    NetworkError::from_string(error).into()
}
