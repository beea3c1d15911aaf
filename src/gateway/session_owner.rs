//! Who has a session, whether or not they work in a tenant.
//!
//! What people do with their own account they do as this: who is a member of no tenant, or whose tenant is suspended, can still
//! go to another one, accept an invitation, change the password and sign out.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use actors::{email::Email, identity::Admitted, user::UserId};
use cluster::prelude::{TenantId, Uuid};

use super::{caller::Shown, callers::seconds, error::Problem, state::Gateway};

/// What the addresses of users without an account end with.
pub(crate) const NOBODYS_DOMAIN: &str = "@users.invalid";

/// The owner of the session that a request shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionOwner {
    pub(crate) session: Uuid,
    pub(crate) user: UserId,
    /// Address that the session was opened for. A session that an admin made for a program may name any, so an account is only
    /// theirs if it has their user id, too.
    pub(crate) email: Email,
    /// The tenant they work in.
    pub(crate) tenant: Option<TenantId>,
    /// What that is called.
    pub(crate) tenant_name: Option<String>,
    /// When the session ends, Unix seconds.
    pub(crate) expires_at: u64,
}

impl SessionOwner {
    /// Finds out whose session a request shows.
    ///
    /// # Errors
    ///
    /// Fails without a session, with one that does not go on, and where a cookie comes from another site.
    pub(crate) async fn read(request: &HttpRequest, gateway: &Gateway) -> Result<Self, Problem> {
        let shown = Shown::read(request)?;
        let owner = gateway.callers.owner(&shown.token).await?;
        shown.check(request, gateway)?;
        Ok(owner)
    }

    /// As [`read`](Self::read), where people may also come without.
    ///
    /// # Errors
    ///
    /// Fails with a session that is not accepted.
    pub(crate) async fn read_if_any(request: &HttpRequest, gateway: &Gateway) -> Result<Option<Self>, Problem> {
        match Self::read(request, gateway).await {
            Ok(owner) => Ok(Some(owner)),
            Err(problem) if problem.code() == "auth.required" => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// The address, or the user of whoever has none.
    pub(crate) fn display_name(&self) -> String {
        if is_nobodys(&self.email) {
            self.user.as_str().to_owned()
        } else {
            self.email.as_str().to_owned()
        }
    }
}

/// Whether an address is one at which nobody is, as users without an account have.
pub(crate) fn is_nobodys(email: &Email) -> bool {
    email.as_str().ends_with(NOBODYS_DOMAIN)
}

impl SessionOwner {
    pub(crate) fn new(session: Uuid, admitted: Admitted) -> Self {
        let Admitted {
            session: state,
            standing,
        } = admitted;
        Self {
            session,
            user: state.user,
            email: state.email,
            tenant: state.tenant,
            tenant_name: standing.map(|standing| standing.tenant_name),
            expires_at: seconds(state.expires),
        }
    }
}

impl FromRequest for SessionOwner {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // The gate has found out, where the endpoint asks for it.
        let owner = request.extensions().get::<Self>().cloned();
        ready(owner.ok_or_else(Problem::internal))
    }
}
