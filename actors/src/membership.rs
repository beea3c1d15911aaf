//! Memberships: one actor in each tenant, named `membership`, which decides who acts there, and as what.
//!
//! It keeps what the tenant is called, its plan and whether it is served, its members, its invitations and the index of its API
//! keys. It is asked with each request, so all of it is in memory; the plan says how much it can be.

mod actor;
mod invitations;
mod keys;
mod members;
mod messages;
mod profile;
mod record;
#[cfg(test)]
mod tests;

pub use actor::{Membership, NAME};
pub use messages::{
    AcceptInvitation, AddMember, ConfigureTenant, CreateInvitation, CreateTenantKey, Enter, ForgetKey, FoundTenant,
    GetKey, GetMember, GetRoomUsed, GetSettings, GetTenant, Invitation, InvitationPage, KeyPage, ListInvitations,
    ListKeys, ListMembers, LookInvitation, MemberPage, NewMember, Offer, RemoveMember, ResumeTenant, RevokeInvitation,
    RevokeTenantKey, RoomUsed, SetRole, Standing, SuspendTenant,
};
pub use record::{Acceptance, KeyEntry, Member, TenantProfile};
