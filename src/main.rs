//! The program: reads the command line and the environment, and does what was asked.

use std::process::ExitCode;

use clap::Parser;
use foundation::cli::{Cli, Environment, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::new(
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    );
    run(cli, &environment)
}
