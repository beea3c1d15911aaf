//! What people do to runs, and what the state of a run forbids.

use actix_web::test::TestRequest;
use serde_json::json;

use super::bench::{Bench, GO, model, silent};
use actors::role::Role;

#[tokio::test(start_paused = true)]
async fn a_run_is_paused_resumed_cancelled_and_deleted() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        let act = async |act: &str| bench.post(&format!("/api/planning/runs/{run}/{act}"), &json!({})).await;
        let paused = act("pause").await;
        assert_eq!((paused.status.as_u16(), &paused.json()["id"]), (200, &json!(run)));
        let resumed = act("resume").await;
        assert_eq!(resumed.status, 200, "{}", resumed.text());
        assert_eq!(act("cancel").await.json()["status"], "cancelled");
        for refused in ["cancel", "pause", "resume", "approve", "reject"] {
            let answer = act(refused).await;
            let code = answer.json()["code"].as_str().unwrap().to_owned();
            assert_eq!(answer.problem(409, &code)["state"], "cancelled", "{refused}");
        }
        let deleted = bench
            .admin(TestRequest::delete().uri(&format!("/api/planning/runs/{run}")))
            .await;
        assert_eq!(deleted.json(), json!({ "id": run, "deleted": true }));
        bench.cluster.advance(std::time::Duration::from_secs(5)).await;
        assert_eq!(bench.get("/api/planning/runs").await.json()["items"], json!([]));
    })
    .await;
}

/// Guarantee 13, seen from outside.
#[tokio::test(start_paused = true)]
async fn a_change_under_an_idempotency_key_is_made_once_and_answered_alike() {
    Bench::with(model(GO), async |bench| {
        let run = bench.create(json!({ "requireApproval": true })).await;
        bench.until(&run, "awaiting_approval").await;
        let path = format!("/api/planning/runs/{run}/approve");
        let approve = async |key: &'static str, comment: &'static str| {
            let request = TestRequest::post().uri(&path).insert_header(("idempotency-key", key));
            bench.admin(request.set_json(json!({ "comment": comment }))).await
        };
        let first = approve("a1", "well argued").await;
        bench.until(&run, "completed").await;
        let again = approve("a1", "well argued").await;
        assert_eq!((again.status, again.json()), (first.status, first.json()));
        assert_eq!(first.status, 200);
        approve("a1", "on second thoughts")
            .await
            .problem(422, "idempotency.mismatch");
        let other = approve("a2", "well argued").await;
        let code = other.json()["code"].as_str().unwrap().to_owned();
        assert_eq!(other.problem(409, &code)["state"], "completed");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_approval_before_its_package() {
    Bench::with(model(GO), async |bench| {
        let approved = bench.create(json!({ "requireApproval": true })).await;
        let rejected = bench.create(json!({ "requireApproval": true })).await;
        bench.until(&approved, "awaiting_approval").await;
        bench.until(&rejected, "awaiting_approval").await;
        let yes = json!({ "comment": "well argued" });
        assert_eq!(
            bench
                .post(&format!("/api/planning/runs/{approved}/approve"), &yes)
                .await
                .status,
            200
        );
        bench.until(&approved, "completed").await;
        let no = json!({ "comment": "too crowded a market" });
        bench.post(&format!("/api/planning/runs/{rejected}/reject"), &no).await;
        bench.until(&rejected, "cancelled").await;
        let page = bench.browse(&format!("/runs/{rejected}")).await.text();
        assert!(page.contains("too crowded a market"), "the comment is kept");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn mode_local_is_refused_clearly() {
    Bench::with(silent(), async |bench| {
        let body = json!({ "idea": super::bench::IDEA, "mode": "local" });
        bench
            .post("/api/planning/runs", &body)
            .await
            .problem(422, "run.local-mode");
        let run = bench.create(json!({})).await;
        let path = format!("/api/planning/runs/{run}/artifacts/strategy");
        bench
            .post(&path, &json!({ "anything": 1 }))
            .await
            .problem(422, "run.local-mode");
    })
    .await;
}

/// Every route of a run, with the method and body it takes.
fn routes(run: &str) -> Vec<(&'static str, String)> {
    let at = |rest: &str| format!("/api/planning/runs/{run}{rest}");
    vec![
        ("GET", at("")),
        ("DELETE", at("")),
        ("GET", at("/phases")),
        ("POST", at("/cancel")),
        ("POST", at("/pause")),
        ("POST", at("/resume")),
        ("POST", at("/approve")),
        ("POST", at("/reject")),
        ("GET", at("/artifacts")),
        ("GET", at("/artifacts/strategy")),
        ("POST", at("/artifacts/strategy")),
        ("POST", at("/context")),
        ("GET", at("/package")),
        ("GET", at("/events")),
    ]
}

fn request(method: &str, path: &str) -> TestRequest {
    let body = if path.ends_with("/context") {
        json!({ "query": "x" })
    } else {
        json!({})
    };
    match method {
        "GET" => TestRequest::get().uri(path),
        "DELETE" => TestRequest::delete().uri(path),
        _ => TestRequest::post().uri(path).set_json(body),
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_of_another_tenant_does_not_exist() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        let foreign = bench.token("other", "admin", Role::Admin).await;
        for (method, path) in routes(&run) {
            let request = request(method, &path).insert_header(("authorization", format!("Bearer {foreign}")));
            let answer = bench.call(request).await;
            answer.problem(404, "run.not-found");
        }
        let list = TestRequest::get()
            .uri("/api/planning/runs")
            .insert_header(("authorization", format!("Bearer {foreign}")));
        assert_eq!(bench.call(list).await.json()["items"], json!([]));
        assert_eq!(bench.until(&run, "running").await["id"], run, "nothing happened to it");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_id_is_not_found_on_every_route() {
    Bench::with(silent(), async |bench| {
        for run in ["01980000-0000-7000-8000-000000000000", "not-an-id", "..%2f..%2fetc"] {
            for (method, path) in routes(run) {
                bench.admin(request(method, &path)).await.problem(404, "run.not-found");
            }
        }
        bench
            .post("/api/planning/parked-ideas/nope/promote", &json!({}))
            .await
            .problem(404, "parked-idea.not-found");
        let run = bench.create(json!({})).await;
        let path = format!("/api/planning/runs/{run}/artifacts/astrology");
        bench.get(&path).await.problem(404, "phase.not-found");
    })
    .await;
}
