//! People's own accounts: signing up and in, passwords, sessions, tenants, invitations.

use actix_web::http::StatusCode;

use crate::gateway::{
    auth::{
        self, ClosedBody, ConfirmedBody, InvitationBody, MailedBody, OfferBody, PlaceBody, PlacesBody, SessionsBody,
        SignedInBody, WorkplaceBody,
    },
    contact::{self, LetterBody},
    cursor::Page,
    endpoint::{Endpoint, delete, get, post},
    permission::Permission::{UserCreate, UserView},
};

/// Codes of requests that only people may make, where a challenge is configured.
const OF_CHALLENGE: &[&str] = &[
    "turnstile.failed",
    "turnstile.required",
    "turnstile.timeout",
    "turnstile.unavailable",
];

/// Codes of requests that show or set a password.
const OF_PASSWORD: &[&str] = &[
    "account.password",
    "account.password-changed",
    "account.unknown",
    "account.unverified",
    "auth.busy",
    "auth.locked",
    "auth.refused",
];

/// Codes of requests with a token from a mail.
const OF_TICKET: &[&str] = &["code.invalid"];

/// Codes of requests that have a mail sent.
const OF_MAIL: &[&str] = &["account.pause", "auth.busy", "code.too-many"];

/// Codes of requests about an invitation.
const OF_INVITATION: &[&str] = &[
    "invitation.expired",
    "invitation.other",
    "invitation.other-person",
    "invitation.too-many",
    "invitation.unknown",
    "invitation.used",
    "tenant.suspended",
    "tenant.unknown",
];

/// Codes of requests in which actors are asked for somebody who is not signed in.
const OF_STRANGERS: &[&str] = &[
    "context.refused",
    "context.starting",
    "deadline",
    "overloaded",
    "reference.broken",
    "retryable",
    "unknown",
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        sign_up(post("/api/auth/sign-up", auth::sign_up))
            .says("Registers a person, and mails them")
            .named("signUp"),
        sign_up(post("/api/public/signup", auth::sign_up))
            .says("Registers a person, as the original's address")
            .named("signUpAsOriginal"),
        post("/api/public/contact", contact::contact)
            .public()
            .attempts()
            .says("Writes to whoever runs the server")
            .named("contact")
            .body_or_form(contact::letter)
            .answers::<LetterBody>(StatusCode::ACCEPTED, "The message is on its way")
            .fails(&["contact.busy", "contact.nobody"])
            .fails(OF_CHALLENGE)
            .fails(OF_STRANGERS),
        post("/api/auth/verify", auth::verify)
            .public()
            .attempts()
            .says("Confirms an address by a mailed token")
            .named("verifyAddress")
            .body(auth::ticket)
            .gives::<ConfirmedBody>("Whose address it is")
            .fails(&[
                "account.unknown",
                "account.verified",
                "tenant.exists",
                "account.too-many-tenants",
            ])
            .fails(OF_TICKET)
            .fails(OF_STRANGERS),
        post("/api/auth/sign-in", auth::sign_in)
            .public()
            .attempts()
            .says("Opens a session for whoever has the password")
            .named("signIn")
            .body(auth::credentials)
            .gives::<SignedInBody>("The session")
            .fails(&[
                "auth.no-member",
                "auth.origin",
                "session.device",
                "tenant.suspended",
                "tenant.unknown",
            ])
            .fails(OF_PASSWORD)
            .fails(OF_STRANGERS),
        post("/api/auth/password/forgot", auth::forgot)
            .public()
            .attempts()
            .says("Mails who has forgotten the password")
            .named("forgetPassword")
            .body(auth::forgotten)
            .answers::<MailedBody>(StatusCode::ACCEPTED, "Said whether or not there is an account")
            .fails(OF_MAIL)
            .fails(OF_STRANGERS),
        post("/api/auth/password/reset", auth::reset)
            .public()
            .attempts()
            .says("Sets another password by a mailed token")
            .named("resetPassword")
            .body(auth::renewed)
            .gives_nothing("It is set, and every session of the account is closed")
            .fails(OF_PASSWORD)
            .fails(OF_TICKET)
            .fails(OF_STRANGERS),
        post("/api/auth/password", auth::change)
            .by_session()
            .attempts()
            .says("Sets another password, and closes the other sessions")
            .named("changePassword")
            .body(auth::another_password)
            .gives_nothing("It is set")
            .fails(OF_PASSWORD),
        get("/api/auth/sessions", auth::sessions)
            .by_session()
            .says("Lists where the person is signed in")
            .named("listSessions")
            .gives::<SessionsBody>("The sessions")
            .fails(&["account.unknown"]),
        delete("/api/auth/sessions", auth::close_others)
            .by_session()
            .says("Closes the other sessions of the person")
            .named("closeOtherSessions")
            .gives::<ClosedBody>("How many were closed")
            .fails(&["account.unknown"]),
        delete("/api/auth/sessions/{session}", auth::close)
            .by_session()
            .says("Closes a session of the person")
            .named("closeSession")
            .gives_nothing("It is closed")
            .fails(&["account.unknown", "session.unknown"]),
        get("/api/auth/tenants", auth::tenants)
            .by_session()
            .says("Lists the tenants of the person")
            .named("listTenants")
            .gives::<PlacesBody>("The tenants")
            .fails(&["account.unknown"]),
        post("/api/auth/tenant", auth::switch)
            .by_session()
            .says("Lets the session work in another tenant")
            .named("switchTenant")
            .body(auth::other_tenant)
            .gives::<PlaceBody>("The tenant")
            .fails(&["account.unknown", "member.unknown", "session.unknown", "tenant.unknown"]),
        post("/api/auth/account/erase", auth::erase)
            .by_session()
            .attempts()
            .says("Removes the account of the person")
            .named("eraseAccount")
            .body(auth::farewell)
            .gives_nothing("The account, its sessions and memberships are gone")
            .fails(&["member.last-admin"])
            .fails(OF_PASSWORD),
        post("/api/auth/invitations/look", auth::look)
            .public()
            .attempts()
            .says("Shows what a mailed invitation is to")
            .named("lookAtInvitation")
            .body(auth::ticket)
            .gives::<OfferBody>("What the person is invited to")
            .fails(OF_INVITATION)
            .fails(OF_TICKET)
            .fails(OF_STRANGERS),
        post("/api/auth/invitations/accept", auth::accept)
            .public()
            .attempts()
            .says("Accepts a mailed invitation, with or without an account")
            .named("acceptInvitation")
            .body(auth::acceptance)
            .gives::<WorkplaceBody>("Where the person works now")
            .fails(&[
                "account.exists",
                "account.too-many-tenants",
                "auth.ambiguous",
                "auth.expired",
                "auth.invalid-token",
                "auth.no-member",
                "auth.no-session",
                "auth.origin",
                "auth.scheme",
                "auth.signed-out",
                "auth.slow",
                "auth.unavailable",
                "member.exists",
                "member.too-many",
            ])
            .fails(OF_PASSWORD)
            .fails(OF_INVITATION)
            .fails(OF_TICKET)
            .fails(OF_STRANGERS),
        get("/api/tenant/invitations", auth::invitations)
            .needs(UserView)
            .says("Lists the open invitations to the tenant")
            .named("listInvitations")
            .query(auth::invitations_query)
            .gives::<Page<InvitationBody>>("A page of invitations")
            .fails(&["tenant.unknown"]),
        post("/api/tenant/invitations", auth::invite)
            .needs(UserCreate)
            .says("Invites somebody to the tenant by mail")
            .named("invite")
            .body(auth::invitee)
            .answers::<InvitationBody>(StatusCode::CREATED, "The invitation; only the mail has its link")
            .fails(&["invitation.life", "member.exists", "member.too-many"])
            .fails(OF_MAIL)
            .fails(OF_INVITATION),
        delete("/api/tenant/invitations/{invitation}", auth::revoke)
            .needs(UserCreate)
            .says("Takes an invitation back")
            .named("revokeInvitation")
            .gives_nothing("It is taken back")
            .fails(OF_INVITATION),
    ]
}

/// What both addresses of signing up have.
fn sign_up(endpoint: Endpoint) -> Endpoint {
    endpoint
        .public()
        .attempts()
        .body_or_form(auth::registration)
        .answers::<MailedBody>(StatusCode::ACCEPTED, "Said whether or not there is an account")
        .fails(&["account.password", "auth.sign-up-closed"])
        .fails(OF_MAIL)
        .fails(OF_CHALLENGE)
        .fails(OF_STRANGERS)
}
