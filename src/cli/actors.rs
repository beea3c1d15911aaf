//! `foundation actors`: what the operator sees of actors.

use std::{fmt::Write, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{
    client::Client,
    command::CliError,
    output::{self, Output},
};

/// Root of the addresses.
const ROOT: &str = "/api/admin/actors";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the actors of a class that have stored something.
    List(List),
    /// Show one actor: its state, its alarm, what of it is in memory.
    Show {
        /// The actor as CLASS/TENANT/NAME.
        actor: String,
    },
    /// Show the last slow turns.
    Slow,
    /// Put an actor away, and wait until what it did is durable. Its next message brings it back.
    Passivate {
        /// The actor as CLASS/TENANT/NAME.
        actor: String,
    },
    /// Print what an actor has stored: one JSON object a line with key, size and encoded value.
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Class of the actors.
    #[arg(long)]
    class: String,
    /// Only those of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only names that begin so.
    #[arg(long)]
    prefix: Option<String>,
    /// Most actors of the page, 1 to 100.
    #[arg(long)]
    limit: Option<u32>,
    /// Cursor that the page before ended with.
    #[arg(long)]
    cursor: Option<String>,
    /// How old the answer may be, such as 2s or 500ms: the node that is asked may then answer by itself. What is in memory is
    /// left out.
    #[arg(long, value_name = "AGE", value_parser = age)]
    max_age: Option<Duration>,
    /// Token of an earlier answer: this one shows no less.
    #[arg(long, value_name = "TOKEN")]
    read_token: Option<String>,
}

fn age(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number = digits
        .parse()
        .map_err(|_| "an age is a number with s or ms, such as 2s".to_owned())?;
    match unit {
        "s" => Ok(Duration::from_secs(number)),
        "ms" => Ok(Duration::from_millis(number)),
        _ => Err("an age is a number with s or ms, such as 2s".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The actor as CLASS/TENANT/NAME.
    actor: String,
    /// Save to this file instead of printing.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(command: Command, client: &Client, output: &Output) -> Result<(), CliError> {
    match command {
        Command::List(list) => self::list(&list, client, output).await,
        Command::Show { actor } => show(&actor, client, output).await,
        Command::Slow => slow(client, output).await,
        Command::Passivate { actor } => {
            let answer = client.post(&path(&actor, "/passivate")?, &json!({})).await?;
            output.result(&answer, || match answer["was_live"].as_bool() {
                Some(true) => format!("{actor} is put away"),
                Some(false) | None => format!("{actor} was not in memory"),
            });
            Ok(())
        }
        Command::Export(export) => self::export(export, client, output).await,
    }
}

/// The address of an actor. Every byte of its name that could change the path is escaped.
fn path(actor: &str, rest: &str) -> Result<String, CliError> {
    let mut parts = actor.splitn(3, '/');
    let (Some(class), Some(tenant), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(CliError::Usage(format!("{actor:?} is not CLASS/TENANT/NAME")));
    };
    if [class, tenant, name]
        .iter()
        .any(|part| matches!(*part, "" | "." | ".."))
    {
        return Err(CliError::Usage(format!("{actor:?} is not CLASS/TENANT/NAME")));
    }
    Ok(format!(
        "{ROOT}/{}/{}/{}{rest}",
        escaped(class),
        escaped(tenant),
        escaped(name)
    ))
}

fn escaped(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("a string takes what is written");
        }
    }
    text
}

async fn list(list: &List, client: &Client, output: &Output) -> Result<(), CliError> {
    let mut query = Serializer::new(String::new());
    query.append_pair("class", &list.class);
    for (name, value) in [
        ("tenant", &list.tenant),
        ("prefix", &list.prefix),
        ("cursor", &list.cursor),
        ("read_token", &list.read_token),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if let Some(limit) = list.limit {
        query.append_pair("limit", &limit.to_string());
    }
    if let Some(age) = list.max_age {
        query.append_pair("max_age_ms", &age.as_millis().to_string());
    }
    let answer = client.get(&format!("{ROOT}?{}", query.finish())).await?;
    let rows = items(&answer)
        .iter()
        .map(|item| {
            let live = &item["live"];
            let [message, duration, outcome] = turn(&live["last_turn"]);
            let state = match (item.get("live"), live.is_null()) {
                (None, _) => "",
                (Some(_), true) => "passive",
                (Some(_), false) => "live",
            };
            vec![
                id(item),
                state.to_owned(),
                number(&live["mailbox"]),
                message,
                duration,
                outcome,
            ]
        })
        .collect();
    output.table(
        &answer,
        &["actor", "state", "mailbox", "last turn", "took", "outcome"],
        rows,
    );
    if let (false, Some(cursor)) = (output.is_json(), answer["next_cursor"].as_str()) {
        output.note(&format!("more: --cursor {cursor}"));
    }
    if let (false, Some(age)) = (output.is_json(), answer["age_ms"].as_u64().filter(|age| *age > 0)) {
        output.note(&format!("{age} ms old"));
    }
    Ok(())
}

async fn show(actor: &str, client: &Client, output: &Output) -> Result<(), CliError> {
    let answer = client.get(&path(actor, "")?).await?;
    if output.is_json() {
        output.json(&answer);
        return Ok(());
    }
    output.table(&answer, &["actor", &id(&answer)], facts(&answer));
    let slow = answer["slow_turns"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !slow.is_empty() {
        let rows = slow.iter().map(|slow| slow_row(slow, false)).collect();
        output.table(&answer, &["slow turns", "message", "took", "outcome"], rows);
    }
    Ok(())
}

/// What there is to say about an actor, one fact a row.
fn facts(actor: &Value) -> Vec<Vec<String>> {
    let mut facts: Vec<(&str, String)> = vec![
        ("shard", number(&actor["shard"])),
        ("epoch", number(&actor["epoch"])),
        ("state", size(&actor["state"])),
    ];
    let alarm = &actor["alarm"];
    let alarm = match alarm["due_at_ms"].as_i64() {
        None => "none".to_owned(),
        Some(_) => {
            let retries = alarm["retries"].as_u64().unwrap_or_default();
            let failed = if retries == 0 {
                String::new()
            } else {
                format!(", failed {retries} times")
            };
            format!("{}{failed}", time(&alarm["due_at_ms"]))
        }
    };
    facts.push(("alarm", alarm));
    let live = &actor["live"];
    if live.is_null() {
        facts.push(("in memory", "no".to_owned()));
    } else {
        facts.push(("in memory", format!("idle for {}", duration(&live["idle_ms"]))));
        facts.push(("mailbox", number(&live["mailbox"])));
        let last = &live["last_turn"];
        if !last.is_null() {
            let [message, took, outcome] = turn(last);
            let began = time(&last["began_at_ms"]);
            facts.push(("last turn", format!("{message}, {began}, {took}, {outcome}")));
        }
    }
    facts
        .into_iter()
        .map(|(name, fact)| vec![name.to_owned(), fact])
        .collect()
}

async fn slow(client: &Client, output: &Output) -> Result<(), CliError> {
    let answer = client.get(&format!("{ROOT}/slow")).await?;
    let rows = items(&answer).iter().map(|slow| slow_row(slow, true)).collect();
    output.table(&answer, &["began", "actor", "message", "took", "outcome"], rows);
    Ok(())
}

fn slow_row(slow: &Value, with_actor: bool) -> Vec<String> {
    let [message, took, outcome] = turn(slow);
    let mut row = vec![time(&slow["began_at_ms"])];
    row.extend(with_actor.then(|| id(slow)));
    row.extend([message, took, outcome]);
    row
}

async fn export(export: Export, client: &Client, output: &Output) -> Result<(), CliError> {
    let address = path(&export.actor, "/values")?;
    // Pages follow each other, so a file would be half-written if the server went away in between.
    let mut lines = Vec::new();
    let mut cursor: Option<String> = None;
    let mut count = 0;
    loop {
        let query = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        let page = client.get(&format!("{address}{query}")).await?;
        for item in items(&page) {
            count += 1;
            lines.extend_from_slice(item.to_string().as_bytes());
            lines.push(b'\n');
        }
        if export.output.is_none() {
            output.bytes(&std::mem::take(&mut lines));
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let Some(file) = export.output else { return Ok(()) };
    std::fs::write(&file, &lines).map_err(|source| CliError::File {
        path: file.clone(),
        source,
    })?;
    let shown = file.display().to_string();
    output.result(&json!({ "file": shown, "values": count }), || {
        format!("{count} values are saved to {shown}")
    });
    Ok(())
}

fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// An actor as it is given to the commands.
fn id(actor: &Value) -> String {
    let part = |name: &str| output::plain(actor[name].as_str().unwrap_or_default());
    format!("{}/{}/{}", part("class"), part("tenant"), part("name"))
}

/// Message, duration and outcome of a turn.
fn turn(turn: &Value) -> [String; 3] {
    if turn.is_null() {
        return Default::default();
    }
    [
        output::plain(turn["message"].as_str().unwrap_or("(alarm)")),
        duration(&turn["duration_ms"]),
        output::plain(turn["outcome"].as_str().unwrap_or_default()),
    ]
}

fn number(value: &Value) -> String {
    value.as_u64().map(|number| number.to_string()).unwrap_or_default()
}

fn size(state: &Value) -> String {
    let (rows, bytes) = (number(&state["rows"]), number(&state["bytes"]));
    let more = if state["truncated"].as_bool() == Some(true) {
        "more than "
    } else {
        ""
    };
    format!("{more}{rows} values, {bytes} bytes")
}

/// A duration with three digits or so.
fn duration(millis: &Value) -> String {
    let Some(millis) = millis.as_f64() else {
        return String::new();
    };
    if millis < 1.0 {
        format!("{:.0} us", millis * 1000.0)
    } else if millis < 1000.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{:.1} s", millis / 1000.0)
    }
}

fn time(millis: &Value) -> String {
    let time = millis
        .as_i64()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_address() {
        assert_eq!(
            path("run/default/a/b?c d", "/passivate").unwrap(),
            "/api/admin/actors/run/default/a%2Fb%3Fc%20d/passivate"
        );
        for bad in [
            "",
            "run",
            "run/default",
            "run/default/",
            "/default/a",
            "run/../a",
            "run/default/..",
        ] {
            assert!(matches!(path(bad, ""), Err(CliError::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn an_age_has_a_unit() {
        assert_eq!(age("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(age("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "2", "s", "-2s", "2 s", "2m", "99999999999999999999s"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_and_sizes_are_short() {
        for (millis, text) in [(0.25, "250 us"), (12.34, "12.3 ms"), (61_500.0, "61.5 s")] {
            assert_eq!(duration(&json!(millis)), text);
        }
        assert_eq!(
            size(&json!({ "rows": 2, "bytes": 30, "truncated": false })),
            "2 values, 30 bytes"
        );
        assert_eq!(
            size(&json!({ "rows": 10_000, "bytes": 9, "truncated": true })),
            "more than 10000 values, 9 bytes"
        );
    }

    #[test]
    fn an_actor_is_told_as_facts() {
        let actor = json!({
            "class": "run", "tenant": "default", "name": "a", "shard": 3, "epoch": 7, "exists": true,
            "state": { "rows": 1, "bytes": 8, "truncated": false },
            "alarm": { "due_at_ms": 0, "scheduled_at_ms": 0, "retries": 2 },
            "live": { "mailbox": 1, "idle_ms": 1500.0, "last_turn":
                { "message": null, "began_at_ms": 0, "duration_ms": 3.0, "outcome": "error" } },
            "slow_turns": [],
        });
        let facts = facts(&actor);
        let fact = |name: &str| &facts.iter().find(|fact| fact[0] == name).unwrap()[1];
        assert_eq!(fact("alarm"), "1970-01-01T00:00:00Z, failed 2 times");
        assert_eq!(fact("in memory"), "idle for 1.5 s");
        assert_eq!(fact("last turn"), "(alarm), 1970-01-01T00:00:00Z, 3.0 ms, error");
        assert_eq!(id(&actor), "run/default/a");
    }
}
