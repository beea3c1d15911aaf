//! A model behind any OpenAI-compatible endpoint, spoken to through rig.
//!
//! The adapter sends what it is given, names the fault when there is one, and repeats nothing: retries belong to the
//! workflow, which knows what a repetition costs and feeds the validation error back.

mod fault;
mod transport;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actors::ports::{
    Finish, Model, ModelError, ModelEvent, ModelInfo, ModelReply, ModelRequest, ModelStream, Profile, Role, Slot, Usage,
};
use futures_util::{StreamExt, stream};
use rig_core::{
    completion::{CompletionRequest, CompletionResponse, FinishReason},
    message::Message,
    providers::openai::wire::OpenAIConfig,
    streaming::{CompletionStream, Item, StreamEvent},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::ModelNames;
use transport::Http;

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Longest name of a schema that endpoints accept.
const MAX_SCHEMA_NAME: usize = 64;

/// Settings of the connection to an endpoint.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// Root of the endpoint, version included.
    pub base_url: String,
    /// The model of each role.
    pub models: ModelNames,
    /// Key of the endpoint, if it wants one.
    pub api_key: Option<SecretString>,
    /// Longest prompt and answer together, in tokens.
    pub context_tokens: NonZeroU32,
    /// Whether answers are streamed.
    pub stream: bool,
    /// Time to wait for a connection.
    pub connect_timeout: Duration,
    /// Time to wait for the next bytes of an answer.
    pub read_timeout: Duration,
    /// Requests at the same time.
    pub concurrency: NonZeroUsize,
    /// Requests that may wait besides.
    pub queue: NonZeroUsize,
}

/// A model behind an endpoint.
#[derive(Clone)]
pub struct RemoteModel {
    shared: Arc<Shared>,
}

struct Shared {
    options: RemoteOptions,
    http: reqwest::Client,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl std::fmt::Debug for RemoteModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteModel")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl RemoteModel {
    /// Sets up the client. Nothing is sent.
    ///
    /// # Errors
    /// The client cannot be built, for want of usable root certificates for example.
    pub fn new(options: RemoteOptions) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            // A redirect would carry the key and the prompt to an address nobody configured, and so would a proxy that
            // only the environment names.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let slots = Arc::new(Semaphore::new(options.concurrency.get().min(Semaphore::MAX_PERMITS)));
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                http,
                slots,
                waiting: AtomicUsize::new(0),
            }),
        })
    }

    fn name(&self, slot: Slot) -> &str {
        let ModelNames {
            generator,
            reviewer,
            tiebreaker,
        } = &self.shared.options.models;
        let candidates: &[&String] = match slot {
            Slot::Generator => &[generator],
            Slot::Reviewer => &[reviewer, generator],
            Slot::Tiebreaker => &[tiebreaker, reviewer, generator],
        };
        candidates
            .iter()
            .find(|name| !name.is_empty())
            .map_or("", |name| name.as_str())
    }
}

impl Model for RemoteModel {
    fn info(&self, slot: Slot) -> ModelInfo {
        ModelInfo {
            id: self.name(slot).to_owned(),
            profile: Profile::Full,
            context_tokens: self.shared.options.context_tokens.get(),
        }
    }

    fn complete(&self, request: ModelRequest) -> ModelStream {
        let call = Call {
            deadline: Instant::now() + request.deadline,
            model: self.name(request.slot).to_owned(),
            shared: Arc::clone(&self.shared),
        };
        let state = State::Waiting(call, Box::new(request));
        Box::pin(stream::unfold(state, |state| async {
            match state.next().await {
                Ok(None) => None,
                Ok(Some((event, state))) => Some((Ok(event), state)),
                Err(error) => Some((Err(error), State::Ended)),
            }
        }))
    }
}

/// What one request is sent with.
struct Call {
    deadline: Instant,
    model: String,
    shared: Arc<Shared>,
}

/// How far one request is. Dropping it cancels the request: the connection is closed.
enum State {
    Waiting(Call, Box<ModelRequest>),
    Streaming(Call, Box<CompletionStream>, usize, OwnedSemaphorePermit),
    Finished(Box<ModelReply>),
    Ended,
}

impl State {
    async fn next(self) -> Result<Option<(ModelEvent, Self)>, ModelError> {
        match self {
            Self::Waiting(call, request) => {
                let slot = call.slot().await?;
                let (request, client) = call.prepare(*request)?;
                if call.shared.options.stream {
                    let stream = client.stream(request).map_err(|error| fault::of(&error))?;
                    return Box::pin(Self::Streaming(call, Box::new(stream), 0, slot).next()).await;
                }
                let response = timeout_at(call.deadline, client.call(request)).await;
                let response = response
                    .map_err(|_| ModelError::Timeout)?
                    .map_err(|error| fault::of(&error))?;
                let reply = reply(&response, &call.model)?;
                if reply.text.is_empty() {
                    return Ok(Some((ModelEvent::Done(reply), Self::Ended)));
                }
                let text = reply.text.clone();
                Ok(Some((ModelEvent::Delta(text), Self::Finished(Box::new(reply)))))
            }
            Self::Streaming(call, mut stream, mut bytes, slot) => loop {
                match timeout_at(call.deadline, stream.next())
                    .await
                    .map_err(|_| ModelError::Timeout)?
                {
                    Some(Ok(Item::Event(StreamEvent::Text { text, .. }))) if !text.is_empty() => {
                        bytes += text.len();
                        if bytes > MAX_ANSWER_BYTES {
                            return Err(ModelError::Unavailable("the answer is too long to be one".to_owned()));
                        }
                        return Ok(Some((
                            ModelEvent::Delta(text),
                            Self::Streaming(call, stream, bytes, slot),
                        )));
                    }
                    // Reasoning and whatever an endpoint adds are no part of the answer.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(fault::of(&error)),
                    None => {
                        let response = timeout_at(call.deadline, stream.finish()).await;
                        let response = response
                            .map_err(|_| ModelError::Timeout)?
                            .map_err(|error| fault::of(&error))?;
                        return Ok(Some((ModelEvent::Done(reply(&response, &call.model)?), Self::Ended)));
                    }
                }
            },
            Self::Finished(reply) => Ok(Some((ModelEvent::Done(*reply), Self::Ended))),
            Self::Ended => Ok(None),
        }
    }
}

impl Call {
    /// Waits until fewer requests are on their way.
    async fn slot(&self) -> Result<OwnedSemaphorePermit, ModelError> {
        if let Ok(slot) = Arc::clone(&self.shared.slots).try_acquire_owned() {
            return Ok(slot);
        }
        let _place = Place::take(&self.shared)?;
        let slot = timeout_at(self.deadline, Arc::clone(&self.shared.slots).acquire_owned()).await;
        let slot = slot.map_err(|_| ModelError::Timeout)?;
        slot.map_err(|_| ModelError::Unavailable("the model was closed".to_owned()))
    }

    /// The request as rig speaks it, and the client that sends it.
    fn prepare(
        &self,
        request: ModelRequest,
    ) -> Result<
        (
            CompletionRequest,
            rig_core::Model<rig_core::providers::openai::wire::Chat>,
        ),
        ModelError,
    > {
        let refused = |reason: &str| ModelError::Refused(reason.to_owned());
        let mut turns = request.turns.into_iter().map(|turn| match turn.role {
            Role::User => Message::user(turn.text),
            Role::Assistant => Message::assistant(turn.text),
        });
        let last = turns.next_back().ok_or_else(|| refused("the prompt has no turn"))?;
        let mut completion = CompletionRequest::new(last)
            .messages(turns)
            .preamble(request.system)
            .temperature(f64::from(request.temperature))
            .max_tokens(u64::from(request.max_tokens));
        if let Some(schema) = request.schema {
            let schema = named(Arc::unwrap_or_clone(schema), &request.label);
            let schema = schemars::Schema::try_from(schema)
                .map_err(|_| refused("the schema is neither an object nor a boolean"))?;
            completion = completion.output_schema(schema);
        }
        let options = &self.shared.options;
        let key = options.api_key.as_ref().map_or("", ExposeSecret::expose_secret);
        let http = Http::new(self.shared.http.clone(), &request.idempotency_key);
        let client = OpenAIConfig::new(key)
            .with_base_url(options.base_url.trim_end_matches('/'))
            .connect(http);
        Ok((completion, client.chat(&self.model)))
    }
}

/// A place among the requests that wait, given up when dropped.
struct Place<'a>(&'a Shared);

impl<'a> Place<'a> {
    fn take(shared: &'a Shared) -> Result<Self, ModelError> {
        let place = Self(shared);
        if shared.waiting.fetch_add(1, Ordering::Relaxed) >= shared.options.queue.get() {
            return Err(ModelError::Overloaded);
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The schema with a title that endpoints accept as a name: letters, digits, `_` and `-`.
fn named(mut schema: Value, label: &str) -> Value {
    if let Some(object) = schema.as_object_mut() {
        let title = object.get("title").and_then(Value::as_str).unwrap_or(label);
        let plain = |character: char| character.is_ascii_alphanumeric() || character == '-';
        let name = title
            .chars()
            .take(MAX_SCHEMA_NAME)
            .map(|c| if plain(c) { c } else { '_' });
        let name: String = name.collect();
        object.insert(
            "title".to_owned(),
            Value::String(if name.is_empty() { "answer".to_owned() } else { name }),
        );
    }
    schema
}

/// The response in the words of the port.
fn reply(response: &CompletionResponse, model: &str) -> Result<ModelReply, ModelError> {
    if response.error.is_some() {
        return Err(ModelError::Refused("the model declined to answer".to_owned()));
    }
    let finish = match response.finish_reason() {
        Some(FinishReason::Length) => Finish::Length,
        Some(FinishReason::ContentFilter) => {
            return Err(ModelError::Refused("the provider filtered the answer".to_owned()));
        }
        // Whether the text is what was asked for is for the caller's validation to find.
        _ => Finish::Stop,
    };
    let text = response.text();
    if text.len() > MAX_ANSWER_BYTES {
        return Err(ModelError::Unavailable("the answer is too long to be one".to_owned()));
    }
    let usage = Usage {
        input_tokens: response.usage.input_tokens.unwrap_or(0),
        output_tokens: response.usage.output_tokens.unwrap_or(0),
    };
    Ok(ModelReply {
        text,
        usage,
        finish,
        model: response.model().unwrap_or(model).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_get_a_name_that_endpoints_accept() {
        let name = |schema: Value| named(schema, "opportunity/draft")["title"].as_str().unwrap().to_owned();
        assert_eq!(name(json!({ "title": "Kill test" })), "Kill_test");
        assert_eq!(name(json!({})), "opportunity_draft");
        assert_eq!(name(json!({ "title": "x".repeat(100) })).len(), MAX_SCHEMA_NAME);
    }

    #[test]
    fn the_key_is_not_shown() {
        let options = RemoteOptions {
            base_url: "http://127.0.0.1:1/v1".to_owned(),
            models: ModelNames::default(),
            api_key: Some(SecretString::from("hidden")),
            context_tokens: NonZeroU32::MIN,
            stream: true,
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            concurrency: NonZeroUsize::MIN,
            queue: NonZeroUsize::MIN,
        };
        let shown = format!("{:?}", RemoteModel::new(options).unwrap());
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
