//! Durable sends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cluster::{
    prelude::*,
    testing::{Faults, TestCluster},
};
use serde::{Deserialize, Serialize};

use crate::fixture::{slow, tenant};

const TAKEN: Key<Vec<u64>> = Key::new("taken");
const SENT: Key<u64> = Key::new("sent");

/// Sends numbers and keeps those it receives.
pub(crate) struct Post;

/// Sends the next so many numbers to each of the named actors; answers how many were sent so far.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.spread", reply = u64)]
pub(crate) struct Spread(pub(crate) u64, pub(crate) Vec<String>);

/// Takes a number.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.take")]
pub(crate) struct Take(pub(crate) u64);

/// Answers what was taken and how many were sent.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.count", reply = (Vec<u64>, u64))]
pub(crate) struct Count;

/// Fails in the way of its number: an error, or a panic.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.trouble")]
pub(crate) struct Trouble(pub(crate) bool);

/// Sends trouble and then a number.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.make-trouble")]
pub(crate) struct MakeTrouble(pub(crate) bool, pub(crate) String);

/// Sends and panics.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.send-and-panic")]
pub(crate) struct SendAndPanic(pub(crate) String);

/// Is not listed by the class.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.forgotten")]
pub(crate) struct Forgotten;

/// Sends what the receiver does not list, and then a number.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.send-forgotten")]
pub(crate) struct SendForgotten(pub(crate) String);

impl VirtualActor for Post {
    const CLASS: &'static str = "post";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Spread>()
            .on::<Take>()
            .on::<Count>()
            .on::<Trouble>()
            .on::<MakeTrouble>()
            .on::<SendAndPanic>()
            .on::<SendForgotten>()
            .on::<SendAway>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Spread> for Post {
    async fn handle(&mut self, Spread(count, names): Spread, ctx: &mut Ctx<Self>) -> Result<u64> {
        let sent = ctx.storage().get(&SENT).await?.unwrap_or_default();
        for number in sent..sent + count {
            for name in &names {
                ctx.send(&ctx.get::<Self>(name), Take(number))?;
            }
        }
        ctx.storage().put(&SENT, &(sent + count))?;
        Ok(sent + count)
    }
}

impl Handler<Take> for Post {
    async fn handle(&mut self, Take(number): Take, ctx: &mut Ctx<Self>) -> Result<()> {
        let mut taken = ctx.storage().get(&TAKEN).await?.unwrap_or_default();
        taken.push(number);
        ctx.storage().put(&TAKEN, &taken)
    }
}

impl Handler<Count> for Post {
    async fn handle(&mut self, _: Count, ctx: &mut Ctx<Self>) -> Result<(Vec<u64>, u64)> {
        let storage = ctx.storage();
        Ok((
            storage.get(&TAKEN).await?.unwrap_or_default(),
            storage.get(&SENT).await?.unwrap_or_default(),
        ))
    }
}

impl Handler<Trouble> for Post {
    async fn handle(&mut self, Trouble(panic): Trouble, _: &mut Ctx<Self>) -> Result<()> {
        assert!(!panic, "told to panic");
        Err(ActorError::invalid("post.trouble", "told to fail"))
    }
}

impl Handler<MakeTrouble> for Post {
    async fn handle(&mut self, MakeTrouble(panic, name): MakeTrouble, ctx: &mut Ctx<Self>) -> Result<()> {
        let to = ctx.get::<Self>(&name);
        ctx.send(&to, Trouble(panic))?;
        ctx.send(&to, Take(7))
    }
}

impl Handler<SendAndPanic> for Post {
    async fn handle(&mut self, SendAndPanic(name): SendAndPanic, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.send(&ctx.get::<Self>(&name), Take(1))?;
        panic!("told to panic")
    }
}

impl Handler<Forgotten> for Post {
    async fn handle(&mut self, _: Forgotten, _: &mut Ctx<Self>) -> Result<()> {
        Ok(())
    }
}

impl Handler<SendForgotten> for Post {
    async fn handle(&mut self, SendForgotten(name): SendForgotten, ctx: &mut Ctx<Self>) -> Result<()> {
        let to = ctx.get::<Self>(&name);
        ctx.send(&to, Forgotten)?;
        ctx.send(&to, Take(7))
    }
}

/// Cannot be activated while the office is closed.
struct Counter;

/// Whether the office is open.
#[derive(Clone, Default)]
struct Office(Arc<AtomicBool>);

/// Sends a number to a counter.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "post.send-away")]
struct SendAway(u64, String);

impl VirtualActor for Counter {
    const CLASS: &'static str = "counter";
    type Env = Office;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Take>().on::<Count>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        if ctx.env().0.load(Ordering::SeqCst) {
            Ok(Self)
        } else {
            Err(ActorError::overloaded("office.closed", "come back later"))
        }
    }
}

impl Handler<Take> for Counter {
    async fn handle(&mut self, Take(number): Take, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&TAKEN, &vec![number])
    }
}

impl Handler<Count> for Counter {
    async fn handle(&mut self, _: Count, ctx: &mut Ctx<Self>) -> Result<(Vec<u64>, u64)> {
        Ok((ctx.storage().get(&TAKEN).await?.unwrap_or_default(), 0))
    }
}

impl Handler<SendAway> for Post {
    async fn handle(&mut self, SendAway(number, name): SendAway, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.send(&ctx.get::<Counter>(&name), Take(number))
    }
}

pub(crate) fn post(test: &TestCluster, name: &str) -> ActorRef<Post> {
    test.cluster().get(ActorId::from_name::<Post>(&tenant(), name))
}

async fn posts(seed: u64, faults: Option<Faults>) -> TestCluster {
    let builder = TestCluster::builder(seed).actor::<Post>(());
    match faults {
        Some(faults) => builder.simulated(faults).start().await,
        None => builder.start().await,
    }
}

/// Guarantees 6 and 7.
#[tokio::test(start_paused = true)]
async fn sends_arrive_in_order_and_once() {
    let test = posts(1, None).await;
    post(&test, "a")
        .ask(Spread(5, vec!["b".into(), "c".into()]))
        .await
        .unwrap();
    post(&test, "a").ask(Spread(5, vec!["b".into()])).await.unwrap();
    test.advance(Duration::from_secs(1)).await;
    assert_eq!(
        post(&test, "b").ask(Count).await.unwrap().0,
        (0..10).collect::<Vec<_>>()
    );
    assert_eq!(post(&test, "c").ask(Count).await.unwrap().0, (0..5).collect::<Vec<_>>());
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn a_turn_that_panics_sends_nothing() {
    let test = posts(2, None).await;
    post(&test, "a").ask(SendAndPanic("b".into())).await.unwrap_err();
    test.advance(Duration::from_secs(60)).await;
    assert!(post(&test, "b").ask(Count).await.unwrap().0.is_empty());
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn the_receivers_error_consumes_a_send() {
    let test = posts(3, None).await;
    post(&test, "a").ask(MakeTrouble(false, "b".into())).await.unwrap();
    test.advance(Duration::from_secs(1)).await;
    assert_eq!(post(&test, "b").ask(Count).await.unwrap().0, [7]);
    assert_eq!(test.dead_letters(), 0);
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn a_send_that_panics_each_time_becomes_a_dead_letter() {
    let test = posts(4, None).await;
    post(&test, "a").ask(MakeTrouble(true, "b".into())).await.unwrap();
    test.advance(Duration::from_secs(5)).await;
    assert_eq!(test.dead_letters(), 0);
    assert!(
        post(&test, "b").ask(Count).await.unwrap().0.is_empty(),
        "what is behind it waits"
    );
    test.advance(Duration::from_secs(600)).await;
    assert_eq!(test.dead_letters(), 1);
    assert_eq!(post(&test, "b").ask(Count).await.unwrap().0, [7]);
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn a_send_that_the_receiver_does_not_know_becomes_a_dead_letter() {
    let test = posts(5, None).await;
    post(&test, "a").ask(SendForgotten("b".into())).await.unwrap();
    test.advance(Duration::from_secs(1)).await;
    assert_eq!(test.dead_letters(), 1);
    assert_eq!(post(&test, "b").ask(Count).await.unwrap().0, [7]);
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn no_crash_takes_a_dead_letter_away() {
    for millis in 0..120 {
        let mut test = posts(7, Some(slow(30))).await;
        let reference = post(&test, "a");
        let asking = tokio::spawn(async move { reference.ask(SendForgotten("b".into())).await });
        test.advance(Duration::from_millis(millis)).await;
        test.crash_and_restart().await;
        let sent = asking.await.unwrap().is_ok();
        test.advance(Duration::from_secs(60)).await;
        let taken = count(&test, "b").await.0;
        assert_eq!(test.dead_letters(), taken.len(), "after {millis} ms");
        assert!(!sent || taken == [7]);
    }
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_not_available_for_a_while_loses_nothing() {
    let office = Office::default();
    let test = TestCluster::builder(6)
        .actor::<Post>(())
        .actor::<Counter>(office.clone())
        .start()
        .await;
    post(&test, "a").ask(SendAway(7, "c".into())).await.unwrap();
    test.advance(Duration::from_secs(3600)).await;
    assert_eq!(test.dead_letters(), 0);
    office.0.store(true, Ordering::SeqCst);
    test.advance(Duration::from_secs(60)).await;
    let counter = test
        .cluster()
        .get::<Counter>(ActorId::from_name::<Counter>(&tenant(), "c"));
    assert_eq!(counter.ask(Count).await.unwrap().0, [7]);
}

/// Guarantees 6 and 7.
#[tokio::test(start_paused = true)]
async fn crashes_neither_lose_nor_double_a_send() {
    for seed in 0..300 {
        crashes(seed, slow(30)).await;
    }
}

/// Guarantees 3, 6 and 7.
#[tokio::test(start_paused = true)]
async fn doubtful_commits_and_crashes_neither_lose_nor_double_a_send() {
    for seed in 0..600 {
        let faults = Faults {
            unknown: 0.2,
            ..slow(60)
        };
        crashes(seed, faults).await;
    }
}

async fn crashes(seed: u64, faults: Faults) {
    let mut test = posts(seed, Some(faults)).await;
    for round in 0..3 {
        let reference = post(&test, "a");
        let asking = tokio::spawn(async move {
            for _ in 0..4 {
                // The crash answers the last one with an error.
                let _ = reference.clone().ask(Spread(2, vec!["b".into(), "c".into()])).await;
            }
        });
        test.advance(Duration::from_millis((seed * 7 + round * 13) % 120)).await;
        test.crash_and_restart().await;
        asking.await.unwrap();
    }
    test.advance(Duration::from_secs(300)).await;
    let sent = count(&test, "a").await.1;
    for name in ["b", "c"] {
        let taken = count(&test, name).await.0;
        assert_eq!(taken, (0..sent).collect::<Vec<_>>(), "seed {seed}, receiver {name}");
    }
}

/// Reads, however often a commit of the shard is doubtful meanwhile.
async fn count(test: &TestCluster, name: &str) -> (Vec<u64>, u64) {
    for _ in 0..100 {
        if let Ok(counted) = post(test, name).ask(Count).await {
            return counted;
        }
    }
    panic!("{name} never answers");
}
