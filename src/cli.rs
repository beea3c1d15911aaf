//! The command line: `foundation serve`, and a client of the HTTP API for everything else.

mod actors;
mod audit;
mod backup;
mod client;
mod cluster;
mod command;
mod config;
mod doctor;
mod mcp;
mod models;
mod output;
mod phases;
mod runs;
mod signing_keys;
mod tenants;
mod token;
mod vectors;
mod watch;

pub use self::cluster::CertsError;
pub use client::ClientError;
pub use command::{Cli, CliError, Environment, run};
