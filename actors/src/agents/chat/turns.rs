//! Answers, one after another: how they begin, end, and are taken up when their owner has died.

use std::{collections::BTreeSet, time::Duration};

use cluster::prelude::{ActorError, Result, SocketId};
use serde_json::{Value, json};

use super::{
    agent::{Chat, Draft, Here},
    message::{Speaker, UiMessage, call_chunks, is_open, set_error, text_part},
    methods::{Forget, Watch},
    model::DEADLINE,
    protocol::{self, Manner},
    request::Request,
    rows::{Ended, Outcome, SUMMARY, Turn},
};
use crate::agents::{AgentCtx, Callable, Connection, Method, When, ctx::HEARS};

/// Most requests that wait while one is answered.
const WAITING_MAX: usize = 4;
/// Most attempts at an answer whose owners die.
const ATTEMPTS_MAX: u32 = 3;
/// How often it is seen whether an answer is still being given: so long after the death of its owner it is taken up.
const WATCH: Duration = Duration::from_secs(5);
/// Time without news after which work is taken for lost. A model reports a missed deadline before.
const STALL: Duration = DEADLINE.saturating_add(Duration::from_secs(30));
/// How long an answer can be heard after its end.
const KEPT: Duration = Duration::from_mins(10);
/// What numbers of chunks are apart in two attempts: to a client that has heard one, the other is new.
const ATTEMPT_NUMBERS: u64 = 1_000_000;

impl Turn {
    /// The number of a chunk, as clients hear it.
    pub(super) fn number(&self, number: u64) -> u64 {
        number + u64::from(self.attempt.saturating_sub(1)) * ATTEMPT_NUMBERS
    }

    fn manner(&self) -> Manner {
        Manner {
            is_continuation: self.is_continuation,
            is_replay: false,
        }
    }
}

impl Chat {
    /// A client asks.
    pub(super) fn ask(&mut self, connection: &Connection, id: &str, body: &str, ctx: Here<'_, '_>) -> Result<()> {
        if self
            .turns
            .running
            .iter()
            .chain(&self.turns.waiting)
            .any(|turn| turn.request == id)
        {
            return Err(ActorError::conflict("chat.request", "this is being answered already"));
        }
        self.check_waiting()?;
        let request = Request::read(body, &self.transcript)?;
        let place = match request {
            Request::Say(messages) => {
                let json: Vec<String> = messages.iter().map(UiMessage::to_json).collect::<Result<_>>()?;
                let bytes = json.iter().map(String::len).sum();
                self.transcript.check_room(messages.len() + 1, bytes)?;
                self.withdraw_calls(ctx)?;
                for message in messages {
                    let place = self.next_place();
                    self.transcript.put(place, message, ctx)?;
                }
                self.tell_messages(Some(connection.socket), ctx)?;
                self.next_place()
            }
            Request::Again(place, message) => {
                self.forget_from(place + 1, ctx)?;
                if self.transcript.get(place) != Some(&message) {
                    self.forget_summary_from(place, ctx)?;
                    self.transcript.put(place, message, ctx)?;
                }
                self.tell_messages(Some(connection.socket), ctx)?;
                place + 1
            }
            Request::GoOn(place) if self.calls.is_undecided(place) => {
                return Err(ActorError::conflict(
                    "chat.undecided",
                    format!("message {place} waits for a decision about a tool"),
                ));
            }
            Request::GoOn(place) => place,
        };
        let message = self.transcript.get(place).map(|message| message.id.clone());
        let turn = Turn {
            request: id.to_owned(),
            message: message.unwrap_or_else(|| format!("msg-{}", ctx.uuid())),
            place,
            caller: connection.caller.clone(),
            is_continuation: false,
            attempt: 0,
            steps: 0,
            chunks: 0,
            call: None,
        };
        self.enqueue(turn, ctx)
    }

    /// Refuses more than may wait.
    pub(super) fn check_waiting(&self) -> Result<()> {
        if self.turns.waiting.len() >= WAITING_MAX {
            return Err(ActorError::overloaded(
                "chat.waiting",
                format!("{WAITING_MAX} messages wait for an answer already: wait for one, or stop one"),
            ));
        }
        Ok(())
    }

    /// The place behind all messages, and behind all answers that are to come.
    pub(super) fn next_place(&self) -> u64 {
        let turns = self.turns.running.iter().chain(&self.turns.waiting);
        let answers = turns.map(|turn| turn.place + 1).max().unwrap_or_default();
        self.transcript.end().max(answers)
    }

    /// Begins an answer, or has it wait.
    pub(super) fn enqueue(&mut self, turn: Turn, ctx: Here<'_, '_>) -> Result<()> {
        if self.turns.running.is_some() {
            self.turns.waiting.push(turn);
            return self.save_turns(ctx);
        }
        self.begin(turn, ctx)
    }

    fn begin(&mut self, mut turn: Turn, ctx: Here<'_, '_>) -> Result<()> {
        self.awaiting.clear();
        self.log.cut(0, ctx)?;
        if let Some(last) = self.turns.last.take() {
            ctx.cancel(last.forget)?;
        }
        ctx.schedule(When::Every(WATCH), &Watch)?;
        self.draft = Some(self.draft_of(&turn, ctx));
        turn.attempt = 1;
        turn.call = self.calls.ready(turn.place);
        let owner = self.owners.remove(&turn.request);
        if let Some(owner) = owner {
            ctx.send(owner, protocol::resuming(&turn.request, None))?;
            self.awaiting.insert(owner);
        }
        self.turns.running = Some(turn);
        self.save_turns(ctx)?;
        self.introduce(ctx)?;
        self.go_on(ctx)
    }

    /// Says which message this is. Clients differ in whether they go on with what they have of it: so they are told again
    /// of the calls in its last step, which are what comes next is about.
    fn introduce(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        let message = self.draft.as_ref().map(|draft| draft.message.clone());
        let Some(message) = message else { return Ok(()) };
        self.tell(&json!({ "type": "start", "messageId": message.id }), ctx)?;
        let last_step = message.parts.rsplit(|part| part["type"] == "step-start").next();
        let chunks = last_step.into_iter().flatten().flat_map(call_chunks);
        chunks.into_iter().try_for_each(|chunk| self.tell(&chunk, ctx))
    }

    fn draft_of(&self, turn: &Turn, ctx: Here<'_, '_>) -> Draft {
        let stored = self.transcript.get(turn.place);
        let stored = stored.filter(|message| message.id == turn.message).cloned();
        let message = stored.unwrap_or_else(|| UiMessage::answer(turn.message.clone()));
        Draft::new(message, ctx.now())
    }

    fn go_on(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        let call = self.turns.running.as_ref().and_then(|turn| turn.call.clone());
        match call {
            Some(call) => self.make_call(&call, ctx),
            None => self.step(ctx),
        }
    }

    /// Says a chunk of the answer.
    pub(super) fn tell(&mut self, chunk: &Value, ctx: Here<'_, '_>) -> Result<()> {
        let (number, json) = self.log.push(chunk, ctx)?;
        let Some(turn) = &self.turns.running else {
            return Ok(());
        };
        let frame = protocol::chunk(&turn.request, &json, turn.number(number), turn.manner());
        self.to_listeners(frame, ctx)
    }

    /// Makes durable what is finished: another attempt begins behind it.
    pub(super) fn keep(&mut self, call: Option<String>, ctx: Here<'_, '_>) -> Result<()> {
        self.log.flush(ctx)?;
        let chunks = self.log.len();
        if let (Some(turn), Some(draft)) = (&mut self.turns.running, &self.draft) {
            turn.chunks = chunks;
            turn.call = call;
            self.transcript.put(turn.place, draft.message.clone(), ctx)?;
        }
        self.save_turns(ctx)
    }

    /// Ends the answer, and begins the next.
    pub(super) fn end(&mut self, outcome: Outcome, error: Option<String>, ctx: Here<'_, '_>) -> Result<()> {
        self.close_text(ctx)?;
        self.log.flush(ctx)?;
        let (Some(turn), Some(mut draft)) = (self.turns.running.take(), self.draft.take()) else {
            return Ok(());
        };
        if let Some(call) = &turn.call {
            if let Some(part) = draft.message.call_mut(call) {
                set_error(part, "it was stopped before its result was known");
            }
            self.calls.remove(call, ctx)?;
        }
        let message = std::mem::replace(&mut draft.message, UiMessage::answer(String::new()));
        if !message.parts.is_empty() {
            self.transcript.put(turn.place, message.clone(), ctx)?;
        }
        let end = protocol::end(&turn.request, outcome, error.as_deref(), turn.manner());
        self.to_listeners(end, ctx)?;
        if turn.attempt > 1 || turn.is_continuation {
            // Whatever clients have made of what they heard, this is the message.
            self.to_listeners(protocol::updated(&message), ctx)?;
        }
        if turn.attempt > 1 {
            self.to_listeners(protocol::recovering(&turn.request, false), ctx)?;
        }
        if turn.is_continuation && turn.place + 1 < self.transcript.end() {
            // Clients take a continuation for one of the last message.
            self.tell_messages(None, ctx)?;
        } else if !self.awaiting.is_empty() {
            let messages = protocol::messages(&self.transcript.to_json(), false);
            ctx.send_to_all(self.awaiting.iter().copied(), messages)?;
        }
        let forget = Forget {
            request: turn.request.clone(),
        };
        self.turns.last = Some(Ended {
            forget: ctx.schedule_another(When::In(KEPT), &forget)?.id,
            request: turn.request,
            place: turn.place,
            is_continuation: turn.is_continuation,
            outcome,
            error,
        });
        self.stop_watching(ctx)?;
        self.sum_up(ctx)?;
        if self.turns.waiting.is_empty() {
            return self.save_turns(ctx);
        }
        let next = self.turns.waiting.remove(0);
        self.begin(next, ctx)
    }

    fn stop_watching(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        let watch = ctx
            .schedules()
            .find(|schedule| schedule.method == Watch::NAME)
            .map(|schedule| schedule.id);
        watch.map_or(Ok(()), |watch| ctx.cancel(watch).map(drop))
    }

    /// A client wants an answer to stop.
    pub(super) fn cancel(&mut self, request: &str, ctx: Here<'_, '_>) -> Result<()> {
        if self.turns.running.as_ref().is_some_and(|turn| turn.request == request) {
            return self.end(Outcome::Aborted, None, ctx);
        }
        let waiting = self.turns.waiting.iter().position(|turn| turn.request == request);
        let Some(turn) = waiting.map(|waiting| self.turns.waiting.remove(waiting)) else {
            return Ok(());
        };
        self.save_turns(ctx)?;
        let end = protocol::end(&turn.request, Outcome::Aborted, None, turn.manner());
        self.to_listeners(end, ctx)
    }

    /// Takes up an answer that another activation has begun.
    pub(super) fn take_up(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        if self.draft.is_some() {
            return Ok(());
        }
        let Some(mut turn) = self.turns.running.take() else {
            return Ok(());
        };
        let mut draft = self.draft_of(&turn, ctx);
        if turn.attempt >= ATTEMPTS_MAX {
            let text = self.log.text_from(turn.chunks);
            if !text.is_empty() {
                draft.message.parts.push(text_part(&text));
            }
            (self.draft, self.turns.running) = (Some(draft), Some(turn));
            let error = format!("the answer was interrupted {ATTEMPTS_MAX} times, and is given up");
            return self.end(Outcome::Error, Some(error), ctx);
        }
        turn.attempt += 1;
        self.log.cut(turn.chunks, ctx)?;
        // Clients that hear the answer drop what they have of it, and hear it from its beginning.
        let hearers = ctx.tagged(HEARS)?;
        for frame in [
            protocol::interruption(&turn.request),
            protocol::recovering(&turn.request, true),
            protocol::resuming(&turn.request, None),
        ] {
            ctx.send_to_all(hearers.iter().copied(), frame)?;
        }
        self.awaiting.extend(hearers);
        (self.draft, self.turns.running) = (Some(draft), Some(turn));
        self.save_turns(ctx)?;
        if self.log.len() == 0 {
            self.introduce(ctx)?;
        }
        self.go_on(ctx)
    }

    /// A client forgets everything.
    pub(super) fn clear(&mut self, socket: SocketId, ctx: Here<'_, '_>) -> Result<()> {
        let turns = std::mem::take(&mut self.turns);
        self.draft = None;
        for turn in turns.running.iter().chain(&turns.waiting) {
            let end = protocol::end(&turn.request, Outcome::Aborted, None, turn.manner());
            self.to_listeners(end, ctx)?;
        }
        if let Some(last) = turns.last {
            ctx.cancel(last.forget)?;
        }
        self.stop_watching(ctx)?;
        self.awaiting.clear();
        self.owners.clear();
        self.log.cut(0, ctx)?;
        self.transcript.truncate(0, ctx)?;
        self.calls.forget_from(0, ctx)?;
        self.forget_summary_from(0, ctx)?;
        self.save_turns(ctx)?;
        ctx.broadcast(protocol::cleared(), Some(socket))
    }

    /// A client says what the messages are to be. Answers stay as they were given: they can be left out, not changed.
    pub(super) fn edit(&mut self, socket: SocketId, messages: &[Value], ctx: Here<'_, '_>) -> Result<()> {
        let edited = self.edited(messages);
        let edited = match edited {
            Ok(edited) => edited,
            Err(error) => {
                tracing::debug!(%error, "a client's messages are refused");
                return ctx.send(socket, protocol::messages(&self.transcript.to_json(), false));
            }
        };
        let kept: Vec<UiMessage> = self
            .transcript
            .between(0, u64::MAX)
            .map(|(_, message)| message.clone())
            .collect();
        if kept != edited {
            let same = kept.iter().zip(&edited).take_while(|(old, new)| old == new).count();
            let nth = self.transcript.between(0, u64::MAX).nth(same).map(|(place, _)| place);
            self.forget_from(nth.unwrap_or_else(|| self.transcript.end()), ctx)?;
            for mut message in edited.into_iter().skip(same) {
                // What was asked for may not be wanted in another conversation.
                message.parts.iter_mut().filter(|part| is_open(part)).for_each(|part| {
                    set_error(part, "the conversation was changed");
                });
                let place = self.next_place();
                self.transcript.put(place, message, ctx)?;
            }
        }
        // The client may show an answer that is none.
        self.tell_messages(None, ctx)
    }

    fn edited(&self, messages: &[Value]) -> Result<Vec<UiMessage>> {
        let (mut edited, mut ids) = (Vec::new(), BTreeSet::new());
        for value in messages {
            let message = UiMessage::read(value)?;
            if !ids.insert(message.id.clone()) {
                continue;
            }
            let known = self
                .transcript
                .place_of(&message.id)
                .and_then(|place| self.transcript.get(place));
            match (message.role, known) {
                (_, Some(known)) if known.role == Speaker::Assistant => edited.push(known.clone()),
                (Speaker::User, _) => {
                    message.check()?;
                    edited.push(message);
                }
                (Speaker::Assistant, _) => {}
            }
        }
        let new = edited
            .iter()
            .filter(|message: &&UiMessage| self.transcript.place_of(&message.id).is_none());
        let json: Vec<String> = new.map(UiMessage::to_json).collect::<Result<_>>()?;
        self.transcript
            .check_room(json.len(), json.iter().map(String::len).sum())?;
        Ok(edited)
    }

    /// Forgets the messages from a place on, and stops the answers there.
    fn forget_from(&mut self, place: u64, ctx: Here<'_, '_>) -> Result<()> {
        let waiting = self.turns.waiting.iter().filter(|turn| turn.place >= place);
        let waiting: Vec<String> = waiting.map(|turn| turn.request.clone()).collect();
        waiting.iter().try_for_each(|request| self.cancel(request, ctx))?;
        let running = self.turns.running.as_ref().filter(|turn| turn.place >= place);
        if let Some(request) = running.map(|turn| turn.request.clone()) {
            self.cancel(&request, ctx)?;
        }
        self.calls.forget_from(place, ctx)?;
        self.forget_summary_from(place, ctx)?;
        self.transcript.truncate(place, ctx)
    }

    fn forget_summary_from(&mut self, place: u64, ctx: Here<'_, '_>) -> Result<()> {
        self.history += 1;
        self.is_summing_up = false;
        if self.summary.as_ref().is_some_and(|summary| summary.place >= place) {
            self.summary = None;
            ctx.delete(&SUMMARY)?;
        }
        Ok(())
    }
}

impl Callable<Watch> for Chat {
    async fn call(&mut self, Watch: Watch, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        if self.turns.running.is_none() {
            return self.stop_watching(ctx);
        }
        let now = ctx.now();
        let is_lost = |draft: &Draft| now.since(draft.moved) > STALL;
        if self.draft.as_ref().is_some_and(is_lost) {
            self.draft = None;
            self.log.flush(ctx)?;
        }
        self.take_up(ctx)
    }
}

impl Callable<Forget> for Chat {
    async fn call(&mut self, Forget { request }: Forget, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        if self.turns.running.is_none() && self.turns.last.take_if(|last| last.request == request).is_some() {
            self.log.cut(0, ctx)?;
            self.save_turns(ctx)?;
        }
        Ok(())
    }
}
