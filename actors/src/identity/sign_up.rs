//! Signing up, and proving an address.

use std::fmt;

use cluster::prelude::{Result, TenantId};

use super::{Identity, IdentityError, error::is};
use crate::{
    account::{Founded, GetAccount, NoteMembership, Person, Proof, Purpose, Redeem, Register},
    email::Email,
    membership::{FoundTenant, NewMember},
    role::Plan,
    secret::Hashed,
    user::UserId,
};

/// A person who signs up.
pub struct SignUp {
    /// The address.
    pub email: Email,
    /// What they are called.
    pub name: String,
    /// The password in clear.
    pub password: String,
    /// What the tenant is called that they found.
    pub founds: Option<String>,
    /// How the address is, or will be, proven.
    pub proof: Proof,
}

impl fmt::Debug for SignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignUp")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// What came of it. Strangers are told the same in every case: that a mail was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedUp {
    /// The code is to be mailed.
    New(UserId),
    /// The person has an account; the mail may tell them.
    Exists,
    /// A mail was sent less than a minute ago.
    TooSoon,
}

impl Identity {
    /// Registers an address. It is worked on the password in any case, so that the time tells nobody who has an account.
    ///
    /// # Errors
    /// If the password is not taken, or an actor does not answer.
    pub async fn sign_up(&self, sign_up: SignUp) -> Result<SignedUp, IdentityError> {
        let register = Register {
            email: sign_up.email.clone(),
            name: sign_up.name,
            password: self.passwords.hash(sign_up.password).await?,
            proof: sign_up.proof,
            founds: sign_up.founds,
        };
        match self.ask_account(&sign_up.email, register).await {
            Ok(registered) => {
                if let Proof::Given = sign_up.proof {
                    self.found_own(&self.ask_account(&sign_up.email, GetAccount).await?)
                        .await?;
                }
                Ok(SignedUp::New(registered.user))
            }
            Err(error) if is(&error, &["account.exists"]) => Ok(SignedUp::Exists),
            Err(error) if is(&error, &["account.pause", "code.too-many"]) => Ok(SignedUp::TooSoon),
            Err(error) => Err(error.into()),
        }
    }

    /// Proves an address by the code that was mailed there, and founds the tenant of whoever wanted one. It signs nobody in: who was
    /// mailed a code need not be who chose the password.
    ///
    /// # Errors
    /// `code.invalid`, or an actor does not answer; then it is repeated.
    pub async fn verify(&self, email: &Email, code: Hashed) -> Result<Person> {
        let redeem = Redeem {
            purpose: Purpose::VerifyEmail,
            code,
            password: None,
        };
        let person = self.ask_account(email, redeem).await?;
        self.found_own(&person).await
    }

    /// Founds the tenant that a person founds, unless it is there. Answers the person with it.
    pub(super) async fn found_own(&self, person: &Person) -> Result<Person> {
        let Some(name) = person.founds.clone() else {
            return Ok(person.clone());
        };
        let tenant = own_tenant(&person.user)?;
        let note = NoteMembership {
            tenant: tenant.clone(),
            name: name.clone(),
        };
        self.ask_account(&person.email, note).await?;
        let found = FoundTenant {
            name,
            plan: Plan::Free,
            admin: NewMember {
                user: person.user.clone(),
                email: person.email.clone(),
                name: person.name.clone(),
            },
        };
        self.ask_tenant(&tenant, found).await?;
        self.ask_account(&person.email, Founded).await
    }
}

/// The tenant that a person founds: always the same one, so that it is founded once.
fn own_tenant(user: &UserId) -> Result<TenantId> {
    TenantId::new(&format!("t-{user}"))
}
