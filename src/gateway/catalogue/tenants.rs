//! Codes of problems: tenants, members and keys.

use super::{Chapter, Code, code};

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Tenants, members and keys",
    codes: CODES,
};

const CODES: &[Code] = &[
    code(
        "invitation.expired",
        &[403],
        "The invitation is too old",
        "Ask for another one",
    ),
    code(
        "invitation.life",
        &[422],
        "The life of the invitation does not fit",
        "Choose another life",
    ),
    code(
        "invitation.other",
        &[409],
        "There is another invitation under this id",
        "Make a new one",
    ),
    code(
        "invitation.other-person",
        &[403],
        "The invitation is for somebody else",
        "Sign in with the address that was invited",
    ),
    code(
        "invitation.too-many",
        &[409],
        "There are as many open invitations as the plan has room for",
        "Withdraw one, or change the plan",
    ),
    code(
        "invitation.unknown",
        &[404],
        "There is no such invitation",
        "Ask for another one",
    ),
    code(
        "invitation.used",
        &[409],
        "The invitation was accepted before",
        "Sign in",
    ),
    code("key.exists", &[409], "There is a key with this id", "Make a new one"),
    code("key.expired", &[403], "The key has expired", "Make another one"),
    code("key.id", &[422], "The id of the key does not fit", "Make a new one"),
    code(
        "key.invalid",
        &[403],
        "The key is not the one that was made",
        "Make another one",
    ),
    code(
        "key.life",
        &[422],
        "The life of the key does not fit",
        "Choose another life",
    ),
    code(
        "key.name",
        &[422],
        "The name of the key is empty, too long, or has more than one line",
        "Choose another name",
    ),
    code(
        "key.permission",
        &[422],
        "There is no such permission",
        "Use the names in SECURITY.md",
    ),
    code("key.revoked", &[403], "The key was revoked", "Make another one"),
    code(
        "key.scope",
        &[422],
        "A key needs either a role or permissions",
        "Name one of the two",
    ),
    code(
        "key.too-many",
        &[409],
        "There are as many keys as the plan has room for",
        "Revoke one, or change the plan",
    ),
    code("key.unknown", &[404], "There is no such key", "List the keys"),
    code(
        "member.exists",
        &[409],
        "The user is a member already",
        "Change the role instead",
    ),
    code(
        "member.last-admin",
        &[409],
        "The tenant would be left without an admin",
        "Make another member an admin first",
    ),
    code(
        "member.too-many",
        &[409],
        "There are as many members as the plan has room for",
        "Remove one, or change the plan",
    ),
    code("member.unknown", &[404], "There is no such member", "List the members"),
    code(
        "membership.name",
        &[422],
        "The name of the tenant does not fit",
        "Choose another name",
    ),
    code(
        "tenant.confirm",
        &[422],
        "The body does not name the tenant that is to be erased",
        "Repeat the tenant of the address in the body",
    ),
    code(
        "tenant.exists",
        &[409],
        "There is a tenant with this id",
        "Choose another id",
    ),
    code(
        "tenant.home",
        &[409],
        "Without this tenant there is no server",
        "Name another tenant",
    ),
    code(
        "tenant.invalid",
        &[422],
        "A tenant id is 1 to 64 characters of a-z, 0-9, `-` and `_`",
        "Check the id",
    ),
    code(
        "tenant.name",
        &[422],
        "The name of the tenant is too long, or not one line",
        "Choose another name",
    ),
    code(
        "tenant.not-found",
        &[404],
        "There is no such tenant, or you may not see it",
        "Check the id",
    ),
    code(
        "tenant.not-system",
        &[403],
        "What is asked for lives in the tenant `system` only",
        "Check the id",
    ),
    code(
        "tenant.reserved",
        &[403],
        "Nobody acts in the tenant `system`",
        "Use another tenant",
    ),
    code(
        "tenant.settings",
        &[422],
        "A setting of the tenant does not fit",
        "Choose another value",
    ),
    code(
        "tenant.suspended",
        &[403],
        "The tenant is suspended",
        "Ask who looks after the server",
    ),
    code("tenant.unknown", &[404], "There is no such tenant", "Check the id"),
    code("tenant.why", &[422], "The reason does not fit", "Say it in other words"),
];
