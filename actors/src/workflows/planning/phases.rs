//! The phases, one file each.

use super::phase::{Phase, PhaseId};

mod customer_intel;
pub mod opportunity;

/// The phase with this identifier.
pub(super) fn get(id: PhaseId) -> &'static Phase {
    match id {
        PhaseId::Opportunity => &opportunity::PHASE,
        _ => &customer_intel::PHASE,
    }
}
