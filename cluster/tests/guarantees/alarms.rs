//! The alarm of an actor.

use std::{sync::Arc, time::Duration};

use cluster::{
    prelude::*,
    testing::{TestCluster, TestNodes},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::fixture::tenant;

/// What the alarm handlers of a test saw.
#[derive(Clone, Default)]
struct Firings(Arc<Mutex<Vec<Firing>>>);

#[derive(Debug, Clone, PartialEq)]
struct Firing {
    at: Timestamp,
    alarm: Alarm,
    name: String,
    visible: Option<Timestamp>,
}

impl Firings {
    fn seen(&self) -> Vec<Firing> {
        self.0.lock().clone()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Conduct {
    Succeed,
    Fail,
    Panic,
    SetAndFail(u64),
    SetAndDelete,
    ClearAndFail,
}

const CONDUCT: Key<Conduct> = Key::new("conduct");
const RAN: Key<u64> = Key::new("ran");

/// Sets alarms and handles them as told.
struct Sleeper;

/// Sets the alarm in so many milliseconds; answers the present moment.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "sleeper.set", reply = Timestamp)]
struct Set(u64, Conduct);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "sleeper.unset")]
struct Unset;

/// Answers the moment of the alarm, and how often it ran.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "sleeper.look", reply = (Option<Timestamp>, u64))]
struct Look;

impl VirtualActor for Sleeper {
    const CLASS: &'static str = "sleeper";
    type Env = Firings;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Set>().on::<Unset>().on::<Look>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn alarm(&mut self, alarm: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let firing = Firing {
            at: ctx.now(),
            alarm,
            name: ctx.name().to_owned(),
            visible: ctx.get_alarm(),
        };
        ctx.env().0.lock().push(firing);
        let ran = ctx.storage().get(&RAN).await?.unwrap_or_default();
        ctx.storage().put(&RAN, &(ran + 1))?;
        let later = ctx.now().plus(Duration::from_secs(60));
        match ctx.storage().get(&CONDUCT).await?.unwrap_or(Conduct::Succeed) {
            Conduct::Succeed => return Ok(()),
            Conduct::Fail => {}
            Conduct::Panic => panic!("told to panic"),
            Conduct::SetAndFail(millis) => {
                ctx.storage().put(&CONDUCT, &Conduct::Succeed)?;
                ctx.set_alarm(ctx.now().plus(Duration::from_millis(millis)));
            }
            Conduct::SetAndDelete => {
                ctx.set_alarm(later);
                ctx.delete_alarm();
                return Ok(());
            }
            Conduct::ClearAndFail => ctx.storage().delete_all()?,
        }
        Err(ActorError::internal("sleeper.failed", "told to fail"))
    }
}

impl Handler<Set> for Sleeper {
    async fn handle(&mut self, Set(millis, conduct): Set, ctx: &mut Ctx<Self>) -> Result<Timestamp> {
        ctx.storage().put(&CONDUCT, &conduct)?;
        ctx.set_alarm(ctx.now().plus(Duration::from_millis(millis)));
        Ok(ctx.now())
    }
}

impl Handler<Unset> for Sleeper {
    async fn handle(&mut self, _: Unset, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.delete_alarm();
        Ok(())
    }
}

impl Handler<Look> for Sleeper {
    async fn handle(&mut self, _: Look, ctx: &mut Ctx<Self>) -> Result<(Option<Timestamp>, u64)> {
        Ok((ctx.get_alarm(), ctx.storage().get(&RAN).await?.unwrap_or_default()))
    }
}

async fn start(seed: u64) -> (TestCluster, Firings) {
    let firings = Firings::default();
    (
        TestCluster::builder(seed)
            .actor::<Sleeper>(firings.clone())
            .start()
            .await,
        firings,
    )
}

fn sleeper(test: &TestCluster, name: &str) -> ActorRef<Sleeper> {
    test.cluster().get(ActorId::from_name::<Sleeper>(&tenant(), name))
}

/// Guarantees 1 and 10.
#[tokio::test(start_paused = true)]
async fn an_alarm_fires_once_and_never_early() {
    let (test, firings) = start(1).await;
    let sleeper = sleeper(&test, "a");
    let set = sleeper.ask(Set(1500, Conduct::Succeed)).await.unwrap();
    let due = set.plus(Duration::from_millis(1500));
    assert_eq!(sleeper.ask(Look).await.unwrap().0, Some(due));
    test.passivate_all().await;
    test.advance(Duration::from_millis(1400)).await;
    assert!(firings.seen().is_empty());
    test.advance(Duration::from_secs(600)).await;
    let seen = firings.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].at >= due && seen[0].at <= due.plus(Duration::from_millis(50)));
    assert_eq!(
        seen[0].alarm,
        Alarm {
            retry_count: 0,
            is_retry: false,
            scheduled: due
        }
    );
    assert_eq!((seen[0].name.as_str(), seen[0].visible), ("a", None));
    assert_eq!(sleeper.ask(Look).await.unwrap(), (None, 1));
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn an_alarm_is_not_early_for_a_timer_that_wakes_before_it() {
    let firings = Firings::default();
    let test = TestCluster::builder(10)
        .shards(1)
        .actor::<Sleeper>(firings.clone())
        .start()
        .await;
    let set = sleeper(&test, "a").ask(Set(1500, Conduct::Succeed)).await.unwrap();
    let due = set.plus(Duration::from_millis(1500));
    // Every other alarm that is set wakes the timer.
    for n in 0..300 {
        let other = sleeper(&test, &n.to_string());
        other.ask(Set(3_600_000, Conduct::Succeed)).await.unwrap();
        test.advance(Duration::from_millis(5)).await;
    }
    let seen = firings.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].at >= due, "{:?} early", due.since(seen[0].at));
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn an_alarm_is_due_by_the_wall_clock_of_its_owner() {
    // Ten minutes.
    let span: u32 = 600_000;
    let firings = Firings::default();
    let test = TestNodes::builder(12).actor::<Sleeper>(firings.clone()).start().await;
    let id = ActorId::from_name::<Sleeper>(&tenant(), "a");
    let shard = test.shard_of::<Sleeper>(&id);
    let owner = test.owner(shard);
    let sleeper = || test.node(owner).get::<Sleeper>(id.clone());

    // Set forward: it is noticed within a minute, though the timer meant to sleep for longer.
    sleeper().ask(Set(span.into(), Conduct::Succeed)).await.unwrap();
    test.advance(Duration::from_secs(120)).await;
    assert!(firings.seen().is_empty());
    test.set_clock(owner, span.into());
    test.advance(Duration::from_secs(61)).await;
    assert_eq!(firings.seen().len(), 1);

    // Set back: it is as late as the clock.
    sleeper().ask(Set(60_000, Conduct::Succeed)).await.unwrap();
    test.set_clock(owner, -i64::from(span));
    test.advance(Duration::from_secs(600)).await;
    assert_eq!(firings.seen().len(), 1);
    test.advance(Duration::from_secs(61)).await;
    assert_eq!(firings.seen().len(), 2);

    // Another owner, by whose clock that moment has not come, does not fire it again.
    let next = (owner + 1) % 3;
    test.set_clock(next, -2 * i64::from(span));
    test.move_shard(shard, next).await;
    test.advance(Duration::from_secs(3 * 600)).await;
    assert_eq!(firings.seen().len(), 2);
    let look = test.node(next).get::<Sleeper>(id.clone()).ask(Look).await;
    assert_eq!(look.unwrap(), (None, 2));
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn one_alarm_replaces_the_other() {
    let (test, firings) = start(2).await;
    let sleeper = sleeper(&test, "a");
    sleeper.ask(Set(1000, Conduct::Succeed)).await.unwrap();
    sleeper.ask(Set(5000, Conduct::Succeed)).await.unwrap();
    test.advance(Duration::from_secs(4)).await;
    assert!(firings.seen().is_empty());
    sleeper.ask(Unset).await.unwrap();
    test.advance(Duration::from_secs(60)).await;
    assert!(firings.seen().is_empty());
}

/// Offsets of the firings in seconds, each with the longest jitter of all before it.
fn assert_retry_table(seen: &[Firing]) {
    assert_eq!(seen.len(), 7);
    let delays = [2_u64, 4, 8, 16, 32, 64];
    for (pair, delay) in seen.windows(2).zip(delays) {
        let apart = pair[1].at.since(pair[0].at);
        let delay = Duration::from_secs(delay);
        assert!(
            apart >= delay && apart <= delay.mul_f64(1.25) + Duration::from_millis(100),
            "{apart:?} for {delay:?}"
        );
    }
    for (count, firing) in (0..).zip(seen) {
        assert_eq!((firing.alarm.retry_count, firing.alarm.is_retry), (count, count > 0));
        assert_eq!(firing.alarm.scheduled, seen[0].alarm.scheduled);
    }
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn a_failing_alarm_fires_seven_times() {
    let (test, firings) = start(3).await;
    let sleeper = sleeper(&test, "a");
    sleeper.ask(Set(0, Conduct::Fail)).await.unwrap();
    test.advance(Duration::from_secs(3600)).await;
    assert_retry_table(&firings.seen());
    assert_eq!(
        sleeper.ask(Look).await.unwrap(),
        (None, 7),
        "an error keeps the writes, and the alarm is given up"
    );
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn a_panicking_alarm_fires_seven_times() {
    let (test, firings) = start(4).await;
    let sleeper = sleeper(&test, "a");
    sleeper.ask(Set(0, Conduct::Panic)).await.unwrap();
    test.advance(Duration::from_secs(3600)).await;
    assert_retry_table(&firings.seen());
    assert_eq!(sleeper.ask(Look).await.unwrap(), (None, 0), "a panic drops the writes");
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn setting_the_alarm_in_its_handler_replaces_the_retry() {
    let (test, firings) = start(5).await;
    sleeper(&test, "a").ask(Set(0, Conduct::SetAndFail(500))).await.unwrap();
    test.advance(Duration::from_secs(3600)).await;
    let seen = firings.seen();
    assert_eq!(seen.len(), 2);
    assert!(!seen[1].alarm.is_retry);
    let apart = seen[1].at.since(seen[0].at);
    assert!(
        apart >= Duration::from_millis(500) && apart < Duration::from_millis(600),
        "{apart:?}"
    );
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn deleting_the_alarm_in_its_handler_takes_back_the_successor() {
    let (test, firings) = start(6).await;
    sleeper(&test, "a").ask(Set(0, Conduct::SetAndDelete)).await.unwrap();
    test.advance(Duration::from_secs(3600)).await;
    assert_eq!(firings.seen().len(), 1);
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn deleting_everything_in_the_handler_ends_the_alarm() {
    let (test, firings) = start(7).await;
    sleeper(&test, "a").ask(Set(0, Conduct::ClearAndFail)).await.unwrap();
    test.advance(Duration::from_secs(3600)).await;
    assert_eq!(firings.seen().len(), 1);
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn an_alarm_survives_a_crash_and_fires_promptly_when_overdue() {
    let (mut test, firings) = start(8).await;
    sleeper(&test, "a").ask(Set(1000, Conduct::Succeed)).await.unwrap();
    sleeper(&test, "b").ask(Set(60_000, Conduct::Fail)).await.unwrap();
    test.crash_and_restart().await;
    test.advance(Duration::from_secs(2)).await;
    assert_eq!(firings.seen().len(), 1);
    test.advance(Duration::from_secs(59)).await;
    assert_eq!(firings.seen().len(), 2, "the first firing of b");
    test.crash_and_restart().await;
    test.advance(Duration::from_secs(3)).await;
    let seen = firings.seen();
    assert_eq!(
        (seen.len(), seen[2].alarm.retry_count),
        (3, 1),
        "the retry survived as well"
    );
}

/// A class that sets an alarm it does not handle.
struct Forgetful;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "forgetful.set")]
struct SetOnly;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "forgetful.look", reply = Option<Timestamp>)]
struct LookOnly;

impl VirtualActor for Forgetful {
    const CLASS: &'static str = "forgetful";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<SetOnly>().on::<LookOnly>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<SetOnly> for Forgetful {
    async fn handle(&mut self, _: SetOnly, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.set_alarm(ctx.now());
        Ok(())
    }
}

impl Handler<LookOnly> for Forgetful {
    async fn handle(&mut self, _: LookOnly, ctx: &mut Ctx<Self>) -> Result<Option<Timestamp>> {
        Ok(ctx.get_alarm())
    }
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn a_class_without_a_handler_is_not_retried() {
    let test = TestCluster::builder(9).actor::<Forgetful>(()).start().await;
    let forgetful = test
        .cluster()
        .get::<Forgetful>(ActorId::from_name::<Forgetful>(&tenant(), "a"));
    forgetful.ask(SetOnly).await.unwrap();
    test.advance(Duration::from_secs(1)).await;
    assert_eq!(forgetful.ask(LookOnly).await.unwrap(), None);
}
