//! A workflow that follows a script, a probe that sees what was executed, and a cluster to run it on.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cluster::{RequestId, prelude::*, testing::TestCluster};
use futures_util::future::{BoxFuture, FutureExt, join_all};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    audit::{AuditEnv, AuditLog},
    workflows::{
        Attempt, Backoff, Change, Create, GetStatus, InstanceStatus, Retries, Status, StepError, StepPolicy, Steps,
        WorkError, Workflow, WorkflowActor,
    },
};

pub(super) type Scripted = WorkflowActor<Script>;

/// One line of a script.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Op {
    /// Fails as often as told, then answers with the number of its execution.
    Work {
        name: String,
        failures: u32,
        policy: StepPolicy,
    },
    /// Takes this long.
    Slow {
        name: String,
        millis: u64,
        policy: StepPolicy,
    },
    Fatal {
        name: String,
    },
    Panic {
        name: String,
    },
    Big {
        name: String,
        bytes: usize,
    },
    Note {
        name: String,
        note: String,
    },
    Sleep {
        name: String,
        millis: u64,
    },
    SleepUntil {
        name: String,
        at: i64,
    },
    Event {
        name: String,
        event_type: String,
        timeout: Duration,
    },
    /// Goes on if the step fails.
    Catch(Box<Op>),
    /// All at once.
    Both(Vec<Op>),
}

pub(super) fn work(name: &str) -> Op {
    Op::Work {
        name: name.to_owned(),
        failures: 0,
        policy: quick(5),
    }
}

pub(super) fn failing(name: &str, failures: u32, policy: StepPolicy) -> Op {
    Op::Work {
        name: name.to_owned(),
        failures,
        policy,
    }
}

pub(super) fn slow(name: &str, seconds: u64) -> Op {
    Op::Slow {
        name: name.to_owned(),
        millis: seconds * 1000,
        policy: quick(5),
    }
}

pub(super) fn note(name: &str) -> Op {
    Op::Note {
        name: name.to_owned(),
        note: name.to_owned(),
    }
}

pub(super) fn sleep(name: &str, seconds: u64) -> Op {
    Op::Sleep {
        name: name.to_owned(),
        millis: seconds * 1000,
    }
}

pub(super) fn event(name: &str, event_type: &str, seconds: u64) -> Op {
    let timeout = Duration::from_secs(seconds);
    Op::Event {
        name: name.to_owned(),
        event_type: event_type.to_owned(),
        timeout,
    }
}

pub(super) fn quick(limit: u32) -> StepPolicy {
    let retries = Retries {
        limit,
        delay: Duration::from_secs(1),
        backoff: Backoff::Constant,
    };
    StepPolicy {
        retries,
        timeout: Duration::from_mins(10),
    }
}

/// Sees what is executed.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    executed: Arc<Mutex<Vec<(String, Duration)>>>,
    aborted: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<Vec<Option<RequestId>>>>,
    begin: Instant,
}

impl Probe {
    fn new() -> Self {
        Self {
            executed: Arc::default(),
            aborted: Arc::default(),
            requests: Arc::default(),
            begin: Instant::now(),
        }
    }

    fn execute(&self, name: &str) -> usize {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(RequestId::current());
        let mut executed = self.executed.lock().unwrap_or_else(PoisonError::into_inner);
        executed.push((name.to_owned(), self.begin.elapsed()));
        executed.iter().filter(|(of, _)| of == name).count()
    }

    /// Names in the order of their executions.
    pub(super) fn names(&self) -> Vec<String> {
        self.executed
            .lock()
            .unwrap()
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Seconds between the executions of a step.
    pub(super) fn gaps(&self, name: &str) -> Vec<u64> {
        let executed = self.executed.lock().unwrap();
        let times: Vec<Duration> = executed
            .iter()
            .filter(|(of, _)| of == name)
            .map(|(_, at)| *at)
            .collect();
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }

    /// The request that each execution was part of.
    pub(super) fn requests(&self) -> Vec<Option<RequestId>> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn aborted(&self) -> Vec<String> {
        self.aborted.lock().unwrap().clone()
    }
}

/// Remembers that its step was aborted, unless it ended.
struct Running {
    name: String,
    probe: Probe,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.probe
                .aborted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(self.name.clone());
        }
    }
}

pub(super) struct Script;

const NOTES: Key<Vec<String>> = Key::new("notes");

#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "script.notes", reply = Vec<String>)]
pub(super) struct Notes;

impl Handler<Notes> for Scripted {
    async fn handle(&mut self, Notes: Notes, _ctx: &mut Ctx<Self>) -> Result<Vec<String>> {
        Ok(self.state.clone())
    }
}

impl Workflow for Script {
    const CLASS: &'static str = "script";
    type Env = Probe;
    type Params = Vec<Op>;
    type Output = Vec<String>;
    type Effect = String;
    type Reply = usize;
    type State = Vec<String>;
    type Others = ();

    fn interface(i: Interface<Scripted>) -> Interface<Scripted> {
        i.on::<Notes>()
    }

    fn others(_ctx: &Ctx<Scripted>) {}

    async fn load(ctx: &mut Ctx<Scripted>) -> Result<Self::State> {
        Ok(ctx.storage().get(&NOTES).await?.unwrap_or_default())
    }

    async fn run(ops: Vec<Op>, probe: Probe, steps: Steps<Self>) -> Result<Vec<String>, StepError> {
        let mut results = Vec::new();
        for op in ops {
            results.push(follow(op, &probe, &steps).await?);
        }
        Ok(results)
    }

    async fn apply(state: &mut Self::State, effect: String, ctx: &mut Ctx<Scripted>) -> Result<usize> {
        if effect == "refused" {
            return Err(ActorError::invalid("script.refused", "this note is refused"));
        }
        state.push(effect);
        ctx.storage().put(&NOTES, state)?;
        Ok(state.len())
    }

    async fn changed(state: &mut Self::State, change: &Change, ctx: &mut Ctx<Scripted>) -> Result<()> {
        match change {
            Change::Restarted => state.clear(),
            Change::Completed => return Ok(()),
            Change::Paused | Change::Resumed | Change::Terminated | Change::Errored { .. } => {
                state.push(
                    format!("{change:?}")
                        .split(' ')
                        .next()
                        .unwrap_or_default()
                        .to_lowercase(),
                );
            }
        }
        ctx.storage().put(&NOTES, state)
    }
}

fn follow<'a>(op: Op, probe: &'a Probe, steps: &'a Steps<Script>) -> BoxFuture<'a, Result<String, StepError>> {
    async move {
        match op {
            Op::Work { name, failures, policy } => {
                let work = |attempt: Attempt| {
                    let execution = probe.execute(&name);
                    let result = if attempt.number <= failures {
                        Err(WorkError::retryable(format!("failure {}", attempt.number)))
                    } else {
                        Ok(format!("{name} {execution}"))
                    };
                    async move { result }
                };
                steps.run(&name, policy, work).await
            }
            Op::Slow { name, millis, policy } => {
                let work = |_| {
                    let execution = probe.execute(&name);
                    let mut running = Running {
                        name: name.clone(),
                        probe: probe.clone(),
                        ended: false,
                    };
                    async move {
                        tokio::time::sleep(Duration::from_millis(millis)).await;
                        running.ended = true;
                        Ok(format!("{} {execution}", running.name))
                    }
                };
                steps.run(&name, policy, work).await
            }
            Op::Fatal { name } => {
                let work = |_| {
                    probe.execute(&name);
                    async { Err(WorkError::non_retryable("this never works")) }
                };
                steps.run(&name, quick(5), work).await
            }
            Op::Panic { name } => {
                let work = |_| {
                    let execution = probe.execute(&name);
                    async move {
                        assert!(execution > 1, "the first execution panics");
                        Ok(format!("execution {execution}"))
                    }
                };
                steps.run(&name, quick(5), work).await
            }
            Op::Big { name, bytes } => {
                let work = |_| {
                    probe.execute(&name);
                    async move { Ok("x".repeat(bytes)) }
                };
                steps
                    .run(&name, quick(5), work)
                    .await
                    .map(|text: String| text.len().to_string())
            }
            Op::Note { name, note } => steps.record(&name, &note).await.map(|notes| notes.to_string()),
            Op::Sleep { name, millis } => {
                steps.sleep(&name, Duration::from_millis(millis)).await?;
                Ok("slept".to_owned())
            }
            Op::SleepUntil { name, at } => {
                steps.sleep_until(&name, Timestamp::from_millis(at)).await?;
                Ok("slept".to_owned())
            }
            Op::Event {
                name,
                event_type,
                timeout,
            } => steps.wait_for_event(&name, &event_type, timeout).await,
            Op::Catch(op) => match follow(*op, probe, steps).await {
                Err(StepError::Failed { message, .. }) => Ok(format!("caught: {message}")),
                other => other,
            },
            Op::Both(ops) => {
                let results = join_all(ops.into_iter().map(|op| follow(op, probe, steps))).await;
                Ok(results.into_iter().collect::<Result<Vec<_>, _>>()?.join(" + "))
            }
        }
    }
    .boxed()
}

/// A cluster with one scripted instance.
pub(super) struct Bench {
    pub(super) cluster: TestCluster,
    pub(super) probe: Probe,
}

impl Bench {
    /// A cluster without an instance.
    pub(super) async fn empty(seed: u64) -> Self {
        let probe = Probe::new();
        let cluster = TestCluster::builder(seed)
            .actor::<Scripted>(probe.clone())
            .actor::<AuditLog>(AuditEnv::fake())
            .start()
            .await;
        Self { cluster, probe }
    }

    /// A cluster with an instance that follows `ops`.
    pub(super) async fn start(seed: u64, ops: &[Op]) -> Self {
        let bench = Self::empty(seed).await;
        bench
            .ask(Create {
                params: serde_json::to_string(ops).unwrap(),
            })
            .await
            .unwrap();
        bench
    }

    pub(super) fn instance(&self) -> ActorRef<Scripted> {
        let tenant = TenantId::new("default").unwrap();
        self.cluster
            .cluster()
            .get(ActorId::from_name::<Scripted>(&tenant, "one"))
    }

    pub(super) async fn ask<M: Message>(&self, message: M) -> Result<M::Reply>
    where
        Scripted: Handler<M>,
    {
        self.instance().ask(message).await
    }

    pub(super) async fn status(&self) -> InstanceStatus {
        self.ask(GetStatus).await.unwrap()
    }

    /// Lets time pass until the instance has this status.
    pub(super) async fn until(&self, status: Status) -> InstanceStatus {
        let mut pause = Duration::from_millis(100);
        for _ in 0..2_000 {
            let now = self.status().await;
            if now.status == status {
                return now;
            }
            assert!(
                !now.status.is_final(),
                "the instance ended as {now:?} instead of {status:?}"
            );
            self.cluster.advance(pause).await;
            pause = pause.mul_f64(1.2).min(Duration::from_secs(10));
        }
        panic!("the instance never was {status:?}: {:?}", self.status().await);
    }

    /// Lets time pass until the run returned, and says what.
    pub(super) async fn complete(&self) -> Vec<String> {
        serde_json::from_str(&self.until(Status::Complete).await.output.unwrap()).unwrap()
    }

    pub(super) async fn wait(&self, seconds: u64) {
        self.cluster.advance(Duration::from_secs(seconds)).await;
    }
}
