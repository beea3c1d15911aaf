//! The queue in front of the embedded model: first come, first served, one at a time, each told its place.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use actors::ports::{ModelError, ModelEvent, ModelReply, ModelRequest, ModelStream};
use futures_util::stream;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, timeout_at},
};

/// Produces one answer at a time. It lives on the thread of the queue.
pub(super) trait Generator {
    /// Answers `request`, reporting text as it comes and asking between two tokens whether anyone still listens.
    fn generate(&mut self, request: &ModelRequest, progress: &Progress) -> Result<ModelReply, Halt>;
}

/// Why a generation ended without an answer.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nobody listens any more.
    Abandoned,
    /// It failed.
    Failed(ModelError),
}

impl From<ModelError> for Halt {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

type Event = Result<ModelEvent, ModelError>;

/// The way back to whoever asked. Unbounded, because the generating thread must not wait for a slow reader; what can
/// pile up is the answer, which is bounded by its token limit.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    events: UnboundedSender<Event>,
}

impl Progress {
    /// Errs when the stream was dropped or its deadline passed.
    pub(super) fn check(&self) -> Result<(), Halt> {
        if self.events.is_closed() {
            Err(Halt::Abandoned)
        } else {
            Ok(())
        }
    }

    /// Passes on more text of the answer.
    pub(super) fn delta(&self, text: String) -> Result<(), Halt> {
        self.events
            .send(Ok(ModelEvent::Delta(text)))
            .map_err(|_| Halt::Abandoned)
    }

    fn finish(&self, event: Event) {
        // Whoever dropped the stream meanwhile does not want to know.
        let _ = self.events.send(event);
    }

    fn queued(&self, position: u32) {
        let _ = self.events.send(Ok(ModelEvent::Queued { position }));
    }
}

/// Requests that wait for the embedded model.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    bound: NonZeroUsize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    next_ticket: u64,
    /// A request is being answered: it is ahead of all that wait.
    busy: bool,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    request: ModelRequest,
    progress: Progress,
    told: Option<u32>,
}

impl Waiting {
    /// Tells how many requests are ahead, if that changed.
    fn tell(&mut self, ahead: usize) {
        let position = u32::try_from(ahead).unwrap_or(u32::MAX);
        if self.told != Some(position) {
            self.told = Some(position);
            self.progress.queued(position);
        }
    }
}

impl State {
    /// Tells everybody whose place changed.
    fn announce(&mut self) {
        for (index, waiting) in self.waiting.iter_mut().enumerate() {
            waiting.tell(index + usize::from(self.busy));
        }
    }
}

impl Queue {
    pub(super) fn new(bound: NonZeroUsize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            bound,
        }
    }

    /// Puts a request at the end of the queue. Its deadline runs from now.
    pub(super) fn submit(self: &Arc<Self>, request: ModelRequest) -> ModelStream {
        let deadline = Instant::now() + request.deadline;
        let (sender, events) = unbounded_channel();
        let progress = Progress { events: sender };
        let ticket = {
            let mut state = self.lock();
            if state.closed {
                return refused(ModelError::Unavailable("the embedded model was stopped".to_owned()));
            }
            if state.waiting.len() >= self.bound.get() {
                return refused(ModelError::Overloaded);
            }
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            state.waiting.push_back(Waiting {
                ticket,
                request,
                progress,
                told: None,
            });
            state.announce();
            ticket
        };
        self.changed.notify_one();
        let reply = Reply {
            events,
            deadline,
            place: Place {
                queue: Arc::clone(self),
                ticket,
            },
        };
        Box::pin(stream::unfold(Some(reply), |reply| async {
            let mut reply = reply?;
            let event = reply.next().await;
            let last = matches!(event, Ok(ModelEvent::Done(_)) | Err(_));
            Some((event, (!last).then_some(reply)))
        }))
    }

    /// Refuses what comes and wakes the thread so that it can end. What waits gets no answer.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    /// The next request; waits for one. `None` when the queue was closed.
    fn next(&self) -> Option<Waiting> {
        let mut state = self.lock();
        state.busy = false;
        loop {
            if state.closed {
                return None;
            }
            if let Some(mut next) = state.waiting.pop_front() {
                next.tell(0);
                state.busy = true;
                state.announce();
                return Some(next);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn leave(&self, ticket: u64) {
        let mut state = self.lock();
        let before = state.waiting.len();
        state.waiting.retain(|waiting| waiting.ticket != ticket);
        if state.waiting.len() != before {
            state.announce();
        }
    }

    /// The state holds no invariant between two statements, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(error: ModelError) -> ModelStream {
    Box::pin(stream::iter([Err(error)]))
}

/// The asking end of one request.
struct Reply {
    events: UnboundedReceiver<Event>,
    deadline: Instant,
    place: Place,
}

impl Reply {
    async fn next(&mut self) -> Event {
        match timeout_at(self.deadline, self.events.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) => Err(ModelError::Unavailable("the embedded model was stopped".to_owned())),
            Err(_) => {
                self.place.queue.leave(self.place.ticket);
                Err(ModelError::Timeout)
            }
        }
    }
}

/// A place in the queue, given up when dropped.
struct Place {
    queue: Arc<Queue>,
    ticket: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.leave(self.ticket);
    }
}

/// Serves the queue until it is closed. The generator is loaded when it is first needed, and again after it failed to
/// load or panicked.
pub(super) fn work(queue: &Queue, mut load: impl FnMut() -> Result<Box<dyn Generator>, ModelError>) {
    let mut generator: Option<Box<dyn Generator>> = None;
    while let Some(Waiting { request, progress, .. }) = queue.next() {
        let answered = catch_unwind(AssertUnwindSafe(|| {
            progress.check()?;
            let generator = match &mut generator {
                Some(generator) => generator,
                None => generator.insert(load()?),
            };
            generator.generate(&request, &progress)
        }));
        match answered {
            Ok(Ok(reply)) => progress.finish(Ok(ModelEvent::Done(reply))),
            Ok(Err(Halt::Failed(error))) => progress.finish(Err(error)),
            Ok(Err(Halt::Abandoned)) => tracing::debug!(label = request.label, "a generation was abandoned"),
            Err(_) => {
                tracing::error!(label = request.label, "the embedded model panicked");
                generator = None;
                progress.finish(Err(ModelError::Unavailable("the embedded model panicked".to_owned())));
            }
        }
    }
}
