//! Section `[audit]`.

use std::sync::Arc;

use actors::audit::AuditEnv;
use serde::{Deserialize, Serialize};

use super::ClusterKey;

/// The audit chains of the tenants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuditConfig {
    /// Days for which records are kept, unless a tenant says otherwise; 0 means for ever.
    pub retention_days: u32,
}

impl AuditConfig {
    /// What the chains are given.
    #[must_use]
    pub fn env(&self, key: &ClusterKey) -> AuditEnv {
        AuditEnv {
            signer: Arc::new(key.clone()),
            retention_days: (self.retention_days > 0).then_some(self.retention_days),
        }
    }
}
