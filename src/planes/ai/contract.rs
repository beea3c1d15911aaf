//! What every implementation of the model ports must do, run against each of them.

use std::{path::PathBuf, time::Duration};

use actors::ports::{Embedder, Finish, Model, ModelEvent, ModelReply, ModelRequest, Role, Slot, Turn};
use futures_util::StreamExt;

use super::models::{ModelFiles, Part};

/// A short request in free text.
pub(super) fn request(key: &str) -> ModelRequest {
    ModelRequest {
        label: "contract".to_owned(),
        slot: Slot::Generator,
        system: "Answer in one sentence.".to_owned(),
        turns: vec![Turn {
            role: Role::User,
            text: "Name one thing that plants need.".to_owned(),
        }],
        schema: None,
        max_tokens: 16,
        temperature: 0.6,
        deadline: Duration::from_secs(120),
        idempotency_key: key.to_owned(),
    }
}

/// Runs one request to its end: the deltas joined are the text, queue positions come before text and do not grow, and
/// nothing follows the end.
pub(super) async fn answered(model: &dyn Model, request: ModelRequest) -> ModelReply {
    let mut stream = model.complete(request);
    let mut text = String::new();
    let mut place = u32::MAX;
    while let Some(event) = stream.next().await {
        match event.expect("the model answers") {
            ModelEvent::Queued { position } => {
                assert!(text.is_empty(), "a request that is answered does not wait");
                assert!(position < place, "positions only shrink");
                place = position;
            }
            ModelEvent::Delta(delta) => text.push_str(&delta),
            ModelEvent::Done(reply) => {
                assert_eq!(reply.text, text);
                assert!(stream.next().await.is_none(), "nothing follows the end");
                return reply;
            }
        }
    }
    panic!("the stream ended without an answer");
}

/// The contract of a model that can answer [`request`].
pub(super) async fn model(model: &dyn Model) {
    for slot in [Slot::Generator, Slot::Reviewer, Slot::Tiebreaker] {
        let info = model.info(slot);
        assert!(!info.id.is_empty() && info.context_tokens > 0);
    }
    let reply = answered(model, request("contract/1")).await;
    assert!(!reply.text.is_empty() && !reply.model.is_empty());
    assert!(reply.usage.input_tokens > 0 && reply.usage.output_tokens > 0);

    let cut = answered(
        model,
        ModelRequest {
            max_tokens: 1,
            ..request("contract/2")
        },
    )
    .await;
    assert_eq!(cut.finish, Finish::Length);

    // A dropped stream gives its place to the next request.
    let mut dropped = model.complete(request("contract/3"));
    let _ = dropped.next().await;
    drop(dropped);
    answered(model, request("contract/4")).await;
}

/// The contract of an embedding model.
pub(super) async fn embedder(embedder: &dyn Embedder) {
    let dimensions = embedder.info().dimensions;
    assert_eq!(embedder.embed(Vec::new()).await, Ok(Vec::new()));
    let texts: Vec<String> = [
        "short",
        "",
        &"long text ".repeat(400),
        "a sentence of a middling length",
        "日本語",
    ]
    .map(str::to_owned)
    .to_vec();
    let together = embedder.embed(texts.clone()).await.expect("the texts are embedded");
    assert_eq!(together.len(), texts.len());
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(vector.len(), dimensions);
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-3, "unit length, not {length}");
        let alone = embedder
            .embed(vec![text.clone()])
            .await
            .expect("the text is embedded")
            .remove(0);
        let cosine: f32 = alone.iter().zip(vector).map(|(a, b)| a * b).sum();
        assert!(cosine > 0.999, "company changes nothing, but the cosine is {cosine}");
    }
}

/// The directory of the real models, if they were fetched: tests do not download. Says so when they were not.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
pub(super) fn models_directory(part: Part) -> Option<PathBuf> {
    let set = std::env::var("FOUNDATION__AI__MODELS_PATH").ok().map(PathBuf::from);
    let home = std::env::var("HOME")
        .ok()
        .map(|home| PathBuf::from(home).join(".cache/foundation/models"));
    let directory = set.or(home)?;
    match ModelFiles::glance(&directory, part) {
        Ok(()) => Some(directory),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}
