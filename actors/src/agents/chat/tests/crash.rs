//! Owners that die.

use super::*;

const TEXT: &str = "one two three four five six seven eight nine ten";

#[tokio::test(start_paused = true)]
async fn an_answer_survives_a_crash_in_its_middle_and_is_one_message() {
    let mut scene = Scene::new(31, slow(TEXT, 1000)).await;
    let mut first = scene.client("ann").await;
    first.ask("r1", "Count").await;
    scene.wait(4_500).await;
    while first.view.texts().last().map(String::as_str) != Some("one two three four ") {
        first.hear().await;
    }
    scene.test.crash_and_restart().await;
    let mut ann = scene.client("ann").await;
    // What it has shown it still shows.
    std::mem::swap(&mut ann.view, &mut first.view);
    assert_eq!(ann.hear_of("cf_agent_stream_resuming").await["id"], "r1");
    ann.acknowledge("r1").await;
    let frames = ann.answer("r1").await;
    assert_eq!(frames.last().unwrap()["outcome"], "completed");
    assert_eq!(ann.view.texts(), ["Count", TEXT]);
    let stored = scene.messages("ann").await;
    assert_eq!((stored.len(), text(&stored[1])), (2, TEXT.to_owned()));
    assert_eq!(ann.view.messages[1]["id"], stored[1]["id"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_taken_up_if_nobody_speaks() {
    let mut scene = Scene::new(32, slow(TEXT, 100)).await;
    let ann = scene.client("ann").await;
    ann.ask("r1", "Count").await;
    scene.wait(500).await;
    scene.test.crash_and_restart().await;
    scene.wait(8_000).await;
    assert_eq!(text(&scene.messages("ann").await[1]), TEXT);
}

#[tokio::test(start_paused = true)]
async fn clients_that_stay_connected_drop_what_they_heard_and_hear_it_anew() {
    let scene = Scene::new(33, slow(TEXT, 1000)).await;
    let (mut ann, mut other) = (scene.client("ann").await, scene.client("ann").await);
    ann.ask("r1", "Count").await;
    scene.wait(3_500).await;
    for shard in 0..4 {
        scene.test.depose(shard);
    }
    for client in [&mut ann, &mut other] {
        client.hear_of("cf_agent_stream_resuming").await;
        client.acknowledge("r1").await;
    }
    for client in [&mut ann, &mut other] {
        client.answer("r1").await;
        client.hear_of("cf_agent_chat_recovering").await;
        assert_eq!(client.view.texts().last().unwrap(), TEXT);
    }
    assert_eq!(scene.messages("ann").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_three_attempts_the_answer_is_given_up_and_says_so() {
    let mut scene = Scene::new(34, slow(TEXT, 60_000)).await;
    let ann = scene.client("ann").await;
    ann.ask("r1", "Count").await;
    for _ in 0..3 {
        scene.wait(30_000).await;
        scene.test.crash_and_restart().await;
    }
    scene.wait(10_000).await;
    assert_eq!(scene.model.open(), 0);
    let mut late = scene.client("ann").await;
    late.say(json!({ "type": "cf_agent_stream_resume_request", "probeId": "p" }))
        .await;
    late.hear_of("cf_agent_stream_resuming").await;
    late.acknowledge("r1").await;
    let end = late.answer("r1").await.pop().unwrap();
    assert!(end["body"].as_str().unwrap().contains("interrupted 3 times"), "{end}");
    late.ask("r2", "Again").await;
    scene.wait(11 * 60_000).await;
    let texts: Vec<String> = scene.messages("ann").await.iter().map(text).collect();
    assert_eq!(
        texts,
        ["Count", "Again", TEXT],
        "nothing was said in the three attempts"
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_answer_has_it_after_a_crash() {
    let mut scene = Scene::new(35, slow("one two", 1000)).await;
    let ann = scene.client("ann").await;
    ann.ask("r1", "First").await;
    ann.ask("r2", "Second").await;
    scene.wait(500).await;
    scene.test.crash_and_restart().await;
    let stored = scene.until("ann", 4).await;
    let texts: Vec<String> = stored.iter().map(text).collect();
    assert_eq!(texts, ["First", "one two", "Second", "one two"]);
}
