//! Sleeps, waits for events, and the activation that is given up meanwhile.

use super::script::{Bench, Op, event, sleep, slow, work};
use crate::workflows::{SendEvent, Status};

fn signal(event_type: &str, payload: &str) -> SendEvent {
    SendEvent {
        event_type: event_type.to_owned(),
        payload: format!("\"{payload}\""),
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleep_ends_on_time_and_not_before() {
    let bench = Bench::start(21, &[work("a"), sleep("nap", 3600), work("b")]).await;
    bench.wait(3599).await;
    assert_eq!(bench.status().await.status, Status::Waiting);
    assert_eq!(bench.probe.names(), ["a"]);
    bench.wait(2).await;
    assert_eq!(bench.complete().await, ["a 1", "slept", "b 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_instance_wakes_by_itself_after_a_crash() {
    let mut bench = Bench::start(22, &[sleep("nap", 3600), work("b")]).await;
    bench.wait(60).await;
    bench.cluster.crash_and_restart().await;
    bench.wait(3500).await;
    assert!(bench.probe.names().is_empty());
    bench.wait(60).await;
    assert_eq!(
        bench.probe.names(),
        ["b"],
        "nobody has asked the instance since the crash"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_sleep_needs_no_activation() {
    let bench = Bench::start(23, &[sleep("nap", 30 * 24 * 3600), work("b")]).await;
    bench.wait(24 * 3600).await;
    assert_eq!(bench.cluster.cluster().status().activations, 0);
    bench.wait(29 * 24 * 3600 + 1).await;
    assert_eq!(bench.probe.names(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_sleep_until_a_moment_that_has_passed_ends_at_once() {
    let bench = Bench::start(
        24,
        &[Op::SleepUntil {
            name: "nap".to_owned(),
            at: 1,
        }],
    )
    .await;
    assert_eq!(bench.complete().await, ["slept"]);
}

#[tokio::test(start_paused = true)]
async fn a_sleep_of_more_than_365_days_fails() {
    let bench = Bench::start(25, &[sleep("nap", 365 * 24 * 3600 + 1)]).await;
    assert_eq!(
        bench.until(Status::Errored).await.error.as_deref(),
        Some("a sleep is at most 365 days")
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_before_the_wait_is_kept() {
    let mut bench = Bench::start(26, &[slow("a", 10), event("wait", "go", 60), event("again", "go", 60)]).await;
    bench.ask(signal("other", "ignored")).await.unwrap();
    bench.ask(signal("go", "first")).await.unwrap();
    bench.ask(signal("go", "second")).await.unwrap();
    bench.cluster.crash_and_restart().await;
    assert_eq!(bench.complete().await[1..], ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_wakes_the_run_that_waits_for_its_type() {
    let bench = Bench::start(27, &[event("wait", "go", 24 * 3600), work("b")]).await;
    bench.wait(3600).await;
    bench.ask(signal("other", "no")).await.unwrap();
    bench.wait(1).await;
    assert_eq!(bench.status().await.status, Status::Waiting);
    bench.ask(signal("go", "yes")).await.unwrap();
    assert_eq!(bench.complete().await, ["yes", "b 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_an_event_times_out_and_may_be_caught() {
    let caught = Op::Catch(Box::new(event("wait", "go", 100)));
    let bench = Bench::start(28, &[caught, work("b")]).await;
    bench.wait(99).await;
    assert_eq!(bench.status().await.status, Status::Waiting);
    assert_eq!(
        bench.complete().await,
        ["caught: no event of type go came in time", "b 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn events_nobody_waits_for_are_bounded() {
    let bench = Bench::start(29, &[sleep("nap", 3600)]).await;
    for _ in 0..100 {
        bench.ask(signal("go", "x")).await.unwrap();
    }
    assert_eq!(
        bench.ask(signal("go", "x")).await.unwrap_err().code(),
        "workflow.events"
    );
    let big = SendEvent {
        event_type: "go".to_owned(),
        payload: "x".repeat(1024 * 1024 + 1),
    };
    assert_eq!(bench.ask(big).await.unwrap_err().code(), "workflow.too-large");
    assert_eq!(
        bench.ask(signal("a b", "x")).await.unwrap_err().code(),
        "workflow.event-type"
    );
}
