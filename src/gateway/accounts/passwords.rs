//! Setting another password.

use std::time::Duration;

use actors::{account::Purpose, email::Email};
use tokio::time::Instant;

use super::{
    after, as_late_as_any, for_owner, for_stranger, identity, letters, own_account, post, refused, refused_owner,
    ticket,
};
use crate::gateway::{error::Problem, session_owner::SessionOwner, state::Gateway};

/// How long another password can be set by a mail.
pub(super) const RESET_LIFE: Duration = Duration::from_hours(1);

/// Mails somebody who has forgotten the password. The answer is the same for an address without an account.
///
/// # Errors
///
/// Fails when it is not certain what became of it.
pub(crate) async fn forgot(gateway: &Gateway, email: &Email) -> Result<(), Problem> {
    let began = Instant::now();
    let (ticket, code) = ticket::issue(email);
    let expires = after(gateway, RESET_LIFE);
    let issue = identity(gateway).issue_code(email, Purpose::ResetPassword, code, expires);
    let issued = for_stranger(gateway, issue).await;
    if let Ok(Some(_)) = issued {
        let base = gateway.server.base_url();
        post(gateway, letters::reset(&base, email, &ticket, expires));
    }
    as_late_as_any(began).await;
    Ok(issued.map(drop)?)
}

/// Sets another password by a code that was mailed, and closes every session.
///
/// # Errors
///
/// `code.invalid`, or the password is not taken.
pub(crate) async fn reset(gateway: &Gateway, token: &str, password: String) -> Result<(), Problem> {
    let (email, code) = ticket::read(token)?;
    let reset = identity(gateway).reset_password(&email, code, password);
    let person = for_stranger(gateway, reset).await.map_err(refused)?;
    tracing::info!(user = %person.user, "a person set another password by mail");
    post(gateway, letters::changed(&gateway.server.base_url(), &email));
    Ok(())
}

/// Sets another password of somebody who shows the present one, and closes their other sessions.
///
/// # Errors
///
/// Fails when the present password is another one, too many attempts have failed, or the new one is not taken.
pub(crate) async fn change(
    gateway: &Gateway,
    owner: &SessionOwner,
    present: String,
    new: String,
) -> Result<(), Problem> {
    own_account(gateway, owner).await?;
    let change = identity(gateway).change_password(&owner.email, Some(owner.session), present, new);
    let changed = Box::pin(for_owner(gateway, owner, change)).await;
    changed.map_err(|error| refused_owner(gateway, error, "new_password"))?;
    tracing::info!(user = %owner.user, "a person changed the password");
    post(gateway, letters::changed(&gateway.server.base_url(), &owner.email));
    Ok(())
}
