//! The caller's tenant through the API: members, API keys, and the chain of what was done.

use actix_web::test::TestRequest;
use actors::role::Role;
use serde_json::{Value, json};

use super::bench::{Answer, Bench, IDEA, silent};

const KEYS: &str = "/api/tenant/keys";

async fn with(bench: &Bench, credential: &str, request: TestRequest) -> Answer {
    bench
        .call(request.insert_header(("authorization", format!("Bearer {credential}"))))
        .await
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn post(path: &str, body: &Value) -> TestRequest {
    TestRequest::post().uri(path).set_json(body)
}

fn delete(path: &str) -> TestRequest {
    TestRequest::delete().uri(path)
}

/// The types of the tenant's events, the oldest first.
async fn events(bench: &Bench, credential: &str) -> Vec<String> {
    bench.cluster.advance(std::time::Duration::from_secs(1)).await;
    let list = with(bench, credential, get("/api/audit?order=oldest&limit=200"))
        .await
        .json();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["event_type"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_api_key_works_until_it_is_revoked() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        let body = json!({ "name": "ci", "permissions": ["run:view", "run:create"], "expires_in_days": 30 });
        let made = with(bench, &ann, post(KEYS, &body)).await;
        assert_eq!(
            (made.status.as_u16(), made.header("cache-control")),
            (201, "no-store"),
            "{}",
            made.text()
        );
        let made = made.json();
        let key = made["key"].as_str().unwrap();
        assert!(key.starts_with("fdn_acme_"), "{key}");
        assert_eq!(made["permissions"], json!(["run:create", "run:view"]));

        let run = post("/api/planning/runs", &json!({ "idea": IDEA }));
        assert_eq!(with(bench, key, run).await.status, 200);
        assert_eq!(
            with(bench, key, get("/api/planning/runs")).await.json()["items"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        with(bench, key, get(KEYS)).await.problem(403, "auth.permission");
        let me = with(bench, key, get("/api/auth/me")).await.json();
        assert_eq!((&me["tenant"], &me["role"]), (&json!("acme"), &Value::Null));
        assert_eq!(me["permissions"], json!(["run:view", "run:create"]));

        let listed = with(bench, &ann, get(KEYS)).await;
        assert_eq!(listed.json()["items"][0]["name"], "ci");
        assert!(
            !listed.text().contains(key.rsplit('_').next().unwrap()),
            "the secret is shown once"
        );

        let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
        assert_eq!(with(bench, &ann, delete(&path)).await.status, 204);
        tokio::time::advance(crate::gateway::recent::FRESH).await;
        with(bench, key, get("/api/planning/runs"))
            .await
            .problem(401, "auth.invalid-key");
        with(bench, &ann, delete(&path)).await.problem(404, "key.unknown");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_key_may_do_no_more_than_its_maker() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        let refused = async |credential: &str, body: Value, status: u16, code: &str| {
            with(bench, credential, post(KEYS, &body)).await.problem(status, code);
        };
        refused(
            &ann,
            json!({ "name": "x", "permissions": ["system:configure"] }),
            403,
            "auth.permission",
        )
        .await;
        refused(
            &ann,
            json!({ "name": "x", "permissions": ["run:everything"] }),
            422,
            "key.permission",
        )
        .await;
        refused(&ann, json!({ "name": "x" }), 422, "key.scope").await;
        refused(
            &ann,
            json!({ "name": "x", "role": "admin", "permissions": ["run:view"] }),
            422,
            "key.scope",
        )
        .await;
        refused(
            &ann,
            json!({ "name": "x", "permissions": "run:view" }),
            422,
            "body.invalid",
        )
        .await;
        let body = json!({ "name": "maker", "permissions": ["key:create", "run:view"] });
        let maker = with(bench, &ann, post(KEYS, &body)).await.json()["key"]
            .as_str()
            .unwrap()
            .to_owned();
        refused(
            &maker,
            json!({ "name": "x", "role": "operator" }),
            403,
            "auth.permission",
        )
        .await;
        refused(
            &maker,
            json!({ "name": "x", "permissions": ["run:create"] }),
            403,
            "auth.permission",
        )
        .await;
        let less = json!({ "name": "less", "permissions": ["run:view"] });
        assert_eq!(with(bench, &maker, post(KEYS, &less)).await.status, 201);
        for forged in [
            "fdn_",
            "fdn_acme",
            "fdn_acme_x_y",
            &maker.replace("acme", "other"),
            &format!("{maker}0"),
        ] {
            with(bench, forged, get("/api/auth/me"))
                .await
                .problem(401, "auth.invalid-key");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn members_are_listed_raised_and_removed_but_never_the_last_admin() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        let bob = bench.token("acme", "bob", Role::Operator).await;
        let members = with(bench, &ann, get("/api/tenant/members")).await.json();
        let roles: Vec<_> = members["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|member| (member["user"].as_str().unwrap(), member["role"].as_str().unwrap()))
            .collect();
        assert_eq!(roles, [("ann", "admin"), ("bob", "operator")]);
        let role = |user: &str, role: &str| post(&format!("/api/tenant/members/{user}/role"), &json!({ "role": role }));
        with(bench, &bob, role("bob", "admin"))
            .await
            .problem(403, "auth.permission");
        with(bench, &ann, role("ann", "operator"))
            .await
            .problem(409, "member.last-admin");
        with(bench, &ann, delete("/api/tenant/members/ann"))
            .await
            .problem(409, "member.last-admin");
        with(bench, &ann, role("eve", "operator"))
            .await
            .problem(404, "member.unknown");
        with(bench, &ann, role("bob", "king"))
            .await
            .problem(422, "body.invalid");
        assert_eq!(
            with(bench, &ann, role("bob", "supervisor")).await.json()["role"],
            "supervisor"
        );
        assert_eq!(with(bench, &ann, delete("/api/tenant/members/bob")).await.status, 200);
        tokio::time::advance(crate::gateway::recent::FRESH).await;
        with(bench, &bob, get("/api/planning/runs"))
            .await
            .problem(403, "auth.no-member");
        assert_eq!(with(bench, &ann, get("/api/tenant")).await.json()["id"], "acme");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_recorded_with_who_did_it_and_verifies() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        let before = events(bench, &ann).await;
        let run = post("/api/planning/runs", &json!({ "idea": IDEA })).insert_header(("x-correlation-id", "req-1"));
        let run = with(bench, &ann, run).await.json()["id"].as_str().unwrap().to_owned();
        let act = |act: &str| post(&format!("/api/planning/runs/{run}/{act}"), &json!({}));
        for name in ["pause", "resume", "cancel"] {
            assert_eq!(with(bench, &ann, act(name)).await.status, 200, "{name}");
        }
        let done = events(bench, &ann).await.split_off(before.len());
        for event in ["run_created", "run_paused", "run_resumed", "run_cancelled"] {
            assert_eq!(
                done.iter().filter(|done| *done == event).count(),
                1,
                "{event}: {done:?}"
            );
        }
        let created = with(bench, &ann, get("/api/audit?event=run_created")).await.json()["items"][0].clone();
        assert_eq!(
            (&created["payload"]["actor"], &created["payload"]["request_id"]),
            (&json!("ann"), &json!("req-1")),
            "{created}"
        );

        let verdict = with(bench, &ann, get("/api/admin/audit-verify/acme")).await.json();
        assert_eq!(
            (&verdict["tenantId"], &verdict["chainValid"]),
            (&json!("acme"), &json!(true)),
            "{verdict}"
        );
        assert_eq!(verdict["length"], before.len() + done.len());
        assert_eq!(verdict["headHash"].as_str().unwrap().len(), 64);
        let export = with(bench, &ann, get("/api/audit/export")).await;
        assert_eq!(export.header("content-type"), "application/jsonl");
        assert_eq!(
            export.text().lines().count(),
            before.len() + done.len() + 1,
            "each record, and the signed end"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_chain_of_another_tenant_is_not_there() {
    Bench::with(silent(), async |bench| {
        let ann = bench.token("acme", "ann", Role::Admin).await;
        let bob = bench.token("other", "bob", Role::Admin).await;
        for tenant in ["acme", "default", "system", "nobody", "..%2Facme"] {
            let path = format!("/api/admin/audit-verify/{tenant}");
            with(bench, &bob, get(&path)).await.problem(404, "tenant.not-found");
        }
        assert_eq!(with(bench, &ann, get("/api/admin/audit-verify/acme")).await.status, 200);
        let home = bench.get("/api/admin/audit-verify/acme").await;
        assert_eq!(
            home.json()["chainValid"],
            true,
            "who looks after the server may have it checked"
        );
    })
    .await;
}
