//! The tenants of a person, and the end of an account.

use actors::membership::Standing;
use cluster::prelude::TenantId;

use super::{for_owner, identity, letters, own_account, post, refused_owner};
use crate::gateway::{error::Problem, session_owner::SessionOwner, state::Gateway};

/// A tenant, and how a person stands to it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    pub(crate) standing: Standing,
}

/// The tenants that somebody is a member of. Who has no account is in one tenant only.
///
/// # Errors
///
/// Fails when the actors do not answer.
pub(crate) async fn list(gateway: &Gateway, owner: &SessionOwner) -> Result<Vec<Place>, Problem> {
    let places = match own_account(gateway, owner).await {
        Ok(person) => for_owner(gateway, owner, identity(gateway).tenants(&person)).await?,
        Err(problem) if problem.code() == "account.unknown" => {
            let admitted = for_owner(gateway, owner, identity(gateway).check_session(owner.session)).await?;
            admitted.session.tenant.zip(admitted.standing).into_iter().collect()
        }
        Err(problem) => return Err(problem),
    };
    let place = |(tenant, standing)| Place { tenant, standing };
    Ok(places.into_iter().map(place).collect())
}

/// Lets somebody work in another of their tenants.
///
/// # Errors
///
/// `tenant.unknown` if they are no member, `tenant.suspended`, and when the actors do not answer.
pub(crate) async fn switch(gateway: &Gateway, owner: &SessionOwner, tenant: TenantId) -> Result<Place, Problem> {
    let switch = identity(gateway).switch_tenant(owner.session, &tenant);
    let switched = for_owner(gateway, owner, switch).await;
    gateway.callers.forget(owner.session);
    let (_, standing) = switched?;
    Ok(Place { tenant, standing })
}

/// Removes the account of somebody who shows the password, and their memberships.
///
/// # Errors
///
/// Fails when the password is another one, and with `member.last-admin` as long as a tenant would be left without an admin.
pub(crate) async fn erase(gateway: &Gateway, owner: &SessionOwner, password: String) -> Result<(), Problem> {
    own_account(gateway, owner).await?;
    let check = identity(gateway).check_password(&owner.email, password);
    let checked = for_owner(gateway, owner, check).await;
    checked.map_err(|error| refused_owner(gateway, error, "password"))?;
    for_owner(gateway, owner, identity(gateway).erase_account(&owner.email)).await?;
    gateway.callers.forget(owner.session);
    tracing::info!(user = %owner.user, "a person removed their account");
    post(gateway, letters::erased(&gateway.server.base_url(), &owner.email));
    Ok(())
}
