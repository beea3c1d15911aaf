//! What operators see of actors.

use std::time::Duration;

use cluster::{Bounds, TurnOutcome, prelude::*, testing::TestCluster};

use crate::fixture::{
    Account, Activations, Add, AddAndFail, AddAndPanic, AddSlowly, Seen, Total, WritePair, account, accounts,
    engine_accounts, slow, tenant,
};

fn id(name: &str) -> ActorId {
    ActorId::from_name::<Account>(&tenant(), name)
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_never_was_is_described_and_not_made() {
    let (test, activations) = engine_accounts(1).await;
    let status = test.cluster().inspect(&id("nobody")).await.unwrap();
    assert!(!status.exists && status.live.is_none() && status.alarm.is_none());
    assert_eq!((status.state.rows, status.state.bytes), (0, 0));
    assert!(status.epoch.is_some());
    assert_eq!((activations.count(), test.cluster().status().activations), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn state_is_counted_and_survives_in_the_count() {
    let (test, _) = engine_accounts(2).await;
    account(&test, "a").ask(WritePair(1)).await.unwrap();
    let before = test.cluster().inspect(&id("a")).await.unwrap();
    assert!(before.exists && !before.state.truncated);
    assert_eq!(before.state.rows, 2);
    let values = test.cluster().stored_values(&id("a"), None, 0).await.unwrap();
    let keys: Vec<_> = values.iter().map(|value| value.key.as_str()).collect();
    assert_eq!(keys, ["first", "second"]);
    let bytes: usize = values.iter().map(|value| value.key.len() + value.value.len()).sum();
    assert_eq!(before.state.bytes, bytes as u64);
    let rest = test.cluster().stored_values(&id("a"), Some("first"), 1).await.unwrap();
    assert_eq!(rest[0].key, "second");

    test.advance(Duration::from_secs(60)).await;
    let passive = test.cluster().inspect(&id("a")).await.unwrap();
    assert!(passive.live.is_none());
    assert_eq!(passive.state, before.state);
}

#[tokio::test(start_paused = true)]
async fn a_large_state_is_counted_up_to_the_bound_only() {
    let (test, _) = engine_accounts(3).await;
    let many = test.cluster().get::<Hoard>(ActorId::from_name::<Hoard>(&tenant(), "a"));
    assert_eq!(many.ask(Gather(1)).await.unwrap_err().code(), "class.unregistered");
    let test = TestCluster::builder(3).actor::<Hoard>(()).start().await;
    let hoard = ActorId::from_name::<Hoard>(&tenant(), "a");
    let actor = test.cluster().get::<Hoard>(hoard.clone());
    for page in 0..11 {
        actor.ask(Gather(page)).await.unwrap();
    }
    let status = test.cluster().inspect(&hoard).await.unwrap();
    assert!(status.state.truncated, "{:?}", status.state);
    assert_eq!(status.state.rows, 10_000);
}

#[tokio::test(start_paused = true)]
async fn the_last_turn_and_the_mailbox_are_shown() {
    let (test, _) = engine_accounts(4).await;
    let account = account(&test, "a");
    let live = async || test.cluster().live(&id("a")).await.unwrap();
    assert_eq!(live().await, None);
    account.ask(AddSlowly(1, Duration::from_millis(30))).await.unwrap();
    let turn = live().await.unwrap().last_turn.unwrap();
    assert_eq!(
        (turn.message.as_deref(), turn.outcome),
        (Some("account.add-slowly"), TurnOutcome::Ok)
    );
    assert_eq!(turn.duration, Duration::from_millis(30));

    account.ask(AddAndFail(1)).await.unwrap_err();
    assert_eq!(live().await.unwrap().last_turn.unwrap().outcome, TurnOutcome::Error);

    let (_, _, ()) = tokio::join!(
        account.ask(AddSlowly(1, Duration::from_secs(5))),
        account.ask(Add(1)),
        async {
            test.advance(Duration::from_secs(2)).await;
            let live = live().await.unwrap();
            let turn = live.last_turn.unwrap();
            assert_eq!(
                (turn.message.as_deref(), turn.outcome),
                (Some("account.add-slowly"), TurnOutcome::Running)
            );
            assert_eq!(turn.duration, Duration::from_secs(2));
            assert_eq!(live.mailbox, 2, "one that runs and one that waits");
        }
    );
    test.advance(Duration::from_secs(7)).await;
    let live_now = live().await.unwrap();
    assert_eq!((live_now.mailbox, live_now.idle.as_secs()), (0, 7));
    assert_eq!(live_now.last_turn.unwrap().message.as_deref(), Some("account.add"));
}

#[tokio::test(start_paused = true)]
async fn slow_turns_are_remembered_up_to_the_bound() {
    let bounds = Bounds {
        slow_turn: Duration::from_millis(50),
        slow_turns: 2,
        ..Bounds::default()
    };
    let builder = TestCluster::builder(5).bounds(bounds);
    let test = builder.actor::<Account>(Activations::default()).start().await;
    account(&test, "quick")
        .ask(AddSlowly(1, Duration::from_millis(49)))
        .await
        .unwrap();
    assert_eq!(test.cluster().slow_turns(), []);
    for (name, millis) in [("a", 50), ("b", 60), ("c", 70)] {
        let slow = AddSlowly(1, Duration::from_millis(millis));
        account(&test, name).ask(slow).await.unwrap();
    }
    let slow = test.cluster().slow_turns();
    let seen: Vec<_> = slow
        .iter()
        .map(|turn| (turn.actor.name(), turn.duration.as_millis()))
        .collect();
    assert_eq!(seen, [("c", 70), ("b", 60)], "the latest first, the oldest forgotten");
    assert_eq!(slow[0].message.as_deref(), Some("account.add-slowly"));
    assert_eq!(slow[0].outcome, TurnOutcome::Ok);
    assert!(slow[1].began < slow[0].began);
    let own = test.cluster().inspect(&id("b")).await.unwrap().slow_turns;
    assert_eq!(own, &slow[1..]);
}

/// Guarantee 12.
#[tokio::test(start_paused = true)]
async fn one_actor_is_put_away_and_comes_back() {
    let (test, activations) = engine_accounts(6).await;
    let account = account(&test, "a");
    account.ask(Add(3)).await.unwrap();
    assert!(test.cluster().passivate(&id("a")).await.unwrap());
    assert!(test.cluster().inspect(&id("a")).await.unwrap().live.is_none());
    assert!(!test.cluster().passivate(&id("a")).await.unwrap(), "it is away already");
    assert!(!test.cluster().passivate(&id("nobody")).await.unwrap());
    assert!(account.ask(Seen).await.unwrap().is_empty());
    assert_eq!(account.ask(Total).await.unwrap(), 3);
    assert_eq!(activations.count(), 2);
}

/// Guarantees 7 and 12.
#[tokio::test(start_paused = true)]
async fn putting_one_away_waits_for_its_messages_and_their_durability() {
    let (test, _) = accounts(7, slow(100)).await;
    let account = account(&test, "a");
    account.ask(Add(1)).await.unwrap();
    let before = test.commits();
    let (added, commits) = tokio::join!(account.ask(AddSlowly(1, Duration::from_secs(1))), async {
        test.advance(Duration::from_millis(10)).await;
        assert!(test.cluster().passivate(&id("a")).await.unwrap());
        test.commits()
    });
    assert_eq!(added.unwrap(), 2);
    assert_eq!(commits, before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_nothing_in_memory() {
    let (test, _) = engine_accounts(8).await;
    account(&test, "a").ask(AddAndPanic(1)).await.unwrap_err();
    assert!(test.cluster().inspect(&id("a")).await.unwrap().live.is_none());
    account(&test, "a").ask(Add(1)).await.unwrap();
    assert!(test.cluster().inspect(&id("a")).await.unwrap().live.is_some());
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn an_alarm_is_shown_with_its_retries() {
    let test = TestCluster::builder(9).actor::<Hoard>(()).start().await;
    let hoard = ActorId::from_name::<Hoard>(&tenant(), "a");
    let due = test.cluster().get::<Hoard>(hoard.clone()).ask(Wake).await.unwrap();
    let alarm = async || test.cluster().inspect(&hoard).await.unwrap().alarm;
    let set = alarm().await.unwrap();
    assert_eq!((set.due.as_millis(), set.retries), (due, 0));
    test.advance(Duration::from_secs(11)).await;
    let failed = alarm().await.unwrap();
    assert_eq!((failed.scheduled.as_millis(), failed.retries), (due, 1));
    assert!(failed.due > failed.scheduled);
    let turn = test.cluster().live(&hoard).await.unwrap().unwrap().last_turn.unwrap();
    assert_eq!((turn.message.as_deref(), turn.outcome), (None, TurnOutcome::Error));
}

#[tokio::test(start_paused = true)]
async fn ids_are_made_from_the_name_of_a_registered_class_only() {
    let (test, _) = engine_accounts(10).await;
    let cluster = test.cluster();
    assert_eq!(cluster.class_names(), ["account"]);
    assert_eq!(cluster.actor_id("account", &tenant(), "a").unwrap(), id("a"));
    assert_eq!(
        cluster.actor_id("acount", &tenant(), "a").unwrap_err().code(),
        "class.unregistered"
    );
    assert_eq!(
        cluster.actor_id("account", &tenant(), "").unwrap_err().code(),
        "actor.name"
    );
}

/// Keeps a thousand values per message, and fails its alarm.
struct Hoard;

#[derive(serde::Serialize, serde::Deserialize, Message)]
#[message(name = "hoard.gather")]
struct Gather(u32);

#[derive(serde::Serialize, serde::Deserialize, Message)]
#[message(name = "hoard.wake", reply = i64)]
struct Wake;

impl VirtualActor for Hoard {
    const CLASS: &'static str = "hoard";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Gather>().on::<Wake>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn alarm(&mut self, _: Alarm, _: &mut Ctx<Self>) -> Result<()> {
        Err(ActorError::conflict("hoard.asleep", "told to fail"))
    }
}

impl Handler<Gather> for Hoard {
    async fn handle(&mut self, Gather(page): Gather, ctx: &mut Ctx<Self>) -> Result<()> {
        let things = Keys::<u32>::new("thing/");
        for thing in page * 1000..(page + 1) * 1000 {
            ctx.storage().put(&things.key(&format!("{thing:06}")), &thing)?;
        }
        Ok(())
    }
}

impl Handler<Wake> for Hoard {
    async fn handle(&mut self, _: Wake, ctx: &mut Ctx<Self>) -> Result<i64> {
        let at = Timestamp::from_millis(ctx.now().as_millis() + 10_000);
        ctx.set_alarm(at);
        Ok(at.as_millis())
    }
}
