//! The members of a tenant.

use cluster::prelude::{ActorError, Ctx, Handler, Result};
use serde_json::json;

use super::{
    Membership,
    actor::page,
    messages::{AddMember, Enter, GetMember, ListMembers, MemberPage, NewMember, RemoveMember, SetRole, Standing},
    record::Member,
};
use crate::{
    audit::{self, events},
    role::Role,
    user::UserId,
};

impl Handler<GetMember> for Membership {
    async fn handle(&mut self, GetMember { user }: GetMember, _ctx: &mut Ctx<Self>) -> Result<Standing> {
        self.standing(&user)
    }
}

impl Handler<Enter> for Membership {
    async fn handle(&mut self, Enter { user, session }: Enter, ctx: &mut Ctx<Self>) -> Result<Standing> {
        let standing = self.standing(&user)?;
        self.active()?;
        audit::record(
            ctx,
            events::SIGNED_IN,
            json!({ "user": user, "session": session, "role": standing.role }),
        )?;
        Ok(standing)
    }
}

impl Handler<AddMember> for Membership {
    async fn handle(&mut self, AddMember { member, role }: AddMember, ctx: &mut Ctx<Self>) -> Result<Member> {
        self.profile()?;
        match self.members.get(&member.user) {
            Some(known) if known.role == role => Ok(known.clone()),
            Some(_) => Err(exists()),
            None => self.admit(member, role, ctx),
        }
    }
}

impl Handler<RemoveMember> for Membership {
    async fn handle(&mut self, RemoveMember { user }: RemoveMember, ctx: &mut Ctx<Self>) -> Result<Member> {
        let member = self.member(&user)?.clone();
        if member.role == Role::Admin {
            self.require_another_admin()?;
        }
        self.drop_member(&user, ctx)?;
        audit::record(
            ctx,
            events::MEMBER_REMOVED,
            json!({ "user": user, "role": member.role }),
        )?;
        Ok(member)
    }
}

impl Handler<SetRole> for Membership {
    async fn handle(&mut self, SetRole { user, role }: SetRole, ctx: &mut Ctx<Self>) -> Result<Member> {
        let mut member = self.member(&user)?.clone();
        let before = member.role;
        if before == role {
            return Ok(member);
        }
        if before == Role::Admin {
            self.require_another_admin()?;
        }
        member.role = role;
        self.put_member(member.clone(), ctx)?;
        audit::record(
            ctx,
            events::MEMBER_ROLE_CHANGED,
            json!({ "user": user, "from": before, "to": role }),
        )?;
        Ok(member)
    }
}

impl Handler<ListMembers> for Membership {
    async fn handle(&mut self, ListMembers { after, limit }: ListMembers, _ctx: &mut Ctx<Self>) -> Result<MemberPage> {
        self.profile()?;
        let (items, next) = page(&self.members, after, limit, |_, member| Some(member.clone()));
        Ok(MemberPage { items, next })
    }
}

impl Membership {
    pub(super) fn standing(&self, user: &UserId) -> Result<Standing> {
        let profile = self.profile()?;
        let member = self.member(user)?;
        Ok(Standing {
            role: member.role,
            tenant_name: profile.name.clone(),
            plan: profile.plan,
            status: profile.status,
        })
    }

    /// Makes somebody a member who is none.
    pub(super) fn admit(&mut self, new: NewMember, role: Role, ctx: &mut Ctx<Self>) -> Result<Member> {
        let room = self.profile()?.plan.room().members;
        if self.members.len() >= room {
            return Err(ActorError::conflict(
                "member.too-many",
                format!("the plan of the tenant has room for {room} members"),
            ));
        }
        let member = Member {
            user: new.user,
            email: new.email,
            name: new.name,
            role,
            since: ctx.now(),
        };
        self.put_member(member.clone(), ctx)?;
        audit::record(
            ctx,
            events::MEMBER_ADDED,
            json!({ "user": member.user, "email": member.email, "role": role }),
        )?;
        Ok(member)
    }

    fn member(&self, user: &UserId) -> Result<&Member> {
        self.profile()?;
        let unknown = || ActorError::not_found("member.unknown", "this is no member of the tenant");
        self.members.get(user).ok_or_else(unknown)
    }

    fn require_another_admin(&self) -> Result<()> {
        let mut admins = self.members.values().filter(|member| member.role == Role::Admin);
        if admins.nth(1).is_some() {
            Ok(())
        } else {
            Err(ActorError::conflict(
                "member.last-admin",
                "nobody could look after the tenant without its last admin",
            ))
        }
    }
}

pub(super) fn exists() -> ActorError {
    ActorError::conflict("member.exists", "this is a member of the tenant already")
}
