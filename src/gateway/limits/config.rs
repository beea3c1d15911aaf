//! Section `[limits]`.

use actors::{agents::tenant::RequestLimits, limiter::MAX_REQUESTS, role::Plan};
use serde::{Deserialize, Serialize};

/// What happens to requests that cannot be counted, because a limiter does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// They go on.
    #[default]
    Open,
    /// They are answered 503.
    Closed,
}

/// Requests in any minute; 0 means no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct LimitsConfig {
    /// Of one address, without an accepted credential.
    pub address_per_minute: u32,
    /// Of one address, where a secret could be guessed.
    pub attempts_per_minute: u32,
    /// Of a tenant on the plan `free`.
    pub free_per_minute: u32,
    /// Of a tenant on the plan `pro`.
    pub pro_per_minute: u32,
    /// Of a tenant on the plan `enterprise`.
    pub enterprise_per_minute: u32,
    /// With one API key.
    pub key_per_minute: u32,
    /// Of one caller, refused for lack of a permission.
    pub denials_per_minute: u32,
    /// What happens to requests that cannot be counted.
    pub on_failure: OnFailure,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            address_per_minute: 60,
            attempts_per_minute: 10,
            free_per_minute: 100,
            pro_per_minute: 1_000,
            enterprise_per_minute: 10_000,
            key_per_minute: 1_000,
            denials_per_minute: 20,
            on_failure: OnFailure::Open,
        }
    }
}

impl LimitsConfig {
    /// Without any limit.
    #[must_use]
    pub fn off() -> Self {
        Self {
            address_per_minute: 0,
            attempts_per_minute: 0,
            free_per_minute: 0,
            pro_per_minute: 0,
            enterprise_per_minute: 0,
            key_per_minute: 0,
            denials_per_minute: 0,
            on_failure: OnFailure::default(),
        }
    }

    /// What agents tell of these limits.
    #[must_use]
    pub fn of_requests(&self) -> RequestLimits {
        let limit = |most: u32| (most > 0).then_some(most);
        RequestLimits {
            free: limit(self.free_per_minute),
            pro: limit(self.pro_per_minute),
            enterprise: limit(self.enterprise_per_minute),
            key: limit(self.key_per_minute),
        }
    }

    pub(super) fn of_plan(&self, plan: Plan) -> u32 {
        match plan {
            Plan::Free => self.free_per_minute,
            Plan::Pro => self.pro_per_minute,
            Plan::Enterprise => self.enterprise_per_minute,
        }
    }

    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        for (key, most) in [
            ("limits.address-per-minute", self.address_per_minute),
            ("limits.attempts-per-minute", self.attempts_per_minute),
            ("limits.free-per-minute", self.free_per_minute),
            ("limits.pro-per-minute", self.pro_per_minute),
            ("limits.enterprise-per-minute", self.enterprise_per_minute),
            ("limits.key-per-minute", self.key_per_minute),
            ("limits.denials-per-minute", self.denials_per_minute),
        ] {
            if most > MAX_REQUESTS {
                return Err((key, format!("must be at most {MAX_REQUESTS}")));
            }
        }
        Ok(())
    }
}
