//! What the author of an agent writes.

use std::future::Future;

use cluster::prelude::{ActorError, Frame, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::{AgentCtx, AgentRequest, AgentResponse, Connection, Methods};

/// Whose the agents of a kind are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Each user has their own: the same name leads two users to two agents.
    User,
    /// All users of the tenant share them.
    Tenant,
}

/// On which terms a client is connected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// It sees the state and cannot change it, neither itself nor by a method.
    pub is_readonly: bool,
    /// It is told nothing that it does not ask for: neither who the agent is nor its state.
    pub is_quiet: bool,
    /// Tags by which it is found again, at most eight of at most 256 characters.
    pub tags: Vec<String>,
}

/// A kind of agents.
///
/// Handlers of one agent never overlap, and each is one turn: what it writes is durable, or nothing of it is, before
/// anybody hears of it. Fields are working memory; they go when the agent is idle for a while or its node dies.
pub trait Agent: Sized + Send + 'static {
    /// The kind, as it stands in addresses: words of small letters and digits, with hyphens between them.
    const NAME: &'static str;

    /// What it is for, in a sentence.
    const ABOUT: &'static str = "";

    /// Whose the agents are.
    const SCOPE: Scope = Scope::User;

    /// Whether clients set the state themselves. Otherwise only the agent does, of its own accord or in a method.
    const CLIENTS_SET_STATE: bool = true;

    /// What all who are connected see. It is JSON, so fields may be added later if they have a default. `()` for none.
    type State: Serialize + DeserializeOwned + Clone + Send + Sync;

    /// What the host program gives to the kind: ports, settings, clients.
    type Env: Clone + Send + Sync + 'static;

    /// Lists the methods.
    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods
    }

    /// The state of an agent that has not set one.
    #[must_use]
    fn initial_state() -> Option<Self::State> {
        None
    }

    /// Builds the agent from what it has stored.
    ///
    /// # Errors
    /// An error reaches whoever woke the agent; the next one tries again.
    fn start(ctx: &mut AgentCtx<'_, Self>) -> impl Future<Output = Result<Self>> + Send;

    /// Decides on which terms a client is connected.
    ///
    /// # Errors
    /// An error refuses the client, which hears it.
    fn admit(&mut self, connection: &Connection, ctx: &mut AgentCtx<'_, Self>) -> Result<Admission> {
        let _ = (connection, ctx);
        Ok(Admission::default())
    }

    /// A client is connected, and was told what it is told.
    ///
    /// # Errors
    /// An error refuses the client, which hears it.
    fn connect(
        &mut self,
        connection: &Connection,
        ctx: &mut AgentCtx<'_, Self>,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (connection, ctx);
        async { Ok(()) }
    }

    /// A client said something that is neither a call nor a state.
    ///
    /// # Errors
    /// An error is logged.
    fn message(
        &mut self,
        connection: &Connection,
        message: Frame,
        ctx: &mut AgentCtx<'_, Self>,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (connection, message, ctx);
        async { Ok(()) }
    }

    /// A client has gone.
    ///
    /// # Errors
    /// An error is logged.
    fn close(
        &mut self,
        connection: &Connection,
        ctx: &mut AgentCtx<'_, Self>,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (connection, ctx);
        async { Ok(()) }
    }

    /// Nobody knows whether what was last sent to a client has arrived. It is sent the state anew by itself.
    ///
    /// # Errors
    /// An error is logged.
    fn gap(
        &mut self,
        connection: &Connection,
        ctx: &mut AgentCtx<'_, Self>,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (connection, ctx);
        async { Ok(()) }
    }

    /// Decides whether a state may be set, by a client or by a method that a client called.
    ///
    /// # Errors
    /// An error refuses the state.
    fn validate(state: &Self::State, connection: Option<&Connection>) -> Result<()> {
        let _ = (state, connection);
        Ok(())
    }

    /// A client has set the state.
    ///
    /// # Errors
    /// An error is logged.
    fn state_changed(
        &mut self,
        connection: &Connection,
        ctx: &mut AgentCtx<'_, Self>,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (connection, ctx);
        async { Ok(()) }
    }

    /// Somebody asks by HTTP, below the address of the agent.
    ///
    /// # Errors
    /// An error is the answer.
    fn request(
        &mut self,
        request: AgentRequest,
        ctx: &mut AgentCtx<'_, Self>,
    ) -> impl Future<Output = Result<AgentResponse>> + Send {
        let _ = ctx;
        async move {
            Err(ActorError::not_found(
                "agent.no-such-path",
                format!("an agent of kind {} answers nothing at {:?}", Self::NAME, request.path),
            ))
        }
    }
}
