//! The state, and who hears of it.

use super::*;

async fn desk(test: &TestCluster, who: &str, query: &str) -> Client {
    Client::connect(test, "desk", who, "front", query).await.unwrap()
}

fn papers(papers: &[&str]) -> Value {
    json!({ "papers": papers, "touched": 0 })
}

fn set(state: &Value) -> Value {
    json!({ "type": "cf_agent_state", "state": state })
}

#[tokio::test(start_paused = true)]
async fn a_state_that_a_client_sets_is_told_to_all_others_and_outlives_the_node() {
    let mut test = start(11).await;
    let (mut ann, mut bob) = (desk(&test, "ann", "").await, desk(&test, "bob", "").await);
    assert_eq!(ann.introduction().await, Some(papers(&[])));
    bob.introduction().await;
    ann.say(set(&papers(&["one"]))).await;
    assert_eq!(bob.hear().await, set(&papers(&["one"])));
    ann.hears_nothing().await;
    drop((ann, bob));
    test.crash_and_restart().await;
    assert_eq!(
        desk(&test, "carl", "").await.introduction().await,
        Some(papers(&["one"]))
    );
}

#[tokio::test(start_paused = true)]
async fn a_state_that_the_rules_refuse_is_refused_and_the_client_hears_the_true_one() {
    let test = start(12).await;
    let (mut ann, mut bob) = (desk(&test, "ann", "").await, desk(&test, "bob", "").await);
    ann.introduction().await;
    bob.introduction().await;
    for state in [papers(&["1", "2", "3"]), json!({ "papers": 1 }), Value::Null] {
        ann.say(set(&state)).await;
        let error = json!({ "type": "cf_agent_state_error", "error": "State update rejected" });
        assert_eq!(ann.hear().await, error, "{state}");
        assert_eq!(ann.hear().await, set(&papers(&[])));
    }
    bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_readonly_changes_nothing_also_not_by_a_method() {
    let test = start(13).await;
    let (mut ann, mut bob) = (desk(&test, "ann", "readonly").await, desk(&test, "bob", "").await);
    ann.introduction().await;
    bob.introduction().await;
    ann.say(set(&papers(&["one"]))).await;
    let error = json!({ "type": "cf_agent_state_error", "error": "Connection is readonly" });
    assert_eq!(ann.hear().await, error);
    assert_eq!(ann.hear().await, set(&papers(&[])));
    test.passivate_all().await;
    let answer = ann.call("clear", json!([])).await;
    assert_eq!(
        (&answer["error"], &answer["code"]),
        (&json!("Connection is readonly"), &json!("agent.readonly"))
    );
    assert_eq!(ann.call("said", json!([])).await["result"], json!([]));
    bob.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_the_agent_makes_is_told_to_everyone() {
    let test = start(14).await;
    let (mut ann, mut bob) = (desk(&test, "ann", "").await, desk(&test, "bob", "").await);
    ann.introduction().await;
    bob.introduction().await;
    let counted = json!({ "papers": ["count me"], "touched": 1 });
    ann.say(set(&papers(&["count me"]))).await;
    assert_eq!(ann.hear().await, set(&counted));
    assert_eq!(bob.hear().await, set(&papers(&["count me"])));
    assert_eq!(bob.hear().await, set(&counted));
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_quiet_hears_only_what_they_ask_for() {
    let test = start(15).await;
    let (mut ann, mut bob) = (desk(&test, "ann", "quiet").await, desk(&test, "bob", "").await);
    bob.introduction().await;
    bob.say(set(&papers(&["one"]))).await;
    assert_eq!(bob.call("said", json!([])).await["result"], json!([]));
    assert_eq!(ann.call("said", json!([])).await["result"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn each_user_has_agents_of_their_own_unless_the_kind_is_shared() {
    let test = start(16).await;
    for (kind, sees) in [("desk", true), ("counter", false)] {
        let mut ann = Client::connect(&test, kind, "ann", "x", "").await.unwrap();
        let mut bob = Client::connect(&test, kind, "bob", "x", "").await.unwrap();
        ann.introduction().await;
        bob.introduction().await;
        let state = if sees { papers(&["mine"]) } else { json!(1) };
        ann.say(set(&state)).await;
        if sees {
            assert_eq!(bob.hear().await, set(&state));
        } else {
            bob.hears_nothing().await;
        }
    }
    // An address that nobody is given leads nowhere.
    for (kind, owner) in [("counter", None), ("desk", Some(user("ann"))), ("nothing", None)] {
        let id = AgentAddress::new(kind, owner, "x").unwrap().actor(&tenant());
        assert_eq!(
            call(&test, id, "said", json!([])).await.unwrap_err().code(),
            "agent.unknown",
            "{kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_call_is_for_the_agent_and_so_are_goodbyes() {
    let test = start(17).await;
    let mut ann = desk(&test, "ann", "").await;
    ann.introduction().await;
    ann.say(json!({ "type": "hello" })).await;
    ann.sender.send(Frame::Text("hello".to_owned())).await;
    ann.sender.send(Frame::Binary(vec![1, 2, 3])).await;
    let said = json!([r#"ann: {"type":"hello"}"#, "ann: hello", "ann: 3 bytes"]);
    assert_eq!(ann.call("said", json!([])).await["result"], said);
    let bob = desk(&test, "bob", "").await;
    bob.sender.close(Closing {
        code: 1000,
        reason: String::new(),
        is_clean: true,
    });
    loop {
        let said = ann.call("said", json!([])).await;
        if said["result"].as_array().unwrap().last().unwrap() == "bob has gone" {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_admitted_leaves_nothing() {
    let test = start(18).await;
    let refused = Client::connect(&test, "desk", "eve", "front", "stranger").await;
    assert_eq!(refused.err().unwrap().code(), "desk.stranger");
    let cluster = test.cluster();
    let nobody = cluster.connect(
        actor("desk", "ann", "front"),
        cluster::Opening::default(),
        Arc::new(|| None),
    );
    assert_eq!(nobody.await.err().unwrap().code(), "agent.nobody");
    let mut ann = desk(&test, "ann", "").await;
    ann.introduction().await;
    let answer = ann.call("trespass", json!([])).await;
    assert_eq!(answer["code"], "agent.key");
}
