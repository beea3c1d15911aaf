//! The phases, one file each.

use super::phase::{Phase, PhaseId};

mod analytics;
mod business_model;
mod competitive_intel;
mod content_engine;
mod customer_intel;
mod gtm_marketing;
mod kill_test;
mod launch_execution;
mod market_research;
pub mod opportunity;
mod product_design;
mod revenue_expansion;
mod strategy;
pub mod synthesis;
mod tech_arch;

/// The phase with this identifier.
pub(super) fn get(id: PhaseId) -> &'static Phase {
    match id {
        PhaseId::Opportunity => &opportunity::PHASE,
        PhaseId::CustomerIntel => &customer_intel::PHASE,
        PhaseId::MarketResearch => &market_research::PHASE,
        PhaseId::CompetitiveIntel => &competitive_intel::PHASE,
        PhaseId::KillTest => &kill_test::PHASE,
        PhaseId::RevenueExpansion => &revenue_expansion::PHASE,
        PhaseId::Strategy => &strategy::PHASE,
        PhaseId::BusinessModel => &business_model::PHASE,
        PhaseId::ProductDesign => &product_design::PHASE,
        PhaseId::GtmMarketing => &gtm_marketing::PHASE,
        PhaseId::ContentEngine => &content_engine::PHASE,
        PhaseId::TechArch => &tech_arch::PHASE,
        PhaseId::Analytics => &analytics::PHASE,
        PhaseId::LaunchExecution => &launch_execution::PHASE,
        PhaseId::Synthesis => &synthesis::PHASE,
    }
}

#[cfg(test)]
mod tests;
