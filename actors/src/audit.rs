//! The audit chain of a tenant: what people and programs did, each record bound to the one before it by a hash.
//!
//! One actor per tenant appends, so a chain cannot fork. The hash of a record is SHA-256 over
//! `<previous hash>:<event type>:<payload>:<unix seconds>`, see [`link`]; anybody can compute it. Tenant and number are not in it:
//! a [`Verifier`] checks that every record is where its number says, and a [`Checkpoint`], which the cluster signs, binds
//! tenant, number and hash. Old records are removed only behind a checkpoint, from which the rest verifies.
//!
//! The same [`Verifier`] looks at a live chain ([`verify()`]) and at an exported file ([`ExportVerifier`]).

mod chain;
mod checkpoint;
mod event;
pub mod events;
mod export;
mod exporter;
mod hash;
mod hex;
mod messages;
mod record;
#[cfg(test)]
mod tests;
mod verifier;
mod verify;
mod who;

pub use chain::{AuditEnv, AuditLog, NAME};
pub use checkpoint::Checkpoint;
pub use event::{EVENT_TYPE_BYTES, PAYLOAD_BYTES, append_once, payload, record};
pub use export::{ExportFault, ExportVerifier, Exported, anchor_line, head_line, record_line};
pub use exporter::Exporter;
pub use hash::{ChainHash, GENESIS, link};
pub use hex::{Hex, PublicKey, Signature};
pub use messages::{
    Append, ChainHead, CheckpointPage, GetHead, ListCheckpoints, ListRecords, Order, PAGE, Progress, RecordPage,
    SetRetention, SignHead, Verify,
};
pub use record::AuditRecord;
pub use verifier::{Fault, FaultReason, Verifier};
pub use verify::{Verdict, verify};
