//! Looks at the rows of shards: by their owners, or, where the caller allows some age, by the copies on this node.
//!
//! A copy shows what it has applied, and cannot know by itself how old that is. So it answers only up to a
//! [`Horizon`]: the owner was asked at a moment how far it is, made sure after that moment that it is the owner, and the
//! copy has come as far. Then all that was acknowledged before that moment is in the rows. An owner that was superseded
//! confirms nothing, whoever is cut off together with it.
//!
//! The age of what is shown counts back from the moment at which it was asked for, by the clock of this node alone.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream};

use super::{
    horizon::Horizon,
    operation::{self, Look, Nothing, Operate, Operation, Question},
    request::{Answer, Request},
};
use crate::{
    ActorError, Freshness, ReadToken, Result,
    host::Host,
    peers::NodeId,
    router::Node,
    shard::{Extent, is_confirmed},
};

/// How long an owner may take to say how far it is, with the way there and back; then it is asked for the rows.
const CONFIRM: Duration = Duration::from_secs(1);

/// How long it may take of that to make sure that it still is the owner.
const MAKE_SURE: Duration = Duration::from_millis(500);

/// How long a node may lack an entry that another has applied: an idle group hears with the next heartbeat what is agreed.
const CATCH_UP: Duration = Duration::from_millis(300);

/// How long a list that may be of some age waits for a shard since it was last certain that it has an owner: about as long
/// as it takes until there is another one. Who accepts an age does not want to wait for longer.
const REPLACED: Duration = Duration::from_secs(3);

/// How often rows are read again that were replaced as a whole meanwhile.
const ATTEMPTS: u32 = 3;

/// Shards that are looked at at once.
const ABREAST: usize = 16;

/// What one shard shows.
struct Shown<T> {
    shard: u16,
    output: T,
    /// The rows had come no further than this entry.
    index: u64,
    age: Duration,
}

/// How old what was shown is, and how far it goes.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) age: Duration,
    pub(crate) token: ReadToken,
}

impl Node {
    /// Looks at all shards, several at once, and hands on what they show until that suffices.
    pub(crate) async fn look<O>(
        self: &Arc<Self>,
        operation: O,
        freshness: &Freshness,
        mut take: impl FnMut(O::Output) -> ControlFlow<()>,
    ) -> Result<Seen>
    where
        O: Look,
        Operation: From<O>,
    {
        freshness.token.check(self.hosts.len())?;
        let mut seen = Seen {
            age: Duration::ZERO,
            token: freshness.token.clone(),
        };
        let looked = async {
            let began = self.clock.elapsed();
            let since = (!freshness.age.is_zero()).then(|| began.saturating_sub(freshness.age));
            if let Some(since) = since {
                self.confirm(since, |host| host.shard.extent().is_some()).await;
            }
            let shards = self.shards().map(|shard| {
                let (behind, operation) = (freshness.token.of(shard), operation.clone());
                self.look_at(shard, operation, behind, began, since)
            });
            let mut shards = stream::iter(shards).buffer_unordered(ABREAST);
            while let Some(shown) = shards.next().await {
                let Shown {
                    shard,
                    output,
                    index,
                    age,
                } = shown?;
                seen.age = seen.age.max(age);
                seen.token.cover(shard, index);
                if take(output).is_break() {
                    break;
                }
            }
            Ok(())
        };
        let looked = tokio::time::timeout(self.bounds.ask, looked).await;
        looked.unwrap_or_else(|_| Err(refused()))?;
        Ok(seen)
    }

    /// A token that covers everything of a shard that was acknowledged before.
    pub(crate) async fn read_token(self: &Arc<Self>, shard: u16) -> Result<ReadToken> {
        let (index, ()) = self.look_by_owner(shard, Nothing, 0).await?;
        let mut token = ReadToken::default();
        token.cover(shard, index);
        Ok(token)
    }

    async fn look_at<O>(
        self: &Arc<Self>,
        shard: u16,
        operation: O,
        behind: u64,
        began: Duration,
        since: Option<Duration>,
    ) -> Result<Shown<O::Output>>
    where
        O: Look,
        Operation: From<O>,
    {
        let horizon = since.and_then(|since| self.remote.horizons.since(shard, since));
        if let Some(horizon) = horizon
            && let Some(shown) = self.look_here(shard, &operation, horizon.index.max(behind)).await
        {
            let (index, output) = shown?;
            let age = began.saturating_sub(horizon.asked);
            return Ok(Shown {
                shard,
                output,
                index,
                age,
            });
        }
        let (index, output) = if since.is_some() {
            tokio::select! {
                biased;
                shown = self.look_by_owner(shard, operation, behind) => shown?,
                () = self.given_up(shard, began) => return Err(refused()),
            }
        } else {
            self.look_by_owner(shard, operation, behind).await?
        };
        Ok(Shown {
            shard,
            output,
            index,
            age: Duration::ZERO,
        })
    }

    /// Waits until a shard has had no owner for so long that none is expected, for a question that began then. As long as
    /// one makes sure that it is the owner, it may take its time.
    async fn given_up(&self, shard: u16, began: Duration) {
        let host = &self.hosts[usize::from(shard)];
        loop {
            let last = self.remote.horizons.since(shard, Duration::ZERO);
            let certain = last.map_or(began, |horizon| horizon.asked);
            let left = (certain + REPLACED).saturating_sub(self.clock.elapsed());
            // This node knows soon enough that it is the owner no more, and asks itself only if there are others.
            let is_here = host.epoch().is_some();
            if left.is_zero() && !is_here {
                return;
            }
            tokio::time::sleep(if is_here { CONFIRM } else { left }).await;
        }
    }

    /// What the copy on this node shows, and how far that goes; `None` if there is none, or it does not come as far as it
    /// has to.
    async fn look_here<O: Look>(
        self: &Arc<Self>,
        shard: u16,
        operation: &O,
        index: u64,
    ) -> Option<Result<(u64, O::Output)>> {
        let host = &self.hosts[usize::from(shard)];
        for _ in 0..ATTEMPTS {
            let before = reached(host, index).await?;
            let output = operation.clone().operate(Arc::clone(self), Arc::clone(host)).await;
            // What was read may be further than it was before, and the next one must not go back behind it.
            if let Some(after) = host.shard.extent()
                && after.edition == before.edition
            {
                return Some(output.map(|output| (after.applied, output)));
            }
        }
        None
    }

    async fn look_by_owner<O>(self: &Arc<Self>, shard: u16, operation: O, behind: u64) -> Result<(u64, O::Output)>
    where
        O: Look,
        Operation: From<O>,
    {
        let question = Looking { operation, behind };
        match self.ask_owner(shard, &question).await {
            Err(error) if error.code() == operation::VERSION && behind == 0 => {
                // An earlier program shows the same, and does not say how far it goes.
                let output = self.operate(shard, question.operation).await?;
                Ok((0, output))
            }
            answered => answered,
        }
    }

    /// Asks the owners of the shards that matter how far they are, unless that is known since `since`: each owner once,
    /// all at the same time. What this node owns it asks itself as long as that costs nothing: when it is cut off, its own
    /// rows are a copy like the others.
    pub(super) async fn confirm(&self, since: Duration, matters: impl Fn(&Host) -> bool) {
        let mut owners = BTreeMap::<NodeId, Vec<u16>>::new();
        for host in &self.hosts {
            let shard = host.shard.number();
            let is_known = || self.remote.horizons.since(shard, since).is_some();
            match host.epoch() {
                Some(epoch) if host.shard.lease().holds(epoch) || !is_known() => {
                    owners.entry(self.remote.node).or_default().push(shard);
                }
                None if !is_known() && matters(host) => {
                    let leader = self.remote.leaders.of(shard);
                    if let Some(leader) = leader.filter(|leader| leader.node != self.remote.node) {
                        owners.entry(leader.node).or_default().push(shard);
                    }
                }
                Some(_) | None => {}
            }
        }
        join_all(owners.into_iter().map(async |(owner, shards)| {
            let asked = self.clock.elapsed();
            for (shard, index) in self.confirmed(owner, shards).await {
                self.remote.horizons.learn(shard, Horizon { asked, index });
            }
        }))
        .await;
    }

    /// How far those of these shards are that a node owns.
    async fn confirmed(&self, owner: NodeId, shards: Vec<u16>) -> Vec<(u16, u64)> {
        if owner == self.remote.node {
            return confirm(self, &shards).await;
        }
        let request = Request::Confirm(shards).encode(&[]);
        match self.remote.exchange(owner, request, CONFIRM).await {
            Ok((Answer::Confirmed(confirmed), _)) => return confirmed,
            Ok(_) => tracing::debug!(node = %owner, "a node does not say how far its shards are"),
            Err(error) => tracing::debug!(%error, "failed to hear how far shards are"),
        }
        Vec::new()
    }
}

fn refused() -> ActorError {
    ActorError::retryable(
        "retryable",
        "a shard has no owner that answers, and no copy here that is known to be young enough",
    )
}

/// A look on its way to the owner.
struct Looking<O> {
    operation: O,
    behind: u64,
}

impl<O> Question for Looking<O>
where
    O: Look,
    Operation: From<O>,
{
    type Outcome = (u64, O::Output);

    const REPEATABLE: bool = true;

    async fn here(&self, node: &Arc<Node>, host: &Arc<Host>) -> Option<Result<(u64, O::Output)>> {
        owned(self.operation.clone(), self.behind, node, host).await
    }

    fn request(&self, shard: u16) -> Request {
        Request::Look {
            shard,
            behind: self.behind,
            operation: self.operation.clone().into(),
        }
    }

    fn answered(&self, answer: &Answer, content: &[u8]) -> Option<Result<(u64, O::Output)>> {
        let Answer::Seen(index) = answer else { return None };
        Some(operation::decode(content).map(|output| (*index, output)))
    }
}

impl Operation {
    /// Looks for another node. `None`: this node does not own the shard.
    pub(super) async fn look(self, node: Arc<Node>, host: Arc<Host>, behind: u64) -> Option<Result<(u64, Bytes)>> {
        async fn encoded<O: Operate>(
            operation: O,
            behind: u64,
            node: &Arc<Node>,
            host: &Arc<Host>,
        ) -> Option<Result<(u64, Bytes)>> {
            let shown = owned(operation, behind, node, host).await?;
            Some(shown.and_then(|(index, output)| Ok((index, operation::encode(&output)?))))
        }
        match self {
            Self::Names(names) => encoded(names, behind, &node, &host).await,
            Self::Tenants(tenants) => encoded(tenants, behind, &node, &host).await,
            Self::Count(count) => encoded(count, behind, &node, &host).await,
            Self::Nothing(nothing) => encoded(nothing, behind, &node, &host).await,
            Self::IsErased(_)
            | Self::DeadLetters(_)
            | Self::DeadLetter(_)
            | Self::RemoveDeadLetter(_)
            | Self::Inspect(_)
            | Self::Live(_)
            | Self::Values(_)
            | Self::Passivate(_)
            | Self::Roll(_) => Some(Err(ActorError::unsupported(
                operation::VERSION,
                "the node that owns the shard does not only look at this",
            ))),
        }
    }
}

/// Looks as the owner of a shard, after the entry at `behind`, and says how far the rows go. `None` if this node does not
/// own it, or may be about to lose it.
async fn owned<O: Operate>(
    operation: O,
    behind: u64,
    node: &Arc<Node>,
    host: &Arc<Host>,
) -> Option<Result<(u64, O::Output)>> {
    let epoch = host.epoch()?;
    let is_known = host.shard.extent()?.logged >= behind;
    let outcome = if is_known {
        // A copy may have applied what its owner is about to.
        reached(host, behind).await?;
        let output = operation.operate(Arc::clone(node), Arc::clone(host)).await;
        let index = host.shard.extent()?.applied;
        output.map(|output| (index, output))
    } else {
        Err(ReadToken::foreign())
    };
    // What was read may be older than what another owner wrote meanwhile, and that one may know the entry.
    let is_owner = is_confirmed(&*host.shard, epoch).await && host.epoch() == Some(epoch);
    is_owner.then_some(outcome)
}

/// How far those of these shards go that this node owns.
pub(super) async fn confirm(node: &Node, shards: &[u16]) -> Vec<(u16, u64)> {
    let hosts = shards.iter().take(node.hosts.len());
    let hosts = hosts.filter_map(|shard| node.hosts.get(usize::from(*shard)));
    let confirmed = hosts.map(async |host| {
        let epoch = host.epoch()?;
        // Whatever was acknowledged under this ownership or an earlier one is applied here. This is looked at first: if
        // nobody else is the owner after it, there is nothing that another one could have acknowledged before.
        let index = host.shard.extent()?.applied;
        let is_owner = tokio::time::timeout(MAKE_SURE, is_confirmed(&*host.shard, epoch)).await;
        let is_owner = is_owner.unwrap_or(false) && host.epoch() == Some(epoch);
        is_owner.then_some((host.shard.number(), index))
    });
    join_all(confirmed).await.into_iter().flatten().collect()
}

/// Waits for a while until the rows on this node go as far as an entry.
async fn reached(host: &Host, index: u64) -> Option<Extent> {
    tokio::time::timeout(CATCH_UP, host.shard.reached(index)).await.ok()?
}
