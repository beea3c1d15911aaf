//! `foundation vectors`: the vector index, as the operator sees it.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::Client,
    command::CliError,
    output::{self, Output},
};

/// Root of the addresses.
const ROOT: &str = "/api/admin/vectors";
/// Looks in a row that find the index failing before the command gives up: a minute.
const FAILURES_MAX: u32 = 300;
/// Pause between two looks at a rebuild.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show how the index of each tenant stands.
    Status,
    /// Make the index anew from the artifacts of all runs, and wait until that is done.
    Rebuild(Rebuild),
}

#[derive(Debug, Args)]
pub(super) struct Rebuild {
    /// Only of this tenant.
    #[arg(long)]
    tenant: Option<String>,
}

pub(super) async fn run(command: Command, client: &Client, output: &Output) -> Result<(), CliError> {
    match command {
        Command::Status => status(client, output).await,
        Command::Rebuild(Rebuild { tenant }) => rebuild(tenant, client, output).await,
    }
}

/// The index of every tenant.
async fn all(client: &Client) -> Result<Vec<Value>, CliError> {
    let (mut items, mut path) = (Vec::new(), ROOT.to_owned());
    loop {
        let page = client.get(&path).await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{ROOT}?cursor={cursor}"),
            None => return Ok(items),
        }
    }
}

fn tenant_of(item: &Value) -> String {
    item["tenant"].as_str().unwrap_or_default().to_owned()
}

async fn status(client: &Client, output: &Output) -> Result<(), CliError> {
    let items = all(client).await?;
    let rows = items
        .iter()
        .map(|item| {
            let rebuild = &item["rebuild"];
            let rebuild = match rebuild["answered"].as_u64() {
                Some(answered) => format!("{answered} of {} runs", rebuild["asked"]),
                None => String::new(),
            };
            let failure = item["failure"].as_str().unwrap_or_default();
            vec![
                tenant_of(item),
                item["pending"].to_string(),
                rebuild,
                output::plain(failure),
            ]
        })
        .collect();
    output.table(&items, &["tenant", "pending", "rebuild", "failure"], rows);
    Ok(())
}

async fn rebuild(tenant: Option<String>, client: &Client, output: &Output) -> Result<(), CliError> {
    let tenants = match tenant {
        Some(tenant) => vec![tenant],
        None => all(client).await?.iter().map(tenant_of).collect(),
    };
    for tenant in &tenants {
        client.post(&format!("{ROOT}/{tenant}/rebuild"), &json!({})).await?;
    }
    for tenant in &tenants {
        finished(tenant, client, output).await?;
    }
    output.result(&json!({ "tenants": tenants }), || {
        format!("made anew: the index of {}", tenants.join(", "))
    });
    Ok(())
}

/// Waits until the index of a tenant is rebuilt, and shows how far it is.
async fn finished(tenant: &str, client: &Client, output: &Output) -> Result<(), CliError> {
    let progress = output.steps(0).with_prefix(format!("rebuild of {tenant}"));
    let mut failures = 0;
    loop {
        let item = client.get(&format!("{ROOT}/{tenant}")).await?;
        let rebuild = &item["rebuild"];
        if rebuild.is_null() {
            progress.finish_and_clear();
            return Ok(());
        }
        failures = if item["failure"].is_null() { 0 } else { failures + 1 };
        if let Some(failure) = item["failure"].as_str().filter(|_| failures >= FAILURES_MAX) {
            progress.abandon();
            return Err(CliError::Job(format!(
                "the index of {tenant} cannot be written: {}; it is tried again in the background",
                output::plain(failure)
            )));
        }
        progress.set_length(rebuild["asked"].as_u64().unwrap_or_default());
        progress.set_position(rebuild["answered"].as_u64().unwrap_or_default());
        tokio::time::sleep(PAUSE).await;
    }
}
