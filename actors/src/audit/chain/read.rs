//! How the chain is read and checked: a page at a time, so that no turn takes long.

use std::collections::BTreeMap;

use cluster::prelude::{Ctx, Handler, List, Result, Storage};

use super::{AuditLog, CHECKPOINTS, RECORDS, key, no_key};
use crate::audit::{
    checkpoint::Checkpoint,
    messages::{CheckpointPage, ListCheckpoints, ListRecords, Order, PAGE, Progress, RecordPage, Verify},
    record::AuditRecord,
    verifier::{Fault, FaultReason, Verifier},
    verify::Verdict,
};

/// Records looked at for a page at most.
const SCANNED: usize = 500;
/// Bytes of payloads after which a page ends.
const PAGE_BYTES: usize = 1024 * 1024;
/// Records that one turn checks.
pub(super) const CHECKED: usize = 500;

impl Handler<ListRecords> for AuditLog {
    async fn handle(&mut self, list: ListRecords, ctx: &mut Ctx<Self>) -> Result<RecordPage> {
        let limit = list.limit.clamp(1, PAGE) as usize;
        let looked = if list.event_prefix.is_some() { SCANNED } else { limit };
        let cursor = list.cursor.map(key);
        let ends = match list.order {
            Order::OldestFirst => List {
                after: cursor,
                ..List::default()
            },
            Order::NewestFirst => List {
                end: cursor,
                reverse: true,
                ..List::default()
            },
        };
        let rows = ctx.storage().list(&RECORDS, List { limit: looked, ..ends }).await?;
        let mut more = rows.len() == looked;
        let (mut records, mut bytes, mut last) = (Vec::new(), 0, None);
        for (_, record) in rows {
            if records.len() == limit || bytes > PAGE_BYTES {
                more = true;
                break;
            }
            last = Some(record.seq);
            let prefix = list.event_prefix.as_deref().unwrap_or_default();
            if record.event_type.starts_with(prefix) {
                bytes += record.payload.len();
                records.push(record);
            }
        }
        let end = match list.order {
            Order::OldestFirst => self.head.seq,
            Order::NewestFirst => self.first_seq(),
        };
        let next = last.filter(|seq| more && *seq != end);
        Ok(RecordPage { records, next })
    }
}

impl Handler<ListCheckpoints> for AuditLog {
    async fn handle(&mut self, list: ListCheckpoints, ctx: &mut Ctx<Self>) -> Result<CheckpointPage> {
        let limit = list.limit.clamp(1, PAGE) as usize;
        let page = List {
            after: Some(key(list.after)),
            limit,
            ..List::default()
        };
        let rows = ctx.storage().list(&CHECKPOINTS, page).await?;
        let checkpoints: Vec<Checkpoint> = rows.into_iter().map(|(_, checkpoint)| checkpoint).collect();
        let last = checkpoints.last().map(|checkpoint| checkpoint.seq);
        let next = last.filter(|seq| checkpoints.len() == limit && *seq != self.head.seq);
        Ok(CheckpointPage { checkpoints, next })
    }
}

/// The last checkpoint of a record that is kept. One that cannot be read is left to the check of the chain.
pub(super) async fn last_checkpoint(storage: &Storage) -> Result<Option<Checkpoint>> {
    let last = List {
        reverse: true,
        limit: 1,
        ..List::default()
    };
    match storage.list(&CHECKPOINTS, last).await {
        Ok(rows) => Ok(rows.into_iter().next().map(|(_, checkpoint)| checkpoint)),
        Err(error) if error.code() == UNREADABLE => Ok(None),
        Err(error) => Err(error),
    }
}

impl Handler<Verify> for AuditLog {
    async fn handle(&mut self, Verify { verifier }: Verify, ctx: &mut Ctx<Self>) -> Result<Progress> {
        if ctx.env().signer.public_key().is_none() {
            return Err(no_key());
        }
        // What was removed meanwhile need not be checked any more.
        let known = verifier.filter(|verifier| verifier.seq() + 1 >= self.first_seq());
        let begins = known.is_none();
        let mut verifier = known.unwrap_or_else(|| self.begin());
        let outcome = match &self.anchor {
            Some(anchor) if begins && !self.is_ours(anchor, ctx) => Err(verifier.fault(FaultReason::Unsigned)),
            Some(_) | None => self.check_page(&mut verifier, begins, ctx).await?,
        };
        let fault = match outcome {
            Ok(false) => {
                return Ok(Progress {
                    verifier,
                    verdict: None,
                });
            }
            Ok(true) => None,
            Err(fault) => Some(fault),
        };
        if let Some(fault) = &fault {
            tracing::error!(tenant = %ctx.tenant(), seq = fault.first_bad_seq, %fault, "an audit chain is broken");
        }
        let verdict = Some(Verdict {
            length: self.head.seq,
            head_hash: self.head.hash,
            first_seq: self.first_seq(),
            fault,
        });
        Ok(Progress { verifier, verdict })
    }
}

impl AuditLog {
    /// A verifier for the chain as it is kept.
    pub(super) fn begin(&self) -> Verifier {
        self.anchor.as_ref().map_or_else(Verifier::default, Verifier::behind)
    }

    /// Says whether this cluster has signed a checkpoint for this tenant.
    fn is_ours(&self, checkpoint: &Checkpoint, ctx: &Ctx<Self>) -> bool {
        let signer = &*ctx.env().signer;
        signer.public_key() == Some(checkpoint.public_key.0) && checkpoint.is_signed(signer, ctx.tenant().as_str())
    }

    /// Checks the records behind the verifier, up to a bound, with the checkpoints among them. Says whether these were the last.
    async fn check_page(
        &self,
        verifier: &mut Verifier,
        begins: bool,
        ctx: &mut Ctx<Self>,
    ) -> Result<Result<bool, Fault>> {
        // At the beginning nothing may stand before the first record either.
        let after = (!begins).then(|| key(verifier.seq()));
        let page = List {
            after,
            limit: CHECKED,
            ..List::default()
        };
        let rows = match ctx.storage().list(&RECORDS, page).await {
            Ok(rows) => rows.into_iter().map(|(place, record)| (place, Some(record))).collect(),
            Err(error) if error.code() == UNREADABLE => one_by_one(verifier.seq(), ctx.storage()).await?,
            Err(error) => return Err(error),
        };
        let checkpoints = match checkpoints(verifier.seq(), ctx.storage()).await? {
            Some(checkpoints) => checkpoints,
            None => return Ok(Err(verifier.fault(FaultReason::Unsigned))),
        };
        let is_last = rows.len() < CHECKED;
        let outcome = (|| {
            for (place, record) in rows {
                let Some(place) = place.parse().ok().filter(|seq| key(*seq) == place) else {
                    return Err(verifier.fault(FaultReason::Unreadable));
                };
                verifier.check_at(place, record.as_ref())?;
                if let Some(checkpoint) = checkpoints.get(&place) {
                    if checkpoint.seq != place || !self.is_ours(checkpoint, ctx) {
                        return Err(Fault {
                            first_bad_seq: place,
                            reason: FaultReason::Unsigned,
                        });
                    }
                    verifier.vouch(checkpoint.hash)?;
                }
                // Behind the checkpoint, which is signed: what the end says counts for less.
                if place == self.head.seq {
                    verifier.vouch(self.head.hash)?;
                }
            }
            Ok(())
        })();
        Ok(match outcome {
            Err(fault) => Err(fault),
            Ok(()) if !is_last => Ok(false),
            // A checkpoint of a record that is not there tells that the end was cut, whatever the head says.
            Ok(()) if checkpoints.keys().any(|seq| *seq > verifier.seq()) => Err(verifier.fault(FaultReason::Missing)),
            Ok(()) => verifier.end(self.head.seq, self.head.hash).map(|()| true),
        })
    }
}

/// Code of the error of a row that cannot be decoded.
const UNREADABLE: &str = "storage.decode";

/// The records behind a number up to one that cannot be read. Those of a page are read together, and one of them could not be.
async fn one_by_one(seq: u64, storage: &Storage) -> Result<Vec<(String, Option<AuditRecord>)>> {
    let mut rows = Vec::new();
    for place in (seq + 1..).take(CHECKED).map(key) {
        match storage.get(&RECORDS.key(&place)).await {
            Ok(Some(record)) => rows.push((place, Some(record))),
            // Behind a gap comes one with another number.
            Ok(None) => {}
            Err(error) if error.code() == UNREADABLE => {
                rows.push((place, None));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

/// The checkpoints behind a number, at least those of the records that a page can have; `None` if one cannot be read.
async fn checkpoints(seq: u64, storage: &Storage) -> Result<Option<BTreeMap<u64, Checkpoint>>> {
    let page = List {
        after: Some(key(seq)),
        limit: CHECKED + 1,
        ..List::default()
    };
    match storage.list(&CHECKPOINTS, page).await {
        Ok(rows) => {
            let numbered = rows
                .into_iter()
                .map(|(place, checkpoint)| Some((place.parse().ok()?, checkpoint)));
            Ok(numbered.collect())
        }
        Err(error) if error.code() == UNREADABLE => Ok(None),
        Err(error) => Err(error),
    }
}
