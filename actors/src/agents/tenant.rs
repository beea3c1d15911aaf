//! The agent `tenant`: what the tenant of whoever asks is, what it has room for, and how much of that it uses.
//!
//! It is shared by the tenant. Its state is what every member may know ([`TenantState`]); members and usage are told to those
//! who may see them, by the same permissions as elsewhere. It keeps nothing that is not somewhere else: the actors that are asked
//! are [`Membership`](crate::membership::Membership), [`Tenant`](crate::tenant::Tenant) and the
//! [`Limiter`](crate::limiter::Limiter) of the tenant. As long as somebody is connected they are asked every half a minute, and
//! all who are connected hear of what has changed; `refresh` asks at once.

mod agent;
mod env;
mod methods;
#[cfg(test)]
mod tests;
mod view;

pub(in crate::agents) use agent::TENANT_LIMITER;
pub use agent::TenantDesk;
pub use env::RequestLimits;
pub use methods::{Members, Refresh, UsageNow};
pub use view::{MemberView, MembersPage, Requests, RoomView, TenantState, UsageView};
