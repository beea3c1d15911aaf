//! The way to other members of a group. A cluster of one has none, so every call answers that they cannot be reached.

use std::future::Future;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2, Snapshot};

use super::types::{LeaderId, Types, Vote};
use crate::store::Image;

/// Makes clients for members that this node has no connection to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoPeers;

/// A member out of reach.
#[derive(Debug)]
pub(crate) struct Unconnected {
    target: u64,
}

impl Unconnected {
    fn unreachable(&self) -> Unreachable<Types> {
        Unreachable::from_string(format!("node {} is not connected", self.target))
    }
}

impl RaftNetworkFactory<Types> for NoPeers {
    type Network = Unconnected;

    async fn new_client(&mut self, target: u64, (): &()) -> Unconnected {
        Unconnected { target }
    }
}

impl RaftNetworkV2<Types> for Unconnected {
    type SnapshotData = Image;

    async fn append_entries(
        &mut self,
        _: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn vote(&mut self, _: VoteRequest<Types>, _: RPCOption) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    // openraft's default grants a pre-vote that nobody was asked for.
    async fn pre_vote(&mut self, _: VoteRequest<Types>, _: RPCOption) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }

    async fn full_snapshot(
        &mut self,
        _: Vote,
        _: Snapshot<LeaderId, u64, (), Image>,
        _: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(self.unreachable().into())
    }

    async fn transfer_leader(
        &mut self,
        _: TransferLeaderRequest<Types>,
        _: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        Err(self.unreachable().into())
    }
}
