//! Who asks: sessions, tokens and sign-in links.

use actix_web::http::StatusCode;

use crate::gateway::{
    endpoint::{Endpoint, get, post},
    permission::Permission::UserCreate,
    session::{self, Link, Me, Minted},
};

/// Codes of requests that make somebody a member who is none yet.
const OF_SUBJECT: &[&str] = &[
    "auth.user",
    "email.invalid",
    "member.last-admin",
    "member.too-many",
    "member.unknown",
    "tenant.invalid",
    "tenant.reserved",
    "tenant.unknown",
    "user.invalid",
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/api/auth/me", session::me)
            .says("Says who the caller is")
            .named("getMe")
            .gives::<Me>("Who the caller is"),
        post("/api/auth/sign-out", session::end)
            .by_session()
            .says("Ends the session that is shown")
            .named("endSession")
            .gives_nothing("It is ended")
            .fails(&["auth.no-session"]),
        post("/api/auth/tokens", session::mint)
            .needs(UserCreate)
            .says("Makes a session token for a program")
            .named("createToken")
            .body(session::new_token)
            .answers::<Minted>(StatusCode::CREATED, "The token")
            .fails(&["auth.token-life", "session.device", "session.life"])
            .fails(OF_SUBJECT),
        post("/api/auth/sign-in-links", session::mint_link)
            .needs(UserCreate)
            .says("Makes a link that signs a person in once")
            .named("createSignInLink")
            .body(session::subject)
            .answers::<Link>(StatusCode::CREATED, "The link")
            .fails(OF_SUBJECT),
    ]
}
