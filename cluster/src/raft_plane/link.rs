//! One lane to one peer: the calls on it, whether there is a connection or not.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    RaftPlaneLimits,
    backoff::pause,
    frame::{Frame, OVERHEAD},
    meter::Meter,
};
use crate::peers::{CallError, Lane, NodeId};

/// Bytes of requests that are handed to the connection at once.
const ROUND: usize = 256 * 1024;

/// One lane to one peer.
pub(super) struct Link {
    pub(super) node: NodeId,
    pub(super) lane: Lane,
    pub(super) limits: RaftPlaneLimits,
    pub(super) meter: Meter,
    /// Ends the task that dials, and with it the connection.
    pub(super) closed: CancellationToken,
    state: Mutex<State>,
    /// Something waits to be written.
    work: Notify,
}

struct State {
    /// Calls that wait to be written, in order.
    queue: VecDeque<Queued>,
    /// All calls that have not ended, also those whose caller has given up.
    calls: HashMap<u64, Call>,
    /// Bytes of the requests of all calls whose caller waits.
    bytes: usize,
    next: u64,
    /// Why there was no connection lately, or will never be one.
    down: Option<Down>,
    /// How often dialling has failed since it last succeeded.
    failures: u32,
    /// Since when something has been expected, and nothing has come.
    expecting: Option<Instant>,
    /// When something was last written.
    used: Instant,
}

struct Queued {
    call: u64,
    body: Bytes,
    deadline: Instant,
}

struct Call {
    /// Empty when the caller has given up.
    answer: Option<oneshot::Sender<Result<Bytes, CallError>>>,
    bytes: usize,
    written: bool,
}

struct Down {
    /// Until when nobody dials; empty if nobody ever does again.
    until: Option<Instant>,
    reason: String,
}

/// Why a connection is not kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody needs it.
    Idle,
    /// It is of no use any more.
    Lost(String),
}

impl Link {
    pub(super) fn new(
        node: NodeId,
        lane: Lane,
        limits: RaftPlaneLimits,
        meter: Meter,
        closed: CancellationToken,
    ) -> Self {
        Self {
            node,
            lane,
            limits,
            meter,
            closed,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                calls: HashMap::new(),
                bytes: 0,
                next: 0,
                down: None,
                failures: 0,
                expecting: None,
                used: Instant::now(),
            }),
            work: Notify::new(),
        }
    }

    /// Takes a call in, or refuses it, at once.
    pub(super) fn call(
        self: &Arc<Self>,
        body: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let deadline = Instant::now() + within.min(self.limits.service);
        match self.enqueue(body, deadline) {
            Ok((call, mut answered)) => {
                let link = Arc::clone(self);
                async move {
                    match timeout_at(deadline, &mut answered).await {
                        Ok(Ok(answer)) => answer,
                        Ok(Err(_)) => Err(link.no_answer("the call was dropped")),
                        // The answer may have come at this very moment.
                        Err(_) => link.give_up(call).unwrap_or_else(|| {
                            answered
                                .try_recv()
                                .unwrap_or_else(|_| Err(link.no_answer("the call was dropped")))
                        }),
                    }
                }
                .boxed()
            }
            Err(reason) => ready(Err(self.not_sent(&reason))).boxed(),
        }
    }

    fn enqueue(
        &self,
        body: Bytes,
        deadline: Instant,
    ) -> Result<(u64, oneshot::Receiver<Result<Bytes, CallError>>), String> {
        let bytes = body.len();
        if bytes + OVERHEAD > self.limits.frame_bytes {
            return Err(format!("a request of {bytes} bytes does not fit into a frame"));
        }
        let mut state = self.state.lock();
        if let Some(down) = &state.down
            && down.until.is_none_or(|until| Instant::now() < until)
        {
            return Err(down.reason.clone());
        }
        if state.calls.len() >= self.limits.requests || state.bytes + bytes > self.limits.request_bytes {
            self.meter.refused.increment(1);
            return Err("overloaded: too many requests, or bytes of them, are on their way".to_owned());
        }
        let (answer, answered) = oneshot::channel();
        let call = state.next;
        state.next += 1;
        state.bytes += bytes;
        state.calls.insert(
            call,
            Call {
                answer: Some(answer),
                bytes,
                written: false,
            },
        );
        state.queue.push_back(Queued { call, body, deadline });
        self.meter.calls.increment(1.0);
        drop(state);
        self.work.notify_one();
        Ok((call, answered))
    }

    /// The caller waits no longer. Empty if the call has ended already.
    fn give_up(&self, call: u64) -> Option<Result<Bytes, CallError>> {
        let mut state = self.state.lock();
        let known = state.calls.get_mut(&call)?;
        let error = if known.written {
            known.answer = None;
            let bytes = mem::take(&mut known.bytes);
            state.bytes -= bytes;
            self.no_answer("the deadline passed")
        } else {
            state.queue.retain(|queued| queued.call != call);
            self.finish(&mut state, call);
            self.not_sent("the deadline passed before there was a connection that took it")
        };
        Some(Err(error))
    }

    /// Waits until something is to be written.
    pub(super) async fn wanted(&self) {
        loop {
            if !self.state.lock().queue.is_empty() {
                return;
            }
            self.work.notified().await;
        }
    }

    /// Waits for something to be written, and takes what there is, up to a bound.
    pub(super) async fn take(&self) -> Vec<Frame> {
        self.wanted().await;
        // Who is about to call, as the other groups at the same tick, may still join.
        tokio::task::yield_now().await;
        let now = Instant::now();
        let mut state = self.state.lock();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < ROUND
            && let Some(Queued { call, body, deadline }) = state.queue.pop_front()
        {
            let within = deadline.saturating_duration_since(now);
            if within.is_zero() {
                if let Some(Call {
                    answer: Some(answer), ..
                }) = self.finish(&mut state, call)
                {
                    let _ = answer.send(Err(self.not_sent("the deadline passed before it was sent")));
                }
                continue;
            }
            if let Some(call) = state.calls.get_mut(&call) {
                call.written = true;
            }
            bytes += body.len();
            taken.push(Frame::Request { call, within, body });
        }
        if !taken.is_empty() {
            state.used = now;
            state.expecting.get_or_insert(now);
        }
        taken
    }

    /// Why there was no connection lately, if one was wanted.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.state.lock();
        let down = state.down.as_ref()?;
        let is_late = |until: Instant| until.elapsed() > self.limits.greeting + self.limits.pause_max;
        (!down.until.is_some_and(is_late)).then(|| down.reason.clone())
    }

    /// How many calls wait to be written.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// Takes what the peer has said.
    pub(super) fn arrived(&self, frame: Frame) -> Result<(), End> {
        let (call, answer) = match frame {
            Frame::Answer { call, body } => (call, Ok(body)),
            Frame::Abandoned { call, reason } => {
                let reason = String::from_utf8_lossy(&reason);
                (call, Err(self.no_answer(&reason)))
            }
            Frame::Working => return Ok(()),
            Frame::Request { .. } => return Err(End::Lost("the peer sent a request instead of answers".to_owned())),
        };
        let ended = self.finish(&mut self.state.lock(), call);
        if let Some(Call {
            answer: Some(asked), ..
        }) = ended
        {
            // The caller may have left.
            let _ = asked.send(answer);
        }
        Ok(())
    }

    /// Looks whether the connection is still of use. Called from time to time, with whether anything has come since.
    pub(super) fn check(&self, arrived: bool) -> Result<(), End> {
        let mut state = self.state.lock();
        let now = Instant::now();
        let written = state.calls.len() > state.queue.len();
        if !written {
            state.expecting = None;
        } else if arrived {
            state.expecting = Some(now);
        }
        match state.expecting {
            Some(since) if now - since >= self.limits.silence => Err(End::Lost(format!(
                "nothing has come back for {:?}",
                self.limits.silence
            ))),
            None if state.queue.is_empty() && now - state.used >= self.limits.idle => Err(End::Idle),
            Some(_) | None => Ok(()),
        }
    }

    /// There is a connection.
    pub(super) fn connected(&self) {
        self.meter.connections.increment(1);
        let mut state = self.state.lock();
        state.used = Instant::now();
        state.expecting = None;
        if state.down.as_ref().is_some_and(|down| down.until.is_some()) {
            state.down = None;
        }
    }

    /// The connection is gone, and with it all calls. It had lived for so long.
    pub(super) fn lost(&self, reason: &str, lived: Duration) {
        if lived >= self.limits.pause_max {
            self.state.lock().failures = 0;
        }
        self.fail(reason, true);
    }

    /// There is no connection. Returns whether that is news.
    pub(super) fn unreachable(&self, reason: &str) -> bool {
        self.meter.failures.increment(1);
        self.fail(reason, true)
    }

    /// The peer is there: it has dialled itself.
    pub(super) fn heard(&self) {
        let mut state = self.state.lock();
        state.failures = 0;
        if let Some(Down { until: Some(until), .. }) = &mut state.down {
            *until = Instant::now();
        }
    }

    /// Ends all calls, and refuses those to come.
    pub(super) fn close(&self, reason: &str) {
        self.closed.cancel();
        self.fail(reason, false);
    }

    /// Ends all calls, and refuses those to come for a while, or for ever.
    fn fail(&self, reason: &str, passes: bool) -> bool {
        let mut state = self.state.lock();
        let news = state.down.as_ref().is_none_or(|down| down.reason != reason);
        let until = passes.then(|| Instant::now() + pause(state.failures, &self.limits, &mut rand::rng()));
        // What was closed stays so.
        if state.down.as_ref().is_none_or(|down| down.until.is_some()) {
            state.down = Some(Down {
                until,
                reason: reason.to_owned(),
            });
        }
        state.failures = state.failures.saturating_add(1);
        state.queue.clear();
        state.bytes = 0;
        state.expecting = None;
        let calls = mem::take(&mut state.calls);
        drop(state);
        #[expect(clippy::cast_precision_loss, reason = "calls are bounded to thousands")]
        self.meter.calls.decrement(calls.len() as f64);
        for Call { answer, written, .. } in calls.into_values() {
            if let Some(answer) = answer {
                let error = if written {
                    self.no_answer(reason)
                } else {
                    self.not_sent(reason)
                };
                let _ = answer.send(Err(error));
            }
        }
        news
    }

    fn finish(&self, state: &mut State, call: u64) -> Option<Call> {
        let ended = state.calls.remove(&call)?;
        state.bytes -= ended.bytes;
        self.meter.calls.decrement(1.0);
        Some(ended)
    }

    fn not_sent(&self, reason: &str) -> CallError {
        CallError::NotSent {
            node: self.node,
            reason: reason.to_owned(),
        }
    }

    fn no_answer(&self, reason: &str) -> CallError {
        CallError::NoAnswer {
            node: self.node,
            reason: reason.to_owned(),
        }
    }
}
