//! The way of a call: from a reference to the host of the actor's shard.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rand::{Rng, rngs::StdRng};
use tokio::time::Instant;

use crate::{
    ActorError, ActorId, Bounds, Clock, Gatekeeper, RequestId, Result, VirtualActor,
    address::Address,
    caller::Caller,
    consensus::Copies,
    deadlines::Deadlines,
    error,
    host::Host,
    id::{ActorHash, ClassUid},
    idempotency::Keyed,
    interface::{Class, Codec, Payload, Value},
    mailbox::{Call, Fault, Letter, Origin, Reply},
    metrics::Metrics,
    migration::Registry,
    remote::{Holds, Line, Remote},
    socket::{Lanes, Ports},
    vitals::Watch,
};

/// The registered classes, by name and by lasting identity.
#[derive(Default)]
pub(crate) struct Classes {
    registry: Registry,
    uids: HashMap<&'static str, ClassUid>,
    classes: HashMap<ClassUid, Arc<dyn Class>>,
}

impl Classes {
    /// The classes of a program that fits its migrations.
    pub(crate) fn new(registry: Registry, classes: impl Iterator<Item = Arc<dyn Class>>) -> Self {
        let mut registered = Self::default();
        for class in classes {
            if let Some(entry) = registry.live().get(class.name()) {
                registered.uids.insert(class.name(), entry.uid);
                registered.classes.insert(entry.uid, class);
            }
        }
        registered.registry = registry;
        registered
    }

    /// Every class there is or was.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether a class was deleted for good.
    pub(crate) fn is_deleted(&self, uid: ClassUid) -> bool {
        self.registry.deleted().iter().any(|(_, entry)| entry.uid == uid)
    }

    /// Names of the registered classes, in order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.uids.keys().copied().collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn uid(&self, name: &str) -> Option<ClassUid> {
        self.uids.get(name).copied()
    }

    pub(crate) fn uids(&self) -> impl Iterator<Item = (&'static str, ClassUid)> {
        self.uids.iter().map(|(name, uid)| (*name, *uid))
    }

    pub(crate) fn by_uid(&self, uid: ClassUid) -> Option<Arc<dyn Class>> {
        self.classes.get(&uid).cloned()
    }
}

/// What the hosts of one node share.
pub(crate) struct Node {
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Mutex<StdRng>,
    pub(crate) classes: Classes,
    pub(crate) metrics: Metrics,
    pub(crate) watch: Watch,
    pub(crate) deadlines: Arc<Deadlines>,
    pub(crate) remote: Arc<Remote>,
    /// Who may call which actor; without one everybody may.
    pub(crate) gatekeeper: Option<Arc<dyn Gatekeeper>>,
    /// By shard number; their count is a power of two.
    pub(crate) hosts: Vec<Arc<Host>>,
    /// The groups of this node, for those who copy them.
    pub(crate) copies: Option<Arc<Copies>>,
    /// Actors that restores keep at rest here.
    pub(crate) holds: Holds,
    /// The sockets whose connections this node keeps.
    pub(crate) ports: Ports,
    /// The ways to those of other nodes.
    pub(crate) lanes: Lanes,
}

/// A call through a reference.
pub(crate) struct Ask {
    pub(crate) message: &'static str,
    pub(crate) payload: Payload,
    /// For the case that it leaves the node.
    pub(crate) codec: &'static Codec,
    pub(crate) keyed: Option<Box<Keyed>>,
    pub(crate) deadline: Duration,
}

impl Node {
    /// The lasting identity of `A`, if `id` is one of its ids.
    pub(crate) fn resolve<A: VirtualActor>(&self, id: &ActorId) -> Result<ClassUid> {
        if id.class() != A::CLASS {
            return Err(ActorError::invalid(
                "actor.class",
                format!(
                    "an id of class {} does not name an actor of class {}",
                    id.class(),
                    A::CLASS
                ),
            ));
        }
        id.check()?;
        self.class(A::CLASS)
    }

    /// The lasting identity of a class.
    pub(crate) fn class(&self, name: &str) -> Result<ClassUid> {
        self.classes
            .uid(name)
            .ok_or_else(|| ActorError::unsupported("class.unregistered", format!("class {name} is not registered")))
    }

    pub(crate) fn host(&self, hash: ActorHash) -> &Arc<Host> {
        &self.hosts[usize::from(self.shard(hash))]
    }

    /// The numbers of all shards.
    pub(crate) fn shards(&self) -> impl Iterator<Item = u16> + use<> {
        0..u16::try_from(self.hosts.len()).expect("a cluster has at most 256 shards")
    }

    /// The shard of an actor.
    pub(crate) fn shard(&self, hash: ActorHash) -> u16 {
        hash.shard(u16::try_from(self.hosts.len()).expect("a cluster has at most 256 shards"))
    }

    /// A random number in 0..1.
    pub(crate) fn jitter(&self) -> f64 {
        self.random.lock().random()
    }

    /// Calls an actor and waits for its reply. A failure that is not the actor's own breaks the reference.
    pub(crate) async fn ask(&self, address: &Arc<Address>, ask: Ask, line: &Line) -> Result<Value> {
        if line.is_broken() {
            return Err(ActorError::retryable(
                error::BROKEN,
                "an earlier call through this reference failed; the call had no effect and needs a new reference",
            ));
        }
        let Caller {
            chain,
            account,
            is_outside,
        } = Caller::current();
        if chain.as_ref().is_some_and(|chain| chain.contains(address.hash)) {
            return Err(ActorError::conflict(
                "actor.cycle",
                format!("{address} waits for this call, directly or not, and can never answer it"),
            ));
        }
        if is_outside && let Some(gatekeeper) = &self.gatekeeper {
            gatekeeper.admit(&address.id, account.shown())?;
        }
        let Ask {
            message,
            payload,
            codec,
            keyed,
            deadline,
        } = ask;
        let (reply, outcome) = Reply::channel();
        let sent = Instant::now();
        let call = Call {
            message: message.into(),
            payload,
            origin: Origin::Ask,
            chain,
            account,
            request: RequestId::current(),
            keyed,
            sent,
            reply,
        };
        let answered = async {
            let host = self.host(address.hash);
            let call = Box::new(call);
            let call = if line.is_clear() {
                match host.offer(address, Letter::Call(call)) {
                    None => return outcome.await.unwrap_or(Err(Fault::Unknown)),
                    Some(Letter::Call(back)) => back,
                    Some(Letter::Alarm(..) | Letter::Wake(_) | Letter::Passivate(_)) => return Err(Fault::Unavailable),
                }
            } else {
                call
            };
            // In a place of its own, because most calls never get there.
            Box::pin(self.detour(host, address, (call, outcome), (codec, deadline), line)).await
        };
        let error = match self.deadlines.within(sent, deadline, answered).await {
            Some(Ok(value)) => return Ok(value),
            // The actor has answered, or will never hear of this call: what comes behind it is still in order.
            Some(Err(Fault::Handler(error) | Fault::Refused(error))) => return Err(error),
            Some(Err(fault)) => fault.into(),
            None => ActorError::unknown(
                "deadline",
                format!(
                    "no reply within {} ms; the call may or may not have taken effect",
                    deadline.as_millis()
                ),
            ),
        };
        line.break_off();
        Err(error)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("shards", &self.hosts.len())
            .finish_non_exhaustive()
    }
}
