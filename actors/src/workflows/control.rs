//! What others ask of an instance: create, pause, resume, terminate, restart, events, status.

use cluster::{
    RequestId,
    prelude::{ActorError, Ctx, Handler, List, Result},
};
use serde_json::json;

use super::{
    Change, Workflow, WorkflowActor, limits,
    messages::{Create, GetStatus, InstanceStatus, Pause, Restart, Resume, SendEvent, Terminate},
    record::{BufferedEvent, EVENTS, INSTANCE, Instance, OUTPUT, PARAMS, REQUEST, STEPS, event_key},
};
use crate::audit;

/// Rows read at a time when an instance is wiped.
const PAGE: usize = 256;

impl<W: Workflow> WorkflowActor<W> {
    /// Where the instance stands.
    pub(crate) async fn status(&mut self, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        let instance = self.instance()?;
        let output = ctx.storage().get(&OUTPUT).await?;
        Ok(InstanceStatus {
            status: instance.status,
            output,
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
        let instance = Instance::new(ctx.now());
        ctx.storage().put(&INSTANCE, &instance)?;
        ctx.storage().put(&PARAMS, &params)?;
        ctx.storage().delete(&OUTPUT)?;
        self.request = RequestId::current();
        match &self.request {
            Some(request) => ctx.storage().put(&REQUEST, &request.to_string())?,
            None => ctx.storage().delete(&REQUEST)?,
        }
        let dispatched = json!({ "workflowName": W::NAME, "instanceId": ctx.name() });
        audit::record(ctx, audit::events::WORKFLOW_DISPATCHED, dispatched)?;
        self.instance = Some(instance);
        self.params = params.into();
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
        self.instance()?;
        let params = self.params.to_string();
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
}

impl<W: Workflow> Handler<Create> for WorkflowActor<W> {
    async fn handle(&mut self, Create { params }: Create, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.create(params, ctx)?;
        self.status(ctx).await
    }
}

impl<W: Workflow> Handler<Pause> for WorkflowActor<W> {
    async fn handle(&mut self, Pause: Pause, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.pause(ctx).await?;
        self.status(ctx).await
    }
}

impl<W: Workflow> Handler<Resume> for WorkflowActor<W> {
    async fn handle(&mut self, Resume: Resume, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.resume(ctx).await?;
        self.status(ctx).await
    }
}

impl<W: Workflow> Handler<Terminate> for WorkflowActor<W> {
    async fn handle(&mut self, Terminate: Terminate, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.terminate(ctx).await?;
        self.status(ctx).await
    }
}

impl<W: Workflow> Handler<Restart> for WorkflowActor<W> {
    async fn handle(&mut self, Restart: Restart, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.restart(ctx).await?;
        self.status(ctx).await
    }
}

impl<W: Workflow> Handler<SendEvent> for WorkflowActor<W> {
    async fn handle(&mut self, event: SendEvent, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.take_event(&event.event_type, event.payload, ctx).await?;
        self.status(ctx).await
    }
}

impl<W: Workflow> Handler<GetStatus> for WorkflowActor<W> {
    async fn handle(&mut self, GetStatus: GetStatus, ctx: &mut Ctx<Self>) -> Result<InstanceStatus> {
        self.status(ctx).await
    }
}
