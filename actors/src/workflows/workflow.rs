//! What a workflow is: a function that can be executed again, and the state its effects change.

use std::future::Future;

use cluster::prelude::{ActorError, Ctx, Interface, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::{StepError, Steps, WorkflowActor};

/// A durable function. Each instance is a [`WorkflowActor`] of class [`Workflow::CLASS`].
///
/// [`Workflow::run`] is executed beside the mailbox of the instance and starts from the top whenever the instance was
/// activated anew; finished steps then answer from the cache. It must therefore be deterministic: every branch follows from its
/// parameters or from the results of steps, and everything else happens inside a step.
pub trait Workflow: Sized + Send + Sync + 'static {
    /// Class of the instances, and the prefix of their idempotency keys.
    const CLASS: &'static str;
    /// Name of the workflow in the audit chain.
    const NAME: &'static str = Self::CLASS;
    /// Version of all that an instance stores, the records of the engine included; see [`VirtualActor::VERSION`](cluster::VirtualActor::VERSION).
    const VERSION: u32 = 1;
    /// What the actor is given at registration: ports and settings.
    type Env: Clone + Send + Sync + 'static;
    /// What an instance is created with; immutable.
    type Params: Serialize + DeserializeOwned + Send + 'static;
    /// What an instance returns.
    type Output: Serialize + DeserializeOwned + Send + 'static;
    /// What [`Steps::record`] carries from the run into a turn of the actor.
    type Effect: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What applying an effect tells the run; stored with the step.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
    /// The domain's state of one instance, loaded with the activation.
    type State: Send + 'static;
    /// References to the other actors that steps ask.
    type Others: Clone + Send + Sync + 'static;

    /// Adds the messages of the domain to those of the engine.
    fn interface(i: Interface<WorkflowActor<Self>>) -> Interface<WorkflowActor<Self>> {
        i
    }

    /// Brings what an earlier version stored up to [`VERSION`](Self::VERSION); see [`VirtualActor::upgrade`](cluster::VirtualActor::upgrade).
    fn upgrade(from: u32, ctx: &mut Ctx<WorkflowActor<Self>>) -> impl Future<Output = Result<()>> + Send {
        let _ = ctx;
        async move {
            Err(ActorError::unsupported(
                "class.upgrade",
                format!("class {} has no upgrade from version {from}", Self::CLASS),
            ))
        }
    }

    /// Makes the references to the other actors that steps ask.
    fn others(ctx: &Ctx<WorkflowActor<Self>>) -> Self::Others;

    /// Reads the domain's state.
    fn load(ctx: &mut Ctx<WorkflowActor<Self>>) -> impl Future<Output = Result<Self::State>> + Send;

    /// Does the work, step by step.
    fn run(
        params: Self::Params,
        env: Self::Env,
        steps: Steps<Self>,
    ) -> impl Future<Output = Result<Self::Output, StepError>> + Send;

    /// Applies an effect. What it writes and sends commits in one batch with the entry that makes the step finished, so an effect
    /// happens exactly once. It must check before it writes: an error fails the step for good.
    fn apply(
        state: &mut Self::State,
        effect: Self::Effect,
        ctx: &mut Ctx<WorkflowActor<Self>>,
    ) -> impl Future<Output = Result<Self::Reply>> + Send;

    /// Hears of a change, in the turn that causes it and before it is stored. An error refuses the change.
    fn changed(
        state: &mut Self::State,
        change: &Change,
        ctx: &mut Ctx<WorkflowActor<Self>>,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (state, change, ctx);
        async { Ok(()) }
    }
}

/// A change of an instance that did not come from one of its own effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Somebody asked for a pause.
    Paused,
    /// Somebody resumed it.
    Resumed,
    /// Somebody terminated it.
    Terminated,
    /// Somebody restarted it from the beginning; the state is to be wiped too.
    Restarted,
    /// Its run returned.
    Completed,
    /// Its run failed.
    Errored {
        /// What it failed of.
        message: String,
    },
}
