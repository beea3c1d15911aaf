//! What the domain needs from the outside world: one trait per need, each with a fake beside it.
//!
//! An actor never talks to a model, a vector index, an object store or a search engine itself. It asks one of these traits,
//! and always beside its mailbox (`pipe_to_self`), because every call may take long. Adapters live in the root package under
//! `src/planes/`; a contract test per port runs against the fake and against the adapter.

mod embedder;
mod events;
#[cfg(any(test, feature = "testing"))]
pub mod fake;
mod model;
mod objects;
mod passwords;
mod search;
mod sessions;
mod signer;
mod vectors;

pub use embedder::{EmbedError, Embedder, EmbedderInfo};
pub use events::{Events, LiveUpdate};
pub use model::{
    Finish, Model, ModelError, ModelEvent, ModelInfo, ModelReply, ModelRequest, ModelStream, Profile, Role, Slot, Turn,
    Usage,
};
pub use objects::{ObjectError, ObjectMeta, Objects};
pub use passwords::{PasswordError, Passwords, Verdict};
pub use search::{Search, SearchError, SearchHit, Source};
pub use sessions::OwnSessions;
pub use signer::Signer;
pub use vectors::{
    VectorChange, VectorEntry, VectorError, VectorMatch, VectorQuery, VectorRow, VectorScope, VectorWrite, Vectors,
};
