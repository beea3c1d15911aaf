//! Invitations to a tenant.

use std::time::Duration;

use cluster::{
    Timestamp,
    prelude::{ActorError, Ctx, Handler, Result, Uuid},
};
use serde_json::json;

use super::{
    Membership,
    actor::page,
    members::exists,
    messages::{
        AcceptInvitation, CreateInvitation, Invitation, InvitationPage, ListInvitations, LookInvitation, Offer,
        RevokeInvitation, Standing,
    },
    record::{Acceptance, Invited},
};
use crate::{
    audit::{self, events},
    secret::Hashed,
};

/// Longest life of an invitation.
const LIFE_MAX: Duration = Duration::from_hours(24 * 60);

impl Handler<CreateInvitation> for Membership {
    async fn handle(&mut self, create: CreateInvitation, ctx: &mut Ctx<Self>) -> Result<Invitation> {
        let now = ctx.now();
        let room = self.profile()?.plan.room().invitations;
        let id = create.invitation;
        if let Some(known) = self.invitations.get(&id) {
            return if known.token == create.token {
                Ok(told(id, known))
            } else {
                Err(ActorError::conflict(
                    "invitation.other",
                    "the id belongs to another invitation",
                ))
            };
        }
        if create.expires <= now || create.expires > now.plus(LIFE_MAX) {
            return Err(ActorError::invalid(
                "invitation.life",
                "an invitation counts for some time, and not for more than 60 days",
            ));
        }
        if self.members.values().any(|member| member.email == create.email) {
            return Err(exists());
        }
        self.drop_expired_invitations(ctx)?;
        let is_same = |known: &Invited| known.accepted.is_none() && known.email == create.email;
        let replaced = self
            .invitations
            .iter()
            .find(|(_, known)| is_same(known))
            .map(|(id, _)| *id);
        let open = self
            .invitations
            .values()
            .filter(|known| known.accepted.is_none())
            .count();
        if replaced.is_none() && open >= room {
            return Err(ActorError::conflict(
                "invitation.too-many",
                format!("the plan of the tenant has room for {room} invitations"),
            ));
        }
        if let Some(replaced) = replaced {
            self.withdraw(replaced, ctx)?;
        }
        let invited = Invited {
            token: create.token,
            email: create.email,
            role: create.role,
            by: create.by,
            created: now,
            expires: create.expires,
            accepted: None,
        };
        let invitation = told(id, &invited);
        self.put_invitation(id, invited, ctx)?;
        self.wake_for_invitations(ctx);
        audit::record(
            ctx,
            events::INVITATION_CREATED,
            json!({ "invitation": id, "email": invitation.email, "role": invitation.role }),
        )?;
        Ok(invitation)
    }
}

impl Handler<ListInvitations> for Membership {
    async fn handle(&mut self, list: ListInvitations, ctx: &mut Ctx<Self>) -> Result<InvitationPage> {
        self.profile()?;
        let now = ctx.now();
        let open = |id: &Uuid, invited: &Invited| {
            (invited.accepted.is_none() && now < invited.expires).then(|| told(*id, invited))
        };
        let (items, next) = page(&self.invitations, list.after, list.limit, open);
        Ok(InvitationPage { items, next })
    }
}

impl Handler<RevokeInvitation> for Membership {
    async fn handle(&mut self, revoke: RevokeInvitation, ctx: &mut Ctx<Self>) -> Result<()> {
        self.profile()?;
        let invited = self.invitations.get(&revoke.invitation).ok_or_else(unknown)?;
        if invited.accepted.is_some() {
            return Err(used());
        }
        self.withdraw(revoke.invitation, ctx)
    }
}

impl Handler<LookInvitation> for Membership {
    async fn handle(&mut self, look: LookInvitation, ctx: &mut Ctx<Self>) -> Result<Offer> {
        let invited = self.shown(look.invitation, &look.token, ctx.now())?;
        Ok(Offer {
            tenant_name: self.active()?.name.clone(),
            invitation: told(look.invitation, invited),
        })
    }
}

impl Handler<AcceptInvitation> for Membership {
    async fn handle(&mut self, accept: AcceptInvitation, ctx: &mut Ctx<Self>) -> Result<Standing> {
        let AcceptInvitation {
            invitation,
            token,
            member,
        } = accept;
        let mut invited = self.shown(invitation, &token, ctx.now())?.clone();
        self.active()?;
        let user = member.user.clone();
        if let Some(accepted) = &invited.accepted {
            return if accepted.user == user && self.members.contains_key(&user) {
                self.standing(&user)
            } else {
                Err(used())
            };
        }
        if invited.email != member.email {
            return Err(ActorError::forbidden(
                "invitation.other-person",
                "the invitation was sent to another address",
            ));
        }
        // Somebody who became a member in another way keeps the role of that way.
        if !self.members.contains_key(&user) {
            self.admit(member, invited.role, ctx)?;
        }
        invited.accepted = Some(Acceptance {
            user: user.clone(),
            at: ctx.now(),
        });
        self.put_invitation(invitation, invited, ctx)?;
        self.drop_oldest_accepted(ctx)?;
        audit::record(
            ctx,
            events::INVITATION_ACCEPTED,
            json!({ "invitation": invitation, "user": user }),
        )?;
        self.standing(&user)
    }
}

impl Membership {
    /// The invitation that somebody shows.
    fn shown(&self, id: Uuid, token: &Hashed, now: Timestamp) -> Result<&Invited> {
        self.profile()?;
        let invited = self.invitations.get(&id).filter(|invited| invited.token == *token);
        let invited = invited.ok_or_else(unknown)?;
        if now < invited.expires {
            Ok(invited)
        } else {
            Err(ActorError::forbidden(
                "invitation.expired",
                "the time of the invitation is over",
            ))
        }
    }

    fn withdraw(&mut self, id: Uuid, ctx: &mut Ctx<Self>) -> Result<()> {
        self.drop_invitation(id, ctx)?;
        audit::record(ctx, events::INVITATION_REVOKED, json!({ "invitation": id }))
    }

    /// Removes invitations whose time is over; those that were accepted stay until then, for whoever accepts again.
    pub(super) fn drop_expired_invitations(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        let expired = self.invitations.iter().filter(|(_, invited)| invited.expires <= now);
        let expired: Vec<Uuid> = expired.map(|(id, _)| *id).collect();
        for id in expired {
            self.drop_invitation(id, ctx)?;
        }
        self.wake_for_invitations(ctx);
        Ok(())
    }

    /// Keeps no more invitations that were accepted than there may be others.
    fn drop_oldest_accepted(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let accepted = self
            .invitations
            .iter()
            .filter(|(_, invited)| invited.accepted.is_some());
        let mut accepted: Vec<_> = accepted.map(|(id, invited)| (invited.created, *id)).collect();
        let surplus = accepted.len().saturating_sub(self.profile()?.plan.room().invitations);
        accepted.sort_unstable();
        for (_, id) in accepted.into_iter().take(surplus) {
            self.drop_invitation(id, ctx)?;
        }
        Ok(())
    }

    fn wake_for_invitations(&self, ctx: &mut Ctx<Self>) {
        let first = self.invitations.values().map(|invited| invited.expires).min();
        if let Some(first) = first
            && ctx.get_alarm() != Some(first)
        {
            ctx.set_alarm(first);
        }
    }
}

fn told(id: Uuid, invited: &Invited) -> Invitation {
    Invitation {
        invitation: id,
        email: invited.email.clone(),
        role: invited.role,
        by: invited.by.clone(),
        created: invited.created,
        expires: invited.expires,
        accepted: invited.accepted.clone(),
    }
}

fn unknown() -> ActorError {
    ActorError::not_found("invitation.unknown", "there is no such invitation")
}

fn used() -> ActorError {
    ActorError::conflict("invitation.used", "the invitation was accepted already")
}
