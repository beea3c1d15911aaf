//! Durable workflows: the engine, and what runs on it.
//!
//! A [`Workflow`] is a function whose steps are remembered: [`WorkflowActor`] hosts one instance of it, [`Steps`] is what the
//! function may do. `actors/README.md` has the states of an instance and what they mean for a planning run.

mod control;
mod error;
mod instance;
pub mod limits;
mod messages;
pub mod planning;
mod progress;
mod record;
mod retry;
mod status;
mod steps;
#[cfg(test)]
pub(crate) mod tests;
mod workflow;

pub use error::{StepError, WorkError};
pub use instance::WorkflowActor;
pub use messages::{Create, GetStatus, InstanceStatus, Pause, Restart, Resume, SendEvent, Terminate};
pub use retry::{Backoff, Retries, StepPolicy};
pub use status::Status;
pub use steps::{Attempt, Steps};
pub use workflow::{Change, Workflow};
