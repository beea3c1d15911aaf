//! The way to the other members of a group, as openraft takes it.
//!
//! Every kind of call has its lane: what keeps a leader never waits behind entries, nor these behind a snapshot. Entries
//! are pipelined, and answered in the order of the requests; the plane below may lose, repeat or delay any of them.

mod snapshot;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt, stream};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{Backoff, RPCOption, RPCTypes};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2, Snapshot};
use parking_lot::Mutex;

use super::contact::Contact;
use super::rpc::{Call, Request, Response};
use super::types::{LeaderId, Types, Vote};
use crate::peers::{CallError, Lane, NodeId, Peers};
use crate::store::Image;

/// Requests with entries that are on their way to one member at once; each has about a megabyte, or one entry.
const IN_FLIGHT: usize = 8;
/// How long the answer to entries may take that weigh nothing.
const APPEND_WITHIN: Duration = Duration::from_secs(1);
/// How much longer for each byte of them: a full pipeline at a megabyte a second.
const APPEND_PER_BYTE: Duration = Duration::from_micros(IN_FLIGHT as u64);
/// How long to wait before a member that cannot be reached is tried again, the last again and again.
const BACKOFF: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
];

type Failure = RPCError<Types>;

/// Makes the clients of one group.
#[derive(Clone)]
pub(crate) struct Network {
    node: NodeId,
    group: u32,
    peers: Arc<dyn Peers>,
    contact: Arc<Contact>,
    /// The members whose last answer did not come in time.
    silent: Arc<Mutex<BTreeSet<NodeId>>>,
}

impl Network {
    pub(crate) fn new(node: NodeId, group: u32, peers: Arc<dyn Peers>, contact: Arc<Contact>) -> Self {
        Self {
            node,
            group,
            peers,
            contact,
            silent: Arc::default(),
        }
    }

    fn client(&self, target: u64, lane: Lane) -> Client {
        Client {
            network: self.clone(),
            target: NodeId::new(target),
            lane,
            // Only a member that had acknowledged what a heartbeat names is sent one that names anything.
            matched: AtomicU64::new(if lane == Lane::Heartbeat { u64::MAX } else { 0 }),
        }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, (): &()) -> Client {
        self.client(target, Lane::Log)
    }

    async fn new_heartbeat_client(&mut self, target: u64, (): &()) -> Client {
        self.client(target, Lane::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, (): &()) -> Client {
        self.client(target, Lane::Snapshot)
    }
}

/// The way to one member.
pub(crate) struct Client {
    network: Network,
    target: NodeId,
    /// The lane of appended entries, of which a heartbeat has none.
    lane: Lane,
    /// Up to where the member has said that its log is that of this leader; an index plus one.
    matched: AtomicU64,
}

impl Client {
    /// Sends at once; the answer is waited for by whoever holds the future.
    fn call(
        &self,
        lane: Lane,
        call: Call,
        within: Duration,
    ) -> impl Future<Output = Result<Response, Failure>> + Send + use<> {
        let action = match &call {
            Call::Append(_) => RPCTypes::AppendEntries,
            Call::Vote(_) | Call::PreVote(_) => RPCTypes::Vote,
            Call::Transfer(_) => RPCTypes::TransferLeader,
            Call::Part(_) => RPCTypes::InstallSnapshot,
        };
        let (node, target, group) = (self.network.node, self.target, self.network.group);
        let request = Request {
            to: target,
            group,
            call,
        };
        let silent = Arc::clone(&self.network.silent);
        // A leader that hears no answers must not keep its place by what it sends: openraft lets heartbeats rest then, and
        // entries wait for one that is answered.
        let sent = (lane != Lane::Log || !silent.lock().contains(&target))
            .then(|| self.network.peers.call(target, lane, request.encode(), within));
        async move {
            let Some(answered) = sent else {
                return Err(Unreachable::from_string(format!("node {target} does not answer")).into());
            };
            let answered = answered.await;
            let is_new = match &answered {
                Ok(_) => silent.lock().remove(&target),
                Err(_) => silent.lock().insert(target),
            };
            if is_new {
                tracing::debug!(%target, group, is_silent = answered.is_err(), "a member is heard, or is not any more");
            }
            let answer = match answered {
                Ok(answer) => answer,
                Err(error @ CallError::NotSent { .. }) => return Err(Unreachable::new(&error).into()),
                Err(error @ CallError::NoAnswer { .. }) => {
                    tracing::debug!(%error, group, "a member did not answer");
                    return Err(Timeout {
                        action,
                        id: node.get(),
                        target: target.get(),
                        timeout: within,
                    }
                    .into());
                }
            };
            match Response::decode(answer) {
                Ok(Response::Refused(refusal)) => {
                    tracing::debug!(%refusal, %target, group, "a member refused a request");
                    Err(Unreachable::new(&refusal).into())
                }
                Ok(answer) => Ok(answer),
                Err(error) => Err(Unreachable::new(&error).into()),
            }
        }
    }

    /// What the member said of entries.
    fn append(
        &self,
        request: AppendEntriesRequest<Types>,
        within: Duration,
    ) -> impl Future<Output = Result<StreamAppendResult<Types>, Failure>> + Send + use<> {
        let prev = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(prev);
        let (contact, member, term) = (
            Arc::clone(&self.network.contact),
            self.target.get(),
            request.vote.leader_id.term,
        );
        let sent = contact.now();
        let answered = self.call(self.lane, Call::Append(request), within);
        async move {
            match answered.await? {
                Response::Append(AppendEntriesResponse::Success) => {
                    contact.acknowledged(member, term, sent);
                    Ok(Ok(last))
                }
                Response::Append(AppendEntriesResponse::PartialSuccess(upto)) => {
                    contact.acknowledged(member, term, sent);
                    Ok(Ok(upto))
                }
                Response::Append(AppendEntriesResponse::HigherVote(vote)) => {
                    Ok(Err(StreamAppendError::HigherVote(vote)))
                }
                Response::Append(AppendEntriesResponse::Conflict) => match prev {
                    Some(prev) => Ok(Err(StreamAppendError::Conflict(prev))),
                    None => Err(unexpected()),
                },
                Response::Vote(_) | Response::Transfer(_) | Response::Part(_) | Response::Refused(_) => {
                    Err(unexpected())
                }
            }
        }
    }

    /// Notices a member that lost entries which it had said were durable: it was started with another disk, or an older
    /// one. openraft takes such a conflict for one that it may search on from, and would come to no end. The member
    /// stops by itself as soon as a heartbeat tells it.
    fn compare(
        &self,
        answer: Result<StreamAppendResult<Types>, Failure>,
    ) -> Result<StreamAppendResult<Types>, Failure> {
        match &answer {
            Ok(Ok(Some(upto))) => {
                self.matched.fetch_max(upto.index + 1, Ordering::Relaxed);
            }
            Ok(Err(StreamAppendError::Conflict(conflict))) if conflict.index < self.matched.load(Ordering::Relaxed) => {
                let (node, group) = (self.target, self.network.group);
                tracing::error!(%node, group, entry = conflict.index, "a member of a group lost entries that it had");
                return Err(Unreachable::from_string(format!("node {node} lost entries that it had")).into());
            }
            Ok(Ok(None) | Err(_)) | Err(_) => {}
        }
        answer
    }

    /// How long the answer to these entries may take.
    fn patience(&self, request: &AppendEntriesRequest<Types>, option: &RPCOption) -> Duration {
        if self.lane == Lane::Heartbeat {
            return option.soft_ttl();
        }
        let bytes = request.entries.iter().map(super::log::size).sum::<usize>();
        APPEND_WITHIN + APPEND_PER_BYTE * u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

fn unexpected() -> Failure {
    NetworkError::from_string("the answer is to something else").into()
}

impl RaftNetworkV2<Types> for Client {
    type SnapshotData = Image;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, Failure> {
        let within = self.patience(&request, &option);
        let answer = self.append(request, within).await;
        Ok(self.compare(answer)?.into())
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<Types>, Failure>>, Failure>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let client = &*self;
        let answers = input
            .map(move |request| {
                let within = client.patience(&request, &option);
                client.append(request, within)
            })
            .buffered(IN_FLIGHT)
            .map(move |answer| client.compare(answer));
        // Whatever follows an answer other than a success was sent in vain.
        let answers = stream::unfold(Some(answers.boxed()), |answers| async {
            let mut answers = answers?;
            let answer = answers.next().await?;
            let goes_on = matches!(answer, Ok(Ok(_)));
            Some((answer, goes_on.then_some(answers)))
        });
        async move { Ok(answers.boxed()) }.boxed()
    }

    async fn vote(&mut self, request: VoteRequest<Types>, option: RPCOption) -> Result<VoteResponse<Types>, Failure> {
        match self
            .call(Lane::Heartbeat, Call::Vote(request), option.soft_ttl())
            .await?
        {
            Response::Vote(answer) => Ok(answer),
            Response::Append(_) | Response::Transfer(_) | Response::Part(_) | Response::Refused(_) => Err(unexpected()),
        }
    }

    // openraft's default grants a pre-vote that nobody was asked for.
    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, Failure> {
        match self
            .call(Lane::Heartbeat, Call::PreVote(request), option.soft_ttl())
            .await?
        {
            Response::Vote(answer) => Ok(answer),
            Response::Append(_) | Response::Transfer(_) | Response::Part(_) | Response::Refused(_) => Err(unexpected()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<LeaderId, u64, (), Image>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            biased;
            closed = cancel => Err(closed.into()),
            sent = self.send_snapshot(vote, snapshot) => Ok(SnapshotResponse::new(sent?)),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, Failure> {
        match self
            .call(Lane::Heartbeat, Call::Transfer(request), option.soft_ttl())
            .await?
        {
            Response::Transfer(answer) => Ok(answer),
            Response::Append(_) | Response::Vote(_) | Response::Part(_) | Response::Refused(_) => Err(unexpected()),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        let last = BACKOFF[BACKOFF.len() - 1];
        Some(Backoff::new(BACKOFF.into_iter().chain(std::iter::repeat(last))))
    }
}
