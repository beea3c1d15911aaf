//! `foundation tenants`: all tenants, as the operator sees them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    backup,
    client::Client,
    command::CliError,
    output::{self, Output},
};

/// Root of the addresses.
const ROOT: &str = "/api/admin/tenants";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all tenants.
    List,
    /// Give a tenant another plan.
    Plan(Plan),
    /// Let nobody into a tenant any more.
    Suspend(Suspend),
    /// Let members and keys into a tenant again.
    Resume(Tenant),
    /// Give up everything that a tenant has, for good.
    Erase(Erase),
}

#[derive(Debug, Args)]
pub(super) struct Tenant {
    tenant: String,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    tenant: String,
    #[arg(value_parser = ["free", "pro", "enterprise"])]
    plan: String,
}

#[derive(Debug, Args)]
pub(super) struct Suspend {
    tenant: String,
    /// Why, for the tenant's audit chain.
    #[arg(long)]
    why: String,
}

#[derive(Debug, Args)]
pub(super) struct Erase {
    tenant: String,
    /// The name of the tenant once more: nothing brings it back.
    #[arg(long, value_name = "TENANT")]
    confirm: String,
}

pub(super) async fn run(command: Command, client: &Client, output: &Output) -> Result<(), CliError> {
    match command {
        Command::List => list(client, output).await,
        Command::Plan(Plan { tenant, plan }) => change(&tenant, "plan", &json!({ "plan": plan }), client, output).await,
        Command::Suspend(Suspend { tenant, why }) => {
            change(&tenant, "suspend", &json!({ "why": why }), client, output).await
        }
        Command::Resume(Tenant { tenant }) => change(&tenant, "resume", &json!({}), client, output).await,
        Command::Erase(Erase { tenant, confirm }) => {
            let path = format!("{ROOT}/{tenant}/erase");
            let started = client.post(&path, &json!({ "tenant": confirm })).await?;
            let job = backup::follow(client, &started, "erase", output).await?;
            output.result(&job, || {
                format!("{tenant} is erased: {} actors, {} files", job["actors"], job["objects"])
            });
            Ok(())
        }
    }
}

async fn list(client: &Client, output: &Output) -> Result<(), CliError> {
    let (mut items, mut path) = (Vec::new(), ROOT.to_owned());
    loop {
        let page = client.get(&path).await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{ROOT}?cursor={cursor}"),
            None => break,
        }
    }
    let text = |item: &Value, name: &str| output::plain(item[name].as_str().unwrap_or_default());
    let row = |item: &Value| ["id", "name", "plan", "status"].map(|name| text(item, name)).to_vec();
    let rows = items.iter().map(row).collect();
    output.table(&items, &["tenant", "name", "plan", "status"], rows);
    Ok(())
}

async fn change(tenant: &str, what: &str, body: &Value, client: &Client, output: &Output) -> Result<(), CliError> {
    let changed = client.post(&format!("{ROOT}/{tenant}/{what}"), body).await?;
    output.result(&changed, || {
        let text = |name: &str| changed[name].as_str().unwrap_or_default();
        format!("{tenant} is {}, plan {}", text("status"), text("plan"))
    });
    Ok(())
}
