//! What this node answers to the members of its groups on other nodes.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::group::Group;
use super::reception::Reception;
use super::rpc::{Call, Refusal, Request, Response};
use super::types::{Types, Vote};
use crate::peers::{Lane, NodeId, Service};
use crate::store::OnFatal;

/// The groups of a node, as the others call them.
pub(crate) struct GroupService {
    pub(crate) node: NodeId,
    /// By number.
    pub(crate) groups: Vec<Arc<Group>>,
    pub(crate) reception: Arc<Reception>,
    pub(crate) stop: CancellationToken,
    pub(crate) on_fatal: OnFatal,
}

impl Service for GroupService {
    fn serve(&self, from: NodeId, lane: Lane, request: Bytes) -> BoxFuture<'static, Bytes> {
        let answered = self
            .admit(request)
            .map(|(group, call)| self.answer(from, lane, &group, call));
        match answered {
            Ok(answered) => answered.map(|answer| answer.encode()).boxed(),
            Err(refusal) => ready(Response::Refused(refusal).encode()).boxed(),
        }
    }
}

impl GroupService {
    fn admit(&self, request: Bytes) -> Result<(Arc<Group>, Call), Refusal> {
        if self.stop.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let request = Request::decode(request).map_err(|error| {
            tracing::warn!(%error, "another node sent a request that cannot be read");
            Refusal::Unreadable
        })?;
        if request.to != self.node {
            return Err(Refusal::Misdirected);
        }
        let group = usize::try_from(request.group)
            .ok()
            .and_then(|group| self.groups.get(group));
        Ok((Arc::clone(group.ok_or(Refusal::UnknownGroup)?), request.call))
    }

    /// Begins to answer at once, so that entries reach their group in the order in which they arrived.
    fn answer(&self, from: NodeId, lane: Lane, group: &Arc<Group>, call: Call) -> BoxFuture<'static, Response> {
        if leader(&call) != from {
            return ready(Response::Refused(Refusal::Misdirected)).boxed();
        }
        match call {
            Call::Append(request) => self.append(lane, group, request),
            Call::Vote(request) => vote(Arc::clone(group), request, false).boxed(),
            Call::PreVote(request) => vote(Arc::clone(group), request, true).boxed(),
            Call::Transfer(request) => {
                let group = Arc::clone(group);
                async move {
                    if !group.may_vote(true) {
                        return Response::Refused(Refusal::NoVote);
                    }
                    match group.raft().handle_transfer_leader(request).await {
                        Ok(answer) => Response::Transfer(answer),
                        Err(_) => Response::Refused(Refusal::Stopping),
                    }
                }
                .boxed()
            }
            Call::Part(part) => {
                let (reception, group) = (Arc::clone(&self.reception), Arc::clone(group));
                async move { Response::Part(reception.take(&group, part).await) }.boxed()
            }
        }
    }

    fn append(
        &self,
        lane: Lane,
        group: &Arc<Group>,
        request: AppendEntriesRequest<Types>,
    ) -> BoxFuture<'static, Response> {
        let on_fatal = Arc::clone(&self.on_fatal);
        let (raft, number, prev) = (group.raft().clone(), group.number(), request.prev_log_id);
        let is_heartbeat = lane == Lane::Heartbeat;
        let (heard, arrived) = (Arc::clone(group.heard()), Instant::now());
        let mut appended = async move { raft.append_entries(request).await }.boxed();
        // The first step hands the request to the core of the group, or waits for its turn there. It must not be put off
        // because this task has done much already: the next request would overtake.
        let done = tokio::task::unconstrained(&mut appended).now_or_never();
        async move {
            let answer = match done {
                Some(answer) => answer,
                None => appended.await,
            };
            match answer {
                // A heartbeat names only what this node had said was durable here.
                Ok(AppendEntriesResponse::Conflict) if is_heartbeat => {
                    let entry = prev.map_or(0, |prev| prev.index);
                    on_fatal(format!(
                        "the log of group {number} lacks entry {entry}, which this node once had: it must rejoin under a new id"
                    ));
                    Response::Refused(Refusal::LostLog)
                }
                Ok(answer) => {
                    if matches!(
                        answer,
                        AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_)
                    ) {
                        heard.note(arrived);
                    }
                    Response::Append(answer)
                }
                Err(_) => Response::Refused(Refusal::Stopping),
            }
        }
        .boxed()
    }
}

/// Who makes a call that only one node may make.
fn leader(call: &Call) -> NodeId {
    let of = |vote: &Vote| NodeId::new(vote.leader_id.node_id);
    match call {
        Call::Append(request) => of(&request.vote),
        Call::Vote(request) | Call::PreVote(request) => of(&request.vote),
        Call::Transfer(request) => of(request.from_leader()),
        Call::Part(part) => of(&part.vote),
    }
}

async fn vote(group: Arc<Group>, request: VoteRequest<Types>, pre: bool) -> Response {
    if !group.may_vote(request.leadership_transfer && !pre) {
        return Response::Refused(Refusal::NoVote);
    }
    let raft = group.raft();
    let answer = if pre {
        raft.pre_vote(request).await
    } else {
        raft.vote(request).await
    };
    match answer {
        Ok(answer) => Response::Vote(answer),
        Err(_) => Response::Refused(Refusal::Stopping),
    }
}
