//! `foundation cluster`: what concerns several nodes.

mod certs;
mod nodes;
mod recover;

use clap::Subcommand;

pub use certs::CertsError;
pub(super) use nodes::run;
pub(super) use recover::run as unsafe_recover;

use super::{command::CliError, output::Output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the certificates with which nodes trust each other.
    Certs(certs::Arguments),
    /// LOSES DATA. Go on with what the node of this data directory has, when most of the others are lost for good. The server
    /// must be stopped.
    UnsafeRecover(recover::Arguments),
    #[command(flatten)]
    Nodes(nodes::Command),
}

pub(super) fn certs(arguments: &certs::Arguments, output: &Output) -> Result<(), CliError> {
    Ok(certs::run(arguments, output)?)
}
