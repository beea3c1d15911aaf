//! Planes that show each other certificates.

use super::*;
use crate::tls::authority::Authority;

pub(super) fn certified(authority: &Authority, id: NodeId) -> RaftPlaneConfig {
    RaftPlaneConfig {
        security: authority.security(&name(id)),
        ..config(id)
    }
}

#[tokio::test]
async fn nodes_with_certificates_of_one_ca_call_each_other() {
    let authority = Authority::new();
    let a = Node::start(certified(&authority, A)).await;
    let b = Node::start(certified(&authority, B)).await;
    a.knows(&b);
    b.plane.set_peer(A, &a.address().to_string(), None);
    let large = Bytes::from(vec![7; 8 << 20]);
    for lane in [Lane::Heartbeat, Lane::Log, Lane::Snapshot] {
        assert!(a.call(B, lane, large.clone()).await.unwrap() == large);
        b.call(A, lane, "hello").await.unwrap();
    }
}

#[tokio::test]
async fn a_node_of_another_ca_is_refused() {
    let a = Node::start(certified(&Authority::new(), A)).await;
    let b = Node::start(certified(&Authority::new(), B)).await;
    a.knows(&b);
    let reason = not_sent(a.call(B, Lane::Log, "hello").await);
    assert!(reason.contains("invalid peer certificate"), "{reason}");
}

#[tokio::test]
async fn a_node_without_certificates_does_not_reach_one_that_has_some() {
    let (a, b) = (Node::new(A).await, Node::start(certified(&Authority::new(), B)).await);
    a.knows(&b);
    b.knows(&a);
    not_sent(a.call(B, Lane::Log, "hello").await);
    not_sent(b.call(A, Lane::Log, "hello").await);
    assert!(a.service.served.lock().is_empty() && b.service.served.lock().is_empty());
}

#[tokio::test]
async fn a_member_cannot_call_or_answer_as_another_one() {
    let authority = Authority::new();
    // The certificate is that of node 3.
    let posing = RaftPlaneConfig {
        security: authority.security(&name(C)),
        ..config(A)
    };
    let a = Node::start(posing).await;
    let b = Node::start(certified(&authority, B)).await;
    a.knows(&b);
    b.knows(&a);
    let reason = not_sent(a.call(B, Lane::Log, "hello").await);
    assert!(
        reason.contains("calls itself node-1, but shows the certificate of node-3"),
        "{reason}"
    );
    let reason = not_sent(b.call(A, Lane::Log, "hello").await);
    assert!(
        reason.contains("not valid for name \"node-1.node.internal\""),
        "{reason}"
    );
    // Neither when its name is not known yet.
    b.plane.set_peer(A, &a.address().to_string(), None);
    let reason = not_sent(b.call(A, Lane::Log, "hello").await);
    assert!(reason.contains("shows the certificate of node-3"), "{reason}");
}
