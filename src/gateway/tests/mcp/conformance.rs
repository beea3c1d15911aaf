//! The example agent behind a real port, for the conformance suite of the protocol, which `script/mcp-conformance` installs and runs here.

use std::{env, ffi::OsString, process::Stdio, time::Duration};

use actix_web::{
    HttpServer,
    dev::{ServerHandle, ServiceRequest},
    http::header::{self, HeaderValue},
    middleware::{Next, from_fn},
};
use actors::role::Role;
use tokio::{process::Command, time::timeout};

use super::example::ExampleAgent;
use crate::gateway::{
    McpAgent, app,
    tests::bench::{Real, real},
};

/// Longest time of all scenarios together.
const TIME_MAX: Duration = Duration::from_secs(240);

/// A server with an agent. Whoever asks without a token is taken for Ann, because the suite has none.
async fn serve(node: &Real) -> (String, ServerHandle) {
    let token = format!("Bearer {}", node.token("acme", "ann", Role::Admin).await);
    let token = HeaderValue::from_str(&token).unwrap();
    let gateway = node.gateway.clone();
    let server = HttpServer::new(move || {
        let token = token.clone();
        let add = move |mut request: ServiceRequest, next: Next<_>| {
            if !request.headers().contains_key(header::AUTHORIZATION) {
                request.headers_mut().insert(header::AUTHORIZATION, token.clone());
            }
            next.call(request)
        };
        app(gateway.clone()).wrap(from_fn(add))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let address = server.addrs()[0];
    let running = server.run();
    let handle = running.handle();
    actix_web::rt::spawn(running);
    (format!("http://localhost:{}/mcp", address.port()), handle)
}

/// What a script has prepared: the program and its first arguments.
fn prepared(name: &str) -> Vec<OsString> {
    let value = env::var_os(name).unwrap_or_else(|| panic!("{name} is set by the script that runs this"));
    env::split_paths(&value).map(Into::into).collect()
}

/// Runs what a script has prepared against a server with an agent.
async fn run(name: &str, agent: impl McpAgent, arguments: &[&str]) {
    let node = real(agent).await;
    let (url, server) = serve(&node).await;
    let prepared = prepared(name);
    let program = Command::new(&prepared[0])
        .args(&prepared[1..])
        .args(arguments)
        .arg("--url")
        .arg(url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status();
    let status = timeout(TIME_MAX, program).await.expect("it ends in time").unwrap();
    assert!(status.success(), "{status}");
    server.stop(false).await;
    node.shutdown().await;
}

#[test]
#[ignore = "script/mcp-conformance runs it with the suite"]
fn the_conformance_suite_passes() {
    actix_web::rt::System::new().block_on(run("FOUNDATION_MCP_SUITE", ExampleAgent, &["server", "--suite", "all"]));
}
