//! Where run events go once they are durable, and the volatile updates that accompany a live run.

use serde::{Deserialize, Serialize};

use crate::records::RunEvent;

/// Receives run events after they are durable. Deliveries may repeat: the event id tells.
pub trait Events: Send + Sync + 'static {
    /// Takes one durable event. Must not block.
    fn publish(&self, tenant: &str, event: &RunEvent);

    /// Takes one volatile update of a live run. Must not block; may be dropped.
    fn live(&self, tenant: &str, run_id: &str, update: LiveUpdate);
}

/// What people watching a run see between two events. Never stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LiveUpdate {
    /// The phase entered a step.
    Step {
        /// Phase identifier.
        phase: String,
        /// `context`, `sources`, `draft`, `schema` or `review`.
        step: String,
    },
    /// The model is busy with others.
    Queued {
        /// Phase identifier.
        phase: String,
        /// Requests ahead.
        position: u32,
    },
    /// More text of the draft.
    Draft {
        /// Phase identifier.
        phase: String,
        /// Text since the last update.
        text: String,
    },
}
