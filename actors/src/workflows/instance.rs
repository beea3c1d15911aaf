//! The actor that hosts one instance of a workflow, and what others ask of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    panic::AssertUnwindSafe,
    time::Duration,
};

use cluster::prelude::{ActorError, Alarm, Ctx, Handler, Interface, List, Result, Timestamp, VirtualActor};
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Change, StepError, Steps, Workflow, limits,
    messages::{
        BeginStep, Cleaned, Create, FinishStep, GetStatus, Hibernate, InstanceStatus, Pause, Ran, RecordEffect,
        Restart, Resume, RunEnd, SendEvent, Terminate,
    },
    record::{BufferedEvent, EVENTS, INSTANCE, Instance, STEPS, StepKey, event_key},
    status::Status,
};

/// How long a crashed or lost execution stays unnoticed. While there is something to execute, an alarm is never further away.
pub(super) const DEAD_MAN: Duration = Duration::from_secs(10);
/// Rows read at a time when an instance is wiped.
const PAGE: usize = 256;

/// One instance of the workflow `W`.
pub struct WorkflowActor<W: Workflow> {
    pub(super) instance: Option<Instance>,
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
                .on::<Ran>()
                .on::<Cleaned>(),
        )
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        let instance = ctx.storage().get(&INSTANCE).await?;
        let state = W::load(ctx).await?;
        let mut actor = Self {
            instance,
            state,
            execution: None,
        };
        let active = actor
            .instance
            .as_ref()
            .is_some_and(|instance| instance.status.is_active());
        if active {
            actor.settle(ctx)?;
            // A pause that was pending when the last activation ended has taken effect by now.
            actor.execute(ctx);
        }
        Ok(actor)
    }

    /// Rings for whichever comes first: a timer of the run, or the check that the run is still there.
    async fn alarm(&mut self, _alarm: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let Some(instance) = &self.instance else { return Ok(()) };
        if instance.status.is_active() {
            match &self.execution {
                Some(execution) if execution.progress.receiver_count() > 0 => self.wake(),
                Some(_) | None => self.execute(ctx),
            }
            self.settle(ctx)?;
        } else if instance.cleanup {
            self.clean(ctx)?;
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

    /// Where the instance stands.
    pub(crate) fn status(&self) -> Result<InstanceStatus> {
        let instance = self.instance()?;
        Ok(InstanceStatus {
            status: instance.status,
            output: instance.output.clone(),
            error: instance.error.clone(),
        })
    }

    /// Creates the instance and starts its run.
    pub(crate) fn create(&mut self, params: String, ctx: &mut Ctx<Self>) -> Result<()> {
        if self.instance.is_some() {
            return Err(ActorError::conflict("instance.exists", "the instance exists already"));
        }
        limits::check_bytes("parameters", &params, limits::PARAMS_BYTES)?;
        self.begin_anew(params, ctx)
    }

    fn begin_anew(&mut self, params: String, ctx: &mut Ctx<Self>) -> Result<()> {
        let instance = Instance::new(params, ctx.now());
        ctx.storage().put(&INSTANCE, &instance)?;
        self.instance = Some(instance);
        self.execute(ctx);
        self.arm(ctx);
        Ok(())
    }

    /// Asks for a pause: the step that is executed finishes, the next does not start.
    pub(crate) async fn pause(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let busy = self
            .execution
            .as_ref()
            .is_some_and(|execution| !execution.running.is_empty());
        let (old, new) = (self.instance()?.status, self.instance()?.status.pause(busy)?);
        if new == old {
            return Ok(());
        }
        W::changed(&mut self.state, &Change::Paused, ctx).await?;
        self.enter(new, ctx)?;
        self.arm(ctx);
        Ok(())
    }

    /// Lets a paused instance go on.
    pub(crate) async fn resume(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let (old, new) = (self.instance()?.status, self.instance()?.status.resume()?);
        if new == old {
            return Ok(());
        }
        W::changed(&mut self.state, &Change::Resumed, ctx).await?;
        let now = ctx.now();
        let instance = self.instance_mut()?;
        if let Some(since) = instance.paused_at.take() {
            let paused = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
            instance.paused_ms = instance.paused_ms.saturating_add(paused);
        }
        self.enter(new, ctx)?;
        match &mut self.execution {
            Some(execution) => {
                execution.waits.clear();
                self.wake();
            }
            None => self.execute(ctx),
        }
        self.arm(ctx);
        Ok(())
    }

    /// Ends the instance and aborts the step that is executed.
    pub(crate) async fn terminate(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let new = self.instance()?.status.terminate()?;
        W::changed(&mut self.state, &Change::Terminated, ctx).await?;
        self.execution = None;
        self.enter(new, ctx)?;
        self.arm(ctx);
        Ok(())
    }

    async fn restart(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let params = self.instance()?.params.clone();
        W::changed(&mut self.state, &Change::Restarted, ctx).await?;
        self.execution = None;
        loop {
            let rows = ctx
                .storage()
                .list(
                    &STEPS,
                    List {
                        limit: PAGE,
                        ..List::default()
                    },
                )
                .await?;
            for (key, _) in &rows {
                ctx.storage().delete(&STEPS.key(key))?;
            }
            if rows.len() < PAGE {
                break;
            }
        }
        for (key, _) in ctx
            .storage()
            .list(
                &EVENTS,
                List {
                    limit: PAGE,
                    ..List::default()
                },
            )
            .await?
        {
            ctx.storage().delete(&EVENTS.key(&key))?;
        }
        self.begin_anew(params, ctx)
    }

    /// Keeps an event until a step waits for it.
    pub(crate) async fn take_event(&mut self, event_type: &str, payload: String, ctx: &mut Ctx<Self>) -> Result<()> {
        limits::check_event_type(event_type)?;
        limits::check_bytes("payload", &payload, limits::EVENT_BYTES)?;
        let instance = self.instance_mut()?;
        instance.status.takes_events()?;
        let limit = limits::BUFFERED_EVENTS;
        if ctx
            .storage()
            .list(
                &EVENTS,
                List {
                    limit,
                    ..List::default()
                },
            )
            .await?
            .len()
            >= limit
        {
            return Err(ActorError::overloaded(
                "workflow.events",
                format!("{limit} events wait already"),
            ));
        }
        let event = BufferedEvent {
            event_type: event_type.to_owned(),
            payload,
        };
        ctx.storage().put(&EVENTS.key(&event_key(instance.events)), &event)?;
        instance.events += 1;
        ctx.storage().put(&INSTANCE, instance)?;
        self.wake();
        Ok(())
    }

    /// Has [`Workflow::cleanup`] done, now or after a crash.
    pub(crate) fn request_cleanup(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let instance = self.instance_mut()?;
        instance.cleanup = true;
        ctx.storage().put(&INSTANCE, instance)?;
        self.clean(ctx)
    }

    fn clean(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.set_alarm(ctx.now().plus(Duration::from_mins(1)));
        let work = W::cleanup(&self.state, ctx.env().clone());
        ctx.pipe_to_self(async move {
            Cleaned {
                done: work.await.is_ok(),
            }
        });
        Ok(())
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
        let steps = Steps::new(ctx.self_ref(), token, changes, cancel.clone(), &id);
        let (params, env, stop) = (instance.params.clone(), ctx.env().clone(), cancel.clone());
        ctx.pipe_to_self(async move {
            let end = tokio::select! {
                () = stop.cancelled() => RunEnd::Interrupted,
                end = run::<W>(&params, env, steps) => end,
            };
            Ran { token, end }
        });
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
    fn arm(&self, ctx: &mut Ctx<Self>) {
        let Some(instance) = &self.instance else { return };
        if !instance.status.is_active() {
            if !instance.cleanup {
                ctx.delete_alarm();
            }
            return;
        }
        let idle = self.execution.as_ref().filter(|execution| execution.running.is_empty());
        let due = idle.and_then(|execution| execution.waits.values().min().copied());
        let due = due.unwrap_or_else(|| ctx.now().plus(DEAD_MAN));
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
                self.instance_mut()?.output = Some(output);
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

impl<W: Workflow> Handler<Create> for WorkflowActor<W> {
    async fn handle(&mut self, Create { params }: Create, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.create(params, ctx)?;
        self.status()
    }
}

impl<W: Workflow> Handler<Pause> for WorkflowActor<W> {
    async fn handle(&mut self, Pause: Pause, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.pause(ctx).await?;
        self.status()
    }
}

impl<W: Workflow> Handler<Resume> for WorkflowActor<W> {
    async fn handle(&mut self, Resume: Resume, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.resume(ctx).await?;
        self.status()
    }
}

impl<W: Workflow> Handler<Terminate> for WorkflowActor<W> {
    async fn handle(&mut self, Terminate: Terminate, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.terminate(ctx).await?;
        self.status()
    }
}

impl<W: Workflow> Handler<Restart> for WorkflowActor<W> {
    async fn handle(&mut self, Restart: Restart, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.restart(ctx).await?;
        self.status()
    }
}

impl<W: Workflow> Handler<SendEvent> for WorkflowActor<W> {
    async fn handle(&mut self, event: SendEvent, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.take_event(&event.event_type, event.payload, ctx).await?;
        self.status()
    }
}

impl<W: Workflow> Handler<GetStatus> for WorkflowActor<W> {
    async fn handle(&mut self, GetStatus: GetStatus, _ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.status()
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

impl<W: Workflow> Handler<Cleaned> for WorkflowActor<W> {
    async fn handle(&mut self, Cleaned { done }: Cleaned, ctx: &mut Ctx<Self>) -> Result<()> {
        if done {
            let instance = self.instance_mut()?;
            instance.cleanup = false;
            ctx.storage().put(&INSTANCE, instance)?;
            ctx.delete_alarm();
        }
        Ok(())
    }
}
