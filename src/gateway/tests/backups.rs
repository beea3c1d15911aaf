//! Backups and restores by the API.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::bench::{Answer, Bench, silent};
use actors::role::Role;

async fn ended(bench: &Bench, started: &Answer) -> Value {
    assert_eq!(started.status, 202, "{}", started.text());
    for _ in 0..10_000 {
        let job = bench.get(started.header("location")).await.json();
        if job["state"] != "running" {
            return job;
        }
        bench.cluster.advance(std::time::Duration::from_millis(1)).await;
    }
    panic!("the job never ended");
}

async fn post(bench: &Bench, path: &str, body: &Value) -> Answer {
    bench.post(path, body).await
}

#[tokio::test(start_paused = true)]
async fn a_run_is_deleted_and_brought_back() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        let taken = ended(
            bench,
            &post(bench, "/api/admin/backups", &json!({ "tenant": "default" })).await,
        )
        .await;
        assert_eq!(taken["state"], "backed-up", "{taken}");
        assert_eq!(taken["done"], taken["total"]);
        let body = json!({ "tenant": "default", "name": taken["name"] });
        let refused = ended(bench, &post(bench, "/api/admin/restores", &body).await).await;
        assert_eq!(
            (&refused["state"], &refused["code"]),
            (&json!("failed"), &json!("backup.present"))
        );

        let path = format!("/api/planning/runs/{run}");
        bench.admin(TestRequest::delete().uri(&path)).await;
        let body = json!({ "tenant": "default", "name": taken["name"], "replace": true });
        let restored = ended(bench, &post(bench, "/api/admin/restores", &body).await).await;
        assert_eq!(restored["state"], "restored", "{restored}");
        assert_eq!(bench.get(&path).await.json()["status"], "running");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn only_the_operator_makes_backups_and_no_request_names_a_path() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Admin).await;
        let guest = |request: TestRequest| request.insert_header(("authorization", format!("Bearer {token}")));
        for path in ["/api/admin/backups", "/api/admin/restores"] {
            bench
                .call(guest(TestRequest::post().uri(path).set_json(json!({}))))
                .await
                .problem(403, "auth.permission");
            bench
                .call(TestRequest::post().uri(path))
                .await
                .problem(401, "auth.required");
        }
        let job = guest(TestRequest::get().uri("/api/admin/jobs/1"));
        bench.call(job).await.problem(403, "auth.permission");
        bench.get("/api/admin/jobs/1").await.problem(404, "backup.job");
        for name in ["..", "../cluster", "/etc"] {
            let body = json!({ "tenant": "default", "name": name });
            post(bench, "/api/admin/restores", &body)
                .await
                .problem(422, "backup.name");
        }
        let body = json!({ "actor": "x" });
        post(bench, "/api/admin/backups", &body)
            .await
            .problem(422, "backup.contents");
        let missing = ended(
            bench,
            &post(
                bench,
                "/api/admin/restores",
                &json!({ "tenant": "default", "name": "none" }),
            )
            .await,
        )
        .await;
        assert_eq!(missing["code"], "backup.damaged", "{missing}");
    })
    .await;
}
