//! The embedding model that turns text into vectors.

use futures_util::future::BoxFuture;

/// Turns text into vectors of a fixed length.
pub trait Embedder: Send + Sync + 'static {
    /// Names the model and the length of its vectors.
    fn info(&self) -> EmbedderInfo;

    /// Embeds each text. The answer has one vector per text, in order, each of unit length.
    fn embed(&self, texts: Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>>;
}

/// What a vector index records about the embeddings in it: vectors of different models cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedderInfo {
    /// Identifier of the model.
    pub model: String,
    /// Length of each vector.
    pub dimensions: usize,
}

/// Why text could not be embedded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The model file is missing; the text says what to do.
    #[error("no embedding model is available: {0}")]
    Missing(String),
    /// The model failed.
    #[error("embedding failed: {0}")]
    Failed(String),
}
