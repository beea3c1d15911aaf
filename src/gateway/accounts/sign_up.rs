//! Signing up, and proving an address.

use std::time::Duration;

use actors::{
    account::{Person, Proof, Purpose},
    email::Email,
    identity::{SignUp, SignedUp},
};
use tokio::time::Instant;

use super::{after, as_late_as_any, for_stranger, identity, letters, passwords::RESET_LIFE, post, refused, ticket};
use crate::{
    config::SignUpRule,
    gateway::{error::Problem, state::Gateway},
};

/// How long an address can be confirmed after a sign-up.
pub(super) const CONFIRM_LIFE: Duration = Duration::from_hours(24);

/// Somebody who wants an account.
#[derive(Debug)]
pub(crate) struct NewPerson {
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) password: String,
    /// What the tenant is called that they found; otherwise as they are.
    pub(crate) tenant: Option<String>,
}

/// Registers a person, and writes to them. The answer is the same whether or not the address has an account; its owner is told by
/// mail.
///
/// # Errors
///
/// Fails where nobody signs up by themselves, if the password or a name is not taken, and when it is not certain what became of
/// it.
pub(crate) async fn sign_up(gateway: &Gateway, new: NewPerson) -> Result<(), Problem> {
    is_open(gateway)?;
    let began = Instant::now();
    let (ticket, code) = ticket::issue(&new.email);
    let expires = after(gateway, CONFIRM_LIFE);
    let sign_up = SignUp {
        email: new.email.clone(),
        founds: Some(new.tenant.unwrap_or_else(|| new.name.clone())),
        name: new.name,
        password: new.password,
        proof: Proof::Code { code, expires },
    };
    let base = gateway.server.base_url();
    let signed_up = for_stranger(gateway, identity(gateway).sign_up(sign_up)).await;
    let told = match signed_up.map_err(refused) {
        Ok(SignedUp::New(user)) => {
            tracing::info!(%user, "a person signed up");
            post(gateway, letters::confirm(&base, &new.email, &ticket, expires));
            Ok(())
        }
        Ok(SignedUp::Exists) => remind(gateway, &new.email).await,
        Ok(SignedUp::TooSoon) => Ok(()),
        Err(problem) => Err(problem),
    };
    as_late_as_any(began).await;
    told
}

/// Whether people may sign up by themselves.
///
/// # Errors
///
/// Fails where they may not.
pub(crate) fn is_open(gateway: &Gateway) -> Result<(), Problem> {
    match gateway.auth.sign_up {
        SignUpRule::Open => Ok(()),
        SignUpRule::Closed => Err(Problem::forbidden(
            "auth.sign-up-closed",
            "who has an account here was invited; ask somebody for an invitation",
        )),
    }
}

/// Tells somebody that they have an account, no more often than they may ask for another password.
async fn remind(gateway: &Gateway, email: &Email) -> Result<(), Problem> {
    let (ticket, code) = ticket::issue(email);
    let expires = after(gateway, RESET_LIFE);
    let issue = identity(gateway).issue_code(email, Purpose::ResetPassword, code, expires);
    if for_stranger(gateway, issue).await?.is_some() {
        let base = gateway.server.base_url();
        post(gateway, letters::exists(&base, email, &ticket, expires));
    }
    Ok(())
}

/// Mails another code to somebody who has shown the password and not confirmed the address.
pub(super) async fn confirm_again(gateway: &Gateway, email: &Email) -> Result<(), Problem> {
    let (ticket, code) = ticket::issue(email);
    let expires = after(gateway, CONFIRM_LIFE);
    let issue = identity(gateway).issue_code(email, Purpose::VerifyEmail, code, expires);
    if for_stranger(gateway, issue).await?.is_some() {
        let base = gateway.server.base_url();
        post(gateway, letters::confirm(&base, email, &ticket, expires));
    }
    Ok(())
}

/// Takes the code that proves an address, and founds the tenant of its owner. It signs nobody in: who reads the mail need not be
/// who chose the password.
///
/// # Errors
///
/// `code.invalid`, and when it is not certain what became of it.
pub(crate) async fn verify(gateway: &Gateway, token: &str) -> Result<Person, Problem> {
    let (email, code) = ticket::read(token)?;
    let person = for_stranger(gateway, identity(gateway).verify(&email, code)).await?;
    tracing::info!(user = %person.user, "a person confirmed an address");
    Ok(person)
}
