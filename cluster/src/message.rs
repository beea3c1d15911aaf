//! What actors say to each other.

use serde::{Serialize, de::DeserializeOwned};

/// A request to an actor. It owns its reply type and its stable wire name; usually derived.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    note = "add `#[derive(Message)]` and `#[message(name = \"noun.verb\", reply = Reply)]` to it"
)]
pub trait Message: Serialize + DeserializeOwned + Send + 'static {
    /// Name on the wire and in the outbox. A published name never changes.
    const NAME: &'static str;

    /// What a successful handler returns.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}
