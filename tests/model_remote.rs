//! The adapter for OpenAI-compatible endpoints, against a scripted server: what is sent, what is understood, and what
//! each fault becomes.
#![expect(clippy::unwrap_used, reason = "it is a test")]

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use actors::ports::{Finish, Model, ModelError, ModelEvent, ModelReply, ModelRequest, Role, Slot, Turn, Usage};
use foundation::planes::ai::{ModelNames, RemoteModel, RemoteOptions};
use futures_util::StreamExt;
use scripted_model::{Answer, ScriptedModel};
use secrecy::SecretString;
use serde_json::json;

#[path = "support/scripted_model.rs"]
mod scripted_model;

fn options(base_url: String) -> RemoteOptions {
    let names = ["writer", "critic", "judge"].map(str::to_owned);
    let [generator, reviewer, tiebreaker] = names;
    RemoteOptions {
        base_url,
        models: ModelNames {
            generator,
            reviewer,
            tiebreaker,
        },
        api_key: Some(SecretString::from("key-of-the-test")),
        context_tokens: NonZeroU32::new(8192).unwrap(),
        stream: true,
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(30),
        concurrency: NonZeroUsize::new(4).unwrap(),
        queue: NonZeroUsize::new(1).unwrap(),
    }
}

fn model(server: &ScriptedModel, stream: bool) -> RemoteModel {
    RemoteModel::new(RemoteOptions {
        stream,
        ..options(server.base_url())
    })
    .unwrap()
}

fn request(title: &str) -> ModelRequest {
    ModelRequest {
        label: "opportunity/draft".to_owned(),
        slot: Slot::Generator,
        system: "You find opportunities.".to_owned(),
        turns: vec![
            Turn {
                role: Role::User,
                text: "an example please".to_owned(),
            },
            Turn {
                role: Role::Assistant,
                text: "{}".to_owned(),
            },
            Turn {
                role: Role::User,
                text: "an app for farmers".to_owned(),
            },
        ],
        schema: Some(Arc::new(json!({
            "title": title,
            "type": "object",
            "properties": { "b": { "type": "string" }, "a": { "type": "integer" } },
        }))),
        max_tokens: 700,
        temperature: 0.5,
        deadline: Duration::from_secs(30),
        idempotency_key: "run-1/draft/1".to_owned(),
    }
}

async fn events(model: &RemoteModel, request: ModelRequest) -> Vec<Result<ModelEvent, ModelError>> {
    model.complete(request).collect().await
}

async fn reply(model: &RemoteModel, title: &str) -> ModelReply {
    match events(model, request(title)).await.pop() {
        Some(Ok(ModelEvent::Done(reply))) => reply,
        other => panic!("expected an answer, not {other:?}"),
    }
}

async fn error(model: &RemoteModel, title: &str) -> ModelError {
    match events(model, request(title)).await.pop() {
        Some(Err(error)) => error,
        other => panic!("expected an error, not {other:?}"),
    }
}

#[tokio::test]
async fn a_streamed_answer_arrives_in_pieces_and_then_whole() {
    let text = json!({ "b": "größer", "a": 1 }).to_string();
    let server = ScriptedModel::with([("opportunity", vec![Answer::Text(text.clone())])]).await;
    let events = events(&model(&server, true), request("opportunity")).await;
    let deltas: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Ok(ModelEvent::Delta(delta)) => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert!(deltas.len() > 1, "{events:?}");
    assert_eq!(deltas.concat(), text);
    let usage = Usage {
        input_tokens: 8,
        output_tokens: 1,
    };
    let whole = ModelReply {
        text,
        usage,
        finish: Finish::Stop,
        model: "writer".to_owned(),
    };
    assert_eq!(events.last(), Some(&Ok(ModelEvent::Done(whole))));
}

#[tokio::test]
async fn without_streaming_the_answer_is_the_same() {
    let server = ScriptedModel::with([("opportunity", vec![Answer::json(&json!({ "a": 1 }))])]).await;
    let streamed = reply(&model(&server, true), "opportunity").await;
    let whole = reply(&model(&server, false), "opportunity").await;
    assert_eq!(streamed, whole);
    let streamed: Vec<bool> = server.calls().iter().map(|call| call.streamed).collect();
    assert_eq!(streamed, [true, false]);
}

#[tokio::test]
async fn the_endpoint_gets_the_prompt_the_schema_and_the_keys() {
    let server = ScriptedModel::with([("Kill_test", vec![Answer::json(&json!({}))])]).await;
    reply(&model(&server, true), "Kill test").await;
    let call = server.calls().remove(0);
    assert_eq!(call.system, "You find opportunities.");
    let turns: Vec<(&str, &str)> = call
        .turns
        .iter()
        .map(|(role, text)| (role.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        turns,
        [
            ("user", "an example please"),
            ("assistant", "{}"),
            ("user", "an app for farmers")
        ]
    );
    assert_eq!(call.authorization.as_deref(), Some("Bearer key-of-the-test"));
    assert_eq!(call.idempotency_key.as_deref(), Some("run-1/draft/1"));
    assert_eq!(
        (&call.body["max_tokens"], &call.body["temperature"]),
        (&json!(700), &json!(0.5))
    );
    let schema = call.schema.unwrap();
    let order: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(
        order,
        ["b", "a"],
        "the order of the properties is the order of the thoughts"
    );
    assert_eq!(call.body["response_format"]["json_schema"]["strict"], true);
}

#[tokio::test]
async fn each_slot_asks_its_own_model() {
    let server = ScriptedModel::start(|call| Answer::Text(format!("from {}", call.model))).await;
    let model = model(&server, true);
    for (slot, name) in [
        (Slot::Generator, "writer"),
        (Slot::Reviewer, "critic"),
        (Slot::Tiebreaker, "judge"),
    ] {
        let seen = events(
            &model,
            ModelRequest {
                slot,
                schema: None,
                ..request("")
            },
        )
        .await;
        assert!(matches!(seen.last(), Some(Ok(ModelEvent::Done(reply))) if reply.text == format!("from {name}")));
        assert_eq!(model.info(slot).id, name);
    }
    assert!(server.calls().iter().all(|call| call.schema.is_none()));
}

#[tokio::test]
async fn invalid_json_is_passed_on_for_the_caller_to_judge() {
    let broken = "{\"a\": 1,";
    let answers = vec![Answer::Text(broken.to_owned()), Answer::json(&json!({ "a": 1 }))];
    let server = ScriptedModel::with([("opportunity", answers)]).await;
    let model = model(&server, true);
    assert_eq!(reply(&model, "opportunity").await.text, broken);
    assert_eq!(reply(&model, "opportunity").await.text, "{\"a\":1}");
    assert_eq!(server.count("opportunity"), 2);
}

#[tokio::test]
async fn an_answer_cut_by_its_token_limit_says_so() {
    let server = ScriptedModel::with([("opportunity", vec![Answer::Length("{\"a\":".to_owned())])]).await;
    for stream in [true, false] {
        assert_eq!(
            reply(&model(&server, stream), "opportunity").await.finish,
            Finish::Length
        );
    }
}

#[tokio::test]
async fn a_busy_endpoint_says_how_long_to_wait_and_is_not_asked_again_by_the_adapter() {
    let server = ScriptedModel::with([("opportunity", vec![Answer::rate_limited(17)])]).await;
    for stream in [true, false] {
        let error = error(&model(&server, stream), "opportunity").await;
        assert_eq!(
            error,
            ModelError::RateLimited {
                retry_after_secs: Some(17)
            }
        );
    }
    assert_eq!(server.count("opportunity"), 2);
}

#[tokio::test]
async fn a_failing_endpoint_may_be_asked_again_and_a_refusal_may_not() {
    let body = json!({ "error": { "message": "the model does not exist" } }).to_string();
    let server = ScriptedModel::with([
        ("failing", vec![Answer::Status(500, Vec::new(), "oops".to_owned())]),
        ("refused", vec![Answer::Status(400, Vec::new(), body)]),
        (
            "locked",
            vec![Answer::Status(401, Vec::new(), "key-of-the-test is wrong".to_owned())],
        ),
    ])
    .await;
    for stream in [true, false] {
        let model = model(&server, stream);
        assert_eq!(
            error(&model, "failing").await,
            ModelError::Unavailable("status 500".to_owned())
        );
        let refused = error(&model, "refused").await;
        assert!(
            matches!(&refused, ModelError::Refused(text) if text.contains("the model does not exist")),
            "{refused}"
        );
        let locked = error(&model, "locked").await;
        assert!(
            matches!(&locked, ModelError::Refused(text) if !text.contains("key-of-the-test")),
            "{locked}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_left_at_the_deadline() {
    let server = ScriptedModel::with([("opportunity", vec![Answer::Hang])]).await;
    for stream in [true, false] {
        let request = ModelRequest {
            deadline: Duration::from_millis(200),
            ..request("opportunity")
        };
        assert_eq!(
            events(&model(&server, stream), request).await,
            [Err(ModelError::Timeout)]
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_falls_silent_is_left_after_the_read_timeout() {
    let server = ScriptedModel::with([("opportunity", vec![Answer::Hang])]).await;
    for stream in [true, false] {
        let options = RemoteOptions {
            read_timeout: Duration::from_millis(200),
            stream,
            ..options(server.base_url())
        };
        assert_eq!(
            error(&RemoteModel::new(options).unwrap(), "opportunity").await,
            ModelError::Timeout
        );
    }
}

#[tokio::test]
async fn a_cut_answer_is_never_taken_for_a_whole_one() {
    let text = json!({ "b": "a text of some length", "a": 1 }).to_string();
    let server = ScriptedModel::with([
        ("broken", vec![Answer::Cut(text.clone())]),
        ("unfinished", vec![Answer::Unfinished(text)]),
    ])
    .await;
    for (title, stream) in [("broken", true), ("broken", false), ("unfinished", true)] {
        let error = error(&model(&server, stream), title).await;
        assert!(
            matches!(error, ModelError::Unavailable(_)),
            "{title}, streamed {stream}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable_and_the_message_names_no_address() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let gone = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let error = error(&RemoteModel::new(options(gone)).unwrap(), "opportunity").await;
    assert!(
        matches!(&error, ModelError::Unavailable(text) if !text.contains("127.0.0.1")),
        "{error:?}"
    );
}

#[tokio::test]
async fn more_requests_than_may_wait_are_overloaded_and_a_dropped_one_makes_room() {
    let server = ScriptedModel::with([("hang", vec![Answer::Hang]), ("fine", vec![Answer::json(&json!({}))])]).await;
    let options = RemoteOptions {
        concurrency: NonZeroUsize::MIN,
        ..options(server.base_url())
    };
    let model = RemoteModel::new(options).unwrap();
    let mut running = model.complete(request("hang"));
    assert!(futures_util::poll!(running.next()).is_pending());
    let mut waiting = model.complete(request("fine"));
    assert!(futures_util::poll!(waiting.next()).is_pending());
    assert_eq!(error(&model, "fine").await, ModelError::Overloaded);
    drop(running);
    let events: Vec<_> = waiting.collect().await;
    assert!(matches!(events.last(), Some(Ok(ModelEvent::Done(_)))), "{events:?}");
}
