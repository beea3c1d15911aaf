//! Invitations to a tenant: who may invite makes them, and who was written to accepts.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::{
    api_key::Scope,
    membership::{Invitation, ListInvitations, Membership, RevokeInvitation},
    role::Role,
};
use cluster::prelude::{ActorRef, Uuid};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, Shared, WorkplaceBody};
use crate::gateway::{
    accounts::{self, Invitee, NAME_MAX, PASSWORD_MAX, TICKET_MAX},
    answer::{fresh, made},
    body,
    caller::Caller,
    cursor::{self, Page, PageQuery},
    error::Problem,
    permission::Permission,
    session_owner::SessionOwner,
    state::Gateway,
    tenant::{page, roles},
    words::RoleWord,
};

/// Name of the list, so that a cursor of another one is refused.
const INVITATIONS: &str = "invitations";

/// An invitation that can be accepted. Only the mail has its link.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationBody {
    #[schema(value_type = String, format = "uuid", example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b96")]
    id: Uuid,
    /// The address that was written to.
    #[schema(example = "ann@example.org")]
    email: String,
    /// What the person may do then.
    #[schema(value_type = RoleWord)]
    role: Role,
    /// Who invites.
    invited_by: String,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds.
    expires_at: i64,
}

impl From<Invitation> for InvitationBody {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.invitation,
            email: invitation.email.as_str().to_owned(),
            role: invitation.role,
            invited_by: invitation.by.as_str().to_owned(),
            created_at: invitation.created.as_secs(),
            expires_at: invitation.expires.as_secs(),
        }
    }
}

fn membership(gateway: &Gateway, caller: &Caller) -> ActorRef<Membership> {
    gateway.cluster.get(Membership::address(&caller.tenant))
}

/// Reads which page of invitations is asked for.
pub(crate) fn invitations_query(fields: &mut body::Fields) -> Result<PageQuery, Problem> {
    cursor::page_query(fields, INVITATIONS)
}

/// `GET /api/tenant/invitations`.
pub(crate) async fn invitations(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let (limit, after) = page(&request, invitations_query)?;
    let after = after
        .map(|id| Uuid::try_parse(&id).map_err(|_| cursor::foreign()))
        .transpose()?;
    let page = membership(&gateway, &caller)
        .ask(ListInvitations { after, limit })
        .await?;
    Ok(fresh(&Page::<InvitationBody> {
        items: page.items.into_iter().map(InvitationBody::from).collect(),
        next_cursor: page.next.map(|id| cursor::encode(INVITATIONS, &id.to_string())),
    }))
}

/// `POST /api/tenant/invitations`: `email` and `role`. An invitation of the same address is replaced.
pub(crate) async fn invite(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let invitee = read(&mut fields);
    fields.finish()?;
    let invitee = invitee.ok_or_else(|| Problem::unprocessable("body.invalid", "an address and a role are needed"))?;
    allowed(&caller, invitee.role)?;
    let invitation = accounts::invite(&gateway, &caller, invitee).await?;
    Ok(made(&InvitationBody::from(invitation)))
}

/// Reads who is to be invited. An operator, if nothing else is said; none if the address does not fit, which the fields know.
pub(crate) fn read(fields: &mut body::Fields) -> Option<Invitee> {
    let email = fields.email("email");
    let role = fields.choice("role", &roles()).unwrap_or(Role::Operator);
    fields.says("email", "Who is written to", "ann@example.org");
    fields.says("role", "What the person may do then", "operator");
    Some(Invitee { email: email?, role })
}

/// Nobody invites to more than they may do themselves.
///
/// # Errors
///
/// Fails for a role above the caller's, and for a key that may not give roles.
pub(crate) fn allowed(caller: &Caller, role: Role) -> Result<(), Problem> {
    let may = match &caller.scope {
        Scope::Role(own) => role <= *own,
        Scope::Permissions(_) => role == Role::Operator || caller.may(Permission::UserAssignRole),
    };
    if may {
        return Ok(());
    }
    Err(Problem::permission_denied(
        Permission::UserAssignRole,
        format!("you cannot invite to the role {role}"),
    ))
}

/// `DELETE /api/tenant/invitations/{id}`.
pub(crate) async fn revoke(caller: Caller, gateway: Shared, id: web::Path<String>) -> Answer {
    let invitation =
        Uuid::try_parse(&id).map_err(|_| Problem::not_found("invitation.unknown", "there is no such invitation"))?;
    membership(&gateway, &caller)
        .ask(RevokeInvitation { invitation })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What somebody is invited to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfferBody {
    /// What the tenant is called.
    tenant: String,
    /// What the person may do there.
    #[schema(value_type = RoleWord)]
    role: Role,
    /// The address that was written to.
    #[schema(example = "ann@example.org")]
    email: String,
    /// Unix seconds.
    expires_at: i64,
}

/// Reads the token of a mail.
pub(crate) fn ticket(fields: &mut body::Fields) -> String {
    let token = fields.text("token", TICKET_MAX);
    fields.says("token", "From the mail", "default.7f3c");
    token
}

/// What somebody gives who has no session: their name and a password.
pub(crate) fn newcomer(fields: &mut body::Fields) -> (String, String) {
    let name = fields.line("name", NAME_MAX);
    let password = fields.secret("password", PASSWORD_MAX);
    fields.says("name", "What the person is called; for who is not signed in", "Ann");
    fields.says(
        "password",
        "Of the account; for who is not signed in",
        "a long sentence of mine",
    );
    (name, password)
}

/// Reads how an invitation is accepted, for the document: who is signed in gives the token alone.
pub(crate) fn acceptance(fields: &mut body::Fields) {
    ticket(fields);
    newcomer(fields);
    fields.needs_only("token");
}

/// `POST /api/auth/invitations/look`: `token`, from the mail. Nothing is used up.
pub(crate) async fn look(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let token = ticket(&mut fields);
    fields.finish()?;
    let offer = accounts::look(&gateway, &token).await?;
    Ok(fresh(&OfferBody {
        tenant: offer.tenant_name,
        role: offer.invitation.role,
        email: offer.invitation.email.as_str().to_owned(),
        expires_at: offer.invitation.expires.as_secs(),
    }))
}

/// `POST /api/auth/invitations/accept`: `token`, from the mail. Who is not signed in gives `name` and `password` too, and has an
/// account then; or, if they had one, shows its password.
pub(crate) async fn accept(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let owner = SessionOwner::read_if_any(&request, &gateway).await?;
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let token = ticket(&mut fields);
    let (tenant, standing) = match owner {
        Some(owner) => {
            fields.finish()?;
            accounts::accept(&gateway, &owner, &token).await?
        }
        None => {
            let (name, password) = newcomer(&mut fields);
            fields.finish()?;
            let (_, tenant, standing) = accounts::accept_as_newcomer(&gateway, &token, name, password).await?;
            (tenant, standing)
        }
    };
    Ok(fresh(&WorkplaceBody {
        id: tenant.as_str().to_owned(),
        name: standing.tenant_name,
        role: standing.role,
    }))
}
