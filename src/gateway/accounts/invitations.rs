//! Invitations to a tenant.

use std::time::Duration;

use actors::{
    email::Email,
    identity::{IdentityError, Newcomer},
    membership::{CreateInvitation, GetTenant, Invitation, Membership, Offer, Standing},
    role::Role,
    secret::Hashed,
    user::UserId,
};
use cluster::prelude::{ActorError, TenantId, Uuid};
use tokio::time::Instant;

use super::{
    after, as_late_as_any, for_owner, for_stranger, identity,
    letters::{self, InvitationWords},
    own_account, post, refused,
};
use crate::gateway::{
    caller::Caller,
    callers::{key_parts, key_text},
    error::Problem,
    session_owner::SessionOwner,
    state::Gateway,
};

/// How long an invitation can be accepted.
const LIFE: Duration = Duration::from_hours(24 * 7);

/// Who is to be invited.
#[derive(Debug)]
pub(crate) struct Invitee {
    pub(crate) email: Email,
    pub(crate) role: Role,
}

/// Invites somebody to the caller's tenant by a mail. Only the mail has the link, which proves the address.
///
/// # Errors
///
/// Fails when the membership refuses or does not answer.
pub(crate) async fn invite(gateway: &Gateway, caller: &Caller, invitee: Invitee) -> Result<Invitation, Problem> {
    let (id, secret): (Uuid, [u8; 32]) = (Uuid::now_v7(), rand::random());
    let (ticket, token) = key_text(&caller.tenant, id, &secret);
    let membership = gateway.cluster.get::<Membership>(Membership::address(&caller.tenant));
    let tenant = membership.ask(GetTenant).await?.name;
    let create = CreateInvitation {
        invitation: id,
        token,
        email: invitee.email,
        role: invitee.role,
        by: UserId::new(&caller.user)?,
        expires: after(gateway, LIFE),
    };
    let invitation = membership.ask(create).await?;
    let owner = gateway.callers.owner_of(caller).await;
    let by = match &owner {
        Some(owner) => own_account(gateway, owner).await.ok(),
        None => None,
    };
    let words = InvitationWords {
        by: by.as_ref().map(|person| &person.email),
        tenant: &tenant,
        role: invitation.role,
        ticket: &ticket,
        expires: invitation.expires,
    };
    let base = gateway.server.base_url();
    post(gateway, letters::invitation(&base, &invitation.email, &words));
    Ok(invitation)
}

/// What a mailed invitation is to.
#[derive(Debug, Clone)]
struct Shown {
    tenant: TenantId,
    invitation: Uuid,
    token: Hashed,
}

fn read(token: &str) -> Result<Shown, Problem> {
    let (tenant, invitation, secret) = key_parts(token.trim()).ok_or_else(unknown)?;
    Ok(Shown {
        tenant,
        invitation,
        token: Hashed::of(&secret),
    })
}

fn unknown() -> Problem {
    Problem::not_found(
        "invitation.unknown",
        "there is no such invitation, or it was taken back or replaced",
    )
}

/// Nobody is told from an invitation which tenants there are.
fn fault(error: ActorError) -> Problem {
    match error.code() {
        "tenant.unknown" | "tenant.reserved" | "invitation.unknown" => unknown(),
        _ => super::fault(error),
    }
}

/// What somebody is invited to who shows a mailed invitation.
///
/// # Errors
///
/// `invitation.unknown`, `invitation.expired`, `tenant.suspended`.
pub(crate) async fn look(gateway: &Gateway, token: &str) -> Result<Offer, Problem> {
    let shown = read(token)?;
    let look = identity(gateway).look_at_invitation(&shown.tenant, shown.invitation, shown.token);
    for_stranger(gateway, look).await.map_err(fault)
}

/// Makes somebody who is signed in a member.
///
/// # Errors
///
/// As [`look`]; `invitation.used`, and `invitation.other-person` for another address than the one that was written to.
pub(crate) async fn accept(
    gateway: &Gateway,
    owner: &SessionOwner,
    token: &str,
) -> Result<(TenantId, Standing), Problem> {
    let shown = read(token)?;
    own_account(gateway, owner).await?;
    let accept = identity(gateway).accept_invitation(&shown.tenant, shown.invitation, shown.token, &owner.email);
    let standing = for_owner(gateway, owner, accept).await.map_err(fault)?;
    tracing::info!(tenant = %shown.tenant, user = %owner.user, "a person accepted an invitation");
    Ok((shown.tenant, standing))
}

/// Makes somebody without an account a member, and makes the account. Who has one shows its password.
///
/// # Errors
///
/// As [`accept`], and as signing in.
pub(crate) async fn accept_as_newcomer(
    gateway: &Gateway,
    token: &str,
    name: String,
    password: String,
) -> Result<(Email, TenantId, Standing), Problem> {
    let began = Instant::now();
    let shown = read(token)?;
    let newcomer = Newcomer { name, password };
    let accept = identity(gateway).accept_as_newcomer(&shown.tenant, shown.invitation, shown.token, newcomer);
    match Box::pin(for_stranger(gateway, accept)).await {
        Ok((person, standing)) => {
            tracing::info!(tenant = %shown.tenant, user = %person.user, "a newcomer accepted an invitation");
            Ok((person.email, shown.tenant, standing))
        }
        Err(IdentityError::Actor(error)) => Err(fault(error)),
        Err(error) => {
            as_late_as_any(began).await;
            Err(refused(error))
        }
    }
}
