//! Samples of what is stored, against the golden files.

use cluster::prelude::VirtualActor;

use super::{COUNTS, RUNS, TIMINGS, Tenant};
use crate::{
    golden::{check, check_family},
    ports::Profile,
    records::{PlanningRun, RunConfig, sample},
    tenant::{Counts, RunSummary},
};

/// Guarantee 16.
#[test]
fn stored_indexes_are_readable() {
    let summary = |run: PlanningRun| RunSummary {
        run,
        config: RunConfig {
            require_review: true,
            require_approval: false,
        },
        revision: 9,
        created_ms: 1_790_000_000_123,
        phases_done: 4,
        profile: Some(Profile::Embedded),
        verdict_score: Some(6.5),
        revisit_months: Some(12),
        reason: Some("a reason".into()),
        error: Some("an error".into()),
    };
    let mut summaries: Vec<_> = sample::runs().into_iter().map(summary).collect();
    summaries.push(RunSummary {
        profile: None,
        verdict_score: None,
        revisit_months: None,
        reason: None,
        error: None,
        ..summaries[0].clone()
    });
    check_family(Tenant::CLASS, &RUNS, &summaries);
    check(
        Tenant::CLASS,
        &COUNTS,
        &[Counts {
            awaiting: 1,
            parked: 300,
        }],
    );
    let samples = |samples: &[u64]| samples.iter().copied().collect();
    let timings = [
        ("market".to_owned(), samples(&[1, 70_000])),
        ("pricing".to_owned(), samples(&[5])),
    ];
    check(Tenant::CLASS, &TIMINGS, &[timings.into_iter().collect()]);
}
