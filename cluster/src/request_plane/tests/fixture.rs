//! Nodes for tests.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use uuid::Uuid;

use crate::{
    cluster_id::ClusterId,
    node_name::NodeName,
    peers::{CallError, Lane, NodeId, Peers, Service},
    request_plane::{RequestBounds, RequestPlane, RequestPlaneConfig},
    tls::Security,
};

pub(super) const A: NodeId = NodeId::new(1);
pub(super) const B: NodeId = NodeId::new(2);
pub(super) const C: NodeId = NodeId::new(3);
pub(super) const CLUSTER: ClusterId = ClusterId::new(Uuid::from_bytes([7; 16]));
pub(super) const LONG: Duration = Duration::from_secs(20);

type Serve = dyn Fn(NodeId, Bytes) -> BoxFuture<'static, Bytes> + Send + Sync;

/// A service made of a function.
struct Function(Box<Serve>);

impl Service for Function {
    fn serve(&self, from: NodeId, lane: Lane, request: Bytes) -> BoxFuture<'static, Bytes> {
        assert_eq!(lane, Lane::Request);
        (self.0)(from, request)
    }

    fn admit(&self, request: Bytes) -> Option<BoxFuture<'static, Bytes>> {
        (request != "not you").then(|| async move { request }.boxed())
    }
}

/// Serves with a function.
pub(super) fn service<F: Future<Output = Bytes> + Send + 'static>(
    serve: impl Fn(NodeId, Bytes) -> F + Send + Sync + 'static,
) -> Arc<dyn Service> {
    Arc::new(Function(Box::new(move |from, request| serve(from, request).boxed())))
}

/// Answers what was asked.
pub(super) fn echo() -> Arc<dyn Service> {
    service(|_, request| async move { request })
}

/// Never answers.
pub(super) fn silence() -> Arc<dyn Service> {
    service(|_, _| std::future::pending())
}

/// Bounds under which tests are quick.
pub(super) fn bounds() -> RequestBounds {
    RequestBounds {
        pulse: Duration::from_millis(200),
        redial: Duration::from_millis(20),
        redial_most: Duration::from_millis(100),
        courtesy: Duration::from_millis(300),
        ..RequestBounds::default()
    }
}

pub(super) fn config(node: NodeId) -> RequestPlaneConfig {
    RequestPlaneConfig {
        node,
        cluster: CLUSTER,
        listen: ([127, 0, 0, 1], 0).into(),
        security: Security::default(),
        bounds: bounds(),
    }
}

pub(super) async fn start(node: NodeId, service: Arc<dyn Service>) -> RequestPlane {
    RequestPlane::bind(config(node), service).await.unwrap()
}

pub(super) async fn start_secure(node: NodeId, security: Security) -> RequestPlane {
    let config = RequestPlaneConfig {
        security,
        ..config(node)
    };
    RequestPlane::bind(config, echo()).await.unwrap()
}

pub(super) fn name(node: NodeId) -> NodeName {
    NodeName::new(format!("node-{node}")).unwrap()
}

/// Makes a node a peer of another.
pub(super) fn introduce(to: &RequestPlane, node: NodeId, address: impl ToString) {
    to.set_peer(node, address.to_string(), name(node));
}

/// Two nodes that are connected.
pub(super) async fn pair(service: Arc<dyn Service>) -> (RequestPlane, RequestPlane) {
    pair_with(bounds(), service).await
}

pub(super) async fn pair_with(bounds: RequestBounds, service: Arc<dyn Service>) -> (RequestPlane, RequestPlane) {
    let with = |node| RequestPlaneConfig {
        bounds: bounds.clone(),
        ..config(node)
    };
    let a = RequestPlane::bind(with(A), echo()).await.unwrap();
    let b = RequestPlane::bind(with(B), service).await.unwrap();
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    connected(&a, B).await;
    connected(&b, A).await;
    (a, b)
}

/// Waits until something holds; a test that waits for longer has failed.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, wait).await.is_ok(), "{what}");
}

pub(super) fn is_connected(from: &RequestPlane, to: NodeId) -> bool {
    from.reach().get(&to).is_some_and(Result::is_ok)
}

pub(super) async fn connected(from: &RequestPlane, to: NodeId) {
    until("the nodes connect", || is_connected(from, to)).await;
}

/// Waits until a node knows why it does not reach another.
pub(super) async fn trouble(from: &RequestPlane, to: NodeId, words: &str) {
    until(words, || match from.reach().get(&to) {
        Some(Err(trouble)) => trouble.contains(words),
        Some(Ok(())) | None => false,
    })
    .await;
}

pub(super) fn call(from: &RequestPlane, to: NodeId, request: impl Into<Bytes>) -> Answer {
    call_within(&from.peers(), to, request, LONG)
}

pub(super) type Answer = BoxFuture<'static, Result<Bytes, CallError>>;

pub(super) fn call_within(from: &Arc<dyn Peers>, to: NodeId, request: impl Into<Bytes>, within: Duration) -> Answer {
    from.call(to, Lane::Request, request.into(), within)
}

#[track_caller]
pub(super) fn assert_not_sent(answer: Result<Bytes, CallError>, words: &str) {
    match answer {
        Err(CallError::NotSent { reason, .. }) if reason.contains(words) => {}
        answer => panic!("{answer:?}"),
    }
}

#[track_caller]
pub(super) fn assert_no_answer(answer: Result<Bytes, CallError>, words: &str) {
    match answer {
        Err(CallError::NoAnswer { reason, .. }) if reason.contains(words) => {}
        answer => panic!("{answer:?}"),
    }
}
