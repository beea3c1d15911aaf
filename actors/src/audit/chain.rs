//! The actor that appends to the chain of a tenant.

#[cfg(test)]
mod golden;
mod read;
mod retention;

use std::{fmt, sync::Arc, time::Duration};

use cluster::prelude::{ActorError, Alarm, Ctx, Handler, Interface, Key, Keys, Result, VirtualActor};
use serde::{Deserialize, Serialize};

use super::{
    checkpoint::Checkpoint,
    event,
    hash::{ChainHash, GENESIS},
    messages::{Append, ChainHead, GetHead, ListCheckpoints, ListRecords, SetRetention, SignHead, Verify},
    record::AuditRecord,
};
use crate::ports::Signer;

/// Name of the one audit chain of a tenant.
pub const NAME: &str = "audit";

/// Records after which one is signed without being asked. The first is, and each day the last.
const SIGNED_EVERY: u64 = 1_000;
/// How often the last record is signed and old ones are removed.
const DAY: Duration = Duration::from_hours(24);

const RECORDS: Keys<AuditRecord> = Keys::new("records/");
const HEAD: Key<Head> = Key::new("head");
const CHECKPOINTS: Keys<Checkpoint> = Keys::new("checkpoints/");
const ANCHOR: Key<Checkpoint> = Key::new("anchor");
const RETENTION: Key<Option<u32>> = Key::new("retention");

/// What chains are given at registration.
#[derive(Clone)]
pub struct AuditEnv {
    /// The key of the cluster.
    pub signer: Arc<dyn Signer>,
    /// Days for which tenants that have said nothing keep their records, or for ever.
    pub retention_days: Option<u32>,
}

#[cfg(any(test, feature = "testing"))]
impl AuditEnv {
    /// For tests: a key that everybody knows, and records are kept for ever.
    #[must_use]
    pub fn fake() -> Self {
        Self {
            signer: Arc::new(crate::ports::fake::FakeSigner::new("test")),
            retention_days: None,
        }
    }
}

impl fmt::Debug for AuditEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditEnv")
            .field("retention_days", &self.retention_days)
            .finish_non_exhaustive()
    }
}

/// The end of a chain. It is stored with each record, so that a chain that was cut is not taken for a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    seq: u64,
    hash: ChainHash,
    created_at: i64,
}

const EMPTY: Head = Head {
    seq: 0,
    hash: GENESIS,
    created_at: 0,
};

/// The audit chain of a tenant.
#[derive(Debug)]
pub struct AuditLog {
    head: Head,
    /// What the first record that is kept follows, once older ones were removed.
    anchor: Option<Checkpoint>,
    /// Number of the last record that was signed.
    signed: Option<u64>,
    retention_days: Option<u32>,
}

impl VirtualActor for AuditLog {
    const CLASS: &'static str = "audit";
    type Env = AuditEnv;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Append>()
            .on::<ListRecords>()
            .on::<GetHead>()
            .on::<Verify>()
            .on::<SignHead>()
            .on::<ListCheckpoints>()
            .on::<SetRetention>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        let default = ctx.env().retention_days;
        let storage = ctx.storage();
        let anchor = storage.get(&ANCHOR).await?;
        let signed = read::last_checkpoint(storage).await?.or_else(|| anchor.clone());
        Ok(Self {
            head: storage.get(&HEAD).await?.unwrap_or(EMPTY),
            signed: signed.map(|checkpoint| checkpoint.seq),
            anchor,
            retention_days: storage.get(&RETENTION).await?.unwrap_or(default),
        })
    }

    /// Once a day, while there is something to sign or to remove.
    async fn alarm(&mut self, _alarm: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        if self.is_unsigned() && self.sign(ctx)?.is_none() {
            return Err(no_key());
        }
        self.remove_old(ctx).await
    }
}

impl AuditLog {
    /// Appends an event, and signs it if it is time to.
    fn append(&mut self, event_type: String, payload: String, ctx: &mut Ctx<Self>) -> Result<AuditRecord> {
        event::check(&event_type, &payload)?;
        // The clock of another owner may be behind that of the last one.
        let created_at = ctx.now().as_secs().max(self.head.created_at);
        let record = AuditRecord::following(self.head.seq, self.head.hash, event_type, payload, created_at);
        let head = Head {
            seq: record.seq,
            hash: record.hash,
            created_at,
        };
        ctx.storage().put(&RECORDS.key(&key(record.seq)), &record)?;
        ctx.storage().put(&HEAD, &head)?;
        self.head = head;
        if self.signed.is_none_or(|signed| head.seq >= signed + SIGNED_EVERY) {
            // Without a key the next record is tried.
            self.sign(ctx)?;
        }
        if ctx.get_alarm().is_none() {
            ctx.set_alarm(ctx.now().plus(DAY));
        }
        Ok(record)
    }

    fn is_unsigned(&self) -> bool {
        self.signed.unwrap_or_default() < self.head.seq
    }

    /// Signs the last record; `None` while the key of the cluster is not known.
    fn sign(&mut self, ctx: &mut Ctx<Self>) -> Result<Option<Checkpoint>> {
        let Head { seq, hash, .. } = self.head;
        let tenant = ctx.tenant().clone();
        let checkpoint = Checkpoint::sign(&*ctx.env().signer, tenant.as_str(), seq, hash, ctx.now().as_secs());
        if let Some(checkpoint) = &checkpoint
            && seq > 0
        {
            ctx.storage().put(&CHECKPOINTS.key(&key(seq)), checkpoint)?;
            self.signed = Some(seq);
        }
        Ok(checkpoint)
    }

    /// Where the chain begins and ends.
    fn describe(&self) -> ChainHead {
        ChainHead {
            length: self.head.seq,
            hash: self.head.hash,
            created_at: self.head.created_at,
            first_seq: self.first_seq(),
            anchor: self.anchor.clone(),
            retention_days: self.retention_days,
        }
    }

    fn first_seq(&self) -> u64 {
        self.anchor.as_ref().map_or(0, |anchor| anchor.seq) + 1
    }
}

impl Handler<Append> for AuditLog {
    async fn handle(&mut self, append: Append, ctx: &mut Ctx<Self>) -> Result<AuditRecord> {
        self.append(append.event_type, append.payload, ctx)
    }
}

impl Handler<GetHead> for AuditLog {
    async fn handle(&mut self, GetHead: GetHead, _ctx: &mut Ctx<Self>) -> Result<ChainHead> {
        Ok(self.describe())
    }
}

impl Handler<SignHead> for AuditLog {
    async fn handle(&mut self, SignHead: SignHead, ctx: &mut Ctx<Self>) -> Result<Checkpoint> {
        let seq = self.head.seq;
        let known = match &self.anchor {
            Some(anchor) if anchor.seq == seq => Some(anchor.clone()),
            Some(_) | None => ctx.storage().get(&CHECKPOINTS.key(&key(seq))).await?,
        };
        match known {
            Some(checkpoint) => Ok(checkpoint),
            None => self.sign(ctx)?.ok_or_else(no_key),
        }
    }
}

/// The key is read from the settings of the cluster while the node starts.
fn no_key() -> ActorError {
    ActorError::retryable("audit.no-key", "the key of the cluster is not known yet")
}

/// Keys sort as numbers do.
fn key(seq: u64) -> String {
    format!("{seq:020}")
}
