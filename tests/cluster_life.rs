//! How nodes come into a cluster by commands, what is said of one that is stuck, and what is done when most of it is lost.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/node.rs"]
mod node;
#[path = "support/overview.rs"]
mod overview;
#[path = "support/server.rs"]
mod server;

use std::{
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::{
    node::{SHARDS, node},
    overview::{FAILOVER, SPREAD, accepted, eventually, is_spread, items, until},
    server::{Server, Setup, free_port},
};

const IDEA: &str = "A shared calendar that books repair cafes by itself";

/// The last line that a command printed, as JSON; it must have ended with `code`.
#[track_caller]
fn document(output: &Output, code: i32) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}{complaint}");
    serde_json::from_str(text.lines().next_back().unwrap()).unwrap()
}

/// The error of a command that was refused.
#[track_caller]
fn refusal(output: &Output, code: i32) -> String {
    document(output, code)["error"].as_str().unwrap().to_owned()
}

/// The run of a cluster, as one of its nodes tells it.
async fn idea(server: &Server, run: &str) -> Value {
    let path = format!("/api/planning/runs/{run}");
    eventually(server, &path, FAILOVER, |_| true).await["idea"].clone()
}

/// Creates a run, and returns its id when it is acknowledged.
async fn create(server: &Server, key: &str) -> String {
    let body = json!({ "idea": IDEA, "config": {} });
    let run = accepted(server, "/api/planning/runs", &body, key).await;
    run["id"].as_str().unwrap().to_owned()
}

fn present<'a>(told: &'a Value, name: &str) -> Option<&'a Value> {
    let nodes = items(told, "nodes").iter();
    let mut nodes = nodes.filter(|node| node["state"] != "removed");
    nodes.find(|node| node["name"] == name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_is_founded_and_joined_by_commands_before_servers_start() {
    let directory = tempfile::tempdir().unwrap();
    let nobody = format!("127.0.0.1:{}", free_port());
    // All nodes may have the same seeds.
    let (first, seed) = node(directory.path(), "one", &nobody);
    let founded = document(&first.run(&["cluster", "init", "--json"]), 0);
    let cluster = founded["cluster"].as_str().unwrap();
    assert_eq!((&founded["node"], &founded["name"]), (&json!(1), &json!("one")));
    let line = format!("foundation cluster join {seed} --set cluster.name=NAME");
    assert_eq!(founded["join"], line);
    assert!(refusal(&first.run(&["cluster", "init", "--json"]), 2).contains(cluster));
    let one = first.start().await;
    assert!(refusal(&first.run(&["cluster", "init", "--json"]), 2).contains("another server"));

    let join = |setup: &Setup, seed: &str| setup.run(&["cluster", "join", seed, "--within", "20s", "--json"]);
    let (second, own) = node(directory.path(), "two", &nobody);
    let late = second.run(&["cluster", "join", "--within", "1s", "--json"]);
    let late = refusal(&late, 1);
    assert!(late.contains("within 1s") && late.contains(&nobody), "{late}");
    assert!(refusal(&join(&second, &own), 2).contains("names only this node"));
    let namesake = second.clone().set("cluster.name", "one");
    assert!(refusal(&join(&namesake, &seed), 2).contains("the name one is taken by node 1"));
    let far = second.clone().set("cluster.requests-bind", "0.0.0.0:7802");
    assert!(refusal(&join(&far, &seed), 2).contains("cluster.requests-advertise"));

    let joined = document(&join(&second, &seed), 0);
    assert_eq!((&joined["node"], &joined["was_in"]), (&json!(2), &json!(false)));
    assert_eq!((&joined["cluster"], &joined["name"]), (&json!(cluster), &json!("two")));
    let again = document(&join(&second, &seed), 0);
    assert_eq!((&again["node"], &again["was_in"]), (&json!(2), &json!(true)));
    assert!(refusal(&second.run(&["cluster", "init", "--json"]), 2).contains(cluster));
    // Its seeds do not answer, and it does not ask them.
    let two = second.start().await;
    let both = |told: &Value| {
        ["one", "two"]
            .iter()
            .all(|name| present(told, name).is_some_and(|node| node["alive"] == true))
    };
    let told = until(&second, "two nodes live", FAILOVER, both).await;
    assert_eq!((&told["cluster"], items(&told, "nodes").len()), (&json!(cluster), 2));
    for server in [two, one] {
        assert_eq!(server.stop().await, Some(0));
    }
}

/// Starts three nodes and waits until each has a copy of everything.
async fn three(directory: &Path) -> ([Setup; 3], [Server; 3], String) {
    let (first, seed) = node(directory, "one", "");
    let (second, _) = node(directory, "two", &seed);
    let (third, _) = node(directory, "three", &seed);
    let servers = [first.start().await, second.start().await, third.start().await];
    let spread = |told: &Value| is_spread(told, SHARDS);
    until(&third, "three nodes with three copies of everything", SPREAD, spread).await;
    ([first, second, third], servers, seed)
}

/// What `doctor` says, and whether it found anything bad.
fn doctor(setup: &Setup) -> (Vec<Value>, bool) {
    let output = setup.run(&["doctor", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let checks: Vec<Value> = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    (checks, output.status.code() == Some(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn doctor_names_the_nodes_whose_silence_stops_the_cluster() {
    let directory = tempfile::tempdir().unwrap();
    let ([_, _, third], [mut one, mut two, three], _) = three(directory.path()).await;
    // Leaders may move for a while after the last copy has arrived.
    let deadline = Instant::now() + SPREAD;
    loop {
        let (well, is_bad) = doctor(&third);
        let cluster = well.iter().find(|check| check["name"] == "cluster");
        if !is_bad && cluster.is_some_and(|cluster| cluster["verdict"] == "good") {
            break;
        }
        assert!(Instant::now() < deadline, "{well:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    // Each shard is led by one node, the group of the cluster too.
    let mut leads = 0;
    for server in [&one, &two, &three] {
        leads += led(server).await;
    }
    assert_eq!(leads, SHARDS + 1);
    one.kill();
    two.kill();
    // What the node sees by itself needs nobody else, nor does the token of its operator.
    let path = "/api/cluster/node";
    let is_stuck = |told: &Value| {
        let silent = items(told, "nodes").iter().filter(|node| node["silent_ms"].is_number());
        let groups = items(told, "groups").iter();
        silent.count() == 2
            && groups
                .clone()
                .all(|group| group["heard_ms"].as_f64().is_none_or(|heard| heard > 3000.0))
    };
    eventually(&three, path, FAILOVER, is_stuck).await;
    tells_what_it_sees(&three).await;
    let deadline = Instant::now() + FAILOVER;
    let stuck = loop {
        let (checks, is_bad) = doctor(&third);
        let leader = checks.iter().find(|check| check["name"] == "leader");
        // A leader gives its shards up when nobody has confirmed it for long enough.
        if let Some(leader) = leader.filter(|leader| leader["detail"].as_str().unwrap().contains("shards 0-7")) {
            assert!(is_bad && leader["verdict"] == "bad", "{checks:?}");
            break leader.clone();
        }
        assert!(Instant::now() < deadline, "{checks:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let (detail, next) = (stuck["detail"].as_str().unwrap(), stuck["next"].as_str().unwrap());
    for told in [
        "the group of the cluster itself",
        "2 of the voters one, two, three",
        "one has not answered at",
        "two has not answered at",
        "Connection refused",
    ] {
        assert!(detail.contains(told), "{told}: {detail}");
    }
    let (start, recover) = (next.find("start 1 of one, two again"), next.find("unsafe-recover"));
    assert!(start.is_some() && start < recover, "{next}");
    assert_eq!(led(&three).await, 0, "it owns nothing any more");

    // The directory of a server that does not run says who the others are.
    drop(three);
    let (checks, _) = doctor(&third);
    let cluster = checks.iter().find(|check| check["name"] == "cluster").unwrap();
    let detail = cluster["detail"].as_str().unwrap();
    assert!(
        detail.contains("this is three (3)") && detail.contains("0 of 2 other nodes"),
        "{cluster}"
    );
}

/// Without a leader the overview and the page are those of the node that is asked, and say so.
async fn tells_what_it_sees(three: &Server) {
    let told = eventually(three, "/api/cluster", FAILOVER, |told| {
        let groups = items(told, "groups");
        told["leader"].is_null() && groups.iter().all(|group| group["leader"].is_null())
    })
    .await;
    assert_eq!(told["asked"], 3);
    let note = told["notes"][0].as_str().unwrap();
    assert!(note.contains("what three sees by itself"), "{note}");
    let alive: Vec<_> = items(&told, "nodes").iter().map(|node| node["alive"] == true).collect();
    assert_eq!(alive, [false, false, true], "{told}");
    let page = three.request(reqwest::Method::GET, "/cluster").send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    for said in [
        "The cluster has no leader",
        "<b>three</b> sees it by itself",
        "<b>one does not answer,</b>",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(
        !page.contains("/cluster/nodes/3/drain"),
        "nobody could be told to do that"
    );
}

/// How many groups a server leads, as its metrics tell.
async fn led(server: &Server) -> usize {
    let answer = server.request(reqwest::Method::GET, "/metrics").send().await.unwrap();
    let metrics = answer.text().await.unwrap();
    let leads = metrics.lines().filter(|line| line.starts_with("cluster_shard_leads{"));
    let leads: Vec<&str> = leads.collect();
    assert_eq!(leads.len(), SHARDS + 1, "{metrics}");
    leads.iter().filter(|line| line.ends_with(" 1")).count()
}

/// The same node with a certificate of a CA, which is made if there is none.
fn certified(setup: Setup, directory: &Path, ca: &str, node: &str, days: &str) -> Setup {
    let folder = directory.join(ca);
    let ca = folder.to_str().unwrap();
    let made = setup.run(&["cluster", "certs", "--ca", ca, "--node", node, "--days", days]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = |name: &str| folder.join(node).join(name).to_str().unwrap().to_owned();
    setup
        .set("cluster.ca-file", &file("ca.pem"))
        .set("cluster.certificate-file", &file("node.pem"))
        .set("cluster.key-file", &file("node.key"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_told_what_is_wrong_with_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let (first, seed) = node(directory.path(), "one", "");
    let first = certified(first, directory.path(), "ours", "one", "20");
    document(&first.run(&["cluster", "init", "--json"]), 0);
    let one = first.start().await;
    let (checks, is_bad) = doctor(&first);
    let certificates: Vec<_> = checks.iter().filter(|check| check["name"] == "certificate").collect();
    assert_eq!(certificates.len(), 1, "{checks:?}");
    let detail = certificates[0]["detail"].as_str().unwrap();
    assert!(!is_bad && detail.contains("days"), "{checks:?}");

    let join = |setup: &Setup, within: &str| setup.run(&["cluster", "join", &seed, "--within", within, "--json"]);
    let (second, _) = node(directory.path(), "two", &seed);
    let without = refusal(&join(&second, "2s"), 1);
    assert!(without.contains("does it have certificates"), "{without}");
    let stranger = certified(second.clone(), directory.path(), "theirs", "two", "300");
    let asked = Instant::now();
    let unknown = refusal(&join(&stranger, "60s"), 2);
    assert!(
        unknown.contains("same CA") && asked.elapsed() < Duration::from_secs(20),
        "{unknown}"
    );
    let missing = second.clone().set("cluster.ca-file", "nowhere.pem");
    assert!(refusal(&join(&missing, "2s"), 2).contains("cluster.certificate-file"));
    let second = certified(second, directory.path(), "ours", "two", "300");
    assert_eq!(document(&join(&second, "20s"), 0)["node"], 2);
    assert_eq!(one.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gateway_comes_and_goes_in_seconds_and_keeps_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (first, seed) = node(directory.path(), "one", "");
    let mut one = first.start().await;
    let run = create(&one, "before").await;
    let (door, _) = node(directory.path(), "door", &seed);
    let door = door.set("cluster.role", "gateway");
    let gateway = door.start().await;
    assert_eq!(idea(&gateway, &run).await, IDEA);
    let other = create(&gateway, "through").await;
    assert_eq!(idea(&one, &other).await, IDEA);

    let is_up = |told: &Value| present(told, "door").is_some_and(|node| node["state"] == "up" && node["alive"] == true);
    let told = until(&door, "the gateway is up", FAILOVER, is_up).await;
    let node = present(&told, "door").unwrap();
    assert_eq!(
        (&node["role"], &node["votes"], &node["leads"]),
        (&json!("gateway"), &json!(0), &json!(0))
    );
    assert!(
        items(&told, "groups")
            .iter()
            .all(|group| !group["voters"].as_array().unwrap().contains(&node["id"]))
    );
    assert!(!door.data().join("cluster/log").exists());
    let (checks, is_bad) = doctor(&door);
    assert!(!is_bad, "{checks:?}");

    // It has no copy to tell of, but knows whose they are, and that this node is silent.
    one.kill();
    let deadline = Instant::now() + FAILOVER;
    loop {
        let (checks, is_bad) = doctor(&door);
        let says = |name: &str, detail: &str| {
            let mut checks = checks.iter().filter(|check| check["name"] == name);
            checks.any(|check| check["detail"].as_str().unwrap().contains(detail))
        };
        if is_bad && says("leader", "shards 0-7 are without a leader") && says("node", "one has not answered") {
            break;
        }
        assert!(Instant::now() < deadline, "{checks:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let one = first.start().await;
    assert_eq!(idea(&gateway, &run).await, IDEA);

    let asked = Instant::now();
    let removed = first.run(&["cluster", "remove", "door", "--json"]);
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    until(&first, "the gateway is gone", FAILOVER, |told| {
        present(told, "door").is_none()
    })
    .await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    drop(gateway);
    assert_eq!(idea(&one, &other).await, IDEA);
    assert_eq!(one.stop().await, Some(0));
}

/// Guarantee 17.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_node_goes_on_with_what_was_acknowledged_when_two_directories_are_lost() {
    let directory = tempfile::tempdir().unwrap();
    let ([first, second, third], servers, _) = three(directory.path()).await;
    let mut runs = Vec::new();
    for (number, server) in servers.iter().cycle().take(12).enumerate() {
        runs.push(create(server, &format!("run-{number}")).await);
    }
    // A majority has them; what is promised here is that one node goes on with what it has.
    let has_all = |told: &Value| {
        let lag = |group: &Value| group["lag"].as_object().unwrap().values().all(|lag| *lag == 0);
        items(told, "groups")
            .iter()
            .all(|group| group["leader"].is_u64() && lag(group))
    };
    until(&third, "the third node has everything", FAILOVER, has_all).await;
    drop(servers);
    for lost in [&first, &second] {
        std::fs::remove_dir_all(lost.data()).unwrap();
    }

    let asked = third.run(&["cluster", "unsafe-recover", "--json"]);
    assert!(refusal(&asked, 2).contains("--i-accept-data-loss"));
    let told: Value = serde_json::from_slice(asked.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(
        (&told["done"], items(&told["report"], "groups").len()),
        (&json!(false), SHARDS + 1)
    );
    let done = document(
        &third.run(&["cluster", "unsafe-recover", "--i-accept-data-loss", "--json"]),
        0,
    );
    assert_eq!(done["done"], true, "{done}");
    let three = third.start().await;
    for run in &runs {
        assert_eq!(idea(&three, run).await, IDEA, "{run}");
    }

    let told = until(&third, "one node is all there is", FAILOVER, |told| {
        present(told, "one").is_none()
    })
    .await;
    let seed = present(&told, "three").unwrap()["requests"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut others = Vec::new();
    // The names of those that are lost are free again, and their numbers are not.
    for (name, number) in [("four", 4), ("one", 5)] {
        let (setup, _) = node(directory.path(), name, &seed);
        let joined = document(&setup.run(&["cluster", "join", "--json"]), 0);
        assert_eq!(joined["node"], number);
        others.push(setup.start().await);
    }
    let spread = |told: &Value| is_spread(told, SHARDS);
    until(&third, "three nodes have three copies again", SPREAD, spread).await;
    for run in &runs {
        assert_eq!(idea(&others[1], run).await, IDEA, "{run}");
    }
    others.push(three);
    for server in others {
        assert_eq!(server.stop().await, Some(0));
    }
}
