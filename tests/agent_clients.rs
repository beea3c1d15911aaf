//! Clients of others, unmodified, against a real server with an agent of an application.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/clients.rs"]
mod clients;
#[path = "support/server.rs"]
mod server;

use self::{
    clients::{Script, example},
    server::Setup,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_client_of_the_npm_package_agents_works_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data")).program(&example("room"));
    let mut server = setup.start().await;
    let mut script = Script::start("agents.mjs", &[("HOST", &server.host()), ("TOKEN", server.token())]);
    let mut passed = 0;
    while let Some(line) = script.next() {
        if line["do"] == "kill" {
            server.kill();
            server = setup.start().await;
            script.go_on();
        }
        passed += usize::from(line["passed"].is_string());
    }
    script.ended_well();
    assert_eq!(passed, 9);
}
