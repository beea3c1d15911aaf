//! Samples of what is stored, against the golden files.

use cluster::prelude::VirtualActor;

use super::{
    ARTIFACTS, Approval, EVENTS, EarlierAttempt, KillAssessment, Origin, PackageKeys, PhaseProgress, PhaseStatus,
    PlanningArtifact, PlanningRun, Profile, RECORD, Record, Run, RunConfig, Usage,
};
use crate::{
    golden::{check, check_family},
    records::{Evidence, KillVerdict, ReviewScore, ReviewVerdict, sample},
    run::Decision,
    workflows::planning::verdict::Criterion,
};

const REVIEWS: [ReviewVerdict; 6] = [
    ReviewVerdict::Accept,
    ReviewVerdict::Revise,
    ReviewVerdict::Reject,
    ReviewVerdict::Go,
    ReviewVerdict::Pivot,
    ReviewVerdict::Kill,
];

const USAGE: Usage = Usage {
    input_tokens: 1000,
    output_tokens: 70_000,
};

fn progress(status: PhaseStatus, review_verdict: Option<ReviewVerdict>) -> PhaseProgress {
    PhaseProgress {
        phase: "market".into(),
        number: 2,
        status,
        attempt: 1,
        version: Some(3),
        review_verdict,
        overall_score: Some(7.5),
        drafts: 4,
        started_at_ms: Some(1_790_000_000_123),
        finished_at_ms: Some(1_790_000_001_123),
    }
}

fn record(run: PlanningRun) -> Record {
    let statuses = [
        PhaseStatus::Pending,
        PhaseStatus::InProgress,
        PhaseStatus::Completed,
        PhaseStatus::Failed,
    ];
    let reviews = REVIEWS.map(|review| progress(PhaseStatus::Completed, Some(review)));
    Record {
        tenant: "acme".into(),
        run,
        config: RunConfig {
            require_review: false,
            require_approval: true,
        },
        origin: Some(Origin {
            parked_idea_id: "parked-1".into(),
            reason: "too early".into(),
            refined_idea: Some("a refined idea".into()),
            summary: Some("{}".into()),
        }),
        created_ms: 1_790_000_000_123,
        error: Some("an error".into()),
        attempt: 1,
        phases: statuses.map(|status| progress(status, None)).into(),
        earlier: vec![EarlierAttempt {
            attempt: 0,
            refined_idea: Some("a first idea".into()),
            reason: "no customers".into(),
            brief: Some("find customers".into()),
            phases: reviews.into(),
        }],
        versions: [("market".to_owned(), 3), ("pricing".to_owned(), 1)].into(),
        kill: Some(KillAssessment {
            verdict: KillVerdict::Pivot,
            assessed: true,
            score: Some(5.5),
            criteria: vec![Criterion {
                name: "demand".into(),
                score: Some(4.0),
                why: "few asked".into(),
            }],
            reason: "little demand".into(),
            pivot_brief: Some("another audience".into()),
            revisit_months: 6,
            revisit_note: "it may grow".into(),
        }),
        approval: Some(Approval {
            decision: Decision::Rejected,
            comment: Some("not now".into()),
            at: 1_790_000_004,
        }),
        usage: USAGE,
        model: Some("a model".into()),
        profile: Some(Profile::Full),
        package: Some(PackageKeys {
            json_key: "package.json".into(),
            json_sha256: "aa".into(),
            markdown_key: "package.md".into(),
            markdown_sha256: "bb".into(),
        }),
        last_event: 300,
        revision: 12,
    }
}

/// Guarantee 16.
#[test]
fn stored_runs_are_readable() {
    let mut records: Vec<_> = sample::runs().into_iter().map(record).collect();
    records.push(Record {
        origin: None,
        error: None,
        kill: None,
        approval: Some(Approval {
            decision: Decision::Approved,
            comment: None,
            at: 0,
        }),
        model: None,
        profile: None,
        package: None,
        ..records[0].clone()
    });
    check(Run::CLASS, &RECORD, &records);
    check_family(Run::CLASS, &EVENTS, &sample::events());
    let artifact = |review| PlanningArtifact {
        id: "artifact-1".into(),
        run_id: "run-1".into(),
        phase: "market".into(),
        version: 3,
        content: "{}".into(),
        review_verdict: Some(review),
        review_iterations: 2,
        overall_score: Some(7.5),
        created_at: 1_790_000_005,
        attempt: 1,
        schema_version: 1,
        profile: Profile::Embedded,
        model: "a model".into(),
        usage: USAGE,
        scores: vec![ReviewScore {
            criterion: "completeness".into(),
            score: 8.0,
        }],
        evidence: vec![Evidence {
            claim: "people pay".into(),
            sources: vec!["https://example.com/".into()],
        }],
        object_key: "artifacts/market.json".into(),
        sha256: "cc".into(),
        duration_ms: 70_000,
    };
    check_family(Run::CLASS, &ARTIFACTS, &REVIEWS.map(artifact));
}
