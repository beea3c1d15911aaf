//! `foundation phases`: what a run goes through.

use actors::workflows::planning::phase::PhaseId;
use serde::Serialize;

use super::output::Output;

#[derive(Debug, Serialize)]
struct Row {
    number: u32,
    phase: &'static str,
    stage: &'static str,
    title: &'static str,
    purpose: &'static str,
    upstream: Vec<&'static str>,
}

pub(super) fn run(output: &Output) {
    let rows: Vec<Row> = PhaseId::ALL
        .into_iter()
        .map(|id| {
            let phase = id.phase();
            Row {
                number: id.number(),
                phase: id.as_str(),
                stage: phase.stage.as_str(),
                title: phase.title,
                purpose: phase.purpose,
                upstream: phase.upstream.iter().map(|upstream| upstream.as_str()).collect(),
            }
        })
        .collect();
    let table = rows
        .iter()
        .map(|row| {
            vec![
                row.number.to_string(),
                row.phase.to_owned(),
                row.stage.to_owned(),
                row.purpose.to_owned(),
            ]
        })
        .collect();
    output.table(&rows, &["#", "phase", "stage", "what it is for"], table);
}
