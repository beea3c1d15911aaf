//! What tasks do.

use super::*;

#[tokio::test(start_paused = true)]
async fn tasks_start_runs_call_agents_and_send_notices_and_all_who_are_connected_hear_of_it() {
    let bench = Bench::start(1).await;
    bench.add_member("bob", Role::Operator).await;
    let mut client = bench.client("task", &ann()).await.unwrap();
    client.state(|state| state["last"] == json!([])).await;
    for job in [start_run(), add(5), notify("bob", "The plan is on its way.")] {
        let given = bench.give(&ann(), job.clone()).await.unwrap();
        assert_eq!((&given["job"], &given["by"]), (&job, &json!("ann")));
    }
    let state = client.state(|state| state["done"] == 3).await;
    assert_eq!((&state["waiting"], &state["running"]), (&json!(0), &Value::Null));
    let lines: Vec<_> = state["last"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["do"])
        .collect();
    assert_eq!(lines, ["notify", "call_agent", "start_run"]);

    let run = bench.task(&ann(), 1).await["result"]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = bench.scene.actor::<Run>(ActorId::from_name::<Run>(&acme(), &run));
    assert_eq!(run.ask(GetRun).await.unwrap().idea, IDEA);
    assert_eq!(
        (bench.task(&ann(), 2).await["result"].clone(), bench.total(&ann()).await),
        (json!(5), 5)
    );
    bench.scene.settle().await;
    assert_eq!(bench.inbox("bob").await, ["ann: The plan is on its way."]);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_after_pauses_that_grow() {
    let bench = Bench::start(2).await;
    let failing = |failures: u32| call("tally", "add", json!({ "amount": 1, "failures": failures }));
    bench.give(&ann(), failing(2)).await.unwrap();
    bench.wait(1000).await;
    let task = bench.task(&ann(), 1).await;
    assert_eq!((&task["status"], &task["attempts"]), (&json!("waiting"), &json!(1)));
    assert_eq!(task["error"], json!({ "code": "tally.told", "message": "told to" }));
    // Others do not wait for it.
    bench.give(&ann(), add(10)).await.unwrap();
    bench.wait(1000).await;
    assert_eq!(bench.total(&ann()).await, 10);
    bench.wait(10_000).await;
    assert_eq!(bench.task(&ann(), 1).await["attempts"], 2);
    bench.wait(14_000).await;
    assert_eq!(bench.task(&ann(), 1).await["attempts"], 2, "the second pause is longer");
    bench.wait(10_000).await;
    let task = bench.task(&ann(), 1).await;
    assert_eq!(
        (&task["status"], &task["attempts"], &task["error"]),
        (&json!("done"), &json!(3), &Value::Null)
    );
    assert_eq!(bench.total(&ann()).await, 11);
}

#[tokio::test(start_paused = true)]
async fn what_fails_too_often_is_kept_with_its_error_until_the_person_says_otherwise() {
    let bench = Bench::start(3).await;
    let failing = call("tally", "add", json!({ "amount": 1, "failures": 6 }));
    bench.give(&ann(), failing).await.unwrap();
    bench.wait(20 * 60_000).await;
    let task = bench.task(&ann(), 1).await;
    assert_eq!(
        (&task["status"], &task["attempts"]),
        (&json!("failed"), &json!(ATTEMPTS_MAX))
    );
    assert_eq!(task["error"]["code"], "tally.told");
    let again = bench.call("task", &ann(), "retry", json!({ "id": 1 })).await.unwrap();
    assert_eq!((&again["status"], &again["attempts"]), (&json!("running"), &json!(1)));
    bench.wait(20_000).await;
    assert_eq!(bench.task(&ann(), 1).await["status"], "done");
    assert_eq!(bench.total(&ann()).await, 1);
    let refused = bench
        .call("task", &ann(), "retry", json!({ "id": 1 }))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "task.wrong-state");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_fails_at_once() {
    let bench = Bench::start(4).await;
    for (job, code) in [
        (notify("nobody", "tea"), "member.unknown"),
        (call("tally", "no-such-method", Value::Null), "agent.method-unknown"),
        (call("tally", "add", json!({ "amount": "x" })), "agent.arguments"),
    ] {
        let given = bench.give(&ann(), job).await.unwrap();
        bench.wait(1000).await;
        let task = bench.task(&ann(), given["id"].as_u64().unwrap()).await;
        assert_eq!(
            (&task["status"], &task["attempts"]),
            (&json!("failed"), &json!(1)),
            "{task}"
        );
        assert_eq!(task["error"]["code"], code);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_long_result_the_length_is_kept() {
    let bench = Bench::start(5).await;
    bench.give(&ann(), call("tally", "much", Value::Null)).await.unwrap();
    bench.wait(1000).await;
    assert_eq!(
        bench.task(&ann(), 1).await["result"],
        json!({ "omitted_bytes": 10_002 })
    );
}

#[tokio::test(start_paused = true)]
async fn one_task_is_done_after_another_and_one_that_waits_can_be_cancelled() {
    let bench = Bench::start(6).await;
    let slow = call("tally", "add", json!({ "amount": 1, "millis": 2000 }));
    for job in [slow, add(10), add(100)] {
        bench.give(&ann(), job).await.unwrap();
    }
    bench.wait(1000).await;
    assert_eq!(
        bench.statuses(&ann()).await,
        statuses(&[(1, "running"), (2, "waiting"), (3, "waiting")])
    );
    let refused = bench
        .call("task", &ann(), "cancel", json!({ "id": 1 }))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "task.wrong-state");
    let cancelled = bench.call("task", &ann(), "cancel", json!({ "id": 2 })).await.unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    bench.wait(2000).await;
    assert_eq!(
        bench.statuses(&ann()).await,
        statuses(&[(1, "done"), (2, "cancelled"), (3, "done")])
    );
    assert_eq!(bench.total(&ann()).await, 101);
    bench.call("task", &ann(), "retry", json!({ "id": 2 })).await.unwrap();
    bench.wait(1000).await;
    assert_eq!(bench.total(&ann()).await, 111);
}
