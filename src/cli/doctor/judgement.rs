//! What is wrong with a cluster, why, and what to do next: a function of what a node and the cluster tell.

use std::{collections::BTreeSet, fmt::Write as _};

use cluster::NodeId;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Check, Verdict};
use crate::{
    cli::output::plain,
    gateway::{GroupView, LocalBody, NodeView},
};

/// Silence of a leader, in milliseconds, after which another one should have been elected.
const LEADER_SILENT_MS: f64 = 3_000.0;

/// Entries that a copy may lack without being told of.
const LAG: u64 = 1_000;

/// How long before its end a certificate is told of, and is bad.
const CERTIFICATE_DAYS: i64 = 30;
const CERTIFICATE_DAYS_BAD: i64 = 3;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What of the overview of the cluster is judged.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Told {
    nodes: Vec<ToldNode>,
    groups: Vec<ToldGroup>,
    notes: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct ToldNode {
    id: NodeId,
    state: String,
    drained: bool,
    why: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct ToldGroup {
    shard: Option<u16>,
    lag: std::collections::BTreeMap<NodeId, u64>,
}

/// Judges what a node sees by itself, and what the cluster tells of itself if it can.
pub(super) fn judge(seen: &LocalBody, told: Result<&Told, &str>, now: Timestamp) -> Vec<Check> {
    let mut checks = leaders(seen);
    checks.extend(leaderless_elsewhere(seen));
    checks.extend(silent(seen, &checks));
    checks.extend(lease(seen));
    match told {
        Ok(told) => {
            checks.extend(moves(seen, told));
            checks.extend(lag(seen, told));
            checks.extend(notes(told));
        }
        Err(reason) => checks.extend(untold(seen, reason)),
    }
    checks.extend(formats(seen));
    checks.extend(seen.certificate_ends_at_ms.and_then(|ends| certificate(ends, now)));
    if checks.is_empty() {
        let nodes = seen.nodes.len();
        let groups = seen.groups.len();
        let detail = format!(
            "{} sees {nodes} nodes and has copies of {groups} groups, and each of them has a leader",
            name(seen, seen.node)
        );
        checks.push(Check::new("cluster", Verdict::Good, detail));
    }
    checks
}

/// Says when a certificate ends, if that is soon.
pub(super) fn certificate(ends_at_ms: i64, now: Timestamp) -> Option<Check> {
    let left = (ends_at_ms - now.as_millisecond()).div_euclid(DAY_MS);
    let verdict = match left {
        ..CERTIFICATE_DAYS_BAD => Verdict::Bad,
        CERTIFICATE_DAYS_BAD..CERTIFICATE_DAYS => Verdict::Warning,
        CERTIFICATE_DAYS.. => return None,
    };
    let detail = match left {
        ..0 => "the certificate of this node has expired: the others refuse it".to_owned(),
        0 => "the certificate of this node ends within a day: the others refuse it then".to_owned(),
        days => format!("the certificate of this node ends in {}", count(days, "day", "days")),
    };
    let next = "make another one with `foundation cluster certs` and put it in place of the old one: it is used without a \
                restart";
    Some(Check::new("certificate", verdict, detail).next(next))
}

/// Groups that nobody leads, those with the same voters together.
fn leaders(seen: &LocalBody) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut lost: Vec<&GroupView> = seen.groups.iter().filter(|group| !is_led(seen, group)).collect();
    while let Some(first) = lost.first() {
        let voters = first.voters.clone();
        let (same, others): (Vec<_>, Vec<_>) = lost.into_iter().partition(|group| group.voters == voters);
        checks.push(leaderless(seen, &voters, &same));
        lost = others;
    }
    checks
}

/// Whether somebody leads a group, and shows it.
fn is_led(seen: &LocalBody, group: &GroupView) -> bool {
    match group.leader {
        None => false,
        Some(leader) if leader == seen.node => group.epoch.is_some(),
        Some(_) => {
            // What was taken out of a group hears nothing of it any more, and is none of its business.
            group.role == "none" || group.heard_ms.is_some_and(|heard| heard < LEADER_SILENT_MS)
        }
    }
}

fn leaderless(seen: &LocalBody, voters: &BTreeSet<NodeId>, groups: &[&GroupView]) -> Check {
    let majority = voters.len() / 2 + 1;
    let silent: Vec<&NodeView> = voters
        .iter()
        .filter(|voter| **voter != seen.node)
        .filter_map(|voter| node(seen, *voter))
        .filter(|node| node.silent_ms.is_some())
        .collect();
    let unknown = voters.iter().filter(|voter| node(seen, **voter).is_none()).count();
    let present = voters.len() - silent.len() - unknown;
    let mut detail = format!(
        "{} without a leader: {majority} of the voters {} must reach each other, and ",
        shards(groups),
        names(seen, voters.iter().copied())
    );
    if present >= majority {
        write!(
            detail,
            "{present} answer {}, so one should be elected within seconds",
            name(seen, seen.node)
        )
    } else {
        let who = if voters.contains(&seen.node) {
            "is reached with this node counted"
        } else {
            "is reached"
        };
        write!(detail, "only {present} {who}")
    }
    .expect("text grows");
    for node in &silent {
        write!(detail, "; {}", silence(node)).expect("text grows");
    }
    for node in voters.iter().filter_map(|voter| node_of_others(seen, *voter)) {
        if let (None, Some(why)) = (node.silent_ms, &node.raft_why) {
            let address = plain(&node.raft);
            write!(
                detail,
                "; the groups do not reach {} at {address}: {}",
                node.name,
                plain(why)
            )
            .expect("text grows");
        }
    }
    if unknown > 0 {
        write!(detail, "; {unknown} of them this node does not know any more").expect("text grows");
    }
    let check = Check::new("leader", Verdict::Bad, detail);
    if present >= majority {
        return check.next(
            "ask again in a few seconds; if it stays so, see that the nodes reach each other at cluster.raft-advertise, in \
             both directions",
        );
    }
    let missing = majority - present;
    let which: Vec<_> = silent.iter().map(|node| node.name.as_str()).collect();
    let which = if silent.len() == missing {
        which.join(" and ")
    } else {
        format!("{missing} of {}", which.join(", "))
    };
    let recover = if voters.contains(&seen.node) {
        "stop this server and let `foundation cluster unsafe-recover` say what would be lost: that is the only way then"
    } else {
        "run `foundation cluster unsafe-recover` on a node that has a copy: that is the only way then"
    };
    check.next(format!(
        "look whether they run and only this node is cut off (`foundation doctor` there), and then mend the network; start {which} \
         again if not: the shards go on by themselves, and nothing is lost. Only if the directories of {which} are lost for \
         good, {recover}"
    ))
}

/// Shards that this node has no copy of, and knows no leader of.
fn leaderless_elsewhere(seen: &LocalBody) -> Option<Check> {
    let has_copy = |shard: &u16| {
        let mut copies = seen.groups.iter();
        copies.any(|group| group.shard == Some(*shard) && group.role != "none")
    };
    let elsewhere: Vec<u16> = seen
        .leaderless
        .iter()
        .copied()
        .filter(|shard| !has_copy(shard))
        .collect();
    if elsewhere.is_empty() {
        return None;
    }
    let detail = format!(
        "{} without a leader, as far as this node knows, which has no copy",
        listed(&elsewhere)
    );
    let check = Check::new("leader", Verdict::Bad, detail);
    Some(check.next("ask a node that has copies: `foundation doctor` there says which voters are silent"))
}

/// Nodes that do not answer, as far as no group without a leader has told of them.
fn silent(seen: &LocalBody, told: &[Check]) -> Vec<Check> {
    let is_told = |node: &&NodeView| told.iter().any(|check| check.detail.contains(&silence(node)));
    let nodes = seen.nodes.iter();
    let nodes = nodes.filter(|node| node.id != seen.node && node.silent_ms.is_some());
    let tell = |node: &NodeView| {
        let check = Check::new("node", Verdict::Warning, silence(node));
        if node.state == "joining" {
            check.next("start its server: it was taken in, and was not heard of since")
        } else {
            check.next(format!(
                "start it again, or see why it cannot be reached; `foundation doctor` on its machine says why it ended, if the \
                 disk failed for example. If it is gone for good: `foundation cluster remove {}`, and let another node join",
                node.name
            ))
        }
    };
    nodes.filter(|node| !is_told(node)).map(tell).collect()
}

/// Shards that this node owns although no majority has confirmed that lately.
fn lease(seen: &LocalBody) -> Option<Check> {
    let is_late = |group: &&GroupView| group.epoch.is_some() && group.lease_ms == Some(0.0);
    let late: Vec<&GroupView> = seen.groups.iter().filter(is_late).collect();
    if late.is_empty() {
        return None;
    }
    let detail = format!(
        "{} owned here without a lease: no majority has answered within the time of one, so every read asks one first",
        shards(&late)
    );
    let check = Check::new("lease", Verdict::Warning, detail);
    Some(check.next(
        "ask again in a few seconds; if it stays so, the network between the nodes or one of their disks is too slow",
    ))
}

/// Nodes that are on their way out, and why they do not get on.
fn moves(seen: &LocalBody, told: &Told) -> Vec<Check> {
    let mut checks = Vec::new();
    for node in told.nodes.iter().filter(|node| node.state != "removed") {
        let name = name(seen, node.id);
        let why: Vec<_> = node.why.iter().map(|why| plain(why)).collect();
        let why = why.join("; ");
        let (is_draining, is_removing) = (node.state == "draining", node.state == "removing");
        if node.drained && is_draining {
            let check = Check::new("drain", Verdict::Good, format!("{name} has given everything away"));
            checks.push(check.next(format!("stop it, or take it back with `foundation cluster up {name}`")));
        } else if (is_draining || is_removing) && why.is_empty() {
            let detail = format!("{name} is {}, and gets on", node.state);
            checks.push(Check::new("drain", Verdict::Good, detail));
        } else if is_draining {
            let check = Check::new(
                "drain",
                Verdict::Warning,
                format!("{name} is draining, and cannot go on: {why}"),
            );
            checks.push(check.next(format!(
                "let another node join that can take what it has, or take it back with `foundation cluster up {name}`; \
                 `foundation cluster remove {name}` goes on with fewer copies"
            )));
        } else if is_removing {
            let check = Check::new(
                "removal",
                Verdict::Warning,
                format!("{name} is being removed, and cannot go on: {why}"),
            );
            checks.push(check.next(
                "start the other nodes that have copies of the same shards: a majority of them must agree; or let another node join",
            ));
        } else if !why.is_empty() {
            checks.push(Check::new("node", Verdict::Warning, format!("{name}: {why}")));
        }
    }
    checks
}

/// Copies that lack much of what their leaders have.
fn lag(seen: &LocalBody, told: &Told) -> Vec<Check> {
    let behind = |id: NodeId| {
        let lags = told
            .groups
            .iter()
            .filter_map(move |group| Some((group.shard, *group.lag.get(&id)?)));
        let lags = lags.filter(|(_, lag)| *lag > LAG);
        lags.map(|(shard, lag)| {
            let group = shard.map_or_else(
                || "the group of the cluster itself".to_owned(),
                |shard| format!("shard {shard}"),
            );
            format!("{lag} entries of {group}")
        })
        .collect::<Vec<_>>()
    };
    let nodes = seen.nodes.iter().map(|node| (node, behind(node.id)));
    let nodes = nodes.filter(|(_, behind)| !behind.is_empty());
    let tell = |(node, behind): (&NodeView, Vec<String>)| {
        let check = Check::new(
            "lag",
            Verdict::Warning,
            format!("{} lacks {}", node.name, behind.join(", ")),
        );
        check.next(if node.silent_ms.is_some() {
            "start it again: it gets what it lacks as log, or as a snapshot".to_owned()
        } else {
            format!(
                "ask again: it catches up if the numbers fall; if they grow, the disk of {} or the network to it is too slow",
                node.name
            )
        })
    };
    nodes.map(tell).collect()
}

fn notes(told: &Told) -> Vec<Check> {
    let notes = told.notes.iter();
    notes
        .map(|note| Check::new("note", Verdict::Warning, plain(note)))
        .collect()
}

/// Why the cluster does not tell of itself, if that is not because its group has no leader here, which is told already.
fn untold(seen: &LocalBody, reason: &str) -> Option<Check> {
    let meta = seen.groups.iter().find(|group| group.shard.is_none());
    if meta.is_some_and(|group| !is_led(seen, group)) {
        return None;
    }
    let detail = format!("the cluster does not tell of itself: {}", plain(reason));
    let check = Check::new("cluster", Verdict::Warning, detail);
    Some(check.next("ask again in a few seconds, or another node: what is above is what this one sees by itself"))
}

/// Nodes whose programs know less than this one's, or more.
fn formats(seen: &LocalBody) -> Vec<Check> {
    let others = seen.nodes.iter().filter(|node| node.id != seen.node);
    let tell = |node: &NodeView| {
        let (theirs, ours) = (node.format, seen.format);
        let detail = format!(
            "{} knows forms of messages up to {theirs}, this node up to {ours}",
            node.name
        );
        let check = Check::new("format", Verdict::Warning, detail);
        check.next(if theirs < ours {
            format!(
                "replace the program of {}: newer forms are not used before all nodes know them",
                node.name
            )
        } else {
            "replace the program of this node: newer forms are not used before all nodes know them".to_owned()
        })
    };
    others.filter(|node| node.format != seen.format).map(tell).collect()
}

fn node(seen: &LocalBody, id: NodeId) -> Option<&NodeView> {
    seen.nodes.iter().find(|node| node.id == id)
}

fn node_of_others(seen: &LocalBody, id: NodeId) -> Option<&NodeView> {
    node(seen, id).filter(|node| node.id != seen.node)
}

/// The name of a node, or its number where nobody knows it.
fn name(seen: &LocalBody, id: NodeId) -> String {
    node(seen, id).map_or_else(|| format!("node {id}"), |node| node.name.clone())
}

fn names(seen: &LocalBody, ids: impl Iterator<Item = NodeId>) -> String {
    let names: Vec<_> = ids.map(|id| name(seen, id)).collect();
    names.join(", ")
}

/// Since when a node is silent, and why.
fn silence(node: &NodeView) -> String {
    let since = node.silent_ms.map(ago).unwrap_or_default();
    let why = node.silent_why.as_deref().map(plain).unwrap_or_default();
    format!(
        "{} has not answered at {} for {since}: {why}",
        node.name,
        plain(&node.requests)
    )
}

/// Groups as people call them.
fn shards(groups: &[&GroupView]) -> String {
    let numbers: Vec<u16> = groups.iter().filter_map(|group| group.shard).collect();
    let has_meta = groups.iter().any(|group| group.shard.is_none());
    let meta = "the group of the cluster itself (nodes cannot come and go)";
    match (has_meta, numbers.is_empty()) {
        (true, true) => format!("{meta} is"),
        (true, false) => format!("{meta} and {}", listed(&numbers)),
        (false, _) => listed(&numbers),
    }
}

/// Numbers of shards in order, those that follow each other as one, and the verb that goes with them.
fn listed(numbers: &[u16]) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            Some(_) | None => ranges.push((*number, *number)),
        }
    }
    let ranges: Vec<_> = ranges
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    let (noun, verb) = if numbers.len() == 1 {
        ("shard", "is")
    } else {
        ("shards", "are")
    };
    format!("{noun} {} {verb}", ranges.join(", "))
}

fn ago(millis: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a time in seconds is far below 2^63")]
    let seconds = (millis / 1000.0) as i64;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        172_800.. => format!("{} days", seconds / 86_400),
    }
}

fn count(number: i64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

#[cfg(test)]
mod tests;
