//! People and programs come and go, also while nodes die.

mod audit;
mod crash;
mod invitations;
mod keys;
mod sign_in;

use std::{sync::Arc, time::Duration};

use cluster::prelude::Uuid;

use super::{Identity, NewSession, SignIn, SignUp};
use crate::{
    account::Proof,
    ports::fake::FakePasswords,
    scene::{DAY, Scene, email, hashed},
};

impl Scene {
    fn identity(&self) -> Identity {
        Identity::new(self.test.cluster(), Arc::new(FakePasswords::default()))
    }

    fn new_session(&self, session: u128) -> NewSession {
        NewSession {
            session: Uuid::from_u128(session),
            tenant: None,
            device: "a device".into(),
            expires: self.now().plus(DAY),
        }
    }

    fn credentials(&self, who: &str, password: &str, session: u128) -> SignIn {
        SignIn {
            email: email(who),
            password: password.to_owned(),
            session: self.new_session(session),
        }
    }

    fn newcomer(&self, who: &str, password: &str, code: &str) -> SignUp {
        SignUp {
            email: email(who),
            name: who.to_owned(),
            password: password.to_owned(),
            founds: Some("Acme".into()),
            proof: Proof::Code {
                code: hashed(code),
                expires: self.now().plus(Duration::from_hours(1)),
            },
        }
    }
}
