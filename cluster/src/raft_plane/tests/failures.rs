//! Peers that are away, stop, freeze or come back.

use std::time::Instant;

use super::{fake::Fake, *};
use crate::raft_plane::frame::Frame;

/// Bounds under which failures show soon.
fn hasty() -> RaftPlaneConfig {
    let mut config = config(A);
    config.limits.silence = Duration::from_millis(400);
    config
}

#[tokio::test]
async fn a_node_that_is_away_costs_no_time_and_is_tried_again_later() {
    let a = Node::new(A).await;
    let gone = Fake::new(B).await.address();
    a.knows_at(B, gone);
    assert!(not_sent(a.call(B, Lane::Log, "hello").await).contains("failed to connect"));
    // Nobody dials during the pause.
    let refused = not_sent(a.call(B, Lane::Log, "hello").await);
    assert!(refused.contains("failed to connect"), "{refused}");

    let mut back = config(B);
    back.listen = gone;
    let _b = Node::start(back).await;
    a.reach(B, Lane::Log).await;
}

#[tokio::test]
async fn a_node_that_starts_again_is_reached_again() {
    let (a, b) = pair().await;
    a.reach(B, Lane::Log).await;
    let hanging = a.call(B, Lane::Log, "hang");
    b.served(2).await;
    let mut again = config(B);
    again.listen = b.address();
    b.plane.shutdown().await;
    no_answer(hanging.await);
    assert!(a.call(B, Lane::Log, "hello").await.is_err());
    let _b = Node::start(again).await;
    a.reach(B, Lane::Log).await;
}

#[tokio::test]
async fn the_pause_ends_when_the_peer_itself_dials() {
    let mut patient = config(A);
    patient.limits.pause = Duration::from_secs(3600);
    patient.limits.pause_max = Duration::from_secs(3600);
    let a = Node::start(patient).await;
    let gone = Fake::new(B).await.address();
    a.knows_at(B, gone);
    not_sent(a.call(B, Lane::Log, "hello").await);

    let mut back = config(B);
    back.listen = gone;
    let b = Node::start(back).await;
    not_sent(a.call(B, Lane::Log, "hello").await);
    b.knows(&a);
    b.call(A, Lane::Heartbeat, "I am back").await.unwrap();
    a.call(B, Lane::Log, "hello").await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_says_which_calls_were_certainly_not_sent() {
    let fake = Fake::new(B).await;
    let a = Node::new(A).await;
    a.knows_at(B, fake.address());
    let sent = a.call(B, Lane::Snapshot, vec![0; 12 << 20]);
    // Neither the sockets nor the frames of the first round have room for it.
    let waiting = a.call(B, Lane::Snapshot, "next");
    let connection = fake.greet().await;
    // The first one is being written now, and nobody reads it.
    let link = a.plane.link(B, Lane::Snapshot);
    while link.waiting() != 1 {
        tokio::task::yield_now().await;
    }
    drop(connection);
    assert!(no_answer(sent.await).contains("connection"));
    assert!(not_sent(waiting.await).contains("connection"));
}

#[tokio::test]
async fn a_deadline_that_passes_before_there_is_a_connection_leaves_nothing_sent() {
    let fake = Fake::new(B).await;
    let a = Node::new(A).await;
    a.knows_at(B, fake.address());
    let call = a.call_within(B, Lane::Log, "hello", Duration::from_millis(100));
    let _silent = fake.accept().await;
    assert!(not_sent(call.await).contains("deadline passed"));
}

#[tokio::test]
async fn a_peer_that_never_says_hello_is_given_up() {
    let mut hasty = hasty();
    hasty.limits.greeting = Duration::from_millis(200);
    let fake = Fake::new(B).await;
    let a = Node::start(hasty).await;
    a.knows_at(B, fake.address());
    let call = a.call(B, Lane::Log, "hello");
    let _silent = fake.accept().await;
    assert!(not_sent(call.await).contains("took too long"));
}

#[tokio::test]
async fn a_peer_that_is_frozen_is_given_up() {
    let fake = Fake::new(B).await;
    let a = Node::start(hasty()).await;
    a.knows_at(B, fake.address());
    let call = a.call(B, Lane::Log, "hello");
    let mut connection = fake.greet().await;
    assert!(matches!(connection.next().await, Some(Frame::Request { .. })));
    let unanswered = no_answer(call.await);
    assert!(unanswered.contains("nothing has come back"), "{unanswered}");
    // The next call has a new connection.
    let (call, mut connection) = loop {
        let call = a.call(B, Lane::Log, "hello");
        if let Ok(connection) = timeout(Duration::from_millis(200), fake.greet()).await {
            break (call, connection);
        }
    };
    let request = connection.next().await.unwrap();
    connection.answer(request).await;
    call.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_works_for_long_is_not_taken_for_a_frozen_one() {
    let mut working = config(B);
    working.limits.silence = Duration::from_millis(400);
    let (a, b) = (Node::start(hasty()).await, Node::start(working).await);
    a.knows(&b);
    let since = Instant::now();
    a.call(B, Lane::Log, "work").await.unwrap();
    assert!(
        since.elapsed() > Duration::from_millis(800),
        "it took long enough to be missed"
    );
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_and_made_anew() {
    let mut hasty = hasty();
    hasty.limits.idle = Duration::from_millis(200);
    let fake = Fake::new(B).await;
    let a = Node::start(hasty).await;
    a.knows_at(B, fake.address());
    for _ in 0..2 {
        let call = a.call(B, Lane::Log, "hello");
        let mut connection = fake.greet().await;
        let request = connection.next().await.unwrap();
        connection.answer(request).await;
        call.await.unwrap();
        assert_eq!(timeout(LONG, connection.next()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_address_can_be_changed_while_calls_are_made() {
    let (a, b) = pair().await;
    let hanging = a.call(B, Lane::Log, "hang");
    b.served(1).await;
    // The same again changes nothing.
    a.knows(&b);
    a.call(B, Lane::Log, "hello").await.unwrap();

    let moved = Node::new(B).await;
    a.knows(&moved);
    assert!(no_answer(hanging.await).contains("has changed"));
    a.call(B, Lane::Log, "hello").await.unwrap();
    assert_eq!(moved.service.served.lock().len(), 1);
}
