//! Every address of the server and the handler behind it.

use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{Compress, from_fn},
    web::{self, ServiceConfig},
};

use super::{
    admin, api, backups, error::Problem, health, nodes, pages, request, session, sse, state::Gateway, vectors,
};

/// The whole HTTP application over one gateway.
pub fn app(
    gateway: Gateway,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>,
> {
    App::new()
        .app_data(web::Data::new(gateway))
        .configure(routes)
        .wrap(Compress::default())
        // Outermost, so that every answer has its id and its headers.
        .wrap(from_fn(request::wrap))
}

/// Registers all addresses. A known address with another method answers 405 with `Allow`; HEAD is answered as GET is.
fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/health").route(web::get().to(health::health)))
        .service(web::resource("/ready").route(web::get().to(health::ready)))
        .service(web::resource("/metrics").route(web::get().to(health::metrics)));
    auth(config);
    admin(config);
    cluster(config);
    planning(config);
    page_routes(config);
    config.default_service(web::to(unknown));
}

fn auth(config: &mut ServiceConfig) {
    config
        .service(web::resource("/api/auth/me").route(web::get().to(session::me)))
        .service(web::resource("/api/auth/tokens").route(web::post().to(session::mint)))
        .service(web::resource("/api/auth/sign-in-links").route(web::post().to(session::mint_link)));
}

fn admin(config: &mut ServiceConfig) {
    let at = |path: &str| web::resource(format!("/api/admin/actors{path}"));
    config
        .service(at("").route(web::get().to(admin::list)))
        .service(at("/slow").route(web::get().to(admin::slow)))
        .service(at("/{class}/{tenant}/{name}").route(web::get().to(admin::show)))
        .service(at("/{class}/{tenant}/{name}/values").route(web::get().to(admin::values)))
        .service(at("/{class}/{tenant}/{name}/passivate").route(web::post().to(admin::passivate)))
        .service(web::resource("/api/admin/vectors").route(web::get().to(vectors::list)))
        .service(web::resource("/api/admin/vectors/{tenant}").route(web::get().to(vectors::show)))
        .service(web::resource("/api/admin/vectors/{tenant}/rebuild").route(web::post().to(vectors::rebuild)))
        .service(web::resource("/api/admin/backups").route(web::post().to(backups::create)))
        .service(web::resource("/api/admin/restores").route(web::post().to(backups::restore)))
        .service(web::resource("/api/admin/jobs/{id}").route(web::get().to(backups::job)));
}

fn cluster(config: &mut ServiceConfig) {
    let at = |path: &str| web::resource(format!("/api/cluster{path}"));
    config
        .service(at("").route(web::get().to(nodes::overview)))
        .service(at("/node").route(web::get().to(nodes::local)))
        .service(at("/nodes/{id}/drain").route(web::post().to(nodes::drain)))
        .service(at("/nodes/{id}/up").route(web::post().to(nodes::up)))
        .service(at("/nodes/{id}/remove").route(web::post().to(nodes::remove)));
}

fn planning(config: &mut ServiceConfig) {
    let at = |path: &str| web::resource(format!("/api/planning{path}"));
    config
        .service(at("/health").route(web::get().to(health::planning)))
        .service(
            at("/runs")
                .route(web::get().to(api::list_runs))
                .route(web::post().to(api::create_run)),
        )
        .service(
            at("/runs/{id}")
                .route(web::get().to(api::get_run))
                .route(web::delete().to(api::delete_run)),
        )
        .service(at("/runs/{id}/phases").route(web::get().to(api::phases)))
        .service(at("/runs/{id}/cancel").route(web::post().to(api::cancel)))
        .service(at("/runs/{id}/pause").route(web::post().to(api::pause)))
        .service(at("/runs/{id}/resume").route(web::post().to(api::resume)))
        .service(at("/runs/{id}/approve").route(web::post().to(api::approve)))
        .service(at("/runs/{id}/reject").route(web::post().to(api::reject)))
        .service(at("/runs/{id}/artifacts").route(web::get().to(api::list_artifacts)))
        .service(
            at("/runs/{id}/artifacts/{phase}")
                .route(web::get().to(api::get_artifact))
                .route(web::post().to(api::post_artifact)),
        )
        .service(at("/runs/{id}/context").route(web::post().to(api::context)))
        .service(at("/runs/{id}/package").route(web::get().to(api::package)))
        .service(at("/runs/{id}/events").route(web::get().to(sse::events)))
        .service(at("/parked-ideas").route(web::get().to(api::list_parked)))
        .service(at("/parked-ideas/{id}/promote").route(web::post().to(api::promote)));
}

fn page_routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/").route(web::get().to(pages::home)))
        .service(web::resource("/sign-in").route(web::get().to(pages::sign_in)))
        .service(web::resource("/sign-in/{token}").route(web::get().to(session::sign_in_by_link)))
        .service(web::resource("/sign-out").route(web::post().to(session::sign_out)))
        .service(
            web::resource("/runs")
                .route(web::get().to(pages::runs))
                .route(web::post().to(pages::create_run)),
        )
        .service(web::resource("/runs/new").route(web::get().to(pages::new_run)))
        .service(web::resource("/runs/{id}").route(web::get().to(pages::run)))
        .service(web::resource("/runs/{id}/plan").route(web::get().to(pages::plan)))
        .service(web::resource("/runs/{id}/phases/{phase}").route(web::get().to(pages::artifact)))
        .service(web::resource("/runs/{id}/fragments/{name}").route(web::get().to(pages::fragment)))
        .service(web::resource("/runs/{id}/{act}").route(web::post().to(pages::act)))
        .service(web::resource("/parked").route(web::get().to(pages::parked)))
        .service(web::resource("/parked/{id}/promote").route(web::post().to(pages::promote)))
        .service(web::resource("/cluster").route(web::get().to(pages::cluster)))
        .service(web::resource("/cluster/nodes/{id}/{act}").route(web::post().to(pages::send_node)))
        .service(web::resource("/settings").route(web::get().to(pages::settings)))
        .service(web::resource("/theme").route(web::post().to(pages::theme)))
        .service(web::resource("/assets/{name}").route(web::get().to(pages::asset)));
}

async fn unknown() -> Result<&'static str, Problem> {
    Err(Problem::not_found("not-found", "there is nothing at this address"))
}
