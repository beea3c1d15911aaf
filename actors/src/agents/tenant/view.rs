//! What is told of a tenant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::env::RequestLimits;
use crate::{
    limiter::Leased,
    membership::{Member, TenantProfile},
};

/// What a tenant is, as every member may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantState {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Its plan: `free`, `pro`, `enterprise`.
    pub plan: String,
    /// Whether it is served: `active`, `suspended`.
    pub status: String,
    /// When it was founded, Unix seconds.
    pub created_at: i64,
    /// What the plan has room for.
    pub room: RoomView,
    /// Requests that the plan lets through in any minute, if it has a limit.
    pub requests_per_minute: Option<u32>,
}

/// What a plan has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomView {
    /// Members.
    pub members: usize,
    /// Invitations that nobody has accepted.
    pub invitations: usize,
    /// API keys.
    pub keys: usize,
}

/// How much a tenant uses; what the caller may not see is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageView {
    /// Members; needs `user:view`.
    pub members: Option<usize>,
    /// Invitations that can be accepted; needs `user:view`.
    pub invitations: Option<usize>,
    /// API keys; needs `key:view`.
    pub keys: Option<usize>,
    /// Runs that wait for a decision; needs `decision:view`.
    pub awaiting_runs: Option<u32>,
    /// Ideas that are parked; needs `run:view`.
    pub parked_ideas: Option<u32>,
    /// Requests of the last minute, if they have a limit.
    pub requests: Option<Requests>,
}

/// How a limit of requests stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    /// Length of the window.
    pub window_ms: u64,
    /// Requests that any window lets through.
    pub max_requests: u32,
    /// Requests that are left.
    pub remaining: u32,
    /// Milliseconds until all of the limit is there again, if nothing is asked meanwhile.
    pub reset_ms: u64,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberView {
    /// Id of the person.
    pub user: String,
    /// Their address.
    pub email: String,
    /// What they are called.
    pub name: String,
    /// What they may do: `operator`, `supervisor`, `admin`.
    pub role: String,
    /// Since when they are a member, Unix seconds.
    pub since: i64,
}

/// A page of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MembersPage {
    /// By id.
    pub items: Vec<MemberView>,
    /// What the next page is asked for with, as `after`, if there is more.
    pub next: Option<String>,
}

impl TenantState {
    pub(super) fn new(profile: &TenantProfile, limits: &RequestLimits) -> Self {
        let room = profile.plan.room();
        Self {
            id: profile.tenant.as_str().to_owned(),
            name: profile.name.clone(),
            plan: profile.plan.as_str().to_owned(),
            status: profile.status.as_str().to_owned(),
            created_at: profile.founded.as_secs(),
            room: RoomView {
                members: room.members,
                invitations: room.invitations,
                keys: room.keys,
            },
            requests_per_minute: limits.of_plan(profile.plan),
        }
    }
}

impl From<Leased> for Requests {
    fn from(standing: Leased) -> Self {
        Self {
            window_ms: standing.limit.window_ms,
            max_requests: standing.limit.max_requests,
            remaining: standing.remaining,
            reset_ms: standing.reset_ms,
        }
    }
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            user: member.user.as_str().to_owned(),
            email: member.email.as_str().to_owned(),
            name: member.name,
            role: member.role.as_str().to_owned(),
            since: member.since.as_secs(),
        }
    }
}
