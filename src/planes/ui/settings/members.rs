//! The members of a tenant, and who is invited to it.

use askama::Template;

use super::{
    super::{
        form::{FieldKind, Form, FormState},
        moment::Moment,
        shell::{Shell, page},
    },
    ROLES, Tabs,
};

/// A member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberView {
    /// Id of the user.
    pub user: String,
    /// What the person is called.
    pub name: String,
    /// The address, of whoever has one.
    pub email: Option<String>,
    /// What they may do.
    pub role: String,
    /// Whether it is the person who looks.
    pub is_you: bool,
    /// Unix seconds.
    pub since: i64,
}

impl MemberView {
    fn joined(&self, now: &i64) -> Moment {
        Moment::near(self.since, *now)
    }
}

/// Somebody who is invited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvitedView {
    /// Id of the invitation.
    pub id: String,
    /// The address that was written to.
    pub email: String,
    /// What they may do then.
    pub role: String,
    /// Unix seconds.
    pub expires_at: i64,
}

impl InvitedView {
    fn until(&self) -> Moment {
        Moment::day_and_time(self.expires_at)
    }
}

/// The members of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembersView {
    /// Name of the tenant.
    pub tenant: String,
    /// By id.
    pub members: Vec<MemberView>,
    /// Cursor of the next page, where there is one.
    pub next: Option<String>,
    /// Invitations that can be accepted.
    pub invited: Vec<InvitedView>,
    /// The form that invites.
    pub invite: FormState,
    /// Whether the person may invite.
    pub may_invite: bool,
    /// Whether the person may give other roles.
    pub may_assign: bool,
    /// Whether the person may take memberships away.
    pub may_remove: bool,
}

#[derive(Debug, Template)]
#[template(path = "members.html")]
struct MembersPage<'a> {
    shell: &'a Shell,
    tabs: &'a Tabs,
    view: &'a MembersView,
}

impl MembersPage<'_> {
    fn invite(&self) -> Form {
        let state = &self.view.invite;
        Form::new("invite", "/settings/members/invite", "Invite", state)
            .asking(state, "email", "E-mail", FieldKind::Email, "")
            .asking(
                state,
                "role",
                "Role",
                FieldKind::Choice(ROLES.to_vec()),
                "Operators see everything and decide on plans; supervisors also steer runs; admins do all.",
            )
    }
}

/// Renders the members. Its forms post to addresses below `/settings/members` and `/settings/invitations`.
#[must_use]
pub fn members_page(shell: &Shell, tabs: &Tabs, view: &MembersView) -> String {
    page(&MembersPage { shell, tabs, view })
}
