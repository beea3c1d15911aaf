//! The admin API: only the operator, every tenant, pages, one actor, putting it away.

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::Value;

use super::bench::{Answer, Bench, IDEA, silent};
use crate::gateway::SigningKeys;
use actors::role::Role;

const ROOT: &str = "/api/admin/actors";

async fn as_role(bench: &Bench, role: Role, request: TestRequest) -> Answer {
    let token = bench.token("default", "x", role).await;
    bench
        .call(request.insert_header(("authorization", format!("Bearer {token}"))))
        .await
}

async fn get(bench: &Bench, path: &str) -> Answer {
    as_role(bench, Role::Admin, TestRequest::get().uri(&format!("{ROOT}{path}"))).await
}

async fn post(bench: &Bench, path: &str) -> Answer {
    as_role(bench, Role::Admin, TestRequest::post().uri(&format!("{ROOT}{path}"))).await
}

/// Creates a run of another tenant.
async fn create(bench: &Bench, tenant: &str) -> String {
    let token = bench.token(tenant, "x", Role::Admin).await;
    let request = TestRequest::post()
        .uri("/api/planning/runs")
        .insert_header(("authorization", format!("Bearer {token}")))
        .set_json(serde_json::json!({ "idea": IDEA }));
    bench.call(request).await.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn only_the_operator_looks_at_actors() {
    Bench::with(silent(), async |bench| {
        for role in [Role::Operator, Role::Supervisor] {
            for path in ["?class=run", "/slow", "/run/default/a", "/run/default/a/values"] {
                let request = TestRequest::get().uri(&format!("{ROOT}{path}"));
                as_role(bench, role, request).await.problem(403, "auth.permission");
            }
            let request = TestRequest::post().uri(&format!("{ROOT}/run/default/a/passivate"));
            as_role(bench, role, request).await.problem(403, "auth.permission");
        }
        let nobody = bench.call(TestRequest::get().uri(&format!("{ROOT}/slow"))).await;
        nobody.problem(401, "auth.required");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn actors_of_all_tenants_are_listed_in_pages() {
    Bench::with(silent(), async |bench| {
        let mut made = Vec::new();
        for tenant in ["acme", "default", "zoo"] {
            for _ in 0..3 {
                made.push(format!("{tenant}/{}", create(bench, tenant).await));
            }
        }
        bench.cluster.advance(Duration::from_secs(2)).await;
        made.sort();
        for limit in [1, 2, 3, 4, 100] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = get(bench, &format!("?class=run&limit={limit}{cursor}")).await;
                assert_eq!((page.status.as_u16(), page.header("cache-control")), (200, "no-store"));
                let page = page.json();
                let items = page["items"].as_array().unwrap().clone();
                assert!(items.len() <= limit && (limit == 100 || !items.is_empty()));
                let id = |item: &Value| {
                    format!(
                        "{}/{}",
                        item["tenant"].as_str().unwrap(),
                        item["name"].as_str().unwrap()
                    )
                };
                seen.extend(items.iter().map(id));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(seen, made, "each once, in order, {limit} at a time");
        }
        let own = get(bench, "?class=run&tenant=acme&limit=2").await.json();
        assert_eq!(own["items"].as_array().unwrap().len(), 2);
        let cursor = own["next_cursor"].as_str().unwrap();
        let rest = get(bench, &format!("?class=run&tenant=acme&cursor={cursor}"))
            .await
            .json();
        assert_eq!(
            (rest["items"].as_array().unwrap().len(), &rest["next_cursor"]),
            (1, &Value::Null)
        );
        let other = get(bench, &format!("?class=run&tenant=zoo&cursor={cursor}")).await;
        other.problem(400, "query.cursor");
        let first = own["items"][0]["name"].as_str().unwrap();
        let named = get(bench, &format!("?class=run&prefix={first}")).await.json();
        assert_eq!(named["items"].as_array().unwrap().len(), 1);
        assert_eq!(named["items"][0]["class"], "run");
        assert!(named["items"][0]["live"]["mailbox"].is_u64(), "{named}");
    })
    .await;
}

/// Several nodes are in the tests of the crate `cluster`.
#[tokio::test(start_paused = true)]
async fn a_list_says_how_old_it_is_and_takes_tokens() {
    Bench::with(silent(), async |bench| {
        let run = create(bench, "default").await;
        let away = post(bench, &format!("/run/default/{run}/passivate")).await.json();
        let token = away["read_token"].as_str().unwrap();
        let list = get(bench, &format!("?class=run&max_age_ms=2000&read_token={token}")).await;
        let list = list.json();
        assert_eq!(
            (list["items"][0]["name"].as_str(), &list["age_ms"]),
            (Some(&*run), &0.into())
        );
        assert!(list["items"][0].get("live").is_none(), "{list}");
        let token = list["read_token"].as_str().unwrap();
        let latest = get(bench, &format!("?class=run&max_age_ms=0&read_token={token}")).await;
        assert!(latest.json()["items"][0].get("live").is_some());
        for (age, code) in [("-1", "query.invalid"), ("3600001", "query.invalid")] {
            get(bench, &format!("?class=run&max_age_ms={age}"))
                .await
                .problem(422, code);
        }
        for (token, code) in [
            ("r1-", "read-token.malformed"),
            ("hello", "read-token.malformed"),
            ("r1-0101fb000107", "read-token.foreign"),
            ("r1-010100fbffff", "read-token.foreign"),
        ] {
            get(bench, &format!("?class=run&read_token={token}"))
                .await
                .problem(422, code);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_named() {
    Bench::with(silent(), async |bench| {
        let missing = get(bench, "").await.problem(422, "query.invalid");
        assert_eq!(missing["errors"][0]["pointer"], "/class");
        let unknown = get(bench, "?class=rum").await.problem(422, "class.unregistered");
        for class in ["events", "run", "tenant"] {
            assert!(unknown["detail"].as_str().unwrap().contains(class), "{unknown}");
        }
        get(bench, "/rum/default/a").await.problem(422, "class.unregistered");
        get(bench, "/run/DEFAULT/a").await.problem(422, "tenant.invalid");
        get(bench, "/run/default/nobody").await.problem(404, "actor.not-found");
        get(bench, "?class=run&cursor=xx").await.problem(400, "query.cursor");
        get(bench, "?class=run&colour=red").await.problem(422, "query.invalid");
        let away = post(bench, "/run/default/nobody/passivate").await.json();
        assert_eq!(away["was_live"], false);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_is_shown_put_away_and_exported() {
    Bench::with(silent(), async |bench| {
        let run = create(bench, "default").await;
        bench.cluster.advance(Duration::from_secs(2)).await;
        let path = format!("/run/default/{run}");
        let shown = get(bench, &path).await.json();
        assert_eq!(
            (shown["name"].as_str(), &shown["exists"]),
            (Some(run.as_str()), &Value::Bool(true))
        );
        assert!(shown["state"]["rows"].as_u64().unwrap() > 2, "{shown}");
        assert!(shown["alarm"]["due_at_ms"].is_i64(), "{shown}");
        let turn = &shown["live"]["last_turn"];
        assert!(turn["message"].is_string() && turn["outcome"] == "ok", "{shown}");

        let away = post(bench, &format!("{path}/passivate")).await.json();
        assert_eq!(
            (&away["was_live"], away["name"].as_str()),
            (&Value::Bool(true), Some(run.as_str()))
        );
        assert_eq!(get(bench, &path).await.json()["live"], Value::Null);

        let (mut keys, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(bench, &format!("{path}/values?limit=2{cursor}")).await.json();
            for item in page["items"].as_array().unwrap() {
                keys.push(item["key"].as_str().unwrap().to_owned());
                assert!(item["bytes"].as_u64().unwrap() > 0 && item["base64"].is_string());
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(keys.len() as u64, shown["state"]["rows"].as_u64().unwrap());
        assert!(
            keys.is_sorted() && keys.contains(&"workflow/instance".to_owned()),
            "{keys:?}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn slow_turns_and_metrics_are_answered() {
    Bench::with(silent(), async |bench| {
        create(bench, "default").await;
        let slow = get(bench, "/slow").await.json();
        assert_eq!(slow["items"], serde_json::json!([]));
        let metrics = bench.call(TestRequest::get().uri("/metrics")).await;
        assert_eq!(metrics.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_operator_sees_and_rebuilds_the_index_of_each_tenant() {
    const VECTORS: &str = "/api/admin/vectors";
    Bench::with(silent(), async |bench| {
        for tenant in ["acme", "default", "zoo"] {
            create(bench, tenant).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let operator = async |request: TestRequest| as_role(bench, Role::Admin, request).await.json();
        let get = async |path: &str| operator(TestRequest::get().uri(&format!("{VECTORS}{path}"))).await;
        let first = get("?limit=2").await;
        let tenants = |page: &Value| -> Vec<String> {
            let items = page["items"].as_array().unwrap().iter();
            items.map(|item| item["tenant"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(tenants(&first), ["acme", "default"]);
        let rest = get(&format!("?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await;
        assert_eq!(tenants(&rest), ["zoo"]);
        assert_eq!(rest["next_cursor"], Value::Null);

        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(
            get("/acme").await["rebuild"],
            Value::Null,
            "it was built when it was first asked"
        );
        let begun = operator(TestRequest::post().uri(&format!("{VECTORS}/acme/rebuild"))).await;
        assert_eq!(begun["rebuild"]["all_asked"], false);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let done = get("/acme").await;
        assert_eq!((&done["pending"], &done["rebuild"]), (&Value::from(0), &Value::Null));
        for role in [Role::Operator, Role::Supervisor] {
            let request = TestRequest::post().uri(&format!("{VECTORS}/acme/rebuild"));
            as_role(bench, role, request).await.problem(403, "auth.permission");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_signing_key_is_rotated_and_sessions_go_on() {
    const KEYS: &str = "/api/admin/signing-keys";
    Bench::with(silent(), async |bench| {
        let made = bench.post(KEYS, &serde_json::json!({})).await;
        assert_eq!(made.status.as_u16(), 201, "{}", made.text());
        let made = made.json();
        assert_eq!(
            (made["id"].as_str(), &made["accepted_until"]),
            (Some("1"), &Value::Null)
        );
        assert!(made.get("secret").is_none(), "{made}");
        let signs_from = made["signs_from"].as_u64().unwrap();
        assert!(
            signs_from > jsonwebtoken::get_current_timestamp(),
            "every node reads it first"
        );
        // This one is made by the key before it, which signs still and is accepted as long as its tokens live.
        let listed = bench.get(KEYS).await.json();
        assert_eq!(listed["items"][0]["accepted_until"], signs_from + 3600);
        assert_eq!(listed["items"][1], made);
        bench
            .post(KEYS, &serde_json::json!({}))
            .await
            .problem(409, "signing-key.pending");
        bench
            .post(KEYS, &serde_json::json!({ "revoke": true }))
            .await
            .problem(422, "body.invalid");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nodes_of_one_cluster_have_the_same_signing_keys() {
    Bench::with(silent(), async |bench| {
        let cluster = &bench.gateway.cluster;
        let open = || SigningKeys::open(cluster, Duration::from_hours(1));
        let (one, other) = (open().await.unwrap(), open().await.unwrap());
        let made = one.rotate(cluster, true).await.unwrap();
        assert_eq!(other.list().len(), 1);
        tokio::spawn(other.clone().follow(cluster.clone()));
        while other.list().len() == 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(other.list(), one.list());
        assert_eq!(one.list()[0].accepted_until, Some(made.signs_from));
        // A token that one node signs once the new key does is one for the other: they have the same secret.
        let at = made.signs_from;
        let sign = |keys: &SigningKeys| {
            let (id, key) = keys.signing(at);
            (
                id,
                jsonwebtoken::encode(&jsonwebtoken::Header::default(), &"x", &key.encoding).unwrap(),
            )
        };
        assert_eq!(sign(&one), sign(&other));
        assert_eq!(sign(&one).0, "1");
        assert_eq!(open().await.unwrap().list(), one.list());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_part_of_the_server_is_checked_for_admins() {
    Bench::with(silent(), async |bench| {
        let health = bench.get("/api/admin/health").await.json();
        assert_eq!(health["status"], "ok", "{health}");
        let names: Vec<_> = health["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| &check["name"])
            .collect();
        assert_eq!(names, ["node", "shards", "settings", "objects", "vectors", "model"]);
        bench.gateway.readiness.drain();
        let health = bench.get("/api/admin/health").await.json();
        assert_eq!(
            (&health["status"], &health["checks"][0]["status"]),
            (&"failing".into(), &"failing".into())
        );
        assert_eq!(health["checks"][0]["detail"], "the server is stopping");
        let stranger = bench.call(TestRequest::get().uri("/api/admin/health")).await;
        stranger.problem(401, "auth.required");
    })
    .await;
}
