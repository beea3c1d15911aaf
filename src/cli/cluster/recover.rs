//! `foundation cluster unsafe-recover`: going on with what this node has, after the majority is lost for good.
//!
//! It works on the data directory of a stopped server, and asks nobody.

use clap::Args;
use cluster::{Missing, RecoveredCopy, RecoveredGroup, Recovery, RecoveryReport, SystemClock};
use serde_json::json;

use crate::{
    cli::{command::CliError, output::Output},
    config::Config,
    server::{DataLock, ServeError},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Do it. Without this flag the command says what this node has and what may be lost, and changes nothing.
    #[arg(long)]
    i_accept_data_loss: bool,
    /// Go on also if this node has no copy of some shards: they begin with what is left of them here, which is old or
    /// nothing.
    #[arg(long)]
    i_accept_missing_shards: bool,
}

pub(in crate::cli) fn run(arguments: &Arguments, config: &Config, output: &Output) -> Result<(), CliError> {
    let _lock = DataLock::take(&config.db.path).map_err(ServeError::from)?;
    let missing = if arguments.i_accept_missing_shards {
        Missing::Accept
    } else {
        Missing::Refuse
    };
    let progress = output.steps(0).with_prefix("unsafe-recover");
    let recovery = Recovery::prepare(config.db.cluster_dir(), missing, &SystemClock, |done, total| {
        progress.set_length(total as u64);
        progress.set_position(done as u64);
    });
    progress.finish_and_clear();
    let recovery = recovery?;
    let report = recovery.report();
    for line in warning(report) {
        output.note(&line);
    }
    if !arguments.i_accept_data_loss {
        if output.is_json() {
            output.json(&json!({ "done": false, "report": report }));
        } else {
            let rows = report.groups.iter().map(row).collect();
            output.table(report, &["shard", "copy", "last entry", "rows"], rows);
        }
        return Err(CliError::Usage(
            "nothing was changed: give --i-accept-data-loss if the other nodes are lost for good".to_owned(),
        ));
    }
    let report = recovery.carry_out()?;
    output.result(&json!({ "done": true, "report": report }), || {
        format!(
            "node {} is the only voter of everything; the former directory is {}; start the server now, and let new nodes join \
             it with empty directories",
            report.name,
            report.kept.display()
        )
    });
    Ok(())
}

/// What it means, in plain words.
fn warning(report: &RecoveryReport) -> Vec<String> {
    let mut lines = vec![
        format!(
            "THIS LOSES DATA. Node {} ({}) goes on alone with what it has, as another cluster",
            report.name, report.node
        ),
        "whatever the others had acknowledged and this node had not received yet is gone, and nobody can tell what that is"
            .to_owned(),
        "shards may be of different moments: a message from one actor to another may be gone, or have arrived although its \
         sender does not know that it sent it"
            .to_owned(),
    ];
    if !report.lost.is_empty() {
        let names: Vec<_> = report
            .lost
            .iter()
            .map(|(node, name)| format!("{name} ({node})"))
            .collect();
        lines.push(format!(
            "these nodes must never run again with the directories they have: {}. They are refused here, but a majority of \
             them would go on as the former cluster, and answer whoever calls it",
            names.join(", ")
        ));
    }
    let missing = report.missing();
    if !missing.is_empty() {
        let shards: Vec<_> = missing.iter().map(u16::to_string).collect();
        lines.push(format!(
            "this node has no copy that counts of shards {}: what they held is lost",
            shards.join(", ")
        ));
    }
    lines
}

fn row(group: &RecoveredGroup) -> Vec<String> {
    let copy = match group.copy {
        RecoveredCopy::Voter => "voter",
        RecoveredCopy::Follower => "follower, may be behind",
        RecoveredCopy::Former => "given away, old",
        RecoveredCopy::None => "none",
    };
    vec![
        group
            .shard
            .map_or_else(|| "cluster".to_owned(), |shard| shard.to_string()),
        copy.to_owned(),
        group.last.map(|last| last.to_string()).unwrap_or_default(),
        group.rows.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use cluster::{ClusterId, NodeId, NodeName, Timestamp};
    use uuid::Uuid;

    use super::*;

    fn report(copy: RecoveredCopy) -> RecoveryReport {
        let (one, two) = (NodeId::new(1), NodeId::new(2));
        RecoveryReport {
            node: one,
            name: NodeName::new("one").unwrap(),
            former_cluster: ClusterId::new(Uuid::from_u128(1)),
            cluster: ClusterId::new(Uuid::from_u128(2)),
            at: Timestamp::from_millis(0),
            lost: vec![(two, NodeName::new("two").unwrap())],
            groups: vec![RecoveredGroup {
                shard: Some(7),
                copy,
                voters: vec![one, two],
                last: Some(12),
                rows: 3,
            }],
            directory: "data".into(),
            kept: "data.before-recovery".into(),
        }
    }

    #[test]
    fn the_warning_names_what_is_lost_and_who_must_not_run_again() {
        let lines = warning(&report(RecoveredCopy::Voter)).join("\n");
        assert!(lines.contains("LOSES DATA") && lines.contains("two (2)"), "{lines}");
        assert!(!lines.contains("no copy"), "{lines}");
        let lines = warning(&report(RecoveredCopy::None)).join("\n");
        assert!(lines.contains("shards 7"), "{lines}");
    }

    #[test]
    fn a_group_is_told_in_a_row() {
        let group = &report(RecoveredCopy::Follower).groups[0];
        assert_eq!(row(group), ["7", "follower, may be behind", "12", "3"]);
    }
}
