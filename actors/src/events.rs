//! The events of all runs of a tenant: a durable log that is published in order.
//!
//! A run sends each event durably in the turn that causes it. This actor stores it and publishes it afterwards; what was stored
//! and not yet published when the node died is published after the next activation, for which an alarm cares.

#[cfg(test)]
mod golden;

use std::time::Duration;

use cluster::prelude::{Alarm, Ctx, Handler, Interface, Key, Keys, List, Message, Result, VirtualActor};
use serde::{Deserialize, Serialize};

use crate::{env::Env, records::RunEvent};

/// Name of the one event log of a tenant.
pub const NAME: &str = "events";
/// Events that are kept; older ones are removed. Each run keeps its own events as well.
pub const KEPT: u64 = 10_000;
/// Most events of one page.
pub const PAGE: usize = 200;
/// How long published events may lag behind after a crash.
const CHECK: Duration = Duration::from_secs(10);

const EVENTS: Keys<RunEvent> = Keys::new("events/");
const LAST: Key<u64> = Key::new("last");
const PUBLISHED: Key<u64> = Key::new("published");

/// An event and its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedEvent {
    /// 1 for the first event of the tenant, without gaps.
    pub number: u64,
    /// The event.
    pub event: RunEvent,
}

/// Appends an event.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "events.append")]
pub struct Append {
    /// The event.
    pub event: RunEvent,
}

/// Reads events in order.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "events.list", reply = Vec<LoggedEvent>)]
pub struct ListEvents {
    /// Number after which to begin.
    pub after: u64,
    /// Most events returned, at most [`PAGE`].
    pub limit: u32,
}

/// A batch was handed to the port.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "events.published")]
pub struct Published {
    upto: u64,
}

/// The event log of a tenant.
#[derive(Debug)]
pub struct EventLog {
    last: u64,
    published: u64,
    publishing: bool,
}

impl VirtualActor for EventLog {
    const CLASS: &'static str = "events";
    type Env = Env;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Append>().on::<ListEvents>().on::<Published>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        let last = ctx.storage().get(&LAST).await?.unwrap_or_default();
        let published = ctx.storage().get(&PUBLISHED).await?.unwrap_or_default();
        let mut log = Self {
            last,
            published,
            publishing: false,
        };
        log.publish(ctx).await?;
        Ok(log)
    }

    async fn alarm(&mut self, _alarm: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        if self.published < self.last {
            ctx.set_alarm(ctx.now().plus(CHECK));
            // A batch that was lost with its task is handed over again; ids tell watchers.
            self.publishing = false;
            self.publish(ctx).await?;
        }
        Ok(())
    }
}

impl Handler<Append> for EventLog {
    async fn handle(&mut self, Append { event }: Append, ctx: &mut Ctx<Self>) -> Result<()> {
        let number = self.last + 1;
        ctx.storage().put(&EVENTS.key(&key(number)), &event)?;
        ctx.storage().put(&LAST, &number)?;
        if let Some(oldest) = number.checked_sub(KEPT).filter(|oldest| *oldest > 0) {
            ctx.storage().delete(&EVENTS.key(&key(oldest)))?;
        }
        if ctx.get_alarm().is_none() {
            ctx.set_alarm(ctx.now().plus(CHECK));
        }
        self.last = number;
        self.publish(ctx).await
    }
}

impl Handler<ListEvents> for EventLog {
    async fn handle(&mut self, list: ListEvents, ctx: &mut Ctx<Self>) -> Result<Vec<LoggedEvent>> {
        read(list.after, (list.limit as usize).clamp(1, PAGE), ctx).await
    }
}

impl Handler<Published> for EventLog {
    async fn handle(&mut self, Published { upto }: Published, ctx: &mut Ctx<Self>) -> Result<()> {
        self.publishing = false;
        if upto > self.published {
            self.published = upto;
            ctx.storage().put(&PUBLISHED, &upto)?;
        }
        if self.published == self.last {
            ctx.delete_alarm();
        }
        self.publish(ctx).await
    }
}

impl EventLog {
    /// Hands the next batch to the port. One batch at a time, so that watchers see the order of the log.
    async fn publish(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        if self.publishing || self.published >= self.last {
            return Ok(());
        }
        let batch = read(self.published, PAGE, ctx).await?;
        let upto = batch.last().map_or(self.last, |logged| logged.number);
        let (port, tenant) = (ctx.env().events.clone(), ctx.tenant().to_string());
        ctx.pipe_to_self(async move {
            for logged in &batch {
                port.publish(&tenant, &logged.event);
            }
            Published { upto }
        });
        self.publishing = true;
        Ok(())
    }
}

async fn read(after: u64, limit: usize, ctx: &mut Ctx<EventLog>) -> Result<Vec<LoggedEvent>> {
    let list = List {
        after: Some(key(after)),
        limit,
        ..List::default()
    };
    let rows = ctx.storage().list(&EVENTS, list).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(key, event)| {
            Some(LoggedEvent {
                number: key.parse().ok()?,
                event,
            })
        })
        .collect())
}

/// Keys sort as numbers do.
fn key(number: u64) -> String {
    format!("{number:020}")
}
