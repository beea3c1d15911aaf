//! How many requests are let through.

use crate::role::Plan;

/// Requests in any minute that the server lets through; none where there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// Of a tenant on the plan `free`.
    pub free: Option<u32>,
    /// Of a tenant on the plan `pro`.
    pub pro: Option<u32>,
    /// Of a tenant on the plan `enterprise`.
    pub enterprise: Option<u32>,
    /// With one API key.
    pub key: Option<u32>,
}

impl RequestLimits {
    /// Of a tenant on a plan.
    #[must_use]
    pub fn of_plan(&self, plan: Plan) -> Option<u32> {
        match plan {
            Plan::Free => self.free,
            Plan::Pro => self.pro,
            Plan::Enterprise => self.enterprise,
        }
    }
}
