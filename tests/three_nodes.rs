//! Three real servers that are one cluster, of which one is killed.

#[path = "support/node.rs"]
mod node;
#[path = "support/overview.rs"]
mod overview;
#[path = "support/server.rs"]
mod server;

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use self::{
    node::{SHARDS, node},
    overview::{FAILOVER, SPREAD, accepted, eventually, items, until},
    server::{Server, Setup, free_port},
};

const IDEA: &str = "A shared calendar that books repair cafes by itself";

fn is_spread(told: &Value) -> bool {
    overview::is_spread(told, SHARDS)
}

/// Reads a document as soon as it can be read.
async fn read(server: &Server, path: &str) -> Value {
    eventually(server, path, FAILOVER, |_| true).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_servers_are_one_cluster_and_go_on_when_one_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (first, seed) = node(directory.path(), "one", "");
    let (second, _) = node(directory.path(), "two", &seed);
    let (third, _) = node(directory.path(), "three", &seed);
    let mut one = first.start().await;
    let two = second.start().await;
    let three = third.start().await;
    until(&third, "three nodes with three copies of everything", SPREAD, is_spread).await;

    let shown = two.request(Method::GET, "/cluster").send().await.unwrap();
    assert_eq!(shown.status(), 200);
    let shown = shown.text().await.unwrap();
    assert!(
        ["one", "two", "three"]
            .iter()
            .all(|name| shown.contains(&format!(">{name}</a>"))),
        "{shown}"
    );
    let unmeant = two
        .request(Method::POST, "/cluster/nodes/3/remove")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("name=two");
    assert_eq!(unmeant.send().await.unwrap().status(), 422);

    let run = two.create(&json!({ "idea": IDEA, "config": {} })).await;
    let path = format!("/api/planning/runs/{run}");
    for server in [&one, &two, &three] {
        assert_eq!(read(server, &path).await["idea"], IDEA);
    }

    one.kill();
    for server in [&two, &three] {
        assert_eq!(read(server, &path).await["idea"], IDEA);
    }
    let body = json!({ "idea": IDEA, "config": {} });
    let other = accepted(&two, "/api/planning/runs", &body, "after-the-kill").await;
    let other = format!("/api/planning/runs/{}", other["id"].as_str().unwrap());
    assert_eq!(read(&three, &other).await["idea"], IDEA);
    let is_known = |told: &Value| {
        let nodes = items(told, "nodes");
        nodes.iter().any(|node| node["name"] == "one" && node["alive"] == false)
    };
    until(&second, "the dead node is known as such", FAILOVER, is_known).await;

    let one = first.start().await;
    until(&first, "the node is back", SPREAD, is_spread).await;
    assert_eq!(read(&one, &other).await["idea"], IDEA);

    // A node that is drained is left by everything, and tells load balancers so.
    let drained = second.run(&["cluster", "drain", "three", "--json"]);
    assert!(drained.status.success(), "{}", String::from_utf8_lossy(&drained.stderr));
    let deadline = Instant::now() + FAILOVER;
    loop {
        let ready = three.request(Method::GET, "/ready").send().await.unwrap();
        if ready.status() == 503 {
            break;
        }
        assert!(Instant::now() < deadline, "a node that is drained is still ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let up = second.run(&["cluster", "up", "3", "--json"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    for server in [one, two, three] {
        assert_eq!(server.stop().await, Some(0));
    }
}

/// Files that one node keeps are not there for the others.
#[test]
fn a_node_among_others_does_not_start_on_files_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("one")).set("cluster.name", "one");
    let told = setup.run(&["serve"]);
    let complaint = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(2), "{complaint}");
    assert!(
        complaint.contains("`files.store` and `vector-index.store`"),
        "{complaint}"
    );
}

/// A node that waits for others can be stopped, and says what it waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_seeds_do_not_answer_waits_and_can_be_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let seed = format!("127.0.0.1:{}", free_port());
    let (setup, _) = node(directory.path(), "two", &seed);
    let log = directory.path().join("waiting.log");
    let mut child = setup
        .command(&["serve"])
        .stdout(std::process::Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + SPREAD;
    loop {
        let told = std::fs::read_to_string(&log).unwrap();
        if told.contains(&format!("waiting for the cluster: a new node for an answer of {seed}")) {
            break;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended: {told}");
        assert!(Instant::now() < deadline, "it does not say what it waits for: {told}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .unwrap();
    assert!(sent.success());
    let deadline = Instant::now() + FAILOVER;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it does not stop");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(status.code(), Some(0), "{}", std::fs::read_to_string(&log).unwrap());
}
