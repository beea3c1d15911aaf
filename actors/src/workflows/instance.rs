//! The actor that hosts one instance of a workflow: its execution, its status, its alarm.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use cluster::{
    RequestId,
    prelude::{ActorError, Alarm, Ctx, Handler, Interface, Result, Timestamp, VirtualActor},
};
use futures_util::FutureExt;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Change, StepError, Steps, Workflow, limits,
    messages::{
        BeginStep, Create, FinishStep, GetStatus, Hibernate, Pause, Ran, RecordEffect, Restart, Resume, RunEnd,
        SendEvent, Terminate,
    },
    record::{INSTANCE, Instance, OUTPUT, PARAMS, REQUEST, STEPS, StepKey, StepRecord},
    status::Status,
};
use crate::audit;

/// How long a crashed or lost execution stays unnoticed. While there is something to execute, an alarm is never further away.
pub(super) const DEAD_MAN: Duration = Duration::from_secs(10);

/// One instance of the workflow `W`.
pub struct WorkflowActor<W: Workflow> {
    pub(super) instance: Option<Instance>,
    /// Parameters as JSON.
    pub(super) params: Arc<str>,
    /// The request that created it: what it does is part of that, also after a restart.
    pub(super) request: Option<RequestId>,
    /// The domain's part.
    pub(crate) state: W::State,
    pub(super) execution: Option<Execution>,
}

/// The execution of the run in this activation.
pub(super) struct Execution {
    /// Messages of an execution that was left behind carry another token.
    pub(super) token: Uuid,
    cancel: CancellationToken,
    /// Changes whenever a waiting step should ask again; closed when the run is gone.
    progress: watch::Sender<u64>,
    /// Calls so far by step name.
    pub(super) calls: HashMap<String, u32>,
    /// Steps that are executed now.
    pub(super) running: BTreeSet<StepKey>,
    /// Steps that wait, and until when.
    pub(super) waits: BTreeMap<StepKey, Timestamp>,
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl<W: Workflow> fmt::Debug for WorkflowActor<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowActor")
            .field("class", &W::CLASS)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl<W: Workflow> VirtualActor for WorkflowActor<W> {
    const CLASS: &'static str = W::CLASS;
    const VERSION: u32 = W::VERSION;
    type Env = W::Env;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        W::interface(
            i.on::<Create>()
                .on::<Pause>()
                .on::<Resume>()
                .on::<Terminate>()
                .on::<Restart>()
                .on::<SendEvent>()
                .on::<GetStatus>()
                .on::<BeginStep>()
                .on::<FinishStep>()
                .on::<RecordEffect>()
                .on::<Hibernate>()
                .on::<Ran>(),
        )
    }

    async fn upgrade(from: u32, ctx: &mut Ctx<Self>) -> Result<()> {
        W::upgrade(from, ctx).await
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        let instance = ctx.storage().get(&INSTANCE).await?;
        let params = ctx.storage().get(&PARAMS).await?.unwrap_or_default().into();
        let request: Option<String> = ctx.storage().get(&REQUEST).await?;
        let state = W::load(ctx).await?;
        let mut actor = Self {
            instance,
            params,
            request: request.as_deref().map(RequestId::new),
            state,
            execution: None,
        };
        match actor.instance.as_ref().map(|instance| instance.status) {
            // The step that a pending pause waited for ended with the last activation.
            Some(Status::WaitingForPause) => actor.enter(Status::Paused, ctx)?,
            Some(status) if status.is_active() => actor.execute(ctx),
            Some(_) | None => {}
        }
        actor.arm(ctx);
        Ok(actor)
    }

    /// Rings for whichever comes first: a timer of the run, or the check that the run is still there.
    async fn alarm(&mut self, _alarm: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let Some(instance) = &mut self.instance else {
            return Ok(());
        };
        if instance.status.is_active() {
            match &self.execution {
                Some(execution) if execution.progress.receiver_count() > 0 => self.wake(),
                Some(_) | None => self.execute(ctx),
            }
            self.arm(ctx);
        } else if instance.cleanup {
            // What an earlier version had to remove, the rebuild of the index has left out.
            instance.cleanup = false;
            ctx.storage().put(&INSTANCE, instance)?;
        }
        Ok(())
    }
}

impl<W: Workflow> WorkflowActor<W> {
    /// The instance, or the error that there is none.
    pub(super) fn instance(&self) -> Result<&Instance> {
        self.instance
            .as_ref()
            .ok_or_else(|| ActorError::not_found("instance.not-found", "there is no such instance"))
    }

    pub(super) fn instance_mut(&mut self) -> Result<&mut Instance> {
        self.instance
            .as_mut()
            .ok_or_else(|| ActorError::not_found("instance.not-found", "there is no such instance"))
    }

    /// The names of the steps that are executed now.
    pub(crate) fn running_steps(&self) -> impl Iterator<Item = &str> {
        self.execution
            .iter()
            .flat_map(|execution| execution.running.iter().map(|key| key.name.as_str()))
    }

    /// How often the present execution has called a step of this name, finished ones included.
    pub(crate) fn calls_of(&self, name: &str) -> u32 {
        let calls = self.execution.as_ref().and_then(|execution| execution.calls.get(name));
        calls.copied().unwrap_or_default()
    }

    /// The stored output of the first step of this name, as JSON, once it has one.
    pub(crate) async fn output_of(&self, name: &str, ctx: &mut Ctx<Self>) -> Result<Option<String>> {
        let key = StepKey {
            name: name.to_owned(),
            occurrence: 1,
        };
        let record = ctx.storage().get(&STEPS.key(&key.to_string())).await?;
        Ok(record.and_then(StepRecord::output))
    }

    /// Starts an execution of the run; one that may still be there is left behind.
    pub(super) fn execute(&mut self, ctx: &mut Ctx<Self>) {
        let Some(instance) = &self.instance else { return };
        if !instance.status.is_active() {
            return;
        }
        let (token, cancel) = (ctx.uuid(), ctx.activation().child_token());
        let (progress, changes) = watch::channel(0);
        let id = format!("{}/{}/{}", W::CLASS, ctx.tenant(), ctx.name());
        let steps = Steps::new(ctx.self_ref(), W::others(ctx), token, changes, cancel.clone(), &id);
        let (params, env, stop) = (self.params.clone(), ctx.env().clone(), cancel.clone());
        let work = async move {
            let end = tokio::select! {
                () = stop.cancelled() => RunEnd::Interrupted,
                end = run::<W>(&params, env, steps) => end,
            };
            Ran { token, end }
        };
        match self.request.clone() {
            Some(request) => ctx.pipe_to_self(request.scope(work)),
            None => ctx.pipe_to_self(work),
        }
        let (calls, running, waits) = Default::default();
        self.execution = Some(Execution {
            token,
            cancel,
            progress,
            calls,
            running,
            waits,
        });
    }

    /// Has all waiting steps ask again.
    pub(super) fn wake(&self) {
        if let Some(execution) = &self.execution {
            execution
                .progress
                .send_modify(|changes| *changes = changes.wrapping_add(1));
        }
    }

    /// Stores the status that follows from what the run does, and sets the alarm.
    pub(super) fn settle(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let (busy, waiting) = self.execution.as_ref().map_or((false, false), |execution| {
            (!execution.running.is_empty(), !execution.waits.is_empty())
        });
        let instance = self.instance()?;
        let (old, new) = (instance.status, instance.status.settle(busy, waiting));
        if new != old {
            self.enter(new, ctx)?;
        }
        self.arm(ctx);
        Ok(())
    }

    /// Stores a status.
    pub(super) fn enter(&mut self, status: Status, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        let instance = self.instance_mut()?;
        instance.status = status;
        if status == Status::Paused && instance.paused_at.is_none() {
            instance.paused_at = Some(now);
        }
        ctx.storage().put(&INSTANCE, instance)
    }

    /// Makes sure that an alarm rings in time, and that none rings in vain.
    pub(super) fn arm(&self, ctx: &mut Ctx<Self>) {
        let Some(instance) = &self.instance else { return };
        if !instance.status.is_active() {
            if !instance.cleanup {
                ctx.delete_alarm();
            }
            return;
        }
        let now = ctx.now();
        let idle = self.execution.as_ref().filter(|execution| execution.running.is_empty());
        // A wait that is over was woken: should it not ask again, it is the dead man's business.
        let due = idle.and_then(|execution| execution.waits.values().filter(|due| **due > now).min().copied());
        let due = due.unwrap_or_else(|| now.plus(DEAD_MAN));
        // One that rings earlier is left: it looks again, and that costs less than a write per step.
        if ctx.get_alarm().is_none_or(|alarm| alarm > due) {
            ctx.set_alarm(due);
        }
    }

    async fn ran(&mut self, end: RunEnd, ctx: &mut Ctx<Self>) -> Result<()> {
        self.execution = None;
        let end = match end {
            RunEnd::Complete(output) => match limits::check_bytes("output of the run", &output, limits::OUTPUT_BYTES) {
                Ok(()) => RunEnd::Complete(output),
                Err(error) => RunEnd::Failed(error.message().to_owned()),
            },
            RunEnd::Failed(_) | RunEnd::Interrupted => end,
        };
        let status = match end {
            RunEnd::Complete(output) => {
                W::changed(&mut self.state, &Change::Completed, ctx).await?;
                ctx.storage().put(&OUTPUT, &output)?;
                Status::Complete
            }
            RunEnd::Failed(message) => {
                W::changed(
                    &mut self.state,
                    &Change::Errored {
                        message: message.clone(),
                    },
                    ctx,
                )
                .await?;
                self.instance_mut()?.error = Some(message);
                Status::Errored
            }
            // The alarm starts the next execution.
            RunEnd::Interrupted => return self.settle(ctx),
        };
        let completed = json!({ "workflowName": W::NAME, "instanceId": ctx.name(), "status": status });
        audit::record(ctx, audit::events::WORKFLOW_COMPLETED, completed)?;
        self.enter(status, ctx)?;
        self.arm(ctx);
        Ok(())
    }
}

/// Executes the run once.
async fn run<W: Workflow>(params: &str, env: W::Env, steps: Steps<W>) -> RunEnd {
    let params = match serde_json::from_str(params) {
        Ok(params) => params,
        Err(error) => return RunEnd::Failed(format!("the parameters cannot be read: {error}")),
    };
    match AssertUnwindSafe(W::run(params, env, steps)).catch_unwind().await {
        Ok(Ok(output)) => match serde_json::to_string(&output) {
            Ok(output) => RunEnd::Complete(output),
            Err(error) => RunEnd::Failed(format!("the output of the run is no JSON: {error}")),
        },
        Ok(Err(StepError::Failed { message, .. })) => RunEnd::Failed(message),
        Ok(Err(StepError::Interrupted)) => RunEnd::Interrupted,
        Err(_) => RunEnd::Failed("the run panicked".to_owned()),
    }
}

impl<W: Workflow> Handler<Ran> for WorkflowActor<W> {
    async fn handle(&mut self, Ran { token, end }: Ran, ctx: &mut Ctx<Self>) -> Result<()> {
        if self
            .execution
            .as_ref()
            .is_some_and(|execution| execution.token == token)
        {
            self.ran(end, ctx).await?;
        }
        Ok(())
    }
}
