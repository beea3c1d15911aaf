//! The actors under traffic, beside the ledgers. Each numbers its steps, and says what is wrong with what it finds.

use std::time::Duration;

use cluster::prelude::*;
use serde::{Deserialize, Serialize};

/// How far an actor got, and what is wrong with its storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Number of the last step.
    pub(crate) step: u64,
    /// A second number: durable messages sent, or the step whose alarm has rung.
    pub(crate) second: u64,
    /// What must not be; empty if all is well.
    pub(crate) wrong: Vec<String>,
}

/// Takes the next step of an actor.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "crash.step")]
pub(crate) struct Step(pub(crate) u64);

/// Asks how far an actor got.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "crash.inspect", reply = Found)]
pub(crate) struct Inspect;

pub(crate) const STEP: Key<u64> = Key::new("step");

/// The step that follows the stored one, or an error that ends the traffic: steps come in order, each once.
pub(crate) async fn next<A: VirtualActor>(ctx: &mut Ctx<A>, step: u64) -> Result<()> {
    let before = ctx.storage().get(&STEP).await?.unwrap_or_default();
    if step == before + 1 {
        return Ok(());
    }
    Err(ActorError::invalid(
        "crash.order",
        format!("step {step} after {before}"),
    ))
}

/// Receives the durable messages of ledgers.
pub(crate) struct Inbox;

/// A durable message: the n-th from one ledger.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "crash.note")]
pub(crate) struct Note {
    pub(crate) from: u64,
    pub(crate) number: u64,
}

/// Asks for the number of the last message from a ledger, and what was wrong.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "crash.received", reply = Found)]
pub(crate) struct Received(pub(crate) u64);

const LAST: Keys<u64> = Keys::new("last/");
const WRONG: Keys<String> = Keys::new("wrong/");

impl VirtualActor for Inbox {
    const CLASS: &'static str = "inbox";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Note>().on::<Received>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Note> for Inbox {
    async fn handle(&mut self, Note { from, number }: Note, ctx: &mut Ctx<Self>) -> Result<()> {
        let key = LAST.key(&from.to_string());
        let last = ctx.storage().get(&key).await?.unwrap_or_default();
        if number != last + 1 {
            let text = format!("message {number} from ledger {from} came after {last}");
            ctx.storage()
                .put(&WRONG.key(&format!("{from}-{number}-{last}")), &text)?;
        }
        ctx.storage().put(&key, &number)
    }
}

impl Handler<Received> for Inbox {
    async fn handle(&mut self, Received(from): Received, ctx: &mut Ctx<Self>) -> Result<Found> {
        let wrong = ctx.storage().list(&WRONG, List::default()).await?;
        let last = ctx.storage().get(&LAST.key(&from.to_string())).await?;
        Ok(Found {
            step: last.unwrap_or_default(),
            second: 0,
            wrong: wrong.into_iter().map(|(_, text)| text).collect(),
        })
    }
}

/// Sets its alarm with each step.
pub(crate) struct Clock;

const RANG: Key<u64> = Key::new("rang");

impl VirtualActor for Clock {
    const CLASS: &'static str = "clock";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Step>().on::<Inspect>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let step = ctx.storage().get(&STEP).await?.unwrap_or_default();
        ctx.storage().put(&RANG, &step)
    }
}

impl Handler<Step> for Clock {
    async fn handle(&mut self, Step(step): Step, ctx: &mut Ctx<Self>) -> Result<()> {
        next(ctx, step).await?;
        ctx.storage().put(&STEP, &step)?;
        let wait = Duration::from_millis(step * 37 % 200);
        let at = ctx.now().plus(wait);
        ctx.set_alarm(at);
        Ok(())
    }
}

impl Handler<Inspect> for Clock {
    async fn handle(&mut self, _: Inspect, ctx: &mut Ctx<Self>) -> Result<Found> {
        let step = ctx.storage().get(&STEP).await?.unwrap_or_default();
        let second = ctx.storage().get(&RANG).await?.unwrap_or_default();
        let mut wrong = Vec::new();
        if second < step && ctx.get_alarm().is_none() {
            wrong.push(format!(
                "the alarm of step {step} is gone, the last one rang for {second}"
            ));
        }
        if second > step {
            wrong.push(format!("the alarm rang for step {second}, which is later than {step}"));
        }
        Ok(Found { step, second, wrong })
    }
}

/// Writes a row with each step, and removes everything with each seventh.
pub(crate) struct Phoenix;

const ROWS: Keys<u64> = Keys::new("rows/");
const LIFE: u64 = 7;

impl VirtualActor for Phoenix {
    const CLASS: &'static str = "phoenix";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Step>().on::<Inspect>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Handler<Step> for Phoenix {
    async fn handle(&mut self, Step(step): Step, ctx: &mut Ctx<Self>) -> Result<()> {
        next(ctx, step).await?;
        if step.is_multiple_of(LIFE) {
            ctx.storage().delete_all()?;
        } else {
            ctx.storage().put(&ROWS.key(&format!("{step:08}")), &step)?;
        }
        ctx.storage().put(&STEP, &step)
    }
}

impl Handler<Inspect> for Phoenix {
    async fn handle(&mut self, _: Inspect, ctx: &mut Ctx<Self>) -> Result<Found> {
        let step = ctx.storage().get(&STEP).await?.unwrap_or_default();
        let rows = ctx.storage().list(&ROWS, List::default()).await?;
        let rows = rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>();
        let expected = (step - step % LIFE..=step)
            .filter(|row| !row.is_multiple_of(LIFE))
            .collect::<Vec<_>>();
        let wrong = (rows != expected).then(|| format!("after step {step} there are {rows:?}, not {expected:?}"));
        Ok(Found {
            step,
            second: 0,
            wrong: wrong.into_iter().collect(),
        })
    }
}
