//! What chats are given by the server.

use std::{fmt, sync::Arc};

use crate::{
    env::Env,
    ports::{Embedder, Model, Vectors},
};

/// The ports that chats use. Cloning shares them.
#[derive(Clone)]
pub struct ChatEnv {
    /// The language model.
    pub model: Arc<dyn Model>,
    /// The embedding model.
    pub embedder: Arc<dyn Embedder>,
    /// The index over artifacts.
    pub vectors: Arc<dyn Vectors>,
}

impl From<&Env> for ChatEnv {
    fn from(env: &Env) -> Self {
        Self {
            model: Arc::clone(&env.model),
            embedder: Arc::clone(&env.embedder),
            vectors: Arc::clone(&env.vectors),
        }
    }
}

impl fmt::Debug for ChatEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatEnv").finish_non_exhaustive()
    }
}
