//! A turn of a cell: what its script says, written down as it goes.

use std::{collections::BTreeMap, time::Duration};

use cluster::prelude::*;

use crate::{
    cell::{Back, Cell, Do, ROWS, TOKEN, Take, Unlisted, VERSION, failure, once},
    plan::{Conduct, Step, Trouble, name},
    world::{Ring, Rows, Shared, Stamp},
};

/// Everything a cell has stored, as it sees it.
pub(crate) async fn stored(ctx: &mut Ctx<Cell>) -> Result<Rows> {
    let rows = ctx.storage().list(&ROWS, List::default()).await?;
    Ok(BTreeMap::from_iter(rows))
}

/// A turn, with the state as it leaves it.
pub(crate) struct Turn<'a> {
    pub(crate) actor: &'a mut Cell,
    ctx: &'a mut Ctx<Cell>,
    pub(crate) world: Shared,
    rows: Rows,
    /// Names the next batch.
    token: u64,
    dirty: bool,
    call: Option<u64>,
    pub(crate) chain: Vec<usize>,
    /// The last version that somebody had heard of when it began.
    floor: u64,
    _running: Running,
}

/// Tells the world when a turn ends, in whichever way.
struct Running(Shared, usize, u64);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().ended(self.1, self.2);
    }
}

impl<'a> Turn<'a> {
    pub(crate) async fn begin(
        actor: &'a mut Cell,
        ctx: &'a mut Ctx<Cell>,
        call: Option<u64>,
        outside: bool,
    ) -> Result<Turn<'a>> {
        let rows = stored(ctx).await?;
        let world = ctx.env().clone();
        let visible = ctx.get_alarm();
        let (token, floor) = {
            let mut world = world.lock();
            world.begun(actor.cell, actor.activation, actor.epoch, &rows);
            if outside && world.is_live(actor.cell, actor.epoch) {
                world.alarm_seen(actor.cell, &rows, visible);
            }
            (world.next_token(), world.floor(actor.cell))
        };
        let running = Running(world.clone(), actor.cell, actor.activation);
        Ok(Self {
            actor,
            ctx,
            world,
            rows,
            token,
            dirty: false,
            call,
            chain: Vec::new(),
            floor,
            _running: running,
        })
    }

    pub(crate) fn is_live(&self) -> bool {
        self.world.lock().is_live(self.actor.cell, self.actor.epoch)
    }

    pub(crate) fn violated(&self, what: String) {
        self.world.lock().violated(format!("{} {what}", name(self.actor.cell)));
    }

    pub(crate) fn get(&self, key: &str) -> u64 {
        self.rows.get(key).copied().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, key: &str, value: u64) -> Result<()> {
        self.dirty = true;
        self.rows.insert(key.to_owned(), value);
        self.ctx.storage().put(&ROWS.key(key), &value)
    }

    pub(crate) fn add(&mut self, key: &str) -> Result<()> {
        self.put(key, self.get(key) + 1)
    }

    fn delete(&mut self, key: &str) -> Result<()> {
        self.dirty = true;
        self.rows.remove(key);
        self.ctx.storage().delete(&ROWS.key(key))
    }

    /// Completes the batch; nothing of the turn may await between this and its proposal.
    pub(crate) fn commit(&mut self) -> Result<()> {
        if self.dirty {
            self.add(VERSION)?;
            self.put(TOKEN, self.token)?;
            let mut world = self.world.lock();
            world.proposed(
                self.actor.cell,
                self.actor.activation,
                self.actor.epoch,
                self.call,
                &self.rows,
            );
            self.token = world.next_token();
            self.dirty = false;
        }
        Ok(())
    }

    /// The version that what leaves now belongs to.
    pub(crate) fn stamp(&self) -> Stamp {
        let (version, token) = if self.dirty {
            (self.get(VERSION) + 1, self.token)
        } else {
            (self.get(VERSION), self.get(TOKEN))
        };
        Stamp {
            cell: self.actor.cell,
            version,
            token,
            floor: self.floor,
        }
    }

    pub(crate) fn send(&mut self, to: usize, trouble: Trouble) -> Result<()> {
        let key = format!("sent/{}", name(to));
        self.add(&key)?;
        let message = Take {
            from: self.stamp(),
            number: self.get(&key),
            trouble,
        };
        let to = self.ctx.get::<Cell>(name(to));
        self.ctx.send(&to, message)
    }

    fn set_alarm(&mut self, millis: i64, conducts: Vec<Conduct>) -> Result<()> {
        let now = self.ctx.now();
        let at = Timestamp::from_millis(now.as_millis() + millis);
        self.ctx.set_alarm(at);
        let at = at.max(now);
        if self.ctx.get_alarm() != Some(at) {
            self.violated(format!("does not see the alarm for {at} that it has set"));
        }
        let token = {
            let mut world = self.world.lock();
            let token = world.next_token();
            world.rings.insert(token, Ring::new(conducts));
            token
        };
        self.put("alarm/at", u64::try_from(at.as_millis()).unwrap_or(0))?;
        self.put("alarm/token", token)
    }

    fn forget_alarm(&mut self) -> Result<()> {
        self.delete("alarm/at")?;
        self.delete("alarm/token")
    }

    /// Deletes everything, but keeps the books.
    fn clear(&mut self) -> Result<()> {
        self.dirty = true;
        self.ctx.storage().delete_all()?;
        keep_books(&mut self.rows);
        for (key, value) in self.rows.clone() {
            self.ctx.storage().put(&ROWS.key(&key), &value)?;
        }
        Ok(())
    }

    /// Does the steps; `false` if it is to fail.
    pub(crate) async fn perform(&mut self, script: Vec<Step>) -> Result<bool> {
        for step in script {
            match step {
                Step::Once(call) => self.add(&once(call))?,
                Step::Put(key) => self.put(&format!("data/{key}"), self.token)?,
                Step::Delete(key) => self.delete(&format!("data/{key}"))?,
                Step::Transact { key, clear, fail } => self.transact(key, clear, fail).await?,
                Step::Clear => self.clear()?,
                Step::Send { to, trouble } => self.send(to, trouble)?,
                Step::SendUnlisted(to) => {
                    self.add("unlisted")?;
                    let to = self.ctx.get::<Cell>(name(to));
                    self.ctx.send(&to, Unlisted)?;
                }
                Step::SetAlarm { millis, conducts } => self.set_alarm(millis, conducts)?,
                Step::DeleteAlarm => {
                    self.ctx.delete_alarm();
                    self.forget_alarm()?;
                    if self.ctx.get_alarm().is_some() {
                        self.violated("sees an alarm that it has deleted".into());
                    }
                }
                Step::Ask { to, script, propagate } => {
                    let outcome = Box::pin(self.ask(to, script)).await;
                    if propagate {
                        outcome?;
                    }
                }
                Step::Pause(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                Step::Pipe(millis) => self.pipe(millis),
                Step::Passivate => self.ctx.passivate(),
                Step::Fail => return Ok(false),
                Step::Panic => panic!("told to panic"),
            }
        }
        Ok(true)
    }

    async fn transact(&mut self, key: u8, clear: bool, fail: bool) -> Result<()> {
        let mut rows = self.rows.clone();
        let key = format!("data/{key}");
        let token = self.token;
        let result = self
            .ctx
            .storage()
            .transaction(async |storage| {
                if clear {
                    storage.delete_all()?;
                    keep_books(&mut rows);
                    for (key, value) in &rows {
                        storage.put(&ROWS.key(key), value)?;
                    }
                }
                storage.put(&ROWS.key(&key), &token)?;
                rows.insert(key.clone(), token);
                let seen = storage.list(&ROWS, List::default()).await?;
                if fail {
                    return Err(ActorError::conflict("cell.rolled-back", "told to roll back"));
                }
                Ok(BTreeMap::from_iter(seen))
            })
            .await;
        if let Ok(seen) = result {
            self.dirty = true;
            self.rows = rows;
            if seen != self.rows {
                self.violated("does not read in a transaction what it wrote there".into());
            }
        }
        let after = stored(self.ctx).await?;
        if after != self.rows {
            self.violated(format!(
                "holds {after:?} after a transaction instead of {:?}",
                self.rows
            ));
        }
        Ok(())
    }

    /// Asks another cell, as a part of this turn.
    async fn ask(&mut self, to: usize, script: Vec<Step>) -> Result<()> {
        self.commit()?;
        let call = self.world.lock().call(self.call, to);
        let target = self.ctx.get::<Cell>(name(to));
        let message = Do {
            call,
            stream: None,
            from: Some(self.stamp()),
            chain: self.chain.clone(),
            script,
        };
        let cycle = self.chain.contains(&to) || to == self.actor.cell;
        let begin = tokio::time::Instant::now();
        let outcome = self.ctx.ask(&target, message).await;
        let mut world = self.world.lock();
        match &outcome {
            Ok(stamp) => world.call_answered(call, *stamp, "a reply"),
            Err(error) => {
                if let Some(stamp) = failure(error) {
                    world.call_answered(call, stamp, "an error");
                }
                match error.kind() {
                    ErrorKind::Retryable => world.call_denied(call),
                    ErrorKind::Unknown => world.call_left(call),
                    ErrorKind::Invalid
                    | ErrorKind::NotFound
                    | ErrorKind::Conflict
                    | ErrorKind::Forbidden
                    | ErrorKind::TooLarge
                    | ErrorKind::Overloaded
                    | ErrorKind::Deadline
                    | ErrorKind::Unsupported
                    | ErrorKind::Internal => {}
                }
            }
        }
        let deaf = outcome.as_ref().is_err_and(|error| error.code() == "deadline");
        if cycle && (outcome.is_ok() || deaf) {
            let waited = begin.elapsed();
            world.violated(format!(
                "{} was not told that {} waits for it, but {outcome:?} after {waited:?}",
                name(self.actor.cell),
                name(to)
            ));
        }
        if !cycle && outcome.as_ref().is_err_and(|error| error.code() == "actor.cycle") {
            world.call_refused(call);
        }
        drop(world);
        outcome.map(drop)
    }

    fn pipe(&mut self, millis: u64) {
        let (world, from) = (self.world.clone(), self.stamp());
        let activation = self.actor.activation;
        self.ctx.pipe_to_self(async move {
            world.lock().heard(from, "piped work");
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Back { activation, from }
        });
    }

    pub(crate) async fn alarm(&mut self, alarm: Alarm) -> Result<()> {
        let (token, at) = (self.rows.get("alarm/token").copied(), self.get("alarm/at"));
        let live = self.is_live();
        let conduct = if live {
            let now = self.ctx.now();
            self.world.lock().fired(self.actor.cell, token, at, now, alarm)
        } else {
            Conduct::Succeed
        };
        let failed = Err(ActorError::internal("cell.alarm", "told to fail"));
        match conduct {
            Conduct::Succeed => self.forget_alarm(),
            Conduct::Fail => {
                self.add("data/failures")?;
                failed
            }
            Conduct::Panic => {
                self.add("data/failures")?;
                panic!("told to panic")
            }
            Conduct::Reset { millis, fail } => {
                self.set_alarm(millis, Vec::new())?;
                if fail { failed } else { Ok(()) }
            }
            Conduct::TakeBack(to) => {
                self.set_alarm(5, Vec::new())?;
                self.chain.push(self.actor.cell);
                // Whatever comes of it, what was set has been committed before.
                let _ = Box::pin(self.ask(to, Vec::new())).await;
                self.ctx.delete_alarm();
                self.put("alarm/at", at)?;
                self.put("alarm/token", token.unwrap_or_default())?;
                if self.ctx.get_alarm().is_some() {
                    self.violated("sees a successor that it has taken back".into());
                }
                failed
            }
            Conduct::Clear => self.clear(),
        }
    }
}

/// What survives when a cell deletes everything.
fn keep_books(rows: &mut Rows) {
    rows.retain(|key, _| !key.starts_with("data/") && !key.starts_with("alarm/"));
}
