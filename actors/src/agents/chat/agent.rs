//! The chat as an agent: what reaches it, and where it goes.

use std::collections::{BTreeMap, BTreeSet};

use cluster::prelude::{ActorError, Frame, Result, SocketId, Timestamp};
use futures_util::{Stream, StreamExt, future::AbortHandle, stream::abortable};

use super::{
    calls::Calls,
    env::ChatEnv,
    log::Log,
    message::UiMessage,
    methods::{AllowTool, AllowedTools, Expire, Forget, Heard, News, Notice, Remind, Summarised, Watch},
    protocol::{self, Said},
    rows::{ALLOWED, Outcome, SUMMARY, Summary, TURNS, Turns},
    transcript::Transcript,
};
use crate::agents::{Agent, AgentCtx, AgentRequest, AgentResponse, Callable, Connection, Methods, ctx::HEARS};

/// Last part of the path under which the messages are read.
const GET_MESSAGES: &str = "get-messages";

pub(super) type Here<'a, 'c> = &'a mut AgentCtx<'c, Chat>;

/// A conversation with one person.
#[derive(Debug)]
pub struct Chat {
    pub(super) transcript: Transcript,
    pub(super) turns: Turns,
    pub(super) log: Log,
    /// The answer that is being given, if this activation has begun it.
    pub(super) draft: Option<Draft>,
    /// Who was told to acknowledge, and has not yet.
    pub(super) awaiting: BTreeSet<SocketId>,
    /// Who waits for continuations that have not begun.
    pub(super) owners: BTreeMap<String, SocketId>,
    pub(super) calls: Calls,
    pub(super) allowed: BTreeSet<String>,
    pub(super) summary: Option<Summary>,
    pub(super) is_summing_up: bool,
    /// Grows when something of the past changes.
    pub(super) history: u64,
    /// Number of the last work that was begun.
    works: u64,
}

/// An answer that is being given.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) message: UiMessage,
    /// The text that is being said.
    pub(super) text: Option<String>,
    /// When something last happened.
    pub(super) moved: Timestamp,
    /// The work that goes on beside the mailbox.
    work: Option<(u64, AbortHandle)>,
}

impl Draft {
    pub(super) fn new(message: UiMessage, now: Timestamp) -> Self {
        Self {
            message,
            text: None,
            moved: now,
            work: None,
        }
    }
}

impl Drop for Draft {
    /// Whatever the model still does is not wanted any more.
    fn drop(&mut self) {
        if let Some((_, abort)) = &self.work {
            abort.abort();
        }
    }
}

impl Agent for Chat {
    const NAME: &'static str = "chat";
    const ABOUT: &'static str = "Talks with one person, and does what it is allowed to.";
    type State = ();
    type Env = ChatEnv;

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods
            .callable::<AllowTool>()
            .callable::<AllowedTools>()
            .callable::<Notice>()
            .own::<Heard>()
            .own::<Watch>()
            .own::<Forget>()
            .own::<Expire>()
            .own::<Remind>()
            .own::<Summarised>()
    }

    async fn start(ctx: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self {
            transcript: Transcript::load(ctx).await?,
            turns: ctx.get(&TURNS).await?.unwrap_or_default(),
            log: Log::load(ctx).await?,
            draft: None,
            awaiting: BTreeSet::new(),
            owners: BTreeMap::new(),
            calls: Calls::load(ctx).await?,
            allowed: ctx.get(&ALLOWED).await?.unwrap_or_default(),
            summary: ctx.get(&SUMMARY).await?,
            is_summing_up: false,
            history: 0,
            works: 0,
        })
    }

    async fn connect(&mut self, connection: &Connection, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        self.take_up(ctx)?;
        self.greet(connection.socket, ctx)
    }

    async fn message(&mut self, connection: &Connection, message: Frame, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        self.take_up(ctx)?;
        let said = match &message {
            Frame::Text(text) => Said::read(text),
            Frame::Binary(_) => Said::Other,
        };
        let socket = connection.socket;
        match said {
            Said::Resume { probe } => self.answer_probe(socket, probe.as_deref(), ctx),
            Said::Acknowledge(request) => self.repeat(socket, &request, ctx),
            Said::Other => {
                tracing::debug!("a client of a chat said something that nobody understands");
                Ok(())
            }
            Said::Request { id, .. } if connection.is_readonly => {
                ctx.send(socket, protocol::refusal(&id, "Connection is readonly"))
            }
            Said::Messages(_) | Said::Approval { .. } | Said::Result { .. } if connection.is_readonly => {
                let messages = protocol::messages(&self.transcript.to_json(), false);
                ctx.send(socket, messages)
            }
            Said::Cancel(_) | Said::Clear if connection.is_readonly => Ok(()),
            Said::Request { id, body } => match self.ask(connection, &id, &body, ctx) {
                Ok(()) => Ok(()),
                Err(error) => ctx.send(socket, protocol::refusal(&id, error.message())),
            },
            Said::Cancel(request) => self.cancel(&request, ctx),
            Said::Clear => self.clear(socket, ctx),
            Said::Messages(messages) => self.edit(socket, &messages, ctx),
            Said::Approval {
                call,
                is_approved,
                goes_on,
            } => self.decide(connection, &call, is_approved, goes_on, ctx),
            Said::Result { call } => self.tell_of_call(socket, &call, ctx),
        }
    }

    async fn close(&mut self, connection: &Connection, _: &mut AgentCtx<'_, Self>) -> Result<()> {
        self.awaiting.remove(&connection.socket);
        self.owners.retain(|_, owner| *owner != connection.socket);
        Ok(())
    }

    async fn gap(&mut self, connection: &Connection, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        self.take_up(ctx)?;
        self.begin_anew_for(connection.socket, ctx)
    }

    async fn request(&mut self, request: AgentRequest, _: &mut AgentCtx<'_, Self>) -> Result<AgentResponse> {
        if request.path.rsplit('/').next() == Some(GET_MESSAGES) && request.method == "GET" {
            return Ok(AgentResponse {
                status: 200,
                content_type: "application/json".to_owned(),
                body: self.transcript.to_json().into_bytes(),
            });
        }
        Err(ActorError::not_found(
            "agent.no-such-path",
            format!("a chat answers GET {GET_MESSAGES}, and nothing else"),
        ))
    }
}

impl Callable<Heard> for Chat {
    async fn call(&mut self, Heard { work, news }: Heard, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let draft = self.draft.as_mut();
        let of_work = draft.filter(|draft| draft.work.as_ref().is_some_and(|(number, _)| *number == work));
        let Some(draft) = of_work else {
            // So that whoever still does it stops.
            return Err(ActorError::conflict("chat.over", "nobody waits for this any more"));
        };
        draft.moved = ctx.now();
        match self.hear(news, ctx) {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::warn!(chat = ctx.name(), %error, "an answer has failed");
                self.end(Outcome::Error, Some(error.message().to_owned()), ctx)
            }
        }
    }
}

impl Chat {
    /// Begins what the answer waits for.
    pub(super) fn work(&mut self, work: impl Stream<Item = News> + Send + 'static, ctx: Here<'_, '_>) {
        self.works += 1;
        let number = self.works;
        let (work, abort) = abortable(work.map(move |news| Heard { work: number, news }));
        ctx.spawn_stream(work);
        if let Some(draft) = &mut self.draft {
            draft.work = Some((number, abort));
        }
    }

    /// Sends something to all who hear what is said as it is said.
    pub(super) fn to_listeners(&self, frame: String, ctx: Here<'_, '_>) -> Result<()> {
        let mut listeners = ctx.tagged(HEARS)?;
        listeners.retain(|socket| !self.awaiting.contains(socket));
        ctx.send_to_all(listeners, frame)
    }

    /// Tells all but one what the messages are.
    pub(super) fn tell_messages(&self, except: Option<SocketId>, ctx: Here<'_, '_>) -> Result<()> {
        let hearers = ctx.tagged(HEARS)?;
        if hearers.iter().all(|socket| Some(*socket) == except) {
            return Ok(());
        }
        ctx.broadcast(protocol::messages(&self.transcript.to_json(), false), except)
    }

    pub(super) fn save_turns(&self, ctx: Here<'_, '_>) -> Result<()> {
        ctx.put(&TURNS, &self.turns)
    }
}
