//! Becoming a member, and ceasing to be one.
//!
//! The account notes the tenant before the person is a member, so that no membership is unknown to it after a crash.

use std::fmt;

use cluster::prelude::{ActorError, Result, TenantId, Uuid};

use super::{Identity, IdentityError, error::is};
use crate::{
    account::{EraseAccount, GetAccount, NoteMembership, Person, Proof, Register},
    email::Email,
    membership::{AcceptInvitation, LookInvitation, Member, NewMember, Offer, RemoveMember, Standing},
    secret::Hashed,
    user::UserId,
};

/// Somebody who accepts an invitation and has no account.
pub struct Newcomer {
    /// What they are called.
    pub name: String,
    /// The password in clear.
    pub password: String,
}

impl Identity {
    /// Asks what somebody is invited to who shows an invitation.
    ///
    /// # Errors
    /// As [`LookInvitation`].
    pub async fn look_at_invitation(&self, tenant: &TenantId, invitation: Uuid, token: Hashed) -> Result<Offer> {
        self.ask_tenant(tenant, LookInvitation { invitation, token }).await
    }

    /// Accepts an invitation for a person who is signed in.
    ///
    /// # Errors
    /// As [`AcceptInvitation`]; whoever had no answer repeats it.
    pub async fn accept_invitation(
        &self,
        tenant: &TenantId,
        invitation: Uuid,
        token: Hashed,
        email: &Email,
    ) -> Result<Standing> {
        let offer = self.look_at_invitation(tenant, invitation, token).await?;
        if offer.invitation.email != *email {
            return Err(ActorError::forbidden(
                "invitation.other-person",
                "the invitation was sent to another address",
            ));
        }
        let person = self.ask_account(email, GetAccount).await?;
        let note = NoteMembership {
            tenant: tenant.clone(),
            name: offer.tenant_name,
        };
        self.ask_account(email, note).await?;
        let accept = AcceptInvitation {
            invitation,
            token,
            member: NewMember {
                user: person.user,
                email: email.clone(),
                name: person.name,
            },
        };
        self.ask_tenant(tenant, accept).await
    }

    /// Accepts an invitation for somebody without an account, and makes one: the invitation proves the address. If there is an account
    /// by now, because this is a repetition or the person had one, the password has to be the one of the account.
    ///
    /// # Errors
    /// As [`accept_invitation`](Self::accept_invitation) and [`sign_in`](Self::sign_in).
    pub async fn accept_as_newcomer(
        &self,
        tenant: &TenantId,
        invitation: Uuid,
        token: Hashed,
        newcomer: Newcomer,
    ) -> Result<(Person, Standing), IdentityError> {
        let email = self
            .look_at_invitation(tenant, invitation, token)
            .await?
            .invitation
            .email;
        let register = Register {
            email: email.clone(),
            name: newcomer.name,
            password: self.passwords.hash(newcomer.password.clone()).await?,
            proof: Proof::Given,
            founds: None,
        };
        match self.ask_account(&email, register).await {
            Ok(_) => {}
            Err(error) if is(&error, &["account.exists"]) => {
                self.check_password(&email, newcomer.password).await?;
            }
            Err(error) => return Err(error.into()),
        }
        let standing = self.accept_invitation(tenant, invitation, token, &email).await?;
        let person = self.ask_account(&email, GetAccount).await?;
        Ok((person, standing))
    }

    /// Takes a membership away. Sessions in which the person works in this tenant find that out with their next check.
    ///
    /// # Errors
    /// As [`RemoveMember`].
    pub async fn remove_member(&self, tenant: &TenantId, user: UserId) -> Result<Member> {
        let member = self.ask_tenant(tenant, RemoveMember { user }).await?;
        self.forget(&member.email, tenant).await?;
        Ok(member)
    }

    /// Removes an account: first from each tenant, then itself.
    ///
    /// # Errors
    /// `member.last-admin` if a tenant would be without an admin; then the account, and all memberships from there on, stay.
    pub async fn erase_account(&self, email: &Email) -> Result<()> {
        let person = match self.ask_account(email, GetAccount).await {
            Ok(person) => person,
            Err(error) if is(&error, &["account.unknown"]) => return Ok(()),
            Err(error) => return Err(error),
        };
        for known in &person.tenants {
            let remove = RemoveMember {
                user: person.user.clone(),
            };
            match self.ask_tenant(&known.tenant, remove).await {
                Ok(_) => {}
                Err(error) if is(&error, &["member.unknown", "tenant.unknown"]) => {}
                Err(error) => return Err(error),
            }
        }
        self.ask_account(email, EraseAccount).await
    }

    /// Takes a tenant out of the index of an account.
    async fn forget(&self, email: &Email, tenant: &TenantId) -> Result<()> {
        let person = match self.ask_account(email, GetAccount).await {
            Ok(person) => person,
            Err(error) if is(&error, &["account.unknown"]) => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some(known) = person.tenants.iter().find(|known| known.tenant == *tenant) {
            self.standing(&person, known).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Newcomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newcomer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
