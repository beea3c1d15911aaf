//! `foundation cluster`: what concerns several nodes.

mod certs;

use clap::Subcommand;

pub use certs::CertsError;

use super::{command::CliError, output::Output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the certificates with which nodes trust each other.
    Certs(certs::Arguments),
}

pub(super) fn run(command: &Command, output: &Output) -> Result<(), CliError> {
    match command {
        Command::Certs(arguments) => Ok(certs::run(arguments, output)?),
    }
}
