//! The caller's tenant: what it is, its members, its API keys, its audit chain.

use actix_web::http::StatusCode;

use crate::gateway::{
    audit::{self, JSON_LINES, RecordBody, VerdictBody},
    cursor::Page,
    endpoint::{Endpoint, delete, get, post},
    permission::Permission::{
        AuditExport, AuditView, KeyCreate, KeyRevoke, KeyView, TenantConfigure, UserAssignRole, UserDelete, UserView,
    },
    tenant::{self, KeyBody, MemberBody, NewKeyBody, TenantBody},
    tenant_export,
};

/// Codes of requests that read a tenant.
const OF_TENANT: &[&str] = &["tenant.unknown"];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/api/tenant", tenant::show)
            .says("Shows the caller's tenant")
            .named("getTenant")
            .gives::<TenantBody>("The tenant")
            .fails(OF_TENANT),
        post("/api/tenant", tenant::rename)
            .needs(TenantConfigure)
            .says("Calls the caller's tenant otherwise")
            .named("renameTenant")
            .body(tenant::new_name)
            .gives::<TenantBody>("The tenant")
            .fails(&["membership.name", "tenant.name"])
            .fails(OF_TENANT),
        get("/api/tenant/export", tenant_export::export)
            .needs(TenantConfigure)
            .says("Takes everything of the tenant out as a file")
            .named("exportTenant")
            .gives_text(
                JSON_LINES,
                "What the tenant has, one JSON object a line; the last one counts them",
            )
            .fails(OF_TENANT),
        get("/api/tenant/members", tenant::members)
            .needs(UserView)
            .says("Lists the members of the tenant")
            .named("listMembers")
            .query(tenant::members_query)
            .gives::<Page<MemberBody>>("A page of members")
            .fails(OF_TENANT),
        post("/api/tenant/members/{user}/role", tenant::set_role)
            .needs(UserAssignRole)
            .says("Gives a member another role")
            .named("setRole")
            .body(tenant::new_role)
            .gives::<MemberBody>("The member")
            .fails(&["member.last-admin", "member.unknown"])
            .fails(OF_TENANT),
        delete("/api/tenant/members/{user}", tenant::remove_member)
            .needs(UserDelete)
            .says("Takes a membership away")
            .named("removeMember")
            .gives::<MemberBody>("Who the member was")
            .fails(&["member.last-admin", "member.unknown"])
            .fails(OF_TENANT),
        get("/api/tenant/keys", tenant::keys)
            .needs(KeyView)
            .says("Lists the API keys of the tenant")
            .named("listKeys")
            .query(tenant::keys_query)
            .gives::<Page<KeyBody>>("A page of keys, without their secrets")
            .fails(OF_TENANT),
        post("/api/tenant/keys", tenant::create_key)
            .needs(KeyCreate)
            .says("Makes an API key")
            .named("createKey")
            .body(tenant::new_key)
            .answers::<NewKeyBody>(StatusCode::CREATED, "The key; no other answer has its secret")
            .fails(&[
                "key.life",
                "key.name",
                "key.permission",
                "key.scope",
                "key.too-many",
                "membership.name",
            ])
            .fails(OF_TENANT),
        delete("/api/tenant/keys/{key_id}", tenant::revoke_key)
            .needs(KeyRevoke)
            .says("Revokes an API key")
            .named("revokeKey")
            .gives_nothing("It is revoked")
            .fails(&["key.unknown"])
            .fails(OF_TENANT),
        get("/api/audit", audit::list)
            .needs(AuditView)
            .says("Lists the audit records of the tenant")
            .named("listAuditRecords")
            .query(audit::records_query)
            .gives::<Page<RecordBody>>("A page of records"),
        get("/api/audit/export", audit::export)
            .needs(AuditExport)
            .says("Takes the audit chain out as a file")
            .named("exportAudit")
            .gives_text(JSON_LINES, "The records and the signed head, one JSON object a line")
            .fails(&["audit.no-key"]),
        get("/api/admin/audit-verify/{tenant}", audit::check)
            .needs(AuditView)
            .says("Checks the audit chain of a tenant")
            .named("verifyAudit")
            .gives::<VerdictBody>("What came of it")
            .fails(&["audit.removed", "tenant.not-found"]),
    ]
}
