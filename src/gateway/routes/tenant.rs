//! The caller's tenant: what it is, its members, its API keys, its audit chain.

use crate::gateway::{
    audit,
    endpoint::{Endpoint, delete, get, post},
    permission::Permission::{
        AuditExport, AuditView, KeyCreate, KeyRevoke, KeyView, TenantConfigure, UserAssignRole, UserDelete, UserView,
    },
    tenant,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/api/tenant", tenant::show).says("Shows the caller's tenant"),
        post("/api/tenant", tenant::rename)
            .needs(TenantConfigure)
            .says("Calls the caller's tenant otherwise"),
        get("/api/tenant/members", tenant::members)
            .needs(UserView)
            .says("Lists the members of the tenant"),
        post("/api/tenant/members/{user}/role", tenant::set_role)
            .needs(UserAssignRole)
            .says("Gives a member another role"),
        delete("/api/tenant/members/{user}", tenant::remove_member)
            .needs(UserDelete)
            .says("Takes a membership away"),
        get("/api/tenant/keys", tenant::keys)
            .needs(KeyView)
            .says("Lists the API keys of the tenant"),
        post("/api/tenant/keys", tenant::create_key)
            .needs(KeyCreate)
            .says("Makes an API key"),
        delete("/api/tenant/keys/{id}", tenant::revoke_key)
            .needs(KeyRevoke)
            .says("Revokes an API key"),
        get("/api/audit", audit::list)
            .needs(AuditView)
            .says("Lists the audit records of the tenant"),
        get("/api/audit/export", audit::export)
            .needs(AuditExport)
            .says("Takes the audit chain out as a file"),
        get("/api/admin/audit-verify/{tenant}", audit::check)
            .needs(AuditView)
            .says("Checks the audit chain of a tenant"),
    ]
}
