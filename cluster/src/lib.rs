#![doc = include_str!("../README.md")]

mod activation;
mod actor;
mod address;
mod alarm;
mod backup;
mod bounds;
mod caller;
mod chain;
mod clock;
mod cluster;
mod cluster_id;
mod consensus;
mod credential;
mod ctx;
mod dead_letter;
mod deadlines;
mod directory;
mod erasure;
mod error;
mod freshness;
mod garbage;
mod gate;
mod gatekeeper;
#[cfg(test)]
mod golden;
mod hold;
mod host;
mod id;
mod idempotency;
mod inbox;
mod inspect;
mod interface;
mod keyspace;
mod lease;
mod mailbox;
mod members;
mod message;
pub mod metrics;
mod migration;
mod node_name;
mod outbox;
mod peers;
pub mod prelude;
mod raft_plane;
mod read_token;
mod recovery;
mod reference;
mod remote;
mod request;
mod request_plane;
mod router;
mod shard;
mod socket;
mod storage;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod timer;
mod tls;
mod turn;
mod verification;
mod vitals;
mod wire;

pub use actor::{Handler, VirtualActor};
pub use alarm::Alarm;
pub use backup::{Backup, BackupError, BackupFile, Contents, Existing, Manifest, Position, Restored};
pub use bounds::Bounds;
pub use clock::{Clock, SystemClock, Timestamp};
pub use cluster::{
    Admission, AdmissionError, Cluster, ClusterBuilder, ClusterConfig, ClusterStatus, Count, DatedListing, Endpoint,
    Founding, GroupStatus, Listing, NetworkConfig, OnFatal, OpenError, Residence, Settings, Stores, TenantQuery,
    Unanswered,
};
pub use cluster_derive::Message;
pub use cluster_id::ClusterId;
pub use credential::Credential;
pub use ctx::Ctx;
pub use dead_letter::{DeadLetter, DeadLetterContent, DeadLetterId, DeadLetterQuery, DeadLetters, Receiver};
pub use directory::DirectoryQuery;
pub use error::{ActorError, ErrorKind, Result};
pub use freshness::{Dated, Freshness};
pub use gatekeeper::Gatekeeper;
pub use id::{ActorId, TenantId};
pub use idempotency::IdempotencyKey;
pub use inspect::{ActorStatus, AlarmStatus, LastTurn, LiveActor, StateSize, StoredValue};
pub use interface::Interface;
pub use members::{
    Addresses, GroupOverview, LocalGroup, LocalNode, LocalView, Member, MemberError, MemberState, Move, MoveOutcome,
    NodeAddress, NodeOverview, Overview, Role, Silent, Zone,
};
pub use message::Message;
pub use migration::{
    AppliedMigration, Checksum, ClassState, ClassStatus, Fate, MAIN, Migration, MigrationError, Migrations, Renamed,
    Transferred,
};
pub use node_name::{InvalidNodeName, NodeName};
pub use peers::NodeId;
pub use read_token::ReadToken;
pub use recovery::{Missing, RecoveredCopy, RecoveredGroup, Recovery, RecoveryError, RecoveryReport};
pub use reference::ActorRef;
pub use request::RequestId;
pub use socket::{
    AutoResponse, Closing, Credentials, Frame, Opening, Outgoing, SocketActor, SocketId, SocketReceiver, SocketSender,
    Sockets,
};
pub use storage::{Key, Keys, List, Storage};
pub use tls::{CertificateError, CertificateFiles, Certificates, Plaintext, Security};
pub use verification::{Finding, Severity, Verification, VerifiedGroup, verify};
pub use vitals::{SlowTurn, TurnOutcome};
