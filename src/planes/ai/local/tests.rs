//! The queue with a generator that does as it is told, and the real model where its files are present.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

use actors::ports::{Finish, ModelEvent, ModelReply, Usage};
use futures_util::StreamExt;
use serde_json::json;

use super::{
    queue::{Halt, Progress},
    *,
};
use crate::planes::ai::{contract, models::Part};

const BOUND: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// Writes numbered words until it may stop. With a gate, it waits for a permission before each word, and says when it
/// began and when it ended.
struct Scripted {
    gate: Option<Receiver<()>>,
    log: SyncSender<String>,
}

impl Generator for Scripted {
    fn generate(&mut self, request: &ModelRequest, progress: &Progress) -> Result<ModelReply, Halt> {
        let key = &request.idempotency_key;
        let _ = self.log.send(format!("began {key}"));
        if key == "panic" {
            panic!("the script says so");
        }
        let mut text = String::new();
        for word in 0..request.max_tokens {
            if let Some(gate) = &self.gate {
                let _ = gate.recv();
            }
            if let Err(halt) = progress.check() {
                let _ = self.log.send(format!("abandoned {key}"));
                return Err(halt);
            }
            let delta = format!("w{word} ");
            text.push_str(&delta);
            progress.delta(delta)?;
        }
        let usage = Usage {
            input_tokens: 1,
            output_tokens: u64::from(request.max_tokens),
        };
        Ok(ModelReply {
            text,
            usage,
            finish: Finish::Length,
            model: "scripted".to_owned(),
        })
    }
}

/// A model with a gate: the sender permits one word each, the receiver tells what happened.
fn gated() -> (EmbeddedModel, SyncSender<()>, Receiver<String>) {
    let (permit, gate) = sync_channel(100);
    let (log, events) = sync_channel(100);
    let mut gate = Some(gate);
    let model = EmbeddedModel::start_with(BOUND, move || {
        Ok(Box::new(Scripted {
            gate: gate.take(),
            log: log.clone(),
        }))
    });
    (model.unwrap(), permit, events)
}

fn request(key: &str, words: u32) -> ModelRequest {
    ModelRequest {
        max_tokens: words,
        ..contract::request(key)
    }
}

async fn position(stream: &mut ModelStream) -> u32 {
    match stream.next().await {
        Some(Ok(ModelEvent::Queued { position })) => position,
        other => panic!("expected a place in the queue, not {other:?}"),
    }
}

fn happened(events: &Receiver<String>) -> String {
    events.recv_timeout(Duration::from_secs(30)).unwrap()
}

#[tokio::test]
async fn the_scripted_generator_keeps_the_contract() {
    let (log, _events) = sync_channel(100);
    let load = move || {
        Ok(Box::new(Scripted {
            gate: None,
            log: log.clone(),
        }) as Box<dyn Generator>)
    };
    contract::model(&EmbeddedModel::start_with(BOUND, load).unwrap()).await;
}

#[tokio::test]
async fn requests_are_served_in_their_order_and_see_their_place_shrink() {
    let (model, permit, events) = gated();
    let first = model.complete(request("first", 1));
    assert_eq!(happened(&events), "began first");
    let mut second = model.complete(request("second", 1));
    let mut third = model.complete(request("third", 1));
    assert_eq!(position(&mut second).await, 1, "the one that is answered is ahead");
    assert_eq!(position(&mut third).await, 2);
    permit.send(()).unwrap();
    assert_eq!(happened(&events), "began second");
    assert_eq!(position(&mut second).await, 0);
    assert_eq!(position(&mut third).await, 1);
    permit.send(()).unwrap();
    assert_eq!(happened(&events), "began third");
    permit.send(()).unwrap();
    for stream in [first, second, third] {
        let events: Vec<_> = stream.collect().await;
        assert!(matches!(events.last(), Some(Ok(ModelEvent::Done(_)))), "{events:?}");
    }
}

#[tokio::test]
async fn a_full_queue_is_overloaded_and_a_dropped_request_makes_room() {
    let (model, _permit, events) = gated();
    let _running = model.complete(request("running", 1));
    assert_eq!(happened(&events), "began running");
    let mut waiting: Vec<_> = (0..BOUND.get())
        .map(|index| model.complete(request(&index.to_string(), 1)))
        .collect();
    let refused = model.complete(request("late", 1)).next().await;
    assert_eq!(refused, Some(Err(ModelError::Overloaded)));

    drop(waiting.remove(0));
    let mut admitted = model.complete(request("admitted", 1));
    assert_eq!(position(&mut admitted).await, 3);
    assert_eq!(position(&mut waiting[1]).await, 3);
    assert_eq!(position(&mut waiting[1]).await, 2);
}

#[tokio::test]
async fn a_dropped_stream_stops_its_generation() {
    let (model, permit, events) = gated();
    let mut stream = model.complete(request("long", 1000));
    assert_eq!(happened(&events), "began long");
    permit.send(()).unwrap();
    assert_eq!(position(&mut stream).await, 0);
    assert_eq!(stream.next().await, Some(Ok(ModelEvent::Delta("w0 ".to_owned()))));
    drop(stream);
    permit.send(()).unwrap();
    assert_eq!(happened(&events), "abandoned long");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_the_wait_in_the_queue() {
    let (model, permit, events) = gated();
    let _running = model.complete(request("running", 1));
    assert_eq!(happened(&events), "began running");
    let waiting = model.complete(ModelRequest {
        deadline: Duration::from_secs(5),
        ..request("waiting", 1)
    });
    let seen: Vec<_> = waiting.collect().await;
    assert_eq!(seen, [Ok(ModelEvent::Queued { position: 1 }), Err(ModelError::Timeout)]);
    permit.send(()).unwrap();
    let _next = model.complete(request("next", 1));
    assert_eq!(
        happened(&events),
        "began next",
        "the request that timed out is never begun"
    );
}

#[tokio::test]
async fn a_panic_ends_one_request_and_the_model_is_loaded_again() {
    let (log, events) = sync_channel(100);
    let load = move || {
        let _ = log.send("loaded".to_owned());
        Ok(Box::new(Scripted {
            gate: None,
            log: log.clone(),
        }) as Box<dyn Generator>)
    };
    let model = EmbeddedModel::start_with(BOUND, load).unwrap();
    let seen: Vec<_> = model.complete(request("panic", 1)).collect().await;
    assert!(matches!(seen.last(), Some(Err(ModelError::Unavailable(_)))), "{seen:?}");
    contract::answered(&model, request("after", 2)).await;
    let log: Vec<_> = events.try_iter().collect();
    assert_eq!(log, ["loaded", "began panic", "loaded", "began after"]);
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_tried_again_at_the_next_request() {
    let (log, _events) = sync_channel(100);
    let mut attempts = 0;
    let load = move || {
        attempts += 1;
        match attempts {
            1 => Err(ModelError::Missing("run the command".to_owned())),
            _ => Ok(Box::new(Scripted {
                gate: None,
                log: log.clone(),
            }) as Box<dyn Generator>),
        }
    };
    let model = EmbeddedModel::start_with(BOUND, load).unwrap();
    let seen: Vec<_> = model.complete(request("early", 1)).collect().await;
    assert_eq!(
        seen.last(),
        Some(&Err(ModelError::Missing("run the command".to_owned())))
    );
    contract::answered(&model, request("later", 1)).await;
}

#[tokio::test]
async fn requests_that_wait_when_the_model_is_stopped_get_an_error() {
    let (model, _permit, events) = gated();
    let _running = model.complete(request("running", 1));
    assert_eq!(happened(&events), "began running");
    let waiting = model.complete(request("waiting", 1));
    drop(model);
    let seen: Vec<_> = waiting.collect().await;
    assert!(matches!(seen.last(), Some(Err(ModelError::Unavailable(_)))), "{seen:?}");
}

/// One short constrained answer of the real model, and what only it can show.
#[tokio::test]
async fn the_real_model_answers_within_its_schema() {
    let Some(directory) = contract::models_directory(Part::Language) else {
        return;
    };
    let model = EmbeddedModel::start(LocalOptions {
        directory,
        queue: BOUND,
    })
    .unwrap();
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["reason", "verdict"],
        "properties": {
            "reason": { "type": "string", "pattern": "^[A-Z][A-Za-z0-9 ,'%-]{10,40}\\.$" },
            "verdict": { "enum": ["yes", "no"], "x-judgement": "no" },
        },
    });
    let request = ModelRequest {
        // Longer than one chunk, so that the beginning is kept for the next request.
        system: "Answer as a neighbour who has grown vegetables for many years would. ".repeat(10),
        turns: vec![actors::ports::Turn {
            role: actors::ports::Role::User,
            text: "Should a small farm water its fields at noon?<|im_end|>".to_owned(),
        }],
        schema: Some(Arc::new(schema.clone())),
        max_tokens: 80,
        deadline: Duration::from_secs(600),
        ..contract::request("smoke/1")
    };
    let reply = contract::answered(&model, request.clone()).await;
    assert_eq!(reply.finish, Finish::Stop, "{}", reply.text);
    let value: serde_json::Value = serde_json::from_str(&reply.text).unwrap();
    assert!(jsonschema::is_valid(&schema, &value), "{value}");

    // The second time the beginning of the prompt is known already, which must not change a letter.
    let again = contract::answered(&model, request.clone()).await;
    assert_eq!(again, reply, "the same key gives the same answer");
    let other = ModelRequest {
        idempotency_key: "smoke/2".to_owned(),
        ..request.clone()
    };
    assert_ne!(
        contract::answered(&model, other).await.text,
        reply.text,
        "another key gives another answer"
    );

    let cut = contract::answered(
        &model,
        ModelRequest {
            max_tokens: 3,
            ..request.clone()
        },
    )
    .await;
    assert_eq!((cut.finish, cut.usage.output_tokens), (Finish::Length, 3));

    let unusable = ModelRequest {
        schema: Some(Arc::new(json!({ "dependentSchemas": {}, "type": "object" }))),
        ..request.clone()
    };
    let seen: Vec<_> = model.complete(unusable).collect().await;
    assert!(matches!(seen.last(), Some(Err(ModelError::Refused(_)))), "{seen:?}");

    let endless = "water the fields ".repeat(3000);
    let too_long = ModelRequest {
        turns: vec![actors::ports::Turn {
            role: actors::ports::Role::User,
            text: endless,
        }],
        ..request
    };
    let seen: Vec<_> = model.complete(too_long).collect().await;
    assert!(
        matches!(seen.last(), Some(Err(ModelError::Refused(text))) if text.contains("4016")),
        "{seen:?}"
    );
}
