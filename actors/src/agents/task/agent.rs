//! The queue as an agent: what it is asked, and in what order it does things.

use std::{collections::BTreeMap, time::Duration};

use cluster::prelude::{ActorError, List, Result, Timestamp};
use serde_json::Value;

use super::{
    env::TaskEnv,
    job::{DEPTH_MAX, Job},
    methods::{Broken, Cancel, Ended, Enqueue, GetTask, ListTasks, Look, Retry},
    rows::{Status, StoredTask, TASKS, suffix},
    view::{TaskPage, TaskView, TasksState},
    work,
};
use crate::{
    agents::{
        Agent, AgentCtx, Callable, Connection, Method, Methods, When,
        chat::{Notice, send_notice},
    },
    user::UserId,
};

/// Most tasks that wait.
pub const WAITING_MAX: usize = 200;
/// Most tasks that are kept after they have failed.
pub const FAILED_MAX: usize = 100;
/// Most tasks that are kept after they were done or cancelled.
pub const ENDED_MAX: usize = 100;
/// Most attempts at a task, until a person has it done again.
pub const ATTEMPTS_MAX: u32 = 5;

/// Pause after the first attempt that failed. It is four times as long after each further one.
const PAUSE: Duration = Duration::from_secs(5);
/// How often it is looked whether something is due, as long as something waits.
const LOOK: Duration = Duration::from_secs(5);
/// After so long work that has said nothing is lost. Whatever it asks answers or fails earlier.
const STALL: Duration = Duration::from_mins(5);
/// Tasks that the state tells of.
const LAST_MAX: usize = 20;
/// Tasks of a page where nothing is said.
const PAGE: u32 = 50;
/// Most tasks of a page.
const PAGE_MAX: u32 = 100;
/// Rows that are read at once.
const ROWS: usize = 100;
/// Longest idempotency key, in characters.
const KEY_MAX: usize = 100;

pub(super) type Here<'a, 'c> = &'a mut AgentCtx<'c, Tasks>;

/// A queue of tasks.
#[derive(Debug)]
pub struct Tasks {
    tasks: BTreeMap<u64, StoredTask>,
    /// The attempt that this activation has begun.
    working: Option<Working>,
}

#[derive(Debug, Clone, Copy)]
struct Working {
    number: u64,
    attempt: u32,
    since: Timestamp,
}

impl Agent for Tasks {
    const NAME: &'static str = "task";
    const ABOUT: &'static str = "Does what it is given, one after another: starts runs, calls agents, sends notices.";
    const CLIENTS_SET_STATE: bool = false;
    type State = TasksState;
    type Env = TaskEnv;

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods
            .callable::<Enqueue>()
            .callable::<ListTasks>()
            .callable::<GetTask>()
            .callable::<Cancel>()
            .callable::<Retry>()
            .own::<Look>()
            .own::<Ended>()
    }

    fn initial_state() -> Option<TasksState> {
        Some(TasksState::default())
    }

    async fn start(ctx: &mut AgentCtx<'_, Self>) -> Result<Self> {
        let (mut tasks, mut after) = (BTreeMap::new(), None);
        loop {
            let list = List {
                after,
                limit: ROWS,
                ..List::default()
            };
            let page = ctx.list(&TASKS, list).await?;
            after = (page.len() == ROWS)
                .then(|| page.last().map(|(key, _)| key.clone()))
                .flatten();
            let read = |(key, task): (String, StoredTask)| Some((key.parse().ok()?, task));
            tasks.extend(page.into_iter().filter_map(read));
            if after.is_none() {
                break;
            }
        }
        Ok(Self { tasks, working: None })
    }

    async fn connect(&mut self, _: &Connection, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        self.go_on(ctx)
    }
}

impl Callable<Enqueue> for Tasks {
    async fn call(&mut self, enqueue: Enqueue, ctx: &mut AgentCtx<'_, Self>) -> Result<TaskView> {
        let Enqueue { job, key, depth } = enqueue;
        let by = ctx.caller().cloned().ok_or_else(|| {
            ActorError::forbidden(
                "task.nobody",
                "a task is done on behalf of somebody, and nobody asks for this one",
            )
        })?;
        if let Some(key) = &key {
            check_key(key)?;
            let known = self.tasks.iter().find(|(_, task)| task.key.as_ref() == Some(key));
            if let Some((number, task)) = known {
                let view = task.view(*number)?;
                return if view.job == job {
                    Ok(view)
                } else {
                    Err(ActorError::conflict(
                        "task.key",
                        "another task was given under this key",
                    ))
                };
            }
        }
        if depth > DEPTH_MAX {
            return Err(ActorError::invalid(
                "task.depth",
                format!("a task gives another one over at most {DEPTH_MAX} steps"),
            ));
        }
        job.check(&by, ctx.env())?;
        self.check_room()?;
        let now = ctx.now();
        let number = self.tasks.last_key_value().map_or(1, |(last, _)| last + 1);
        let task = StoredTask {
            job: job.to_json()?,
            key,
            by: by.without_session(),
            depth,
            enqueued: now,
            status: Status::Waiting,
            due: now,
            attempts: 0,
            generation: 0,
            error: None,
            result: None,
        };
        self.put(number, task, ctx)?;
        self.go_on(ctx)?;
        self.find(number)?.view(number)
    }
}

impl Callable<ListTasks> for Tasks {
    async fn call(&mut self, list: ListTasks, _: &mut AgentCtx<'_, Self>) -> Result<TaskPage> {
        let limit = list.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX) as usize;
        let before = self.tasks.range(..list.before.unwrap_or(u64::MAX)).rev();
        let mut wanted = before
            .filter(|(_, task)| list.status.is_none_or(|status| task.status == status))
            .peekable();
        let (mut items, mut last) = (Vec::new(), None);
        while items.len() < limit
            && let Some((number, task)) = wanted.next()
        {
            items.push(task.view(*number)?);
            last = Some(*number);
        }
        let next = last.filter(|_| wanted.peek().is_some());
        Ok(TaskPage { items, next })
    }
}

impl Callable<GetTask> for Tasks {
    async fn call(&mut self, GetTask { id }: GetTask, _: &mut AgentCtx<'_, Self>) -> Result<TaskView> {
        self.find(id)?.view(id)
    }
}

impl Callable<Cancel> for Tasks {
    async fn call(&mut self, Cancel { id }: Cancel, ctx: &mut AgentCtx<'_, Self>) -> Result<TaskView> {
        let mut task = self.find(id)?.clone();
        if task.status != Status::Waiting {
            return Err(wrong_state(task.status, "cancelled"));
        }
        task.status = Status::Cancelled;
        self.put(id, task.clone(), ctx)?;
        self.trim(ctx)?;
        self.go_on(ctx)?;
        task.view(id)
    }
}

impl Callable<Retry> for Tasks {
    async fn call(&mut self, Retry { id }: Retry, ctx: &mut AgentCtx<'_, Self>) -> Result<TaskView> {
        let mut task = self.find(id)?.clone();
        if !matches!(task.status, Status::Failed | Status::Cancelled) {
            return Err(wrong_state(task.status, "tried again"));
        }
        self.check_room()?;
        task.status = Status::Waiting;
        task.due = ctx.now();
        task.attempts = 0;
        // Whoever asks for it takes it upon themselves that the last attempt may have had its effect.
        task.generation += 1;
        task.error = None;
        self.put(id, task, ctx)?;
        self.go_on(ctx)?;
        self.find(id)?.view(id)
    }
}

impl Callable<Look> for Tasks {
    async fn call(&mut self, Look: Look, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let now = ctx.now();
        self.working.take_if(|working| now.since(working.since) > STALL);
        self.go_on(ctx)
    }
}

impl Callable<Ended> for Tasks {
    async fn call(&mut self, ended: Ended, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let Ended {
            number,
            attempt,
            outcome,
        } = ended;
        let is_awaited = |working: &mut Working| (working.number, working.attempt) == (number, attempt);
        if self.working.take_if(is_awaited).is_none() {
            // Another attempt has taken its place.
            return Ok(());
        }
        match outcome {
            Ok(result) => self.finish(number, &result, ctx)?,
            Err(broken) => self.fail(number, broken, ctx)?,
        }
        self.go_on(ctx)
    }
}

impl Tasks {
    /// Begins what is due, and tells how things stand.
    fn go_on(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        while self.working.is_none()
            && let Some(number) = self.next(ctx.now())
        {
            self.begin(number, ctx)?;
        }
        self.look_again(ctx)?;
        self.publish(ctx)
    }

    /// What is to be done: first what another activation has begun, and has not ended.
    fn next(&self, now: Timestamp) -> Option<u64> {
        let mut tasks = self.tasks.iter();
        let begun = tasks.find(|(_, task)| task.status == Status::Running);
        let mut tasks = self.tasks.iter();
        let next = begun.or_else(|| tasks.find(|(_, task)| task.status == Status::Waiting && task.due <= now));
        next.map(|(number, _)| *number)
    }

    fn begin(&mut self, number: u64, ctx: Here<'_, '_>) -> Result<()> {
        let mut task = self.find(number)?.clone();
        if task.attempts >= ATTEMPTS_MAX {
            let interrupted = ActorError::conflict(
                "task.interrupted",
                format!("it was interrupted at its last of {ATTEMPTS_MAX} attempts"),
            );
            return self.fail(number, interrupted.into(), ctx);
        }
        task.attempts += 1;
        task.status = Status::Running;
        let attempt = task.attempts;
        let work = work::attempt(number, &task, ctx);
        self.put(number, task, ctx)?;
        self.working = Some(Working {
            number,
            attempt,
            since: ctx.now(),
        });
        ctx.spawn(async move {
            Ended {
                number,
                attempt,
                outcome: work.await,
            }
        });
        Ok(())
    }

    fn finish(&mut self, number: u64, result: &Value, ctx: Here<'_, '_>) -> Result<()> {
        let mut task = self.find(number)?.clone();
        if let Job::Notify { member, text } = Job::read(&task.job)? {
            let notice = Notice {
                from: task.by.user.clone(),
                text: text.trim().to_owned(),
            };
            let sent = UserId::new(&member).and_then(|member| send_notice(member, &notice, ctx));
            if let Err(error) = sent {
                return self.fail(number, error.into(), ctx);
            }
        }
        task.status = Status::Done;
        task.error = None;
        task.result = Some(result.to_string());
        self.put(number, task, ctx)?;
        self.trim(ctx)
    }

    fn fail(&mut self, number: u64, broken: Broken, ctx: Here<'_, '_>) -> Result<()> {
        let Broken {
            failure,
            may_pass,
            is_unknown,
        } = broken;
        let mut task = self.find(number)?.clone();
        tracing::debug!(queue = ctx.name(), number, code = failure.code, "a task has failed");
        task.error = Some(failure);
        if !is_unknown {
            task.generation += 1;
        }
        if may_pass && task.attempts < ATTEMPTS_MAX {
            task.status = Status::Waiting;
            task.due = ctx.now().plus(pause(task.attempts));
            return self.put(number, task, ctx);
        }
        task.status = Status::Failed;
        self.put(number, task, ctx)?;
        self.trim(ctx)
    }

    /// Forgets the oldest of those that are over, where there are too many.
    fn trim(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        let failed = |status: Status| status == Status::Failed;
        let ended = |status: Status| matches!(status, Status::Done | Status::Cancelled);
        let surplus = [(failed as fn(Status) -> bool, FAILED_MAX), (ended, ENDED_MAX)].map(|(is_meant, most)| {
            let meant = self.tasks.iter().filter(|(_, task)| is_meant(task.status));
            let meant: Vec<u64> = meant.map(|(number, _)| *number).collect();
            let surplus = meant.len().saturating_sub(most);
            meant.into_iter().take(surplus).collect::<Vec<u64>>()
        });
        for number in surplus.into_iter().flatten() {
            ctx.delete(&TASKS.key(&suffix(number)))?;
            self.tasks.remove(&number);
        }
        Ok(())
    }

    /// Sees to it that the queue is looked after as long as something is to be done.
    fn look_again(&self, ctx: Here<'_, '_>) -> Result<()> {
        if self.tasks.values().any(|task| task.status.is_open()) {
            return ctx.schedule(When::Every(LOOK), &Look).map(drop);
        }
        let look = ctx.schedules().find(|schedule| schedule.method == Look::NAME);
        let look = look.map(|schedule| schedule.id);
        look.map_or(Ok(()), |look| ctx.cancel(look).map(drop))
    }

    fn publish(&self, ctx: Here<'_, '_>) -> Result<()> {
        let count = |status: Status| self.tasks.values().filter(|task| task.status == status).count();
        let last = self.tasks.iter().rev().take(LAST_MAX);
        let state = TasksState {
            waiting: count(Status::Waiting),
            running: self.working.map(|working| working.number),
            done: count(Status::Done),
            failed: count(Status::Failed),
            cancelled: count(Status::Cancelled),
            last: last.map(|(number, task)| task.line(*number)).collect(),
        };
        if ctx.state() == Some(&state) {
            return Ok(());
        }
        ctx.set_state(state)
    }

    fn put(&mut self, number: u64, task: StoredTask, ctx: Here<'_, '_>) -> Result<()> {
        ctx.put(&TASKS.key(&suffix(number)), &task)?;
        self.tasks.insert(number, task);
        Ok(())
    }

    fn find(&self, number: u64) -> Result<&StoredTask> {
        self.tasks
            .get(&number)
            .ok_or_else(|| ActorError::not_found("task.unknown", "there is no such task, or it was long ago"))
    }

    fn check_room(&self) -> Result<()> {
        let waiting = self.tasks.values().filter(|task| task.status.is_open()).count();
        if waiting < WAITING_MAX {
            return Ok(());
        }
        Err(ActorError::overloaded(
            "task.full",
            format!("at most {WAITING_MAX} tasks wait in a queue"),
        ))
    }
}

fn check_key(key: &str) -> Result<()> {
    if (1..=KEY_MAX).contains(&key.chars().count()) {
        return Ok(());
    }
    Err(ActorError::invalid(
        "task.job",
        format!("an idempotency key has 1 to {KEY_MAX} characters"),
    ))
}

fn wrong_state(status: Status, verb: &str) -> ActorError {
    ActorError::conflict(
        "task.wrong-state",
        format!("the task is {} and cannot be {verb}", status.as_str()),
    )
}

/// The pause after so many attempts.
fn pause(attempts: u32) -> Duration {
    PAUSE * 4_u32.saturating_pow(attempts.saturating_sub(1))
}
