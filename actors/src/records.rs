//! The stored records of planning, with the columns of the seed's tables.

mod artifact;
mod event;
mod parked_idea;
mod run;
#[cfg(test)]
pub(crate) mod sample;

pub use artifact::{Evidence, PlanningArtifact, ReviewScore, ReviewVerdict};
pub use event::{RunEvent, RunEventKind};
pub use parked_idea::ParkedIdea;
pub use run::{KillVerdict, Mode, PlanningRun, RevenuePotential, RunConfig, RunStatus};
