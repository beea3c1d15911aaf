//! What an agent has yet to do: calls at a time, and calls one after another. The actor's alarm is set to the earliest.

use std::collections::BTreeMap;

use cluster::prelude::{Ctx, Key, Keys, List, Result, Timestamp, Uuid};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    AgentActor, queue,
    rows::{QUEUE, QueuedCall, SCHEDULES, StoredSchedule},
    schedule::SCHEDULES_MAX,
};

/// What is known of it in memory.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    pub(super) schedules: BTreeMap<Uuid, StoredSchedule>,
    /// The schedule that is being done.
    pub(super) doing: Option<Uuid>,
    /// The first call of the queue.
    pub(super) head: Option<(u64, QueuedCall)>,
    /// Number of the next call.
    pub(super) next_number: u64,
}

/// Something that is due.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Schedule(StoredSchedule),
    Queued(u64, QueuedCall),
}

impl Agenda {
    /// Reads it.
    pub(super) async fn load(ctx: &mut Ctx<AgentActor>) -> Result<Self> {
        let all = List {
            limit: SCHEDULES_MAX,
            ..List::default()
        };
        let schedules = ctx.storage().list(&SCHEDULES, all).await?;
        let schedules = schedules.into_iter().map(|(_, stored)| (stored.schedule.id, stored));
        let last = List {
            reverse: true,
            limit: 1,
            ..List::default()
        };
        let last = ctx.storage().list(&QUEUE, last).await?.pop();
        let last: Option<u64> = last.and_then(|(key, _)| key.parse().ok());
        Ok(Self {
            schedules: schedules.collect(),
            doing: None,
            head: first(ctx).await?,
            next_number: last.map_or_else(|| queue::first_number(ctx.now()), |last| last + 1),
        })
    }

    /// The moment of the earliest.
    fn due(&self) -> Option<Timestamp> {
        let scheduled = self.schedules.values().map(|stored| stored.schedule.due);
        let queued = self.head.iter().map(|(_, call)| call.due);
        scheduled.chain(queued).min()
    }

    /// What is due by now, the earliest first.
    pub(super) fn first_due(&self, now: Timestamp) -> Option<Item> {
        let scheduled = self.schedules.values().min_by_key(|stored| stored.schedule.due);
        let scheduled = scheduled.filter(|stored| stored.schedule.due <= now);
        let queued = self.head.as_ref().filter(|(_, call)| call.due <= now);
        match (scheduled, queued) {
            (Some(stored), Some((_, call))) if stored.schedule.due <= call.due => Some(Item::Schedule(stored.clone())),
            (_, Some((number, call))) => Some(Item::Queued(*number, call.clone())),
            (Some(stored), None) => Some(Item::Schedule(stored.clone())),
            (None, None) => None,
        }
    }

    /// Sets the alarm to the earliest.
    pub(super) fn arm(&self, ctx: &mut Ctx<AgentActor>) {
        match self.due() {
            due if due == ctx.get_alarm() => {}
            Some(due) => ctx.set_alarm(due),
            None => ctx.delete_alarm(),
        }
    }

    /// Writes a schedule.
    pub(super) fn put(&mut self, stored: StoredSchedule, ctx: &mut Ctx<AgentActor>) -> Result<()> {
        let id = stored.schedule.id;
        ctx.storage().put(&member(&SCHEDULES, &id.to_string()), &stored)?;
        self.schedules.insert(id, stored);
        self.arm(ctx);
        Ok(())
    }

    /// Removes a schedule. Says whether it was there.
    pub(super) fn remove(&mut self, id: Uuid, ctx: &mut Ctx<AgentActor>) -> Result<bool> {
        if self.schedules.remove(&id).is_none() {
            return Ok(false);
        }
        ctx.storage().delete(&member(&SCHEDULES, &id.to_string()))?;
        self.arm(ctx);
        Ok(true)
    }

    /// Puts a call at the end of the queue.
    pub(super) fn push(&mut self, call: QueuedCall, ctx: &mut Ctx<AgentActor>) -> Result<u64> {
        let number = self.next_number;
        ctx.storage().put(&member(&QUEUE, &queue::key(number)), &call)?;
        self.next_number += 1;
        if self.head.is_none() {
            self.head = Some((number, call));
            self.arm(ctx);
        }
        Ok(number)
    }

    /// Writes the first call anew.
    pub(super) fn put_head(&mut self, number: u64, call: QueuedCall, ctx: &mut Ctx<AgentActor>) -> Result<()> {
        ctx.storage().put(&member(&QUEUE, &queue::key(number)), &call)?;
        self.head = Some((number, call));
        self.arm(ctx);
        Ok(())
    }

    /// Removes a call from the queue.
    pub(super) async fn pop(&mut self, number: u64, ctx: &mut Ctx<AgentActor>) -> Result<()> {
        ctx.storage().delete(&member(&QUEUE, &queue::key(number)))?;
        if self.head.as_ref().is_some_and(|(head, _)| *head == number) {
            self.head = first(ctx).await?;
            self.arm(ctx);
        }
        Ok(())
    }
}

async fn first(ctx: &mut Ctx<AgentActor>) -> Result<Option<(u64, QueuedCall)>> {
    let one = List {
        limit: 1,
        ..List::default()
    };
    let first = ctx.storage().list(&QUEUE, one).await?.pop();
    Ok(first.and_then(|(key, call)| Some((key.parse().ok()?, call))))
}

/// The key of a member of a family.
pub(super) fn member<T: Serialize + DeserializeOwned>(keys: &Keys<T>, suffix: &str) -> Key<T> {
    keys.key(suffix)
}
