//! Pause, resume, terminate, restart, and what is refused.

use super::script::{Bench, Notes, event, failing, note, sleep, slow, work};
use crate::workflows::{Create, GetStatus, Pause, Restart, Resume, SendEvent, Status, StepPolicy, Terminate};

#[tokio::test(start_paused = true)]
async fn a_pause_lets_the_running_step_finish_and_the_next_one_wait() {
    let bench = Bench::start(41, &[slow("a", 10), work("b")]).await;
    bench.wait(5).await;
    assert_eq!(bench.ask(Pause).await.unwrap().status, Status::WaitingForPause);
    bench.wait(100).await;
    assert_eq!(bench.status().await.status, Status::Paused);
    assert_eq!(bench.probe.names(), ["a"]);
    assert!(bench.probe.aborted().is_empty());
    bench.ask(Resume).await.unwrap();
    assert_eq!(bench.complete().await, ["a 1", "b 1"]);
    assert_eq!(bench.ask(Notes).await.unwrap(), ["paused", "resumed"]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_instance_stays_paused_through_crashes_and_passivation() {
    let mut bench = Bench::start(42, &[slow("a", 10), note("b"), work("c")]).await;
    bench.wait(5).await;
    bench.ask(Pause).await.unwrap();
    bench.wait(10).await;
    bench.cluster.crash_and_restart().await;
    bench.wait(500).await;
    bench.cluster.passivate_all().await;
    bench.wait(500).await;
    assert_eq!(bench.status().await.status, Status::Paused);
    assert_eq!(bench.probe.names(), ["a"]);
    bench.ask(Resume).await.unwrap();
    assert_eq!(bench.complete().await, ["a 1", "3", "c 1"]);
}

#[tokio::test(start_paused = true)]
async fn resuming_moves_pending_timers_by_the_time_it_was_paused() {
    let bench = Bench::start(43, &[sleep("nap", 100), work("b")]).await;
    bench.wait(40).await;
    assert_eq!(bench.ask(Pause).await.unwrap().status, Status::Paused);
    bench.wait(1000).await;
    bench.ask(Resume).await.unwrap();
    bench.wait(58).await;
    assert!(bench.probe.names().is_empty(), "40 s and 58 s are less than 100 s");
    bench.wait(3).await;
    assert_eq!(bench.probe.names(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_while_paused_and_keeps_what_was_left_of_its_delay() {
    let bench = Bench::start(44, &[failing("a", 1, StepPolicy::default())]).await;
    bench.wait(4).await;
    assert_eq!(bench.status().await.status, Status::Waiting);
    assert_eq!(bench.ask(Pause).await.unwrap().status, Status::Paused);
    bench.wait(1000).await;
    bench.ask(Resume).await.unwrap();
    assert_eq!(bench.complete().await, ["a 2"]);
    assert_eq!(bench.probe.gaps("a"), [1010]);
}

#[tokio::test(start_paused = true)]
async fn resuming_cancels_a_pause_that_is_pending() {
    let bench = Bench::start(45, &[slow("a", 10), work("b")]).await;
    bench.wait(5).await;
    assert_eq!(bench.ask(Pause).await.unwrap().status, Status::WaitingForPause);
    assert_eq!(bench.ask(Resume).await.unwrap().status, Status::Running);
    assert_eq!(bench.complete().await, ["a 1", "b 1"]);
}

#[tokio::test(start_paused = true)]
async fn terminating_aborts_the_running_step() {
    let mut bench = Bench::start(46, &[slow("a", 1000), work("b")]).await;
    bench.wait(5).await;
    assert_eq!(bench.ask(Terminate).await.unwrap().status, Status::Terminated);
    bench.wait(1).await;
    assert_eq!(bench.probe.aborted(), ["a"]);
    bench.cluster.crash_and_restart().await;
    bench.wait(2000).await;
    assert_eq!(bench.probe.names(), ["a"]);
    assert_eq!(bench.ask(Notes).await.unwrap(), ["terminated"]);
    assert_eq!(
        bench.ask(Terminate).await.unwrap_err().code(),
        "instance.cannot-terminate"
    );
    let event = SendEvent {
        event_type: "go".to_owned(),
        payload: "1".to_owned(),
    };
    assert_eq!(bench.ask(event).await.unwrap_err().code(), "instance.cannot-send-event");
}

#[tokio::test(start_paused = true)]
async fn restarting_forgets_all_steps_and_events() {
    let bench = Bench::start(47, &[work("a"), note("b"), event("wait", "go", 60)]).await;
    let go = SendEvent {
        event_type: "go".to_owned(),
        payload: "\"go\"".to_owned(),
    };
    bench.ask(go.clone()).await.unwrap();
    assert_eq!(bench.complete().await, ["a 1", "1", "go"]);
    assert_eq!(bench.ask(Restart).await.unwrap().output, None);
    bench.wait(1).await;
    assert_eq!(bench.status().await.status, Status::Waiting);
    bench.ask(go).await.unwrap();
    assert_eq!(bench.complete().await, ["a 2", "1", "go"]);
}

#[tokio::test(start_paused = true)]
async fn restarting_a_running_instance_leaves_its_execution_behind() {
    let bench = Bench::start(48, &[slow("a", 100), work("b")]).await;
    bench.wait(50).await;
    bench.ask(Restart).await.unwrap();
    assert_eq!(bench.complete().await, ["a 2", "b 1"]);
    assert_eq!(bench.probe.aborted(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_created_once_and_an_unknown_one_is_not_found() {
    let bench = Bench::empty(49).await;
    for code in [
        bench.ask(GetStatus).await.unwrap_err(),
        bench.ask(Pause).await.unwrap_err(),
        bench.ask(Restart).await.unwrap_err(),
    ] {
        assert_eq!(code.code(), "instance.not-found");
    }
    bench
        .ask(Create {
            params: "[]".to_owned(),
        })
        .await
        .unwrap();
    assert_eq!(
        bench
            .ask(Create {
                params: "[]".to_owned()
            })
            .await
            .unwrap_err()
            .code(),
        "instance.exists"
    );
    assert!(bench.complete().await.is_empty());
    assert_eq!(bench.ask(Pause).await.unwrap_err().code(), "instance.cannot-pause");
    assert_eq!(bench.ask(Resume).await.unwrap_err().code(), "instance.cannot-resume");
}

#[tokio::test(start_paused = true)]
async fn parameters_that_cannot_be_read_make_the_instance_err() {
    let bench = Bench::empty(50).await;
    bench
        .ask(Create {
            params: "{}".to_owned(),
        })
        .await
        .unwrap();
    let error = bench.until(Status::Errored).await.error.unwrap();
    assert!(error.starts_with("the parameters cannot be read"), "{error}");
}
