//! The language model: one completion at a time, constrained to a JSON schema where one is given.

use std::{sync::Arc, time::Duration};

use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A completion as it happens. The stream ends after [`ModelEvent::Done`] or the first error; dropping it cancels the work.
pub type ModelStream = BoxStream<'static, Result<ModelEvent, ModelError>>;

/// A language model. Implementations never block the caller and stop working when the stream is dropped.
pub trait Model: Send + Sync + 'static {
    /// Names the model that answers in `slot` and what it can be asked.
    fn info(&self, slot: Slot) -> ModelInfo;

    /// Starts one completion. The deadline of the request covers the time in the queue too.
    fn complete(&self, request: ModelRequest) -> ModelStream;
}

/// Which of the configured models is asked: who writes, who reviews, who breaks a tie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// Writes phase artifacts.
    Generator,
    /// Scores phase artifacts.
    Reviewer,
    /// Decides when review does not converge.
    Tiebreaker,
}

/// The schema profile that a model can satisfy. Artifacts record the one they were validated against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The strict schema of each phase.
    Full,
    /// Patterns, smaller counts and lengths, and judgements left neutral: what a model of 135 million parameters can fill.
    Embedded,
}

/// What is known of a model before it is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Identifier as the provider spells it.
    pub id: String,
    /// The schema profile to request.
    pub profile: Profile,
    /// Longest prompt and answer together, in tokens.
    pub context_tokens: u32,
}

/// Who speaks in a turn of the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The person or the program that asks.
    User,
    /// An earlier (or exemplary) answer of the model.
    Assistant,
}

/// One turn of the prompt after the system text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub text: String,
}

/// One completion to produce.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// Short name for logs and progress, for example `opportunity/draft`. Never contains the idea.
    pub label: String,
    /// Which configured model to ask.
    pub slot: Slot,
    /// System text.
    pub system: String,
    /// The conversation; the last turn is the user's.
    pub turns: Vec<Turn>,
    /// JSON schema that the answer must satisfy, or free text.
    pub schema: Option<Arc<Value>>,
    /// Longest answer in tokens.
    pub max_tokens: u32,
    /// Sampling temperature, 0 to 2.
    pub temperature: f32,
    /// Time from the call to the end of the answer, waiting included.
    pub deadline: Duration,
    /// The same for every repetition of the same step, so that a provider can deduplicate.
    pub idempotency_key: String,
}

/// What happens during a completion.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// The request waits for its turn; 0 means that it is being worked on next.
    Queued {
        /// Requests ahead of this one.
        position: u32,
    },
    /// More text of the answer.
    Delta(String),
    /// The whole answer. Always the last event.
    Done(ModelReply),
}

/// A finished completion. Its text is not trusted: callers validate it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReply {
    /// The whole answer.
    pub text: String,
    /// Tokens used.
    pub usage: Usage,
    /// Why the answer ended.
    pub finish: Finish,
    /// The model that answered.
    pub model: String,
}

/// Tokens used by one or more completions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// `max_tokens` was reached: structured output is incomplete.
    Length,
}

/// Why a completion failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ModelError {
    /// No model is configured or its file is missing; the text says what to do.
    #[error("no model is available: {0}")]
    Missing(String),
    /// The provider cannot be reached, answered 5xx, or cut the answer short.
    #[error("the model endpoint failed: {0}")]
    Unavailable(String),
    /// The provider answered 429.
    #[error("the model endpoint asks to slow down")]
    RateLimited {
        /// How long the provider asks to wait, in seconds.
        retry_after_secs: Option<u64>,
    },
    /// The deadline of the request passed.
    #[error("the model did not answer within its deadline")]
    Timeout,
    /// The queue of the model is full.
    #[error("the model has too many requests waiting")]
    Overloaded,
    /// The provider refused the request: repeating it cannot help.
    #[error("the model endpoint refused the request: {0}")]
    Refused(String),
}

impl ModelError {
    /// Says whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::RateLimited { .. } | Self::Timeout | Self::Overloaded => true,
            Self::Missing(_) | Self::Refused(_) => false,
        }
    }
}
