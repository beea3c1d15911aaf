//! What agents do later.

use cluster::prelude::{ActorError, Key, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::agents::{Agent, AgentCtx, Callable, Method, Methods, When};

const DONE: Key<Vec<(String, i64)>> = Key::new("done");
const FAILED: Key<u32> = Key::new("failed");

pub(super) struct Clerk;

/// Does something, or fails so many times first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Do {
    what: String,
    #[serde(default)]
    failures: u32,
    /// Brings the turn down.
    #[serde(default)]
    panics: bool,
    /// Does it again after so many seconds.
    #[serde(default)]
    again: Option<u64>,
}

/// Has something done at a time.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Later {
    task: Do,
    seconds: Option<u64>,
    every: Option<u64>,
    cron: Option<String>,
    at: Option<i64>,
    #[serde(default)]
    is_another: bool,
}

/// Has things done one after another.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Enqueue(Vec<Do>);

/// What was done, and when.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Done;

/// How much is scheduled and queued.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Waiting;

/// Takes a call out of the queue.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Dequeue(u64);

/// Takes everything back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Forget;

macro_rules! methods {
    ($($type:ident $name:literal -> $reply:ty),*) => {
        $(impl Method for $type { const NAME: &'static str = $name; type Reply = $reply; })*
    };
}
methods!(
    Do "do" -> (), Later "later" -> String, Enqueue "enqueue" -> Vec<u64>, Done "done" -> Vec<(String, i64)>,
    Waiting "waiting" -> (usize, usize), Forget "forget" -> (), Dequeue "dequeue" -> ()
);

impl Agent for Clerk {
    const NAME: &'static str = "clerk";
    type State = ();
    type Env = ();

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods
            .own::<Do>()
            .callable::<Later>()
            .callable::<Enqueue>()
            .callable::<Done>()
            .callable::<Waiting>()
            .callable::<Forget>()
            .callable::<Dequeue>()
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Callable<Do> for Clerk {
    async fn call(&mut self, task: Do, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        assert!(!task.panics, "told to");
        if let Some(seconds) = task.again {
            ctx.schedule(When::In(Duration::from_secs(seconds)), &task)?;
        }
        let Do { what, failures, .. } = task;
        let failed = ctx.get(&FAILED).await?.unwrap_or_default();
        if failed < failures {
            ctx.put(&FAILED, &(failed + 1))?;
            return Err(ActorError::internal("clerk.told", "told to"));
        }
        ctx.delete(&FAILED)?;
        let mut done = ctx.get(&DONE).await?.unwrap_or_default();
        done.push((what, ctx.now().as_millis()));
        ctx.put(&DONE, &done)
    }
}

impl Callable<Later> for Clerk {
    async fn call(&mut self, later: Later, ctx: &mut AgentCtx<'_, Self>) -> Result<String> {
        let when = match later {
            Later {
                seconds: Some(seconds), ..
            } => When::In(Duration::from_secs(seconds)),
            Later {
                every: Some(seconds), ..
            } => When::Every(Duration::from_secs(seconds)),
            Later {
                cron: Some(expression), ..
            } => When::Cron(expression),
            Later { at, .. } => When::At(Timestamp::from_millis(at.unwrap_or_default())),
        };
        let schedule = match later.is_another {
            false => ctx.schedule(when, &later.task)?,
            true => ctx.schedule_another(when, &later.task)?,
        };
        Ok(schedule.id.to_string())
    }
}

impl Callable<Enqueue> for Clerk {
    async fn call(&mut self, Enqueue(tasks): Enqueue, ctx: &mut AgentCtx<'_, Self>) -> Result<Vec<u64>> {
        tasks.iter().map(|task| ctx.queue(task)).collect()
    }
}

impl Callable<Done> for Clerk {
    async fn call(&mut self, Done: Done, ctx: &mut AgentCtx<'_, Self>) -> Result<Vec<(String, i64)>> {
        Ok(ctx.get(&DONE).await?.unwrap_or_default())
    }
}

impl Callable<Waiting> for Clerk {
    async fn call(&mut self, Waiting: Waiting, ctx: &mut AgentCtx<'_, Self>) -> Result<(usize, usize)> {
        Ok((ctx.schedules().count(), ctx.queued(None, 100).await?.len()))
    }
}

impl Callable<Forget> for Clerk {
    async fn call(&mut self, Forget: Forget, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let ids: Vec<_> = ctx.schedules().map(|schedule| schedule.id).collect();
        for id in ids {
            assert!(ctx.cancel(id)?);
        }
        for queued in ctx.queued(None, 100).await? {
            ctx.dequeue(queued.number).await?;
        }
        Ok(())
    }
}

impl Callable<Dequeue> for Clerk {
    async fn call(&mut self, Dequeue(number): Dequeue, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        ctx.dequeue(number).await
    }
}

struct Office {
    test: TestCluster,
    began: i64,
}

impl Office {
    async fn open(seed: u64) -> Self {
        let agents = Agents::default().with::<Clerk>(()).unwrap();
        let test = TestCluster::builder(seed).actor::<AgentActor>(agents).start().await;
        let mut office = Self { test, began: 0 };
        office.ask("enqueue", json!([[{ "what": "begin" }]])).await.unwrap();
        office.test.advance(Duration::from_millis(1)).await;
        let done = office.ask("done", json!([])).await.unwrap();
        office.began = done[0][1].as_i64().unwrap();
        office
    }

    async fn ask(&self, method: &str, args: Value) -> Result<Value> {
        let id = AgentAddress::new("clerk", Some(user("ann")), "office")
            .unwrap()
            .actor(&tenant());
        call(&self.test, id, method, args).await
    }

    async fn wait(&self, seconds: u64) {
        self.test.advance(Duration::from_secs(seconds)).await;
    }

    /// What was done since the beginning, and after how many whole seconds.
    async fn done(&self) -> Vec<(String, i64)> {
        let done: Vec<(String, i64)> = serde_json::from_value(self.ask("done", json!([])).await.unwrap()).unwrap();
        let since = done.into_iter().skip(1);
        since.map(|(what, at)| (what, (at - self.began) / 1000)).collect()
    }
}

fn done(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(what, at)| ((*what).to_owned(), *at)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_scheduled_is_done_at_its_time_also_after_a_crash() {
    let mut office = Office::open(21).await;
    office
        .ask("later", json!({ "task": { "what": "tea" }, "seconds": 30 }))
        .await
        .unwrap();
    office
        .ask("later", json!({ "task": { "what": "walk" }, "seconds": 10 }))
        .await
        .unwrap();
    let past = json!({ "task": { "what": "at once" }, "at": 0 });
    office.ask("later", past).await.unwrap();
    office.wait(12).await;
    assert_eq!(office.done().await, done(&[("at once", 0), ("walk", 10)]));
    office.test.crash_and_restart().await;
    office.wait(20).await;
    assert_eq!(office.done().await, done(&[("at once", 0), ("walk", 10), ("tea", 30)]));
    assert_eq!(office.ask("waiting", json!([])).await.unwrap(), json!([0, 0]));
}

#[tokio::test(start_paused = true)]
async fn what_is_scheduled_already_is_not_scheduled_again_unless_another_is_wanted() {
    let office = Office::open(22).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        for when in [
            json!({ "seconds": 10 }),
            json!({ "every": 60 }),
            json!({ "cron": "0 9 * * *" }),
        ] {
            let mut later = when;
            later["task"] = json!({ "what": "tea" });
            ids.push(office.ask("later", later).await.unwrap().to_string());
        }
    }
    assert_eq!(office.ask("waiting", json!([])).await.unwrap(), json!([3, 0]));
    assert_eq!(ids[..3], ids[6..]);
    let another = json!({ "task": { "what": "tea" }, "seconds": 10, "is_another": true });
    office.ask("later", another).await.unwrap();
    assert_eq!(office.ask("waiting", json!([])).await.unwrap(), json!([4, 0]));
    office.ask("forget", json!([])).await.unwrap();
    office.wait(120).await;
    assert_eq!(office.done().await, []);
}

#[tokio::test(start_paused = true)]
async fn what_recurs_goes_on_after_failures_and_what_was_missed_is_done_once() {
    let office = Office::open(23).await;
    let every = json!({ "task": { "what": "look", "failures": 1 }, "every": 60 });
    office.ask("later", every).await.unwrap();
    office.wait(130).await;
    assert_eq!(office.done().await, done(&[("look", 60), ("look", 120)]));
    let bad = office
        .ask("later", json!({ "task": { "what": "x" }, "cron": "x" }))
        .await
        .unwrap_err();
    assert_eq!(bad.code(), "agent.schedule");
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_done_in_order_and_what_fails_three_times_is_left_out() {
    let mut office = Office::open(24).await;
    let tasks = json!([[
        { "what": "a" },
        { "what": "b", "failures": 2 },
        { "what": "never", "failures": 3 },
        { "what": "c" }
    ]]);
    office.ask("enqueue", tasks).await.unwrap();
    office.test.crash_and_restart().await;
    office.wait(20).await;
    let names: Vec<_> = office.done().await.into_iter().map(|(what, _)| what).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(office.ask("waiting", json!([])).await.unwrap(), json!([0, 0]));
}

#[tokio::test(start_paused = true)]
async fn what_waits_has_bounds() {
    let office = Office::open(25).await;
    let much = "x".repeat(65 * 1024);
    let error = office.ask("enqueue", json!([[{ "what": much }]])).await.unwrap_err();
    assert_eq!(error.code(), "too-large");
    for number in 0..1000 {
        let later = json!({ "task": { "what": number.to_string() }, "seconds": 1000 });
        office.ask("later", later).await.unwrap();
    }
    let error = office
        .ask("later", json!({ "task": { "what": "one more" }, "seconds": 1000 }))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "agent.schedules");
}

#[tokio::test(start_paused = true)]
async fn what_brings_its_turn_down_each_time_is_given_up_and_the_rest_is_done() {
    let office = Office::open(26).await;
    let poison = json!({ "what": "never", "panics": true });
    office
        .ask("enqueue", json!([[poison, { "what": "after it" }]]))
        .await
        .unwrap();
    office.wait(30).await;
    let every = json!({ "task": poison, "every": 60 });
    office.ask("later", every).await.unwrap();
    let once = json!({ "task": poison, "seconds": 65 });
    office.ask("later", once).await.unwrap();
    let tea = json!({ "task": { "what": "tea" }, "seconds": 70 });
    office.ask("later", tea).await.unwrap();
    office.wait(110).await;
    let names: Vec<_> = office.done().await.into_iter().map(|(what, _)| what).collect();
    assert_eq!(names, ["after it", "tea"]);
    // What recurs is due again.
    assert_eq!(office.ask("waiting", json!([])).await.unwrap(), json!([1, 0]));
}

#[tokio::test(start_paused = true)]
async fn what_schedules_itself_again_goes_on() {
    let office = Office::open(27).await;
    let look = json!({ "task": { "what": "look", "again": 10 }, "seconds": 10 });
    office.ask("later", look).await.unwrap();
    office.wait(35).await;
    assert_eq!(office.done().await, done(&[("look", 10), ("look", 20), ("look", 30)]));
    assert_eq!(office.ask("waiting", json!([])).await.unwrap(), json!([1, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_number_in_the_queue_is_never_that_of_another_call() {
    let mut office = Office::open(28).await;
    let first = office.ask("enqueue", json!([[{ "what": "a" }]])).await.unwrap();
    office.wait(1).await;
    office.test.crash_and_restart().await;
    let slow = json!([[{ "what": "b", "failures": 1 }, { "what": "c" }]]);
    let later = office.ask("enqueue", slow).await.unwrap();
    assert!(first[0].as_u64() < later[0].as_u64(), "{first} {later}");
    office.ask("dequeue", first).await.unwrap();
    office.wait(5).await;
    let names: Vec<_> = office.done().await.into_iter().map(|(what, _)| what).collect();
    assert_eq!(names, ["a", "b", "c"]);
}
