//! The planning API on good days.

use actix_web::test::TestRequest;
use serde_json::json;

use super::bench::{Bench, GO, IDEA, KILL, model, silent};

#[tokio::test(start_paused = true)]
async fn an_idea_becomes_a_package_through_the_api() {
    Bench::with(model(GO), async |bench| {
        let run = bench.create(json!({})).await;
        let columns = bench.until(&run, "completed").await;
        for column in [
            "id",
            "idea",
            "refined_idea",
            "status",
            "current_phase",
            "mode",
            "quality_score",
            "revenue_potential",
            "workflow_instance_id",
            "kill_verdict",
            "pivot_count",
            "package_key",
            "created_at",
            "updated_at",
        ] {
            assert!(columns.as_object().unwrap().contains_key(column), "{column}");
        }
        assert_eq!(columns["kill_verdict"], "GO");

        let phases = bench.get(&format!("/api/planning/runs/{run}/phases")).await.json();
        assert_eq!(phases["runId"], run.as_str());
        assert_eq!(phases["run_status"], "completed");
        let rows = phases["phases"].as_array().unwrap();
        assert_eq!(rows.len(), 15);
        assert!(
            rows.iter()
                .all(|row| row["status"] == "completed" && row["version"] == 1),
            "{phases}"
        );

        let list = bench.get(&format!("/api/planning/runs/{run}/artifacts")).await.json();
        assert_eq!(list["items"].as_array().unwrap().len(), 15);
        assert!(list["items"][0].get("content").is_none());

        let artifact = bench
            .get(&format!("/api/planning/runs/{run}/artifacts/strategy?version=1"))
            .await
            .json();
        assert_eq!(artifact["phase"], "strategy");
        assert!(artifact["content"].is_object(), "{artifact}");

        let found = bench
            .post(
                &format!("/api/planning/runs/{run}/context"),
                &json!({ "query": "customers", "topK": 3 }),
            )
            .await
            .json();
        assert_eq!(found["runId"], run.as_str());
        assert_eq!(found["idea"], IDEA);
        assert_eq!(found["results"].as_array().unwrap().len(), 3);
        assert!(found["results"][0]["score"].is_number() && found["results"][0]["content"].is_string());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_package_is_json_or_markdown_as_asked() {
    Bench::with(model(GO), async |bench| {
        let run = bench.create(json!({})).await;
        let path = format!("/api/planning/runs/{run}/package");
        assert_ne!(bench.get(&path).await.status, 200, "there is no package yet");
        bench.until(&run, "completed").await;

        let package = bench.get(&path).await;
        assert_eq!(package.header("content-type"), "application/json");
        let name = format!("filename=\"planning-package-{run}.json\"");
        assert!(
            package.header("content-disposition").contains(&name),
            "{}",
            package.header("content-disposition")
        );
        assert!(package.json().is_object());

        for request in [
            TestRequest::get().uri(&format!("{path}?format=markdown")),
            TestRequest::get().uri(&path).insert_header(("accept", "text/markdown")),
        ] {
            let markdown = bench.admin(request).await;
            assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
            assert!(markdown.text().contains("# "));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_answer_is_not_sent_again() {
    Bench::with(model(GO), async |bench| {
        let run = bench.create(json!({})).await;
        bench.until(&run, "completed").await;
        for path in [
            "/api/planning/runs".to_owned(),
            format!("/api/planning/runs/{run}"),
            format!("/api/planning/runs/{run}/phases"),
            format!("/api/planning/runs/{run}/artifacts"),
            format!("/api/planning/runs/{run}/artifacts/opportunity"),
            format!("/api/planning/runs/{run}/package"),
            "/api/planning/parked-ideas".to_owned(),
        ] {
            let first = bench.get(&path).await;
            let tag = first.header("etag").to_owned();
            assert!(tag.starts_with("W/\""), "{path}: {tag:?}");
            let again = bench
                .admin(
                    TestRequest::get()
                        .uri(&path)
                        .insert_header(("if-none-match", tag.as_str())),
                )
                .await;
            assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_idea_is_parked_and_promoted_once() {
    Bench::with(model(KILL), async |bench| {
        let run = bench.create(json!({})).await;
        bench.until(&run, "killed").await;
        bench.cluster.advance(std::time::Duration::from_secs(5)).await;
        let parked = bench.get("/api/planning/parked-ideas?source=kill-test").await.json();
        let idea = &parked["items"][0];
        assert_eq!(
            (idea["run_id"].as_str(), idea["idea"].as_str()),
            (Some(run.as_str()), Some(IDEA))
        );
        assert!(idea.get("artifact_summary").is_none());

        let path = format!("/api/planning/parked-ideas/{}/promote", idea["id"].as_str().unwrap());
        let with_key = || {
            let request = TestRequest::post().uri(&path).set_json(json!({}));
            request.insert_header(("idempotency-key", "p1"))
        };
        let promoted = bench.admin(with_key()).await.json();
        assert_eq!(
            bench.admin(with_key()).await.json(),
            promoted,
            "a repetition is answered alike"
        );
        assert_eq!(promoted["promoted"], true);
        assert_eq!(promoted["parkedIdeaId"], idea["id"]);
        let new = promoted["newRunId"].as_str().unwrap();
        assert_eq!(promoted["workflowInstanceId"], new);
        bench.cluster.advance(std::time::Duration::from_secs(5)).await;
        let columns = bench.get(&format!("/api/planning/runs/{new}")).await.json();
        assert_eq!(columns["workflow_instance_id"], new);

        let again = bench.post(&path, &json!({})).await;
        let problem = again.problem(409, again.json()["code"].as_str().unwrap());
        assert!(problem["state"].as_str().unwrap().contains(new), "{problem}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_same_key_makes_one_run() {
    Bench::with(silent(), async |bench| {
        let post = async |key: &str, body: serde_json::Value| {
            let request = TestRequest::post()
                .uri("/api/planning/runs")
                .insert_header(("idempotency-key", key));
            bench.admin(request.set_json(body)).await
        };
        let first = post("k1", json!({ "idea": IDEA })).await;
        let again = post("k1", json!({ "idea": IDEA })).await;
        assert_eq!(first.json()["id"], again.json()["id"]);
        assert_eq!(
            (first.header("idempotent-replayed"), again.header("idempotent-replayed")),
            ("", "true")
        );
        assert_ne!(
            first.json()["id"],
            post("k2", json!({ "idea": IDEA })).await.json()["id"]
        );
        let other = json!({ "idea": IDEA, "config": { "requireReview": true } });
        post("k1", other).await.problem(422, "idempotency.mismatch");
        bench.cluster.advance(std::time::Duration::from_secs(5)).await;
        assert_eq!(
            bench.get("/api/planning/runs").await.json()["items"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn lists_are_paged_by_cursor() {
    Bench::with(silent(), async |bench| {
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(bench.create(json!({})).await);
            bench.cluster.advance(std::time::Duration::from_secs(2)).await;
        }
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = bench
                .get(&format!("/api/planning/runs?limit=2&status=running{after}"))
                .await
                .json();
            let items = page["items"].as_array().unwrap().clone();
            assert!(items.len() <= 2);
            seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        made.reverse();
        assert_eq!(seen, made, "newest first, each once");
        bench
            .get("/api/planning/parked-ideas?cursor=MTpydW5zOng")
            .await
            .problem(400, "query.cursor");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn health_and_readiness_tell_the_truth() {
    Bench::with(silent(), async |bench| {
        for path in ["/health", "/api/planning/health"] {
            let answer = bench.call(TestRequest::get().uri(path)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.json()["status"].as_str()),
                (200, Some("ok")),
                "{path}"
            );
        }
        let ready = bench.call(TestRequest::get().uri("/ready")).await.json();
        assert_eq!(
            (ready["status"].as_str(), ready["model"]["id"].as_str()),
            (Some("ready"), Some("fake"))
        );
        bench.gateway.readiness.drain();
        let draining = bench.call(TestRequest::get().uri("/ready")).await;
        draining.problem(503, "draining");
        assert_eq!(draining.header("retry-after"), "2");
        assert_eq!(
            bench.call(TestRequest::get().uri("/health")).await.status,
            200,
            "alive, but not ready"
        );
        assert_eq!(bench.call(TestRequest::get().uri("/metrics")).await.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_head_is_the_get_without_its_content() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        for path in [
            "/health".to_owned(),
            "/runs".to_owned(),
            format!("/api/planning/runs/{run}"),
            format!("/api/planning/runs/{run}/events"),
        ] {
            let head = TestRequest::default().method(actix_web::http::Method::HEAD).uri(&path);
            let answer = bench.admin(head).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{path}");
            assert!(!answer.header("content-type").is_empty(), "{path}");
        }
        let head = TestRequest::default()
            .method(actix_web::http::Method::HEAD)
            .uri("/sign-in/whatever");
        assert_eq!(bench.call(head).await.status, 405, "a look uses no link up");
    })
    .await;
}
