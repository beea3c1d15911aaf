//! People's own accounts: signing up and in, passwords, sessions, tenants, invitations.

use crate::gateway::{
    auth, contact,
    endpoint::{Endpoint, delete, get, post},
    permission::Permission::{UserCreate, UserView},
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        post("/api/auth/sign-up", auth::sign_up)
            .public()
            .attempts()
            .says("Registers a person, and mails them"),
        post("/api/public/signup", auth::sign_up)
            .public()
            .attempts()
            .says("Registers a person, as the original's address"),
        post("/api/public/contact", contact::contact)
            .public()
            .attempts()
            .says("Writes to whoever runs the server"),
        post("/api/auth/verify", auth::verify)
            .public()
            .attempts()
            .says("Confirms an address by a mailed token"),
        post("/api/auth/sign-in", auth::sign_in)
            .public()
            .attempts()
            .says("Opens a session for whoever has the password"),
        post("/api/auth/password/forgot", auth::forgot)
            .public()
            .attempts()
            .says("Mails who has forgotten the password"),
        post("/api/auth/password/reset", auth::reset)
            .public()
            .attempts()
            .says("Sets another password by a mailed token"),
        post("/api/auth/password", auth::change)
            .by_session()
            .attempts()
            .says("Sets another password, and closes the other sessions"),
        get("/api/auth/sessions", auth::sessions)
            .by_session()
            .says("Lists where the person is signed in"),
        delete("/api/auth/sessions", auth::close_others)
            .by_session()
            .says("Closes the other sessions of the person"),
        delete("/api/auth/sessions/{id}", auth::close)
            .by_session()
            .says("Closes a session of the person"),
        get("/api/auth/tenants", auth::tenants)
            .by_session()
            .says("Lists the tenants of the person"),
        post("/api/auth/tenant", auth::switch)
            .by_session()
            .says("Lets the session work in another tenant"),
        post("/api/auth/account/erase", auth::erase)
            .by_session()
            .attempts()
            .says("Removes the account of the person"),
        post("/api/auth/invitations/look", auth::look)
            .public()
            .attempts()
            .says("Shows what a mailed invitation is to"),
        post("/api/auth/invitations/accept", auth::accept)
            .public()
            .attempts()
            .says("Accepts a mailed invitation, with or without an account"),
        get("/api/tenant/invitations", auth::invitations)
            .needs(UserView)
            .says("Lists the open invitations to the tenant"),
        post("/api/tenant/invitations", auth::invite)
            .needs(UserCreate)
            .says("Invites somebody to the tenant by mail"),
        delete("/api/tenant/invitations/{id}", auth::revoke)
            .needs(UserCreate)
            .says("Takes an invitation back"),
    ]
}
