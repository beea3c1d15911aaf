//! The commands and their flags, and the way from one to the other.

use std::{os::unix::process::CommandExt, path::PathBuf, process::ExitCode};

use ::actors::{agents::Agents, audit::ExportFault};
use clap::{Args, Parser, Subcommand};
use cluster::prelude::ActorError;

use super::{
    actors, audit, backup,
    client::{Client, ClientError},
    cluster as nodes, config, doctor, mcp, models,
    output::Output,
    phases, runs, signing_keys, tenants, token, vectors, watch,
};
use crate::{
    config::{Config, ConfigError, Layers, load},
    planes::ai::{models::FetchError, thread_environment},
    server::{self, ServeError},
};

/// A self-hosted server of virtual actors: ideas in, finished plans out.
#[derive(Debug, Parser)]
#[command(name = "foundation", version)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Configuration file [environment: FOUNDATION_CONFIG] [default: config/foundation.toml where it exists].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override a key of the configuration; may be repeated.
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Directory of everything the server keeps: short for --set db.path=DIR.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Address of the server [environment: FOUNDATION_URL] [default: the configured one].
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server.
    Serve(Serve),
    /// Manage the embedded models.
    #[command(subcommand)]
    Models(models::Command),
    /// Make a token for a program, or a link that signs a person in once.
    Token(token::Arguments),
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Check that this machine can run the server.
    Doctor(doctor::Arguments),
    /// Copy what the server keeps into a folder, while it runs.
    Backup(backup::Arguments),
    /// Bring back a backup: all of it while the server is stopped, a tenant or an actor while it runs.
    Restore(backup::RestoreArguments),
    /// Create and follow planning runs.
    #[command(subcommand)]
    Run(runs::Command),
    /// Look at actors, as the operator of the server.
    #[command(subcommand)]
    Actors(actors::Command),
    /// Check exported audit chains.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Show and change the keys that sign tokens, as the operator of the server.
    #[command(subcommand)]
    SigningKeys(signing_keys::Command),
    /// List, suspend and erase tenants, as the operator of the server.
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Look at the vector index and make it anew, as the operator of the server.
    #[command(subcommand)]
    Vectors(vectors::Command),
    /// Manage what several nodes have in common.
    #[command(subcommand)]
    Cluster(nodes::Command),
    /// Let a program that speaks the Model Context Protocol over standard input and output use the server.
    Mcp,
    /// List the phases of a planning run.
    Phases,
}

#[derive(Debug, Args)]
struct Serve {
    /// Address and port to listen on: short for --set server.bind=ADDRESS.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| "must be SECTION.KEY=VALUE".to_owned())
}

/// The process environment, read once by `main`.
#[derive(Debug, Clone, Default)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// Keeps the variables.
    #[must_use]
    pub fn new(variables: Vec<(String, String)>) -> Self {
        Self(variables)
    }

    /// Reads one variable; an empty one counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server did not start or did not stop well.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The server could not be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A model file could not be fetched.
    #[error(transparent)]
    Models(#[from] FetchError),
    /// A file of the command could not be read or written.
    #[error("failed to use {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The command needs what was not given.
    #[error("{0}")]
    Usage(String),
    /// The runtime of the client did not start.
    #[error("failed to start the client: {0}")]
    Runtime(std::io::Error),
    /// The program could not start itself again with limited threads.
    #[error("failed to start the program again: {0}")]
    Restart(std::io::Error),
    /// The run that was watched did not end well.
    #[error("the run ended as {0}")]
    RunEnded(&'static str),
    /// A backup is not what it should be, or cannot be written.
    #[error(transparent)]
    Backup(#[from] cluster::BackupError),
    /// The server could not do what it was asked to do in the background.
    #[error("the server failed: {0}")]
    Job(String),
    /// The certificates of a cluster could not be made.
    #[error(transparent)]
    Certs(#[from] nodes::CertsError),
    /// A node did not found a cluster, or did not come into one.
    #[error(transparent)]
    Admission(#[from] cluster::AdmissionError),
    /// A node could not be made a cluster of its own.
    #[error(transparent)]
    Recovery(#[from] cluster::RecoveryError),
    /// An exported audit chain is not what the cluster exported.
    #[error("the audit chain is broken: {0}")]
    Audit(#[source] ExportFault),
    /// A check of `doctor` failed.
    #[error("{0} of the checks failed")]
    Unhealthy(usize),
}

impl CliError {
    /// The exit code: 2 where the command or the configuration must change, 1 for everything else.
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Serve(error) => error.exit_code(),
            Self::Admission(error) if error.is_lasting() => 2,
            Self::Client(_)
            | Self::Models(_)
            | Self::File { .. }
            | Self::Runtime(_)
            | Self::Restart(_)
            | Self::RunEnded(_)
            | Self::Backup(_)
            | Self::Job(_)
            | Self::Certs(_)
            | Self::Admission(_)
            | Self::Recovery(_)
            | Self::Audit(_)
            | Self::Unhealthy(_) => 1,
        }
    }
}

/// Runs one command and tells how it went.
#[must_use]
pub fn run(cli: Cli, environment: &Environment, agents: Result<Agents, ActorError>) -> ExitCode {
    let output = Output::new(cli.global.json);
    match dispatch(cli, environment, agents, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(
    cli: Cli,
    environment: &Environment,
    agents: Result<Agents, ActorError>,
    output: &Output,
) -> Result<(), CliError> {
    let Cli { global, command } = cli;
    let mut layers = Layers {
        file: global
            .config
            .clone()
            .or_else(|| environment.get("FOUNDATION_CONFIG").map(PathBuf::from)),
        environment: environment.0.clone(),
        flags: global.set.clone(),
    };
    if let Some(path) = &global.data_dir {
        layers.flags.push(("db.path".to_owned(), path.clone()));
    }
    match command {
        Command::Serve(Serve { listen }) => {
            if let Some(listen) = listen {
                layers.flags.push(("server.bind".to_owned(), listen));
            }
            let config = load(&layers)?;
            limit_threads(&config, environment)?;
            let announce = |note: &server::Note| output.note(note);
            Ok(server::serve(config, environment, agents, &announce)?)
        }
        Command::Models(command) => Ok(models::run(&command, &load(&layers)?, output)?),
        Command::Config(command) => config::run(&command, &layers, output),
        Command::Doctor(arguments) => {
            let config = load(&layers)?;
            let is_named = global.url.is_some() || environment.get("FOUNDATION_URL").is_some();
            with_client(&global, &config, environment, async |client| {
                doctor::run(&arguments, &config, client, is_named, output).await
            })
        }
        Command::Backup(arguments) => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| {
                backup::run(&arguments, &config, client, output).await
            })
        }
        Command::Restore(arguments) if arguments.is_offline() => {
            backup::restore_node(&arguments, &load(&layers)?, output)
        }
        Command::Restore(arguments) => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| {
                backup::restore_part(&arguments, &config, client, output).await
            })
        }
        Command::Cluster(nodes::Command::Certs(arguments)) => nodes::certs(&arguments, output),
        Command::Cluster(nodes::Command::Init) => nodes::init(&load(&layers)?, output),
        Command::Cluster(nodes::Command::Join(arguments)) => {
            layers.flags.extend(arguments.seeds());
            nodes::join(&arguments, &load(&layers)?, output)
        }
        Command::Cluster(nodes::Command::UnsafeRecover(arguments)) => {
            nodes::unsafe_recover(&arguments, &load(&layers)?, output)
        }
        Command::Cluster(nodes::Command::Nodes(command)) => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| {
                nodes::run(command, client, output).await
            })
        }
        Command::Audit(command) => audit::run(&command, output),
        Command::Phases => {
            phases::run(output);
            Ok(())
        }
        Command::Mcp => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| {
                mcp::run(client, output).await
            })
        }
        Command::Token(arguments) => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| {
                token::run(&arguments, client, output).await
            })
        }
        Command::Actors(command) => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| {
                actors::run(command, client, output).await
            })
        }
        Command::SigningKeys(command) => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| {
                signing_keys::run(command, client, output).await
            })
        }
        Command::Tenants(command) => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| {
                tenants::run(command, client, output).await
            })
        }
        Command::Vectors(command) => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| {
                vectors::run(command, client, output).await
            })
        }
        Command::Run(command) => {
            let config = load(&layers)?;
            with_client(&global, &config, environment, async |client| match command {
                runs::Command::Watch { run } => watch::run(client, &run, output).await,
                other => runs::run(other, client, output).await,
            })
        }
    }
}

/// Starts the program again with the variables that limit the threads of the embedded models, which their libraries read
/// only from the environment. Returns where they are set already.
fn limit_threads(config: &Config, environment: &Environment) -> Result<(), CliError> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let missing = thread_environment(config.ai.threads, cores, |name| {
        environment.get(name).map(str::to_owned)
    });
    if missing.is_empty() {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(CliError::Restart)?;
    let error = std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .envs(missing)
        .exec();
    Err(CliError::Restart(error))
}

fn with_client(
    global: &Global,
    config: &Config,
    environment: &Environment,
    act: impl AsyncFnOnce(&Client) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let url = global
        .url
        .clone()
        .or_else(|| environment.get("FOUNDATION_URL").map(str::to_owned));
    let client = Client::new(url, environment.get("FOUNDATION_TOKEN"), config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    runtime.block_on(act(&client))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::planes::ai::models::{Source, fetch};

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_may_follow_the_command() {
        let cli = Cli::try_parse_from(["foundation", "run", "list", "--json", "--url", "http://127.0.0.1:1"]).unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.url.as_deref(), Some("http://127.0.0.1:1"));
    }

    #[test]
    fn an_override_needs_a_key_and_a_value() {
        assert!(Cli::try_parse_from(["foundation", "serve", "--set", "server.bind"]).is_err());
        let cli = Cli::try_parse_from(["foundation", "serve", "--set", "ai.base-url=http://h/?a=b"]).unwrap();
        assert_eq!(cli.global.set, [("ai.base-url".to_owned(), "http://h/?a=b".to_owned())]);
    }

    #[test]
    fn the_command_that_a_failed_fetch_suggests_exists() {
        let directory = tempfile::tempdir().unwrap();
        let source = Source::Wheels(vec![directory.path().join("absent.whl")]);
        let error = fetch(directory.path(), &source, &mut |_| {}).unwrap_err().to_string();
        let suggested = error
            .lines()
            .find(|line| line.trim_start().starts_with("foundation models fetch"));
        Cli::try_parse_from(suggested.expect(&error).split_whitespace()).unwrap();
    }

    #[test]
    fn a_wrong_configuration_exits_with_2() {
        let error = CliError::from(ConfigError::UnknownKey {
            key: "a.b".to_owned(),
            origin: crate::config::Origin::Flag,
            nearest: None,
        });
        assert_eq!(error.exit_code(), 2);
    }
}
