//! Planes on sockets of this machine.

mod calls;
mod certificates;
mod engines;
mod failures;
mod fake;
mod refusals;

use std::{future::pending, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::*;
use crate::{
    cluster_id::ClusterId,
    node_name::NodeName,
    peers::{CallError, Lane, NodeId, Service},
    tls::Security,
};

const A: NodeId = NodeId::new(1);
const B: NodeId = NodeId::new(2);
const C: NodeId = NodeId::new(3);

/// Longer than anything takes that goes well.
const LONG: Duration = Duration::from_secs(30);

/// What a node does with the requests it gets: most come back as they are.
#[derive(Default)]
struct Echo {
    served: Mutex<Vec<(NodeId, Lane, Bytes)>>,
    /// How many of those that ask for it may be answered.
    gate: Arc<Gate>,
}

struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Service for Echo {
    fn serve(&self, from: NodeId, lane: Lane, request: Bytes) -> BoxFuture<'static, Bytes> {
        self.served.lock().push((from, lane, request.clone()));
        assert!(request != "panic at once", "as it was asked to");
        let gate = Arc::clone(&self.gate);
        async move {
            match &*request {
                b"hang" => pending().await,
                b"panic" => panic!("as it was asked to"),
                b"wait" => gate.0.acquire().await.unwrap().forget(),
                b"work" => sleep(Duration::from_millis(1500)).await,
                b"too much" => return vec![0; 17 << 20].into(),
                _ => {}
            }
            request
        }
        .boxed()
    }
}

/// A node that is nothing but its plane.
struct Node {
    id: NodeId,
    plane: RaftPlane,
    service: Arc<Echo>,
}

fn name(id: NodeId) -> NodeName {
    NodeName::new(format!("node-{id}")).unwrap()
}

fn config(id: NodeId) -> RaftPlaneConfig {
    RaftPlaneConfig {
        cluster: ClusterId::new(Uuid::from_u128(7)),
        node: id,
        name: name(id),
        listen: "127.0.0.1:0".parse().unwrap(),
        security: Security::default(),
        limits: RaftPlaneLimits::default(),
    }
}

impl Node {
    async fn start(config: RaftPlaneConfig) -> Self {
        let id = config.node;
        let plane = RaftPlane::bind(config).await.unwrap();
        let service = Arc::<Echo>::default();
        plane.serve(Arc::clone(&service) as Arc<dyn Service>);
        Self { id, plane, service }
    }

    async fn new(id: NodeId) -> Self {
        Self::start(config(id)).await
    }

    fn address(&self) -> SocketAddr {
        self.plane.address()
    }

    /// Tells this node where another one is.
    fn knows(&self, other: &Self) {
        self.knows_at(other.id, other.address());
    }

    fn knows_at(&self, id: NodeId, address: SocketAddr) {
        self.plane.set_peer(id, &address.to_string(), Some(&name(id)));
    }

    fn call_within(
        &self,
        to: NodeId,
        lane: Lane,
        request: impl Into<Bytes>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        self.plane.peers().call(to, lane, request.into(), within)
    }

    fn call(&self, to: NodeId, lane: Lane, request: impl Into<Bytes>) -> BoxFuture<'static, Result<Bytes, CallError>> {
        self.call_within(to, lane, request, LONG)
    }

    /// Calls until it is answered.
    async fn reach(&self, to: NodeId, lane: Lane) {
        let calling = async {
            while self.call(to, lane, "are you there").await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, calling).await.expect("the node is reached in time");
    }

    /// Waits until so many requests have reached the service.
    async fn served(&self, count: usize) {
        let waiting = async {
            while self.service.served.lock().len() < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, waiting).await.expect("the requests arrive in time");
    }
}

/// Two nodes that know each other.
async fn pair() -> (Node, Node) {
    let (a, b) = (Node::new(A).await, Node::new(B).await);
    a.knows(&b);
    b.knows(&a);
    (a, b)
}

fn not_sent(result: Result<Bytes, CallError>) -> String {
    match result {
        Err(CallError::NotSent { reason, .. }) => reason,
        other => panic!("the call was not refused as not sent: {other:?}"),
    }
}

fn no_answer(result: Result<Bytes, CallError>) -> String {
    match result {
        Err(CallError::NoAnswer { reason, .. }) => reason,
        other => panic!("the call did not end without an answer: {other:?}"),
    }
}
