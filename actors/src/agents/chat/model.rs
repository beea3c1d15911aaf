//! What the model is asked, and how its answers come back: as calls of the chat's own methods.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use super::{
    env::ChatEnv,
    methods::{News, Said},
    prompt::{Prompt, Window},
    tool::Tool,
};
use crate::ports::{Finish, Model, ModelError, ModelEvent, ModelReply, ModelRequest, ModelStream, Slot};

/// The model that chats ask.
pub(super) const SLOT: Slot = Slot::Generator;
/// Time for one answer of the model, the time in its queue included.
pub(super) const DEADLINE: Duration = Duration::from_mins(5);
/// Events of the model that are handled as one, if they are there already.
const EVENTS: usize = 64;
/// Longest decision, in tokens.
const CHOICE_TOKENS: u32 = 32;
/// What the model names to answer without a tool.
pub(super) const ANSWER: &str = "answer";

/// Asks the model.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) model: Arc<dyn Model>,
    pub(super) window: Window,
    /// The same for every repetition of the same question.
    pub(super) key: String,
}

impl Asking {
    pub(super) fn new(env: &ChatEnv, key: String) -> Self {
        Self {
            model: Arc::clone(&env.model),
            window: Window::of(&env.model.info(SLOT)),
            key,
        }
    }

    fn ask(
        &self,
        label: &str,
        prompt: Prompt,
        schema: Option<Value>,
        max_tokens: u32,
        temperature: f32,
    ) -> ModelStream {
        self.model.complete(ModelRequest {
            label: format!("chat/{label}"),
            slot: SLOT,
            system: prompt.system,
            turns: prompt.turns,
            schema: schema.map(Arc::new),
            max_tokens,
            temperature,
            deadline: DEADLINE,
            idempotency_key: format!("{}/{label}", self.key),
        })
    }

    /// Lets the model answer, as it does.
    pub(super) fn answer(&self, prompt: Prompt) -> impl Stream<Item = News> + Send + use<> {
        let events = self.ask("answer", prompt, None, self.window.answer, 0.6);
        let cut_short = ModelError::Unavailable("the answer was cut short".to_owned());
        let events = events.chain(stream::iter([Err(cut_short)]));
        events
            .ready_chunks(EVENTS)
            .flat_map(|events| stream::iter(news(events)))
    }

    /// Lets the model decide what to do.
    ///
    /// That is a question of its own, with an answer of one word: a model of any size can give it under a schema, and what
    /// is said to the person needs none and streams as it is.
    pub(super) fn choose(&self, prompt: Prompt, tools: &[Tool]) -> impl Future<Output = News> + Send + use<> {
        let mut names = vec![ANSWER];
        names.extend(tools.iter().map(|tool| tool.name()));
        let schema = json!({
            "type": "object", "properties": { "do": { "enum": names } },
            "required": ["do"], "additionalProperties": false
        });
        let events = self.ask("choose", prompt, Some(schema), CHOICE_TOKENS, 0.0);
        async move {
            let reply = whole(events).await;
            News::Chosen(reply.map(|text| {
                let choice: Option<Value> = serde_json::from_str(&text).ok();
                let name = choice.and_then(|choice| choice["do"].as_str().map(str::to_owned));
                name.unwrap_or_else(|| ANSWER.to_owned())
            }))
        }
    }

    /// Lets the model fill in what a tool takes.
    pub(super) fn fill(&self, prompt: Prompt, tool: Tool) -> impl Future<Output = News> + Send + use<> {
        let events = self.ask("input", prompt, Some(tool.schema()), self.window.answer, 0.2);
        async move {
            News::Filled {
                tool: tool.name().to_owned(),
                input: whole(events).await,
            }
        }
    }

    /// Lets the model sum up.
    pub(super) fn sum_up(
        &self,
        prompt: Prompt,
        max_tokens: u32,
    ) -> impl Future<Output = Result<String, String>> + Send + use<> {
        whole(self.ask("summary", prompt, None, max_tokens, 0.2))
    }
}

/// What events come to: text, and perhaps an end.
fn news(events: Vec<Result<ModelEvent, ModelError>>) -> Vec<News> {
    let (mut text, mut end) = (String::new(), None);
    for event in events {
        match event {
            Ok(ModelEvent::Queued { .. }) => {}
            Ok(ModelEvent::Delta(delta)) => text.push_str(&delta),
            Ok(ModelEvent::Done(ModelReply { text, finish, .. })) => {
                let is_cut = finish == Finish::Length;
                end = Some(News::End(Ok(Said { text, is_cut })));
                break;
            }
            Err(error) => {
                end = Some(News::End(Err(error.to_string())));
                break;
            }
        }
    }
    let text = (!text.is_empty()).then_some(News::Text(text));
    text.into_iter().chain(end).collect()
}

/// The whole answer.
async fn whole(mut events: ModelStream) -> Result<String, String> {
    while let Some(event) = events.next().await {
        match event {
            Ok(ModelEvent::Queued { .. } | ModelEvent::Delta(_)) => {}
            Ok(ModelEvent::Done(reply)) => return Ok(reply.text),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("the answer was cut short".to_owned())
}
