//! Sending messages to actors, wherever they are owned.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use super::{
    Line, Owner, Passage, Remote,
    line::{Spot, Turn},
    link::Ticket,
    request::{self, ACCOUNTS, Answer, Request, Sender, Shown, check},
};
use crate::{
    address::Address,
    caller::Account,
    host::Host,
    interface::{Codec, Payload, Value},
    keyspace::SendId,
    mailbox::{Call, Fault, Letter, Origin, Reply},
    outbox::Envelope,
    peers::{CallError, Lane},
    router::Node,
    shard::Leader,
};

/// How much longer than its caller a call is waited for, so that it is the caller whose deadline passes.
const SLACK: Duration = Duration::from_millis(50);

/// How long a receiver on another node may take for a durable message. Then it is sent again, and skipped by a receiver
/// that has taken it.
const OUTBOX_WITHIN: Duration = Duration::from_secs(5);

/// What became of a call to another node.
enum Outcome {
    Settled(Result<Value, Fault>),
    /// It was certainly not handled.
    Refused(Option<Leader>),
}

impl Node {
    /// The way of a call that cannot go straight into a mailbox of this node: it waits for an owner, or goes to another
    /// node.
    pub(crate) async fn detour(
        &self,
        host: &Arc<Host>,
        address: &Arc<Address>,
        (mut call, outcome): (Box<Call>, oneshot::Receiver<Result<Value, Fault>>),
        (codec, deadline): (&'static Codec, Duration),
        line: &Line,
    ) -> Result<Value, Fault> {
        let group = host.shard.number();
        let mut spot = line.enter();
        let mut ticket: Option<Ticket> = None;
        let mut search = self.remote.search(group, host.owned());
        loop {
            let owner = search.owner().await;
            if line.is_broken() {
                return Err(Fault::Unavailable);
            }
            let leader = match owner {
                Owner::Here(_) => {
                    if spot.turn(None) != Turn::First {
                        spot.changed().await;
                        continue;
                    }
                    match host.offer(address, Letter::Call(call)) {
                        None => {
                            drop((spot, ticket));
                            return outcome.await.unwrap_or(Err(Fault::Unknown));
                        }
                        Some(Letter::Call(back)) => call = back,
                        Some(Letter::Alarm(..) | Letter::Wake(_) | Letter::Passivate(_)) => {
                            return Err(Fault::Unavailable);
                        }
                    }
                    tokio::task::yield_now().await;
                    continue;
                }
                Owner::There(leader) => leader,
            };
            let after = match spot.turn(Some(leader.epoch)) {
                Turn::First => None,
                Turn::Behind(number) => Some(number),
                Turn::Wait => {
                    spot.changed().await;
                    continue;
                }
            };
            let content = content(&mut call, codec).map_err(Fault::Handler)?;
            let open = match ticket.take() {
                Some(open) if open.epoch == leader.epoch => Some(open),
                Some(_) | None => self.remote.links[usize::from(group)].open(leader.epoch),
            };
            let Some(open) = open else {
                // Somebody else knows of a later owner already.
                search.refused(leader, None);
                continue;
            };
            let remaining = deadline.saturating_sub(call.sent.elapsed());
            let passage = Passage {
                instance: self.remote.instance,
                number: open.number,
                floor: open.floor(),
                after,
            };
            let request = ask(address, &call, leader, passage, remaining);
            let request = self.request(request, &call.account).encode(&content);
            spot.sent(leader.epoch, open.number);
            let answer = self
                .remote
                .peers
                .call(leader.node, Lane::Request, request, remaining + SLACK);
            let flight = Flight {
                runtime: host.runtime.clone(),
                answer: Some(answer),
                kept: Some((spot, open)),
            };
            let (answer, kept) = flight.land(&self.remote, group, leader).await;
            (spot, ticket) = (kept.0, Some(kept.1));
            match settled(answer, Some(codec)) {
                Outcome::Settled(outcome) => return outcome,
                Outcome::Refused(hint) => {
                    spot.returned();
                    search.refused(leader, hint);
                }
            }
        }
    }

    /// A call as it leaves this node.
    fn request(&self, call: request::Call, account: &Account) -> Request {
        let call = Box::new(call);
        if self.remote.format() < ACCOUNTS {
            return Request::Call(call);
        }
        let account = Shown::of(&account.away(self.gatekeeper.as_deref()));
        Request::CallFor { call, account }
    }

    /// Hands a durable message to its receiver, wherever that is owned, and says what became of it.
    pub(crate) async fn hand(
        &self,
        target: &Arc<Address>,
        envelope: Envelope,
        source: u16,
        id: SendId,
    ) -> Result<(), Fault> {
        let host = self.host(target.hash);
        let group = host.shard.number();
        let mut search = self.remote.search(group, host.owned());
        let Envelope { message, payload, .. } = envelope;
        loop {
            match search.owner().await {
                Owner::Here(_) => {
                    let (reply, outcome) = Reply::channel();
                    let call = Call {
                        message: message.clone().into(),
                        payload: Payload::Encoded(payload.clone()),
                        origin: Origin::Send { source, id },
                        chain: None,
                        account: Account::Nobody,
                        request: None,
                        keyed: None,
                        sent: Instant::now(),
                        reply,
                    };
                    if host.offer(target, Letter::Call(Box::new(call))).is_none() {
                        return outcome.await.unwrap_or(Err(Fault::Unavailable)).map(drop);
                    }
                    tokio::task::yield_now().await;
                }
                Owner::There(leader) => {
                    let call = request::Call {
                        target: target.stored(),
                        message: message.clone(),
                        epoch: leader.epoch,
                        sender: Sender::Outbox { source, id },
                    };
                    // Sender and receiver are of one tenant, and it is the tenant that is vouched for.
                    let account = Account::Own(Arc::clone(target));
                    let request = self.request(call, &account).encode(&payload);
                    let answer = self
                        .remote
                        .peers
                        .call(leader.node, Lane::Request, request, OUTBOX_WITHIN);
                    let answer = self.remote.answered(group, leader, answer).await;
                    match settled(answer, None) {
                        Outcome::Settled(outcome) => return outcome.map(drop),
                        Outcome::Refused(hint) => search.refused(leader, hint),
                    }
                }
            }
        }
    }
}

/// The encoded message of a call. It is encoded once, however often it is sent.
fn content(call: &mut Call, codec: &'static Codec) -> crate::Result<Bytes> {
    let content = match &call.payload {
        Payload::Encoded(content) => return Ok(content.clone()),
        Payload::Local(message) => codec.encode_message(&**message)?,
    };
    check(&content)?;
    call.payload = Payload::Encoded(content.clone());
    Ok(content)
}

fn ask(address: &Address, call: &Call, leader: Leader, passage: Passage, remaining: Duration) -> request::Call {
    request::Call {
        target: address.stored(),
        message: call.message.clone().into_owned(),
        epoch: leader.epoch,
        sender: Sender::Ask {
            passage,
            chain: call.chain.as_ref().map(|chain| chain.actors()).unwrap_or_default(),
            request: call.request.as_ref().map(|request| request.as_str().to_owned()),
            key: call.keyed.as_ref().map(|keyed| keyed.key().clone()),
            remaining,
        },
    }
}

/// What an answer means. Without a codec nobody waits for a reply.
fn settled(answer: Result<Bytes, CallError>, codec: Option<&'static Codec>) -> Outcome {
    let answer = match answer {
        Ok(answer) => Answer::decode(&answer),
        Err(CallError::NotSent { .. }) => return Outcome::Refused(None),
        Err(error @ CallError::NoAnswer { .. }) => {
            tracing::debug!(%error, "a call to another node is lost");
            None
        }
    };
    let Some((answer, content)) = answer else {
        return Outcome::Settled(Err(Fault::Unknown));
    };
    Outcome::Settled(match answer {
        Answer::Reply => match codec {
            Some(codec) => codec.decode_reply(&content).map_err(Fault::Handler),
            None => Ok(Box::new(())),
        },
        Answer::Done => Ok(Box::new(())),
        Answer::Fault(fault) => Err(fault),
        Answer::NotLeader(hint) => return Outcome::Refused(hint),
        Answer::Early => return Outcome::Refused(None),
        Answer::Unreadable => Err(Fault::Activation(crate::ActorError::unsupported(
            "node.version",
            "the node that owns the actor does not know this kind of request",
        ))),
        Answer::Late
        | Answer::Row(_)
        | Answer::Failed(_)
        | Answer::Leaders(_)
        | Answer::Output
        | Answer::Given(_)
        | Answer::Kept(_)
        | Answer::Confirmed(_)
        | Answer::Seen(_)
        | Answer::Delivered(_)
        | Answer::Instance(_)
        | Answer::AutoResponded(_) => Err(Fault::Unknown),
    })
}

/// A call on its way. If its caller goes away, it keeps its place in the line and its number until it is answered: it
/// may still arrive, and nothing behind it may overtake it.
struct Flight {
    runtime: Handle,
    answer: Option<BoxFuture<'static, Result<Bytes, CallError>>>,
    kept: Option<(Spot, Ticket)>,
}

type Landed = (Result<Bytes, CallError>, (Spot, Ticket));

impl Flight {
    async fn land(mut self, remote: &Remote, group: u16, leader: Leader) -> Landed {
        let answer = self.answer.as_mut().expect("a flight lands once");
        let answer = remote.answered(group, leader, answer).await;
        self.answer = None;
        (answer, self.kept.take().expect("a flight lands once"))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let (Some(answer), Some(kept)) = (self.answer.take(), self.kept.take()) {
            self.runtime.spawn(async move {
                // Nobody is there to hear it.
                let _ = answer.await;
                drop(kept);
            });
        }
    }
}
