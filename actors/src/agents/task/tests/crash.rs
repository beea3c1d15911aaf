//! Owners that die.

use std::collections::BTreeSet;

use super::*;

/// Whenever the owner dies, each task has its effect once: the moments are all of those in which the first tasks are done.
#[tokio::test(start_paused = true)]
async fn each_task_has_its_effect_once_whenever_the_owner_dies() {
    let mut done_before = BTreeSet::new();
    for millis in 0..40 {
        let mut bench = Bench::with_disk(100 + millis, 3).await;
        bench.add_member("bob", Role::Operator).await;
        for job in [add(1), start_run(), notify("bob", "tea"), add(10)] {
            bench.give(&ann(), job).await.unwrap();
        }
        bench.wait(millis).await;
        bench.crash().await;
        let before = bench.statuses(&ann()).await;
        done_before.insert(before.iter().filter(|(_, status)| status == "done").count());
        bench.wait(60_000).await;
        let done = statuses(&[(1, "done"), (2, "done"), (3, "done"), (4, "done")]);
        assert_eq!(bench.statuses(&ann()).await, done, "after {millis} ms");
        assert_eq!(bench.total(&ann()).await, 11, "after {millis} ms");
        assert_eq!(bench.inbox("bob").await, ["ann: tea"], "after {millis} ms");
    }
    assert!(
        done_before.len() > 3,
        "the moments are not those in which tasks are done: {done_before:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_is_begun_again_and_what_interrupts_each_attempt_is_given_up() {
    let mut bench = Bench::start(21).await;
    let slow = call("tally", "add", json!({ "amount": 1, "millis": 3_600_000 }));
    for job in [slow, add(10)] {
        bench.give(&ann(), job).await.unwrap();
    }
    for attempt in 1..=ATTEMPTS_MAX {
        bench.wait(8_000).await;
        assert_eq!(bench.task(&ann(), 1).await["attempts"], attempt);
        bench.crash().await;
    }
    bench.wait(20_000).await;
    let task = bench.task(&ann(), 1).await;
    assert_eq!(
        (&task["status"], &task["error"]["code"]),
        (&json!("failed"), &json!("task.interrupted"))
    );
    assert_eq!(
        bench.task(&ann(), 2).await["status"],
        "done",
        "the next one is done all the same"
    );
    assert_eq!(bench.total(&ann()).await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_pause_goes_on_after_a_crash_and_so_does_the_key() {
    let mut bench = Bench::start(22).await;
    let failing = call("tally", "add", json!({ "amount": 1, "failures": 1 }));
    let args = json!({ "job": failing, "key": "once" });
    bench.call("task", &ann(), "enqueue", args.clone()).await.unwrap();
    bench.wait(1000).await;
    bench.crash().await;
    assert_eq!(bench.call("task", &ann(), "enqueue", args).await.unwrap()["id"], 1);
    bench.wait(15_000).await;
    assert_eq!(bench.statuses(&ann()).await, statuses(&[(1, "done")]));
    assert_eq!(bench.total(&ann()).await, 1);
}
