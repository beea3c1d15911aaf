//! Everything the author of an actor needs.

pub use tokio_util::sync::CancellationToken;
pub use uuid::Uuid;

pub use crate::{
    ActorError, ActorId, ActorRef, Alarm, Cluster, Ctx, DirectoryQuery, ErrorKind, Handler, IdempotencyKey, Interface,
    Key, Keys, List, Message, Result, Storage, TenantId, Timestamp, VirtualActor,
};
