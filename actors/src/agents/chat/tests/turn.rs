//! One turn after another.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_turn_is_told_in_the_order_that_clients_expect() {
    let scene = Scene::new(1, slow("Hello dear Ann", 10)).await;
    let (mut ann, mut other) = (scene.client("ann").await, scene.client("ann").await);
    ann.ask("r1", "Hello").await;
    let told = other.hear().await;
    assert_eq!(told["type"], "cf_agent_chat_messages");
    assert_eq!(told["messages"], json!([user("r1-asks", "Hello")]));
    let frames = ann.answer("r1").await;
    let expected = [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-delta",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ];
    assert_eq!(kinds(&frames), expected);
    let end = frames.last().unwrap();
    assert_eq!((&end["body"], &end["outcome"]), (&json!(""), &json!("completed")));
    let numbers: Vec<u64> = frames[..9].iter().map(|frame| frame["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..9).collect::<Vec<_>>());
    assert_eq!(kinds(&other.answer("r1").await), expected);
    let stored = scene.messages("ann").await;
    assert_eq!(stored[0], user("r1-asks", "Hello"));
    assert_eq!(stored[1]["id"], chunks(&frames)[0]["messageId"]);
    assert_eq!((stored.len(), text(&stored[1])), (2, "Hello dear Ann".to_owned()));
    assert_eq!(other.view.texts(), ["Hello", "Hello dear Ann"]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_an_answer_is_given_waits_and_not_too_many_do() {
    let scene = Scene::new(2, slow("one two three", 1000)).await;
    let mut ann = scene.client("ann").await;
    for number in 1..=6 {
        ann.ask(&format!("r{number}"), &format!("Question {number}")).await;
    }
    let refused = loop {
        let frame = ann.hear().await;
        if frame["id"] == "r6" {
            break frame;
        }
    };
    assert_eq!((&refused["error"], &refused["done"]), (&json!(true), &json!(true)));
    assert!(refused["body"].as_str().unwrap().contains("wait"), "{refused}");
    ann.say(json!({ "type": "cf_agent_chat_request_cancel", "id": "r4" }))
        .await;
    assert_eq!(ann.answer("r4").await.last().unwrap()["outcome"], "aborted");
    for request in ["r2", "r3", "r5"] {
        assert_eq!(ann.answer(request).await.last().unwrap()["outcome"], "completed");
    }
    let stored = scene.messages("ann").await;
    let roles: String = stored
        .iter()
        .map(|message| message["role"].as_str().unwrap()[..1].to_owned())
        .collect();
    // Each answer stands behind its question, also if others were asked before it was given.
    assert_eq!(roles, "uauauauua", "{stored:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_wanted_anew_replaces_what_followed() {
    let scene = Scene::new(3, speaker(|_, nth| Reply::Text(format!("Answer {nth}")))).await;
    let mut ann = scene.client("ann").await;
    ann.ask("r1", "One").await;
    ann.answer("r1").await;
    ann.ask("r2", "Two").await;
    ann.answer("r2").await;
    let said = json!([user("r1-asks", "One")]);
    ann.request("r3", "regenerate-message", said).await;
    ann.answer("r3").await;
    let texts = |stored: &[Value]| stored.iter().map(text).collect::<Vec<_>>();
    assert_eq!(texts(&scene.messages("ann").await), ["One", "Answer 2"]);
    ann.request("r4", "submit-message", json!([user("r1-asks", "Another")]))
        .await;
    ann.answer("r4").await;
    assert_eq!(texts(&scene.messages("ann").await), ["Another", "Answer 3"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_is_refused_with_what_is_wrong() {
    let scene = Scene::new(4, slow("no", 1)).await;
    let mut ann = scene.client("ann").await;
    let much = "x".repeat(70_000);
    for (messages, why) in [
        (json!([]), "has messages"),
        (json!([{ "id": "a", "role": "assistant", "parts": [] }]), "the person's"),
        (json!([{ "id": "a", "role": "system", "parts": [] }]), "not as expected"),
        (json!([{ "id": "a", "role": "user", "parts": [] }]), "parts"),
        (json!([user("a", &much)]), "bytes"),
    ] {
        ann.request("r1", "submit-message", messages).await;
        let frame = ann.hear().await;
        assert_eq!((&frame["id"], &frame["error"]), (&json!("r1"), &json!(true)));
        assert!(frame["body"].as_str().unwrap().contains(why), "{frame}");
    }
    assert_eq!(scene.messages("ann").await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_is_cleared_or_edited_is_so_for_everyone() {
    let scene = Scene::new(5, speaker(|_, nth| Reply::Text(format!("Answer {nth}")))).await;
    let (mut ann, mut other) = (scene.client("ann").await, scene.client("ann").await);
    for request in ["r1", "r2"] {
        ann.ask(request, "Hello").await;
        ann.answer(request).await;
        other.answer(request).await;
    }
    let mut messages = scene.messages("ann").await;
    messages.drain(..2);
    messages[1]["parts"] = json!([{ "type": "text", "text": "What nobody said" }]);
    messages.push(json!({ "id": "forged", "role": "assistant", "parts": [] }));
    ann.say(json!({ "type": "cf_agent_chat_messages", "messages": messages }))
        .await;
    for client in [&mut ann, &mut other] {
        client.hear_of("cf_agent_chat_messages").await;
        assert_eq!(client.view.texts(), ["Hello", "Answer 1"]);
    }
    assert_eq!(scene.messages("ann").await.len(), 2);
    ann.say(json!({ "type": "cf_agent_chat_clear" })).await;
    other.hear_of("cf_agent_chat_clear").await;
    assert_eq!(scene.messages("ann").await, Vec::<Value>::new());
    ann.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_says_so() {
    let scene = Scene::new(
        6,
        speaker(|_, nth| {
            if nth == 0 {
                Reply::Cut
            } else {
                Reply::Text(String::new())
            }
        }),
    )
    .await;
    let mut ann = scene.client("ann").await;
    for (request, why) in [("r1", "cut short"), ("r2", "nothing")] {
        ann.ask(request, "Hello").await;
        let frames = ann.answer(request).await;
        let end = frames.last().unwrap();
        assert_eq!((&end["error"], &end["outcome"]), (&json!(true), &json!("error")));
        assert!(end["body"].as_str().unwrap().contains(why), "{end}");
    }
}
