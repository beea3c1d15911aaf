//! The program, and what an application adds to it.

use std::{ffi::OsString, fmt, process::ExitCode};

use actors::agents::{Agent, Agents};
use clap::Parser;
use cluster::prelude::Result;

use crate::cli::{self, Cli, Environment};

/// The program with the agents of an application: a binary of its own, with every command that this one has.
///
/// ```no_run
/// # use actors::agents::{Agent, AgentCtx};
/// # struct Greeter;
/// # impl Agent for Greeter {
/// #     const NAME: &'static str = "greeter";
/// #     type State = ();
/// #     type Env = ();
/// #     async fn start(_: &mut AgentCtx<'_, Self>) -> cluster::prelude::Result<Self> { Ok(Self) }
/// # }
/// use std::{env, process::ExitCode};
///
/// use foundation::Foundation;
///
/// fn main() -> ExitCode {
///     Foundation::builder()
///         .agent::<Greeter>(())
///         .run(env::args_os(), env::vars_os())
/// }
/// ```
pub struct Foundation {
    agents: Result<Agents>,
}

impl Foundation {
    /// The program as it is.
    #[must_use]
    pub fn builder() -> Self {
        Self {
            agents: Ok(Agents::default()),
        }
    }

    /// Adds a kind of agents, with what its agents are given. A name that is taken keeps the server from starting.
    #[must_use]
    pub fn agent<A: Agent>(mut self, env: A::Env) -> Self {
        self.agents = self.agents.and_then(|agents| agents.with::<A>(env));
        self
    }

    /// Does what the command line says, and tells how it went.
    pub fn run(
        self,
        arguments: impl IntoIterator<Item = OsString>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> ExitCode {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let environment = Environment::new(variables.into_iter().filter_map(text).collect());
        cli::run(Cli::parse_from(arguments), &environment, self.agents)
    }
}

impl fmt::Debug for Foundation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Foundation")
            .field("agents", &self.agents)
            .finish()
    }
}
