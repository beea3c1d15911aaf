//! The cluster API on a node that is a cluster of its own. Several nodes are in `tests/three_nodes.rs`.

use actix_web::{cookie::Cookie, test::TestRequest};

use super::bench::{Bench, silent};
use actors::role::Role;

const ACTS: [&str; 3] = ["/nodes/1/drain", "/nodes/1/up", "/nodes/1/remove"];

fn get() -> TestRequest {
    TestRequest::get().uri("/api/cluster")
}

fn post(path: &str) -> TestRequest {
    TestRequest::post().uri(&format!("/api/cluster{path}"))
}

#[tokio::test(start_paused = true)]
async fn only_the_operator_looks_at_nodes_and_sends_them_away() {
    Bench::with(silent(), async |bench| {
        let local = || TestRequest::get().uri("/api/cluster/node");
        let requests = || [get(), local()].into_iter().chain(ACTS.map(post));
        for (tenant, role) in [
            ("default", Role::Operator),
            ("default", Role::Supervisor),
            ("acme", Role::Admin),
        ] {
            let bearer = format!("Bearer {}", bench.token(tenant, "x", role).await);
            for request in requests() {
                let answer = bench
                    .call(request.insert_header(("authorization", bearer.clone())))
                    .await;
                answer.problem(403, "auth.permission");
            }
        }
        for request in requests() {
            bench.call(request).await.problem(401, "auth.required");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_site_cannot_make_a_browser_drain_a_node() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("default", "x", Role::Admin).await;
        for act in ACTS {
            let request = post(act)
                .cookie(Cookie::new("session_id", token.clone()))
                .insert_header(("origin", "https://elsewhere.example"));
            bench.call(request).await.problem(403, "auth.origin");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_its_own_says_that_it_has_no_nodes_to_tell_of() {
    Bench::with(silent(), async |bench| {
        let bearer = format!("Bearer {}", bench.token("default", "x", Role::Admin).await);
        let ask = async |request: TestRequest| {
            bench
                .call(request.insert_header(("authorization", bearer.clone())))
                .await
        };
        let problem = ask(get()).await.problem(422, "cluster.alone");
        assert!(problem["detail"].as_str().unwrap().contains("[cluster]"), "{problem}");
        let local = TestRequest::get().uri("/api/cluster/node");
        ask(local).await.problem(422, "cluster.alone");
        for act in ACTS {
            ask(post(act)).await.problem(422, "cluster.alone");
        }
        ask(post("/nodes/one/drain")).await.problem(404, "cluster.node");
        ask(TestRequest::get().uri("/api/cluster/nodes/1/drain"))
            .await
            .problem(405, "method-not-allowed");
    })
    .await;
}
