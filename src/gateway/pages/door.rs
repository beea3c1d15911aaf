//! The pages before somebody is in: signing up and in, confirming an address, another password, an invitation.
//!
//! Every form is taken from a page of this server only, so that nobody signs somebody else in.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::{
    form::refused,
    shell::{Said, bare, page, see_other},
};
use crate::{
    gateway::{
        accounts::{self, Entrance, NAME_MAX, PASSWORD_MAX, TICKET_MAX},
        auth,
        body::{self, Fields},
        caller::{self, Caller},
        callers::Opened,
        error::Problem,
        session_owner::SessionOwner,
        state::Gateway,
        turnstile::{self, ShowsWidget},
    },
    planes::ui::{self, FormState, InvitationView, Section, SignInView},
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// Longest address to go to after the sign-in.
const NEXT_MAX: usize = 2048;

async fn form(request: &HttpRequest, payload: web::Payload, gateway: &Gateway) -> Result<Fields, Problem> {
    caller::check_origin(request, gateway)?;
    body::form(request, payload, gateway.server.body_limit_bytes).await
}

/// The token of a mailed link.
fn token(request: &HttpRequest) -> Result<String, Problem> {
    let mut query = body::query(request)?;
    let token = query.optional_text("token", TICKET_MAX);
    query.finish_query()?;
    Ok(token.unwrap_or_default())
}

fn show(request: &HttpRequest, status: StatusCode, render: impl FnOnce(&ui::Shell) -> String) -> HttpResponse {
    page(request, status, render(&bare(request, Section::None)))
}

/// Goes on into the pages with a session.
fn entered(gateway: &Gateway, opened: &Opened, path: &str, said: Option<Said>) -> Answer {
    let mut response = see_other(path, said);
    response
        .add_cookie(&auth::cookie_of(gateway, opened))
        .map_err(|_| Problem::internal())?;
    Ok(response)
}

/// `GET /sign-in`: how to get in; whoever is in already goes on.
pub(crate) async fn sign_in(request: HttpRequest, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let why = query.choice(
        "why",
        &[
            ("out", SignInView::SignedOut),
            ("confirmed", SignInView::Confirmed),
            ("password", SignInView::PasswordSet),
        ],
    );
    let next = query.optional_text("next", NEXT_MAX).unwrap_or_default();
    query.finish_query()?;
    let view = match (Caller::read(&request, &gateway).await, why) {
        (Ok(_), None) => return Ok(see_other(way_on(&next), None)),
        (Err(problem), None) if problem.code() == "auth.expired" => SignInView::Ended,
        (Ok(_) | Err(_), why) => why.unwrap_or_default(),
    };
    Ok(asked_in(
        &request,
        &gateway,
        StatusCode::OK,
        view,
        &FormState::default(),
        &next,
    ))
}

fn asked_in(
    request: &HttpRequest,
    gateway: &Gateway,
    status: StatusCode,
    view: SignInView,
    state: &FormState,
    next: &str,
) -> HttpResponse {
    let is_open = accounts::is_open(gateway).is_ok();
    show(request, status, |shell| {
        ui::sign_in_page(shell, view, state, next, is_open)
    })
}

/// The page of a sign-in link that was used, is too old or was never made: one answer for all, which tells nothing.
pub(crate) fn link_refused(request: &HttpRequest, gateway: &Gateway) -> HttpResponse {
    let state = FormState::default();
    asked_in(
        request,
        gateway,
        StatusCode::FORBIDDEN,
        SignInView::LinkUsed,
        &state,
        "",
    )
}

/// The page between a sign-in link and the runs.
pub(crate) fn signed_in(request: &HttpRequest) -> String {
    ui::signed_in_page(&bare(request, Section::None))
}

fn way_on(next: &str) -> &str {
    if next.is_empty() { "/runs" } else { ui::local_path(next) }
}

/// `POST /sign-in`.
pub(crate) async fn enter(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = form(&request, payload, &gateway).await?;
    let typed = fields.typed("email");
    let next = fields.optional_text("next", NEXT_MAX).unwrap_or_default();
    let email = fields.email("email");
    let password = fields.secret("password", PASSWORD_MAX);
    let signed_in = match (fields.finish(), email) {
        (Ok(()), Some(email)) => {
            let entrance = Entrance {
                email,
                password,
                tenant: None,
                device: auth::device(&request),
                old: auth::shown_session(&request, &gateway),
            };
            accounts::sign_in(&gateway, entrance).await
        }
        (Err(problem), _) => Err(problem),
        (Ok(()), None) => Err(Problem::internal()),
    };
    match signed_in {
        Ok(signed_in) => {
            let path = if signed_in.tenant.is_none() && next.is_empty() {
                "/settings/account"
            } else {
                way_on(&next)
            };
            entered(&gateway, &signed_in.opened, path, None)
        }
        Err(problem) => {
            let (status, state) = refused(problem, [("email", typed)])?;
            Ok(asked_in(&request, &gateway, status, SignInView::Ask, &state, &next))
        }
    }
}

/// `GET /sign-up`.
pub(crate) async fn sign_up(request: HttpRequest, gateway: Shared) -> HttpResponse {
    let is_open = accounts::is_open(&gateway).is_ok();
    asked_up(&request, &gateway, StatusCode::OK, &FormState::default(), is_open)
}

fn asked_up(
    request: &HttpRequest,
    gateway: &Gateway,
    status: StatusCode,
    state: &FormState,
    is_open: bool,
) -> HttpResponse {
    let widget = gateway.turnstile.widget().map(|widget| ui::ChallengeView {
        sitekey: widget.sitekey.clone(),
        action: widget.action.clone(),
    });
    let mut response = show(request, status, |shell| {
        ui::sign_up_page(shell, state, is_open, widget.as_ref())
    });
    if widget.is_some() {
        response.extensions_mut().insert(ShowsWidget);
    }
    response
}

/// `POST /sign-up`.
pub(crate) async fn register(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = form(&request, payload, &gateway).await?;
    let typed = ["email", "name", "tenant"].map(|name| (name, fields.typed(name)));
    let token = turnstile::token(&request, &mut fields);
    let new = auth::new_person(&mut fields);
    let registered = match (fields.finish(), new) {
        (Ok(()), Some(new)) => match turnstile::pass(&request, &gateway, token).await {
            Ok(()) => accounts::sign_up(&gateway, new).await,
            Err(problem) => Err(problem),
        },
        (Err(problem), _) => Err(problem),
        (Ok(()), None) => Err(Problem::internal()),
    };
    match registered {
        Ok(()) => Ok(see_other("/mailed", None)),
        Err(problem) => {
            let is_open = accounts::is_open(&gateway).is_ok();
            let (status, state) = refused(problem, typed)?;
            Ok(asked_up(&request, &gateway, status, &state, is_open))
        }
    }
}

/// `GET /mailed`.
pub(crate) async fn mailed(request: HttpRequest, gateway: Shared) -> HttpResponse {
    let folder = gateway.mail_folder.as_ref().map(|folder| folder.display().to_string());
    show(&request, StatusCode::OK, |shell| {
        ui::mailed_page(shell, folder.as_deref())
    })
}

/// `GET /verify`: a button, because programs that look at links in mails press none.
pub(crate) async fn confirm(request: HttpRequest) -> Answer {
    let token = token(&request)?;
    Ok(show(&request, StatusCode::OK, |shell| {
        ui::confirm_page(shell, &token, &FormState::default())
    }))
}

/// `POST /verify`.
pub(crate) async fn confirmed(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = form(&request, payload, &gateway).await?;
    let token = fields.text("token", TICKET_MAX);
    let confirmed = match fields.finish() {
        Ok(()) => accounts::verify(&gateway, &token).await.map(drop),
        Err(problem) => Err(problem),
    };
    match confirmed {
        Ok(()) => Ok(see_other("/sign-in?why=confirmed", None)),
        Err(problem) => {
            let (status, state) = refused(problem, [])?;
            Ok(show(&request, status, |shell| ui::confirm_page(shell, &token, &state)))
        }
    }
}

/// `GET /forgot`.
pub(crate) async fn forgot(request: HttpRequest) -> HttpResponse {
    show(&request, StatusCode::OK, |shell| {
        ui::forgot_page(shell, &FormState::default())
    })
}

/// `POST /forgot`.
pub(crate) async fn forgotten(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = form(&request, payload, &gateway).await?;
    let typed = fields.typed("email");
    let email = fields.email("email");
    let asked = match (fields.finish(), email) {
        (Ok(()), Some(email)) => accounts::forgot(&gateway, &email).await,
        (Err(problem), _) => Err(problem),
        (Ok(()), None) => Err(Problem::internal()),
    };
    match asked {
        Ok(()) => Ok(see_other("/mailed", None)),
        Err(problem) => {
            let (status, state) = refused(problem, [("email", typed)])?;
            Ok(show(&request, status, |shell| ui::forgot_page(shell, &state)))
        }
    }
}

/// `GET /reset`.
pub(crate) async fn reset(request: HttpRequest) -> Answer {
    let token = token(&request)?;
    Ok(show(&request, StatusCode::OK, |shell| {
        ui::reset_page(shell, &token, &FormState::default())
    }))
}

/// `POST /reset`.
pub(crate) async fn renew(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = form(&request, payload, &gateway).await?;
    let token = fields.text("token", TICKET_MAX);
    let password = fields.secret("password", PASSWORD_MAX);
    let set = match fields.finish() {
        Ok(()) => accounts::reset(&gateway, &token, password).await,
        Err(problem) => Err(problem),
    };
    match set {
        Ok(()) => Ok(see_other("/sign-in?why=password", None)),
        Err(problem) => {
            let (status, state) = refused(problem, [])?;
            Ok(show(&request, status, |shell| ui::reset_page(shell, &token, &state)))
        }
    }
}

/// What an invitation shows to whoever has its link. One that does not count any more is answered as a link that was used.
async fn offered(
    request: &HttpRequest,
    gateway: &Gateway,
    token: &str,
    owner: Option<&SessionOwner>,
) -> Result<Result<InvitationView, HttpResponse>, Problem> {
    match accounts::look(gateway, token).await {
        Ok(offer) => Ok(Ok(InvitationView {
            tenant: offer.tenant_name,
            role: offer.invitation.role.to_string(),
            email: offer.invitation.email.as_str().to_owned(),
            token: token.to_owned(),
            is_signed_in: owner.is_some(),
        })),
        Err(problem) if problem.status().is_client_error() => Ok(Err(link_refused(request, gateway))),
        Err(problem) => Err(problem),
    }
}

/// `GET /invitation`.
pub(crate) async fn invitation(request: HttpRequest, gateway: Shared) -> Answer {
    let token = token(&request)?;
    let owner = SessionOwner::read(&request, &gateway).await.ok();
    match offered(&request, &gateway, &token, owner.as_ref()).await? {
        Ok(view) => Ok(show(&request, StatusCode::OK, |shell| {
            ui::invitation_page(shell, &view, &FormState::default())
        })),
        Err(page) => Ok(page),
    }
}

/// `POST /invitation`.
pub(crate) async fn join(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = form(&request, payload, &gateway).await?;
    let owner = SessionOwner::read(&request, &gateway).await.ok();
    let token = fields.text("token", TICKET_MAX);
    let typed = fields.typed("name");
    let joined = match &owner {
        Some(owner) => match fields.finish() {
            Ok(()) => join_as(&gateway, owner, &token).await,
            Err(problem) => Err(problem),
        },
        None => {
            let name = fields.line("name", NAME_MAX);
            let password = fields.secret("password", PASSWORD_MAX);
            match fields.finish() {
                Ok(()) => join_newly(&request, &gateway, &token, name, password).await,
                Err(problem) => Err(problem),
            }
        }
    };
    match joined {
        Ok(response) => Ok(response),
        Err(problem) => {
            let (status, state) = refused(problem, [("name", typed)])?;
            match offered(&request, &gateway, &token, owner.as_ref()).await? {
                Ok(view) => Ok(show(&request, status, |shell| {
                    ui::invitation_page(shell, &view, &state)
                })),
                Err(page) => Ok(page),
            }
        }
    }
}

async fn join_as(gateway: &Gateway, owner: &SessionOwner, token: &str) -> Answer {
    let (tenant, _) = accounts::accept(gateway, owner, token).await?;
    accounts::switch(gateway, owner, tenant).await?;
    Ok(see_other("/runs", Some(Said::Joined)))
}

async fn join_newly(request: &HttpRequest, gateway: &Gateway, token: &str, name: String, password: String) -> Answer {
    let (email, tenant, _) = accounts::accept_as_newcomer(gateway, token, name, password.clone()).await?;
    let entrance = Entrance {
        email,
        password,
        tenant: Some(tenant),
        device: auth::device(request),
        old: auth::shown_session(request, gateway),
    };
    let signed_in = accounts::sign_in(gateway, entrance).await?;
    entered(gateway, &signed_in.opened, "/runs", Some(Said::Joined))
}
