//! Where people are signed in.

use actors::{
    account::{KnownSession, Which},
    session::SessionEnd,
};
use cluster::prelude::Uuid;

use super::{for_owner, identity, own_account};
use crate::gateway::{error::Problem, session_owner::SessionOwner, state::Gateway};

/// The open sessions of an account, the latest first.
///
/// # Errors
///
/// Fails without an account, and when it does not answer.
pub(crate) async fn list(gateway: &Gateway, owner: &SessionOwner) -> Result<Vec<KnownSession>, Problem> {
    own_account(gateway, owner).await?;
    Ok(for_owner(gateway, owner, identity(gateway).sessions(&owner.email)).await?)
}

/// Closes a session of the same account, or the own one.
///
/// # Errors
///
/// `session.unknown`, and when the actors do not answer.
pub(crate) async fn close(gateway: &Gateway, owner: &SessionOwner, session: Uuid) -> Result<(), Problem> {
    if session == owner.session {
        return gateway.callers.close(session, owner.user.as_str()).await;
    }
    own_account(gateway, owner).await?;
    end(gateway, owner, Which::One(session)).await.map(drop)
}

/// Closes all other sessions of the account, and says how many there were.
///
/// # Errors
///
/// Fails without an account, and when the actors do not answer.
pub(crate) async fn close_others(gateway: &Gateway, owner: &SessionOwner) -> Result<usize, Problem> {
    own_account(gateway, owner).await?;
    end(gateway, owner, Which::Others(owner.session)).await
}

async fn end(gateway: &Gateway, owner: &SessionOwner, which: Which) -> Result<usize, Problem> {
    let close = identity(gateway).close_sessions(&owner.email, which, SessionEnd::Closed);
    let closed = for_owner(gateway, owner, close).await?;
    for session in &closed {
        gateway.callers.forget(*session);
    }
    Ok(closed.len())
}
