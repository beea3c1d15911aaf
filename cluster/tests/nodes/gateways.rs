//! A node that keeps nothing: it takes any request, and comes and goes in seconds.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::{
    client::{Clients, Connection, LISTS},
    field::{Field, eventually},
    suite::{CLIENTS, permitted},
};

/// The longest that a gateway may take to come or to go.
const SECONDS: Duration = Duration::from_secs(5);

/// Longest time until what a dead node owned answers through a gateway, on a machine that does other things too.
const FAILOVER: Duration = Duration::from_secs(10);

async fn call(node: SocketAddr, line: &str) -> Option<String> {
    Connection::open(node).await.ok()?.call(line).await.ok()
}

/// The state of a node in the table, if it is there.
async fn state(field: &Field, node: u64) -> Option<String> {
    let overview = field.overview().await?;
    let nodes = overview["nodes"].as_array()?;
    let it = nodes.iter().find(|it| it["id"] == node)?;
    Some(it["state"].as_str()?.to_owned())
}

async fn acknowledged(clients: &Clients, more: u64) {
    let before = clients.acknowledged();
    eventually("appends through the gateway are acknowledged", async || {
        (clients.acknowledged() >= before + more).then_some(())
    })
    .await;
}

/// Guarantees 3, 13 and 17.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_takes_any_request_and_comes_and_goes_in_seconds() {
    if !permitted() {
        return;
    }
    let seed = rand::random::<u32>().into();
    println!("seed {seed}");
    let mut field = Field::new(4).await;
    field.grow_to(3).await;
    field.hosts[3].is_gateway = true;
    let began = Instant::now();
    field.start(3).await;
    let came = began.elapsed();
    let gateway = field.hosts[3].clients();

    let clients = Clients::start(vec![gateway], CLIENTS, seed);
    acknowledged(&clients, 200).await;
    assert_eq!(call(gateway, "put greeting hello").await.unwrap(), "put hello");
    let first = field.hosts[0].clients();
    assert_eq!(call(first, "put greeting other").await.unwrap(), "put hello");
    eventually("every list is there", async || {
        (call(gateway, "names").await? == format!("names {LISTS}")).then_some(())
    })
    .await;
    let values = call(gateway, "inspect 0").await.unwrap();
    assert!(values.starts_with("values ") && values != "values 0", "{values}");

    // Whatever it owned is owned by others, and the gateway hears of it although nobody else tells it.
    for victim in [0, 1] {
        let began = Instant::now();
        field.hosts[victim].kill();
        let reads = (0..LISTS).map(|list| async move {
            eventually("the list can be read through the gateway", async || {
                let answer = call(gateway, &format!("read {list}")).await?;
                answer.starts_with("read").then_some(())
            })
            .await;
        });
        join_all(reads).await;
        let failover = began.elapsed();
        println!("host {} killed: {} ms", victim + 1, failover.as_millis());
        assert!(failover < FAILOVER, "seed {seed}: {failover:?}");
        acknowledged(&clients, 50).await;
        field.start(victim).await;
        field.voters(3).await;
    }

    // It stops and comes back as the node that it was.
    field.hosts[3].stop().await;
    field.start(3).await;
    acknowledged(&clients, 50).await;
    let calls = clients.stop().await;
    let overview = field.overview().await.unwrap();
    let ids = |members: &serde_json::Value| members.as_array().unwrap().iter().any(|id| *id == 4);
    for group in overview["groups"].as_array().unwrap() {
        assert!(!ids(&group["voters"]) && !ids(&group["learners"]), "{group}");
    }
    let nodes = field.clients();
    let wrong = field.check(&calls, &nodes).await;
    assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");

    // Once it is removed, its name is that of another node.
    let began = Instant::now();
    let removing = async || (call(first, "remove 4").await? == "removing").then_some(());
    eventually("the gateway may be removed", removing).await;
    eventually("the gateway is out", async || {
        (state(&field, 4).await? == "Removed").then_some(())
    })
    .await;
    let went = began.elapsed();
    field.hosts[3].kill();
    field.hosts[3].wipe();
    field.start(3).await;
    eventually("another node has its name", async || {
        (state(&field, 5).await? == "Up").then_some(())
    })
    .await;
    println!("came in {} ms, went in {} ms", came.as_millis(), went.as_millis());
    assert!(
        came < SECONDS && went < SECONDS,
        "it came in {came:?} and went in {went:?}"
    );
}
