//! When a failed alarm fires again, and which failures count.

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
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::fixture::{slow, tenant};

/// Seconds after the first firing at which a failing alarm fires.
const TABLE: [u64; 7] = [0, 2, 6, 14, 30, 62, 126];

/// What the firings of a test saw, and whether the clock's actors can be activated.
#[derive(Clone, Default)]
struct Tower {
    firings: Arc<Mutex<Vec<Firing>>>,
    closed: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Firing {
    at: Timestamp,
    alarm: Alarm,
    /// What `get_alarm` said at the beginning and at the end of the handler.
    visible: (Option<Timestamp>, Option<Timestamp>),
}

impl Tower {
    fn seen(&self) -> Vec<Firing> {
        self.firings.lock().clone()
    }

    /// Seconds since the first firing, rounded down.
    fn seconds(&self) -> Vec<u64> {
        let seen = self.seen();
        seen.iter()
            .map(|firing| firing.at.since(seen[0].at).as_secs())
            .collect()
    }
}

/// What the next firings do, one after another; the last one again and again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Conduct {
    Succeed,
    Fail,
    /// Says that the state cannot be read.
    Unread,
    SetAndSucceed,
    SetAskAndSucceed,
    SetAskDeleteAndFail,
    SetAskDeleteAskAndStop,
}

const CONDUCTS: Key<Vec<Conduct>> = Key::new("conducts");

/// Rings.
struct Bell;

/// Sets the alarm so many milliseconds from now, or before it; answers the present moment.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "bell.set", reply = Timestamp)]
struct Set(i64, Vec<Conduct>);

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "bell.unset")]
struct Unset;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "bell.look", reply = Option<Timestamp>)]
struct Look;

/// Sets the alarm in its handler at this distance.
const LATER: Duration = Duration::from_secs(500);

impl VirtualActor for Bell {
    const CLASS: &'static str = "bell";
    type Env = Tower;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Set>().on::<Unset>().on::<Look>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        if ctx.env().closed.load(Ordering::SeqCst) {
            return Err(ActorError::overloaded("tower.closed", "come back later"));
        }
        Ok(Self)
    }

    async fn alarm(&mut self, alarm: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let (at, before) = (ctx.now(), ctx.get_alarm());
        let mut conducts = ctx.storage().get(&CONDUCTS).await?.unwrap_or_default();
        let conduct = conducts[0];
        if conducts.len() > 1 {
            conducts.remove(0);
            ctx.storage().put(&CONDUCTS, &conducts)?;
        }
        let result = self.ring(conduct, ctx).await;
        let firing = Firing {
            at,
            alarm,
            visible: (before, ctx.get_alarm()),
        };
        ctx.env().firings.lock().push(firing);
        if matches!(conduct, Conduct::SetAskDeleteAskAndStop) {
            std::future::pending::<()>().await;
        }
        result
    }
}

impl Bell {
    async fn ring(&mut self, conduct: Conduct, ctx: &mut Ctx<Self>) -> Result<()> {
        let failed = Err(ActorError::internal("bell.failed", "told to fail"));
        let later = ctx.now().plus(LATER);
        // Whom it asks does not matter: the ask commits what was set so far.
        let other = ctx.get::<Self>("other");
        match conduct {
            Conduct::Succeed => Ok(()),
            Conduct::Fail => failed,
            Conduct::Unread => Err(ActorError::internal("storage.read", "told to fail")),
            Conduct::SetAndSucceed => {
                ctx.set_alarm(later);
                Ok(())
            }
            Conduct::SetAskAndSucceed => {
                ctx.set_alarm(later);
                ctx.ask(&other, Look).await?;
                Ok(())
            }
            Conduct::SetAskDeleteAndFail => {
                ctx.set_alarm(later);
                ctx.ask(&other, Look).await?;
                ctx.delete_alarm();
                failed
            }
            Conduct::SetAskDeleteAskAndStop => {
                ctx.set_alarm(later);
                ctx.ask(&other, Look).await?;
                ctx.delete_alarm();
                ctx.ask(&other, Look).await?;
                Ok(())
            }
        }
    }
}

impl Handler<Set> for Bell {
    async fn handle(&mut self, Set(millis, conducts): Set, ctx: &mut Ctx<Self>) -> Result<Timestamp> {
        ctx.storage().put(&CONDUCTS, &conducts)?;
        ctx.set_alarm(Timestamp::from_millis(ctx.now().as_millis() + millis));
        Ok(ctx.now())
    }
}

impl Handler<Unset> for Bell {
    async fn handle(&mut self, _: Unset, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.delete_alarm();
        Ok(())
    }
}

impl Handler<Look> for Bell {
    async fn handle(&mut self, _: Look, ctx: &mut Ctx<Self>) -> Result<Option<Timestamp>> {
        Ok(ctx.get_alarm())
    }
}

async fn bells(seed: u64, faults: Option<Faults>) -> (TestCluster, Tower) {
    let tower = Tower::default();
    let builder = TestCluster::builder(seed).actor::<Bell>(tower.clone());
    let builder = match faults {
        Some(faults) => builder.simulated(faults),
        None => builder,
    };
    (builder.start().await, tower)
}

fn bell(test: &TestCluster) -> ActorRef<Bell> {
    test.cluster().get(ActorId::from_name::<Bell>(&tenant(), "a"))
}

/// Each firing is at the sum of the pauses before it and at most a quarter more, `slack` per firing aside.
fn assert_table(seen: &[Firing], slack: Duration) {
    assert_eq!(seen.len(), TABLE.len());
    for ((count, firing), seconds) in (0_u32..).zip(seen).zip(TABLE) {
        let offset = firing.at.since(seen[0].at);
        let pauses = Duration::from_secs(seconds);
        assert!(
            offset >= pauses && offset <= pauses.mul_f64(1.25) + slack * count,
            "firing {count} after {offset:?} instead of {pauses:?}"
        );
        let alarm = Alarm {
            retry_count: count,
            is_retry: count > 0,
            scheduled: seen[0].alarm.scheduled,
        };
        assert_eq!((firing.alarm, firing.visible), (alarm, (None, None)));
    }
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn a_failing_alarm_fires_at_0_2_6_14_30_62_and_126_seconds() {
    for seed in 0..20 {
        let (test, tower) = bells(seed, None).await;
        let set = bell(&test).ask(Set(0, vec![Conduct::Fail])).await.unwrap();
        test.advance(Duration::from_secs(3600)).await;
        assert_table(&tower.seen(), Duration::from_millis(10));
        assert!(tower.seen()[0].at.since(set) < Duration::from_millis(20));
        assert_eq!(bell(&test).ask(Look).await.unwrap(), None, "it is given up");
    }
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn the_pauses_of_a_failing_alarm_survive_crashes_and_passivation_between_its_firings() {
    for seed in 0..10 {
        let (mut test, tower) = bells(seed, None).await;
        bell(&test).ask(Set(0, vec![Conduct::Fail])).await.unwrap();
        for firing in 1..=TABLE.len() {
            while tower.seen().len() < firing {
                test.advance(Duration::from_millis(250)).await;
            }
            test.passivate_all().await;
            // The commit of the retry takes a moment, and is not acknowledged to anybody who could wait for it.
            test.advance(Duration::from_millis(50)).await;
            test.crash_and_restart().await;
        }
        test.advance(Duration::from_secs(3600)).await;
        assert_table(&tower.seen(), Duration::from_millis(500));
        assert_eq!(bell(&test).ask(Look).await.unwrap(), None);
    }
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn an_alarm_that_falls_due_while_the_node_is_down_fires_promptly_after_the_restart() {
    let (mut test, tower) = bells(1, None).await;
    let set = bell(&test)
        .ask(Set(60_000, vec![Conduct::Fail, Conduct::Succeed]))
        .await
        .unwrap();
    test.crash_and_restart_after(Duration::from_secs(600)).await;
    test.advance(Duration::from_millis(500)).await;
    let seen = tower.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].at.since(set) < Duration::from_secs(601));
    assert_eq!(seen[0].alarm.scheduled, set.plus(Duration::from_secs(60)));
    // So does a retry.
    test.crash_and_restart_after(Duration::from_secs(600)).await;
    test.advance(Duration::from_millis(500)).await;
    assert_eq!(tower.seen().len(), 2);
    test.advance(Duration::from_secs(3600)).await;
    assert_eq!(tower.seen().len(), 2);
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn a_moment_that_has_passed_means_now() {
    let (test, tower) = bells(2, None).await;
    let set = bell(&test).ask(Set(-5_000_000, vec![Conduct::Succeed])).await.unwrap();
    test.advance(Duration::from_secs(1)).await;
    assert_eq!(tower.seen()[0].alarm.scheduled, set);
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn the_handler_sees_the_successor_that_it_set() {
    for conduct in [Conduct::SetAndSucceed, Conduct::SetAskAndSucceed] {
        let (test, tower) = bells(3, None).await;
        bell(&test).ask(Set(0, vec![conduct, Conduct::Succeed])).await.unwrap();
        test.advance(Duration::from_secs(3600)).await;
        let seen = tower.seen();
        let later = seen[0].at.plus(LATER);
        assert_eq!((seen.len(), seen[0].visible), (2, (None, Some(later))));
        assert_eq!((seen[1].alarm.scheduled, seen[1].alarm.is_retry), (later, false));
    }
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn a_successor_that_was_taken_back_does_not_replace_the_retry() {
    let (test, tower) = bells(4, None).await;
    bell(&test)
        .ask(Set(0, vec![Conduct::SetAskDeleteAndFail, Conduct::Succeed]))
        .await
        .unwrap();
    test.advance(Duration::from_secs(3600)).await;
    assert_eq!(tower.seconds(), [0, 2]);
    assert_eq!(tower.seen()[1].alarm.retry_count, 1);
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn a_crash_of_a_handler_that_took_its_successor_back_repeats_the_alarm() {
    let (mut test, tower) = bells(5, None).await;
    bell(&test)
        .ask(Set(0, vec![Conduct::SetAskDeleteAskAndStop, Conduct::Succeed]))
        .await
        .unwrap();
    test.advance(Duration::from_secs(1)).await;
    test.crash_and_restart().await;
    test.advance(Duration::from_secs(1)).await;
    let seen = tower.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].alarm, seen[1].alarm);
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn an_alarm_can_be_deleted_between_its_retries() {
    let (test, tower) = bells(6, None).await;
    bell(&test).ask(Set(0, vec![Conduct::Fail])).await.unwrap();
    test.advance(Duration::from_secs(4)).await;
    let again = bell(&test).ask(Look).await.unwrap();
    assert!(again.is_some_and(|again| again > tower.seen()[1].at));
    bell(&test).ask(Unset).await.unwrap();
    test.advance(Duration::from_secs(3600)).await;
    assert_eq!(tower.seconds(), [0, 2]);
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn a_firing_whose_commit_fails_is_repeated_and_does_not_count() {
    let refused = Faults {
        refused: 1.0,
        ..slow(5)
    };
    let (test, tower) = bells(7, Some(slow(5))).await;
    bell(&test)
        .ask(Set(
            10_000,
            vec![Conduct::Fail, Conduct::Fail, Conduct::Fail, Conduct::Succeed],
        ))
        .await
        .unwrap();
    test.set_faults(refused);
    test.advance(Duration::from_secs(10 + 2 + 4 + 8 + 16 + 32 + 64 + 128))
        .await;
    let lost = tower.seen().len();
    assert!((7..=8).contains(&lost), "{:?}", tower.seconds());
    for (firing, seconds) in tower.seen().iter().zip(TABLE) {
        let offset = firing.at.since(tower.seen()[0].at);
        let pauses = Duration::from_secs(seconds);
        assert!(offset >= pauses && offset <= pauses.mul_f64(1.25) + Duration::from_secs(1));
        assert_eq!((firing.alarm.retry_count, firing.alarm.is_retry), (0, false));
    }
    test.set_faults(slow(5));
    test.advance(Duration::from_secs(3600)).await;
    let seen = tower.seen();
    let counts: Vec<_> = seen[lost..].iter().map(|firing| firing.alarm.retry_count).collect();
    assert_eq!(counts, [0, 1, 2, 3]);
    // The first failure of the handler begins with the shortest pause.
    for (pair, pause) in seen[lost..].windows(2).zip([2, 4, 8]) {
        let (apart, pause) = (pair[1].at.since(pair[0].at), Duration::from_secs(pause));
        assert!(apart >= pause && apart <= pause.mul_f64(1.25) + Duration::from_millis(100));
    }
    assert_eq!(bell(&test).ask(Look).await.unwrap(), None);
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn an_actor_that_is_not_available_for_a_while_keeps_its_alarm() {
    let (test, tower) = bells(8, None).await;
    bell(&test).ask(Set(1000, vec![Conduct::Succeed])).await.unwrap();
    test.passivate_all().await;
    tower.closed.store(true, Ordering::SeqCst);
    test.advance(Duration::from_secs(86_400)).await;
    tower.closed.store(false, Ordering::SeqCst);
    assert!(tower.seen().is_empty());
    test.advance(Duration::from_secs(1024 * 5 / 4)).await;
    let seen = tower.seen();
    assert_eq!((seen.len(), seen[0].alarm.retry_count), (1, 0));
}

/// Guarantee 10.
#[tokio::test(start_paused = true)]
async fn failures_of_the_runtime_stand_between_those_that_count() {
    let (test, tower) = bells(9, None).await;
    let conducts = vec![
        Conduct::Fail,
        Conduct::Fail,
        Conduct::Fail,
        Conduct::Unread,
        Conduct::Fail,
        Conduct::Fail,
        Conduct::Succeed,
    ];
    bell(&test).ask(Set(0, conducts)).await.unwrap();
    test.advance(Duration::from_secs(3600)).await;
    let seen = tower.seen();
    let counts: Vec<_> = seen.iter().map(|firing| firing.alarm.retry_count).collect();
    assert_eq!(counts, [0, 1, 2, 3, 3, 4, 5]);
    for (pair, pause) in seen.windows(2).zip([2, 4, 8, 16, 2, 4]) {
        let (apart, pause) = (pair[1].at.since(pair[0].at), Duration::from_secs(pause));
        assert!(
            apart >= pause && apart <= pause.mul_f64(1.25) + Duration::from_millis(100),
            "{apart:?} instead of {pause:?}"
        );
    }
}
