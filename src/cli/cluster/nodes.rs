//! `foundation cluster status`, `drain`, `up`, `remove`: the nodes of a cluster, asked of one that runs.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::{
    client::Client,
    command::CliError,
    output::{self, Output},
};

/// Where the nodes are told of.
const ROOT: &str = "/api/cluster";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Show nodes, shards, what moves, and why.
    Status,
    /// Move everything away from a node; no shard has fewer copies for that. Then it can be stopped.
    Drain {
        /// Name or number of the node.
        node: String,
    },
    /// Let a node that was drained take copies and lead again.
    Up {
        /// Name or number of the node.
        node: String,
    },
    /// Drain a node and take it out for good. One that does not run any more can be removed too.
    Remove {
        /// Name or number of the node.
        node: String,
    },
}

pub(in crate::cli) async fn run(command: Command, client: &Client, output: &Output) -> Result<(), CliError> {
    match command {
        Command::Status => status(client, output).await,
        Command::Drain { node } => send(&node, "drain", client, output).await,
        Command::Up { node } => send(&node, "up", client, output).await,
        Command::Remove { node } => send(&node, "remove", client, output).await,
    }
}

async fn send(node: &str, act: &str, client: &Client, output: &Output) -> Result<(), CliError> {
    let overview = client.get(ROOT).await?;
    let id = number_of(&overview, node)?;
    let answer = client.post(&format!("{ROOT}/nodes/{id}/{act}"), &json!({})).await?;
    output.result(&answer, || {
        format!(
            "{} is {}; `foundation cluster status` shows how far it is",
            name(&overview, &answer["id"]),
            text(&answer["state"])
        )
    });
    Ok(())
}

/// The number of the node that is meant, by its name or its number. A name means the node that has it now, not one that was removed.
fn number_of(overview: &Value, node: &str) -> Result<u64, CliError> {
    let present = || {
        let nodes = items(&overview["nodes"]).iter();
        nodes.filter(|known| known["state"] != "removed")
    };
    let named = present().find(|known| known["name"] == node);
    let number = named.and_then(|known| known["id"].as_u64());
    number.or_else(|| node.parse().ok()).ok_or_else(|| {
        let names: Vec<_> = present().map(|known| text(&known["name"])).collect();
        CliError::Usage(format!("there is no node {node:?}; there are {}", names.join(", ")))
    })
}

async fn status(client: &Client, output: &Output) -> Result<(), CliError> {
    let overview = client.get(ROOT).await?;
    if output.is_json() {
        output.json(&overview);
        return Ok(());
    }
    let nodes = items(&overview["nodes"]);
    output.table(
        &overview,
        &[
            "node", "name", "state", "alive", "leads", "votes", "zone", "http", "why",
        ],
        nodes.iter().map(node_row).collect(),
    );
    let groups = items(&overview["groups"]);
    output.table(
        &overview,
        &["shard", "leader", "voters", "learners", "lag"],
        groups.iter().map(|group| group_row(&overview, group)).collect(),
    );
    let moves = items(&overview["moves"]);
    if !moves.is_empty() {
        let row = |step: &Value| vec![shard(step), text(&step["what"]), text(&step["why"])];
        output.table(&overview, &["shard", "moves", "why"], moves.iter().map(row).collect());
    }
    let notes = items(&overview["notes"]);
    if !notes.is_empty() {
        let rows = notes.iter().map(|note| vec![text(note)]).collect();
        output.table(&overview, &["notes"], rows);
    }
    Ok(())
}

fn node_row(node: &Value) -> Vec<String> {
    let state = if node["drained"] == true {
        "drained".to_owned()
    } else {
        text(&node["state"])
    };
    let why: Vec<_> = items(&node["why"]).iter().map(text).collect();
    vec![
        number(&node["id"]),
        text(&node["name"]),
        state,
        alive(node).to_owned(),
        number(&node["leads"]),
        number(&node["votes"]),
        text(&node["zone"]),
        text(&node["http"]),
        why.join("; "),
    ]
}

/// Whether a node lives; of one that was removed nobody asks.
fn alive(node: &Value) -> &'static str {
    match (&node["state"], node["alive"].as_bool()) {
        (Value::String(state), _) if state == "removed" => "",
        (_, Some(true)) => "yes",
        (_, Some(false) | None) => "no",
    }
}

fn group_row(overview: &Value, group: &Value) -> Vec<String> {
    let names = |ids: &Value| {
        let names: Vec<_> = items(ids).iter().map(|id| name(overview, id)).collect();
        names.join(" ")
    };
    let leader = &group["leader"];
    let leader = if leader.is_null() {
        "nobody".to_owned()
    } else {
        name(overview, leader)
    };
    vec![
        shard(group),
        leader,
        names(&group["voters"]),
        names(&group["learners"]),
        lag(overview, &group["lag"]),
    ]
}

/// Entries that each follower lacks, of those that lack any.
fn lag(overview: &Value, lag: &Value) -> String {
    let behind: Vec<_> = lag
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, entries)| entries.as_u64() != Some(0))
        .map(|(id, entries)| {
            let id = id.parse::<u64>().map_or(Value::Null, Value::from);
            format!("{} {}", name(overview, &id), number(entries))
        })
        .collect();
    behind.join(", ")
}

/// The name of a node, or its number where nobody knows it.
fn name(overview: &Value, id: &Value) -> String {
    let nodes = items(&overview["nodes"]);
    let known = nodes.iter().find(|node| node["id"] == *id);
    known.map_or_else(|| number(id), |node| text(&node["name"]))
}

/// The number of a shard; the group of the cluster itself has none.
fn shard(of: &Value) -> String {
    of["shard"]
        .as_u64()
        .map_or_else(|| "cluster".to_owned(), |shard| shard.to_string())
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    output::plain(value.as_str().unwrap_or_default())
}

fn number(value: &Value) -> String {
    value.as_u64().map(|number| number.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overview() -> Value {
        json!({
            "nodes": [
                { "id": 1, "name": "one", "state": "up", "alive": true, "leads": 5, "votes": 8, "zone": "east",
                  "http": "127.0.0.1:8788", "why": [] },
                { "id": 2, "name": "two", "state": "removed", "alive": false, "why": [] },
                { "id": 3, "name": "two", "state": "draining", "alive": false, "drained": true, "leads": 0, "votes": 0,
                  "zone": null, "http": null, "why": ["it is gone", "it is late"] },
            ],
        })
    }

    #[test]
    fn a_node_is_meant_by_name_or_number() {
        let overview = overview();
        assert_eq!(number_of(&overview, "two").unwrap(), 3, "not the one that was removed");
        assert_eq!(number_of(&overview, "2").unwrap(), 2);
        let error = number_of(&overview, "four").unwrap_err().to_string();
        assert!(error.contains("\"four\"") && error.contains("one, two"), "{error}");
    }

    #[test]
    fn nodes_and_shards_are_told_in_rows() {
        let overview = overview();
        let nodes = items(&overview["nodes"]);
        assert_eq!(
            node_row(&nodes[0]),
            ["1", "one", "up", "yes", "5", "8", "east", "127.0.0.1:8788", ""]
        );
        assert_eq!(
            node_row(&nodes[2]),
            ["3", "two", "drained", "no", "0", "0", "", "", "it is gone; it is late"]
        );
        assert_eq!(alive(&nodes[1]), "");
        let group = json!({ "shard": 7, "leader": 1, "voters": [1, 3, 9], "learners": [], "lag": { "1": 0, "3": 12 } });
        assert_eq!(group_row(&overview, &group), ["7", "one", "one two 9", "", "two 12"]);
        let meta = json!({ "shard": null, "leader": null, "voters": [1], "learners": [3], "lag": {} });
        assert_eq!(group_row(&overview, &meta), ["cluster", "nobody", "one", "two", ""]);
    }
}
