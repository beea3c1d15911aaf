//! Where people are signed in.

use actix_web::{HttpResponse, web};
use actors::account::KnownSession;
use cluster::prelude::Uuid;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, Shared};
use crate::gateway::{accounts, answer::fresh, error::Problem, session_owner::SessionOwner};

/// An open session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionBody {
    #[schema(value_type = String, format = "uuid", example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b96")]
    id: Uuid,
    /// Where the person signed in, as the browser or program said of itself.
    device: String,
    /// Unix seconds.
    opened_at: i64,
    /// Unix seconds.
    expires_at: i64,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionBody {
    fn new(known: KnownSession, owner: &SessionOwner) -> Self {
        Self {
            id: known.session,
            device: known.device,
            opened_at: known.opened.as_secs(),
            expires_at: known.expires.as_secs(),
            current: known.session == owner.session,
        }
    }
}

/// All open sessions of an account; there are few.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsBody {
    /// The latest first.
    items: Vec<SessionBody>,
}

/// How many sessions were closed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClosedBody {
    closed: usize,
}

/// `GET /api/auth/sessions`.
pub(crate) async fn sessions(owner: SessionOwner, gateway: Shared) -> Answer {
    let known = accounts::list_sessions(&gateway, &owner).await?;
    let items = known.into_iter().map(|known| SessionBody::new(known, &owner));
    Ok(fresh(&SessionsBody { items: items.collect() }))
}

/// `DELETE /api/auth/sessions/{id}`.
pub(crate) async fn close(owner: SessionOwner, gateway: Shared, id: web::Path<String>) -> Answer {
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found("session.unknown", "there is no such session"))?;
    accounts::close(&gateway, &owner, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /api/auth/sessions`: all but the one that asks.
pub(crate) async fn close_others(owner: SessionOwner, gateway: Shared) -> Answer {
    let closed = accounts::close_others(&gateway, &owner).await?;
    Ok(fresh(&ClosedBody { closed }))
}
