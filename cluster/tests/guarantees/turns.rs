//! Turns: one at a time, atomic, behind the output gate, pipelined.

use std::time::Duration;

use cluster::{prelude::*, testing::TestCluster};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::fixture::{
    Account, Add, AddSlowly, ReadPair, Total, WritePair, account, accounts, engine_accounts, slow, tenant,
};

/// Guarantee 4.
#[tokio::test(start_paused = true)]
async fn handlers_never_overlap_across_awaits() {
    let (test, _) = engine_accounts(1).await;
    let account = account(&test, "a");
    let adds = (0..20).map(|n| account.ask(AddSlowly(1, Duration::from_millis(n % 7))));
    let totals: Vec<_> = join_all(adds).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(totals, (1..=20).collect::<Vec<_>>());
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn a_crash_leaves_all_of_a_turn_or_nothing() {
    for seed in 0..200 {
        let (mut test, _) = accounts(seed, slow(20)).await;
        let reference = account(&test, "a");
        let writes = tokio::spawn(async move {
            for value in 0..10 {
                // The crash answers the last one with an error.
                if reference.ask(WritePair(value)).await.is_err() {
                    break;
                }
            }
        });
        test.advance(Duration::from_millis(seed % 60)).await;
        test.crash_and_restart().await;
        writes.await.unwrap();
        let (first, second) = account(&test, "a").ask(ReadPair).await.unwrap();
        assert_eq!(first, second, "seed {seed}");
    }
}

/// Adds until a call fails, and returns the last total that was acknowledged. Replies that do not wait for the disk take
/// no time at all on a paused clock, so without an end they would go on forever.
async fn add_until_the_crash(account: &ActorRef<Account>) -> u64 {
    let mut acknowledged = 0;
    while acknowledged < 5000
        && let Ok(total) = account.ask(Add(1)).await
    {
        acknowledged = total;
    }
    acknowledged
}

/// Guarantee 7.
#[tokio::test(start_paused = true)]
async fn an_acknowledged_write_survives_every_crash() {
    for seed in 0..200 {
        let (mut test, _) = accounts(seed, slow(20)).await;
        let reference = account(&test, "a");
        let asking = tokio::spawn(async move { add_until_the_crash(&reference).await });
        test.advance(Duration::from_millis(seed)).await;
        test.crash_and_restart().await;
        let acknowledged = asking.await.unwrap();
        let total = account(&test, "a").ask(Total).await.unwrap();
        assert!(
            total >= acknowledged && total <= acknowledged + 1,
            "seed {seed}: {total} of {acknowledged}"
        );
    }
}

/// Guarantee 7.
#[tokio::test(start_paused = true)]
async fn a_reply_that_wrote_nothing_waits_for_earlier_writes() {
    let (test, _) = accounts(5, slow(100)).await;
    let account = account(&test, "a");
    account.ask(Add(1)).await.unwrap();
    let begin = tokio::time::Instant::now();
    let (added, read) = tokio::join!(
        async {
            account.ask(Add(1)).await.unwrap();
            begin.elapsed()
        },
        async {
            assert_eq!(account.ask(Total).await.unwrap(), 2, "the pending write is visible");
            begin.elapsed()
        }
    );
    assert!(
        !added.is_zero() && read >= added,
        "read after {read:?}, written after {added:?}"
    );
}

/// Guarantee 8.
#[tokio::test(start_paused = true)]
async fn one_actor_does_more_turns_than_commits() {
    let (test, _) = accounts(6, slow(10)).await;
    let account = account(&test, "a");
    account.ask(Add(0)).await.unwrap();
    let before = test.commits();
    join_all((0..500).map(|_| account.ask(Add(1))))
        .await
        .into_iter()
        .for_each(|total| {
            total.unwrap();
        });
    let commits = test.commits() - before;
    assert_eq!(account.ask(Total).await.unwrap(), 500);
    assert!(commits < 50, "{commits} commits for 500 turns");
}

/// Guarantees 6 and 7.
#[tokio::test(start_paused = true)]
async fn acknowledged_writes_survive_slow_syncs_snapshots_and_lost_state() {
    for seed in 0..40 {
        let builder = TestCluster::builder(seed).actor::<Account>(Default::default());
        let mut test = builder
            .syncs(Duration::from_millis(5)..=Duration::from_millis(40))
            .start()
            .await;
        let reference = account(&test, "a");
        let asking = tokio::spawn(async move { add_until_the_crash(&reference).await });
        test.advance(Duration::from_millis(200 + seed * 3)).await;
        test.take_snapshots().await;
        test.advance(Duration::from_millis(seed * 7)).await;
        if seed % 2 == 0 {
            test.lose_state();
        }
        test.crash_and_restart().await;
        let acknowledged = asking.await.unwrap();
        let total = account(&test, "a").ask(Total).await.unwrap();
        assert!(
            acknowledged > 0 && (acknowledged..=acknowledged + 1).contains(&total),
            "seed {seed}: {total} of {acknowledged}"
        );
        assert!(test.fatal().is_empty());
    }
}

/// Guarantees 3 and 7.
#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_sync_stops_the_node_and_no_reply_leaves() {
    let (mut test, _) = engine_accounts(9).await;
    account(&test, "a").ask(Add(1)).await.unwrap();
    test.fail_syncs();
    let refused = account(&test, "a").ask(Add(1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unknown);
    assert!(!test.fatal().is_empty());
    test.crash_and_restart().await;
    assert_eq!(account(&test, "a").ask(Total).await.unwrap(), 1);
}

/// Relays to an account, and works beside its mailbox.
struct Relay {
    heard: Vec<u64>,
}

const BEFORE: Key<bool> = Key::new("before");
const AFTER: Key<bool> = Key::new("after");

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "relay.ask-then-panic")]
struct AskThenPanic;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "relay.kept", reply = (bool, bool))]
struct Kept;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "relay.work", reply = ())]
struct Work(u64, Duration);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "relay.worked")]
struct Worked(u64);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "relay.heard", reply = Vec<u64>)]
struct Heard;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "relay.fail-work")]
struct FailWork;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "relay.ask-myself", reply = u64)]
struct AskMyself;

impl VirtualActor for Relay {
    const CLASS: &'static str = "relay";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<AskThenPanic>()
            .on::<Kept>()
            .on::<Work>()
            .on::<Worked>()
            .on::<Heard>()
            .on::<FailWork>()
            .on::<AskMyself>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self { heard: Vec::new() })
    }
}

impl Handler<AskThenPanic> for Relay {
    async fn handle(&mut self, _: AskThenPanic, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&BEFORE, &true)?;
        let account = ctx.get::<Account>("a");
        ctx.ask(&account, Add(1)).await?;
        ctx.storage().put(&AFTER, &true)?;
        panic!("told to panic")
    }
}

impl Handler<Kept> for Relay {
    async fn handle(&mut self, _: Kept, ctx: &mut Ctx<Self>) -> Result<(bool, bool)> {
        let storage = ctx.storage();
        Ok((
            storage.get(&BEFORE).await?.is_some(),
            storage.get(&AFTER).await?.is_some(),
        ))
    }
}

impl Handler<Work> for Relay {
    async fn handle(&mut self, Work(value, pause): Work, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.pipe_to_self(async move {
            tokio::time::sleep(pause).await;
            Worked(value)
        });
        Ok(())
    }
}

impl Handler<Worked> for Relay {
    async fn handle(&mut self, Worked(value): Worked, _: &mut Ctx<Self>) -> Result<()> {
        self.heard.push(value);
        Ok(())
    }
}

impl Handler<Heard> for Relay {
    async fn handle(&mut self, _: Heard, _: &mut Ctx<Self>) -> Result<Vec<u64>> {
        Ok(self.heard.clone())
    }
}

impl Handler<FailWork> for Relay {
    async fn handle(&mut self, _: FailWork, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.pipe_to_self(async move { panic!("told to panic") as Worked });
        Ok(())
    }
}

impl Handler<AskMyself> for Relay {
    async fn handle(&mut self, _: AskMyself, ctx: &mut Ctx<Self>) -> Result<u64> {
        let account = ctx.get::<Relay>(ctx.name());
        ctx.ask(&account, AskMyself).await
    }
}

async fn relay() -> (TestCluster, ActorRef<Relay>) {
    let test = TestCluster::builder(7)
        .actor::<Relay>(())
        .actor::<Account>(Default::default())
        .start()
        .await;
    let relay = test.cluster().get(ActorId::from_name::<Relay>(&tenant(), "r"));
    (test, relay)
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn an_ask_commits_what_is_buffered_and_begins_the_next_batch() {
    let (test, relay) = relay().await;
    assert_eq!(relay.ask(AskThenPanic).await.unwrap_err().code(), "panic");
    assert_eq!(relay.clone().ask(Kept).await.unwrap(), (true, false));
    assert_eq!(account(&test, "a").ask(Total).await.unwrap(), 1);
}

/// Guarantee 4.
#[tokio::test(start_paused = true)]
async fn work_beside_the_mailbox_comes_back_as_messages() {
    let (test, relay) = relay().await;
    relay.ask(Work(1, Duration::from_secs(3))).await.unwrap();
    relay.ask(Work(2, Duration::from_secs(1))).await.unwrap();
    relay.ask(FailWork).await.unwrap();
    assert!(
        relay.ask(Heard).await.unwrap().is_empty(),
        "the mailbox is free meanwhile"
    );
    test.advance(Duration::from_secs(4)).await;
    assert_eq!(relay.ask(Heard).await.unwrap(), [2, 1]);
}

/// Guarantee 4.
#[tokio::test(start_paused = true)]
async fn work_is_lost_with_its_activation() {
    let (test, relay) = relay().await;
    relay.ask(Work(1, Duration::from_secs(3))).await.unwrap();
    test.passivate_all().await;
    test.advance(Duration::from_secs(4)).await;
    assert!(relay.ask(Heard).await.unwrap().is_empty());
}

/// Guarantee 15.
#[tokio::test(start_paused = true)]
async fn a_cycle_of_calls_is_an_error_at_once() {
    let (_test, relay) = relay().await;
    let begin = tokio::time::Instant::now();
    assert_eq!(relay.ask(AskMyself).await.unwrap_err().code(), "actor.cycle");
    assert!(begin.elapsed() < Duration::from_secs(1));
}
