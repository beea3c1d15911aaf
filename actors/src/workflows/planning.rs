//! The planning run: 15 phases from an idea to a finished plan.

mod context;
pub mod document;
mod draft;
mod effect;
mod evidence;
pub(crate) mod memory;
mod notes;
pub mod package;
pub mod phase;
mod phases;
mod plan;
mod prompt;
mod record;
mod review;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
pub mod schema;
mod store;
#[cfg(test)]
mod tests;
pub mod verdict;
mod workflow;

pub(crate) use context::passages;
pub use effect::{Accepted, Applied, Effect};
pub(crate) use evidence::pages;
pub use phases::{opportunity, synthesis};
pub use record::Record;
pub(crate) use record::{APPROVAL, ARTIFACTS, EVENTS, NewEvent, artifact_key};
pub use workflow::{Outcome, Planning, RunParams};
