use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use super::fixture::{A, B, C, CLUSTER, config, connected, echo, introduce, start, trouble};
use crate::{
    cluster_id::ClusterId,
    peers::NodeId,
    request_plane::{
        RequestPlane,
        hello::{Cookie, Door, Hello, HelloError, Refusal, Reply, hear, say},
        plane::BindError,
    },
};

fn hello(cluster: ClusterId, cookie: Cookie, from: NodeId, to: NodeId) -> Hello {
    Hello::Member {
        cluster,
        cookie,
        from,
        to,
        door: Door {
            token: 1,
            calls: 2,
            answers: 3,
        },
    }
}

#[tokio::test]
async fn whoever_does_not_belong_is_refused_and_told_why() {
    let b = start(B, echo()).await;
    introduce(&b, A, "127.0.0.1:1");
    let other = ClusterId::new(Uuid::from_bytes([8; 16]));
    let cases = [
        (hello(other, Cookie::of(other), A, B), Refusal::Cluster),
        (hello(CLUSTER, Cookie::of(other), A, B), Refusal::Cookie),
        (hello(CLUSTER, Cookie::of(CLUSTER), A, C), Refusal::Node(B)),
        (hello(CLUSTER, Cookie::of(CLUSTER), C, B), Refusal::Unknown),
    ];
    for (hello, refusal) in cases {
        let mut stream = TcpStream::connect(b.address()).await.unwrap();
        say(&mut stream, &hello).await.unwrap();
        assert_eq!(hear::<Reply>(&mut stream).await.unwrap(), Reply::Refused(refusal));
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the connection ends");
    }
}

#[tokio::test]
async fn another_version_is_refused_with_ours() {
    let b = start(B, echo()).await;
    let mut stream = TcpStream::connect(b.address()).await.unwrap();
    let mut bytes = Vec::new();
    say(&mut bytes, &hello(CLUSTER, Cookie::of(CLUSTER), A, B))
        .await
        .unwrap();
    bytes[9] = 200;
    stream.write_all(&bytes).await.unwrap();
    let refused = hear::<Reply>(&mut stream).await.unwrap();
    assert_eq!(refused, Reply::Refused(Refusal::Version(super::super::hello::VERSION)));
}

#[tokio::test]
async fn the_cookie_is_asked_for_once_more_by_ractor_cluster() {
    let b = start(B, echo()).await;
    introduce(&b, A, "127.0.0.1:1");
    let mut stream = TcpStream::connect(b.address()).await.unwrap();
    let true_hello = hello(CLUSTER, Cookie::of(CLUSTER), A, B);
    say(&mut stream, &true_hello).await.unwrap();
    assert!(matches!(hear(&mut stream).await.unwrap(), Reply::Welcome(_)));
    // A frame that authenticates nobody.
    let frame = [0, 0, 0, 0, 0, 0, 0, 2, 0x0a, 0];
    stream.write_all(&frame).await.unwrap();
    let start = Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(start.elapsed() < config(B).bounds.handshake * 2);
    assert!(b.reach()[&A].is_err());
}

#[tokio::test]
async fn silent_connections_end_with_the_deadline_and_keep_nobody_out() {
    let mut slow = config(B);
    slow.bounds.handshake = Duration::from_millis(300);
    slow.bounds.handshakes = 4;
    let b = RequestPlane::bind(slow, echo()).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(b.address()).await.unwrap());
    }
    let a = start(A, echo()).await;
    introduce(&b, A, a.address());
    introduce(&a, B, b.address());
    connected(&a, B).await;
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn nodes_of_two_clusters_do_not_connect_and_each_says_why() {
    let mut other = config(A);
    other.cluster = ClusterId::new(Uuid::from_bytes([9; 16]));
    let a = RequestPlane::bind(other, echo()).await.unwrap();
    let b = start(B, echo()).await;
    introduce(&a, B, b.address());
    introduce(&b, A, a.address());
    trouble(&a, B, "another cluster").await;
    trouble(&b, A, "another cluster").await;
}

#[tokio::test]
async fn something_else_at_the_address_is_named_as_such() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            // Read, so that what was said is not lost with what was not heard.
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    let a = start(A, echo()).await;
    introduce(&a, B, address);
    trouble(&a, B, "not the request plane").await;
    let magic = hear::<Reply>(&mut &b"HTTP/1.1 400 Bad Request"[..]).await;
    assert!(matches!(magic, Err(HelloError::Magic)));
}

#[tokio::test]
async fn without_certificates_nothing_leaves_the_machine() {
    let mut open = config(A);
    open.listen = ([0, 0, 0, 0], 0).into();
    let refused = RequestPlane::bind(open, echo()).await.unwrap_err();
    assert!(matches!(refused, BindError::Channel(_)));
}
