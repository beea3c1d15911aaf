//! `foundation run`: everything that can be done with a run.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use super::{
    client::{Client, ClientError},
    command::CliError,
    output::{self, Output},
    watch,
};

/// Characters of an idea in a list.
const IDEA_CHARS: usize = 60;

/// Characters of one fact about a run, its idea or its error for example.
const FACT_CHARS: usize = 300;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a run from an idea.
    Create(Create),
    /// List runs, newest first.
    List(List),
    /// Show a run and its phases.
    Status {
        /// Id of the run.
        run: String,
    },
    /// Follow a run until it ends.
    Watch {
        /// Id of the run.
        run: String,
    },
    /// List the artifacts of a run, or print one.
    Artifacts(Artifacts),
    /// Print or save the finished plan.
    Package(Package),
    /// Stop a run between two steps.
    Pause {
        /// Id of the run.
        run: String,
    },
    /// Let a paused run go on.
    Resume {
        /// Id of the run.
        run: String,
    },
    /// End a run.
    Cancel {
        /// Id of the run.
        run: String,
    },
    /// Let a run that waits for approval make its package.
    Approve(Decision),
    /// End a run that waits for approval.
    Reject(Decision),
    /// Remove a run from the lists.
    Delete {
        /// Id of the run.
        run: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The idea; "-" reads it from standard input.
    idea: String,
    /// Review each artifact and revise it up to three times.
    #[arg(long)]
    review: bool,
    /// Wait for a person before the package is made.
    #[arg(long)]
    approval: bool,
    /// Follow the run until it ends.
    #[arg(long)]
    watch: bool,
    /// Key under which a repetition finds the run that the first attempt made.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only runs with this status.
    #[arg(long)]
    status: Option<String>,
    /// Most runs of the page, 1 to 100.
    #[arg(long)]
    limit: Option<u32>,
    /// Cursor that the page before ended with.
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Artifacts {
    /// Id of the run.
    run: String,
    /// Print the artifact of this phase.
    phase: Option<String>,
    /// Version of the artifact; the latest without it.
    #[arg(id = "artifact-version", long = "version", requires = "phase", value_name = "NUMBER")]
    version: Option<u32>,
    /// List those of abandoned attempts too.
    #[arg(long, conflicts_with = "phase")]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Package {
    /// Id of the run.
    run: String,
    /// Save to this file instead of printing.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The readable document instead of JSON.
    #[arg(long)]
    markdown: bool,
}

#[derive(Debug, Args)]
pub(super) struct Decision {
    /// Id of the run.
    run: String,
    /// Why.
    #[arg(long)]
    comment: Option<String>,
}

pub(super) async fn run(command: Command, client: &Client, output: &Output) -> Result<(), CliError> {
    match command {
        Command::Create(create) => self::create(create, client, output).await,
        Command::List(list) => self::list(&list, client, output).await,
        Command::Status { run } => status(&run, client, output).await,
        Command::Watch { run } => watch::run(client, &run, output).await,
        Command::Artifacts(artifacts) => self::artifacts(&artifacts, client, output).await,
        Command::Package(package) => self::package(package, client, output).await,
        Command::Pause { run } => act(&run, "pause", json!({}), client, output).await,
        Command::Resume { run } => act(&run, "resume", json!({}), client, output).await,
        Command::Cancel { run } => act(&run, "cancel", json!({}), client, output).await,
        Command::Approve(Decision { run, comment }) => {
            act(&run, "approve", json!({ "comment": comment }), client, output).await
        }
        Command::Reject(Decision { run, comment }) => {
            act(&run, "reject", json!({ "comment": comment }), client, output).await
        }
        Command::Delete { run } => {
            let answer = client.delete(&path(&run, "")?).await?;
            output.result(&answer, || format!("{run} is deleted"));
            Ok(())
        }
    }
}

/// The address of a run. Only an id gets into it, so nothing can change the path.
pub(super) fn path(run: &str, rest: &str) -> Result<String, CliError> {
    let id = Uuid::try_parse(run).map_err(|_| CliError::Usage(format!("{run:?} is not the id of a run")))?;
    Ok(format!("/api/planning/runs/{id}{rest}"))
}

async fn create(create: Create, client: &Client, output: &Output) -> Result<(), CliError> {
    let idea = if create.idea == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(|source| CliError::File {
            path: PathBuf::from("standard input"),
            source,
        })?
    } else {
        create.idea
    };
    let body = json!({
        "idea": idea,
        "config": { "requireReview": create.review, "requireApproval": create.approval },
    });
    // A key of our own makes one repetition after a lost answer safe.
    let key = create.idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string());
    let answer = match client.post_once("/api/planning/runs", &body, &key).await {
        Err(ClientError::Broken(_)) => client.post_once("/api/planning/runs", &body, &key).await?,
        answer => answer?,
    };
    let id = text(&answer, "id");
    if !create.watch {
        output.result(&answer, || id.clone());
        return Ok(());
    }
    if output.is_json() {
        output.json(&answer);
    } else {
        output.note(&format!("run {id}"));
    }
    watch::run(client, &id, output).await
}

async fn list(list: &List, client: &Client, output: &Output) -> Result<(), CliError> {
    let mut query = Serializer::new(String::new());
    if let Some(status) = &list.status {
        query.append_pair("status", status);
    }
    if let Some(limit) = list.limit {
        query.append_pair("limit", &limit.to_string());
    }
    if let Some(cursor) = &list.cursor {
        query.append_pair("cursor", cursor);
    }
    let answer = client.get(&format!("/api/planning/runs?{}", query.finish())).await?;
    let rows = items(&answer)
        .iter()
        .map(|run| {
            let idea = run["refined_idea"]
                .as_str()
                .or_else(|| run["idea"].as_str())
                .unwrap_or_default();
            vec![
                text(run, "id"),
                text(run, "status"),
                text(run, "current_phase"),
                time(&run["created_at"]),
                output::short(idea, IDEA_CHARS),
            ]
        })
        .collect();
    output.table(&answer, &["id", "status", "phase", "created", "idea"], rows);
    if let (false, Some(cursor)) = (output.is_json(), answer["next_cursor"].as_str()) {
        output.note(&format!("more: --cursor {cursor}"));
    }
    Ok(())
}

async fn status(run: &str, client: &Client, output: &Output) -> Result<(), CliError> {
    let columns = client.get(&path(run, "")?).await?;
    let phases = client.get(&path(run, "/phases")?).await?;
    if output.is_json() {
        output.json(&json!({ "run": columns, "phases": phases["phases"] }));
        return Ok(());
    }
    let facts = [
        "id",
        "idea",
        "status",
        "current_phase",
        "kill_verdict",
        "pivot_count",
        "quality_score",
        "error",
    ]
    .into_iter()
    .filter(|name| !columns[*name].is_null())
    .map(|name| {
        vec![
            name.replace('_', " "),
            output::short(&scalar(&columns[name]), FACT_CHARS),
        ]
    })
    .collect();
    output.table(&columns, &["run", ""], facts);
    let rows = phases["phases"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|phase| {
            let columns = ["phase", "status", "version", "review_verdict", "overall_score"];
            columns
                .into_iter()
                .map(|name| scalar(&phase[name]))
                .chain([time(&phase["created_at"])])
                .collect()
        })
        .collect();
    output.table(
        &phases,
        &["phase", "status", "version", "verdict", "score", "accepted"],
        rows,
    );
    Ok(())
}

async fn artifacts(artifacts: &Artifacts, client: &Client, output: &Output) -> Result<(), CliError> {
    if let Some(phase) = &artifacts.phase {
        let is_name = phase.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if !is_name {
            return Err(CliError::Usage(format!("{phase:?} is not the name of a phase")));
        }
        let version = artifacts
            .version
            .map(|version| format!("?version={version}"))
            .unwrap_or_default();
        let answer = client
            .get(&path(&artifacts.run, &format!("/artifacts/{phase}{version}"))?)
            .await?;
        output.result(&answer, || {
            serde_json::to_string_pretty(&answer["content"]).unwrap_or_default()
        });
        return Ok(());
    }
    let attempts = if artifacts.all { "?attempts=all" } else { "" };
    let answer = client
        .get(&path(&artifacts.run, &format!("/artifacts{attempts}"))?)
        .await?;
    let columns = [
        "phase",
        "version",
        "attempt",
        "review_verdict",
        "overall_score",
        "model",
    ];
    let rows = items(&answer)
        .iter()
        .map(|artifact| columns.into_iter().map(|name| scalar(&artifact[name])).collect())
        .collect();
    output.table(
        &answer,
        &["phase", "version", "attempt", "verdict", "score", "model"],
        rows,
    );
    Ok(())
}

async fn package(package: Package, client: &Client, output: &Output) -> Result<(), CliError> {
    let format = if package.markdown { "markdown" } else { "json" };
    let bytes = client
        .bytes(&path(&package.run, &format!("/package?format={format}"))?)
        .await?;
    let Some(file) = package.output else {
        output.bytes(&bytes);
        return Ok(());
    };
    std::fs::write(&file, &bytes).map_err(|source| CliError::File {
        path: file.clone(),
        source,
    })?;
    let shown = file.display().to_string();
    output.result(&json!({ "file": shown, "bytes": bytes.len() }), || {
        format!("saved to {shown}")
    });
    Ok(())
}

async fn act(run: &str, act: &str, body: Value, client: &Client, output: &Output) -> Result<(), CliError> {
    let answer = client.post(&path(run, &format!("/{act}"))?, &body).await?;
    output.result(&answer, || format!("{run} is {}", text(&answer, "status")));
    Ok(())
}

fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text of an answer, safe for a terminal.
pub(super) fn text(value: &Value, name: &str) -> String {
    output::plain(value[name].as_str().unwrap_or_default())
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => output::plain(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn time(value: &Value) -> String {
    value
        .as_i64()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map(|time| time.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_gets_into_an_address() {
        let id = "01980000-0000-7000-8000-000000000000";
        assert_eq!(path(id, "/pause").unwrap(), format!("/api/planning/runs/{id}/pause"));
        for bad in ["", "..", "../../health", "a/b"] {
            assert!(matches!(path(bad, ""), Err(CliError::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn text_of_an_answer_is_made_safe() {
        assert_eq!(scalar(&json!("a\u{1b}[31m")), "a [31m");
        assert_eq!(scalar(&Value::Null), "");
        assert_eq!(time(&json!(0)), "1970-01-01T00:00:00Z");
    }
}
