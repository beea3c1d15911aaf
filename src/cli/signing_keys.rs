//! `foundation signing-keys`: the keys that sign tokens.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{client::Client, command::CliError, output::Output};

/// Where the keys are.
const ROOT: &str = "/api/admin/signing-keys";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show how each key stands.
    List,
    /// Make a new key, which signs ten seconds later. What the keys before it signed is accepted until it ends.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// End what the keys before it signed: everyone has to sign in again.
    #[arg(long)]
    revoke_previous: bool,
}

pub(super) async fn run(command: Command, client: &Client, output: &Output) -> Result<(), CliError> {
    match command {
        Command::List => {
            let keys = client.get(ROOT).await?["items"].take();
            let keys = keys.as_array().map(Vec::as_slice).unwrap_or_default();
            let rows = keys.iter().map(|key| {
                let id = key["id"].as_str().unwrap_or_default().to_owned();
                vec![id, moment(&key["signs_from"]), moment(&key["accepted_until"])]
            });
            output.table(&keys, &["key", "signs from", "accepted until"], rows.collect());
        }
        Command::Rotate(Rotate { revoke_previous }) => {
            let key = client
                .post(ROOT, &json!({ "revoke_previous": revoke_previous }))
                .await?;
            output.result(&key, || {
                let id = key["id"].as_str().unwrap_or_default();
                format!("key {id} signs from {} on", moment(&key["signs_from"]))
            });
        }
    }
    Ok(())
}

/// A time, or nothing where there is none.
fn moment(seconds: &Value) -> String {
    let at = seconds.as_i64().filter(|seconds| *seconds > 0);
    let at = at.and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or_else(String::new, |at| at.to_string())
}
