//! What a client needs to know to get a token: the metadata of the protected resource (RFC 9728), and where the refusal says it is.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;

use crate::gateway::state::Gateway;

/// Where the metadata is; behind it stands the path of the resource.
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What is said where the path has none.
const DEFAULT: &str = "/mcp";

/// The metadata, as RFC 9728 names its members.
#[derive(Debug, Serialize)]
struct Metadata {
    resource: String,
    authorization_servers: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    resource_name: &'static str,
    resource_documentation: String,
}

/// `GET /.well-known/oauth-protected-resource/mcp`.
pub(crate) async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> HttpResponse {
    let path = request.path().strip_prefix(WELL_KNOWN).unwrap_or_default();
    let path = if path.is_empty() { DEFAULT } else { path };
    let base = base(&request, &gateway);
    let issuers = gateway.auth.issuers.iter().map(|issuer| issuer.issuer.clone());
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        // What it says differs with the name that the server is asked under.
        .insert_header((header::VARY, "host"))
        .json(Metadata {
            resource: format!("{base}{path}"),
            authorization_servers: issuers.collect(),
            bearer_methods_supported: ["header"],
            resource_name: "foundation",
            resource_documentation: format!("{base}/api/docs/"),
        })
}

/// What a refusal says to a client without a token, or with one that is not good; none at addresses of others.
pub(crate) fn challenge(request: &HttpRequest, gateway: &Gateway) -> Option<String> {
    let path = match request.path() {
        "/messages" => "/sse",
        path => path,
    };
    is_resource(path).then(|| {
        let base = base(request, gateway);
        format!("Bearer realm=\"foundation\", resource_metadata=\"{base}{WELL_KNOWN}{path}\"")
    })
}

/// Whether an MCP server is at an address.
fn is_resource(path: &str) -> bool {
    if [DEFAULT, "/sse"].contains(&path) {
        return true;
    }
    let path = path.strip_prefix("/api").unwrap_or(path);
    let parts: Vec<_> = path.split('/').collect();
    matches!(parts[..], ["", "agents", _, _, "mcp"])
}

/// The address of this server as the client calls it.
fn base(request: &HttpRequest, gateway: &Gateway) -> String {
    let server = &gateway.server;
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let is_plain = |host: &&str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    match host.filter(is_plain) {
        Some(host) if server.public_url.is_empty() => format!("http://{host}"),
        Some(_) | None => server.base_url(),
    }
}
