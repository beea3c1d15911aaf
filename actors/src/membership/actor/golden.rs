//! Samples of what is stored, against the golden files.

use std::collections::BTreeMap;

use cluster::prelude::{TenantId, Timestamp, Uuid, VirtualActor};

use super::{INVITATIONS, KEYS, MEMBERS, Membership, PROFILE, SETTINGS};
use crate::{
    api_key::Scope,
    email::Email,
    golden::{check, check_family},
    membership::{Acceptance, KeyEntry, Member, TenantProfile, record::Invited},
    role::{Plan, Role, TenantStatus},
    secret::Hashed,
    user::UserId,
};

/// Guarantee 16.
#[test]
fn stored_memberships_are_readable() {
    let at = |millis: i64| Timestamp::from_millis(1_790_000_000_000 + millis);
    let user = || UserId::new("ann").unwrap();
    let email = || Email::new("ann@example.org").unwrap();
    let profiles = [
        (Plan::Free, TenantStatus::Active),
        (Plan::Pro, TenantStatus::Suspended),
        (Plan::Enterprise, TenantStatus::Active),
    ]
    .map(|(plan, status)| TenantProfile {
        tenant: TenantId::new("acme").unwrap(),
        name: "Acme".into(),
        plan,
        status,
        founded: at(1),
        founder: user(),
    });
    check(Membership::CLASS, &PROFILE, &profiles);
    let settings = BTreeMap::from([("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())]);
    check(Membership::CLASS, &SETTINGS, &[settings]);

    let members = Role::ALL.map(|role| Member {
        user: user(),
        email: email(),
        name: "Ann".into(),
        role,
        since: at(1),
    });
    check_family(Membership::CLASS, &MEMBERS, &members);
    let open = Invited {
        token: Hashed::of(b"a token"),
        email: email(),
        role: Role::Supervisor,
        by: user(),
        created: at(1),
        expires: at(2),
        accepted: None,
    };
    let accepted = Invited {
        accepted: Some(Acceptance {
            user: user(),
            at: at(3),
        }),
        ..open.clone()
    };
    check_family(Membership::CLASS, &INVITATIONS, &[open, accepted]);
    let key = |scope, expires| KeyEntry {
        key: Uuid::from_u128(1),
        name: "a key".into(),
        scope,
        by: user(),
        created: at(1),
        expires,
    };
    let permissions = Scope::Permissions(["run:view".to_owned(), "run:create".to_owned()].into());
    let keys = [key(Scope::Role(Role::Operator), None), key(permissions, Some(at(2)))];
    check_family(Membership::CLASS, &KEYS, &keys);
}
