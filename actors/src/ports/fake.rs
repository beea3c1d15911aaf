//! Fakes of the ports, for tests: deterministic, in memory, and with a record of what was asked.
//!
//! A fake is shared between the test and the actors, so its state is behind a lock of the standard library that is never held
//! across a wait.

mod embedder;
mod events;
mod model;
mod objects;
mod passwords;
mod search;
mod sessions;
mod signer;
mod vectors;

pub use embedder::FakeEmbedder;
pub use events::FakeEvents;
pub use model::{FakeModel, Reply};
pub use objects::FakeObjects;
pub use passwords::FakePasswords;
pub use search::FakeSearch;
pub use sessions::FakeSessions;
pub use signer::FakeSigner;
pub use vectors::FakeVectors;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever a test that panicked left behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
