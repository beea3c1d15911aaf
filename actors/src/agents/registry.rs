//! The kinds of agents of a server.

use std::{collections::BTreeMap, fmt, sync::Arc};

use cluster::prelude::{ActorError, Ctx, Result};
use futures_util::future::BoxFuture;

use super::{
    Agent, AgentActor, AgentAddress, MethodInfo, Methods, Scope,
    address::is_kind,
    live::{Live, Running},
};
use crate::user::UserId;

/// What is known of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentInfo {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Whose its agents are.
    pub scope: Scope,
    /// What clients may call.
    pub methods: Vec<MethodInfo>,
}

/// The kinds of agents that there are. Cloning shares them.
#[derive(Clone, Default)]
pub struct Agents(Arc<BTreeMap<&'static str, Arc<dyn Kind>>>);

impl Agents {
    /// Adds a kind, with what its agents are given.
    ///
    /// # Errors
    /// `agent.kind` if the name is none, or taken; `agent.method` if two of its methods have one name.
    pub fn with<A: Agent>(mut self, env: A::Env) -> Result<Self> {
        let methods = Methods::<A>::of();
        if let Some(name) = methods.duplicate {
            return Err(ActorError::invalid(
                "agent.method",
                format!("agent {} has two methods {name}", A::NAME),
            ));
        }
        let is_new = is_kind(A::NAME) && !self.0.contains_key(A::NAME);
        if !is_new {
            return Err(ActorError::invalid(
                "agent.kind",
                format!("{:?} is no name for a kind of agents, or there is one already", A::NAME),
            ));
        }
        let kind = Registered::<A> {
            env,
            methods: Arc::new(methods),
        };
        let mut kinds = (*self.0).clone();
        kinds.insert(A::NAME, Arc::new(kind));
        self.0 = Arc::new(kinds);
        Ok(self)
    }

    /// What is known of all kinds, by name.
    #[must_use]
    pub fn list(&self) -> Vec<AgentInfo> {
        self.0.values().map(|kind| kind.info()).collect()
    }

    /// What is known of a kind.
    #[must_use]
    pub fn info(&self, kind: &str) -> Option<AgentInfo> {
        self.0.get(kind).map(|kind| kind.info())
    }

    /// The address of the agent that a user calls so.
    ///
    /// # Errors
    /// `agent.unknown` if there is no such kind; `agent.name` if the name is none.
    pub fn address(&self, kind: &str, user: &UserId, name: &str) -> Result<AgentAddress> {
        self.address_of(kind, Some(user), name)
    }

    /// The same for whoever may be no user.
    pub(super) fn address_of(&self, kind: &str, user: Option<&UserId>, name: &str) -> Result<AgentAddress> {
        let owner = match self.find(kind)?.scope() {
            Scope::User => Some(user.cloned().ok_or_else(|| unknown(kind))?),
            Scope::Tenant => None,
        };
        AgentAddress::new(kind, owner, name)
    }

    pub(super) fn find(&self, kind: &str) -> Result<&Arc<dyn Kind>> {
        self.0.get(kind).ok_or_else(|| unknown(kind))
    }
}

fn unknown(kind: &str) -> ActorError {
    let shown: String = kind.chars().take(64).collect();
    ActorError::not_found("agent.unknown", format!("there is no kind of agents called {shown:?}"))
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Agents").field(&self.0.keys()).finish()
    }
}

/// A kind without its type.
pub(super) trait Kind: Send + Sync {
    fn info(&self) -> AgentInfo;
    fn scope(&self) -> Scope;
    fn start<'a>(&'a self, address: AgentAddress, ctx: &'a mut Ctx<AgentActor>)
    -> BoxFuture<'a, Result<Box<dyn Live>>>;
}

struct Registered<A: Agent> {
    env: A::Env,
    methods: Arc<Methods<A>>,
}

impl<A: Agent> Kind for Registered<A> {
    fn info(&self) -> AgentInfo {
        AgentInfo {
            name: A::NAME,
            about: A::ABOUT,
            scope: A::SCOPE,
            methods: self.methods.public(),
        }
    }

    fn scope(&self) -> Scope {
        A::SCOPE
    }

    fn start<'a>(
        &'a self,
        address: AgentAddress,
        ctx: &'a mut Ctx<AgentActor>,
    ) -> BoxFuture<'a, Result<Box<dyn Live>>> {
        let (env, methods) = (self.env.clone(), Arc::clone(&self.methods));
        Box::pin(async move {
            let running = Running::<A>::start(address, env, methods, ctx).await?;
            Ok(Box::new(running) as Box<dyn Live>)
        })
    }
}
