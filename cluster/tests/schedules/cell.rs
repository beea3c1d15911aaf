//! The actor of the schedules: it does what a script says, keeps all it does in storage, and tells the world.

use cluster::{
    prelude::*,
    testing::{epoch_of, probe_of},
};
use serde::{Deserialize, Serialize};

use crate::{
    plan::{Step, Trouble, name},
    turn::{Turn, stored},
    world::{Shared, Stamp},
};

/// Everything a cell stores.
pub(crate) const ROWS: Keys<u64> = Keys::new("rows/");

/// Counts the batches of the cell.
pub(crate) const VERSION: &str = "version";

/// Names the last batch; no two share one.
pub(crate) const TOKEN: &str = "token";

/// Where a cell counts how often it did a call that is repeated under one key.
pub(crate) fn once(call: u64) -> String {
    format!("once/{call}")
}

pub(crate) struct Cell {
    pub(crate) cell: usize,
    pub(crate) activation: u64,
    pub(crate) epoch: u64,
}

/// Does what the script says; answers the version it left.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "cell.do", reply = Stamp)]
pub(crate) struct Do {
    pub(crate) call: u64,
    pub(crate) stream: Option<(usize, usize)>,
    pub(crate) from: Option<Stamp>,
    /// Cells that wait for this call.
    pub(crate) chain: Vec<usize>,
    pub(crate) script: Vec<Step>,
}

/// Takes a durable send.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "cell.take")]
pub(crate) struct Take {
    pub(crate) from: Stamp,
    pub(crate) number: u64,
    pub(crate) trouble: Trouble,
}

/// Is not listed.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "cell.unlisted")]
pub(crate) struct Unlisted;

/// Comes back from beside the mailbox.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "cell.back")]
pub(crate) struct Back {
    pub(crate) activation: u64,
    pub(crate) from: Stamp,
}

impl VirtualActor for Cell {
    const CLASS: &'static str = "cell";
    type Env = Shared;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Do>().on::<Take>().on::<Back>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        let world = ctx.env().clone();
        let cell = (0..world.lock().cells())
            .find(|cell| name(*cell) == ctx.name())
            .expect("schedules name no others");
        let (wakes, waking) = {
            let mut world = world.lock();
            if world.take_refusal(cell) {
                return Err(ActorError::overloaded("cell.refused", "told to refuse"));
            }
            (world.wakes, world.waking)
        };
        if !waking.is_zero() {
            tokio::time::sleep(waking).await;
        }
        let epoch = epoch_of(ctx);
        let rows = stored(ctx).await?;
        let probe = probe_of(ctx);
        let activation = world.lock().activated(cell, epoch, probe, &rows);
        let mut actor = Self {
            cell,
            activation,
            epoch,
        };
        if wakes {
            let mut turn = Turn::begin(&mut actor, ctx, None, false).await?;
            turn.add("woken")?;
            turn.commit()?;
        }
        Ok(actor)
    }

    async fn alarm(&mut self, alarm: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        let visible = ctx.get_alarm();
        let mut turn = Turn::begin(self, ctx, None, false).await?;
        if let Some(visible) = visible {
            turn.violated(format!("sees an alarm for {visible} while its handler runs"));
        }
        let result = turn.alarm(alarm).await;
        turn.commit()?;
        result
    }
}

impl Handler<Do> for Cell {
    async fn handle(&mut self, message: Do, ctx: &mut Ctx<Self>) -> Result<Stamp> {
        let Do {
            call,
            stream,
            from,
            chain,
            script,
        } = message;
        {
            let mut world = ctx.env().lock();
            world.call_begun(call, stream);
            if let Some(from) = from {
                world.heard(from, "an ask");
            }
        }
        let mut turn = Turn::begin(self, ctx, Some(call), true).await?;
        turn.chain = chain;
        turn.chain.push(turn.actor.cell);
        let result = turn.perform(script).await;
        turn.commit()?;
        let stamp = turn.stamp();
        match result {
            Ok(true) => Ok(stamp),
            Ok(false) => {
                let Stamp {
                    cell,
                    version,
                    token,
                    floor,
                } = stamp;
                Err(ActorError::conflict(
                    "cell.failed",
                    format!("{cell} {version} {token} {floor}"),
                ))
            }
            Err(error) => Err(error),
        }
    }
}

/// The version that a failed call left.
pub(crate) fn failure(error: &ActorError) -> Option<Stamp> {
    let mut numbers = error.message().split(' ').map(str::parse);
    let cell = usize::try_from(numbers.next()?.ok()?).ok()?;
    let mut next = || numbers.next()?.ok();
    (error.code() == "cell.failed").then_some(Stamp {
        cell,
        version: next()?,
        token: next()?,
        floor: next()?,
    })
}

impl Handler<Take> for Cell {
    async fn handle(&mut self, message: Take, ctx: &mut Ctx<Self>) -> Result<()> {
        let Take { from, number, trouble } = message;
        let mut turn = Turn::begin(self, ctx, None, true).await?;
        let key = format!("taken/{}", name(from.cell));
        let last = turn.get(&key);
        if turn.is_live() {
            let mut world = turn.world.lock();
            world.heard(from, "a send");
            world.arrived(turn.actor.cell, from.cell, last, number);
        }
        turn.put(&key, number)?;
        match trouble {
            Trouble::Panic(times) if turn.world.lock().troubled(from) <= times => panic!("told to panic"),
            Trouble::None | Trouble::Panic(_) => {}
            Trouble::Forward(to) => turn.send(to, Trouble::None)?,
            Trouble::Fail => {
                turn.commit()?;
                return Err(ActorError::retryable("cell.trouble", "told to fail"));
            }
        }
        turn.commit()
    }
}

impl Handler<Unlisted> for Cell {
    async fn handle(&mut self, _: Unlisted, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.env()
            .lock()
            .violated("a message that is not listed was handled".into());
        Ok(())
    }
}

impl Handler<Back> for Cell {
    async fn handle(&mut self, message: Back, ctx: &mut Ctx<Self>) -> Result<()> {
        let Back { activation, from } = message;
        {
            let mut world = ctx.env().lock();
            world.heard(from, "piped work");
            if activation != self.activation {
                world.violated(format!(
                    "work of activation {activation} came back to {}",
                    self.activation
                ));
            }
        }
        let mut turn = Turn::begin(self, ctx, None, true).await?;
        turn.add("data/back")?;
        turn.commit()
    }
}
