//! A program of one's own: the whole server, with a kind of agents that it does not have by itself.
//!
//! `cargo run --example room -- serve` starts it. People in a room see each other's lines and count together:
//!
//! ```js
//! import { AgentClient } from "agents/client";
//! const room = new AgentClient({ host: "localhost:8788", agent: "room", name: "lobby", protocols: ["foundation", `bearer.${token}`],
//!   onStateUpdate: state => console.log(state) });
//! await room.ready;
//! await room.call("say", ["hello"]);
//! ```

use std::{env, process::ExitCode, time::Duration};

use actors::agents::{
    Admission, Agent, AgentCtx, AgentRequest, AgentResponse, Callable, Connection, Method, Methods, ReplyStream, Scope,
    Streaming, When,
};
use cluster::prelude::{ActorError, Frame, Key, Keys, List, Result};
use foundation::Foundation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lines that everybody sees.
const LINES_MAX: usize = 50;
/// Lines that a room keeps.
const SAID_MAX: u64 = 10_000;
/// Most lines that are read at once.
const PAGE: usize = 500;

/// How many lines were said.
const NUMBER: Key<u64> = Key::new("room/number");
/// What was said, by its number.
const SAID: Keys<String> = Keys::new("room/said/");

/// A room of a tenant.
struct Room;

/// What everybody in the room sees.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Board {
    count: i64,
    lines: Vec<String>,
}

/// Says a line to everybody. The answer is its number.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Say {
    line: String,
}

/// Reads what was said after the line with a number.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Lines {
    after: u64,
}

/// Adds to the count.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Add(i64, i64);

/// Counts up to a number, in parts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct CountTo(u32);

/// Fails, with a reason.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Refuse(String);

/// Says a line after some seconds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct SayLater {
    line: String,
    seconds: u64,
}

impl Method for Say {
    const NAME: &'static str = "say";
    type Reply = u64;
}

impl Method for Lines {
    const NAME: &'static str = "lines";
    type Reply = Vec<String>;
}

impl Method for Add {
    const NAME: &'static str = "add";
    type Reply = i64;
}

impl Method for CountTo {
    const NAME: &'static str = "countTo";
    type Reply = u32;
}

impl Method for Refuse {
    const NAME: &'static str = "refuse";
    type Reply = ();
}

impl Method for SayLater {
    const NAME: &'static str = "sayLater";
    type Reply = ();
}

impl Agent for Room {
    const NAME: &'static str = "room";
    const ABOUT: &'static str = "A room in which a tenant talks and counts.";
    const SCOPE: Scope = Scope::Tenant;
    type State = Board;
    type Env = ();

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods
            .callable::<Say>()
            .callable::<Lines>()
            .callable::<SayLater>()
            .callable::<Add>()
            .callable::<Refuse>()
            .streaming::<CountTo>()
    }

    fn initial_state() -> Option<Board> {
        Some(Board::default())
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self)
    }

    fn admit(&mut self, connection: &Connection, _: &mut AgentCtx<'_, Self>) -> Result<Admission> {
        Ok(Admission {
            is_readonly: connection.uri.contains("watch=true"),
            ..Admission::default()
        })
    }

    fn validate(board: &Board, _: Option<&Connection>) -> Result<()> {
        if board.lines.len() > LINES_MAX {
            return Err(ActorError::invalid("room.full", "the room remembers no more"));
        }
        Ok(())
    }

    async fn message(&mut self, connection: &Connection, message: Frame, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        match message {
            Frame::Text(text) if text == "leave" => ctx.close(connection.socket, 4001, "as you like"),
            other @ (Frame::Text(_) | Frame::Binary(_)) => ctx.send(connection.socket, other),
        }
    }

    async fn request(&mut self, _: AgentRequest, ctx: &mut AgentCtx<'_, Self>) -> Result<AgentResponse> {
        AgentResponse::json(&ctx.state())
    }
}

impl Callable<Say> for Room {
    async fn call(&mut self, Say { line }: Say, ctx: &mut AgentCtx<'_, Self>) -> Result<u64> {
        let speaker = ctx.caller().map_or("room", |caller| &caller.user);
        let line = format!("{speaker}: {line}");
        let number = ctx.get(&NUMBER).await?.unwrap_or_default() + 1;
        ctx.put(&NUMBER, &number)?;
        ctx.put(&SAID.key(&suffix(number)), &line)?;
        if let Some(old) = number.checked_sub(SAID_MAX) {
            ctx.delete(&SAID.key(&suffix(old)))?;
        }
        let mut board = ctx.state().cloned().unwrap_or_default();
        board.lines.push(line);
        let beyond = board.lines.len().saturating_sub(LINES_MAX);
        board.lines.drain(..beyond);
        ctx.set_state(board)?;
        Ok(number)
    }
}

impl Callable<Lines> for Room {
    async fn call(&mut self, Lines { after }: Lines, ctx: &mut AgentCtx<'_, Self>) -> Result<Vec<String>> {
        let page = List {
            after: Some(suffix(after)),
            limit: PAGE,
            ..List::default()
        };
        let said = ctx.list(&SAID, page).await?;
        Ok(said.into_iter().map(|(_, line)| line).collect())
    }
}

/// The end of the key of a line, such that keys are ordered as lines are.
fn suffix(number: u64) -> String {
    format!("{number:020}")
}

impl Callable<SayLater> for Room {
    async fn call(&mut self, SayLater { line, seconds }: SayLater, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        ctx.schedule(When::In(Duration::from_secs(seconds)), &Say { line })
            .map(drop)
    }
}

impl Callable<Add> for Room {
    async fn call(&mut self, Add(one, other): Add, ctx: &mut AgentCtx<'_, Self>) -> Result<i64> {
        let mut board = ctx.state().cloned().unwrap_or_default();
        board.count += one + other;
        let count = board.count;
        ctx.set_state(board)?;
        Ok(count)
    }
}

impl Callable<Refuse> for Room {
    async fn call(&mut self, Refuse(why): Refuse, _: &mut AgentCtx<'_, Self>) -> Result<()> {
        Err(ActorError::conflict("room.refused", why))
    }
}

impl Streaming<CountTo> for Room {
    async fn stream(&mut self, CountTo(last): CountTo, reply: ReplyStream, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        (1..last).try_for_each(|number| reply.send(ctx, &number))?;
        reply.end(ctx, &last)
    }
}

fn main() -> ExitCode {
    Foundation::builder()
        .agent::<Room>(())
        .run(env::args_os(), env::vars_os())
}
