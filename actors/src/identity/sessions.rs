//! Sessions of people.

use cluster::prelude::{ActorError, Result, TenantId, Uuid};

use super::{Identity, error::is, sign_in::no_tenant};
use crate::{
    account::{CloseSessions, GetAccount, KnownSession, ListSessions, Person, Which},
    email::Email,
    membership::{Enter, GetMember, Standing},
    session::{CheckSession, RevokeSession, Session, SessionEnd, SessionState, SwitchTenant},
};

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The session.
    pub session: SessionState,
    /// How the person stands to the tenant they work in. Empty if they work in none, or are no member of it any more.
    pub standing: Option<Standing>,
}

impl Identity {
    /// Asks whether a session goes on, and how the person stands to the tenant they work in. Whether a tenant that is suspended serves
    /// the request is up to the caller.
    ///
    /// # Errors
    /// As [`CheckSession`].
    pub async fn check_session(&self, session: Uuid) -> Result<Admitted> {
        let session = self.session(session).ask(CheckSession).await?;
        let standing = match &session.tenant {
            Some(tenant) => {
                let get = GetMember {
                    user: session.user.clone(),
                };
                match self.ask_tenant(tenant, get).await {
                    Ok(standing) => Some(standing),
                    Err(error) if is(&error, &["member.unknown", "tenant.unknown"]) => None,
                    Err(error) => return Err(error),
                }
            }
            None => None,
        };
        Ok(Admitted { session, standing })
    }

    /// Lets a person work in another tenant.
    ///
    /// # Errors
    /// As [`CheckSession`]; `tenant.unknown` also if the person is no member, `tenant.suspended`.
    pub async fn switch_tenant(&self, session: Uuid, tenant: &TenantId) -> Result<(SessionState, Standing)> {
        let state = self.session(session).ask(CheckSession).await?;
        let enter = Enter {
            user: state.user,
            session,
        };
        let standing = match self.ask_tenant(tenant, enter).await {
            Ok(standing) => standing,
            Err(error) if is(&error, &["member.unknown", "tenant.unknown", "tenant.reserved"]) => {
                return Err(no_tenant());
            }
            Err(error) => return Err(error),
        };
        let switch = SwitchTenant {
            tenant: Some(tenant.clone()),
        };
        Ok((self.session(session).ask(switch).await?, standing))
    }

    /// Asks who has the account of an address.
    ///
    /// # Errors
    /// `account.unknown`.
    pub async fn person(&self, email: &Email) -> Result<Person> {
        self.ask_account(email, GetAccount).await
    }

    /// Lists the tenants that a person is a member of, with how they stand to each.
    ///
    /// # Errors
    /// If one of them does not answer.
    pub async fn tenants(&self, person: &Person) -> Result<Vec<(TenantId, Standing)>> {
        let mut tenants = Vec::with_capacity(person.tenants.len());
        for known in &person.tenants {
            if let Some(standing) = self.standing(person, known).await? {
                tenants.push((known.tenant.clone(), standing));
            }
        }
        Ok(tenants)
    }

    /// Lists the open sessions of an account, the latest first.
    ///
    /// # Errors
    /// `account.unknown`.
    pub async fn sessions(&self, email: &Email) -> Result<Vec<KnownSession>> {
        self.ask_account(email, ListSessions).await
    }

    /// Ends a session. One that is not there is no error.
    ///
    /// # Errors
    /// If the session does not answer; then it is not certain that it has ended.
    pub async fn sign_out(&self, session: Uuid) -> Result<()> {
        let why = SessionEnd::SignedOut;
        known(self.session(session).ask(RevokeSession { why }).await)
    }

    /// Closes sessions of an account, and answers when they are closed.
    ///
    /// # Errors
    /// As [`CloseSessions`].
    pub async fn close_sessions(&self, email: &Email, which: Which, why: SessionEnd) -> Result<Vec<Uuid>> {
        let closed = self.ask_account(email, CloseSessions { which, why }).await?;
        for session in &closed {
            known(self.session(*session).ask(RevokeSession { why }).await)?;
        }
        Ok(closed)
    }

    /// Who shows a session, since when, and where.
    ///
    /// # Errors
    /// As [`CheckSession`].
    pub async fn own_session(&self, session: Uuid) -> Result<SessionState> {
        self.session(session).ask(CheckSession).await
    }

    /// Lists the open sessions of the account to which a session belongs, the latest first.
    ///
    /// # Errors
    /// As [`CheckSession`]; `account.unknown` also if the account of the address is somebody else's.
    pub async fn own_sessions(&self, session: Uuid) -> Result<Vec<KnownSession>> {
        let email = self.own_account(session).await?;
        self.sessions(&email).await
    }

    /// Closes sessions of the account to which a session belongs, or that session itself, and answers when they are closed.
    ///
    /// # Errors
    /// As [`own_sessions`](Self::own_sessions); `session.unknown` if it is none of the account.
    pub async fn close_own(&self, session: Uuid, which: Which) -> Result<Vec<Uuid>> {
        if which == Which::One(session) {
            self.sign_out(session).await?;
            return Ok(vec![session]);
        }
        let email = self.own_account(session).await?;
        self.close_sessions(&email, which, SessionEnd::Closed).await
    }

    /// The address of the account to which a session belongs. A session that was made for a program may name any.
    async fn own_account(&self, session: Uuid) -> Result<Email> {
        let state = self.own_session(session).await?;
        let person = self.person(&state.email).await?;
        if person.user == state.user {
            return Ok(state.email);
        }
        Err(ActorError::not_found("account.unknown", "this user has no account"))
    }

    fn session(&self, session: Uuid) -> cluster::ActorRef<Session> {
        self.cluster.get(Session::address(session))
    }
}

/// What is not there needs no end.
fn known(ended: Result<(), ActorError>) -> Result<()> {
    match ended {
        Err(error) if is(&error, &["session.unknown"]) => Ok(()),
        ended => ended,
    }
}
