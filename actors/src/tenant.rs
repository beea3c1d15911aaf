//! The indexes of a tenant: its runs, its parked ideas, and how long phases usually take.
//!
//! Runs send their changes durably, so the index lags a little behind a run and never loses a change.

mod index;
mod messages;
mod parked;

pub use index::{NAME, Tenant};
pub use messages::{
    Counts, DeleteParked, GetCounts, GetParked, ListParked, ListRuns, Park, ParkedPage, PhaseMedian, PhaseTiming,
    Promote, Promoted, RunChanged, RunPage, RunSummary, Timings,
};
