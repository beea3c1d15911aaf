//! How tasks are given, listed and refused.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_same_key_gives_the_same_task_and_another_job_under_it_is_refused() {
    let bench = Bench::start(11).await;
    let give = |job: Value| json!({ "job": job, "key": "once" });
    for _ in 0..3 {
        let given = bench.call("task", &ann(), "enqueue", give(add(1))).await.unwrap();
        assert_eq!(given["id"], 1);
        bench.wait(1000).await;
    }
    assert_eq!(bench.total(&ann()).await, 1);
    let refused = bench.call("task", &ann(), "enqueue", give(add(2))).await.unwrap_err();
    assert_eq!(refused.code(), "task.key");
    let empty = json!({ "job": add(1), "key": "" });
    let refused = bench.call("task", &ann(), "enqueue", empty).await.unwrap_err();
    assert_eq!(refused.code(), "task.job");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_task_or_nobodys_is_refused_before_it_waits() {
    let bench = Bench::start(12).await;
    bench.add_member("bob", Role::Operator).await;
    let bob = person("bob", Role::Operator);
    for (who, job, code) in [
        (&bob, start_run(), "auth.permission"),
        (
            &bob,
            call("chat", "allowTool", json!(["notify_member", true])),
            "task.call",
        ),
        (&bob, call("session", "revokeOthers", Value::Null), "task.call"),
        (&bob, notify("bob", ""), "task.job"),
    ] {
        assert_eq!(bench.give(who, job.clone()).await.unwrap_err().code(), code, "{job}");
    }
    let unread = bench
        .give(&bob, json!({ "do": "delete_everything" }))
        .await
        .unwrap_err();
    assert_eq!(unread.code(), "agent.arguments");
    let args = json!({ "job": add(1) });
    let nobody = bench.call_as_nobody("task", "enqueue", args).await.unwrap_err();
    assert_eq!(nobody.code(), "task.nobody");
    for method in ["get", "cancel", "retry"] {
        let refused = bench.call("task", &bob, method, json!({ "id": 7 })).await.unwrap_err();
        assert_eq!(refused.code(), "task.unknown", "{method}");
    }
    let own = bench.call("task", &bob, "ended", json!([1])).await.unwrap_err();
    assert_eq!(own.code(), "agent.method-not-callable");
    assert_eq!(bench.statuses(&bob).await, []);
}

#[tokio::test(start_paused = true)]
async fn tasks_are_listed_in_pages_the_latest_first() {
    let bench = Bench::start(13).await;
    for number in 0..5 {
        bench
            .give(&ann(), if number == 2 { notify("nobody", "x") } else { add(1) })
            .await
            .unwrap();
    }
    bench.wait(1000).await;
    let (mut seen, mut before) = (Vec::new(), Value::Null);
    loop {
        let args = json!({ "limit": 2, "before": before });
        let page = bench.call("task", &ann(), "list", args).await.unwrap();
        let ids = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| task["id"].as_u64().unwrap());
        seen.extend(ids);
        before = page["next"].clone();
        if before.is_null() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    let failed = bench
        .call("task", &ann(), "list", json!({ "status": "failed" }))
        .await
        .unwrap();
    assert_eq!(
        (failed["items"].as_array().unwrap().len(), &failed["items"][0]["id"]),
        (1, &json!(3))
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_has_bounds_and_forgets_the_oldest_of_what_is_over() {
    let bench = Bench::start(14).await;
    let slow = call("tally", "add", json!({ "amount": 1, "millis": 20_000 }));
    bench.give(&ann(), slow).await.unwrap();
    for _ in 1..WAITING_MAX {
        bench.give(&ann(), notify("nobody", "x")).await.unwrap();
    }
    assert_eq!(bench.give(&ann(), add(1)).await.unwrap_err().code(), "task.full");
    bench.wait(60_000).await;
    let state = bench
        .call("task", &ann(), "list", json!({ "limit": 100 }))
        .await
        .unwrap();
    assert_eq!(state["items"].as_array().unwrap().len(), 100);
    let mut client = bench.client("task", &ann()).await.unwrap();
    let state = client.state(|_| true).await;
    assert_eq!((&state["failed"], &state["done"]), (&json!(FAILED_MAX), &json!(1)));
    let forgotten = bench.call("task", &ann(), "get", json!({ "id": 2 })).await.unwrap_err();
    assert_eq!(forgotten.code(), "task.unknown");
    // What is forgotten gives its number to no other task.
    bench.scene.test.passivate_all().await;
    assert_eq!(bench.give(&ann(), add(1)).await.unwrap()["id"], WAITING_MAX as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_give_tasks_end_at_a_depth() {
    let bench = Bench::start(15).await;
    let mut job = add(1);
    for _ in 0..12 {
        job = call("task", "enqueue", json!({ "job": job, "depth": 0 }));
    }
    bench.give(&ann(), job).await.unwrap();
    bench.wait(5000).await;
    let expected: Vec<_> = (1..=9).map(|id| (id, if id < 9 { "done" } else { "failed" })).collect();
    assert_eq!(bench.statuses(&ann()).await, statuses(&expected));
    assert_eq!(bench.task(&ann(), 9).await["error"]["code"], "task.depth");
    assert_eq!(bench.total(&ann()).await, 0);
    // What ends before that is done.
    let job = call(
        "task",
        "enqueue",
        json!({ "job": call("task", "enqueue", json!({ "job": add(7) })) }),
    );
    bench.give(&ann(), job).await.unwrap();
    bench.wait(2000).await;
    assert_eq!(bench.total(&ann()).await, 7);
}

#[tokio::test(start_paused = true)]
async fn clients_see_the_state_and_do_not_set_it() {
    let bench = Bench::start(16).await;
    let mut client = bench.client("task", &ann()).await.unwrap();
    let state = client.state(|_| true).await;
    client.cannot_set(json!({ "done": 1000, "last": [] })).await;
    assert_eq!(client.state(|_| true).await, state);
}
