//! Everything the author of an actor needs.

pub use tokio_util::sync::CancellationToken;
pub use uuid::Uuid;

pub use crate::{
    ActorError, ActorId, ActorRef, Alarm, Closing, Cluster, Ctx, DirectoryQuery, ErrorKind, Frame, Handler,
    IdempotencyKey, Interface, Key, Keys, List, Message, Opening, Result, SocketActor, SocketId, Storage, TenantId,
    Timestamp, VirtualActor,
};
