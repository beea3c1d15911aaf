//! What a run may do: steps, effects, sleeps, and waits for events.

use std::{fmt, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use cluster::{
    RequestId,
    prelude::{ActorError, ActorRef, ErrorKind, Handler, Message, Timestamp},
};
use futures_util::FutureExt;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    StepError, StepPolicy, WorkError, Workflow, WorkflowActor,
    messages::{BeginStep, FinishStep, Hibernate, Next, RecordEffect, StepKind},
};
use crate::metrics;

/// How long a run waits before it offers to give up its activation.
const HIBERNATE_AFTER: Duration = Duration::from_secs(30);
/// Deadline of a call to the own instance.
const CALL: Duration = Duration::from_mins(1);
/// Calls to the own instance before a finished attempt is given up.
const CALLS: u32 = 5;

/// The steps of one execution of a run. Clones belong to the same execution, so branches may run side by side.
pub struct Steps<W: Workflow> {
    /// Calls go through clones of it: one that fails would break it for the rest of the execution.
    instance: ActorRef<WorkflowActor<W>>,
    others: W::Others,
    token: Uuid,
    progress: watch::Receiver<u64>,
    cancelled: CancellationToken,
    id: Arc<str>,
}

impl<W: Workflow> Clone for Steps<W> {
    fn clone(&self) -> Self {
        Self {
            instance: self.instance.clone(),
            others: self.others.clone(),
            token: self.token,
            progress: self.progress.clone(),
            cancelled: self.cancelled.clone(),
            id: self.id.clone(),
        }
    }
}

impl<W: Workflow> fmt::Debug for Steps<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps")
            .field("class", &W::CLASS)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// One attempt of a step.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// 1 for the first attempt.
    pub number: u32,
    /// The same for all attempts of this step, on every node: `<class>/<tenant>/<instance>/<step>/<occurrence>`.
    pub idempotency_key: String,
}

impl<W: Workflow> Steps<W> {
    pub(super) fn new(
        instance: ActorRef<WorkflowActor<W>>,
        others: W::Others,
        token: Uuid,
        progress: watch::Receiver<u64>,
        cancelled: CancellationToken,
        id: &str,
    ) -> Self {
        Self {
            instance,
            others,
            token,
            progress,
            cancelled,
            id: id.into(),
        }
    }

    /// The other actors that the work of steps may ask, through clones of their references.
    pub fn others(&self) -> &W::Others {
        &self.others
    }

    /// Executes `work` until it succeeds, fails for good, or has used up its retries, and stores the outcome before it returns
    /// it. A finished step is never executed again.
    ///
    /// # Errors
    /// The failure of the last attempt.
    pub async fn run<T, F, Fut>(&self, name: &str, policy: StepPolicy, mut work: F) -> Result<T, StepError>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T, WorkError>>,
    {
        let mut next = self.begin(name, None, &StepKind::Work).await?;
        loop {
            next = match next {
                Next::Output(output) => return decode(name, &output),
                Next::Failed(message) => return Err(failed(name, message)),
                Next::Wait { occurrence } => self.begin(name, Some(occurrence), &StepKind::Work).await?,
                Next::Execute { occurrence, attempt } => {
                    let idempotency_key = format!("{}/{name}/{occurrence}", self.id);
                    let request = RequestId::current();
                    let request_id = request.as_ref().map(RequestId::as_str);
                    let span = tracing::info_span!("step", request_id, workflow = W::CLASS, instance = %self.id, step = name, attempt);
                    let work = work(Attempt {
                        number: attempt,
                        idempotency_key,
                    });
                    let began = Instant::now();
                    let outcome = self.attempt(work.instrument(span.clone()), policy.timeout).await;
                    metrics::attempt(W::CLASS, label(&outcome), began.elapsed());
                    let outcome = outcome?;
                    span.in_scope(|| told(&outcome));
                    self.finish(FinishStep {
                        token: self.token,
                        name: name.to_owned(),
                        occurrence,
                        attempt,
                        policy,
                        outcome,
                    })
                    .await?
                }
            };
        }
    }

    /// Applies an effect in a turn of the instance, exactly once.
    ///
    /// # Errors
    /// What [`Workflow::apply`] refused.
    pub async fn record(&self, name: &str, effect: &W::Effect) -> Result<W::Reply, StepError> {
        let effect = serde_json::to_string(effect).map_err(|error| failed(name, error.to_string()))?;
        let next = self
            .until_ready(None, |occurrence| RecordEffect {
                token: self.token,
                name: name.to_owned(),
                occurrence,
                effect: effect.clone(),
            })
            .await?;
        decode(name, &output(name, next)?)
    }

    /// Sleeps, through restarts and moves, at most 365 days.
    ///
    /// # Errors
    /// A sleep that is too long.
    pub async fn sleep(&self, name: &str, duration: Duration) -> Result<(), StepError> {
        output(name, self.begin(name, None, &StepKind::Sleep { duration }).await?).map(drop)
    }

    /// Sleeps until a moment by the clock of the instance's owner.
    ///
    /// # Errors
    /// A moment that is too far away.
    pub async fn sleep_until(&self, name: &str, at: Timestamp) -> Result<(), StepError> {
        output(name, self.begin(name, None, &StepKind::SleepUntil { at }).await?).map(drop)
    }

    /// Waits for an event, also one that was sent earlier and not consumed, and returns its payload.
    ///
    /// # Errors
    /// The time-out, or a payload that is no `T`.
    pub async fn wait_for_event<T: DeserializeOwned>(
        &self,
        name: &str,
        event_type: &str,
        timeout: Duration,
    ) -> Result<T, StepError> {
        let kind = StepKind::Event {
            event_type: event_type.to_owned(),
            timeout,
        };
        let next = self.begin(name, None, &kind).await?;
        decode(name, &output(name, next)?)
    }

    async fn begin(&self, name: &str, occurrence: Option<u32>, kind: &StepKind) -> Result<Next, StepError> {
        self.until_ready(occurrence, |occurrence| BeginStep {
            token: self.token,
            name: name.to_owned(),
            occurrence,
            kind: kind.clone(),
        })
        .await
    }

    /// Asks, and asks again after each change of the instance, until there is something else to do than to wait.
    async fn until_ready<M>(
        &self,
        mut occurrence: Option<u32>,
        message: impl Fn(Option<u32>) -> M,
    ) -> Result<Next, StepError>
    where
        M: Message<Reply = Next>,
        WorkflowActor<W>: Handler<M>,
    {
        let mut progress = self.progress.clone();
        loop {
            progress.borrow_and_update();
            // A call whose fate is unknown is not repeated: it would count the step twice.
            match self
                .instance
                .clone()
                .ask_within(CALL, message(occurrence))
                .await
                .map_err(interrupted)?
            {
                Next::Wait { occurrence: number } => occurrence = Some(number),
                next @ (Next::Output(_) | Next::Failed(_) | Next::Execute { .. }) => return Ok(next),
            }
            self.idle(&mut progress).await?;
        }
    }

    /// Waits for a change, and offers the instance to give up its activation when that takes long.
    async fn idle(&self, progress: &mut watch::Receiver<u64>) -> Result<(), StepError> {
        loop {
            tokio::select! {
                () = self.cancelled.cancelled() => return Err(StepError::Interrupted),
                changed = progress.changed() => return changed.map_err(|_| StepError::Interrupted),
                () = tokio::time::sleep(HIBERNATE_AFTER) => {
                    self.instance.clone().ask_within(CALL, Hibernate { token: self.token }).await.map_err(interrupted)?;
                }
            }
        }
    }

    async fn attempt<T: Serialize>(
        &self,
        work: impl Future<Output = Result<T, WorkError>>,
        timeout: Duration,
    ) -> Result<Result<String, WorkError>, StepError> {
        let outcome = tokio::select! {
            () = self.cancelled.cancelled() => return Err(StepError::Interrupted),
            outcome = tokio::time::timeout(timeout, AssertUnwindSafe(work).catch_unwind()) => outcome,
        };
        Ok(match outcome {
            Err(_) => Err(WorkError::retryable(format!(
                "the step did not finish within {} s",
                timeout.as_secs()
            ))),
            Ok(Err(_)) => Err(WorkError::retryable("the step panicked")),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Ok(Ok(value))) => serde_json::to_string(&value)
                .map_err(|error| WorkError::non_retryable(format!("the output of the step is no JSON: {error}"))),
        })
    }

    /// Reports an attempt. The call is repeated, because the work was done and the instance answers the same twice.
    async fn finish(&self, finish: FinishStep) -> Result<Next, StepError> {
        let mut calls = 1;
        loop {
            match self.instance.clone().ask_within(CALL, finish.clone()).await {
                Ok(next) => return Ok(next),
                Err(error) if calls < CALLS && may_pass(&error) => calls += 1,
                Err(error) => return Err(interrupted(error)),
            }
            tokio::select! {
                () = self.cancelled.cancelled() => return Err(StepError::Interrupted),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
    }
}

/// Logs how an attempt ended. What it failed of stays out: it may quote what a model or a page said.
fn told(outcome: &Result<String, WorkError>) {
    match outcome {
        Ok(_) => tracing::debug!("an attempt of a step succeeded"),
        Err(error) => tracing::warn!(retryable = error.is_retryable(), "an attempt of a step failed"),
    }
}

/// How an attempt ended, as metrics say it.
fn label(outcome: &Result<Result<String, WorkError>, StepError>) -> &'static str {
    match outcome {
        Ok(Ok(_)) => "ok",
        Ok(Err(error)) if error.is_retryable() => "retryable",
        Ok(Err(_)) => "failed",
        Err(_) => "interrupted",
    }
}

fn failed(name: &str, message: String) -> StepError {
    StepError::Failed {
        step: name.to_owned(),
        message,
    }
}

fn output(name: &str, next: Next) -> Result<String, StepError> {
    match next {
        Next::Output(output) => Ok(output),
        Next::Failed(message) => Err(failed(name, message)),
        // Only steps with work are executed, and waiting ends inside `until_ready`.
        Next::Execute { .. } | Next::Wait { .. } => Err(StepError::Interrupted),
    }
}

fn decode<T: DeserializeOwned>(name: &str, output: &str) -> Result<T, StepError> {
    serde_json::from_str(output)
        .map_err(|error| failed(name, format!("the stored output of the step cannot be read: {error}")))
}

/// A call to the own instance fails when this execution is over; whatever else it is, the next execution goes on from the cache.
fn interrupted(error: ActorError) -> StepError {
    tracing::debug!(code = error.code(), "the execution of a workflow lost its instance");
    StepError::Interrupted
}

fn may_pass(error: &ActorError) -> bool {
    match error.kind() {
        ErrorKind::Overloaded | ErrorKind::Deadline | ErrorKind::Retryable | ErrorKind::Unknown => true,
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::Forbidden
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported
        | ErrorKind::Internal => false,
    }
}
