//! Calls between nodes that are all well.

use futures_util::future::join_all;

use super::*;

const LANES: [Lane; 3] = [Lane::Heartbeat, Lane::Log, Lane::Snapshot];

#[tokio::test]
async fn requests_of_a_lane_arrive_in_the_order_of_the_calls() {
    let (a, b) = pair().await;
    let numbers = (0..500_u32).map(|number| Bytes::copy_from_slice(&number.to_be_bytes()));
    let calls = numbers
        .clone()
        .map(|number| a.call(B, Lane::Log, number))
        .collect::<Vec<_>>();
    let answers = join_all(calls)
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    assert!(answers.into_iter().eq(numbers.clone()));
    let served = b.service.served.lock().clone();
    assert!(served.into_iter().eq(numbers.map(|number| (A, Lane::Log, number))));
}

#[tokio::test]
async fn answers_come_in_any_order() {
    let (a, b) = pair().await;
    let early = a.call(B, Lane::Log, "wait");
    assert_eq!(a.call(B, Lane::Log, "late").await.unwrap(), "late");
    b.service.gate.0.add_permits(1);
    assert_eq!(early.await.unwrap(), "wait");
}

#[tokio::test]
async fn three_nodes_call_each_other_on_all_lanes() {
    let nodes = [Node::new(A).await, Node::new(B).await, Node::new(C).await];
    let mut calls = Vec::new();
    for from in &nodes {
        for to in nodes.iter().filter(|to| to.id != from.id) {
            from.knows(to);
            for lane in LANES {
                calls.push(from.call(to.id, lane, format!("{} calls {}", from.id, to.id)));
            }
        }
    }
    for answer in join_all(calls).await {
        answer.unwrap();
    }
    for node in &nodes {
        let served = node.service.served.lock();
        assert_eq!(served.len(), 6);
        for (from, _, request) in &*served {
            assert_eq!(*request, format!("{from} calls {}", node.id));
        }
    }
}

#[tokio::test]
async fn what_fits_into_a_frame_is_carried_and_nothing_larger() {
    let (a, _b) = pair().await;
    let whole = Bytes::from(vec![7; (16 << 20) - 13]);
    assert!(a.call(B, Lane::Snapshot, whole.clone()).await.unwrap() == whole);
    let refused = not_sent(a.call(B, Lane::Snapshot, vec![7; (16 << 20) - 12]).await);
    assert!(refused.contains("does not fit"), "{refused}");
    let unanswered = no_answer(a.call(B, Lane::Snapshot, "too much").await);
    assert!(unanswered.contains("does not fit"), "{unanswered}");
    a.call(B, Lane::Snapshot, "still there").await.unwrap();
}

#[tokio::test]
async fn what_exceeds_the_bounds_of_a_connection_is_refused_at_once() {
    let mut narrow = config(A);
    (narrow.limits.requests, narrow.limits.request_bytes) = (4, 1000);
    let (a, b) = (Node::start(narrow).await, Node::new(B).await);
    a.knows(&b);
    let waiting = (0..4).map(|_| a.call(B, Lane::Log, "wait")).collect::<Vec<_>>();
    let refused = not_sent(a.call(B, Lane::Log, "one more").await);
    assert!(refused.contains("overloaded"), "{refused}");
    // Each lane has its own.
    a.call(B, Lane::Heartbeat, "one more").await.unwrap();
    b.service.gate.0.add_permits(4);
    for waited in waiting {
        waited.await.unwrap();
    }
    let half = a.call(B, Lane::Log, vec![0; 600]);
    assert!(not_sent(a.call(B, Lane::Log, vec![0; 600]).await).contains("overloaded"));
    half.await.unwrap();
    a.call(B, Lane::Log, vec![0; 600]).await.unwrap();
}

#[tokio::test]
async fn a_request_whose_caller_gave_up_makes_room_again() {
    let mut narrow = config(A);
    narrow.limits.requests = 2;
    let (a, b) = (Node::start(narrow).await, Node::new(B).await);
    a.knows(&b);
    let short = Duration::from_millis(200);
    let hanging = [(); 2].map(|()| a.call_within(B, Lane::Log, "hang", short));
    for hung in hanging {
        assert!(no_answer(hung.await).contains("deadline passed"));
    }
    // The peer gives up as well and says so.
    a.reach(B, Lane::Log).await;
}

#[tokio::test]
async fn a_call_is_made_although_nobody_waits_for_its_answer() {
    let (a, b) = pair().await;
    drop(a.call(B, Lane::Log, "left alone"));
    b.served(1).await;
}

#[tokio::test]
async fn a_service_that_panics_costs_only_its_own_call() {
    let (a, b) = pair().await;
    for request in ["panic", "panic at once"] {
        assert!(no_answer(a.call(B, Lane::Log, request).await).contains("panicked"));
    }
    a.call(B, Lane::Log, "still there").await.unwrap();
    assert_eq!(b.service.served.lock().len(), 3);
}

#[tokio::test]
async fn a_lane_whose_peer_does_not_read_delays_no_other_lane() {
    let mut narrow = config(B);
    narrow.limits.requests = 1;
    let (a, b) = (Node::new(A).await, Node::start(narrow).await);
    a.knows(&b);
    let first = a.call(B, Lane::Snapshot, "wait");
    // More than the buffers of the sockets take: it stays on the way as long as the peer does not read on.
    let second = a.call(B, Lane::Snapshot, vec![0; 15 << 20]);
    b.served(1).await;
    for _ in 0..100 {
        a.call_within(B, Lane::Heartbeat, "beat", Duration::from_secs(5))
            .await
            .unwrap();
    }
    assert!(
        b.service
            .served
            .lock()
            .iter()
            .filter(|(_, lane, _)| *lane == Lane::Snapshot)
            .count()
            == 1
    );
    b.service.gate.0.add_permits(1);
    first.await.unwrap();
    second.await.unwrap();
}

#[tokio::test]
async fn requests_of_actors_do_not_travel_here() {
    let (a, _b) = pair().await;
    assert!(not_sent(a.call(B, Lane::Request, "hello").await).contains("another plane"));
    assert!(not_sent(a.call(C, Lane::Log, "hello").await).contains("not known"));
}

#[tokio::test]
async fn what_waits_for_a_connection_is_taken_at_once() {
    let fake = fake::Fake::new(B).await;
    let a = Node::new(A).await;
    a.knows_at(B, fake.address());
    // The heartbeats of many groups, before there is a connection.
    let calls = (0..100)
        .map(|_| a.call(B, Lane::Heartbeat, vec![0; 200]))
        .collect::<Vec<_>>();
    let link = a.plane.link(B, Lane::Heartbeat);
    assert_eq!(link.take().await.len(), 100);
    drop(calls);
}

#[tokio::test]
async fn a_plane_that_stops_ends_its_calls_and_waits_for_its_tasks() {
    let (a, b) = pair().await;
    let from_a = a.call(B, Lane::Log, "hang");
    let from_b = b.call(A, Lane::Log, "hang");
    b.served(1).await;
    a.served(1).await;
    timeout(LONG, a.plane.shutdown()).await.expect("everything ends");
    assert!(no_answer(from_a.await).contains("stops"));
    assert!(no_answer(from_b.await).contains("closed"));
    assert!(not_sent(a.call(B, Lane::Log, "hello").await).contains("stops"));
    assert_eq!(Arc::strong_count(&a.service), 1);
}
