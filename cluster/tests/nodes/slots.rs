//! Actors that store values of a fixed size, for figures: what they keep does not grow.

use std::time::{Duration, Instant};

use cluster::{ActorRef, Cluster, Freshness, prelude::*};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

/// Actors that are called; they are spread over all shards.
pub(crate) const ACTORS: usize = 1000;

/// Actors of a list.
const LISTED: usize = 50;

/// Bytes of a value.
const VALUE: usize = 200;

/// Values that an actor keeps.
const VALUES: u64 = 100;

const SLOTS: Keys<(u64, String)> = Keys::new("slots/");

/// An actor that stores one value after another over the oldest.
pub(crate) struct Slots {
    count: u64,
}

/// Answered when a value is durable.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "nodes.store", reply = u64)]
pub(crate) struct Store;

/// What callers within a node did.
pub(crate) struct Load {
    pub(crate) stored: u64,
    pub(crate) failed: u64,
}

impl VirtualActor for Slots {
    const CLASS: &'static str = "slots";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Store>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self { count: 0 })
    }
}

impl Handler<Store> for Slots {
    async fn handle(&mut self, _: Store, ctx: &mut Ctx<Self>) -> Result<u64> {
        self.count += 1;
        let slot = SLOTS.key(&(self.count % VALUES).to_string());
        ctx.storage().put(&slot, &(self.count, "x".repeat(VALUE)))?;
        Ok(self.count)
    }
}

/// Lists the first actors again and again; says how long that took, and the age of the oldest list.
pub(crate) async fn list(cluster: &Cluster, age: Duration, lists: usize) -> Result<(Duration, Duration)> {
    let tenant = TenantId::new("acme").expect("a lawful name");
    let listing = cluster.listing().with(Freshness::at_most(age));
    let (begin, mut oldest) = (Instant::now(), Duration::ZERO);
    for _ in 0..lists {
        let query = DirectoryQuery {
            limit: LISTED,
            ..DirectoryQuery::default()
        };
        oldest = oldest.max(listing.names(Slots::CLASS, &tenant, query).await?.age);
    }
    Ok((begin.elapsed(), oldest))
}

/// One of the actors.
pub(crate) fn get(cluster: &Cluster, actor: &str) -> ActorRef<Slots> {
    let tenant = TenantId::new("acme").expect("a lawful name");
    cluster.get(ActorId::from_name::<Slots>(&tenant, actor))
}

/// Lets so many callers call all actors for a while, each the next one when it has its answer.
pub(crate) async fn load(cluster: &Cluster, callers: usize, span: Duration) -> Load {
    let actors: std::sync::Arc<[_]> = (0..ACTORS).map(|actor| get(cluster, &actor.to_string())).collect();
    let begin = Instant::now();
    let callers = (0..callers).map(|_| {
        let actors = std::sync::Arc::clone(&actors);
        tokio::spawn(async move {
            let mut load = Load { stored: 0, failed: 0 };
            while begin.elapsed() < span {
                let actor = &actors[rand::random_range(0..ACTORS)];
                match actor.clone().ask(Store).await {
                    Ok(_) => load.stored += 1,
                    Err(_) => load.failed += 1,
                }
            }
            load
        })
    });
    let loads = join_all(callers).await.into_iter().map(Result::unwrap);
    loads.fold(Load { stored: 0, failed: 0 }, |sum, load| Load {
        stored: sum.stored + load.stored,
        failed: sum.failed + load.failed,
    })
}
