//! `foundation cluster`: what concerns several nodes.

mod certs;
mod init;
mod join;
mod nodes;
mod recover;

use clap::Subcommand;

pub use certs::CertsError;
pub(super) use init::run as init;
pub(super) use join::run as join;
pub(super) use nodes::run;
pub(super) use recover::run as unsafe_recover;

use cluster::NetworkConfig;

use super::{command::CliError, output::Output};
use crate::{
    config::Config,
    server::{self, ComposeError, DataLock, ServeError},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the certificates with which nodes trust each other.
    Certs(certs::Arguments),
    /// Found a cluster in an empty data directory; its server does it when it is started. The server must be stopped.
    Init,
    /// Come into a cluster with an empty data directory, before the server is started. The server must be stopped.
    Join(join::Arguments),
    /// LOSES DATA. Go on with what the node of this data directory has, when most of the others are lost for good. The server
    /// must be stopped.
    UnsafeRecover(recover::Arguments),
    #[command(flatten)]
    Nodes(nodes::Command),
}

pub(super) fn certs(arguments: &certs::Arguments, output: &Output) -> Result<(), CliError> {
    Ok(certs::run(arguments, output)?)
}

/// The place of a stopped node among others, with the configuration that its server would use, and its directory locked.
fn place(config: &Config) -> Result<(DataLock, NetworkConfig), CliError> {
    if config.cluster.name.is_empty() {
        let needed = "cluster.name must be set: a node without a name is a cluster of its own";
        return Err(CliError::Usage(needed.to_owned()));
    }
    let wrong = |error: ComposeError| ServeError::from(error);
    config.check_shared().map_err(|error| wrong(error.into()))?;
    let network = server::network(config).map_err(|error| wrong(error.into()))?;
    let lock = DataLock::take(&config.db.path).map_err(ServeError::from)?;
    Ok((lock, network.expect("a node with a name is among others")))
}
