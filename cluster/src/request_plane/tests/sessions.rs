use std::time::{Duration, Instant};

use futures_util::future::join_all;
use ractor::registry::get_all_pids;

use super::{
    fixture::{
        A, B, C, assert_no_answer, assert_not_sent, bounds, call, config, connected, echo, introduce, is_connected,
        pair, silence, start, trouble, until,
    },
    proxy::{Proxy, Weather},
};
use crate::request_plane::RequestPlane;

/// Two nodes with a wire between them that can be frozen.
async fn wired(service: std::sync::Arc<dyn crate::peers::Service>) -> (RequestPlane, RequestPlane, Proxy) {
    let a = start(A, echo()).await;
    let b = start(B, service).await;
    let proxy = Proxy::start(b.address()).await;
    introduce(&a, B, proxy.address);
    introduce(&b, A, a.address());
    connected(&a, B).await;
    connected(&b, A).await;
    (a, b, proxy)
}

#[tokio::test]
async fn calls_to_a_peer_that_is_killed_end_at_once() {
    let (a, b) = pair(silence()).await;
    let waiting = (0..100).map(|_| call(&a, B, "one")).collect::<Vec<_>>();
    let start = Instant::now();
    drop(b);
    for answer in join_all(waiting).await {
        assert_no_answer(answer, "connection was lost");
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let (silent, reason) = a.silence(B).unwrap();
    assert!(silent <= start.elapsed() && !reason.is_empty(), "{silent:?}: {reason}");
    assert!(matches!(
        call(&a, B, "afterwards").await,
        Err(crate::peers::CallError::NotSent { .. })
    ));
}

#[tokio::test]
async fn a_frozen_peer_is_noticed_whichever_direction_is_frozen() {
    for weather in [Weather::Frozen, Weather::FrozenForth, Weather::FrozenBack] {
        let (a, b, proxy) = wired(silence()).await;
        let waiting = call(&a, B, "one");
        let start = Instant::now();
        proxy.set(weather);
        assert_no_answer(waiting.await, "connection");
        // Three pulses are missed after the first one that was still heard; twice that, because the machine is busy.
        let most = bounds().pulse * (bounds().missed + 1) * 2;
        assert!(start.elapsed() < most, "{weather:?}: {:?}", start.elapsed());
        until("the other side notices too", || !is_connected(&b, A)).await;
        proxy.set(Weather::Fair);
        connected(&a, B).await;
        connected(&b, A).await;
        assert_eq!(a.silence(B), None);
    }
}

#[tokio::test]
async fn a_frozen_peer_does_not_make_the_queue_grow() {
    let (a, _b, proxy) = wired(echo()).await;
    proxy.set(Weather::Frozen);
    let body = bytes::Bytes::from(vec![0; 8 * 1024 * 1024]);
    let calls = (0..20).map(|_| call(&a, B, body.clone())).collect::<Vec<_>>();
    let answers = join_all(calls).await;
    let sent = answers.iter().filter(|answer| {
        let error = answer.as_ref().unwrap_err();
        matches!(error, crate::peers::CallError::NoAnswer { .. })
    });
    assert_eq!(sent.count(), bounds().window / body.len() - 1);
}

#[tokio::test]
async fn a_large_body_on_a_busy_connection_is_not_silence() {
    let (a, b) = pair(echo()).await;
    let session = a.plane().peer(B).unwrap().session().unwrap();
    let body = bytes::Bytes::from(vec![1; 8 * 1024 * 1024]);
    for _ in 0..10 {
        let (forth, back) = tokio::join!(call(&a, B, body.clone()), call(&b, A, body.clone()));
        assert_eq!(forth.unwrap().len(), body.len());
        assert_eq!(back.unwrap().len(), body.len());
    }
    assert!(session.is_live());
}

#[tokio::test]
async fn a_peer_that_comes_back_is_reached_again() {
    let (a, mut b) = pair(echo()).await;
    for _ in 0..3 {
        let address = b.address();
        b.shutdown().await;
        until("the loss is noticed", || !is_connected(&a, B)).await;
        let mut again = config(B);
        again.listen = address;
        b = RequestPlane::bind(again, echo()).await.unwrap();
        introduce(&b, A, a.address());
        connected(&a, B).await;
        assert_eq!(call(&a, B, "again").await.unwrap(), "again");
    }
}

#[tokio::test]
async fn a_node_that_moved_dials_although_its_id_is_the_higher_one() {
    let a = start(A, echo()).await;
    let b = start(B, echo()).await;
    // A looks for B where nobody is.
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    introduce(&a, B, nobody.local_addr().unwrap());
    drop(nobody);
    trouble(&a, B, "failed to connect").await;
    introduce(&b, A, a.address());
    connected(&a, B).await;
    connected(&b, A).await;
    assert_eq!(call(&a, B, "hello").await.unwrap(), "hello");
    assert_eq!(call(&b, A, "hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn nodes_that_dial_each_other_at_once_keep_one_connection() {
    for _ in 0..10 {
        let bind = |node| {
            let mut config = config(node);
            config.bounds.courtesy = Duration::ZERO;
            RequestPlane::bind(config, echo())
        };
        let (a, b) = (bind(A).await.unwrap(), bind(B).await.unwrap());
        introduce(&a, B, b.address());
        introduce(&b, A, a.address());
        connected(&a, B).await;
        connected(&b, A).await;
        let session = |plane: &RequestPlane, node| plane.plane().peer(node).unwrap().session();
        until("the two have the same connection", || {
            let (Some(ours), Some(theirs)) = (session(&a, B), session(&b, A)) else {
                return false;
            };
            ours.is_live() && theirs.is_live() && ours.dialled != theirs.dialled
        })
        .await;
    }
}

#[tokio::test]
async fn three_nodes_in_one_process_reach_each_other() {
    let nodes = [
        (A, start(A, echo()).await),
        (B, start(B, echo()).await),
        (C, start(C, echo()).await),
    ];
    for (node, plane) in &nodes {
        for (other, to) in nodes.iter().filter(|(other, _)| other != node) {
            introduce(plane, *other, to.address());
        }
    }
    for (node, plane) in &nodes {
        for (other, _) in nodes.iter().filter(|(other, _)| other != node) {
            connected(plane, *other).await;
            let said = format!("{node} to {other}");
            assert_eq!(call(plane, *other, said.clone()).await.unwrap(), said);
        }
    }
    // One of them goes; the others still reach each other, although ractor knows the three as one node.
    let [(_, a), (_, b), (_, c)] = nodes;
    b.shutdown().await;
    until("both notice", || !is_connected(&a, B) && !is_connected(&c, B)).await;
    assert_eq!(call(&a, C, "on").await.unwrap(), "on");
    assert_eq!(call(&c, A, "on").await.unwrap(), "on");
}

#[tokio::test]
async fn a_node_that_was_removed_is_cut_off_and_refused() {
    let (a, b) = pair(silence()).await;
    let waiting = call(&a, B, "one");
    a.remove_peer(B);
    assert_no_answer(waiting.await, "removed");
    assert_not_sent(call(&a, B, "two").await, "no peer");
    trouble(&b, A, "does not know this node").await;
    introduce(&a, B, b.address());
    connected(&b, A).await;
}

#[tokio::test]
async fn peers_are_set_from_any_thread() {
    let (a, b) = (start(A, echo()).await, start(B, echo()).await);
    introduce(&b, A, a.address());
    // A thread that knows no runtime.
    std::thread::scope(|scope| {
        scope.spawn(|| introduce(&a, B, b.address()));
    });
    connected(&a, B).await;
}

#[tokio::test]
async fn nobody_connects_to_ractor_cluster_directly() {
    let a = start(A, echo()).await;
    assert!(a.plane().mesh.is_sealed(), "its own listener is gone");
}

#[tokio::test]
async fn nothing_of_a_plane_outlives_it() {
    let (a, b) = pair(echo()).await;
    call(&a, B, "one").await.unwrap();
    a.shutdown().await;
    b.shutdown().await;
    until("all actors end", || get_all_pids().is_empty()).await;
}
