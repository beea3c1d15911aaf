//! What a schedule runs on: one node, or several.

use std::{sync::Arc, time::Duration};

use cluster::{
    prelude::*,
    testing::{Faults, Leftovers, Probe, TestCluster, TestNodes, Weather},
};
use parking_lot::Mutex;

use crate::{cell::Cell, plan::Plan, world::Shared};

/// The nodes as they are since their last restart, for those who call.
pub(crate) type Nodes = Arc<Mutex<Vec<Option<Cluster>>>>;

/// What a schedule runs on.
pub(crate) struct Ground {
    world: Shared,
    nodes: Nodes,
    engine: bool,
    cluster: Kind,
}

enum Kind {
    One(Box<TestCluster>),
    Several(Arc<TestNodes>),
}

impl Ground {
    pub(crate) async fn start(plan: &Plan, world: &Shared) -> Self {
        let cluster = if plan.nodes == 1 {
            Kind::One(Box::new(one(plan, world).await))
        } else {
            Kind::Several(Arc::new(several(plan, world).await))
        };
        let ground = Self {
            world: world.clone(),
            nodes: Arc::new(Mutex::new(vec![None; plan.nodes])),
            engine: plan.engine,
            cluster,
        };
        (0..plan.nodes).for_each(|node| ground.show(node));
        ground
    }

    /// Lets everybody see a node as it is now.
    fn show(&self, node: usize) {
        match &self.cluster {
            Kind::One(test) => {
                self.nodes.lock()[node] = Some(test.cluster());
                self.world.lock().probes[node] = Some(test.probe());
            }
            Kind::Several(test) => show(test, node, &self.nodes, &self.world),
        }
    }

    pub(crate) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    pub(crate) fn several(&self) -> Option<&Arc<TestNodes>> {
        match &self.cluster {
            Kind::One(_) => None,
            Kind::Several(test) => Some(test),
        }
    }

    pub(crate) fn one(&self) -> Option<&TestCluster> {
        match &self.cluster {
            Kind::One(test) => Some(test),
            Kind::Several(_) => None,
        }
    }

    /// Ends a node as a killed process would; it comes back after a while. Only where it is one of several, time goes on
    /// meanwhile: then what is returned does the rest.
    pub(crate) async fn crash(&mut self, node: usize, pause: Duration) -> Option<impl Future<Output = ()> + use<>> {
        self.world.lock().probes[node] = None;
        let restarted = match &mut self.cluster {
            Kind::One(test) => {
                test.crash_and_restart_after(pause).await;
                None
            }
            Kind::Several(test) => {
                // Perhaps it has not come back from the last time.
                self.nodes.lock()[node].take()?;
                test.crash(node).await;
                self.world.lock().probes[node] = None;
                let (test, nodes, world) = (Arc::clone(test), Arc::clone(&self.nodes), self.world.clone());
                Some(async move {
                    tokio::time::sleep(pause).await;
                    match test.try_restart(node).await {
                        Ok(()) => show(&test, node, &nodes, &world),
                        Err(error) => world.lock().violated(format!("node {node} does not open: {error}")),
                    }
                })
            }
        };
        if restarted.is_none() {
            self.show(node);
        }
        restarted
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        match &self.cluster {
            Kind::One(test) => test.set_faults(faults),
            Kind::Several(test) if !self.engine => test.set_faults(faults),
            Kind::Several(_) => {}
        }
    }

    pub(crate) fn depose(&self, shard: u16) {
        match &self.cluster {
            Kind::One(test) => test.depose(shard),
            Kind::Several(test) => test.depose(shard),
        }
    }

    pub(crate) async fn passivate_all(&self) {
        match &self.cluster {
            Kind::One(test) => test.passivate_all().await,
            Kind::Several(test) => test.passivate_all().await,
        }
    }

    pub(crate) fn fail_syncs(&self, node: usize) {
        match &self.cluster {
            Kind::One(test) => test.fail_syncs(),
            // The next process on the disk is no one that a fault can end: it is not there yet.
            Kind::Several(_) if self.nodes.lock()[node].is_none() => {}
            Kind::Several(test) => test.fail_syncs(node),
        }
    }

    /// Takes away what keeps nodes apart.
    pub(crate) fn heal(&self) {
        if let Kind::Several(test) = &self.cluster {
            test.heal();
            if !self.engine {
                test.tell();
            }
        }
    }

    /// Lets the network behave.
    pub(crate) fn calm(&self) {
        if let Kind::Several(test) = &self.cluster {
            test.set_weather(Weather::default());
        }
    }

    /// Whether replicas are alike, and all have everything.
    pub(crate) fn compare(&self) -> Result<bool, String> {
        match &self.cluster {
            Kind::One(_) => Ok(true),
            Kind::Several(test) => test.compare(),
        }
    }

    /// Why nodes could not go on.
    pub(crate) fn fatal(&self) -> Vec<String> {
        match &self.cluster {
            Kind::One(test) => test.fatal(),
            Kind::Several(test) => test.fatal(),
        }
    }

    /// What is left to be worked off; nothing is known while a shard has no owner.
    pub(crate) fn leftovers(&self, plan: &Plan) -> Result<Option<Leftovers>, String> {
        let probes: Vec<Probe> = self.world.lock().probes.iter().flatten().cloned().collect();
        let mut leftovers = Leftovers::default();
        for shard in 0..plan.shards {
            let owners = probes.iter();
            let owners = owners.filter_map(|probe| Some((probe.shard_epoch(shard)?, probe)));
            let Some((_, owner)) = owners.max_by_key(|(epoch, _)| *epoch) else {
                return Ok(None);
            };
            leftovers += owner.audit_shard(shard)?;
        }
        Ok(Some(leftovers))
    }
}

/// Lets everybody see one of several nodes as it is now.
fn show(test: &TestNodes, node: usize, nodes: &Nodes, world: &Shared) {
    let running = test.running(node);
    world.lock().probes[node] = running.is_some().then(|| test.probe(node));
    nodes.lock()[node] = running;
}

async fn one(plan: &Plan, world: &Shared) -> TestCluster {
    let builder = TestCluster::builder(plan.seed)
        .shards(plan.shards)
        .bounds(plan.bounds.clone())
        .actor::<Cell>(world.clone());
    let builder = if plan.engine {
        builder.syncs(plan.syncs.clone())
    } else {
        builder.simulated(plan.faults.clone())
    };
    builder.start().await
}

async fn several(plan: &Plan, world: &Shared) -> TestNodes {
    let mut builder = TestNodes::builder(plan.seed)
        .nodes(plan.nodes)
        .shards(plan.shards)
        .bounds(plan.bounds.clone())
        .actor::<Cell>(world.clone());
    if plan.engine {
        builder = builder.engines().syncs(plan.syncs.clone());
    } else {
        builder = builder.faults(plan.faults.clone());
    }
    if !plan.replicas {
        builder = builder.without_replicas();
    }
    let test = builder.start().await;
    test.set_weather(plan.weather.clone());
    test
}
