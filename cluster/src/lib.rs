#![doc = include_str!("../README.md")]

mod actor;
mod alarm;
mod bounds;
mod clock;
mod cluster;
mod ctx;
mod error;
mod id;
mod interface;
mod message;
pub mod prelude;
mod reference;
mod storage;
#[cfg(feature = "testing")]
pub mod testing;

pub use actor::{Handler, VirtualActor};
pub use alarm::Alarm;
pub use bounds::Bounds;
pub use clock::{Clock, SystemClock, Timestamp};
pub use cluster::{Cluster, ClusterBuilder, ClusterConfig, ClusterStatus, DirectoryQuery, OpenError, Settings, Stores};
pub use cluster_derive::Message;
pub use ctx::Ctx;
pub use error::{ActorError, ErrorKind, Result};
pub use id::{ActorId, TenantId};
pub use interface::Interface;
pub use message::Message;
pub use reference::ActorRef;
pub use storage::{Key, Keys, List, Storage};
