//! What other nodes ask of this one.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use tokio::time::Instant;

use super::{
    Passage, Remote,
    copy::give,
    delivery, looking,
    operation::Operation,
    request::{ACCOUNTS, Answer, Call, Meta, Request, Sender, Shown, check},
    restoring::{Kept, Restoring},
};
use crate::{
    ActorError, ErrorKind, RequestId,
    address::Address,
    caller::Account,
    chain::Chain,
    cluster::Settings,
    consensus::Asked,
    host::{Arrival, Host},
    idempotency::Keyed,
    interface::{Codec, Payload, Value},
    mailbox::{self, Fault, Letter, Origin, Reply},
    peers::{Lane, NodeId, Service},
    router::Node,
    shard::Epoch,
};

/// How long a call waits for the one that it must not overtake.
const PATIENCE: Duration = Duration::from_secs(1);

/// Actors that may wait for each other over nodes.
const CHAIN: usize = 1024;

/// This node, as the others ask it. It is there before the node is: others may wait for what its meta group has.
pub(crate) struct Reception {
    remote: Arc<Remote>,
    settings: Settings,
    node: OnceLock<Weak<Node>>,
    /// What serves the lanes of the groups.
    engine: Option<Arc<dyn Service>>,
}

/// A call that arrived, on its way into a mailbox.
struct Visit {
    node: Arc<Node>,
    host: Arc<Host>,
    address: Arc<Address>,
    epoch: Epoch,
    /// The node it comes from and its place among those from there, if somebody waits for the reply.
    passage: Option<(NodeId, Passage)>,
    /// Why it is not let in.
    refusal: Option<ActorError>,
}

impl Reception {
    pub(crate) fn new(remote: Arc<Remote>, settings: Settings, engine: Option<Arc<dyn Service>>) -> Arc<Self> {
        Arc::new(Self {
            remote,
            settings,
            node: OnceLock::new(),
            engine,
        })
    }

    /// The actors can be called from now on.
    pub(crate) fn open(&self, node: &Arc<Node>) {
        let opened = self.node.set(Arc::downgrade(node));
        debug_assert!(opened.is_ok(), "a node opens once");
    }

    fn call(&self, from: NodeId, call: Call, account: Option<Shown>, content: Bytes) -> BoxFuture<'static, Bytes> {
        let Some(node) = self.node.get().and_then(Weak::upgrade) else {
            return at_once(&Answer::NotLeader(None));
        };
        if account.is_none() && node.gatekeeper.is_some() && self.remote.format() >= ACCOUNTS {
            // By now every node can say on whose account it calls. It does as soon as it has heard of that, too.
            return at_once(&Answer::Early);
        }
        let resolved = call.target.resolve(&node.classes);
        let resolved = resolved.and_then(|address| Some((node.classes.by_uid(address.class)?, address)));
        let Some((class, address)) = resolved else {
            let unknown = ActorError::unsupported(
                "class.unregistered",
                "the node that owns the actor does not know its class",
            );
            return at_once(&Answer::Fault(Fault::Activation(unknown)));
        };
        let (account, refusal) = match account.map(|account| admit(&node, &address, &account)) {
            None => (Account::Nobody, None),
            Some(Ok(account)) => (account, None),
            // It cannot be told yet who that is, as on a node that has only just opened: it is asked again.
            Some(Err(refusal)) if refusal.kind() == ErrorKind::Retryable => return at_once(&Answer::Early),
            Some(Err(refusal)) => (Account::Nobody, Some(refusal)),
        };
        let place = class.messages().binary_search(&&*call.message).ok();
        let codec = place.map(|place| class.codec(place));
        let (reply, outcome) = Reply::channel();
        let sent = Instant::now();
        let mut letter = mailbox::Call {
            message: call.message.into(),
            payload: Payload::Encoded(content.clone()),
            origin: Origin::Ask,
            chain: None,
            account,
            request: None,
            keyed: None,
            sent,
            reply,
        };
        let (passage, within) = match call.sender {
            Sender::Ask {
                passage,
                chain,
                request,
                key,
                remaining,
            } => {
                if chain.len() > CHAIN {
                    let long = format!("more than {CHAIN} actors wait for each other");
                    let long = ActorError::conflict("actor.chain", long);
                    return at_once(&Answer::Fault(Fault::Activation(long)));
                }
                letter.chain = Chain::of(&chain);
                letter.request = request.as_deref().map(RequestId::new);
                // A message that the class does not list is refused, and has no outcome to keep.
                let keyed = key.zip(codec);
                letter.keyed = keyed.map(|(key, codec)| Keyed::arrived(key, &letter.message, &content, codec));
                (Some((from, passage)), Some(remaining))
            }
            Sender::Outbox { source, id } => {
                letter.origin = Origin::Send { source, id };
                (None, None)
            }
        };
        // Nobody waits for the reply to a durable message.
        let codec = codec.filter(|_| passage.is_some());
        let visit = Visit {
            host: Arc::clone(node.host(address.hash)),
            node,
            address,
            epoch: call.epoch,
            passage,
            refusal,
        };
        // At once, so that what arrives in order is taken in order.
        let arrival = visit.enter(Letter::Call(Box::new(letter)));
        let remote = Arc::clone(&self.remote);
        async move {
            let arrival = match arrival {
                Arrival::Early(letter) => {
                    let patience = within.map_or(PATIENCE, |within| within.min(PATIENCE));
                    let waited = tokio::time::timeout(patience, visit.wait(letter)).await;
                    waited.unwrap_or_else(|_| Arrival::Missing)
                }
                arrival @ (Arrival::Taken | Arrival::NotOwner | Arrival::Late | Arrival::Missing) => arrival,
            };
            match arrival {
                Arrival::Taken => {
                    let outcome = match within {
                        Some(within) => visit.node.deadlines.within(sent, within, outcome).await,
                        None => Some(outcome.await),
                    };
                    encode(outcome.and_then(Result::ok).unwrap_or(Err(Fault::Unknown)), codec)
                }
                Arrival::NotOwner => Answer::NotLeader(remote.leaders.of(visit.host.shard.number())).encode(&[]),
                Arrival::Late => {
                    // Whoever waits for the first copy shall not hear this instead of its answer.
                    tokio::time::sleep(within.unwrap_or(PATIENCE)).await;
                    Answer::Late.encode(&[])
                }
                Arrival::Early(_) | Arrival::Missing => Answer::Early.encode(&[]),
            }
        }
        .boxed()
    }

    fn meta(&self, meta: Meta) -> BoxFuture<'static, Bytes> {
        let settings = self.settings.clone();
        async move {
            let answer = match settings.serve(meta).await {
                None => Answer::NotLeader(settings.leader()),
                Some(Ok(row)) => Answer::Row(row),
                Some(Err(error)) => Answer::Failed(error),
            };
            answer.encode(&[])
        }
        .boxed()
    }
}

impl Reception {
    fn operation(&self, shard: u16, operation: Operation) -> BoxFuture<'static, Bytes> {
        let node = self.node.get().and_then(Weak::upgrade);
        let host = node
            .as_ref()
            .and_then(|node| node.hosts.get(usize::from(shard)).cloned());
        let (Some(node), Some(host)) = (node, host) else {
            return at_once(&Answer::NotLeader(None));
        };
        let remote = Arc::clone(&self.remote);
        async move {
            match operation.serve(node, host).await {
                None => Answer::NotLeader(remote.leaders.of(shard)).encode(&[]),
                Some(Ok(output)) => Answer::Output.encode(&output),
                Some(Err(error)) => Answer::Failed(error).encode(&[]),
            }
        }
        .boxed()
    }
}

impl Reception {
    fn copy(&self, group: u16, asked: Asked) -> BoxFuture<'static, Bytes> {
        let copies = self.node.get().and_then(Weak::upgrade);
        let copies = copies.and_then(|node| node.copies.clone());
        let remote = Arc::clone(&self.remote);
        async move {
            let given = match copies {
                Some(copies) => give(&copies, group, asked).await,
                None => None,
            };
            match given {
                None => Answer::NotLeader(remote.leaders.of(group)).encode(&[]),
                Some(Ok((given, content))) => Answer::Given(given).encode(&content),
                Some(Err(error)) => Answer::Failed(error).encode(&[]),
            }
        }
        .boxed()
    }
}

impl Reception {
    fn restoring(&self, restoring: Restoring, content: Bytes) -> BoxFuture<'static, Bytes> {
        let node = self.node.get().and_then(Weak::upgrade);
        async move {
            let kept = match node {
                Some(node) => restoring.serve(&node, content).await,
                None => Kept::NotHeld,
            };
            Answer::Kept(kept).encode(&[])
        }
        .boxed()
    }
}

impl Reception {
    fn confirm(&self, shards: Vec<u16>) -> BoxFuture<'static, Bytes> {
        let node = self.node.get().and_then(Weak::upgrade);
        async move {
            let confirmed = match node {
                Some(node) => looking::confirm(&node, &shards).await,
                None => Vec::new(),
            };
            Answer::Confirmed(confirmed).encode(&[])
        }
        .boxed()
    }

    fn deliver(&self, instance: u64, number: u64, content: &Bytes) -> BoxFuture<'static, Bytes> {
        match self.node.get().and_then(Weak::upgrade) {
            // At once, so that what arrives in order reaches clients in order.
            Some(node) => at_once(&delivery::deliver(
                &node.ports,
                (self.remote.node, instance, number),
                content,
            )),
            // Nobody has connected yet; what was sent is for an earlier run.
            None => at_once(&Answer::Unreadable),
        }
    }

    fn auto_responded(&self, instance: u64, number: u64) -> BoxFuture<'static, Bytes> {
        let node = self.node.get().and_then(Weak::upgrade);
        let answered = node.and_then(|node| node.ports.answered(instance, number));
        at_once(&Answer::AutoResponded(answered))
    }

    fn look(&self, shard: u16, behind: u64, operation: Operation) -> BoxFuture<'static, Bytes> {
        let node = self.node.get().and_then(Weak::upgrade);
        let host = node
            .as_ref()
            .and_then(|node| node.hosts.get(usize::from(shard)).cloned());
        let (Some(node), Some(host)) = (node, host) else {
            return at_once(&Answer::NotLeader(None));
        };
        let remote = Arc::clone(&self.remote);
        async move {
            match operation.look(node, host, behind).await {
                None => Answer::NotLeader(remote.leaders.of(shard)).encode(&[]),
                Some(Ok((index, output))) => Answer::Seen(index).encode(&output),
                Some(Err(error)) => Answer::Failed(error).encode(&[]),
            }
        }
        .boxed()
    }
}

impl Service for Reception {
    fn serve(&self, from: NodeId, lane: Lane, request: Bytes) -> BoxFuture<'static, Bytes> {
        match (lane, &self.engine) {
            (Lane::Request, _) => {}
            (Lane::Heartbeat | Lane::Log | Lane::Snapshot, Some(engine)) => return engine.serve(from, lane, request),
            (Lane::Heartbeat | Lane::Log | Lane::Snapshot, None) => return at_once(&Answer::Unreadable),
        }
        self.remote.meet(from);
        match Request::decode(&request) {
            Some((Request::Call(call), content)) => self.call(from, *call, None, content),
            Some((Request::CallFor { call, account }, content)) => self.call(from, *call, Some(account), content),
            Some((Request::Meta(meta), _)) => self.meta(meta),
            Some((Request::Operation { shard, operation }, _)) => self.operation(shard, operation),
            Some((Request::Copy { group, asked }, _)) => self.copy(group, asked),
            Some((Request::Restoring(restoring), content)) => self.restoring(restoring, content),
            Some((Request::Confirm(shards), _)) => self.confirm(shards),
            Some((
                Request::Look {
                    shard,
                    behind,
                    operation,
                },
                _,
            )) => self.look(shard, behind, operation),
            Some((Request::Deliver { instance, number }, content)) => self.deliver(instance, number, &content),
            Some((Request::AutoResponded { instance, number }, _)) => self.auto_responded(instance, number),
            Some((Request::Instance, _)) => at_once(&Answer::Instance(self.remote.instance())),
            Some((Request::Leaders, _)) => at_once(&Answer::Leaders(self.remote.leaders.table())),
            None => at_once(&Answer::Unreadable),
        }
    }
}

impl Visit {
    fn enter(&self, letter: Letter) -> Arrival {
        let passage = self.passage.as_ref().map(|(from, passage)| (*from, passage));
        self.host
            .accept(&self.address, self.epoch, passage, letter, self.refusal.as_ref())
    }

    /// Waits for the call that this one must not overtake.
    async fn wait(&self, mut letter: Letter) -> Arrival {
        loop {
            let mut arrivals = std::pin::pin!(self.host.arrivals.notified());
            arrivals.as_mut().enable();
            match self.enter(letter) {
                Arrival::Early(back) => letter = back,
                arrival @ (Arrival::Taken | Arrival::NotOwner | Arrival::Late | Arrival::Missing) => return arrival,
            }
            arrivals.await;
        }
    }
}

/// On whose account a call is, if it is let in.
fn admit(node: &Node, to: &Address, account: &Shown) -> crate::Result<Account> {
    let account = account.account()?;
    if let Some(gatekeeper) = &node.gatekeeper {
        gatekeeper.admit(&to.id, account.shown())?;
    }
    Ok(account)
}

fn at_once(answer: &Answer) -> BoxFuture<'static, Bytes> {
    ready(answer.encode(&[])).boxed()
}

/// The answer to a call that was handled or refused.
fn encode(outcome: Result<Value, Fault>, codec: Option<&'static Codec>) -> Bytes {
    let encoded = match (outcome, codec) {
        (Ok(value), Some(codec)) => codec
            .encode_reply(&*value)
            .and_then(|reply| check(&reply).map(|()| reply))
            .map_err(Fault::Handler),
        (Ok(_), None) => return Answer::Done.encode(&[]),
        (Err(fault), _) => Err(fault),
    };
    match encoded {
        Ok(reply) => Answer::Reply.encode(&reply),
        Err(fault) => Answer::Fault(fault).encode(&[]),
    }
}
