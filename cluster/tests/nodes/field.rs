//! Three hosts with a node each, and what tests ask of them as a whole.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    bridge::Bridge,
    client::{self, Connection},
    history::{self, Call, Element, Violation},
    host::Host,
    process::{self, Shape},
};

/// Longest time until every node answers for every list once all is well.
const HEALS: Duration = Duration::from_secs(60);

/// Hosts on a bridge.
pub(crate) struct Field {
    pub(crate) hosts: Vec<Host>,
    pub(crate) bridge: Bridge,
    _certificates: TempDir,
}

impl Field {
    /// So many hosts, of which the first has a node that founded a cluster.
    pub(crate) async fn new(hosts: u8) -> Self {
        Self::shaped(hosts, Shape::default()).await
    }

    /// The same, with nodes of this size.
    pub(crate) async fn shaped(hosts: u8, shape: Shape) -> Self {
        let folder = TempDir::new().unwrap();
        let mut bridge = Bridge::new();
        let certificates = process::certificates(folder.path(), hosts);
        let first = bridge.address(1);
        let hosts = (1..=hosts).map(|number| {
            let seeds = if number == 1 { Vec::new() } else { vec![first] };
            Host::new(&mut bridge, number, seeds, certificates.clone(), shape)
        });
        let mut field = Self {
            hosts: hosts.collect(),
            bridge,
            _certificates: folder,
        };
        field.start(0).await;
        field
    }

    /// Starts the node of a host, and waits until it takes calls.
    pub(crate) async fn start(&mut self, host: usize) {
        self.hosts[host].start(&self.bridge);
        self.hosts[host].ready().await;
    }

    /// Starts all nodes, and waits until every group has a voter on each.
    pub(crate) async fn grow(&mut self) {
        self.grow_to(self.hosts.len()).await;
    }

    /// Starts the nodes of so many hosts, and waits until every group has a voter on each.
    pub(crate) async fn grow_to(&mut self, hosts: usize) {
        for host in 1..hosts {
            self.start(host).await;
        }
        self.voters(hosts).await;
        for node in &self.clients()[..hosts] {
            eventually("every list can be read", async || client::all(*node, "list").await).await;
        }
    }

    /// Waits until every group has so many voters.
    pub(crate) async fn voters(&self, voters: usize) {
        let is_so = |overview: &Value| {
            let groups = overview["groups"].as_array()?;
            let is_whole = |group: &Value| group["voters"].as_array().is_some_and(|v| v.len() == voters);
            (!groups.is_empty() && groups.iter().all(is_whole)).then_some(())
        };
        eventually("every group has its voters", async || is_so(&self.overview().await?)).await;
    }

    /// What the first node that answers says of the cluster.
    pub(crate) async fn overview(&self) -> Option<Value> {
        for host in &self.hosts {
            if let Ok(mut connection) = Connection::open(host.clients()).await
                && let Ok(answer) = connection.call("overview").await
                && let Ok(overview) = serde_json::from_str(&answer)
            {
                return Some(overview);
            }
        }
        None
    }

    /// Where clients call.
    pub(crate) fn clients(&self) -> Vec<SocketAddr> {
        self.hosts.iter().map(Host::clients).collect()
    }

    /// What was not kept of what clients were told, by the nodes that are there in the end.
    pub(crate) async fn check(&mut self, calls: &[Call], nodes: &[SocketAddr]) -> Vec<Violation> {
        let lists = settled(nodes).await;
        let heard = heard(nodes, &lists).await;
        let mut wrong: Vec<_> = history::check(calls, &lists).into_iter().collect();
        wrong.extend(history::check_effects(&lists, &heard));
        if !wrong.is_empty() {
            for host in &mut self.hosts {
                let kept = host.keep();
                println!("host {}: {}\n{}", host.number, kept.display(), host.log());
            }
        }
        wrong
    }
}

/// The lists as they are in the end, on which all nodes must agree.
async fn settled(nodes: &[SocketAddr]) -> BTreeMap<u32, Vec<Element>> {
    let first = eventually("every list can be read", async || client::all(nodes[0], "list").await).await;
    for node in &nodes[1..] {
        let other = eventually("every list can be read", async || client::all(*node, "list").await).await;
        assert!(first == other, "two nodes answer differently at rest");
    }
    first
}

/// What the witnesses heard, once they have heard of every element.
async fn heard(nodes: &[SocketAddr], lists: &BTreeMap<u32, Vec<Element>>) -> BTreeMap<u32, Vec<Element>> {
    let expected: usize = lists.values().map(Vec::len).sum();
    let deadline = Instant::now() + HEALS;
    loop {
        let heard = eventually("every witness can be read", async || {
            client::all(nodes[0], "heard").await
        })
        .await;
        let has_all = heard.values().map(Vec::len).sum::<usize>() >= expected;
        if has_all || Instant::now() > deadline {
            return heard;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Tries until it succeeds, for so long and no longer.
pub(crate) async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + HEALS;
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(Instant::now() < deadline, "not within {HEALS:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
