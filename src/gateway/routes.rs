//! Every address of the server, with the handler behind it and who may call it; and the way of a request to it.

mod accounts;
mod agents;
mod document;
mod mcp;
mod pages;
mod planning;
mod server;
mod sessions;
mod tenant;

use std::rc::Rc;

use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{Compress, from_fn},
    web,
};

use super::{
    cors,
    endpoint::{self, Endpoint, Rules},
    error::Problem,
    gate, request,
    state::Gateway,
};

/// The whole HTTP application over one gateway.
///
/// What stands around the handlers, from the outside in:
///
/// 1. the request's id, its span and metrics; security headers on every answer; problems in the form that the client reads
///    (`request`);
/// 2. CORS (`cors`);
/// 3. the gate, which lets through who may pass (`gate`): limits of the body and of the address, who asks, tenant, limits of
///    the tenant, permission, context token, and the record of what was refused;
/// 4. compression.
pub fn app(
    gateway: Gateway,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>,
> {
    let endpoints = endpoints();
    let rules = Rc::new(Rules::of(&endpoints));
    let cors = cors::policy(&gateway.server);
    App::new()
        .app_data(web::Data::new(gateway))
        .app_data(rules)
        .configure(|config| {
            endpoint::register(endpoints, config);
            config.default_service(web::to(unknown));
        })
        // From the inside out: the last one is the first to see a request.
        .wrap(Compress::default())
        .wrap(from_fn(gate::pass))
        .wrap(cors)
        .wrap(from_fn(request::wrap))
}

/// Endpoints about one thing.
#[derive(Debug)]
pub(crate) struct Chapter {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// All endpoints, by what they are about. Addresses that could both match stand in the order in which they are tried.
pub(crate) fn chapters() -> Vec<Chapter> {
    [
        ("Server", "Health, actors, nodes, backups", server::endpoints()),
        ("Sessions", "Who asks", sessions::endpoints()),
        (
            "Accounts",
            "People's own accounts: signing up and in, passwords, sessions, tenants, invitations",
            accounts::endpoints(),
        ),
        (
            "Tenant",
            "The caller's tenant: members, API keys, audit chain",
            tenant::endpoints(),
        ),
        (
            "Planning",
            "Runs, their artifacts, and parked ideas",
            planning::endpoints(),
        ),
        ("MCP", "Tools for language models", mcp::endpoints()),
        (
            "Agents",
            "Actors that people and programs are connected to, by WebSocket at `/agents/{agent}/{agent_name}`",
            agents::endpoints(),
        ),
        ("Document", "What this API offers", document::endpoints()),
        ("Pages", "For people, and no part of the API", pages::endpoints()),
    ]
    .into_iter()
    .map(|(title, about, endpoints)| Chapter {
        title,
        about,
        endpoints,
    })
    .collect()
}

/// All endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    chapters().into_iter().flat_map(|chapter| chapter.endpoints).collect()
}

async fn unknown() -> Result<&'static str, Problem> {
    Err(Problem::not_found("not-found", "there is nothing at this address"))
}
