//! `foundation backup` and `foundation restore`.
//!
//! What concerns a running server is done by the server, in a folder of its data directory; these commands move it out of
//! there and into there, so they run where the server does. Everything is restored while the server is stopped.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use cluster::{Backup, BackupError, Contents};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{client::Client, command::CliError, output::Output};
use crate::{
    config::Config,
    server::{DataLock, ServeError},
};

/// Time between two questions about a job.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of the backup; it must not exist or be empty.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    part: Part,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// Folder of the backup.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    part: Part,
    /// Give up what is there: the actor, or all actors of the tenant.
    #[arg(long, requires = "tenant")]
    replace: bool,
}

impl RestoreArguments {
    /// Whether the server must be stopped for it.
    pub(super) fn is_offline(&self) -> bool {
        self.part.tenant.is_none()
    }
}

#[derive(Debug, Args)]
struct Part {
    /// Only this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only this actor of the tenant.
    #[arg(long, requires = "tenant", value_name = "CLASS/NAME", value_parser = actor)]
    actor: Option<(String, String)>,
}

fn actor(text: &str) -> Result<(String, String), String> {
    text.split_once('/')
        .filter(|(class, name)| !class.is_empty() && !name.is_empty())
        .map(|(class, name)| (class.to_owned(), name.to_owned()))
        .ok_or_else(|| "must be CLASS/NAME".to_owned())
}

impl Part {
    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        if let Some(tenant) = &self.tenant {
            body.insert("tenant".to_owned(), json!(tenant));
        }
        if let Some((class, name)) = &self.actor {
            body.insert("class".to_owned(), json!(class));
            body.insert("actor".to_owned(), json!(name));
        }
        body
    }
}

/// Lets the server make a backup, and puts it where it is wanted.
pub(super) async fn run(
    arguments: &Arguments,
    config: &Config,
    client: &Client,
    output: &Output,
) -> Result<(), CliError> {
    let folder = &arguments.folder;
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(BackupError::NotEmpty { path: folder.clone() }.into());
    }
    let started = client
        .post("/api/admin/backups", &Value::Object(arguments.part.body()))
        .await?;
    let job = follow(client, &started, "backup", output).await?;
    let name = job["name"].as_str().unwrap_or_default();
    let made = config.db.backups_dir().join(name);
    if name.is_empty() || !made.exists() {
        return Err(CliError::Usage(format!(
            "the server made backup {name}, but not in {}: run this where the server runs, with its configuration",
            config.db.backups_dir().display()
        )));
    }
    Backup::open(made)?.move_to(folder)?;
    let manifest = Backup::open(folder)?.manifest().clone();
    if manifest.contents == Contents::Node {
        output.note(&format!(
            "files are not part of it: copy {} too; vectors are made again",
            config.files.described(&config.db.path)
        ));
    }
    output.result(&json!({ "path": folder, "manifest": manifest }), || {
        format!(
            "{} in {}: {} rows, {} bytes in {} files",
            manifest.contents,
            folder.display(),
            manifest.rows(),
            manifest.bytes(),
            manifest.files.len()
        )
    });
    Ok(())
}

/// Makes the data directory of a stopped server from a backup.
pub(super) fn restore_node(arguments: &RestoreArguments, config: &Config, output: &Output) -> Result<(), CliError> {
    let _lock = DataLock::take(&config.db.path).map_err(ServeError::from)?;
    let progress = output
        .steps(2)
        .with_prefix("restore")
        .with_message("checking the backup");
    let backup = Backup::open(&arguments.folder)?;
    progress.inc(1);
    progress.set_message("writing the data directory");
    let directory = config.db.cluster_dir();
    backup.restore_node(&directory)?;
    progress.finish_and_clear();
    let manifest = backup.manifest();
    if manifest.shards != config.db.shards {
        output.note(&format!(
            "the cluster has {} shards: set db.shards = {} before the server is started",
            manifest.shards, manifest.shards
        ));
    }
    output.result(&json!({ "path": directory, "manifest": manifest }), || {
        format!(
            "{} rows restored to {}; start the server now",
            manifest.rows(),
            directory.display()
        )
    });
    Ok(())
}

/// Hands the server a backup, and lets it restore a part.
pub(super) async fn restore_part(
    arguments: &RestoreArguments,
    config: &Config,
    client: &Client,
    output: &Output,
) -> Result<(), CliError> {
    let backup = Backup::open(&arguments.folder)?;
    let name = Uuid::now_v7().to_string();
    let lent = Lent(config.db.backups_dir().join(&name));
    backup.copy_to(&lent.0)?;
    let mut body = arguments.part.body();
    body.insert("name".to_owned(), json!(name));
    body.insert("replace".to_owned(), json!(arguments.replace));
    let started = client.post("/api/admin/restores", &Value::Object(body)).await?;
    let job = follow(client, &started, "restore", output).await?;
    output.result(&job, || {
        format!(
            "{} actors restored, {} given up, {} messages on their way again",
            job["actors"], job["removed"], job["messages"]
        )
    });
    Ok(())
}

/// A copy that the server reads; it goes when the server is done.
struct Lent(PathBuf);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "failed to remove a copy");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Waits for a job, and shows how far it is.
pub(super) async fn follow(
    client: &Client,
    started: &Value,
    what: &'static str,
    output: &Output,
) -> Result<Value, CliError> {
    let path = format!("/api/admin/jobs/{}", started["id"].as_str().unwrap_or_default());
    let progress = output.steps(0).with_prefix(what);
    loop {
        let job = client.get(&path).await?;
        progress.set_length(job["total"].as_u64().unwrap_or_default());
        progress.set_position(job["done"].as_u64().unwrap_or_default());
        match job["state"].as_str() {
            Some("running") => tokio::time::sleep(PAUSE).await,
            Some("failed") => {
                progress.abandon();
                let error = job["error"].as_str().unwrap_or_default();
                return Err(CliError::Job(super::output::plain(error)));
            }
            Some(_) | None => {
                progress.finish_and_clear();
                return Ok(job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_named_by_class_and_name() {
        assert_eq!(actor("run/a/b"), Ok(("run".to_owned(), "a/b".to_owned())));
        for wrong in ["run", "run/", "/name"] {
            actor(wrong).unwrap_err();
        }
    }
}
