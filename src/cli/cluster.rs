//! `foundation cluster`: what concerns several nodes.

mod certs;
mod nodes;

use clap::Subcommand;

pub use certs::CertsError;
pub(super) use nodes::run;

use super::{command::CliError, output::Output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the certificates with which nodes trust each other.
    Certs(certs::Arguments),
    #[command(flatten)]
    Nodes(nodes::Command),
}

pub(super) fn certs(arguments: &certs::Arguments, output: &Output) -> Result<(), CliError> {
    Ok(certs::run(arguments, output)?)
}
