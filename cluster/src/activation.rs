//! One activation: a ractor actor that handles the letters of one mailbox, one at a time.
//!
//! The ractor actor outlives a panic of the actor it carries: the failed instance is dropped, and the next letter makes
//! a new one, so that no letter behind the panic is lost.

use std::{any::Any, borrow::Cow, panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Either},
};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    ActorError,
    address::Address,
    alarm::{Due, Ending, Firing},
    caller::{Account, Running},
    chain::Chain,
    host::Host,
    idempotency::Recall,
    interface::{self, Class, Instance, Payload, Value},
    mailbox::{Begin, Call, Fault, Letter, Mailbox, Origin, Reply},
    message::Message,
    metrics::{ClassMetrics, Rejection},
    router::Node,
    socket::{Gap, SocketId, gaps},
    storage,
    turn::{Commit, Pipe, Turn},
    vitals::{Cause, SlowTurn, TurnOutcome},
};

/// The ractor actor of an activation.
pub(crate) struct Activation;

/// What an activation works with.
pub(crate) struct Slot {
    node: Arc<Node>,
    host: Arc<Host>,
    mailbox: Arc<Mailbox>,
    class: Arc<dyn Class>,
    metrics: Arc<ClassMetrics>,
    instance: Option<Box<dyn Instance>>,
    /// Number of the instance, to tell apart the work of earlier ones.
    incarnation: u64,
    /// What earlier owners of the actor may not have sent.
    untold: Untold,
    /// When a letter was last in hand.
    used: Instant,
}

/// What an actor has to hear before anything else.
enum Untold {
    /// Nobody has looked yet.
    Unread,
    Gaps(Box<Missing>),
    Nothing,
}

/// What may not have been sent.
struct Missing {
    /// Sockets of which the actor has not heard yet.
    sockets: Vec<SocketId>,
    /// Rows that go when it has heard of all.
    marks: Vec<Bytes>,
}

impl ractor::Actor for Activation {
    type Msg = Begin;
    type State = Slot;
    type Arguments = Slot;

    async fn pre_start(&self, _: ractor::ActorRef<Begin>, slot: Slot) -> Result<Slot, ractor::ActorProcessingErr> {
        Ok(slot)
    }

    async fn post_start(
        &self,
        myself: ractor::ActorRef<Begin>,
        _: &mut Slot,
    ) -> Result<(), ractor::ActorProcessingErr> {
        // From here and not from the first caller, whose span would stay around the actor for all its life.
        Ok(myself.send_message(Begin)?)
    }

    async fn handle(
        &self,
        _myself: ractor::ActorRef<Begin>,
        Begin: Begin,
        slot: &mut Slot,
    ) -> Result<(), ractor::ActorProcessingErr> {
        while let Some(letter) = slot.mailbox.next(slot.used).await {
            // As a channel does: a full mailbox must not keep others from the thread, nor a kill from this actor.
            tokio::task::coop::consume_budget().await;
            match letter {
                Letter::Call(call) => slot.call(call).await,
                // In a box, like all that is rare: what calls need lies closer together.
                Letter::Alarm(due, reply) => Box::pin(slot.alarm(due, reply)).await,
                Letter::Wake(reply) => Box::pin(slot.wake(reply)).await,
                Letter::Passivate(reply) => slot.passivate(reply),
            }
        }
        Ok(())
    }
}

impl Slot {
    pub(crate) fn new(node: Arc<Node>, host: Arc<Host>, mailbox: Arc<Mailbox>, class: Arc<dyn Class>) -> Self {
        node.metrics.live().increment(1.0);
        let metrics = node.metrics.class(class.name());
        Self {
            node,
            host,
            mailbox,
            class,
            metrics,
            instance: None,
            incarnation: 0,
            untold: Untold::Unread,
            used: Instant::now(),
        }
    }

    /// Handles a call. It stays in its box: what is taken out of it here is kept in the memory of the actor.
    async fn call(&mut self, mut call: Box<Call>) {
        let now = Instant::now();
        self.used = now;
        match call.origin {
            Origin::Ask if call.reply.is_abandoned() => return,
            Origin::Ask | Origin::Send { .. } if now.duration_since(call.sent) > self.node.bounds.queue_age => {
                self.node.metrics.rejected(Rejection::QueueAge);
                return call
                    .reply
                    .send(Err(Fault::Overloaded(Rejection::QueueAge.text().into())));
            }
            Origin::Pipe { incarnation } if incarnation != self.incarnation || self.instance.is_none() => return,
            Origin::Ask | Origin::Send { .. } | Origin::Pipe { .. } => {}
        }
        let class = self.class.name();
        let keyed = match call.keyed {
            None => None,
            // Before the activation, so that an actor that cannot be activated any more still answers for what it did.
            Some(keyed) => match keyed.recall(&self.host, &self.mailbox, self.node.clock.now()) {
                Ok(Recall::New(replaces)) => Some((keyed, replaces)),
                Ok(Recall::Known(outcome)) => return self.release(call.reply, outcome.map_err(Fault::Handler)),
                Err(error) => return self.release(call.reply, Err(Fault::Activation(error))),
            },
        };
        let place = self.class.messages().binary_search(&&*call.message).ok();
        let mut began = now;
        if self.instance.is_none() || !matches!(self.untold, Untold::Nothing) {
            if let Err(fault) = Box::pin(self.instance(call.chain.as_ref())).await {
                return self.release(call.reply, Err(fault));
            }
            // Its caller may have gone away while the actor was activated.
            if matches!(call.origin, Origin::Ask) && call.reply.is_abandoned() {
                return;
            }
            began = Instant::now();
        }
        let Some(instance) = &mut self.instance else {
            return self.release(call.reply, Err(Fault::Unavailable));
        };
        // A durable send that the class does not know is not taken, so that it becomes a dead letter, also after a crash.
        if matches!(call.origin, Origin::Send { .. }) && place.is_none() {
            let unknown = interface::unknown_message(class, &call.message);
            return self.release(call.reply, Err(Fault::Foreign(unknown)));
        }
        if let Some((keyed, replaces)) = keyed
            && let Err(error) = instance.turn().open(keyed, replaces)
        {
            return self.release(call.reply, Err(Fault::Activation(error)));
        }
        if let Origin::Send { source, id } = call.origin {
            match instance.turn().take_send(source, id) {
                Ok(true) => {}
                Ok(false) => return self.release(call.reply, Ok(Box::new(()))),
                Err(error) => return self.release(call.reply, Err(Fault::Activation(error))),
            }
        }
        call.reply.start();
        let Some(place) = place else {
            let unknown = interface::unknown_message(class, &call.message);
            return self.finish(call.reply, Err(Fault::Handler(unknown)));
        };
        let cause = Cause::Message(place);
        self.node.watch.begin(&self.mailbox.vitals, cause, began);
        let account = match call.origin {
            Origin::Ask => call.account,
            Origin::Send { .. } | Origin::Pipe { .. } => Account::Own(Arc::clone(&self.mailbox.address)),
        };
        instance.turn().credential = account.credential().cloned();
        let turn = Running::Turn {
            actor: self.mailbox.address.hash,
            askers: call.chain,
            account,
        };
        let handled = turn.scope(instance.call(place, call.payload));
        let (span, work) = match call.request {
            // Whoever follows a request finds its turns also where others are not logged.
            Some(request) => {
                let span = tracing::info_span!("turn", request_id = request.as_str(), class, message = %call.message);
                (span, Either::Left(Box::pin(request.scope(handled))))
            }
            None => {
                let span = tracing::debug_span!("turn", class, message = %call.message);
                (span, Either::Right(handled))
            }
        };
        let result = AssertUnwindSafe(work).catch_unwind().instrument(span.clone()).await;
        self.ended(cause, began, &result);
        match result {
            Ok(result) => {
                if let (Origin::Send { .. } | Origin::Pipe { .. }, Err(error)) = (call.origin, &result) {
                    let _in_turn = span.enter();
                    tracing::warn!(actor = %self.mailbox.address, message = %call.message, %error, "a message that nobody waits for failed");
                }
                let result = match result {
                    // Nor is one that it cannot read.
                    Err(error) if is_unread_send(call.origin, &error) && self.leave_send() => {
                        Err(Fault::Foreign(error))
                    }
                    result => result.map_err(Fault::Handler),
                };
                self.finish(call.reply, result);
            }
            Err(panic) => {
                let _in_turn = span.enter();
                self.panicked(call.reply, &*panic);
            }
        }
    }

    fn leave_send(&mut self) -> bool {
        let instance = self.instance.as_mut();
        instance.is_some_and(|instance| instance.turn().leave_send())
    }

    async fn alarm(&mut self, due: Due, reply: Reply) {
        let (class, metrics) = (self.class.name(), Arc::clone(&self.metrics));
        self.used = Instant::now();
        let instance = match self.instance(None).await {
            Ok(instance) => instance,
            // An activation that was only refused for now is no failure of the alarm.
            Err(Fault::Activation(error)) if error.is_passing() || is_internal(&error) => {
                return self.release(reply, Err(Fault::Activation(error)));
            }
            Err(_) => return self.failed_alarm(due, reply),
        };
        instance.turn().touch();
        let Some(alarm) = instance.turn().storage.alarm.fire(due) else {
            instance.turn().drop_stale_alarm(due.at);
            return self.finish(reply, Ok(Box::new(())));
        };
        metrics.alarm_fired(instance.turn().now().since(due.at));
        let began = Instant::now();
        instance.turn().begin(Cause::Alarm, began);
        let span = tracing::debug_span!("alarm", class, retry = alarm.retry_count);
        instance.turn().credential = None;
        let turn = own_turn(instance.turn().address(), None);
        let result = AssertUnwindSafe(turn.scope(instance.alarm(alarm)))
            .catch_unwind()
            .instrument(span)
            .await;
        self.ended(Cause::Alarm, began, &result);
        match result {
            Ok(result) => {
                if let Err(error) = &result {
                    tracing::warn!(actor = %self.mailbox.address, %error, retry = alarm.retry_count, "an alarm failed");
                }
                let jitter = self.node.jitter();
                let firing = match &result {
                    Ok(()) => Firing::Succeeded,
                    // A class without a handler would fail the same way each time.
                    Err(error) if error.code() == "alarm.unsupported" => Firing::Succeeded,
                    Err(error) if is_internal(error) => Firing::Interrupted,
                    Err(_) => Firing::Failed,
                };
                let ending = match &mut self.instance {
                    Some(instance) => end_alarm(instance.turn(), firing, jitter),
                    None => Ending::Settled,
                };
                let outcome = match (ending, result) {
                    (Ending::Open, Err(error)) => Err(Fault::Handler(error)),
                    (Ending::Open | Ending::Settled | Ending::Abandoned, _) => Ok(Box::new(()) as Value),
                };
                self.finish(reply, outcome);
            }
            Err(panic) => {
                tracing::error!(actor = %self.mailbox.address, panic = panic_text(&*panic), "an alarm handler panicked");
                self.drop_instance();
                self.failed_alarm(due, reply);
            }
        }
    }

    /// Counts a firing whose turn was dropped.
    fn failed_alarm(&mut self, due: Due, reply: Reply) {
        let loaded = Turn::load(
            Arc::clone(&self.node),
            Arc::clone(&self.host),
            Arc::clone(&self.mailbox),
        );
        let mut turn = match loaded {
            Ok(turn) => turn,
            Err(error) => return reply.send(Err(Fault::Activation(error))),
        };
        if turn.storage.alarm.fire(due).is_some() {
            end_alarm(&mut turn, Firing::Failed, self.node.jitter());
        } else {
            turn.drop_stale_alarm(due.at);
        }
        let Commit { number, .. } = turn.commit();
        self.mailbox.gate.hold(number, move |verdict| match verdict {
            Ok(()) => reply.send(Ok(Box::new(()))),
            Err(broken) => reply.send(Err(broken.into())),
        });
    }

    fn passivate(&mut self, reply: Reply) {
        self.used = Instant::now();
        if self.drop_instance() {
            self.metrics.passivated();
        }
        // It tells that what was done is durable, and nothing that was read.
        let gate = &self.mailbox.gate;
        gate.hold(gate.last(), move |verdict| match verdict {
            Ok(()) => reply.send(Ok(Box::new(()))),
            Err(broken) => reply.send(Err(broken.into())),
        });
    }

    /// Does nothing beyond what comes before everything else.
    async fn wake(&mut self, reply: Reply) {
        self.used = Instant::now();
        let outcome = self.instance(None).await.map(|_| Box::new(()) as Value);
        self.release(reply, outcome);
    }

    /// The instance, activated if need be, on behalf of those who wait. It knows what earlier owners may not have sent.
    async fn instance(&mut self, chain: Option<&Arc<Chain>>) -> Result<&mut Box<dyn Instance>, Fault> {
        loop {
            self.activated(chain).await?;
            match &mut self.untold {
                Untold::Unread => self.untold = self.find_gaps().map_err(Fault::Activation)?,
                Untold::Gaps(missing) => {
                    let socket = missing.sockets.pop();
                    self.tell_gap(socket).await;
                }
                Untold::Nothing => break,
            }
        }
        self.instance.as_mut().ok_or(Fault::Unavailable)
    }

    /// Looks for what earlier owners may not have sent.
    fn find_gaps(&mut self) -> crate::Result<Untold> {
        let (shard, hash) = (&*self.host.shard, self.mailbox.address.hash);
        let lost = self.host.gaps.lost(shard, self.mailbox.epoch);
        let marks = lost.and_then(|lost| gaps::marks(shard, &lost, hash));
        let marks = marks.map_err(storage::unreadable)?;
        let Some(instance) = self.instance.as_mut().filter(|_| !marks.is_empty()) else {
            return Ok(Untold::Nothing);
        };
        let mut sockets = instance.turn().open_sockets()?;
        sockets.retain(|socket| gaps::may_be_open(&self.node, *socket));
        Ok(Untold::Gaps(Box::new(Missing { sockets, marks })))
    }

    /// Tells the actor that a socket may lack something. With the last one, or without one, nothing is left to tell.
    async fn tell_gap(&mut self, socket: Option<SocketId>) {
        let place = self.class.messages().binary_search(&Gap::NAME).ok();
        let (Some(instance), Untold::Gaps(missing)) = (&mut self.instance, &mut self.untold) else {
            return;
        };
        let is_last = missing.sockets.is_empty();
        let turn = instance.turn();
        turn.touch();
        if is_last {
            turn.sockets.acknowledge(missing.marks.clone());
        }
        // A class that has no sockets any more cannot be told.
        let (Some(socket), Some(place)) = (socket, place) else {
            if is_last {
                self.untold = Untold::Nothing;
            }
            return self.finish(Reply::nobody(), Ok(Box::new(())));
        };
        let (began, cause) = (Instant::now(), Cause::Message(place));
        self.node.watch.begin(&self.mailbox.vitals, cause, began);
        turn.credential = None;
        let running = own_turn(turn.address(), None);
        let span = tracing::debug_span!("turn", class = self.class.name(), message = Gap::NAME);
        let gap = Payload::Local(Box::new(Gap { socket }));
        let result = AssertUnwindSafe(running.scope(instance.call(place, gap)))
            .catch_unwind()
            .instrument(span)
            .await;
        self.ended(cause, began, &result);
        match result {
            Ok(result) => {
                if is_last {
                    self.untold = Untold::Nothing;
                }
                self.finish(Reply::nobody(), result.map_err(Fault::Handler));
            }
            // What it had to write with the last one, another turn writes.
            Err(panic) => self.panicked(Reply::nobody(), &*panic),
        }
    }

    /// Activates the actor if need be.
    async fn activated(&mut self, chain: Option<&Arc<Chain>>) -> Result<(), Fault> {
        if self.instance.is_none() {
            tracing::debug!(actor = %self.mailbox.address, "activating");
            let began = Instant::now();
            let loaded = Turn::load(
                Arc::clone(&self.node),
                Arc::clone(&self.host),
                Arc::clone(&self.mailbox),
            );
            let turn = loaded.map_err(Fault::Activation)?;
            let activation = own_turn(turn.address(), chain.cloned()).scope(self.class.activate(turn));
            let activated = AssertUnwindSafe(activation).catch_unwind().await;
            let instance = activated.unwrap_or_else(|panic| {
                tracing::error!(actor = %self.mailbox.address, panic = panic_text(&*panic), "an activation panicked");
                Err(Fault::Panic.into())
            });
            let mut instance = instance.map_err(|error| {
                tracing::warn!(actor = %self.mailbox.address, %error, "failed to activate an actor");
                Fault::Activation(error)
            })?;
            self.metrics.activated(began.elapsed());
            self.incarnation += 1;
            // The message that activated comes before the end.
            let passivate = std::mem::take(&mut instance.turn().passivate);
            self.instance = Some(instance);
            self.mailbox.vitals.set_resident(true);
            // What `activate` itself wrote is a batch of its own.
            self.finish(Reply::nobody(), Ok(Box::new(())));
            if passivate && let Some(instance) = &mut self.instance {
                instance.turn().touch();
                instance.turn().passivate = true;
            }
        }
        Ok(())
    }

    /// Ends a turn: commits it, and lets its output out when it is durable.
    fn finish(&mut self, reply: Reply, outcome: Result<Value, Fault>) {
        let Some(instance) = &mut self.instance else {
            return self.release(reply, outcome);
        };
        let turn = instance.turn();
        if turn.ends_untouched() {
            return self.release(reply, outcome);
        }
        let effect = turn.has_effect();
        turn.conclude(&outcome, effect);
        let Commit { number, proposed, .. } = turn.commit();
        let split = std::mem::take(&mut turn.split);
        let outcome = match outcome {
            Err(Fault::Handler(error)) if effect => Err(Fault::Handler(error.with_effect())),
            outcome => outcome,
        };
        let pipes = std::mem::take(turn.pipes.get_mut());
        let passivate = std::mem::take(&mut turn.passivate);
        let departing = turn.departing();
        let started = (!pipes.is_empty()).then(|| Started {
            pipes,
            mailbox: Arc::clone(&self.mailbox),
            runtime: self.host.runtime.clone(),
            token: turn.token.clone(),
            incarnation: self.incarnation,
        });
        let number = if proposed || !(reply.is_expected() || started.is_some() || departing.is_some()) {
            number
        } else {
            self.host.read(&self.mailbox)
        };
        self.mailbox.gate.hold(number, move |verdict| match verdict {
            Ok(()) => {
                if let Some(departing) = departing {
                    departing.go();
                }
                reply.send(outcome);
                if let Some(started) = started {
                    started.spawn();
                }
            }
            // That this batch had no effect does not undo what left before it.
            Err(_) if split => reply.send(Err(Fault::Unknown)),
            Err(broken) => reply.send(Err(broken.into())),
        });
        if passivate && self.drop_instance() {
            self.metrics.passivated();
        }
    }

    /// Lets an outcome without writes out, behind all earlier turns.
    fn release(&self, reply: Reply, outcome: Result<Value, Fault>) {
        let number = self.host.read(&self.mailbox);
        self.mailbox.gate.hold(number, move |verdict| match verdict {
            Ok(()) => reply.send(outcome),
            Err(broken) => reply.send(Err(broken.into())),
        });
    }

    fn panicked(&mut self, reply: Reply, panic: &(dyn Any + Send)) {
        tracing::error!(actor = %self.mailbox.address, panic = panic_text(panic), "a handler panicked");
        let split = self.instance.as_mut().is_some_and(|instance| instance.turn().split);
        self.drop_instance();
        let number = self.host.read(&self.mailbox);
        self.mailbox.gate.hold(number, move |verdict| match verdict {
            Ok(()) => reply.send(Err(Fault::Panic)),
            // What left in the middle of the turn may have taken effect.
            Err(_) if split => reply.send(Err(Fault::Unknown)),
            Err(broken) => reply.send(Err(broken.into())),
        });
    }

    /// Drops the instance; says whether there was one.
    fn drop_instance(&mut self) -> bool {
        self.mailbox.vitals.set_resident(false);
        self.instance.take().is_some()
    }

    /// Notes the end of a turn for those who watch.
    fn ended<T>(&mut self, cause: Cause, began: Instant, result: &Result<crate::Result<T>, Box<dyn Any + Send>>) {
        let outcome = match result {
            Ok(Ok(_)) => TurnOutcome::Ok,
            Ok(Err(_)) => TurnOutcome::Error,
            Err(_) => TurnOutcome::Panic,
        };
        let (duration, is_slow) = self.node.watch.end(&self.mailbox.vitals, cause, began, outcome);
        self.used = began + duration;
        self.metrics.turn(outcome, duration);
        if is_slow {
            self.metrics.slow_turn();
            self.node.watch.remember(SlowTurn {
                actor: self.mailbox.address.id.clone(),
                message: cause.name(self.class.messages()).map(Cow::Borrowed),
                began: self.node.clock.now().minus(duration),
                duration,
                outcome,
            });
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.mailbox.close();
        if self.drop_instance() && !self.mailbox.vitals.is_discarded() {
            self.metrics.passivated();
        }
        self.node.metrics.live().decrement(1.0);
    }
}

/// A turn on the account of its actor.
fn own_turn(actor: &Arc<Address>, askers: Option<Arc<Chain>>) -> Running {
    Running::Turn {
        actor: actor.hash,
        askers,
        account: Account::Own(Arc::clone(actor)),
    }
}

fn end_alarm(turn: &mut Turn, firing: Firing, jitter: f64) -> Ending {
    let now = turn.now();
    let ending = turn.storage.alarm.finish(firing, now, jitter);
    if ending == Ending::Abandoned {
        turn.node.metrics.class(turn.address().id.class()).alarm_abandoned();
        tracing::error!(actor = %turn.address(), "an alarm is given up after its last retry");
    }
    ending
}

/// Whether it is a durable send that no handler has seen, if the turn has left no trace either.
fn is_unread_send(origin: Origin, error: &ActorError) -> bool {
    matches!(origin, Origin::Send { .. }) && error.code() == interface::UNREADABLE
}

/// Whether the runtime is at fault: the state could not be read.
fn is_internal(error: &ActorError) -> bool {
    error.code() == storage::UNREADABLE
}

/// Work of a turn that starts when the turn is durable.
struct Started {
    pipes: Vec<Pipe>,
    mailbox: Arc<Mailbox>,
    runtime: tokio::runtime::Handle,
    token: tokio_util::sync::CancellationToken,
    incarnation: u64,
}

impl Started {
    fn spawn(self) {
        let Self {
            pipes,
            mailbox,
            runtime,
            token,
            incarnation,
        } = self;
        for pipe in pipes {
            runtime.spawn(run(pipe, Arc::clone(&mailbox), token.clone(), incarnation));
        }
    }
}

/// Runs work beside the mailbox and posts its result.
fn run(
    pipe: Pipe,
    mailbox: Arc<Mailbox>,
    token: tokio_util::sync::CancellationToken,
    incarnation: u64,
) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let Pipe {
            message,
            work,
            request,
            busy,
        } = pipe;
        let payload = tokio::select! {
            biased;
            () = token.cancelled() => return,
            result = AssertUnwindSafe(work).catch_unwind() => match result {
                Ok(payload) => payload,
                Err(panic) => {
                    let panic = panic_text(&*panic);
                    tracing::error!(actor = %mailbox.address, message, panic, "work beside the mailbox panicked");
                    return;
                }
            },
        };
        mailbox.post(Letter::Call(Box::new(Call {
            message: message.into(),
            payload,
            origin: Origin::Pipe { incarnation },
            chain: None,
            account: Account::Nobody,
            request,
            keyed: None,
            sent: tokio::time::Instant::now(),
            reply: Reply::nobody(),
        })));
        drop(busy);
    })
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a value that is no text")
}
