//! Plane 7, AI: the language model and the embedding model behind the ports of the `actors` crate.
//!
//! | file | what it is |
//! |---|---|
//! | `config` | the `[ai]` section of the configuration |
//! | `connect` | builds the two ports from the configuration; a missing file is an answer, not a failed start |
//! | `metered` | counts the calls of either model for `/metrics` |
//! | `models` | the pinned model files: where they are, how they are checked, how they are fetched |
//! | `local` | the embedded model: SmolLM2-135M on the processor, constrained to the schema |
//! | `embedder` | the embedded embedding model: MiniLM, 384 dimensions |
//! | `remote` | any OpenAI-compatible endpoint, through rig |
//!
//! The embedded model shows that the pipeline works and is no analyst: it writes valid, readable, shallow text.

pub mod config;
mod connect;
mod embedder;
mod local;
mod metered;
pub mod models;
mod remote;

#[cfg(test)]
mod contract;

pub use config::{AiConfig, AiConfigError, ModelNames, Provider};
pub use connect::{Ai, ConnectError, connect};
pub use embedder::MiniLm;
pub use local::{EmbeddedModel, LocalOptions, thread_environment};
pub use remote::{RemoteModel, RemoteOptions};
