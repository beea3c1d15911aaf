//! A desk that a tenant shares: a state with rules, clients on different terms, and whatever else they say.

use cluster::prelude::{ActorError, Key};

use super::*;
use crate::agents::{Admission, Agent, AgentCtx, Callable, Connection, Method, Methods};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SAID: Key<Vec<String>> = Key::new("said");

pub(super) struct Desk;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Papers {
    pub(super) papers: Vec<String>,
    #[serde(default)]
    pub(super) touched: u32,
}

/// What was said that was no call.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Said;

/// Writes where the authors may not.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Trespass;

/// Clears the desk.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Clear;

impl Method for Said {
    const NAME: &'static str = "said";
    type Reply = Vec<String>;
}

impl Method for Trespass {
    const NAME: &'static str = "trespass";
    type Reply = ();
}

impl Method for Clear {
    const NAME: &'static str = "clear";
    type Reply = ();
}

impl Agent for Desk {
    const NAME: &'static str = "desk";
    const SCOPE: Scope = Scope::Tenant;
    type State = Papers;
    type Env = ();

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods.callable::<Said>().callable::<Trespass>().callable::<Clear>()
    }

    fn initial_state() -> Option<Papers> {
        Some(Papers::default())
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self)
    }

    fn admit(&mut self, connection: &Connection, _: &mut AgentCtx<'_, Self>) -> Result<Admission> {
        if connection.uri.contains("stranger") {
            return Err(ActorError::forbidden("desk.stranger", "strangers stay outside"));
        }
        Ok(Admission {
            is_readonly: connection.uri.contains("readonly"),
            is_quiet: connection.uri.contains("quiet"),
            tags: connection
                .uri
                .contains("tagged")
                .then(|| "tagged".to_owned())
                .into_iter()
                .collect(),
        })
    }

    async fn message(&mut self, connection: &Connection, message: Frame, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let mut said = ctx.get(&SAID).await?.unwrap_or_default();
        let what = match message {
            Frame::Text(text) => text,
            Frame::Binary(bytes) => format!("{} bytes", bytes.len()),
        };
        said.push(format!("{}: {what}", connection.caller.user));
        ctx.put(&SAID, &said)
    }

    async fn close(&mut self, connection: &Connection, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let mut said = ctx.get(&SAID).await?.unwrap_or_default();
        said.push(format!("{} has gone", connection.caller.user));
        ctx.put(&SAID, &said)
    }

    fn validate(state: &Papers, _: Option<&Connection>) -> Result<()> {
        if state.papers.len() > 2 {
            return Err(ActorError::invalid("desk.full", "there is no room"));
        }
        Ok(())
    }

    async fn state_changed(&mut self, _: &Connection, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let mut state = ctx.state().cloned().unwrap_or_default();
        if state.papers.iter().any(|paper| paper == "count me") {
            state.touched += 1;
            ctx.set_state(state)?;
        }
        Ok(())
    }
}

impl Callable<Said> for Desk {
    async fn call(&mut self, Said: Said, ctx: &mut AgentCtx<'_, Self>) -> Result<Vec<String>> {
        Ok(ctx.get(&SAID).await?.unwrap_or_default())
    }
}

impl Callable<Trespass> for Desk {
    async fn call(&mut self, Trespass: Trespass, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        ctx.put(&Key::new("agent/state"), &"null")
    }
}

impl Callable<Clear> for Desk {
    async fn call(&mut self, Clear: Clear, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        ctx.set_state(Papers::default())
    }
}
