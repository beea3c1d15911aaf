//! How an instance answers its own run: what of it is done, what is to be executed, what waits.

use std::time::Duration;

use cluster::prelude::{ActorError, Ctx, ErrorKind, Handler, List, Result, Timestamp};
use uuid::Uuid;

use super::{
    Workflow, WorkflowActor,
    instance::{DEAD_MAN, Execution},
    limits,
    messages::{BeginStep, FinishStep, Hibernate, Next, RecordEffect, StepKind},
    record::{EVENTS, INSTANCE, STEPS, StepKey, StepRecord, StepState, Timer},
};

impl<W: Workflow> WorkflowActor<W> {
    /// The execution with this token, or the error that it was left behind.
    fn execution(&mut self, token: Uuid) -> Result<&mut Execution> {
        self.execution
            .as_mut()
            .filter(|execution| execution.token == token)
            .ok_or_else(|| ActorError::conflict("workflow.stale", "this execution was left behind"))
    }

    fn key(&mut self, token: Uuid, name: String, occurrence: Option<u32>) -> Result<StepKey> {
        let execution = self.execution(token)?;
        let occurrence = occurrence.unwrap_or_else(|| {
            let calls = execution.calls.entry(name.clone()).or_default();
            *calls += 1;
            *calls
        });
        let key = StepKey { name, occurrence };
        execution.waits.remove(&key);
        Ok(key)
    }

    /// Registers a wait; the run asks again when something has changed.
    fn wait(&mut self, token: Uuid, key: StepKey, until: Timestamp) -> Result<Next> {
        let occurrence = key.occurrence;
        self.execution(token)?.waits.insert(key, until);
        Ok(Next::Wait { occurrence })
    }

    /// Stores the outcome of a step.
    fn conclude(&mut self, key: &StepKey, attempts: u32, state: StepState, ctx: &mut Ctx<Self>) -> Result<()> {
        let record = StepRecord {
            attempts,
            state,
            at: ctx.now(),
        };
        ctx.storage().put(&STEPS.key(&key.to_string()), &record)
    }

    fn count_step(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let instance = self.instance_mut()?;
        instance.steps += 1;
        ctx.storage().put(&INSTANCE, instance)
    }

    fn is_full(&self) -> Result<bool> {
        let running = self.execution.as_ref().map_or(0, |execution| execution.running.len());
        Ok(self.instance()?.steps as usize + running >= limits::STEPS as usize)
    }

    async fn begin(&mut self, begin: BeginStep, ctx: &mut Ctx<Self>) -> Result<Next> {
        self.execution(begin.token)?;
        if let Err(error) = limits::check_name(&begin.name) {
            return Ok(Next::Failed(error.message().to_owned()));
        }
        let (token, key) = (begin.token, self.key(begin.token, begin.name, begin.occurrence)?);
        let record = ctx.storage().get(&STEPS.key(&key.to_string())).await?;
        match record {
            Some(StepRecord {
                state: StepState::Done { output },
                ..
            }) => return Ok(Next::Output(output)),
            Some(StepRecord {
                state: StepState::Failed { message },
                ..
            }) => return Ok(Next::Failed(message)),
            Some(_) | None => {}
        }
        if self.instance()?.status.holds_steps() {
            return Ok(Next::Wait {
                occurrence: key.occurrence,
            });
        }
        match (begin.kind, record) {
            (
                StepKind::Work,
                Some(StepRecord {
                    attempts,
                    state: StepState::Retrying { timer, .. },
                    ..
                }),
            ) => {
                let due = self.instance()?.due(timer);
                if due > ctx.now() {
                    return self.wait(token, key, due);
                }
                self.attempt(token, key, attempts + 1)
            }
            (StepKind::Work, _) => {
                if self.is_full()? {
                    return Ok(Next::Failed(limits::too_many_steps()));
                }
                self.attempt(token, key, 1)
            }
            (StepKind::Sleep { duration }, record) => self.sleep(token, key, record, duration, ctx),
            (StepKind::SleepUntil { at }, record) => {
                let duration = at.since(ctx.now());
                self.sleep(token, key, record, duration, ctx)
            }
            (StepKind::Event { event_type, timeout }, record) => {
                let timer = match record.and_then(StepRecord::timer) {
                    Some(timer) => timer,
                    None => {
                        let checked = limits::check_sleep(timeout).and_then(|()| limits::check_event_type(&event_type));
                        if let Err(error) = checked {
                            return Ok(Next::Failed(error.message().to_owned()));
                        }
                        let timer = self.instance()?.timer(ctx.now(), timeout);
                        self.conclude(&key, 0, StepState::Waiting { timer }, ctx)?;
                        timer
                    }
                };
                self.await_event(token, key, &event_type, timer, ctx).await
            }
        }
    }

    fn attempt(&mut self, token: Uuid, key: StepKey, attempt: u32) -> Result<Next> {
        let occurrence = key.occurrence;
        self.execution(token)?.running.insert(key);
        Ok(Next::Execute { occurrence, attempt })
    }

    fn sleep(
        &mut self,
        token: Uuid,
        key: StepKey,
        record: Option<StepRecord>,
        duration: Duration,
        ctx: &mut Ctx<Self>,
    ) -> Result<Next> {
        let timer = match record.and_then(StepRecord::timer) {
            Some(timer) => timer,
            None => {
                if let Err(error) = limits::check_sleep(duration) {
                    return Ok(Next::Failed(error.message().to_owned()));
                }
                let timer = self.instance()?.timer(ctx.now(), duration);
                self.conclude(&key, 0, StepState::Sleeping { timer }, ctx)?;
                timer
            }
        };
        let due = self.instance()?.due(timer);
        if due > ctx.now() {
            return self.wait(token, key, due);
        }
        let output = "null".to_owned();
        self.conclude(&key, 1, StepState::Done { output: output.clone() }, ctx)?;
        Ok(Next::Output(output))
    }

    async fn await_event(
        &mut self,
        token: Uuid,
        key: StepKey,
        event_type: &str,
        timer: Timer,
        ctx: &mut Ctx<Self>,
    ) -> Result<Next> {
        let list = List {
            limit: limits::BUFFERED_EVENTS,
            ..List::default()
        };
        let events = ctx.storage().list(&EVENTS, list).await?;
        if let Some((number, event)) = events.into_iter().find(|(_, event)| event.event_type == event_type) {
            ctx.storage().delete(&EVENTS.key(&number))?;
            self.conclude(
                &key,
                1,
                StepState::Done {
                    output: event.payload.clone(),
                },
                ctx,
            )?;
            return Ok(Next::Output(event.payload));
        }
        let due = self.instance()?.due(timer);
        if due > ctx.now() {
            return self.wait(token, key, due);
        }
        let message = format!("no event of type {event_type} came in time");
        self.conclude(
            &key,
            1,
            StepState::Failed {
                message: message.clone(),
            },
            ctx,
        )?;
        Ok(Next::Failed(message))
    }

    async fn finish(&mut self, finish: FinishStep, ctx: &mut Ctx<Self>) -> Result<Next> {
        let key = StepKey {
            name: finish.name,
            occurrence: finish.occurrence,
        };
        let was_running = self.execution(finish.token)?.running.remove(&key);
        let record = ctx.storage().get(&STEPS.key(&key.to_string())).await?;
        if !was_running {
            // The answer to an earlier call with this attempt was lost.
            return Ok(match record {
                Some(StepRecord {
                    state: StepState::Done { output },
                    ..
                }) => Next::Output(output),
                Some(StepRecord {
                    state: StepState::Failed { message },
                    ..
                }) => Next::Failed(message),
                Some(_) | None => Next::Wait {
                    occurrence: key.occurrence,
                },
            });
        }
        if record.is_none() {
            self.count_step(ctx)?;
        }
        let checked = finish.outcome.and_then(|output| {
            match limits::check_bytes("output of the step", &output, limits::STEP_OUTPUT_BYTES) {
                Ok(()) => Ok(output),
                Err(error) => Err(super::WorkError::non_retryable(error.message())),
            }
        });
        let (next, state) = match checked {
            Ok(output) => (Next::Output(output.clone()), StepState::Done { output }),
            Err(error) => {
                let message = error.message().to_owned();
                let delay = finish
                    .policy
                    .retries
                    .delay_after(finish.attempt)
                    .filter(|_| error.is_retryable());
                match delay {
                    Some(delay) => {
                        let delay = delay.max(error.retry_after().unwrap_or_default()).min(limits::SLEEP);
                        let timer = self.instance()?.timer(ctx.now(), delay);
                        (
                            Next::Wait {
                                occurrence: key.occurrence,
                            },
                            StepState::Retrying { timer, message },
                        )
                    }
                    None => (Next::Failed(message.clone()), StepState::Failed { message }),
                }
            }
        };
        self.conclude(&key, finish.attempt, state, ctx)?;
        Ok(next)
    }

    async fn record(&mut self, record: RecordEffect, ctx: &mut Ctx<Self>) -> Result<Next> {
        self.execution(record.token)?;
        if let Err(error) = limits::check_name(&record.name) {
            return Ok(Next::Failed(error.message().to_owned()));
        }
        let key = self.key(record.token, record.name, record.occurrence)?;
        match ctx.storage().get(&STEPS.key(&key.to_string())).await? {
            Some(StepRecord {
                state: StepState::Done { output },
                ..
            }) => return Ok(Next::Output(output)),
            Some(StepRecord {
                state: StepState::Failed { message },
                ..
            }) => return Ok(Next::Failed(message)),
            Some(_) | None => {}
        }
        if self.instance()?.status.holds_steps() {
            return Ok(Next::Wait {
                occurrence: key.occurrence,
            });
        }
        if self.is_full()? {
            return Ok(Next::Failed(limits::too_many_steps()));
        }
        let unreadable = |error: serde_json::Error| ActorError::invalid("workflow.effect", error.to_string());
        let applied = match serde_json::from_str(&record.effect).map_err(unreadable) {
            Ok(effect) => W::apply(&mut self.state, effect, ctx).await,
            Err(error) => Err(error),
        };
        let (next, state) = match applied.and_then(|reply| serde_json::to_string(&reply).map_err(unreadable)) {
            Ok(output) => (Next::Output(output.clone()), StepState::Done { output }),
            // What the engine could not do now is not the effect's fault: this execution ends, the next applies it.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Retryable | ErrorKind::Unknown | ErrorKind::Overloaded
                ) =>
            {
                return Err(error);
            }
            Err(error) => {
                let message = error.message().to_owned();
                (Next::Failed(message.clone()), StepState::Failed { message })
            }
        };
        self.count_step(ctx)?;
        self.conclude(&key, 1, state, ctx)?;
        Ok(next)
    }
}

impl<W: Workflow> Handler<BeginStep> for WorkflowActor<W> {
    async fn handle(&mut self, begin: BeginStep, ctx: &mut Ctx<Self>) -> Result<Next> {
        let next = self.begin(begin, ctx).await?;
        self.settle(ctx)?;
        Ok(next)
    }
}

impl<W: Workflow> Handler<FinishStep> for WorkflowActor<W> {
    async fn handle(&mut self, finish: FinishStep, ctx: &mut Ctx<Self>) -> Result<Next> {
        let next = self.finish(finish, ctx).await?;
        self.settle(ctx)?;
        Ok(next)
    }
}

impl<W: Workflow> Handler<RecordEffect> for WorkflowActor<W> {
    async fn handle(&mut self, record: RecordEffect, ctx: &mut Ctx<Self>) -> Result<Next> {
        let next = self.record(record, ctx).await?;
        self.settle(ctx)?;
        Ok(next)
    }
}

impl<W: Workflow> Handler<Hibernate> for WorkflowActor<W> {
    async fn handle(&mut self, Hibernate { token }: Hibernate, ctx: &mut Ctx<Self>) -> Result<()> {
        let soon = ctx.now().plus(DEAD_MAN);
        let execution = self.execution(token)?;
        let idle = execution.running.is_empty() && execution.waits.values().all(|due| *due > soon);
        let held = self.instance()?.status.holds_steps();
        if idle
            && (held
                || self
                    .execution
                    .as_ref()
                    .is_some_and(|execution| !execution.waits.is_empty()))
        {
            ctx.passivate();
        }
        Ok(())
    }
}
