//! Owners that may have been superseded: what rests on reads leaves only while nobody else can own the shard.

use std::time::Duration;

use cluster::{
    prelude::*,
    testing::{Faults, TestCluster, TestNodes},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::fixture::{Account, Activations, Add, AddAndPanic, Seen, Total, account, accounts, slow, tenant};

/// One of several voters, whose lease has run out.
fn lapsed(unconfirmed: f64) -> Faults {
    Faults {
        lapsed: true,
        unconfirmed,
        ..slow(20)
    }
}

fn id() -> ActorId {
    ActorId::from_name::<Account>(&tenant(), "a")
}

/// Guarantees 3 and 7.
#[tokio::test(start_paused = true)]
async fn a_superseded_owner_answers_no_read() {
    for seed in 0..40 {
        let builder = TestNodes::builder(seed).actor::<Account>(Activations::default());
        let test = builder.faults(slow(20)).start().await;
        let shard = test.shard_of::<Account>(&id());
        let old = test.owner(shard);
        let new = (old + 1) % 3;
        let at = |node: usize| test.node(node).get::<Account>(id());
        at(old).ask(Add(1)).await.unwrap();
        test.supersede(shard, new).await;
        at(new).ask(Add(10)).await.unwrap();
        // The new owner may have answered instead: it has seen only what came since.
        let seen = at(old).ask(Seen).await;
        assert!(seen.is_err() || seen == Ok(vec![10]), "seed {seed}: {seen:?}");
        test.tell();
        assert_eq!(at(new).ask(Total).await.unwrap(), 11);
    }
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn an_owner_out_of_touch_answers_reads_as_long_as_nobody_can_supersede_it() {
    let builder = TestNodes::builder(1).actor::<Account>(Activations::default());
    let test = builder.faults(slow(20)).start().await;
    let shard = test.shard_of::<Account>(&id());
    let old = test.owner(shard);
    let account = || test.node(old).get::<Account>(id());
    account().ask(Add(1)).await.unwrap();
    let answered = async {
        let begin = Instant::now();
        while account().ask(Seen).await == Ok(vec![1]) {
            test.advance(Duration::from_millis(10)).await;
        }
        begin.elapsed()
    };
    let (answered, ()) = tokio::join!(answered, test.supersede(shard, (old + 1) % 3));
    assert!(answered >= Duration::from_millis(900), "answered for {answered:?}");
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_makes_no_lease_shorter_or_longer() {
    for days in [-1, 1] {
        let builder = TestNodes::builder(2).actor::<Account>(Activations::default());
        let test = builder.faults(slow(20)).start().await;
        let shard = test.shard_of::<Account>(&id());
        let old = test.owner(shard);
        let account = || test.node(old).get::<Account>(id());
        account().ask(Add(1)).await.unwrap();
        test.set_clock(old, days * 86_400_000);
        let answered = async {
            let begin = Instant::now();
            while account().ask(Seen).await == Ok(vec![1]) {
                test.advance(Duration::from_millis(10)).await;
            }
            begin.elapsed()
        };
        let (answered, ()) = tokio::join!(answered, test.supersede(shard, (old + 1) % 3));
        let lease = Duration::from_millis(900)..Duration::from_secs(2);
        assert!(
            lease.contains(&answered),
            "set by {days} days: answered for {answered:?}"
        );
    }
}

/// Guarantee 7.
#[tokio::test(start_paused = true)]
async fn reads_without_a_lease_are_answered_once_they_are_confirmed() {
    for seed in 0..40 {
        let (test, activations) = accounts(seed, lapsed(0.0)).await;
        let account = account(&test, "a");
        account.ask(Add(1)).await.unwrap();
        let (added, total, seen) = tokio::join!(account.ask(Add(1)), account.ask(Total), account.ask(Seen));
        assert_eq!((added, total, seen), (Ok(2), Ok(2), Ok(vec![1, 1])), "seed {seed}");
        assert_eq!(activations.count(), 1);
    }
}

/// Guarantees 3 and 13.
#[tokio::test(start_paused = true)]
async fn an_unconfirmed_read_may_be_repeated_and_ends_every_activation_of_the_shard() {
    let (test, activations) = accounts(1, lapsed(1.0)).await;
    account(&test, "a").ask(Add(1)).await.unwrap();
    let refused = account(&test, "a").ask(Total).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Retryable);
    test.set_faults(lapsed(0.0));
    assert_eq!(account(&test, "a").ask(Total).await.unwrap(), 1);
    assert_eq!(activations.count(), 2);
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn a_write_needs_no_confirmation() {
    let (test, activations) = accounts(1, lapsed(1.0)).await;
    for total in 1..10 {
        assert_eq!(account(&test, "a").ask(Add(1)).await.unwrap(), total);
    }
    assert_eq!(activations.count(), 1);
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn a_panic_is_told_only_by_the_owner() {
    let (test, _) = accounts(1, lapsed(1.0)).await;
    let refused = account(&test, "a").ask(AddAndPanic(1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Retryable);
    test.set_faults(lapsed(0.0));
    let told = account(&test, "a").ask(AddAndPanic(1)).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Internal);
}

/// Has others do things, and writes nothing.
struct Idler;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "idler.ask", reply = u64)]
struct AskAccount;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "idler.work")]
struct Work;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "idler.worked")]
struct Worked;

impl VirtualActor for Idler {
    const CLASS: &'static str = "idler";
    type Env = Activations;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<AskAccount>().on::<Work>().on::<Worked>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<AskAccount> for Idler {
    async fn handle(&mut self, _: AskAccount, ctx: &mut Ctx<Self>) -> Result<u64> {
        let account = ctx.get::<Account>("a");
        ctx.ask(&account, Add(1)).await
    }
}

impl Handler<Work> for Idler {
    async fn handle(&mut self, _: Work, ctx: &mut Ctx<Self>) -> Result<()> {
        let begun = ctx.env().clone();
        ctx.pipe_to_self(async move {
            begun.another();
            Worked
        });
        Ok(())
    }
}

impl Handler<Worked> for Idler {
    async fn handle(&mut self, _: Worked, _: &mut Ctx<Self>) -> Result<()> {
        Ok(())
    }
}

async fn idlers(faults: Faults) -> (TestCluster, Activations) {
    let begun = Activations::default();
    let test = TestCluster::builder(1)
        .actor::<Account>(Activations::default())
        .actor::<Idler>(begun.clone())
        .simulated(faults)
        .start()
        .await;
    (test, begun)
}

fn idler(test: &TestCluster) -> ActorRef<Idler> {
    test.cluster().get(ActorId::from_name::<Idler>(&tenant(), "i"))
}

/// Guarantees 3 and 7.
#[tokio::test(start_paused = true)]
async fn an_ask_that_rests_on_reads_leaves_only_from_the_owner() {
    let (test, _) = idlers(lapsed(1.0)).await;
    // The turn ends with its activation, in the middle of a handler that might have done more.
    let refused = idler(&test).ask(AskAccount).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unknown);
    test.set_faults(lapsed(0.0));
    assert_eq!(
        idler(&test).ask(AskAccount).await.unwrap(),
        1,
        "the first one never left"
    );
}

/// Guarantees 3 and 7.
#[tokio::test(start_paused = true)]
async fn work_that_rests_on_reads_begins_only_at_the_owner() {
    let (test, begun) = idlers(lapsed(1.0)).await;
    let refused = idler(&test).ask(Work).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Retryable);
    test.advance(Duration::from_secs(5)).await;
    assert_eq!(begun.count(), 0);
    test.set_faults(lapsed(0.0));
    idler(&test).ask(Work).await.unwrap();
    test.advance(Duration::from_secs(5)).await;
    assert_eq!(begun.count(), 1);
}

/// Guarantees 3, 7 and 17.
#[tokio::test(start_paused = true)]
async fn an_owner_that_is_cut_off_answers_nothing_stale_and_its_actors_answer_elsewhere() {
    for seed in 0..4 {
        let builder = TestNodes::builder(seed).actor::<Account>(Activations::default());
        let test = builder.engines().shards(2).start().await;
        let shard = test.shard_of::<Account>(&id());
        let old = test.owner(shard);
        let at = |node: usize| test.node(node).get::<Account>(id());
        at(old).ask(Add(1)).await.unwrap();
        test.isolate(old);
        let cut = Instant::now();
        let added = async {
            while at((old + 1) % 3).ask(Add(10)).await.is_err() {
                test.advance(Duration::from_millis(10)).await;
            }
            cut.elapsed()
        };
        // It is asked all the time, so it answers until its lease has run out.
        let stale = async {
            let mut last = Duration::ZERO;
            while cut.elapsed() < Duration::from_secs(5) {
                let within = Duration::from_millis(500);
                match at(old).ask_within(within, Total).await {
                    Ok(1) => last = cut.elapsed(),
                    Ok(other) => panic!("seed {seed}: {other} was never the total here"),
                    Err(_) => {}
                }
                test.advance(Duration::from_millis(5)).await;
            }
            last
        };
        let (added, last) = tokio::join!(added, stale);
        assert!(
            last < added,
            "seed {seed}: a read at {last:?} has not seen the write of {added:?}"
        );
        assert!(
            last > Duration::from_millis(400),
            "seed {seed}: the last read was at {last:?}"
        );
        assert!(
            added < Duration::from_secs(3),
            "seed {seed}: the actor was away for {added:?}"
        );
        test.heal();
        assert_eq!(at((old + 1) % 3).ask(Total).await.unwrap(), 11);
    }
}
