//! The members of the caller's tenant, and who is invited to it.

use actix_web::{HttpRequest, http::StatusCode, web};
use actors::{
    membership::{GetTenant, ListInvitations, ListMembers, Membership, RemoveMember, RevokeInvitation, SetRole},
    user::UserId,
};
use cluster::prelude::{ActorRef, Uuid};

use super::{Answer, Shared, tabs};
use crate::{
    gateway::{
        accounts, auth, body,
        caller::Caller,
        cursor,
        error::Problem,
        pages::{
            form::refused,
            shell::{Said, page, see_other, shell_anyway},
        },
        permission::Permission,
        session_owner::is_nobodys,
        state::Gateway,
        tenant,
    },
    planes::ui::{self, FormState, InvitedView, MemberView, MembersView, Section, SettingsTab},
};

const PAGE: &str = "/settings/members";

/// Invitations that are shown; a tenant has room for few.
const INVITATIONS_MAX: u32 = 100;

fn membership(gateway: &Gateway, caller: &Caller) -> ActorRef<Membership> {
    gateway.cluster.get(Membership::address(&caller.tenant))
}

async fn show(
    request: &HttpRequest,
    gateway: &Gateway,
    caller: &Caller,
    status: StatusCode,
    invite: FormState,
) -> Answer {
    let (limit, after) = match status {
        StatusCode::OK => tenant::page(request, tenant::members_query)?,
        _ => (INVITATIONS_MAX, None),
    };
    let after = after
        .map(|user| UserId::new(&user).map_err(|_| cursor::foreign()))
        .transpose()?;
    let membership = membership(gateway, caller);
    let name = membership.ask(GetTenant).await?.name;
    let members = membership.ask(ListMembers { after, limit }).await?;
    let invited = membership
        .ask(ListInvitations {
            after: None,
            limit: INVITATIONS_MAX,
        })
        .await?;
    let view = MembersView {
        tenant: name,
        members: members
            .items
            .into_iter()
            .map(|member| MemberView {
                is_you: member.user.as_str() == caller.user,
                user: member.user.as_str().to_owned(),
                name: member.name,
                email: Some(member.email).filter(|email| !is_nobodys(email)).map(String::from),
                role: member.role.to_string(),
                since: member.since.as_secs(),
            })
            .collect(),
        next: members.next.map(|user| cursor::encode(tenant::MEMBERS, user.as_str())),
        invited: invited
            .items
            .into_iter()
            .map(|invitation| InvitedView {
                id: invitation.invitation.to_string(),
                email: invitation.email.as_str().to_owned(),
                role: invitation.role.to_string(),
                expires_at: invitation.expires.as_secs(),
            })
            .collect(),
        invite,
        may_invite: caller.may(Permission::UserCreate),
        may_assign: caller.may(Permission::UserAssignRole),
        may_remove: caller.may(Permission::UserDelete),
    };
    let shell = shell_anyway(request, gateway, caller, Section::Settings).await;
    let tabs = tabs(caller, SettingsTab::Members);
    Ok(page(request, status, ui::members_page(&shell, &tabs, &view)))
}

/// `GET /settings/members`.
pub(crate) async fn members(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    show(&request, &gateway, &caller, StatusCode::OK, FormState::default()).await
}

/// `POST /settings/members/invite`.
pub(crate) async fn invite(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let mut fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    let typed = ["email", "role"].map(|name| (name, fields.typed(name)));
    let invitee = auth::invitee(&mut fields);
    let invited = match (fields.finish(), invitee) {
        (Ok(()), Some(invitee)) => match auth::may_invite(&caller, invitee.role) {
            Ok(()) => accounts::invite(&gateway, &caller, invitee).await,
            Err(problem) => Err(problem),
        },
        (Err(problem), _) => Err(problem),
        (Ok(()), None) => Err(Problem::internal()),
    };
    match invited {
        Ok(_) => Ok(see_other(PAGE, Some(Said::Invited))),
        Err(problem) => {
            let (status, state) = refused(problem, typed)?;
            show(&request, &gateway, &caller, status, state).await
        }
    }
}

/// `POST /settings/members/{user}/role`.
pub(crate) async fn set_role(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    user: web::Path<String>,
) -> Answer {
    let mut fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    let role = fields.choice("role", &tenant::roles());
    fields.finish()?;
    let role = role.ok_or_else(|| Problem::unprocessable("body.invalid", "a role is needed"))?;
    let user = tenant::member_id(&user)?;
    membership(&gateway, &caller).ask(SetRole { user, role }).await?;
    Ok(see_other(PAGE, Some(Said::RoleSet)))
}

/// `POST /settings/members/{user}/remove`.
pub(crate) async fn remove(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    user: web::Path<String>,
) -> Answer {
    body::form(&request, payload, gateway.server.body_limit_bytes)
        .await?
        .finish()?;
    let user = tenant::member_id(&user)?;
    membership(&gateway, &caller).ask(RemoveMember { user }).await?;
    Ok(see_other(PAGE, Some(Said::MemberRemoved)))
}

/// `POST /settings/invitations/{id}/revoke`.
pub(crate) async fn revoke(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    body::form(&request, payload, gateway.server.body_limit_bytes)
        .await?
        .finish()?;
    let invitation =
        Uuid::try_parse(&id).map_err(|_| Problem::not_found("invitation.unknown", "there is no such invitation"))?;
    membership(&gateway, &caller)
        .ask(RevokeInvitation { invitation })
        .await?;
    Ok(see_other(PAGE, Some(Said::Withdrawn)))
}
