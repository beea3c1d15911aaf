//! Who asks: read from a bearer token, an API key or a session cookie, and nothing else.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    cookie::{Cookie, SameSite, time::Duration as CookieDuration},
    dev::Payload,
    http::{Method, header},
};
use actors::{api_key::Scope, role::Plan};
use cluster::prelude::{TenantId, Uuid};
use jiff::Timestamp;
use url::Url;

use super::{
    callers::KEY_PREFIX,
    error::Problem,
    permission::Permission,
    socket::{bearer_of, is_upgrade},
    state::Gateway,
    token::TokenError,
};

/// Longest time for which anything waits for the end of a credential.
const FOR_EVER: Duration = Duration::from_hours(365 * 24);

/// Name of the session cookie, the seed's.
pub(crate) const SESSION_COOKIE: &str = "session_id";

/// The person or program behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    /// The user's id, or `key:` and the id of an API key.
    pub(crate) user: String,
    /// What it may do in the tenant.
    pub(crate) scope: Scope,
    /// What the tenant has room for.
    pub(crate) plan: Plan,
    pub(crate) proof: Proof,
    /// When the proof ends, Unix seconds.
    pub(crate) expires_at: u64,
}

/// What proved who asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A session.
    Session(Uuid),
    /// An API key, without its prefix.
    Key { token: String },
    /// A token of an issuer outside.
    Issuer { token: String },
    /// The file of the local operator.
    Local,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Session(_) => "Session(..)",
            Self::Key { .. } => "Key(..)",
            Self::Issuer { .. } => "Issuer(..)",
            Self::Local => "Local",
        })
    }
}

impl Caller {
    /// Whether the caller may do what needs the permission.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        permission.is_within(&self.scope, &self.tenant)
    }

    /// For how long what was shown is good; for keys without end a year, which is for ever to whoever waits for it.
    pub(crate) fn remaining(&self) -> Duration {
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
        Duration::from_secs(self.expires_at.saturating_sub(now)).min(FOR_EVER)
    }

    /// Finds out who asks.
    ///
    /// # Errors
    ///
    /// Fails without a credential, with one that is not accepted, and where a cookie comes from another site.
    pub(crate) async fn read(request: &HttpRequest, gateway: &Gateway) -> Result<Self, Problem> {
        let shown = Shown::read(request)?;
        let caller = gateway.callers.who(&shown.token).await?;
        shown.check(request, gateway)?;
        Ok(caller)
    }
}

/// What a request shows of who asks.
pub(crate) struct Shown {
    pub(crate) token: String,
    is_cookie: bool,
}

impl Shown {
    /// Reads what is shown.
    ///
    /// # Errors
    ///
    /// Fails if nothing is, or something else than a bearer token and a cookie.
    pub(crate) fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let (token, is_cookie) = match (bearer(request)?, session_of(request)?) {
            (Some(token), _) => (token, false),
            (None, Some(session)) => (session, true),
            (None, None) => {
                return Err(Problem::unauthorized(
                    "auth.required",
                    "this needs a bearer token, an API key or a session",
                ));
            }
        };
        Ok(Self { token, is_cookie })
    }

    /// Refuses what another site made a browser send.
    ///
    /// # Errors
    ///
    /// As [`check_origin`].
    pub(crate) fn check(&self, request: &HttpRequest, gateway: &Gateway) -> Result<(), Problem> {
        // A browser opens sockets for every site, with the cookies of this one.
        if self.is_cookie && (is_unsafe(request.method()) || is_upgrade(request)) {
            check_origin(request, gateway)?;
        }
        Ok(())
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // The gate has found out; where it did not, the endpoint is open to everyone and has no use for a caller.
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(Problem::internal))
    }
}

/// Whether a request shows an API key that this node has not seen to be good.
pub(crate) fn shows_unseen_key(request: &HttpRequest, gateway: &Gateway) -> bool {
    let Ok(Some(token)) = bearer(request) else { return false };
    token
        .strip_prefix(KEY_PREFIX)
        .is_some_and(|key| !gateway.callers.has_seen(key))
}

fn invalid_token() -> Problem {
    Problem::unauthorized("auth.invalid-token", TokenError::Invalid.to_string())
}

/// The problem of a token that was not accepted.
pub(crate) fn refused(error: TokenError) -> Problem {
    match error {
        TokenError::Expired => Problem::unauthorized("auth.expired", error.to_string()),
        TokenError::Invalid => invalid_token(),
    }
}

/// Of two credentials a proxy may have checked the other one.
fn ambiguous() -> Problem {
    Problem::unauthorized("auth.ambiguous", "the request shows more than one credential of a kind")
}

/// The session of the cookie. A site beside this one can plant a second cookie of the same name, so there must be only one.
fn session_of(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Ok(cookies) = request.cookies() else {
        return Ok(None);
    };
    let mut sessions = cookies.iter().filter(|cookie| cookie.name() == SESSION_COOKIE);
    match (sessions.next(), sessions.next()) {
        (None, _) => Ok(None),
        (Some(session), None) => Ok(Some(session.value().to_owned())),
        (Some(_), Some(_)) => Err(ambiguous()),
    }
}

fn bearer(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let mut protocols = bearer_of(request);
    let (value, protocol) = (values.next(), protocols.next());
    if values.next().is_some() || protocols.next().is_some() || (value.is_some() && protocol.is_some()) {
        return Err(ambiguous());
    }
    let Some(value) = value else {
        return Ok(protocol.map(str::to_owned));
    };
    let text = value.to_str().map_err(|_| invalid_token())?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(Some(token.trim().to_owned()))
        }
        Some(_) | None => Err(Problem::unauthorized(
            "auth.scheme",
            "the Authorization header must be \"Bearer\" and a token",
        )),
    }
}

fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Refuses an unsafe request that another site made a browser send. Browsers send `Origin` with every form and fetch that is
/// not a plain read; its absence is therefore refused too.
///
/// # Errors
///
/// Fails when the origin is absent or not this server's.
pub(crate) fn check_origin(request: &HttpRequest, gateway: &Gateway) -> Result<(), Problem> {
    let refuse = || Problem::forbidden("auth.origin", "this request does not come from a page of this server");
    let origin = request
        .headers()
        .get(header::ORIGIN)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(refuse)?;
    let origin = Url::parse(origin).map_err(|_| refuse())?.origin();
    if !origin.is_tuple() {
        return Err(refuse());
    }
    let own = if gateway.server.public_url.is_empty() {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(refuse)?;
        Url::parse(&format!("http://{host}")).map_err(|_| refuse())?.origin()
    } else {
        Url::parse(&gateway.server.public_url).map_err(|_| refuse())?.origin()
    };
    if own == origin { Ok(()) } else { Err(refuse()) }
}

/// The cookie that carries a session.
pub(crate) fn session_cookie(token: String, seconds: i64, is_secure: bool) -> Cookie<'static> {
    Cookie::build(SESSION_COOKIE, token)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_secure)
        .max_age(CookieDuration::seconds(seconds))
        .finish()
}
