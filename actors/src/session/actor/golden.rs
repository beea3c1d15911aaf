//! Samples of what is stored, against the golden files.

use cluster::prelude::{Timestamp, VirtualActor};

use super::{Kept, SESSION, Session};
use crate::{
    email::Email,
    golden::check,
    role::system_tenant,
    session::{SessionEnd, SessionState},
    user::UserId,
};

/// Guarantee 16.
#[test]
fn stored_sessions_are_readable() {
    let open = Kept {
        state: SessionState {
            user: UserId::new("ann").unwrap(),
            email: Email::new("ann@example.org").unwrap(),
            tenant: Some(system_tenant()),
            device: "a device".into(),
            opened: Timestamp::from_millis(1_790_000_000_001),
            seen: Timestamp::from_millis(1_790_000_000_002),
            expires: Timestamp::from_millis(1_790_000_000_003),
        },
        revoked: None,
    };
    let nowhere = Kept {
        state: SessionState {
            tenant: None,
            ..open.state.clone()
        },
        revoked: None,
    };
    let mut samples = vec![open, nowhere];
    samples.extend(
        [
            SessionEnd::SignedOut,
            SessionEnd::Closed,
            SessionEnd::PasswordChanged,
            SessionEnd::TooMany,
            SessionEnd::Administrator,
            SessionEnd::Erased,
        ]
        .map(|why| Kept {
            revoked: Some(why),
            ..samples[0].clone()
        }),
    );
    check(Session::CLASS, &SESSION, &samples);
}
