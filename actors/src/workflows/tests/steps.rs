//! Steps: cached, told apart, retried, bounded.

use std::time::Duration;

use super::script::{Bench, Notes, Op, failing, note, quick, slow, work};
use crate::workflows::{Backoff, Retries, Status, StepPolicy};

#[tokio::test(start_paused = true)]
async fn each_step_runs_once_and_its_result_survives_a_crash() {
    let mut bench = Bench::start(1, &[work("a"), work("b"), slow("c", 30)]).await;
    bench.wait(5).await;
    bench.cluster.crash_and_restart().await;
    assert_eq!(bench.complete().await, ["a 1", "b 1", "c 2"]);
    assert_eq!(bench.probe.names(), ["a", "b", "c", "c"]);
}

#[tokio::test(start_paused = true)]
async fn steps_with_one_name_are_told_apart_by_the_order_of_their_calls() {
    let mut bench = Bench::start(2, &[work("a"), work("a"), slow("b", 30), work("a")]).await;
    bench.wait(5).await;
    bench.cluster.crash_and_restart().await;
    assert_eq!(bench.complete().await, ["a 1", "a 2", "b 2", "a 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_is_tried_six_times_by_default_and_the_instance_errs_with_the_last_failure() {
    let bench = Bench::start(3, &[failing("a", 99, StepPolicy::default()), work("b")]).await;
    let status = bench.until(Status::Errored).await;
    assert_eq!(status.error.as_deref(), Some("failure 6"));
    assert_eq!(bench.probe.gaps("a"), [10, 20, 40, 80, 160]);
    assert!(!bench.probe.names().contains(&"b".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn delays_follow_the_backoff_of_the_step() {
    for (backoff, gaps) in [
        (Backoff::Constant, [7, 7, 7]),
        (Backoff::Linear, [7, 14, 21]),
        (Backoff::Exponential, [7, 14, 28]),
    ] {
        let retries = Retries {
            limit: 3,
            delay: Duration::from_secs(7),
            backoff,
        };
        let bench = Bench::start(4, &[failing("a", 3, StepPolicy { retries, ..quick(3) })]).await;
        assert_eq!(bench.complete().await, ["a 4"]);
        assert_eq!(bench.probe.gaps("a"), gaps, "{backoff:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_across_crashes() {
    let retries = Retries {
        limit: 2,
        delay: Duration::from_secs(60),
        backoff: Backoff::Constant,
    };
    let mut bench = Bench::start(5, &[failing("a", 99, StepPolicy { retries, ..quick(2) })]).await;
    for _ in 0..2 {
        bench.wait(30).await;
        bench.cluster.crash_and_restart().await;
        bench.wait(30).await;
    }
    assert_eq!(bench.until(Status::Errored).await.error.as_deref(), Some("failure 3"));
    assert_eq!(bench.probe.names().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_non_retryable_error_fails_the_step_at_once() {
    let bench = Bench::start(6, &[Op::Fatal { name: "a".to_owned() }]).await;
    assert_eq!(
        bench.until(Status::Errored).await.error.as_deref(),
        Some("this never works")
    );
    assert_eq!(bench.probe.names(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_caught_failure_is_the_same_when_the_run_is_replayed() {
    let fatal = Op::Catch(Box::new(Op::Fatal { name: "a".to_owned() }));
    let mut bench = Bench::start(7, &[fatal, slow("b", 30)]).await;
    bench.wait(5).await;
    bench.cluster.crash_and_restart().await;
    assert_eq!(bench.complete().await, ["caught: this never works", "b 2"]);
    assert_eq!(bench.probe.names(), ["a", "b", "b"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_has_failed() {
    let policy = StepPolicy {
        timeout: Duration::from_secs(5),
        ..quick(1)
    };
    let bench = Bench::start(
        8,
        &[Op::Slow {
            name: "a".to_owned(),
            millis: 60_000,
            policy,
        }],
    )
    .await;
    let status = bench.until(Status::Errored).await;
    assert_eq!(status.error.as_deref(), Some("the step did not finish within 5 s"));
    assert_eq!(bench.probe.aborted(), ["a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_attempt_has_failed_and_is_tried_again() {
    let bench = Bench::start(9, &[Op::Panic { name: "a".to_owned() }]).await;
    assert_eq!(bench.complete().await, ["execution 2"]);
}

#[tokio::test(start_paused = true)]
async fn an_output_of_more_than_one_mebibyte_fails_the_step() {
    let fits = Op::Big {
        name: "fits".to_owned(),
        bytes: 1024 * 1024 - 2,
    };
    let bench = Bench::start(
        10,
        &[
            fits,
            Op::Big {
                name: "a".to_owned(),
                bytes: 1024 * 1024 - 1,
            },
        ],
    )
    .await;
    let error = bench.until(Status::Errored).await.error.unwrap();
    assert_eq!(error, "the output of the step has 1048577 bytes, the limit is 1048576");
    assert_eq!(bench.probe.names(), ["fits", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_name_with_a_control_character_fails_the_run() {
    let bench = Bench::start(11, &[work("a\nb")]).await;
    let error = bench.until(Status::Errored).await.error.unwrap();
    assert_eq!(error, "a step name has 1 to 256 characters and no control characters");
}

#[tokio::test(start_paused = true)]
async fn the_step_after_the_last_allowed_one_fails_and_sleeps_do_not_count() {
    let mut ops = vec![super::script::sleep("nap", 1)];
    ops.extend((0..1024).map(|_| work("a")));
    let bench = Bench::start(12, &ops).await;
    assert_eq!(bench.complete().await.len(), 1025);

    ops.push(work("a"));
    let bench = Bench::start(12, &ops).await;
    let error = bench.until(Status::Errored).await.error.unwrap();
    assert_eq!(error, "the limit of 1024 steps has been reached");
}

#[tokio::test(start_paused = true)]
async fn branches_run_side_by_side_and_keep_their_results() {
    let both = Op::Both(vec![
        slow("a", 20),
        slow("b", 40),
        super::script::sleep("c", 30),
        work("d"),
    ]);
    let mut bench = Bench::start(13, &[both]).await;
    bench.wait(25).await;
    bench.cluster.crash_and_restart().await;
    assert_eq!(bench.complete().await, ["a 1 + b 2 + slept + d 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_effect_is_applied_once_and_answers_from_the_cache() {
    let mut bench = Bench::start(14, &[note("x"), slow("a", 30), note("y")]).await;
    bench.wait(5).await;
    bench.cluster.crash_and_restart().await;
    assert_eq!(bench.complete().await, ["1", "a 2", "2"]);
    assert_eq!(bench.ask(Notes).await.unwrap(), ["x", "y"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_effect_fails_the_run() {
    let refused = Op::Note {
        name: "a".to_owned(),
        note: "refused".to_owned(),
    };
    let bench = Bench::start(15, &[refused, work("b")]).await;
    assert_eq!(
        bench.until(Status::Errored).await.error.as_deref(),
        Some("this note is refused")
    );
    assert!(bench.probe.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_instance_goes_on_by_itself_after_a_crash_in_the_middle_of_a_step() {
    let mut bench = Bench::start(16, &[slow("a", 30), work("b")]).await;
    bench.wait(5).await;
    bench.cluster.crash_and_restart().await;
    bench.wait(45).await;
    assert_eq!(
        bench.probe.names(),
        ["a", "a", "b"],
        "nobody has asked the instance since the crash"
    );
}
