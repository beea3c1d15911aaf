//! `foundation config`: shows the configuration that would be used, or says which key is wrong.

use clap::Subcommand;

use super::{command::CliError, output::Output};
use crate::config::{DEFAULT_FILE, Layers, load};

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Command {
    /// Check all layers and print the configuration that results.
    Check,
    /// Print the commented file with every key and its default.
    Default,
}

pub(super) fn run(command: &Command, layers: &Layers, output: &Output) -> Result<(), CliError> {
    match command {
        Command::Check => {
            let config = load(layers)?;
            output.result(&config, || {
                toml::to_string(&config).expect("the configuration has string keys only")
            });
        }
        Command::Default => output.bytes(DEFAULT_FILE.as_bytes()),
    }
    Ok(())
}
