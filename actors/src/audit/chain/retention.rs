//! How old records are removed: only behind a checkpoint, from which the rest verifies.

use std::time::Duration;

use cluster::prelude::{ActorError, Ctx, Handler, List, Result};
use serde_json::json;

use super::{ANCHOR, AuditLog, CHECKPOINTS, DAY, RECORDS, RETENTION, key, no_key, read::CHECKED};
use crate::audit::{
    checkpoint::Checkpoint,
    event, events,
    messages::{ChainHead, SetRetention},
};

/// Longest time for which records are kept, unless it is for ever.
const DAYS_MAX: u32 = 36_500;

impl Handler<SetRetention> for AuditLog {
    async fn handle(&mut self, SetRetention { days }: SetRetention, ctx: &mut Ctx<Self>) -> Result<ChainHead> {
        if days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
            return Err(ActorError::invalid(
                "audit.retention",
                format!("records are kept for 1 to {DAYS_MAX} days, or for ever"),
            ));
        }
        let payload = event::about(ctx, json!({ "days": days }));
        self.append(events::AUDIT_RETENTION_CHANGED.to_owned(), payload, ctx)?;
        ctx.storage().put(&RETENTION, &days)?;
        self.retention_days = days;
        Ok(self.describe())
    }
}

impl AuditLog {
    /// Removes records that are too old, up to a bound, and sets the alarm for the next time.
    pub(super) async fn remove_old(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let Some(days) = self.retention_days else { return Ok(()) };
        if self.first_seq() > self.head.seq {
            return Ok(());
        }
        ctx.set_alarm(ctx.now().plus(DAY));
        let oldest = ctx.now().minus(Duration::from_hours(24 * u64::from(days))).as_secs();
        let page = List {
            limit: CHECKED,
            ..List::default()
        };
        let rows = ctx.storage().list(&RECORDS, page).await?;
        let mut verifier = self.begin();
        let mut old = 0;
        for (_, record) in rows.iter().take_while(|(_, record)| record.created_at < oldest) {
            if let Err(fault) = verifier.check(record) {
                // To sign behind it would make it good.
                tracing::error!(tenant = %ctx.tenant(), seq = fault.first_bad_seq, %fault, "an audit chain is broken, nothing is removed");
                return Ok(());
            }
            old += 1;
        }
        if old == 0 {
            return Ok(());
        }
        let (seq, hash) = (verifier.seq(), verifier.hash());
        let tenant = ctx.tenant().clone();
        let now = ctx.now().as_secs();
        let anchor = Checkpoint::sign(&*ctx.env().signer, tenant.as_str(), seq, hash, now).ok_or_else(no_key)?;
        ctx.storage().put(&ANCHOR, &anchor)?;
        for (place, _) in &rows[..old] {
            ctx.storage().delete(&RECORDS.key(place))?;
        }
        let signed = List {
            end: Some(key(seq + 1)),
            limit: CHECKED,
            ..List::default()
        };
        for (place, _) in ctx.storage().list(&CHECKPOINTS, signed).await? {
            ctx.storage().delete(&CHECKPOINTS.key(&place))?;
        }
        self.anchor = Some(anchor);
        let payload = event::about(ctx, json!({ "through": seq, "hash": hash.to_string() }));
        self.append(events::AUDIT_PRUNED.to_owned(), payload, ctx)?;
        if old == CHECKED {
            ctx.set_alarm(ctx.now());
        }
        Ok(())
    }
}
