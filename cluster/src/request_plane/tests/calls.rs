use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use ractor::registry::get_all_pids;
use tokio::sync::Semaphore;

use super::fixture::{
    A, B, LONG, assert_no_answer, assert_not_sent, bounds, call, call_within, echo, is_connected, pair, pair_with,
    service, silence, until,
};
use crate::{
    peers::{CallError, Lane},
    request_plane::RequestBounds,
};

#[tokio::test]
async fn calls_are_answered_in_both_directions_and_say_who_asks() {
    let who = service(|from, request| async move { Bytes::from(format!("{from} asks {request:?}")) });
    let (a, b) = pair(who).await;
    assert_eq!(call(&a, B, "hello").await.unwrap(), r#"1 asks b"hello""#);
    assert_eq!(call(&b, A, "back").await.unwrap(), "back");
    assert_eq!(call(&a, B, "").await.unwrap(), r#"1 asks b"""#);
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test]
async fn calls_of_one_node_arrive_in_order() {
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let order = Arc::clone(&arrived);
    let (a, _b) = pair(service(move |_, request| {
        order
            .lock()
            .unwrap()
            .push(u32::from_be_bytes(request[..4].try_into().unwrap()));
        async move { request.slice(..4) }
    }))
    .await;
    // Sizes differ, so that a way on which small ones overtake large ones would be seen.
    let requests = (0..1000_u32).map(|number| {
        let mut request = number.to_be_bytes().to_vec();
        request.resize(if number % 7 == 0 { 20_000 } else { 4 }, 0);
        call(&a, B, request)
    });
    for answer in join_all(requests.collect::<Vec<_>>()).await {
        answer.unwrap();
    }
    assert_eq!(*arrived.lock().unwrap(), (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn calls_beyond_the_bound_are_refused_at_once_and_the_others_are_answered() {
    let gate = Arc::new(Semaphore::new(0));
    let served = Arc::new(AtomicUsize::new(0));
    let (opens, counts) = (Arc::clone(&gate), Arc::clone(&served));
    let (a, _b) = pair(service(move |_, request| {
        counts.fetch_add(1, Ordering::Relaxed);
        let opens = Arc::clone(&opens);
        async move {
            drop(opens.acquire().await);
            request
        }
    }))
    .await;
    let bound = bounds().calls;
    let calls = (0..10_000).map(|_| call(&a, B, "one")).collect::<Vec<_>>();
    until("they arrive", || served.load(Ordering::Relaxed) == bound).await;
    gate.add_permits(10);
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), bound);
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_not_sent(answer, "overloaded");
    }
    assert_eq!(served.load(Ordering::Relaxed), bound);
    assert!(call(&a, B, "afterwards").await.is_ok());
}

#[tokio::test]
async fn a_peer_that_serves_too_many_turns_calls_away_unserved() {
    let few = RequestBounds { served: 3, ..bounds() };
    let served = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&served);
    let (a, _b) = pair_with(
        few,
        service(move |_, _| {
            counts.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        }),
    )
    .await;
    let _waiting = (0..3).map(|_| call(&a, B, "stays")).collect::<Vec<_>>();
    assert_not_sent(call(&a, B, "goes").await, "overloaded");
    assert_eq!(served.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn large_bodies_travel_and_larger_ones_are_refused_before_they_are_sent() {
    let (a, b) = pair(echo()).await;
    let large = Bytes::from(vec![7; 8 * 1024 * 1024]);
    assert!(call(&a, B, large.clone()).await.unwrap() == large);
    let largest = Bytes::from(vec![8; 16 * 1024 * 1024]);
    assert!(call(&b, A, largest.clone()).await.unwrap() == largest);
    assert_not_sent(call(&a, B, vec![9; 17 * 1024 * 1024]).await, "bytes at most");
    assert!(is_connected(&a, B));
    assert_eq!(call(&a, B, "still").await.unwrap(), "still");
}

#[tokio::test]
async fn bytes_that_a_peer_has_not_dealt_with_are_bounded_and_come_free() {
    const BODY: usize = 1024 * 1024;
    let narrow = RequestBounds {
        window: 4 * BODY,
        ..bounds()
    };
    let gate = Arc::new(Semaphore::new(0));
    let opens = Arc::clone(&gate);
    let (a, _b) = pair_with(
        narrow,
        service(move |_, request| {
            let opens = Arc::clone(&opens);
            async move {
                drop(opens.acquire().await);
                request.slice(..1)
            }
        }),
    )
    .await;
    let waiting = (0..3).map(|_| call(&a, B, vec![0; BODY])).collect::<Vec<_>>();
    assert_not_sent(call(&a, B, vec![0; BODY]).await, "overloaded");
    gate.add_permits(1);
    for answer in join_all(waiting).await {
        answer.unwrap();
    }
    for _ in 0..20 {
        let answer = call(&a, B, vec![0; BODY]);
        assert!(answer.await.is_ok());
    }
}

#[tokio::test]
async fn calls_end_at_their_deadline_and_leave_nothing_behind() {
    let (a, b) = pair(service(|_, request| async move {
        tokio::time::sleep(Duration::from_millis(u64::from(request[0]))).await;
        request
    }))
    .await;
    let peers = a.peers();
    let early = (0..100).map(|_| call_within(&peers, B, vec![200], Duration::from_millis(20)));
    for answer in join_all(early.collect::<Vec<_>>()).await {
        assert_no_answer(answer, "deadline");
    }
    // Given up without a deadline.
    drop(call(&a, B, vec![200]));
    let session = a.plane().peer(B).unwrap().session().unwrap();
    assert_eq!(session.waiting(), 0);
    let theirs = b.plane().peer(A).unwrap().session().unwrap();
    until("nothing is served for callers that are gone", || {
        theirs.serving.available_permits() == bounds().served
    })
    .await;
    assert!(call(&a, B, vec![1]).await.is_ok());
    assert_eq!(session.waiting(), 0);
}

#[tokio::test]
async fn a_service_that_panics_or_says_too_much_is_an_error_of_that_call_only() {
    let (a, _b) = pair(service(|_, request| {
        assert!(request != "at once", "as the test asked");
        async move {
            assert!(request != "later", "as the test asked");
            if request == "much" {
                return Bytes::from(vec![0; 17 * 1024 * 1024]);
            }
            request
        }
    }))
    .await;
    assert_no_answer(call(&a, B, "at once").await, "panicked");
    assert_no_answer(call(&a, B, "later").await, "panicked");
    assert_no_answer(call(&a, B, "much").await, "too large");
    assert_eq!(call(&a, B, "hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn what_cannot_be_sent_says_so() {
    let (a, b) = pair(echo()).await;
    assert_not_sent(call(&a, super::fixture::C, "who").await, "no peer");
    assert_not_sent(call(&a, A, "me").await, "no peer");
    let peers = a.peers();
    let log = peers.call(B, Lane::Log, Bytes::new(), LONG).await;
    assert_not_sent(log, "requests only");
    a.shutdown().await;
    assert_not_sent(call_within(&peers, B, "late", LONG).await, "shuts down");
    drop(b);
}

#[tokio::test]
async fn calls_make_no_actors() {
    let (a, _b) = pair(echo()).await;
    let count = || {
        let all = get_all_pids();
        let remotable = all.iter().filter(|actor| actor.supports_remoting()).count();
        (all.len(), remotable)
    };
    let before = count();
    assert_eq!(before.1, 4, "two gateways of each of two nodes");
    for answer in join_all((0..1000).map(|_| call(&a, B, "one"))).await {
        answer.unwrap();
    }
    assert_eq!(count(), before);
}

#[tokio::test]
async fn calls_that_wait_end_when_their_node_is_shut_down() {
    let (a, _b) = pair(silence()).await;
    let waiting = call(&a, B, "one");
    a.shutdown().await;
    match waiting.await {
        Err(CallError::NoAnswer { reason, .. }) => assert_eq!(reason, "this node shuts down"),
        answer => panic!("{answer:?}"),
    }
}
