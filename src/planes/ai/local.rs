//! The embedded language model: SmolLM2-135M-Instruct on the processor, its answers constrained to the schema.
//!
//! One thread owns the model and works on one request at a time; the others wait in a queue that tells them their place.
//! The model is loaded at the first request, and a missing file is looked for again at the next one, so that
//! `foundation models fetch` helps a running server.

mod answer;
mod chat;
mod engine;
mod grammar;
mod manners;
mod queue;
mod sampler;
mod threads;
mod vocabulary;
mod weights;

use std::{io, num::NonZeroUsize, path::PathBuf, sync::Arc};

use actors::ports::{Model, ModelError, ModelInfo, ModelRequest, ModelStream, Profile, Slot};

use engine::{CONTEXT_TOKENS, Engine};
use queue::{Generator, Queue};
pub use threads::thread_environment;

/// Identifier of the embedded model.
const MODEL_ID: &str = "SmolLM2-135M-Instruct";

/// Settings of the embedded model.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The directory of the models.
    pub directory: PathBuf,
    /// Requests that may wait.
    pub queue: NonZeroUsize,
}

/// The embedded language model.
#[derive(Debug)]
pub struct EmbeddedModel {
    queue: Arc<Queue>,
}

impl EmbeddedModel {
    /// Starts the thread of the model. Nothing is read before the first request.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub fn start(options: LocalOptions) -> io::Result<Self> {
        let LocalOptions { directory, queue } = options;
        Self::start_with(queue, move || {
            let engine = Engine::load(&directory).map_err(ModelError::from)?;
            Ok(Box::new(engine) as Box<dyn Generator>)
        })
    }

    fn start_with(
        bound: NonZeroUsize,
        load: impl FnMut() -> Result<Box<dyn Generator>, ModelError> + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(bound));
        let worker = Arc::clone(&queue);
        std::thread::Builder::new()
            .name("embedded-model".to_owned())
            .spawn(move || queue::work(&worker, load))?;
        Ok(Self { queue })
    }
}

impl Drop for EmbeddedModel {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Model for EmbeddedModel {
    fn info(&self, slot: Slot) -> ModelInfo {
        match slot {
            Slot::Generator | Slot::Reviewer | Slot::Tiebreaker => ModelInfo {
                id: MODEL_ID.to_owned(),
                profile: Profile::Embedded,
                context_tokens: CONTEXT_TOKENS,
            },
        }
    }

    fn complete(&self, request: ModelRequest) -> ModelStream {
        self.queue.submit(request)
    }
}

#[cfg(test)]
mod tests;
