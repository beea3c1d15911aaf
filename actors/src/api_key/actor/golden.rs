//! Samples of what is stored, against the golden files.

use cluster::prelude::{Timestamp, VirtualActor};

use super::{ApiKey, KEY, Kept};
use crate::{
    api_key::{KeyState, Scope},
    golden::check,
    role::Role,
    secret::Hashed,
    user::UserId,
};

/// Guarantee 16.
#[test]
fn stored_keys_are_readable() {
    let at = |millis: i64| Timestamp::from_millis(1_790_000_000_000 + millis);
    let new = Kept {
        secret: Hashed::of(b"a secret"),
        state: KeyState {
            name: "a key".into(),
            scope: Scope::Role(Role::Admin),
            by: UserId::new("ann").unwrap(),
            created: at(1),
            expires: None,
            used: None,
        },
        revoked: None,
    };
    let old = Kept {
        state: KeyState {
            scope: Scope::Permissions(["run:view".to_owned()].into()),
            expires: Some(at(2)),
            used: Some(at(3)),
            ..new.state.clone()
        },
        revoked: Some(at(4)),
        ..new.clone()
    };
    check(ApiKey::CLASS, &KEY, &[new, old]);
}
