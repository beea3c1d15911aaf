//! Actors whose money can be counted: whatever happens between them, the sum stays.

use std::path::Path;

use cluster::{Cluster, ClusterConfig, OpenError, Stores, prelude::*};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::fixture::{Account, Activations, tenant};

pub(crate) const SHARDS: u16 = 4;
pub(crate) const MEMBERS: u64 = 16;

const TAKEN: Key<u64> = Key::new("taken");
const RUNG: Key<u64> = Key::new("rung");

/// Hands money to another purse in one batch with what it keeps, and rings once if told to.
pub(crate) struct Purse;

/// Takes from this purse and sends it to another.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "purse.give")]
pub(crate) struct Give {
    pub(crate) to: String,
    pub(crate) amount: u64,
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "purse.take")]
pub(crate) struct Take(pub(crate) u64);

/// Sets the alarm.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "purse.ring")]
pub(crate) struct Ring(pub(crate) Timestamp);

/// Answers the balance, which begins with a million, and how often it rang.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "purse.balance", reply = (u64, u64))]
pub(crate) struct Balance;

impl VirtualActor for Purse {
    const CLASS: &'static str = "purse";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Give>().on::<Take>().on::<Ring>().on::<Balance>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let rung = ctx.storage().get(&RUNG).await?.unwrap_or_default();
        ctx.storage().put(&RUNG, &(rung + 1))
    }
}

impl Purse {
    async fn balance(ctx: &mut Ctx<Self>) -> Result<u64> {
        Ok(ctx.storage().get(&TAKEN).await?.unwrap_or(1_000_000))
    }
}

impl Handler<Give> for Purse {
    async fn handle(&mut self, Give { to, amount }: Give, ctx: &mut Ctx<Self>) -> Result<()> {
        let rest = Self::balance(ctx).await? - amount;
        ctx.storage().put(&TAKEN, &rest)?;
        let to = ctx.get::<Self>(&to);
        ctx.send(&to, Take(amount))
    }
}

impl Handler<Take> for Purse {
    async fn handle(&mut self, Take(amount): Take, ctx: &mut Ctx<Self>) -> Result<()> {
        let more = Self::balance(ctx).await? + amount;
        ctx.storage().put(&TAKEN, &more)
    }
}

impl Handler<Ring> for Purse {
    async fn handle(&mut self, Ring(at): Ring, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.set_alarm(at);
        Ok(())
    }
}

impl Handler<Balance> for Purse {
    async fn handle(&mut self, _: Balance, ctx: &mut Ctx<Self>) -> Result<(u64, u64)> {
        let rung = ctx.storage().get(&RUNG).await?.unwrap_or_default();
        Ok((Self::balance(ctx).await?, rung))
    }
}

pub(crate) async fn open(path: &Path) -> Result<Cluster, OpenError> {
    let config = ClusterConfig {
        shards: SHARDS,
        ..ClusterConfig::new(Handle::current(), Handle::current())
    };
    Cluster::builder(config)
        .actor::<Account>(Activations::default())
        .actor::<Purse>(())
        .actor::<Chest>(())
        .open(Stores::disk(path))
        .await
}

pub(crate) fn purse(cluster: &Cluster, n: u64) -> ActorRef<Purse> {
    cluster.get(ActorId::from_name::<Purse>(&tenant(), &n.to_string()))
}

/// Waits until nothing is on its way, and returns all the money there is.
pub(crate) async fn settled(cluster: &Cluster) -> u64 {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let mut sum = 0;
        for n in 0..MEMBERS {
            sum += purse(cluster, n).ask(Balance).await.unwrap().0;
        }
        if sum == MEMBERS * 1_000_000 || tokio::time::Instant::now() > deadline {
            return sum;
        }
        tokio::task::yield_now().await;
    }
}

const GEMS: Keys<Vec<u8>> = Keys::new("gems/");

/// Keeps more than one batch holds.
pub(crate) struct Chest;

/// Replaces all values by some that say `mark`.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "chest.fill")]
pub(crate) struct Fill {
    pub(crate) count: u32,
    pub(crate) bytes: usize,
    pub(crate) mark: u8,
}

/// Answers the mark of each value, and whether an alarm is set.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "chest.open", reply = (Vec<u8>, Option<Timestamp>))]
pub(crate) struct Open;

/// Stores nothing any more.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "chest.clear")]
pub(crate) struct Clear;

impl VirtualActor for Chest {
    const CLASS: &'static str = "chest";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Fill>().on::<Open>().on::<Clear>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn alarm(&mut self, _: Alarm, _: &mut Ctx<Self>) -> Result<()> {
        Ok(())
    }
}

impl Handler<Fill> for Chest {
    async fn handle(&mut self, Fill { count, bytes, mark }: Fill, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().delete_all()?;
        for n in 0..count {
            ctx.storage().put(&GEMS.key(&format!("{n:04}")), &vec![mark; bytes])?;
        }
        ctx.set_alarm(Timestamp::from_millis(i64::MAX / 8 + i64::from(mark)));
        Ok(())
    }
}

impl Handler<Open> for Chest {
    async fn handle(&mut self, _: Open, ctx: &mut Ctx<Self>) -> Result<(Vec<u8>, Option<Timestamp>)> {
        let gems = ctx.storage().list(&GEMS, List::default()).await?;
        Ok((gems.iter().map(|(_, gem)| gem[0]).collect(), ctx.get_alarm()))
    }
}

impl Handler<Clear> for Chest {
    async fn handle(&mut self, _: Clear, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().delete_all()
    }
}

/// What a chest answers after it was filled.
pub(crate) fn filled(count: usize, mark: u8) -> (Vec<u8>, Option<Timestamp>) {
    (
        vec![mark; count],
        Some(Timestamp::from_millis(i64::MAX / 8 + i64::from(mark))),
    )
}
