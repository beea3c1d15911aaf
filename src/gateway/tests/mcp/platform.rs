//! The server's own tools, resources and prompts.

use actors::{
    ports::fake::{FakeModel, Reply},
    role::Role,
};
use serde_json::{Value, json};

use super::{Client, events, request};
use crate::gateway::tests::bench::{Bench, GO, IDEA, model, silent};

async fn client(bench: &Bench, role: Role) -> Client {
    let token = bench.token("acme", "ann", role).await;
    Client::open(&bench.gateway, &token).await
}

async fn create(client: &Client, approval: bool) -> String {
    let idea = json!({ "idea": IDEA, "require_approval": approval });
    let run = client.done("create_run", &idea).await;
    run["id"].as_str().unwrap().to_owned()
}

/// Follows a run to where it rests, and returns it and how far it was said to be meanwhile.
async fn follow(client: &Client, run: &str) -> (Value, Vec<f64>) {
    let params = json!({
        "name": "follow_run",
        "arguments": { "run": run, "seconds": 3600 },
        "_meta": { "progressToken": "p" },
    });
    let mut stream = client.hear(&request(9, "tools/call", &params)).await;
    let mut told = Vec::new();
    loop {
        let message = stream.message().await;
        if message["id"] == 9 {
            return (message["result"]["structuredContent"].clone(), told);
        }
        if message["method"] == "notifications/message" {
            continue;
        }
        assert_eq!(message["params"]["total"], 15.0);
        told.push(message["params"]["progress"].as_f64().unwrap());
    }
}

async fn read(client: &Client, uri: &str) -> (String, String) {
    let read = client.asked("resources/read", &json!({ "uri": uri })).await;
    let content = &read["contents"][0];
    assert_eq!(content["uri"], uri);
    let field = |name: &str| content[name].as_str().unwrap().to_owned();
    (field("mimeType"), field("text"))
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_made_followed_and_read() {
    Bench::with(model(GO), async |bench| {
        let client = client(bench, Role::Admin).await;
        let idea = json!({ "idea": IDEA, "idempotency_key": "first" });
        let run = client.done("create_run", &idea).await;
        assert_eq!(run["created"], true);
        assert_eq!(client.done("create_run", &idea).await["id"], run["id"]);
        let run = run["id"].as_str().unwrap();
        let (end, told) = follow(&client, run).await;
        assert_eq!(end["run"]["status"], "completed", "{end}");
        assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
        assert!(told.len() > 3, "{told:?}");

        let asked = json!({ "run": run });
        assert_eq!(
            client.done("get_run", &asked).await["phases"].as_array().unwrap().len(),
            15
        );
        let artifacts = client.done("list_artifacts", &asked).await["artifacts"].clone();
        assert!(
            artifacts
                .as_array()
                .unwrap()
                .iter()
                .any(|artifact| artifact["phase"] == "kill-test")
        );
        let artifact = client
            .done("get_artifact", &json!({ "run": run, "phase": "kill-test" }))
            .await;
        assert_eq!((&artifact["run"], artifact["content"].is_object()), (&json!(run), true));
        let search = json!({ "run": run, "query": "who would pay", "limit": 3 });
        let found = client.done("search_artifacts", &search).await["results"].clone();
        assert!((1..=3).contains(&found.as_array().unwrap().len()), "{found}");
        let stands = client
            .done("get_workflow", &json!({ "workflow": "planning", "instance": run }))
            .await;
        assert_eq!(stands["status"], "complete", "{stands}");
        assert_eq!(
            client.done("list_workflows", &json!({})).await["workflows"][0]["name"],
            "planning"
        );
        assert_eq!(client.done("verify_audit", &json!({})).await["valid"], true);

        let uri = format!("foundation://runs/{run}");
        let listed = client.asked("resources/list", &json!({})).await["resources"].clone();
        let listed: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["uri"].clone())
            .collect();
        assert_eq!(
            listed,
            [
                json!(uri),
                json!(format!("{uri}/timeline")),
                json!(format!("{uri}/package"))
            ]
        );
        let (kind, text) = read(&client, &uri).await;
        assert_eq!(kind, "application/json");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["run"]["idea"], IDEA);
        let timeline: Value = serde_json::from_str(&read(&client, &format!("{uri}/timeline")).await.1).unwrap();
        assert!(timeline.as_array().unwrap().len() > 15, "{timeline}");
        let written: Value =
            serde_json::from_str(&read(&client, &format!("{uri}/artifacts/kill-test")).await.1).unwrap();
        assert_eq!(written, artifact["content"]);
        let (kind, plan) = read(&client, &format!("{uri}/package")).await;
        assert!(kind == "text/markdown" && plan.starts_with('#'), "{kind}: {plan}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn how_a_run_goes_on_is_logged_from_the_level_of_the_client_on() {
    let fails = FakeModel::new(|_, _| Reply::Text("no plan".to_owned()));
    Bench::with(fails, async |bench| {
        let client = client(bench, Role::Admin).await;
        for (level, heard) in [
            ("info", ["info", "error"].as_slice()),
            ("error", &["error"]),
            ("critical", &[]),
        ] {
            client.asked("logging/setLevel", &json!({ "level": level })).await;
            let run = create(&client, false).await;
            let params = json!({ "name": "follow_run", "arguments": { "run": run, "seconds": 3600 } });
            let answer = client.say(&request(1, "tools/call", &params)).await;
            let logged: Vec<_> = events(&answer)
                .into_iter()
                .filter(|(_, message)| message["method"] == "notifications/message")
                .map(|(_, message)| {
                    assert_eq!(message["params"]["data"]["run"], run);
                    message["params"]["level"].clone()
                })
                .collect();
            assert_eq!(logged, heard, "{level}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_page_by_page() {
    Bench::with(silent(), async |bench| {
        let client = client(bench, Role::Admin).await;
        let mut made = Vec::new();
        for _ in 0..3 {
            made.push(create(&client, false).await);
        }
        made.reverse();
        // The index of the tenant hears of them in a moment.
        let moment = std::time::Duration::from_secs(1);
        bench.cluster.advance(moment).await;
        let (mut listed, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page = client.done("list_runs", &json!({ "limit": 2, "cursor": cursor })).await;
            let runs = page["runs"].as_array().unwrap().iter();
            listed.extend(runs.map(|run| run["id"].as_str().unwrap().to_owned()));
            cursor = page["next_cursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(listed, made);
        client
            .refused("list_runs", &json!({ "cursor": "x" }), "query.cursor")
            .await;
        client
            .refused("list_runs", &json!({ "status": "x" }), "body.invalid")
            .await;
        let page = client.done("list_runs", &json!({ "status": "completed" })).await;
        assert_eq!(page["runs"], json!([]));
        // Of resources a page has 50 runs.
        for _ in 3..52 {
            create(&client, false).await;
        }
        bench.cluster.advance(moment).await;
        let first = client.asked("resources/list", &json!({})).await;
        let next = json!({ "cursor": first["nextCursor"] });
        let second = client.asked("resources/list", &next).await;
        assert_eq!(first["resources"].as_array().unwrap().len(), 100);
        assert_eq!(second["resources"].as_array().unwrap().len(), 4);
        assert!(second["nextCursor"].is_null(), "{second}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_person_at_the_client_decides_about_a_plan() {
    Bench::with(model(GO), async |bench| {
        let client = client(bench, Role::Admin).await;
        let cases = [
            (
                json!({ "action": "accept", "content": { "decision": "approve", "comment": "well argued" } }),
                "completed",
            ),
            (
                json!({ "action": "accept", "content": { "decision": "reject" } }),
                "cancelled",
            ),
            (json!({ "action": "decline" }), "awaiting_approval"),
        ];
        for (answer, status) in cases {
            let run = create(&client, true).await;
            assert_eq!(follow(&client, &run).await.0["run"]["status"], "awaiting_approval");
            let params = json!({ "name": "decide_run", "arguments": { "run": run } });
            let mut stream = client.hear(&request(5, "tools/call", &params)).await;
            let question = stream.message().await;
            assert_eq!(question["method"], "elicitation/create");
            assert!(question["params"]["message"].as_str().unwrap().contains(IDEA));
            let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer });
            assert_eq!(client.say(&answer).await.status, 202);
            let decided = stream.message().await;
            assert_eq!(
                (&decided["id"], &decided["result"]["isError"]),
                (&json!(5), &json!(false)),
                "{decided}"
            );
            assert_eq!(follow(&client, &run).await.0["run"]["status"], status);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn where_the_client_cannot_ask_its_person_the_decision_is_said() {
    Bench::with(model(GO), async |bench| {
        let token = bench.token("acme", "ann", Role::Admin).await;
        let client = Client::open_at("/mcp", &bench.gateway, &token, &json!({})).await;
        let run = create(&client, true).await;
        let early = json!({ "run": run, "decision": "approve" });
        client.refused("decide_run", &early, "run.wrong-state").await;
        follow(&client, &run).await;
        client
            .refused("decide_run", &json!({ "run": run }), "body.invalid")
            .await;
        client
            .done("decide_run", &json!({ "run": run, "decision": "approve" }))
            .await;
        assert_eq!(follow(&client, &run).await.0["run"]["status"], "completed");
        client
            .refused(
                "decide_run",
                &json!({ "run": run, "decision": "reject" }),
                "run.wrong-state",
            )
            .await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_changed_is_told_once_also_to_who_was_away() {
    Bench::with(silent(), async |bench| {
        let client = client(bench, Role::Admin).await;
        let run = create(&client, false).await;
        let uri = format!("foundation://runs/{run}/timeline");
        client.asked("resources/subscribe", &json!({ "uri": uri })).await;
        let mut here = client.hear_changes(None).await;
        client.done("pause_run", &json!({ "run": run })).await;
        let (told, message) = loop {
            let (id, message) = here.next().await.unwrap();
            if !message.is_null() {
                break (id, message);
            }
        };
        assert_eq!(message["method"], "notifications/resources/updated");
        assert_eq!(message["params"]["uri"], uri);
        drop(here);
        // While nobody listens something changes; another node tells of that, and not again of what was told.
        client.done("resume_run", &json!({ "run": run })).await;
        let there = client.at(&bench.another_node());
        let mut there = there.hear_changes(Some(&told)).await;
        assert_eq!(there.message().await["params"]["uri"], uri);
        client.asked("resources/unsubscribe", &json!({ "uri": uri })).await;
        let unknown = request(1, "resources/subscribe", &json!({ "uri": "foundation://runs/x" }));
        let unknown = client.say(&unknown).await.json();
        assert_eq!(unknown["error"]["data"]["code"], "mcp.resource", "{unknown}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tools_need_the_permissions_of_their_routes() {
    Bench::with(silent(), async |bench| {
        let admin = client(bench, Role::Admin).await;
        let run = create(&admin, false).await;
        let token = bench.token("acme", "bob", Role::Operator).await;
        let operator = Client::open(&bench.gateway, &token).await;
        operator.done("get_run", &json!({ "run": run })).await;
        operator
            .refused("create_run", &json!({ "idea": IDEA }), "auth.permission")
            .await;
        for tool in ["pause_run", "resume_run", "cancel_run"] {
            operator.refused(tool, &json!({ "run": run }), "auth.permission").await;
        }
        // A run of another tenant is not there.
        let token = bench.token("other", "ann", Role::Admin).await;
        let other = Client::open(&bench.gateway, &token).await;
        other.refused("get_run", &json!({ "run": run }), "run.not-found").await;
        let read = request(
            1,
            "resources/read",
            &json!({ "uri": format!("foundation://runs/{run}") }),
        );
        assert_eq!(other.say(&read).await.json()["error"]["data"]["code"], "run.not-found");
        assert_eq!(other.asked("resources/list", &json!({})).await["resources"], json!([]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn prompts_and_arguments_are_found() {
    Bench::with(silent(), async |bench| {
        let client = client(bench, Role::Admin).await;
        let run = create(&client, false).await;
        let prompts = client.asked("prompts/list", &json!({})).await["prompts"].clone();
        let names: Vec<_> = prompts
            .as_array()
            .unwrap()
            .iter()
            .map(|prompt| &prompt["name"])
            .collect();
        assert_eq!(names, ["judge_plan", "plan_idea"]);
        let prompt = json!({ "name": "plan_idea", "arguments": { "idea": IDEA } });
        let prompt = client.asked("prompts/get", &prompt).await;
        assert!(
            prompt["messages"][0]["content"]["text"]
                .as_str()
                .unwrap()
                .contains(IDEA)
        );
        let templates = client.asked("resources/templates/list", &json!({})).await;
        assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 4);
        let complete = async |name: &str, value: &str| {
            let params = json!({
                "ref": { "type": "ref/resource", "uri": "foundation://runs/{run}/artifacts/{phase}" },
                "argument": { "name": name, "value": value },
            });
            client.asked("completion/complete", &params).await["completion"]["values"].clone()
        };
        assert_eq!(complete("run", &run[..8]).await, json!([run]));
        assert_eq!(complete("phase", "kill").await, json!(["kill-test"]));
        assert_eq!(complete("other", "").await, json!([]));
    })
    .await;
}
