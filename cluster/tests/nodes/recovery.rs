//! What is left of a cluster that lost its majority for good.

use std::collections::BTreeMap;

use cluster::{Cluster, ClusterConfig, Missing, NodeId, Recovery, RecoveryError, Stores, SystemClock};
use tokio::runtime::Handle;

use crate::{
    client::{self, Clients, Connection},
    field::{Field, eventually},
    history::Element,
    lists::{Growing, Witness},
    slots::Slots,
    suite::{CLIENTS, permitted},
};

async fn call(field: &Field, host: usize, line: &str) -> Option<String> {
    Connection::open(field.hosts[host].clients())
        .await
        .ok()?
        .call(line)
        .await
        .ok()
}

async fn lists(field: &Field, host: usize) -> BTreeMap<u32, Vec<Element>> {
    let node = field.hosts[host].clients();
    eventually("every list can be read", async || client::all(node, "list").await).await
}

fn prepare(field: &Field, host: usize) -> Result<Recovery, RecoveryError> {
    Recovery::prepare(field.hosts[host].directory(), Missing::Refuse, &SystemClock, |_, _| {})
}

/// Guarantee 3.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_had_goes_on_when_the_others_are_lost() {
    if !permitted() {
        return;
    }
    let seed = rand::random::<u32>().into();
    println!("seed {seed}");
    let mut field = Field::new(3).await;
    field.grow().await;
    assert!(matches!(prepare(&field, 2), Err(RecoveryError::Open(_))), "it runs");
    let clients = Clients::start(field.clients(), CLIENTS, seed);
    eventually("appends are acknowledged", async || {
        (clients.acknowledged() >= 300).then_some(())
    })
    .await;
    let calls = clients.stop().await;
    // The majority may be two of the others: what is acknowledged now is on its way to the third.
    eventually("every node has everything", async || {
        let overview = field.overview().await?;
        let has_all = |group: &serde_json::Value| {
            let lag = group["lag"].as_object().unwrap();
            lag.len() == 2 && lag.values().all(|entries| *entries == 0)
        };
        overview["groups"].as_array()?.iter().all(has_all).then_some(())
    })
    .await;
    for host in &mut field.hosts {
        host.kill();
    }

    let recovery = prepare(&field, 2).unwrap();
    let lost: Vec<_> = recovery.report().lost.iter().map(|(node, _)| *node).collect();
    assert_eq!(lost, [NodeId::new(1), NodeId::new(2)]);
    drop(recovery);
    let untouched = prepare(&field, 2).unwrap();
    let report = untouched.carry_out().unwrap();
    assert!(report.kept.exists() && field.hosts[2].directory().join("recovered").exists());
    assert!(matches!(prepare(&field, 2), Err(RecoveryError::Earlier { .. })));

    let directory = field.hosts[2].directory();
    // It needs no place among others to go on.
    let config = ClusterConfig {
        shards: 8,
        ..ClusterConfig::new(Handle::current(), Handle::current())
    };
    let builder = Cluster::builder(config).actor::<Growing>(()).actor::<Witness>(());
    let cluster = builder.actor::<Slots>(()).open(Stores::disk(directory)).await.unwrap();
    assert_eq!((cluster.node_id(), cluster.status().owned), (NodeId::new(3), 8));
    cluster.shutdown().await;

    // It has its number, everything it had, and serves alone.
    field.start(2).await;
    let alone = [field.hosts[2].clients()];
    let wrong = field.check(&calls, &alone).await;
    assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
    let overview = eventually("the overview is there", async || {
        let overview = field.overview().await?;
        (overview["groups"].as_array()?.len() == 9).then_some(overview)
    })
    .await;
    for group in overview["groups"].as_array().unwrap() {
        assert_eq!(group["voters"], serde_json::json!([3]));
    }
    let appended = call(&field, 2, &format!("append 0 {}", u32::MAX)).await.unwrap();
    assert!(appended.starts_with("appended"), "{appended}");

    // Nodes that were not lost after all are a cluster of their own.
    for host in [0, 1] {
        field.hosts[host].start(&field.bridge);
    }
    for host in [0, 1] {
        field.hosts[host].ready().await;
    }
    let former = lists(&field, 0).await;
    assert!(
        !former[&0].contains(&u64::from(u32::MAX)),
        "they hear nothing of what is new"
    );
    let appended = call(&field, 0, &format!("append 1 {}", u32::MAX)).await.unwrap();
    assert!(appended.starts_with("appended"), "{appended}");
    let present = lists(&field, 2).await;
    assert!(
        !present[&1].contains(&u64::from(u32::MAX)),
        "it takes nothing from them"
    );
    let overview = call(&field, 2, "overview").await.unwrap();
    let overview: serde_json::Value = serde_json::from_str(&overview).unwrap();
    for node in overview["nodes"].as_array().unwrap() {
        let state = if node["id"] == 3 { "Up" } else { "Removed" };
        assert_eq!(node["state"], state, "{node}");
    }

    // With an empty directory one comes back as another node.
    for host in [0, 1] {
        field.hosts[host].kill();
        field.hosts[host].wipe();
    }
    field.hosts[1].seeds = vec![field.hosts[2].address];
    field.start(1).await;
    field.voters(2).await;
    assert_eq!(lists(&field, 1).await, present);
    field.hosts[1].kill();
    field.hosts[2].kill();
    assert!(matches!(prepare(&field, 1), Ok(recovery) if recovery.report().node == NodeId::new(4)));
}
