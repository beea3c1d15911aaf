//! All tenants, for admins of the server.

use std::time::Duration;

use actix_web::test::TestRequest;
use actors::role::Role;
use serde_json::{Value, json};

use super::bench::{Answer, Bench, IDEA, silent};

const ROOT: &str = "/api/admin/tenants";

async fn with(bench: &Bench, token: &str, request: TestRequest) -> Answer {
    bench
        .call(request.insert_header(("authorization", format!("Bearer {token}"))))
        .await
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_lets_nobody_in_until_it_is_resumed() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        let mine = || with(bench, &ann, TestRequest::get().uri("/api/tenant"));
        assert_eq!(mine().await.status, 200);
        let suspended = bench
            .post(&format!("{ROOT}/acme/suspend"), &json!({ "why": "unpaid" }))
            .await;
        assert_eq!(suspended.json()["status"], "suspended");
        // What was found out a moment ago counts for a second.
        tokio::time::advance(Duration::from_millis(1001)).await;
        mine().await.problem(403, "tenant.suspended");
        let resumed = bench.post(&format!("{ROOT}/acme/resume"), &json!({})).await;
        assert_eq!(resumed.json()["status"], "active");
        tokio::time::advance(Duration::from_millis(1001)).await;
        assert_eq!(mine().await.status, 200);

        bench.cluster.advance(Duration::from_secs(1)).await;
        let chain = with(bench, &ann, TestRequest::get().uri("/api/audit?order=oldest"))
            .await
            .json();
        let told = chain["items"].as_array().unwrap().iter();
        let told: Vec<_> = told
            .filter(|record| record["event_type"] == "tenant_suspended")
            .map(|record| record["payload"].to_string())
            .collect();
        assert_eq!(told.len(), 1, "{chain}");
        assert!(told[0].contains("unpaid") && told[0].contains("admin"), "{told:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_home_tenant_is_never_suspended() {
    Bench::with(silent(), async |bench| {
        bench
            .post(&format!("{ROOT}/default/suspend"), &json!({ "why": "by mistake" }))
            .await
            .problem(409, "tenant.home");
        assert_eq!(bench.get("/api/tenant").await.json()["status"], "active");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tenants_are_listed_in_pages_and_get_other_plans() {
    Bench::with(silent(), async |bench| {
        for tenant in ["acme", "zoo"] {
            bench.token(tenant, "x", Role::Admin).await;
        }
        let home = bench.get("/api/tenant").await.json();
        bench.cluster.advance(Duration::from_secs(2)).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = bench.get(&format!("{ROOT}?limit=1{cursor}")).await.json();
            seen.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let names: Vec<_> = seen.iter().map(|tenant| tenant["id"].as_str().unwrap()).collect();
        assert_eq!(names, ["acme", "default", "zoo"]);
        assert_eq!(seen[1], home);
        assert_eq!(seen[0]["plan"], "free");
        let changed = bench
            .post(&format!("{ROOT}/acme/plan"), &json!({ "plan": "pro" }))
            .await;
        assert_eq!(changed.json()["plan"], "pro");
        assert_eq!(bench.get(&format!("{ROOT}/acme")).await.json()["plan"], "pro");
        for bad in [
            json!({}),
            json!({ "plan": "gold" }),
            json!({ "plan": "pro", "status": "active" }),
        ] {
            let refused = bench.post(&format!("{ROOT}/acme/plan"), &bad).await;
            refused.problem(422, "body.invalid");
        }
        bench
            .get(&format!("{ROOT}/nobody"))
            .await
            .problem(404, "tenant.unknown");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_called_otherwise_by_its_admins() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        let rename = |name: &str| TestRequest::post().uri("/api/tenant").set_json(json!({ "name": name }));
        assert_eq!(with(bench, &ann, rename("Acme Ltd")).await.json()["name"], "Acme Ltd");
        let shown: Value = with(bench, &ann, TestRequest::get().uri("/api/tenant")).await.json();
        assert_eq!(shown["name"], "Acme Ltd");
        with(bench, &ann, rename(&"x".repeat(200)))
            .await
            .problem(422, "body.invalid");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_erased_tenant_has_nothing_left_and_its_name_is_free() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        let create = TestRequest::post()
            .uri("/api/planning/runs")
            .set_json(json!({ "idea": IDEA }));
        assert_eq!(with(bench, &ann, create).await.status, 200);
        let objects = bench.gateway.objects();
        let key = "tenants/acme/runs/1/x";
        objects.put(key.to_owned(), "text/plain", "x".into()).await.unwrap();
        let erase = |tenant: &str, confirm: &str| {
            let path = format!("{ROOT}/{tenant}/erase");
            let body = json!({ "tenant": confirm });
            async move { bench.post(&path, &body).await }
        };
        erase("acme", "acme2").await.problem(422, "tenant.confirm");
        erase("default", "default").await.problem(409, "tenant.home");
        erase("system", "system").await.problem(409, "tenant.home");

        let begun = erase("acme", "acme").await;
        assert_eq!(begun.status, 202, "{}", begun.text());
        let job = format!("/api/admin/jobs/{}", begun.json()["id"].as_str().unwrap());
        let ended = loop {
            let job = bench.get(&job).await.json();
            if job["state"] != "running" {
                break job;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        assert_eq!(
            (&ended["state"], &ended["objects"]),
            (&json!("erased"), &json!(1)),
            "{ended}"
        );
        assert!(ended["actors"].as_u64().unwrap() >= 3, "{ended}");
        assert!(objects.get(key.to_owned()).await.is_err());
        with(bench, &ann, TestRequest::get().uri("/api/tenant"))
            .await
            .problem(403, "auth.no-member");
        bench.get(&format!("{ROOT}/acme")).await.problem(404, "tenant.unknown");
        // Somebody else may have the name; the former members have nothing there.
        let bob = bench.token("acme", "bob", Role::Admin).await;
        let runs = with(bench, &bob, TestRequest::get().uri("/api/planning/runs"))
            .await
            .json();
        assert_eq!(runs["items"], json!([]));
        with(bench, &ann, TestRequest::get().uri("/api/tenant"))
            .await
            .problem(403, "auth.no-member");
        let chain = bench.get("/api/audit?order=oldest&limit=100").await.text();
        assert!(
            chain.contains("tenant_erase_started") && chain.contains("tenant_erase_ended"),
            "{chain}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_exported_whole_and_without_secrets() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        bench.token("acme", "bob", Role::Operator).await;
        let key = TestRequest::post()
            .uri("/api/tenant/keys")
            .set_json(json!({ "name": "ci", "role": "operator" }));
        let key = with(bench, &ann, key).await.json()["key"].as_str().unwrap().to_owned();
        let create = TestRequest::post()
            .uri("/api/planning/runs")
            .set_json(json!({ "idea": IDEA }));
        let run = with(bench, &ann, create).await.json()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        bench.cluster.advance(Duration::from_secs(2)).await;

        let export = with(bench, &ann, TestRequest::get().uri("/api/tenant/export")).await;
        let disposition = export.header("content-disposition");
        assert_eq!(
            (export.status.as_u16(), disposition),
            (200, "attachment; filename=\"tenant-acme.jsonl\"")
        );
        let text = export.text();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
        assert_eq!(
            (&of("tenant")[0]["id"], lines[0]["kind"].as_str()),
            (&json!("acme"), Some("tenant"))
        );
        assert_eq!(of("member").len(), 2);
        assert_eq!(of("key")[0]["name"], "ci");
        assert_eq!(
            (&of("run")[0]["id"], &of("run")[0]["idea"]),
            (&json!(run), &json!(IDEA))
        );
        assert!(
            of("event").iter().any(|line| line["event"]["kind"] == "run_started"),
            "{text}"
        );
        let end = lines.last().unwrap();
        assert_eq!((&end["kind"], &end["lines"]), (&json!("end"), &json!(lines.len() - 1)));
        let secret = key.rsplit('_').next().unwrap();
        assert!(!text.contains(secret), "a secret is in the export");

        let bob = bench.token("acme", "bob", Role::Operator).await;
        with(bench, &bob, TestRequest::get().uri("/api/tenant/export"))
            .await
            .problem(403, "auth.permission");
    })
    .await;
}
