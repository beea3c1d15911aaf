//! Finds the sockets of a shard whose gateway is gone: its process has ended, or nobody has heard from it for long.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::courier;
use crate::{address::Address, host::Host, keyspace, peers::NodeId, router::Node};

/// Pause between the rounds.
const PAUSE: Duration = Duration::from_secs(5);

/// For how long a gateway may be out of reach until its sockets are taken for lost. Longer than it takes to start a node
/// again, so that a partition disconnects nobody.
const OUT_OF_REACH: Duration = Duration::from_secs(30);

/// How long a node may take to say which run it is.
const WITHIN: Duration = Duration::from_secs(1);

/// Sockets of which actors are told before the next are read.
const PAGE: usize = 256;

/// Actors that are told at once.
const ABREAST: usize = 16;

/// Looks until it is dropped.
pub(crate) async fn run(host: Arc<Host>) {
    let mut unheard: BTreeMap<NodeId, Instant> = BTreeMap::new();
    loop {
        let Some(node) = host.node() else { return };
        match round(&node, &host, &mut unheard).await {
            Ok(true) => tokio::time::sleep(PAUSE).await,
            // Most shards have no sockets most of the time.
            Ok(false) => host.sockets.notified().await,
            Err(error) => {
                tracing::error!(%error, shard = host.shard.number(), "failed to read the sockets of a shard");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Looks once; says whether there are sockets at all.
async fn round(node: &Arc<Node>, host: &Arc<Host>, unheard: &mut BTreeMap<NodeId, Instant>) -> std::io::Result<bool> {
    let processes = processes(host)?;
    let gateways: BTreeSet<_> = processes.iter().map(|(gateway, _)| *gateway).collect();
    unheard.retain(|gateway, _| gateways.contains(gateway));
    for gateway in gateways {
        let present = if gateway == node.remote.node {
            Some(node.ports.instance)
        } else {
            node.remote.instance_of(gateway, WITHIN).await
        };
        let is_out_of_reach = match present {
            Some(_) => {
                unheard.remove(&gateway);
                false
            }
            None => unheard.entry(gateway).or_insert_with(Instant::now).elapsed() >= OUT_OF_REACH,
        };
        for (_, instance) in processes.iter().filter(|(of, _)| *of == gateway) {
            if is_out_of_reach || present.is_some_and(|present| present != *instance) {
                lose(node, host, gateway, *instance).await?;
            }
        }
    }
    Ok(!processes.is_empty())
}

/// The processes that keep sockets of the shard.
fn processes(host: &Host) -> std::io::Result<Vec<(NodeId, u64)>> {
    let (mut start, end) = keyspace::all_socket_index();
    let mut processes = Vec::new();
    loop {
        let next = host.shard.scan((start, end.clone()), false, 1)?;
        let Some((gateway, instance)) = next.first().and_then(|(key, _)| keyspace::parse_gateway(key)) else {
            return Ok(processes);
        };
        processes.push((gateway, instance));
        // On to the first key of the next process.
        start = match keyspace::sockets_of(gateway, instance).1 {
            Bound::Excluded(behind) => Bound::Included(behind),
            Bound::Included(_) | Bound::Unbounded => return Ok(processes),
        };
    }
}

/// Tells the actors of the sockets of one process that these are closed.
async fn lose(node: &Arc<Node>, host: &Arc<Host>, gateway: NodeId, instance: u64) -> std::io::Result<()> {
    let (mut start, end) = keyspace::sockets_of(gateway, instance);
    loop {
        let rows = host.shard.scan((start, end.clone()), false, PAGE)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        start = Bound::Excluded(last.clone());
        let found = rows.iter().filter_map(|(key, value)| {
            let socket = keyspace::parse_socket_index(key)?;
            let address = Address::decode(value, &node.classes);
            if address.is_none() {
                tracing::error!(shard = host.shard.number(), %socket, "the actor of a socket is not known");
            }
            Some((socket, address?))
        });
        // One that cannot be told now is told in a later round, and keeps nobody waiting for longer than a call.
        let found: Vec<_> = found.collect();
        let told = found.into_iter().map(|(socket, address)| {
            let node = Arc::clone(node);
            async move { courier::tell_lost(&node, &address, socket).await }
        });
        stream::iter(told).buffer_unordered(ABREAST).collect::<()>().await;
    }
}
