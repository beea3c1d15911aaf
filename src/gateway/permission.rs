//! Who may do what: the permissions, and the one table that says which role has which.
//!
//! The table is the original's (its role library), with the permissions for what the original lacked. Administration of the
//! server itself is not a matter of one tenant, so `system:*` counts only for admins of the home tenant.

use std::{collections::BTreeSet, fmt};

use actors::{
    api_key::Scope,
    role::{HOME_TENANT, Role},
};
use cluster::prelude::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that not everyone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Permission {
    /// Sees what waits for a decision.
    #[serde(rename = "decision:view")]
    DecisionView,
    /// Approves a finished plan.
    #[serde(rename = "decision:approve")]
    DecisionApprove,
    /// Rejects a finished plan.
    #[serde(rename = "decision:reject")]
    DecisionReject,
    /// Reads artifacts and packages, and searches them.
    #[serde(rename = "artifact:view")]
    ArtifactView,
    /// Writes an artifact by hand.
    #[serde(rename = "artifact:edit")]
    ArtifactEdit,
    /// Reads runs, their events and parked ideas.
    #[serde(rename = "run:view")]
    RunView,
    /// Starts a run, from an idea or a parked one.
    #[serde(rename = "run:create")]
    RunCreate,
    /// Pauses a run.
    #[serde(rename = "run:pause")]
    RunPause,
    /// Lets a paused run go on.
    #[serde(rename = "run:resume")]
    RunResume,
    /// Cancels a run.
    #[serde(rename = "run:cancel")]
    RunCancel,
    /// Deletes a run.
    #[serde(rename = "run:delete")]
    RunDelete,
    /// Connects to agents, and calls them.
    #[serde(rename = "agent:use")]
    AgentUse,
    /// Sees the members of the tenant and its invitations.
    #[serde(rename = "user:view")]
    UserView,
    /// Invites people, and makes tokens and sign-in links for them.
    #[serde(rename = "user:create")]
    UserCreate,
    /// Removes a member.
    #[serde(rename = "user:delete")]
    UserDelete,
    /// Gives a member another role.
    #[serde(rename = "user:assign_role")]
    UserAssignRole,
    /// Sees the API keys of the tenant.
    #[serde(rename = "key:view")]
    KeyView,
    /// Makes an API key.
    #[serde(rename = "key:create")]
    KeyCreate,
    /// Revokes an API key.
    #[serde(rename = "key:revoke")]
    KeyRevoke,
    /// Reads the audit chain and verifies it.
    #[serde(rename = "audit:view")]
    AuditView,
    /// Takes the audit chain out as a file.
    #[serde(rename = "audit:export")]
    AuditExport,
    /// Changes the settings of the tenant.
    #[serde(rename = "tenant:configure")]
    TenantConfigure,
    /// Looks at the server: actors, nodes, jobs.
    #[serde(rename = "system:monitor")]
    SystemMonitor,
    /// Changes the server: nodes, backups, other tenants.
    #[serde(rename = "system:configure")]
    SystemConfigure,
}

impl Permission {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 24] = [
        Self::DecisionView,
        Self::DecisionApprove,
        Self::DecisionReject,
        Self::ArtifactView,
        Self::ArtifactEdit,
        Self::RunView,
        Self::RunCreate,
        Self::RunPause,
        Self::RunResume,
        Self::RunCancel,
        Self::RunDelete,
        Self::AgentUse,
        Self::UserView,
        Self::UserCreate,
        Self::UserDelete,
        Self::UserAssignRole,
        Self::KeyView,
        Self::KeyCreate,
        Self::KeyRevoke,
        Self::AuditView,
        Self::AuditExport,
        Self::TenantConfigure,
        Self::SystemMonitor,
        Self::SystemConfigure,
    ];

    /// The name in API keys, problems and the docs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DecisionView => "decision:view",
            Self::DecisionApprove => "decision:approve",
            Self::DecisionReject => "decision:reject",
            Self::ArtifactView => "artifact:view",
            Self::ArtifactEdit => "artifact:edit",
            Self::RunView => "run:view",
            Self::RunCreate => "run:create",
            Self::RunPause => "run:pause",
            Self::RunResume => "run:resume",
            Self::RunCancel => "run:cancel",
            Self::RunDelete => "run:delete",
            Self::AgentUse => "agent:use",
            Self::UserView => "user:view",
            Self::UserCreate => "user:create",
            Self::UserDelete => "user:delete",
            Self::UserAssignRole => "user:assign_role",
            Self::KeyView => "key:view",
            Self::KeyCreate => "key:create",
            Self::KeyRevoke => "key:revoke",
            Self::AuditView => "audit:view",
            Self::AuditExport => "audit:export",
            Self::TenantConfigure => "tenant:configure",
            Self::SystemMonitor => "system:monitor",
            Self::SystemConfigure => "system:configure",
        }
    }

    /// The permission with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == name)
    }

    /// The lowest role that has it.
    fn least(self) -> Role {
        match self {
            Self::DecisionView
            | Self::DecisionApprove
            | Self::DecisionReject
            | Self::ArtifactView
            | Self::RunView
            | Self::AgentUse
            | Self::AuditView => Role::Operator,
            Self::ArtifactEdit
            | Self::RunPause
            | Self::RunResume
            | Self::RunCancel
            | Self::UserView
            | Self::AuditExport => Role::Supervisor,
            Self::RunCreate
            | Self::RunDelete
            | Self::UserCreate
            | Self::UserDelete
            | Self::UserAssignRole
            | Self::KeyView
            | Self::KeyCreate
            | Self::KeyRevoke
            | Self::TenantConfigure
            | Self::SystemMonitor
            | Self::SystemConfigure => Role::Admin,
        }
    }

    /// Whether it is about the server rather than one tenant.
    #[must_use]
    pub fn is_of_server(self) -> bool {
        matches!(self, Self::SystemMonitor | Self::SystemConfigure)
    }

    /// Whether someone with this role has it, in the home tenant or in another one.
    #[must_use]
    pub fn is_granted(self, role: Role, is_home: bool) -> bool {
        role >= self.least() && (is_home || !self.is_of_server())
    }

    /// Whether someone has it in a tenant whose role, or key, reaches so far.
    #[must_use]
    pub fn is_within(self, scope: &Scope, tenant: &TenantId) -> bool {
        let is_home = tenant.as_str() == HOME_TENANT;
        match scope {
            Scope::Role(role) => self.is_granted(*role, is_home),
            Scope::Permissions(names) => names.contains(self.as_str()) && self.is_granted(Role::Admin, is_home),
        }
    }

    /// The names of all that someone has in a tenant, for what is done when they do not ask themselves.
    #[must_use]
    pub fn names_within(scope: &Scope, tenant: &TenantId) -> BTreeSet<String> {
        let granted = Self::ALL
            .into_iter()
            .filter(|permission| permission.is_within(scope, tenant));
        granted.map(|permission| permission.as_str().to_owned()).collect()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// The table as SECURITY.md shows it: a row for each permission, a mark for each role that has it.
    fn table() -> String {
        let mut text = String::from(
            "| permission | operator | supervisor | admin | admin of the home tenant |\n|---|---|---|---|---|\n",
        );
        for permission in Permission::ALL {
            let mark = |role, is_home| match permission.is_granted(role, is_home) {
                true => "yes",
                false => "",
            };
            let cells = [
                mark(Role::Operator, false),
                mark(Role::Supervisor, false),
                mark(Role::Admin, false),
                mark(Role::Admin, true),
            ];
            writeln!(text, "| `{permission}` | {} |", cells.join(" | ")).unwrap();
        }
        text
    }

    #[test]
    fn the_table_in_the_docs_is_the_one_in_force() {
        let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/SECURITY.md")).unwrap();
        assert!(
            docs.contains(&table()),
            "SECURITY.md has to hold this table:\n{}",
            table()
        );
    }

    #[test]
    fn the_name_is_the_same_everywhere() {
        for permission in Permission::ALL {
            let json = serde_json::to_value(permission).unwrap();
            assert_eq!(json, permission.as_str());
        }
    }

    #[test]
    fn a_higher_role_has_whatever_a_lower_one_has() {
        for permission in Permission::ALL {
            for is_home in [false, true] {
                let has = |role| permission.is_granted(role, is_home);
                assert!(!has(Role::Operator) || has(Role::Supervisor), "{permission}");
                assert!(!has(Role::Supervisor) || has(Role::Admin), "{permission}");
            }
        }
    }

    #[test]
    fn only_admins_of_the_home_tenant_administer_the_server() {
        for permission in [Permission::SystemMonitor, Permission::SystemConfigure] {
            for role in [Role::Operator, Role::Supervisor, Role::Admin] {
                assert!(!permission.is_granted(role, false), "{permission} {role:?}");
                assert_eq!(
                    permission.is_granted(role, true),
                    role == Role::Admin,
                    "{permission} {role:?}"
                );
            }
        }
    }
}
