//! Who asks: sessions, tokens and sign-in links.

use crate::gateway::{
    endpoint::{Endpoint, get, post},
    permission::Permission::UserCreate,
    session,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/api/auth/me", session::me).says("Says who the caller is"),
        post("/api/auth/sign-out", session::end)
            .by_session()
            .says("Ends the session that is shown"),
        post("/api/auth/tokens", session::mint)
            .needs(UserCreate)
            .says("Makes a session token for a program"),
        post("/api/auth/sign-in-links", session::mint_link)
            .needs(UserCreate)
            .says("Makes a link that signs a person in once"),
    ]
}
