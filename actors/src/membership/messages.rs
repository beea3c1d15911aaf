//! What is asked of the membership of a tenant.
//!
//! Before the tenant is founded, each of these but [`FoundTenant`] fails with `tenant.unknown`.

use std::collections::BTreeMap;

use cluster::{
    TenantId, Timestamp,
    prelude::{ActorId, Message, Uuid},
};
use serde::{Deserialize, Serialize};

use super::{
    Membership, NAME,
    record::{Acceptance, KeyEntry, Member, TenantProfile},
};
use crate::{
    api_key::Scope,
    email::Email,
    role::{Plan, Role, TenantStatus},
    secret::Hashed,
    user::UserId,
};

impl Membership {
    /// Address of the membership of a tenant.
    #[must_use]
    pub fn address(tenant: &TenantId) -> ActorId {
        ActorId::from_name::<Self>(tenant, NAME)
    }
}

/// Founds the tenant. Again by the same person it changes nothing.
///
/// Errors: `tenant.exists` if somebody else founded it, `tenant.name`, `tenant.reserved`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "tenant.found", reply = TenantProfile)]
pub struct FoundTenant {
    /// What it is called.
    pub name: String,
    /// What it has room for.
    pub plan: Plan,
    /// The first admin.
    pub admin: NewMember,
}

/// Who is to be a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMember {
    /// The person.
    pub user: UserId,
    /// Their address.
    pub email: Email,
    /// What they are called.
    pub name: String,
}

/// Asks what the tenant is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "tenant.get", reply = TenantProfile)]
pub struct GetTenant;

/// Asks for the settings of the tenant.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "tenant.settings", reply = BTreeMap<String, String>)]
pub struct GetSettings;

/// Asks how much the tenant has of what its plan has room for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "tenant.usage", reply = RoomUsed)]
pub struct GetRoomUsed;

/// How much a tenant has of what its plan has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomUsed {
    /// Members.
    pub members: usize,
    /// Invitations that can be accepted.
    pub invitations: usize,
    /// API keys.
    pub keys: usize,
}

/// Changes what is given.
///
/// Errors: `tenant.name`; `tenant.settings` for more than 64 of them, names beyond 64 or values beyond 4,096 characters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Message)]
#[message(name = "tenant.configure", reply = TenantProfile)]
pub struct ConfigureTenant {
    /// What it is called.
    pub name: Option<String>,
    /// What it has room for.
    pub plan: Option<Plan>,
    /// Settings to be set, or with `None` to be removed.
    pub settings: BTreeMap<String, Option<String>>,
}

/// Refuses members and keys until the tenant is resumed. Again it changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "tenant.suspend", reply = TenantProfile)]
pub struct SuspendTenant {
    /// Why, in up to 256 characters.
    pub why: String,
}

/// Serves the tenant again.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "tenant.resume", reply = TenantProfile)]
pub struct ResumeTenant;

/// Asks how a person stands to the tenant. Nothing is written.
///
/// Errors: `member.unknown`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "members.get", reply = Standing)]
pub struct GetMember {
    /// The person.
    pub user: UserId,
}

/// How a person stands to a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What they may do.
    pub role: Role,
    /// What the tenant is called.
    pub tenant_name: String,
    /// What it has room for.
    pub plan: Plan,
    /// Whether it is served.
    pub status: TenantStatus,
}

/// A person begins to work in the tenant: as [`GetMember`], and it is recorded.
///
/// Errors: `member.unknown`, `tenant.suspended`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "members.enter", reply = Standing)]
pub struct Enter {
    /// The person.
    pub user: UserId,
    /// Their session.
    pub session: Uuid,
}

/// Makes a person a member. Again with the same role it changes nothing.
///
/// Errors: `member.exists` with another role, `member.too-many`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "members.add", reply = Member)]
pub struct AddMember {
    /// The person.
    pub member: NewMember,
    /// What they may do.
    pub role: Role,
}

/// Takes a membership away.
///
/// Errors: `member.unknown`; `member.last-admin` if nobody could look after the tenant then.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "members.remove", reply = Member)]
pub struct RemoveMember {
    /// The person.
    pub user: UserId,
}

/// Gives a member another role.
///
/// Errors: `member.unknown`; `member.last-admin` if nobody could look after the tenant then.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "members.set-role", reply = Member)]
pub struct SetRole {
    /// The person.
    pub user: UserId,
    /// The role.
    pub role: Role,
}

/// Lists members by their ids.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Message)]
#[message(name = "members.list", reply = MemberPage)]
pub struct ListMembers {
    /// Cursor of the page before.
    pub after: Option<UserId>,
    /// Most members returned, 1 to 100.
    pub limit: u32,
}

/// A page of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberPage {
    /// By id.
    pub items: Vec<Member>,
    /// Cursor of the next page, if there is more.
    pub next: Option<UserId>,
}

/// Invites whoever has an address. An invitation of the same address that nobody accepted is replaced.
///
/// Errors: `member.exists` if a member has the address, `invitation.too-many`, `invitation.life`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "invitations.create", reply = Invitation)]
pub struct CreateInvitation {
    /// Id of the invitation, made by the caller; the same again makes no other one.
    pub invitation: Uuid,
    /// The random token that is mailed with the id.
    pub token: Hashed,
    /// The address. Only an account of this address can accept.
    pub email: Email,
    /// What the person may do then.
    pub role: Role,
    /// Who invites.
    pub by: UserId,
    /// Until when it can be accepted.
    pub expires: Timestamp,
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Id of the invitation.
    pub invitation: Uuid,
    /// Who is invited.
    pub email: Email,
    /// What the person may do then.
    pub role: Role,
    /// Who invites.
    pub by: UserId,
    /// When.
    pub created: Timestamp,
    /// Until when it can be accepted.
    pub expires: Timestamp,
    /// Who accepted it.
    pub accepted: Option<Acceptance>,
}

/// Lists invitations that can be accepted, by their ids.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Message)]
#[message(name = "invitations.list", reply = InvitationPage)]
pub struct ListInvitations {
    /// Cursor of the page before.
    pub after: Option<Uuid>,
    /// Most invitations returned, 1 to 100.
    pub limit: u32,
}

/// A page of invitations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationPage {
    /// By id.
    pub items: Vec<Invitation>,
    /// Cursor of the next page, if there is more.
    pub next: Option<Uuid>,
}

/// Takes an invitation back.
///
/// Errors: `invitation.unknown`; `invitation.used` if it was accepted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "invitations.revoke")]
pub struct RevokeInvitation {
    /// Id of the invitation.
    pub invitation: Uuid,
}

/// Asks what somebody is invited to who shows an invitation.
///
/// Errors: `invitation.unknown` also with another token; `invitation.expired`, `tenant.suspended`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "invitations.look", reply = Offer)]
pub struct LookInvitation {
    /// Id of the invitation.
    pub invitation: Uuid,
    /// The token that was mailed.
    pub token: Hashed,
}

/// What somebody is invited to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What the tenant is called.
    pub tenant_name: String,
    /// The invitation.
    pub invitation: Invitation,
}

/// Accepts an invitation. Again by the same person it changes nothing.
///
/// Errors: as [`LookInvitation`], and `invitation.used` by somebody else, or by a person who was removed since;
/// `invitation.other-person` if it was sent to another address; `member.too-many`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "invitations.accept", reply = Standing)]
pub struct AcceptInvitation {
    /// Id of the invitation.
    pub invitation: Uuid,
    /// The token that was mailed.
    pub token: Hashed,
    /// Who accepts.
    pub member: NewMember,
}

/// Makes an API key: notes it here and, durably, makes the key itself.
///
/// Errors: `key.too-many`, `key.exists`, `key.name`, `key.scope`, `key.life`.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "keys.create", reply = KeyEntry)]
pub struct CreateTenantKey {
    /// Id of the key, made by the caller; the same again makes no other one.
    pub key: Uuid,
    /// The random secret.
    pub secret: Hashed,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Who makes it.
    pub by: UserId,
    /// When it ends by itself, if it does.
    pub expires: Option<Timestamp>,
}

/// Revokes an API key: takes it out of the index and, durably, revokes the key itself.
///
/// Errors: `key.unknown`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "keys.revoke")]
pub struct RevokeTenantKey {
    /// Id of the key.
    pub key: Uuid,
}

/// Takes a key out of the index that has gone by itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "keys.forget")]
pub struct ForgetKey {
    /// Id of the key.
    pub key: Uuid,
}

/// Asks what an API key may do, without its secret: for what it has asked for and is done later.
///
/// Errors: `key.unknown`, `key.expired`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "keys.get", reply = KeyEntry)]
pub struct GetKey {
    /// Id of the key.
    pub key: Uuid,
}

/// Lists API keys by their ids, those included whose time is over.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Message)]
#[message(name = "keys.list", reply = KeyPage)]
pub struct ListKeys {
    /// Cursor of the page before.
    pub after: Option<Uuid>,
    /// Most keys returned, 1 to 100.
    pub limit: u32,
}

/// A page of API keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPage {
    /// By id, which is by age.
    pub items: Vec<KeyEntry>,
    /// Cursor of the next page, if there is more.
    pub next: Option<Uuid>,
}
