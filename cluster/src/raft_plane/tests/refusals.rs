//! Who is not let in, and what both ends hear of it.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::raft_plane::hello::{Greeting, Hello};

/// What a node hears that calls one which refuses it.
async fn refused(caller: &Node, to: NodeId) -> String {
    let reason = not_sent(caller.call(to, Lane::Log, "hello").await);
    assert!(reason.contains("refused the connection"), "{reason}");
    reason
}

#[tokio::test]
async fn nodes_of_another_cluster_are_refused() {
    let mut other = config(A);
    other.cluster = ClusterId::new(Uuid::from_u128(8));
    let (a, b) = (Node::start(other).await, Node::new(B).await);
    a.knows(&b);
    assert!(
        refused(&a, B)
            .await
            .contains("this is cluster 00000000-0000-0000-0000-000000000007, not ")
    );
    assert!(b.service.served.lock().is_empty());
}

#[tokio::test]
async fn a_node_that_is_not_the_one_called_says_so() {
    let (a, b) = (Node::new(A).await, Node::new(B).await);
    a.knows_at(C, b.address());
    assert!(refused(&a, C).await.contains("this is node 2 (node-2), not node 3"));
    a.plane.set_peer(A, &a.address().to_string(), None);
    assert!(refused(&a, A).await.contains("same identity"));
    // A copy of a node that was started beside it.
    let copy = Node::new(B).await;
    copy.knows(&b);
    assert!(refused(&copy, B).await.contains("same identity"));
}

#[tokio::test]
async fn a_name_that_does_not_go_with_the_id_is_refused_by_both_ends() {
    let (a, b) = (Node::new(A).await, Node::new(B).await);
    b.plane
        .set_peer(A, &a.address().to_string(), Some(&NodeName::new("other").unwrap()));
    a.knows(&b);
    assert!(refused(&a, B).await.contains("node 1 is other, not node-1"));
    let reason = not_sent(b.call(A, Lane::Log, "hello").await);
    assert!(reason.contains("node 1 (node-1) of cluster"), "{reason}");
}

#[tokio::test]
async fn a_node_that_is_not_known_may_call_and_one_that_was_removed_may_not() {
    let (a, b) = (Node::new(A).await, Node::new(B).await);
    a.knows(&b);
    a.call(B, Lane::Log, "hello").await.unwrap();
    let hanging = a.call(B, Lane::Log, "hang");
    b.served(2).await;
    b.plane.remove_peer(A);
    no_answer(hanging.await);
    let reason = loop {
        let reason = not_sent(a.call(B, Lane::Log, "hello").await);
        if reason.contains("refused") {
            break reason;
        }
        sleep(Duration::from_millis(10)).await;
    };
    assert!(reason.contains("node 1 was removed"), "{reason}");
    assert!(not_sent(b.call(A, Lane::Log, "hello").await).contains("removed"));
}

#[tokio::test]
async fn another_version_is_refused_with_a_sentence() {
    let b = Node::new(B).await;
    let mut stream = TcpStream::connect(b.address()).await.unwrap();
    let hello = Hello {
        from: config(A).identity(),
        to: B,
        lane: Lane::Log,
    };
    let hello = hello.encode(2..=3);
    stream.write_u16(hello.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    let Ok(Greeting::Refused(reason)) = Greeting::receive(&mut stream).await else {
        panic!("the hello was not refused");
    };
    assert!(reason.contains("versions 2 to 3"), "{reason}");
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_not_a_node_is_not_answered() {
    let b = Node::new(B).await;
    let mut stream = TcpStream::connect(b.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The connection is closed or reset, as what it brought was read or not.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

#[tokio::test]
async fn those_who_say_nothing_keep_nobody_out() {
    let mut narrow = config(B);
    narrow.limits.greetings = 2;
    narrow.limits.greeting = Duration::from_secs(3600);
    let (a, b) = (Node::new(A).await, Node::start(narrow).await);
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(TcpStream::connect(b.address()).await.unwrap());
    }
    a.knows(&b);
    a.call(B, Lane::Log, "hello").await.unwrap();
    // The first to come were the first to go.
    assert_eq!(timeout(LONG, silent[0].read(&mut [0])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn who_says_nothing_is_given_up() {
    let mut hasty = config(B);
    hasty.limits.greeting = Duration::from_millis(100);
    let b = Node::start(hasty).await;
    let mut silent = TcpStream::connect(b.address()).await.unwrap();
    assert_eq!(timeout(LONG, silent.read(&mut [0])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn there_are_as_many_connections_as_there_may_be() {
    let mut narrow = config(B);
    narrow.limits.connections = 1;
    let (a, b) = (Node::new(A).await, Node::start(narrow).await);
    a.knows(&b);
    a.call(B, Lane::Heartbeat, "hello").await.unwrap();
    assert!(refused(&a, B).await.contains("as many connections"));
    a.call(B, Lane::Heartbeat, "hello").await.unwrap();
}

#[tokio::test]
async fn a_plane_without_certificates_does_not_listen_beyond_this_machine() {
    let mut open = config(A);
    open.listen = "0.0.0.0:0".parse().unwrap();
    let refused = RaftPlane::bind(open).await.unwrap_err().to_string();
    assert!(refused.contains("set up certificates"), "{refused}");
}
