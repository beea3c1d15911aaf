//! Turns that ask others half-way, and what their callers may believe.

use std::time::Duration;

use cluster::{
    prelude::*,
    testing::{Faults, TestCluster, TestNodes},
};
use serde::{Deserialize, Serialize};

use crate::fixture::{Account, Activations, Add, Total, account, slow, tenant};

const BEFORE: Key<u64> = Key::new("before");
const AFTER: Key<u64> = Key::new("after");

/// Has an account add something in the middle of its turns.
struct Courier;

/// Writes, asks the account, and writes again.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "courier.deliver")]
struct Deliver;

/// Writes, asks the account, and panics.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "courier.fall")]
struct Fall;

/// Writes, and then says that nothing happened.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "courier.deny")]
struct Deny;

/// Says that nothing happened, which is true.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "courier.refuse")]
struct Refuse;

/// Asks another courier to show its books.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "courier.inspect", reply = (u64, u64))]
struct Inspect(String);

/// Answers how often it wrote before and after.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "courier.show", reply = (u64, u64))]
struct Show;

impl VirtualActor for Courier {
    const CLASS: &'static str = "courier";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Deliver>()
            .on::<Fall>()
            .on::<Deny>()
            .on::<Refuse>()
            .on::<Inspect>()
            .on::<Show>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        if let Some(other) = ctx.name().strip_prefix("needs-") {
            let other = ctx.get::<Self>(other);
            ctx.ask(&other, Show).await?;
        }
        if ctx.name() == "fleeting" {
            ctx.passivate();
        }
        Ok(Self)
    }
}

async fn count(key: &Key<u64>, ctx: &mut Ctx<Courier>) -> Result<()> {
    let before = ctx.storage().get(key).await?.unwrap_or_default();
    ctx.storage().put(key, &(before + 1))
}

impl Handler<Deliver> for Courier {
    async fn handle(&mut self, _: Deliver, ctx: &mut Ctx<Self>) -> Result<()> {
        count(&BEFORE, ctx).await?;
        ctx.ask(&ctx.get::<Account>("a"), Add(1)).await?;
        count(&AFTER, ctx).await
    }
}

impl Handler<Fall> for Courier {
    async fn handle(&mut self, _: Fall, ctx: &mut Ctx<Self>) -> Result<()> {
        count(&BEFORE, ctx).await?;
        ctx.ask(&ctx.get::<Account>("a"), Add(1)).await?;
        panic!("told to panic")
    }
}

impl Handler<Deny> for Courier {
    async fn handle(&mut self, _: Deny, ctx: &mut Ctx<Self>) -> Result<()> {
        count(&BEFORE, ctx).await?;
        Err(ActorError::retryable("courier.later", "told to say so"))
    }
}

impl Handler<Refuse> for Courier {
    async fn handle(&mut self, _: Refuse, _: &mut Ctx<Self>) -> Result<()> {
        Err(ActorError::retryable("courier.later", "told to say so"))
    }
}

impl Handler<Inspect> for Courier {
    async fn handle(&mut self, Inspect(name): Inspect, ctx: &mut Ctx<Self>) -> Result<(u64, u64)> {
        ctx.ask(&ctx.get::<Self>(&name), Show).await
    }
}

impl Handler<Show> for Courier {
    async fn handle(&mut self, _: Show, ctx: &mut Ctx<Self>) -> Result<(u64, u64)> {
        let storage = ctx.storage();
        Ok((
            storage.get(&BEFORE).await?.unwrap_or_default(),
            storage.get(&AFTER).await?.unwrap_or_default(),
        ))
    }
}

async fn couriers(seed: u64, faults: Faults) -> TestCluster {
    TestCluster::builder(seed)
        .actor::<Courier>(())
        .actor::<Account>(Activations::default())
        // The asked one shares the fate of the asker's shard, or does not.
        .shards(if seed.is_multiple_of(2) { 1 } else { 4 })
        .simulated(faults)
        .start()
        .await
}

fn courier(test: &TestCluster, name: &str) -> ActorRef<Courier> {
    test.cluster().get(ActorId::from_name::<Courier>(&tenant(), name))
}

/// Guarantees 6 and 13.
#[tokio::test(start_paused = true)]
async fn a_turn_of_which_a_part_took_effect_is_never_called_retryable() {
    let mut partial = 0;
    for seed in 0..300 {
        let faults = Faults {
            refused: 0.25,
            ..slow(5)
        };
        let test = couriers(seed, faults).await;
        let (courier, account) = (courier(&test, "c"), account(&test, "a"));
        let outcome = courier.ask(Deliver).await.map_err(|error| error.kind());
        // A read is refused as well while a commit of its shard fails.
        let books = loop {
            let (courier, account) = (courier.clone(), account.clone());
            if let (Ok(shown), Ok(total)) = (courier.ask(Show).await, account.ask(Total).await) {
                break (shown, total);
            }
        };
        match outcome {
            Ok(()) => assert_eq!(books, ((1, 1), 1), "seed {seed}"),
            Err(ErrorKind::Retryable) => {
                assert_eq!(
                    books,
                    ((0, 0), 0),
                    "seed {seed}: it took effect and was called retryable"
                );
            }
            Err(ErrorKind::Unknown) => {
                partial += u32::from(books.0 == (1, 0));
            }
            Err(other) => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(partial > 20, "{partial} in part");
}

/// Guarantees 6 and 13.
#[tokio::test(start_paused = true)]
async fn a_turn_that_panics_after_a_part_took_effect_is_never_called_retryable() {
    let mut unknown = 0;
    for seed in 0..100 {
        let builder = TestNodes::builder(seed).nodes(1).shards(1);
        let builder = builder.actor::<Courier>(()).actor::<Account>(Activations::default());
        let test = builder.faults(slow(10)).start().await;
        let id = || ActorId::from_name::<Courier>(&tenant(), "c");
        let first = test.node(0).get::<Courier>(id());
        // The owner loses its shard somewhere in the turn, or while its answer waits.
        let (outcome, ()) = tokio::join!(first.ask(Fall), async {
            tokio::time::sleep(Duration::from_millis(seed)).await;
            test.depose(0);
        });
        let (before, _) = loop {
            // A reference is of no use after a failure.
            if let Ok(shown) = test.node(0).get::<Courier>(id()).ask(Show).await {
                break shown;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let error = outcome.unwrap_err();
        match error.kind() {
            ErrorKind::Retryable => assert_eq!(before, 0, "seed {seed}: it took effect and was called retryable"),
            ErrorKind::Unknown => unknown += 1,
            ErrorKind::Internal => assert_eq!(before, 1, "seed {seed}: {error}"),
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(unknown > 0, "no answer was in doubt");
}

/// Guarantees 9 and 13.
#[tokio::test(start_paused = true)]
async fn an_error_that_keeps_writes_does_not_claim_to_have_had_no_effect() {
    let test = couriers(1, slow(5)).await;
    let courier = courier(&test, "c");
    let denied = courier.ask(Deny).await.unwrap_err();
    assert_eq!((denied.kind(), denied.code()), (ErrorKind::Unknown, "courier.later"));
    assert_eq!(courier.ask(Show).await.unwrap(), (1, 0));
    let refused = courier.ask(Refuse).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Retryable);
}

/// Guarantee 15.
#[tokio::test(start_paused = true)]
async fn a_cycle_over_an_activation_is_an_error_at_once() {
    let test = couriers(2, slow(5)).await;
    let begin = tokio::time::Instant::now();
    let cycle = courier(&test, "c").ask(Inspect("needs-c".into())).await.unwrap_err();
    assert_eq!(cycle.code(), "actor.cycle");
    assert!(begin.elapsed() < Duration::from_secs(1), "after {:?}", begin.elapsed());
    assert_eq!(courier(&test, "needs-c").ask(Show).await.unwrap(), (0, 0));
}

/// Guarantee 12.
#[tokio::test(start_paused = true)]
async fn an_activation_that_wants_to_end_handles_its_message_first() {
    let test = couriers(3, slow(5)).await;
    let fleeting = courier(&test, "fleeting");
    fleeting.ask(Deliver).await.unwrap();
    assert_eq!(fleeting.ask(Show).await.unwrap(), (1, 1));
}
