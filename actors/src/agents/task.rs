//! The agent `task`: a durable queue of a user, which does what it is given one after another.
//!
//! A [`Job`] starts a planning run, calls a method of another agent of the same user, or puts a notice into the inbox of a
//! member. It is done on behalf of whoever gave it, with the permissions that they have both then and when it is done.
//!
//! - **At least once.** A task that is begun is begun again if its owner dies. What it starts is told by a key that follows
//!   from the task: a run gets its id from it, a call of an agent is made under an idempotency key, and a notice leaves with the
//!   turn that notes the task as done. So each of these happens once, however often the task is begun.
//! - **In order.** One task at a time is worked on, the oldest that is due. More queues are more agents, by other names.
//! - **Again.** What fails in a way that may pass is tried up to [`ATTEMPTS_MAX`] times, with pauses that grow. What fails for
//!   good is kept with its error until the person says otherwise, or [`FAILED_MAX`] others have failed after it.
//! - **Bounds.** Up to [`WAITING_MAX`] tasks wait. A task that gives another one is a step deeper, up to [`DEPTH_MAX`] steps.
//!
//! What agents a task may call is up to the host program ([`TaskEnv`]).
//!
//! ```json
//! {"job": {"do": "start_run", "idea": "A shared calendar for repair cafes"}, "key": "calendar"}
//! {"job": {"do": "call_agent", "agent": "limiter", "name": "mails", "method": "check", "args": {"name": "hourly"}}}
//! {"job": {"do": "notify", "member": "0198…", "text": "The plan is on its way."}}
//! ```

mod agent;
mod env;
#[cfg(test)]
mod golden;
mod job;
mod methods;
mod rows;
#[cfg(test)]
mod tests;
mod view;
mod work;

pub use agent::{ATTEMPTS_MAX, ENDED_MAX, FAILED_MAX, Tasks, WAITING_MAX};
pub use env::{Grants, TaskEnv};
pub use job::{DEPTH_MAX, Job};
pub use methods::{Cancel, Enqueue, GetTask, ListTasks, Retry};
pub use rows::Status;
pub use view::{Failure, TaskLine, TaskPage, TaskView, TasksState};
