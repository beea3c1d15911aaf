//! Who may do what, in words: the roles within a tenant, the plans of tenants, and the tenants that are there from the beginning.

use std::fmt;

use cluster::prelude::{ActorError, Ctx, Result, TenantId, VirtualActor};
use serde::{Deserialize, Serialize};

/// The tenant of actors that belong to nobody's tenant: accounts, sessions. Nobody acts in it.
pub const SYSTEM_TENANT: &str = "system";

/// The tenant that exists from the beginning. Its admins administer the server.
pub const HOME_TENANT: &str = "default";

/// [`SYSTEM_TENANT`] as an id.
#[must_use]
pub fn system_tenant() -> TenantId {
    TenantId::new(SYSTEM_TENANT).expect("the constant is a lawful id")
}

/// Fails for an actor that lives in another tenant than [`SYSTEM_TENANT`].
pub(crate) fn require_system<A: VirtualActor>(ctx: &Ctx<A>) -> Result<()> {
    if ctx.tenant().as_str() == SYSTEM_TENANT {
        Ok(())
    } else {
        Err(ActorError::forbidden(
            "tenant.not-system",
            format!("actors of class {} live in the tenant {SYSTEM_TENANT} only", A::CLASS),
        ))
    }
}

/// Fails for an actor that lives in [`SYSTEM_TENANT`].
pub(crate) fn refuse_system<A: VirtualActor>(ctx: &Ctx<A>) -> Result<()> {
    if ctx.tenant().as_str() == SYSTEM_TENANT {
        Err(ActorError::forbidden(
            "tenant.reserved",
            format!("nobody acts in the tenant {SYSTEM_TENANT}"),
        ))
    } else {
        Ok(())
    }
}

/// What somebody may do within a tenant. Each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees runs and decides where a person is asked.
    Operator,
    /// Also edits artifacts, and pauses, resumes and cancels runs.
    Supervisor,
    /// Also creates runs and looks after the tenant.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Supervisor, Self::Admin];

    /// The name in tokens, API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a tenant has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    /// For a try.
    Free,
    /// For a team.
    Pro,
    /// For an organisation.
    Enterprise,
}

/// How much of something a plan has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Members.
    pub members: usize,
    /// Invitations that nobody has accepted.
    pub invitations: usize,
    /// API keys.
    pub keys: usize,
}

impl Plan {
    /// The name in tokens, API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }

    /// What the plan has room for. Who changes to a smaller plan keeps what is there and gets no more.
    #[must_use]
    pub const fn room(self) -> Room {
        match self {
            Self::Free => Room {
                members: 10,
                invitations: 20,
                keys: 10,
            },
            Self::Pro => Room {
                members: 100,
                invitations: 100,
                keys: 100,
            },
            Self::Enterprise => Room {
                members: 1_000,
                invitations: 1_000,
                keys: 1_000,
            },
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a tenant is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantStatus {
    /// It is.
    Active,
    /// Its members and keys are refused until it is resumed.
    Suspended,
}

impl TenantStatus {
    /// The name in API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

impl fmt::Display for TenantStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_named_as_they_are_written() {
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        for plan in [Plan::Free, Plan::Pro, Plan::Enterprise] {
            assert_eq!(serde_json::to_string(&plan).unwrap(), format!("\"{plan}\""));
        }
        for status in [TenantStatus::Active, TenantStatus::Suspended] {
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{status}\""));
        }
    }
}
