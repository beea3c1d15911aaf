//! Long conversations.

use super::*;
use crate::ports::ModelError;

/// The window of the model: prompt and answer.
const WINDOW: u32 = 4_096;
/// The estimate: a token is three characters at least.
const CHARS_PER_TOKEN: usize = 3;

/// Says something of each length up to a thousand characters.
fn talker(is_summed_up: bool) -> FakeModel {
    let model = speaker(move |request, nth| match request.label.as_str() {
        "chat/summary" if is_summed_up => Reply::Text(format!("Summary {nth} of what was said.")),
        "chat/summary" => Reply::Error(ModelError::Timeout),
        _ => Reply::Text("word ".repeat(1 + (nth as usize * 37) % 40)),
    });
    model.window(WINDOW)
}

fn chars(request: &ModelRequest) -> usize {
    let turns = request.turns.iter().map(|turn| turn.text.chars().count());
    request.system.chars().count() + turns.sum::<usize>()
}

/// Asserts that no prompt is longer than the window has room for.
fn all_fit(scene: &Scene) {
    for request in scene.model.requests() {
        let most = (WINDOW - request.max_tokens) as usize * CHARS_PER_TOKEN;
        assert!(
            chars(&request) <= most,
            "{}: {} of {most}",
            request.label,
            chars(&request)
        );
    }
}

async fn talk(scene: &Scene, ann: &mut Client, turns: usize) {
    for turn in 0..turns {
        let request = format!("r{turn}");
        ann.ask(&request, &format!("{turn}: {}", "question ".repeat(1 + turn % 12)))
            .await;
        assert_eq!(ann.answer(&request).await.last().unwrap()["outcome"], "completed");
    }
    scene.wait(100).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_thousand_turns_a_prompt_is_as_short_as_before_and_a_turn_stores_as_little() {
    let scene = Scene::new(61, talker(true)).await;
    let mut ann = scene.client("ann").await;
    talk(&scene, &mut ann, 1000).await;
    all_fit(&scene);
    let requests = scene.model.requests();
    let last = requests.iter().rfind(|request| request.label == "chat/answer").unwrap();
    assert!(last.turns.last().unwrap().text.starts_with("999:"), "{last:?}");
    assert!(last.system.contains("of what was said."), "{}", last.system);
    let summaries = requests
        .iter()
        .filter(|request| request.label == "chat/summary")
        .count();
    assert!((10..500).contains(&summaries), "{summaries}");
    assert_eq!(scene.messages("ann").await.len(), 2000);
    let rows = scene
        .test
        .cluster()
        .inspect(&actor("ann", "main"))
        .await
        .unwrap()
        .state
        .rows;
    assert!(
        (2000..2010).contains(&rows),
        "one row for each message, and what was said last: {rows}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_summed_up_is_left_out_and_the_prompt_says_so() {
    let scene = Scene::new(62, talker(false)).await;
    let mut ann = scene.client("ann").await;
    talk(&scene, &mut ann, 120).await;
    all_fit(&scene);
    let requests = scene.model.requests();
    let last = requests.iter().rfind(|request| request.label == "chat/answer").unwrap();
    assert!(last.system.contains("is left out"), "{}", last.system);
    assert!(!last.system.contains("in short"), "{}", last.system);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_not_in_the_summary_either() {
    let scene = Scene::new(63, talker(true)).await;
    let mut ann = scene.client("ann").await;
    talk(&scene, &mut ann, 120).await;
    ann.say(json!({ "type": "cf_agent_chat_clear" })).await;
    ann.ask("new", "What did I say?").await;
    ann.answer("new").await;
    let requests = scene.model.requests();
    assert!(!requests.last().unwrap().system.contains("Summary"));
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_is_full_says_so() {
    let scene = Scene::new(64, speaker(|_, _| Reply::Text("ok".to_owned()))).await;
    let mut ann = scene.client("ann").await;
    let much = "x".repeat(60_000);
    let mut end = Value::Null;
    for turn in 0..12 {
        let request = format!("r{turn}");
        ann.ask(&request, &much).await;
        end = ann.answer(&request).await.pop().unwrap();
        if end["error"] == true {
            break;
        }
    }
    assert!(end["body"].as_str().unwrap().contains("clear it"), "{end}");
    ann.say(json!({ "type": "cf_agent_chat_clear" })).await;
    ann.ask("again", &much).await;
    assert_eq!(ann.answer("again").await.last().unwrap()["outcome"], "completed");
}
