//! Samples of what is stored, against the golden files.

use cluster::prelude::{Timestamp, Uuid, VirtualActor};

use super::{Account, CODES, FAILURES, PASSWORD, PROFILE, REGISTRATION, SESSIONS, TENANTS};
use crate::{
    account::{
        KnownSession, KnownTenant, Purpose,
        codes::Codes,
        lockout::Failures,
        record::{Code, Profile, Registration},
    },
    email::Email,
    golden::check,
    role::system_tenant,
    secret::{Hashed, PasswordHash},
    user::UserId,
};

/// Guarantee 16.
#[test]
fn stored_accounts_are_readable() {
    let at = |millis: i64| Timestamp::from_millis(1_790_000_000_000 + millis);
    let registered = Profile {
        user: UserId::new("ann").unwrap(),
        email: Email::new("ann@example.org").unwrap(),
        name: "Ann".into(),
        registered: at(1),
        verified: None,
        verified_by: None,
        founds: None,
        last_tenant: None,
    };
    let verified = Profile {
        verified: Some(at(2)),
        verified_by: Some(Hashed::of(b"a code")),
        founds: Some("Acme".into()),
        last_tenant: Some(system_tenant()),
        ..registered.clone()
    };
    check(Account::CLASS, &PROFILE, &[registered, verified]);

    let password = PasswordHash::new("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA").unwrap();
    check(Account::CLASS, &PASSWORD, std::slice::from_ref(&password));
    let invited = Registration {
        name: "Ann".into(),
        password,
        founds: None,
    };
    let founder = Registration {
        founds: Some("Acme".into()),
        ..invited.clone()
    };
    check(Account::CLASS, &REGISTRATION, &[invited, founder.clone()]);

    let code = |purpose, registration| Code {
        purpose,
        hash: Hashed::of(b"a code"),
        issued: at(1),
        expires: at(2),
        attempts: 3,
        registration,
    };
    let codes = Codes(vec![
        code(Purpose::VerifyEmail, Some(founder)),
        code(Purpose::ResetPassword, None),
        code(Purpose::SignIn, None),
    ]);
    check(Account::CLASS, &CODES, &[Codes::default(), codes]);
    check(
        Account::CLASS,
        &FAILURES,
        &[Failures {
            count: 300,
            last: at(1),
        }],
    );
    let session = KnownSession {
        session: Uuid::from_u128(1),
        device: "a device".into(),
        opened: at(1),
        expires: at(2),
    };
    check(Account::CLASS, &SESSIONS, &[vec![], vec![session]]);
    let tenant = KnownTenant {
        tenant: system_tenant(),
        name: "Acme".into(),
        noted: at(1),
    };
    check(Account::CLASS, &TENANTS, &[vec![], vec![tenant]]);
}
