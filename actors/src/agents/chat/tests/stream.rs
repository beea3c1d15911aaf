//! What is said, to those who come, go, and come back.

use super::*;

const TEXT: &str = "one two three four five six seven eight nine ten";

#[tokio::test(start_paused = true)]
async fn text_is_heard_as_the_model_writes_it() {
    let scene = Scene::new(21, slow(TEXT, 1000)).await;
    let mut ann = scene.client("ann").await;
    ann.ask("r1", "Count").await;
    for _ in 0..4 {
        ann.hear().await;
    }
    assert_eq!(ann.view.texts(), ["one "]);
    assert_eq!(scene.model.open(), 1);
    ann.answer("r1").await;
    assert_eq!(ann.view.texts(), [TEXT]);
}

#[tokio::test(start_paused = true)]
async fn who_stops_an_answer_keeps_what_was_said_and_the_model_stops() {
    let scene = Scene::new(22, slow(TEXT, 1000)).await;
    let mut ann = scene.client("ann").await;
    ann.ask("r1", "Count").await;
    while ann.view.texts().last().map(String::as_str) != Some("one two ") {
        ann.hear().await;
    }
    ann.say(json!({ "type": "cf_agent_chat_request_cancel", "id": "r1" }))
        .await;
    let frames = ann.answer("r1").await;
    assert_eq!(frames.last().unwrap()["outcome"], "aborted");
    scene.wait(10).await;
    assert_eq!(scene.model.open(), 0);
    assert_eq!(text(&scene.messages("ann").await[1]), "one two ");
    ann.say(json!({ "type": "cf_agent_stream_resume_request", "probeId": "p" }))
        .await;
    let idle = json!({ "type": "cf_agent_stream_resume_none", "reason": "idle", "probeId": "p" });
    assert_eq!(ann.hear().await, idle);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_hangs_is_stopped_too() {
    let scene = Scene::new(23, FakeModel::new(|_, _| Reply::Hang)).await;
    let mut ann = scene.client("ann").await;
    ann.ask("r1", "Count").await;
    ann.hear().await;
    assert_eq!(scene.model.open(), 1);
    ann.say(json!({ "type": "cf_agent_chat_request_cancel", "id": "r1" }))
        .await;
    ann.answer("r1").await;
    scene.wait(10).await;
    assert_eq!(scene.model.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_hears_all_of_it_once() {
    let scene = Scene::new(24, slow(TEXT, 1000)).await;
    let first = scene.client("ann").await;
    first.ask("r1", "Count").await;
    scene.wait(3_500).await;
    drop(first);
    let mut ann = scene.client("ann").await;
    assert_eq!(ann.hear().await["connect"], true);
    assert_eq!(
        ann.hear().await,
        json!({ "type": "cf_agent_stream_resuming", "id": "r1" })
    );
    ann.say(json!({ "type": "cf_agent_stream_resume_request", "probeId": "p" }))
        .await;
    let again = json!({ "type": "cf_agent_stream_resuming", "id": "r1", "probeId": "p" });
    assert_eq!(ann.hear().await, again);
    // Who was told twice may acknowledge twice.
    ann.acknowledge("r1").await;
    ann.acknowledge("r1").await;
    let frames = ann.answer("r1").await;
    assert_eq!(ann.view.texts(), ["Count", TEXT]);
    let complete = frames.iter().position(|frame| frame["replayComplete"] == true).unwrap();
    assert!(frames[..complete].iter().all(|frame| frame["replay"] == true));
    assert!(frames[complete + 1..].iter().all(|frame| frame["replay"] != true));
    let numbers: Vec<u64> = frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_answer_can_be_heard_for_a_while_after_its_end_and_then_nothing_is_left_of_it() {
    let scene = Scene::new(25, slow(TEXT, 100)).await;
    let mut ann = scene.client("ann").await;
    ann.ask("r1", "Count").await;
    scene.wait(150).await;
    let mut late = scene.client("ann").await;
    late.hear_of("cf_agent_stream_resuming").await;
    ann.answer("r1").await;
    late.acknowledge("r1").await;
    let frames = late.answer("r1").await;
    assert_eq!(kinds(&frames).last().unwrap(), "finish");
    assert_eq!(late.view.texts(), ["Count", TEXT]);
    scene.wait(11 * 60 * 1000).await;
    late.acknowledge("r1").await;
    assert_eq!(kinds(&late.answer("r1").await), Vec::<String>::new());
    let rows = scene
        .test
        .cluster()
        .inspect(&actor("ann", "main"))
        .await
        .unwrap()
        .state
        .rows;
    assert_eq!(rows, 3, "two messages, and who was answered");
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_is_heard_by_those_who_come_later() {
    let scene = Scene::new(26, speaker(|_, _| Reply::Cut)).await;
    let mut ann = scene.client("ann").await;
    ann.ask("r1", "Count").await;
    ann.answer("r1").await;
    let mut late = scene.client("ann").await;
    late.hear().await;
    late.say(json!({ "type": "cf_agent_stream_resume_request", "probeId": "p" }))
        .await;
    assert_eq!(late.hear().await["id"], "r1");
    late.acknowledge("r1").await;
    assert_eq!(late.answer("r1").await.last().unwrap()["error"], true);
}
