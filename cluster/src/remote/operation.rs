//! What the owner of a shard is asked besides calls: listings, dead letters, what operators look at.
//!
//! The owner answers from what is applied under its ownership, and only if it owns the shard before and after. Whoever
//! asks is the same whether the owner is its own node or another.

use std::{collections::BTreeSet, ops::Bound, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Owner,
    request::{Answer, Request},
};
use crate::{
    ActorError, ActorStatus, DeadLetterQuery, DirectoryQuery, LiveActor, Result, TenantId,
    address::{self, Address},
    dead_letter, directory, erasure,
    host::Host,
    id::ClassUid,
    inspect,
    keyspace::{self, SendId},
    mailbox::Fault,
    peers::CallError,
    router::Node,
    shard::is_confirmed,
    socket::Roll,
    wire,
};

/// Rows of the directory that are counted at a time.
const COUNTED: usize = 1024;

/// Bytes of values that are read at once; a page of more comes in parts.
const VALUES: usize = 1024 * 1024;

/// Pause before a shard that was lost is looked for again.
const PAUSE: Duration = Duration::from_millis(5);

/// What the owner of a shard is asked. A new variant comes last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Operation {
    Names(Names),
    Tenants(Tenants),
    Count(Count),
    IsErased(IsErased),
    DeadLetters(DeadLetterPage),
    DeadLetter(ReadDeadLetter),
    RemoveDeadLetter(RemoveDeadLetter),
    Inspect(Inspect),
    Live(Live),
    Values(Values),
    Passivate(Passivate),
    Nothing(Nothing),
    Roll(Roll),
}

/// One kind of it.
pub(crate) trait Operate: Serialize + Clone + Send + Sync + 'static {
    /// What the owner answers.
    type Output: Serialize + DeserializeOwned + Send;

    /// Whether it may be done again if nobody knows whether it was done.
    const REPEATABLE: bool = true;

    /// Does it, on the node that owns the shard.
    fn operate(self, node: Arc<Node>, host: Arc<Host>) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// One that only looks at rows which a copy has as the owner has them. They are small: a value in several parts may be
/// replaced while it is read, which on a copy that is installed would be taken for damage.
pub(crate) trait Look: Operate {}

/// Names of a tenant's actors of a class, in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Names {
    pub(crate) class: ClassUid,
    pub(crate) tenant: TenantId,
    pub(crate) query: DirectoryQuery,
    pub(crate) limit: usize,
}

impl Operate for Names {
    type Output = Vec<String>;

    async fn operate(self, _: Arc<Node>, host: Arc<Host>) -> Result<Vec<String>> {
        directory::names(&*host.shard, self.class, &self.tenant, &self.query, self.limit)
    }
}

/// Tenants with actors of one of the classes, in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tenants {
    pub(crate) classes: Vec<ClassUid>,
    pub(crate) after: Option<TenantId>,
    pub(crate) limit: usize,
}

impl Operate for Tenants {
    type Output = BTreeSet<TenantId>;

    async fn operate(self, _: Arc<Node>, host: Arc<Host>) -> Result<BTreeSet<TenantId>> {
        let mut tenants = BTreeSet::new();
        for class in &self.classes {
            directory::tenants(&*host.shard, *class, self.after.as_ref(), self.limit, &mut tenants)?;
        }
        Ok(tenants)
    }
}

/// How many actors of a class there are, of one tenant or of all; counting ends beyond the limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) class: ClassUid,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) limit: usize,
}

impl Operate for Count {
    type Output = usize;

    async fn operate(self, _: Arc<Node>, host: Arc<Host>) -> Result<usize> {
        let (mut start, end) = match &self.tenant {
            Some(tenant) => keyspace::under(keyspace::directory(self.class, tenant, "")),
            None => keyspace::listed_of(self.class),
        };
        let mut actors = 0;
        loop {
            let rows = directory::rows(&*host.shard, (start, end.clone()), COUNTED)?;
            actors += rows.len();
            let Some((last, _)) = rows.into_iter().nth(COUNTED - 1) else {
                return Ok(actors);
            };
            if actors > self.limit {
                return Ok(actors);
            }
            start = Bound::Excluded(last);
            tokio::task::yield_now().await;
        }
    }
}

/// Whether nothing is left of a deleted class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IsErased(pub(crate) ClassUid);

impl Operate for IsErased {
    type Output = bool;

    async fn operate(self, _: Arc<Node>, host: Arc<Host>) -> Result<bool> {
        erasure::is_done(&host, self.0).map_err(|error| directory::unreadable(&*host.shard, &error))
    }
}

/// A page of dead letters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DeadLetterPage {
    pub(crate) query: DeadLetterQuery,
    pub(crate) after: Option<SendId>,
    pub(crate) limit: usize,
}

impl Operate for DeadLetterPage {
    type Output = Vec<(SendId, dead_letter::Head)>;

    async fn operate(self, node: Arc<Node>, host: Arc<Host>) -> Result<Self::Output> {
        dead_letter::page(&node, &host, &self.query, self.after, self.limit)
    }
}

/// One dead letter with its encoded message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReadDeadLetter(pub(crate) SendId);

impl Operate for ReadDeadLetter {
    type Output = Option<(dead_letter::Head, Vec<u8>)>;

    async fn operate(self, _: Arc<Node>, host: Arc<Host>) -> Result<Self::Output> {
        dead_letter::read(&host, self.0)
    }
}

/// Takes a dead letter out; `false` if it is not there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RemoveDeadLetter {
    pub(crate) id: SendId,
    pub(crate) removal: dead_letter::Removal,
}

impl Operate for RemoveDeadLetter {
    type Output = bool;

    const REPEATABLE: bool = false;

    async fn operate(self, node: Arc<Node>, host: Arc<Host>) -> Result<bool> {
        let runtime = host.runtime.clone();
        // A task of its own, because a caller that goes away must not leave a batch behind that nobody waits for: the next
        // one would not see it yet, and send the letter a second time.
        let removed = runtime.spawn(async move { dead_letter::remove(&host, &node, self.id, self.removal).await });
        removed.await.unwrap_or_else(|_| {
            Err(ActorError::unknown(
                "unknown",
                "the node ended while a dead letter was decided about",
            ))
        })
    }
}

/// Everything about one actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Inspect(pub(crate) address::Stored);

impl Operate for Inspect {
    type Output = ActorStatus;

    async fn operate(self, node: Arc<Node>, host: Arc<Host>) -> Result<ActorStatus> {
        let address = resolve(self.0, &node)?;
        inspect::status(&node, &host, &address).await
    }
}

/// What of an actor is in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Live(pub(crate) address::Stored);

impl Operate for Live {
    type Output = Option<LiveActor>;

    async fn operate(self, node: Arc<Node>, host: Arc<Host>) -> Result<Option<LiveActor>> {
        let mailbox = host.mailbox(self.0.hash());
        Ok(mailbox.and_then(|mailbox| inspect::live(&node, &mailbox)))
    }
}

/// A part of a page of what an actor has stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Values {
    pub(crate) address: address::Stored,
    pub(crate) after: Option<String>,
    pub(crate) limit: usize,
}

impl Operate for Values {
    /// Keys and values, and whether the page ends with them.
    type Output = (Vec<(String, Vec<u8>)>, bool);

    async fn operate(self, node: Arc<Node>, host: Arc<Host>) -> Result<Self::Output> {
        let address = resolve(self.address, &node)?;
        let stored = inspect::Stored::open(&*host.shard, &address)?;
        let (mut values, mut bytes, mut after) = (Vec::<(String, Vec<u8>)>::new(), 0, self.after);
        loop {
            let limit = inspect::READ.min(self.limit - values.len());
            let read = stored.values(after.as_deref(), limit)?;
            let is_last = read.len() < limit;
            bytes += read.iter().map(|read| read.key.len() + read.value.len()).sum::<usize>();
            values.extend(read.into_iter().map(|read| (read.key, read.value.to_vec())));
            if is_last || values.len() >= self.limit {
                return Ok((values, true));
            }
            if bytes >= VALUES {
                return Ok((values, false));
            }
            after = values.last().map(|(key, _)| key.clone());
            tokio::task::yield_now().await;
        }
    }
}

/// Puts an actor away; says whether it was in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Passivate(pub(crate) address::Stored);

impl Operate for Passivate {
    type Output = bool;

    const REPEATABLE: bool = false;

    async fn operate(self, _: Arc<Node>, host: Arc<Host>) -> Result<bool> {
        host.passivate(self.0.hash()).await.map_err(ActorError::from)
    }
}

/// Looks at nothing: the answer tells how far the owner is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Nothing;

impl Operate for Nothing {
    type Output = ();

    async fn operate(self, _: Arc<Node>, _: Arc<Host>) -> Result<()> {
        Ok(())
    }
}

impl Look for Names {}
impl Look for Tenants {}
impl Look for Count {}
impl Look for Nothing {}

fn resolve(address: address::Stored, node: &Node) -> Result<Arc<Address>> {
    address.resolve(&node.classes).ok_or_else(|| {
        ActorError::unsupported(
            "class.unregistered",
            "the node that owns the actor does not know its class",
        )
    })
}

macro_rules! operations {
    ($($variant:ident($kind:ident),)*) => {
        $(impl From<$kind> for Operation {
            fn from(operation: $kind) -> Self {
                Self::$variant(operation)
            }
        })*

        impl Operation {
            /// Does what another node asked for. `None`: this node does not own the shard, and nothing was done that
            /// counts.
            pub(super) async fn serve(self, node: Arc<Node>, host: Arc<Host>) -> Option<Result<Bytes>> {
                match self {
                    $(Self::$variant(operation) => Some(owned(operation, &node, &host).await?.and_then(|output| encode(&output))),)*
                }
            }
        }
    };
}

operations! {
    Names(Names),
    Tenants(Tenants),
    Count(Count),
    IsErased(IsErased),
    DeadLetters(DeadLetterPage),
    DeadLetter(ReadDeadLetter),
    RemoveDeadLetter(RemoveDeadLetter),
    Inspect(Inspect),
    Live(Live),
    Values(Values),
    Passivate(Passivate),
    Nothing(Nothing),
    Roll(Roll),
}

/// Does it if this node owns the shard, before and after.
async fn owned<O: Operate>(operation: O, node: &Arc<Node>, host: &Arc<Host>) -> Option<Result<O::Output>> {
    let epoch = host.epoch()?;
    let outcome = operation.operate(Arc::clone(node), Arc::clone(host)).await;
    // What was read may be older than what another owner wrote meanwhile.
    let is_owner = !O::REPEATABLE || (is_confirmed(&*host.shard, epoch).await && host.epoch() == Some(epoch));
    is_owner.then_some(outcome)
}

pub(super) fn encode<T: Serialize>(output: &T) -> Result<Bytes> {
    wire::encode(output).map_err(|error| {
        tracing::error!(%error, "failed to encode what another node asked for");
        ActorError::internal("node.encode", "failed to encode what another node asked for")
    })
}

/// Something that the owner of a shard is asked, wherever it is.
pub(super) trait Question: Sync {
    /// What becomes of it.
    type Outcome: Send;

    /// Whether it may be asked again if nobody knows what became of it.
    const REPEATABLE: bool;

    /// Answers as the owner; `None` if this node is not.
    fn here(&self, node: &Arc<Node>, host: &Arc<Host>) -> impl Future<Output = Option<Result<Self::Outcome>>> + Send;

    /// What is sent to an owner on another node.
    fn request(&self, shard: u16) -> Request;

    /// What it answered, if that is an answer to this.
    fn answered(&self, answer: &Answer, content: &[u8]) -> Option<Result<Self::Outcome>>;
}

/// An operation on its way to the owner.
struct Asked<O>(O);

impl<O> Question for Asked<O>
where
    O: Operate,
    Operation: From<O>,
{
    type Outcome = O::Output;

    const REPEATABLE: bool = O::REPEATABLE;

    async fn here(&self, node: &Arc<Node>, host: &Arc<Host>) -> Option<Result<O::Output>> {
        owned(self.0.clone(), node, host).await
    }

    fn request(&self, shard: u16) -> Request {
        let operation = self.0.clone().into();
        Request::Operation { shard, operation }
    }

    fn answered(&self, answer: &Answer, content: &[u8]) -> Option<Result<O::Output>> {
        matches!(answer, Answer::Output).then(|| decode(content))
    }
}

/// What is said where the owner runs an earlier program.
pub(super) const VERSION: &str = "node.version";

impl Node {
    /// Has the owner of a shard do something, wherever it is.
    pub(crate) async fn operate<O>(self: &Arc<Self>, shard: u16, operation: O) -> Result<O::Output>
    where
        O: Operate,
        Operation: From<O>,
    {
        self.ask_owner(shard, &Asked(operation)).await
    }

    /// Asks the owner of a shard, wherever it is.
    pub(super) async fn ask_owner<Q: Question>(self: &Arc<Self>, shard: u16, question: &Q) -> Result<Q::Outcome> {
        let host = &self.hosts[usize::from(shard)];
        let asked = async {
            let mut search = self.remote.search(shard, host.owned());
            let mut request = None;
            loop {
                let leader = match search.owner().await {
                    Owner::Here(_) => match question.here(self, host).await {
                        Some(outcome) => return outcome,
                        None => {
                            tokio::time::sleep(PAUSE).await;
                            continue;
                        }
                    },
                    Owner::There(leader) => leader,
                };
                let request = request.get_or_insert_with(|| question.request(shard).encode(&[]));
                let answer = self.remote.exchange(leader.node, request.clone(), self.bounds.ask);
                let answer = self.remote.answered(shard, leader, answer).await;
                let hint = match answer {
                    Ok((Answer::Failed(error), _)) => return Err(error),
                    Ok((Answer::NotLeader(hint), _)) => hint,
                    Ok((Answer::Unreadable, _)) => {
                        return Err(ActorError::unsupported(
                            VERSION,
                            "the node that owns the shard does not know this kind of request",
                        ));
                    }
                    Ok((answer, content)) => match question.answered(&answer, &content) {
                        Some(outcome) => return outcome,
                        None if Q::REPEATABLE => None,
                        None => return Err(Fault::Unknown.into()),
                    },
                    Err(CallError::NotSent { .. }) => None,
                    Err(CallError::NoAnswer { .. }) if Q::REPEATABLE => None,
                    Err(CallError::NoAnswer { .. }) => return Err(Fault::Unknown.into()),
                };
                search.refused(leader, hint);
            }
        };
        match tokio::time::timeout(self.bounds.ask, asked).await {
            Ok(outcome) => outcome,
            Err(_) if Q::REPEATABLE => Err(ActorError::retryable(
                "retryable",
                format!("shard {shard} has no owner that answers"),
            )),
            Err(_) => Err(Fault::Unknown.into()),
        }
    }
}

pub(super) fn decode<T: DeserializeOwned>(output: &[u8]) -> Result<T> {
    wire::decode(output).map_err(|error| {
        tracing::error!(%error, "failed to decode what another node answered");
        ActorError::internal("node.decode", "failed to decode what another node answered")
    })
}
