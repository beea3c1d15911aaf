//! The actor that does most of the work: several keys with each step, messages to others, errors, rollbacks.

use cluster::prelude::*;

use crate::actors::{Found, Inbox, Inspect, Note, STEP, Step, next};

/// Writes several keys with each step, and with some more than that.
pub(crate) struct Ledger;

const FIRST: Key<u64> = Key::new("first");
const LAST: Key<u64> = Key::new("last");
const SENT: Key<u64> = Key::new("sent");
const GHOST: Key<u64> = Key::new("ghost");
const ENTRIES: Keys<(u64, Vec<u8>)> = Keys::new("entries/");

/// Steps whose entries are kept.
const KEPT: u64 = 48;

/// Ledgers there are; each sends to the inbox of the next.
pub(crate) const LEDGERS: u64 = 6;

/// The code of the error that a step returns after its writes.
pub(crate) const REFUSED: &str = "crash.refused";

fn entry(step: u64) -> (u64, Vec<u8>) {
    // Large ones are chunked in the state.
    let length = if step.is_multiple_of(29) { 40_000 } else { 150 };
    (step, vec![step as u8; length])
}

impl VirtualActor for Ledger {
    const CLASS: &'static str = "ledger";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Step>().on::<Inspect>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Step> for Ledger {
    async fn handle(&mut self, Step(step): Step, ctx: &mut Ctx<Self>) -> Result<()> {
        next(ctx, step).await?;
        ctx.storage().put(&FIRST, &step)?;
        ctx.storage()
            .put(&ENTRIES.key(&(step % KEPT).to_string()), &entry(step))?;
        if step.is_multiple_of(5) {
            let own = ctx.name().parse::<u64>().unwrap_or_default();
            let number = ctx.storage().get(&SENT).await?.unwrap_or_default() + 1;
            ctx.storage().put(&SENT, &number)?;
            let inbox = ctx.get::<Inbox>(&((own + 1) % LEDGERS).to_string());
            ctx.send(&inbox, Note { from: own, number })?;
        }
        if step.is_multiple_of(11) {
            let undone = ctx.storage().transaction(async |storage| {
                storage.put(&GHOST, &step)?;
                Err::<(), _>(ActorError::conflict("crash.undone", "undone"))
            });
            if undone.await.is_ok() {
                return Err(ActorError::internal("crash.transaction", "the transaction must fail"));
            }
        }
        if step.is_multiple_of(17) {
            ctx.passivate();
        }
        ctx.storage().put(&STEP, &step)?;
        ctx.storage().put(&LAST, &step)?;
        if step.is_multiple_of(13) {
            return Err(ActorError::conflict(REFUSED, "refused, after it was written"));
        }
        Ok(())
    }
}

impl Handler<Inspect> for Ledger {
    async fn handle(&mut self, _: Inspect, ctx: &mut Ctx<Self>) -> Result<Found> {
        let storage = ctx.storage();
        let step = storage.get(&STEP).await?.unwrap_or_default();
        let sent = storage.get(&SENT).await?.unwrap_or_default();
        let mut wrong = Vec::new();
        for (name, key) in [("first", &FIRST), ("last", &LAST)] {
            let value = storage.get(key).await?.unwrap_or_default();
            if value != step {
                wrong.push(format!("{name} is {value}, the step is {step}"));
            }
        }
        if sent != step / 5 {
            wrong.push(format!("{sent} messages were sent up to step {step}"));
        }
        if storage.get(&GHOST).await?.is_some() {
            wrong.push("a write that was rolled back is there".to_owned());
        }
        for expected in step.saturating_sub(KEPT - 1).max(1)..=step {
            let found = storage.get(&ENTRIES.key(&(expected % KEPT).to_string())).await?;
            if found.as_ref() != Some(&entry(expected)) {
                let found = found.map(|(step, bytes)| (step, bytes.len()));
                wrong.push(format!("the entry of step {expected} of {step} is {found:?}"));
            }
        }
        Ok(Found {
            step,
            second: sent,
            wrong,
        })
    }
}
