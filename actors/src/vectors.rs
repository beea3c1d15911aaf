//! The index actor of a tenant: the one writer of its part of the vector index.
//!
//! Runs send it texts durably, in the turn that accepts them; it stores them, embeds them and writes them beside its mailbox,
//! in order. Each activation takes a number that no earlier one had, durably, before it writes, and the index refuses a lesser
//! number than the last: a frozen owner that wakes after another took over can neither repeat nor undo anything.
//!
//! Rows are derived from artifacts, so nothing is lost with them: a rebuild empties the tenant's part and has every run send
//! its texts again. It happens by itself when the embedding model is another one than before.

mod index;
mod messages;
mod rebuild;

pub use index::{NAME, VectorIndex};
pub(crate) use messages::Answered;
pub use messages::{CheckIndex, Forget, GetIndexStatus, IndexStatus, IndexedText, Put, Rebuild, RebuildProgress};
