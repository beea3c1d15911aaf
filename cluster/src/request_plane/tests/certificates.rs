use super::fixture::{A, B, call, connected, echo, introduce, name, start, start_secure, trouble};
use crate::tls::{Security, authority::Authority};

/// Two encrypted nodes, for the measurements.
pub(super) fn two() -> [Security; 2] {
    let authority = Authority::new();
    [A, B].map(|node| authority.security(&name(node)))
}

#[tokio::test]
async fn nodes_with_certificates_of_one_authority_connect() {
    let [first, second] = two();
    let (a, b) = (start_secure(A, first).await, start_secure(B, second).await);
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    connected(&a, B).await;
    connected(&b, A).await;
    assert_eq!(call(&a, B, "secret").await.unwrap(), "secret");
    let large = bytes::Bytes::from(vec![3; 8 * 1024 * 1024]);
    assert!(call(&b, A, large.clone()).await.unwrap() == large);
}

#[tokio::test]
async fn a_certificate_of_another_node_is_refused_on_both_sides() {
    let authority = Authority::new();
    // Both have the certificate of B.
    let a = start_secure(A, authority.security(&name(B))).await;
    let b = start_secure(B, authority.security(&name(B))).await;
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    trouble(&a, B, "expects another certificate").await;
    trouble(&b, A, "certificate").await;
}

#[tokio::test]
async fn certificates_of_another_authority_are_refused() {
    let a = start_secure(A, Authority::new().security(&name(A))).await;
    let b = start_secure(B, Authority::new().security(&name(B))).await;
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    trouble(&a, B, "certificate").await;
}

#[tokio::test]
async fn a_node_without_certificates_reaches_none_with_them() {
    let a = start(A, echo()).await;
    let b = start_secure(B, Authority::new().security(&name(B))).await;
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    trouble(&a, B, "").await;
    trouble(&b, A, "TLS").await;
}
