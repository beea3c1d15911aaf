//! One generation: the prompt in, tokens out until the answer is whole.

use std::{path::Path, sync::Arc};

use actors::ports::{Finish, ModelError, ModelReply, ModelRequest, Role, Usage};
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;

use super::{
    MODEL_ID,
    answer::Answer,
    chat,
    grammar::{Constraint, Grammars},
    manners::{Kinds, Manners},
    queue::{Generator, Halt, Progress},
    sampler::Sampler,
    vocabulary::Vocabulary,
    weights,
};
use crate::planes::ai::models::ModelFilesError;

/// Longest prompt and answer together: the tensor library has position tables for this many tokens.
pub(super) const CONTEXT_TOKENS: u32 = 4096;

/// Tokens of the prompt that are read at a time. Bounds memory, and is how long a cancelled request can hold the thread.
/// The chunks always begin at multiples of it, because the result depends on them in the last digits.
const CHUNK: usize = 128;

/// Why the embedded model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineError {
    /// A file is missing or wrong.
    #[error(transparent)]
    Files(#[from] ModelFilesError),
    /// A file cannot be read or written.
    #[error("failed to read the embedded model: {0}")]
    Io(String),
    /// The model file lacks something.
    #[error("the model file has no {0}")]
    Metadata(String),
    /// The tensor library failed.
    #[error("the tensor library failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The vocabulary does not suit the constraint library.
    #[error("failed to prepare constraints: {0}")]
    Grammar(String),
}

impl From<std::io::Error> for EngineError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl From<EngineError> for ModelError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Files(error) => Self::Missing(error.to_string()),
            error @ (EngineError::Io(_)
            | EngineError::Metadata(_)
            | EngineError::Tensor(_)
            | EngineError::Grammar(_)) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<candle_core::Error> for Halt {
    fn from(error: candle_core::Error) -> Self {
        Self::Failed(EngineError::from(error).into())
    }
}

/// The loaded model.
pub(super) struct Engine {
    /// Never run itself: each run grows tables in it that are not freed. Clones share the weights.
    pristine: ModelWeights,
    vocabulary: Arc<Vocabulary>,
    grammars: Grammars,
    kinds: Kinds,
    prefix: Option<Prefix>,
}

/// The state after the beginning of the last prompt. A repeated question (a retry with the error fed back) starts with
/// the same tokens, which then need not be read again.
struct Prefix {
    tokens: Vec<u32>,
    state: ModelWeights,
}

impl Engine {
    /// Loads the model from the models directory.
    pub(super) fn load(directory: &Path) -> Result<Self, EngineError> {
        let (pristine, vocabulary) = weights::load(directory)?;
        let vocabulary = Arc::new(vocabulary);
        let grammars = Grammars::new(vocabulary.clone())?;
        let kinds = Kinds::of(&vocabulary);
        Ok(Self {
            pristine,
            vocabulary,
            grammars,
            kinds,
            prefix: None,
        })
    }

    /// Reads the prompt: the state behind it and the scores of the first token.
    fn read(&mut self, prompt: &[u32], progress: &Progress) -> Result<(ModelWeights, Vec<f32>), Halt> {
        let known = self.prefix.take().filter(|prefix| {
            // At least one token must be left to read, because reading is what gives scores.
            prefix.tokens.len() < prompt.len() && prompt.starts_with(&prefix.tokens)
        });
        let (mut state, mut position) = match known {
            Some(prefix) => (prefix.state, prefix.tokens.len()),
            None => (self.pristine.clone(), 0),
        };
        let keep = (prompt.len() - 1) / CHUNK * CHUNK;
        let mut scores = Vec::new();
        while position < prompt.len() {
            progress.check()?;
            if position == keep && keep > 0 {
                self.prefix = Some(Prefix {
                    tokens: prompt[..keep].to_vec(),
                    state: state.clone(),
                });
            }
            let chunk = &prompt[position..prompt.len().min(position + CHUNK)];
            scores = forward(&mut state, chunk, position)?;
            position += chunk.len();
        }
        Ok((state, scores))
    }
}

/// Scores of the token after `tokens`, which begin at `position`.
fn forward(state: &mut ModelWeights, tokens: &[u32], position: usize) -> Result<Vec<f32>, candle_core::Error> {
    let input = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
    state.forward(&input, position)?.squeeze(0)?.to_vec1()
}

impl Generator for Engine {
    fn generate(&mut self, request: &ModelRequest, progress: &Progress) -> Result<ModelReply, Halt> {
        let budget = request.max_tokens.clamp(1, CONTEXT_TOKENS);
        let room = CONTEXT_TOKENS.saturating_sub(budget) as usize;
        let prompt = chat::prompt(self.vocabulary.as_ref(), &request.system, &request.turns, room)?;
        let mut constraint = request
            .schema
            .as_deref()
            .map(|schema| self.grammars.constraint(schema))
            .transpose()?;

        let (mut state, mut scores) = self.read(&prompt, progress)?;
        let sampler = Sampler::new(&request.idempotency_key, request.temperature);
        let manners = constraint.is_some().then(|| {
            let answers = request.turns.iter().filter(|turn| turn.role == Role::Assistant);
            let examples: Vec<_> = answers.map(|turn| self.vocabulary.encode(&turn.text)).collect();
            let question = request.turns.iter().find(|turn| turn.role == Role::User);
            let question = question.map_or_else(Vec::new, |turn| self.vocabulary.encode(&turn.text));
            let system = self.vocabulary.encode(&request.system);
            Manners::new(&self.kinds, &examples, &system, &question)
        });
        let mut answer = Answer::new(&self.vocabulary, sampler, manners);
        let mut finish = Finish::Length;
        while answer.tokens() < budget {
            progress.check()?;
            let position = prompt.len() + answer.tokens() as usize;
            let Some(next) = answer.choose(&mut scores, constraint.as_mut(), budget)? else {
                finish = Finish::Stop;
                break;
            };
            if let Some(text) = answer.fresh() {
                progress.delta(text)?;
            }
            if constraint.as_ref().is_some_and(Constraint::is_finished) {
                finish = Finish::Stop;
                break;
            }
            if answer.tokens() < budget {
                scores = forward(&mut state, &next, position)?;
            }
        }
        if let Some(text) = answer.rest() {
            progress.delta(text)?;
        }
        let usage = Usage {
            input_tokens: prompt.len() as u64,
            output_tokens: u64::from(answer.tokens()),
        };
        Ok(ModelReply {
            text: answer.into_text(),
            usage,
            finish,
            model: MODEL_ID.to_owned(),
        })
    }
}
