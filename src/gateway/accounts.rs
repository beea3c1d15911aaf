//! What people do with their accounts: the operations behind the API (`auth`) and the pages.
//!
//! Strangers learn nothing of who has an account. What they ask for by an address is answered alike whether there is one or not,
//! and not before [`ANSWER_TIME`] has passed, which is more than the work takes in any case. Whatever they are to learn goes to
//! the address by mail.
//!
//! Steps over accounts and tenants go under the server's own context token, in the name of whoever asked for them.

mod invitations;
mod letters;
mod passwords;
mod sessions;
mod sign_in;
mod sign_up;
mod tenants;
mod ticket;

use std::{future::Future, time::Duration};

use actors::{
    account::Person,
    identity::{Identity, IdentityError},
    ports::PasswordError,
    role::system_tenant,
};
use cluster::{Timestamp, prelude::ActorError};
use tokio::time::Instant;

pub(crate) use self::{
    invitations::{Invitee, accept, accept_as_newcomer, invite, look},
    passwords::{change, forgot, reset},
    sessions::{close, close_others, list as list_sessions},
    sign_in::{Entrance, sign_in},
    sign_up::{NewPerson, is_open, sign_up, verify},
    tenants::{Place, erase, list as list_tenants, switch},
    ticket::TICKET_MAX,
};
use super::{
    callers::NO_PLAN,
    error::{FieldError, Problem},
    session_owner::SessionOwner,
    state::Gateway,
};
use crate::planes::communication::Letter;

/// Longest password that is looked at, in characters; fewer bytes than that are taken.
pub(crate) const PASSWORD_MAX: usize = 256;

/// Longest name of a person or tenant, in characters.
pub(crate) const NAME_MAX: usize = actors::line::NAME_CHARS_MAX;

/// Time that passes before a stranger is told anything that could say who has an account.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// Who acts that has not proven who they are.
const STRANGER: &str = "anonymous";

/// Does steps for somebody who has not proven who they are.
fn for_stranger<F: Future>(gateway: &Gateway, work: F) -> impl Future<Output = F::Output> + use<F> {
    gateway.context.on_behalf(&system_tenant(), STRANGER, NO_PLAN, work)
}

/// Does steps for somebody who is signed in.
fn for_owner<F: Future>(gateway: &Gateway, owner: &SessionOwner, work: F) -> impl Future<Output = F::Output> + use<F> {
    gateway
        .context
        .on_behalf(&system_tenant(), owner.user.as_str(), NO_PLAN, work)
}

fn identity(gateway: &Gateway) -> &Identity {
    gateway.callers.identity()
}

/// Waits until as much time has passed as any answer of this kind takes.
async fn as_late_as_any(began: Instant) {
    tokio::time::sleep_until(began + ANSWER_TIME).await;
}

fn after(gateway: &Gateway, life: Duration) -> Timestamp {
    gateway.clock.now().plus(life)
}

/// Has a letter sent soon. Its reader asks again for one that is not; nobody else must learn of it.
fn post(gateway: &Gateway, letter: Letter) {
    // The queue has logged it.
    gateway.mail.put(letter).ok();
}

/// The account of who is signed in.
pub(crate) async fn own_account(gateway: &Gateway, owner: &SessionOwner) -> Result<Person, Problem> {
    let none = || Problem::not_found("account.unknown", "this user has no account");
    match for_owner(gateway, owner, identity(gateway).person(&owner.email)).await {
        Ok(person) if person.user == owner.user => Ok(person),
        Ok(_) => Err(none()),
        Err(error) if error.code() == "account.unknown" => Err(none()),
        Err(error) => Err(error.into()),
    }
}

/// What a refusal means for who shows a password and is a stranger still.
fn refused(error: IdentityError) -> Problem {
    match error {
        IdentityError::Refused | IdentityError::Unknown | IdentityError::Unverified | IdentityError::Locked { .. } => {
            Problem::unauthorized(
                "auth.refused",
                "the address or the password is wrong, the address is not confirmed yet, or too many attempts have failed",
            )
        }
        IdentityError::Password(error) => password(error, "password"),
        IdentityError::Actor(error) => fault(error),
    }
}

/// What a refusal means for who is signed in and shows their present password in a field.
fn refused_owner(gateway: &Gateway, error: IdentityError, new: &'static str) -> Problem {
    match error {
        IdentityError::Refused | IdentityError::Unknown | IdentityError::Unverified => {
            in_field("password", "is not your present one")
        }
        IdentityError::Locked { until } => {
            let wait = until.since(gateway.clock.now()).as_secs();
            Problem::too_many(
                "auth.locked",
                "too many attempts have failed; try again later",
                u32::try_from(wait).unwrap_or(u32::MAX).saturating_add(1),
            )
        }
        IdentityError::Password(error) => password(error, new),
        IdentityError::Actor(error) => fault(error),
    }
}

fn password(error: PasswordError, field: &'static str) -> Problem {
    match error {
        PasswordError::Busy => Problem::unavailable("auth.busy", "too many people sign in at the moment"),
        PasswordError::Refused(why) => in_field(field, &why),
        PasswordError::Failed(_) => {
            tracing::error!(%error, "a password could not be worked on");
            Problem::internal()
        }
    }
}

/// What the refusal of an actor means, beside the field that it is about.
fn fault(error: ActorError) -> Problem {
    match error.code() {
        "account.name" => in_field("name", error.message()),
        "tenant.name" => in_field("tenant", error.message()),
        _ => error.into(),
    }
}

fn in_field(name: &'static str, detail: &str) -> Problem {
    Problem::unprocessable("body.invalid", format!("the body does not fit: /{name} {detail}")).with_errors(vec![
        FieldError {
            pointer: format!("/{name}"),
            detail: detail.to_owned(),
        },
    ])
}
