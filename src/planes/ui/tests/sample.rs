//! Runs and plans to draw: roles and inventions only. `hostile` fills every text with what must not come out alive.

use crate::planes::ui::*;

/// Noon of a day in November 2026.
pub(crate) const NOW: i64 = 1_795_005_872;

pub(crate) fn shell(section: Section) -> Shell {
    Shell {
        person: Some(Person {
            name: "you@example.org".into(),
            tenant: "default".into(),
            operates: section == Section::Cluster,
        }),
        section,
        path: "/runs".into(),
        needs_you: 2,
        parked: Some(3),
        now: NOW,
        ..Shell::default()
    }
}

pub(crate) fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

pub(crate) fn summary(id: &str, idea: &str, state: RunState, phase: &str) -> RunSummary {
    RunSummary {
        id: format!("0190a1b2-c3d4-7e5f-8a9b-0c1d2e{id}"),
        idea: idea.into(),
        refined_idea: None,
        state,
        phase: text(phase),
        pivots: 0,
        quality: None,
        verdict: None,
        verdict_score: None,
        reason: None,
        eta_ms: None,
        revisit_months: None,
        created_at: NOW - 872,
        updated_at: NOW - 134,
        embedded: false,
    }
}

const FROST: &str = "Frost watch for small orchards";
const FROST_LEDE: &str = "An agent that reads the weather stations an orchard already owns, wakes the right person before a frost night turns critical, and starts the wind machines it is allowed to start.";

pub(crate) fn frost(state: RunState, phase: &str) -> RunSummary {
    RunSummary {
        refined_idea: text(FROST_LEDE),
        pivots: 1,
        verdict: Some(VerdictKind::Go),
        verdict_score: Some(7.6),
        quality: Some(8.0),
        eta_ms: Some(540_000),
        ..summary("7f3a91", FROST, state, phase)
    }
}

pub(crate) fn runs(layout: Layout) -> RunsView {
    use RunState::*;
    let day = 86_400;
    let rows = vec![
        RunSummary {
            verdict: Some(VerdictKind::Go),
            verdict_score: Some(7.4),
            quality: Some(8.1),
            updated_at: NOW - 1560,
            ..summary(
                "c20e5a",
                "Handover notes for care-home night shifts",
                AwaitingApproval,
                "synthesis",
            )
        },
        RunSummary {
            verdict: Some(VerdictKind::Go),
            updated_at: NOW - 10_800,
            embedded: true,
            ..summary(
                "81ffd0",
                "Seed library for allotment clubs",
                AwaitingApproval,
                "synthesis",
            )
        },
        frost(Running, "business-model"),
        RunSummary {
            eta_ms: Some(240_000),
            ..summary(
                "c20e5d",
                "Repair-or-replace advice for school laptops",
                Running,
                "tech-arch",
            )
        },
        RunSummary {
            pivots: 1,
            eta_ms: Some(840_000),
            ..summary(
                "18bb04",
                "Quiet-hours booking for shared rehearsal rooms",
                Running,
                "market-research",
            )
        },
        summary(
            "e4417a",
            "Tender watcher for small building firms",
            Queued { ahead: 2 },
            "",
        ),
        RunSummary {
            created_at: NOW - day,
            ..summary(
                "55d1c8",
                "Grant calendar for community theatres",
                Paused,
                "gtm-marketing",
            )
        },
        RunSummary {
            created_at: NOW - day,
            reason: text("The model endpoint timed out 5 times"),
            ..summary(
                "0b97fe",
                "Allergen sheets for pop-up kitchens",
                Failed,
                "revenue-expansion",
            )
        },
        RunSummary {
            created_at: NOW - 9_000,
            updated_at: NOW - 7_980,
            quality: Some(8.3),
            verdict: Some(VerdictKind::Go),
            verdict_score: Some(8.0),
            ..summary(
                "a91c33",
                "Spare-parts finder for discontinued boilers",
                Completed,
                "synthesis",
            )
        },
        RunSummary {
            created_at: NOW - 2 * day,
            updated_at: NOW - 2 * day + 1140,
            quality: Some(7.9),
            pivots: 2,
            verdict: Some(VerdictKind::Go),
            verdict_score: Some(7.0),
            ..summary(
                "3de802",
                "Instalment plans for sole traders' late invoices",
                Completed,
                "synthesis",
            )
        },
        RunSummary {
            created_at: NOW - 3 * day,
            revisit_months: Some(12),
            verdict: Some(VerdictKind::Kill),
            verdict_score: Some(3.1),
            ..summary(
                "d7709b",
                "Route sharing between restaurant couriers",
                Killed,
                "kill-test",
            )
        },
        RunSummary {
            created_at: NOW - 3 * day,
            revisit_months: Some(6),
            pivots: 3,
            verdict: Some(VerdictKind::PivotExhausted),
            verdict_score: Some(4.6),
            ..summary(
                "6ac415",
                "Plot check: what may I build here?",
                PivotsUsedUp,
                "kill-test",
            )
        },
        RunSummary {
            created_at: NOW - 40 * day,
            reason: text("The tender was withdrawn."),
            ..summary("9b01cc", "Shared cold store for market stalls", Cancelled, "strategy")
        },
    ];
    RunsView {
        layout,
        rows,
        next: text("abc=/&"),
        ..RunsView::default()
    }
}

pub(crate) fn verdict() -> VerdictView {
    let criterion = |name: &str, score: f64| CriterionView {
        name: name.into(),
        score: Some(score),
        why: "Three of the sources describe it.".into(),
    };
    VerdictView {
        kind: VerdictKind::Go,
        assessed: true,
        score: Some(7.6),
        criteria: vec![
            criterion("Someone has the pain now", 9.0),
            criterion("They pay for a worse answer", 8.0),
            criterion("One person can build it", 7.0),
            criterion("First 100 reachable for free", 7.0),
            criterion("Gets better with use", 7.0),
        ],
        reason: "No fatal flaw. Watch: two alerts too many in the first week and growers switch it off.".into(),
        pivot_brief: None,
        revisit_months: None,
        revisit_note: None,
    }
}

pub(crate) fn run() -> RunView {
    let spent = [41, 72, 86, 98, 34, 69, 48];
    let scores = [8.1, 7.8, 7.2, 8.4, 7.6, 7.9, 8.2];
    let estimates = [41, 72, 86, 98, 34, 69, 48, 180, 70, 85, 75, 95, 55, 80, 60];
    let phases = estimates.iter().enumerate().map(|(index, estimate)| PhaseView {
        state: match index {
            ..7 => StoneState::Done,
            7 => StoneState::Running,
            _ => StoneState::Todo,
        },
        duration_ms: spent.get(index).map(|seconds| seconds * 1000),
        started_at: (index == 7).then_some(NOW - 134),
        estimate_ms: Some(estimate * 1000),
        score: scores.get(index).copied(),
        verdict: (index == 4).then_some(VerdictKind::Go),
        drafts: if index == 1 { 2 } else { 1 },
        version: (index < 7).then_some(2),
    });
    let event = |seq: u64, kind, phase: &str, score, ago: i64| EventView {
        seq,
        kind,
        phase: text(phase),
        verdict: (phase == "kill-test").then(|| "GO".to_owned()),
        score,
        pivot_count: 1,
        reason: None,
        timestamp: NOW - ago,
    };
    let mut events = vec![
        event(24, EventKind::PhaseStarted, "business-model", None, 134),
        event(23, EventKind::PhaseCompleted, "strategy", Some(8.2), 134),
        event(22, EventKind::PhaseStarted, "strategy", None, 182),
        event(21, EventKind::PhaseCompleted, "revenue-expansion", Some(7.9), 182),
        event(20, EventKind::PhaseStarted, "revenue-expansion", None, 251),
        event(19, EventKind::PhaseCompleted, "kill-test", Some(7.6), 251),
        event(18, EventKind::PhaseStarted, "kill-test", None, 285),
        EventView {
            reason: text("Own sensors cost more than the first season earns."),
            ..event(10, EventKind::PivotTriggered, "kill-test", None, 585)
        },
    ];
    events.extend((1..9).rev().map(|seq| {
        event(
            seq,
            EventKind::PhaseStarted,
            "opportunity",
            None,
            600 + i64::try_from(seq).unwrap_or(0),
        )
    }));
    RunView {
        summary: frost(RunState::Running, "business-model"),
        require_review: true,
        require_approval: false,
        phases: phases.collect(),
        eta_basis: "from the last 20 runs on this model".into(),
        now: Some(NowView {
            phase: "business-model".into(),
            started_at: NOW - 134,
            step: StepName::Draft,
            reviews: true,
            searches: true,
            details: [
                "4 phases, 5 passages".into(),
                "7 searches, 9 pages".into(),
                "1,184 tokens".into(),
                String::new(),
                String::new(),
            ],
            queue: None,
            draft: 1,
            model: "large model, your endpoint".into(),
        }),
        approval: None,
        verdict: Some(verdict()),
        attempts: vec![AttemptView {
            number: 1,
            reason: "Own sensors cost more than the first season earns".into(),
            phases: (0..5)
                .map(|index| PhaseView {
                    state: if index < 4 {
                        StoneState::Done
                    } else {
                        StoneState::Pivoted
                    },
                    duration_ms: Some(58_000),
                    version: Some(1),
                    ..PhaseView::default()
                })
                .collect(),
        }],
        events,
        last_event: 24,
        revenue_potential: text("High"),
        parked: false,
    }
}

pub(crate) fn waiting() -> RunView {
    let mut view = run();
    view.summary = RunSummary {
        embedded: true,
        pivots: 0,
        verdict_score: None,
        quality: None,
        ..frost(RunState::AwaitingApproval, "synthesis")
    };
    for (index, phase) in view.phases.iter_mut().enumerate() {
        *phase = PhaseView {
            state: if index == 14 {
                StoneState::Waiting
            } else {
                StoneState::Done
            },
            duration_ms: Some(41_000 + 3_000 * (index as u64)),
            version: Some(1),
            verdict: (index == 4).then_some(VerdictKind::Go),
            ..PhaseView::default()
        };
    }
    view.attempts.clear();
    view.now = None;
    view.require_approval = true;
    view.verdict = Some(VerdictView {
        assessed: false,
        score: None,
        criteria: verdict()
            .criteria
            .into_iter()
            .map(|criterion| CriterionView {
                score: None,
                ..criterion
            })
            .collect(),
        ..verdict()
    });
    view.approval = Some(ApprovalView {
        waiting_since: NOW - 1560,
        consequence: "All 15 phases are done. Approving seals the package.".into(),
        risks: vec![
            "Staff type on shared tablets; the plan assumes a login per person.".into(),
            "Two market figures have no evidence.".into(),
        ],
    });
    view
}

pub(crate) fn finished(state: RunState) -> RunView {
    let mut view = waiting();
    let phase = if state == RunState::Completed {
        "synthesis"
    } else {
        "kill-test"
    };
    view.summary = RunSummary {
        revisit_months: (state == RunState::Killed).then_some(6),
        reason: text("Nobody in 14 sources pays for this today."),
        verdict_score: Some(3.1),
        created_at: NOW - 1120,
        ..frost(state, phase)
    };
    view.approval = None;
    view.parked = state == RunState::Killed;
    if state != RunState::Completed {
        for phase in view.phases.iter_mut().skip(5) {
            *phase = PhaseView::default();
        }
    }
    let last = if state == RunState::Completed { 14 } else { 4 };
    view.phases[last].state = match state {
        RunState::Completed => StoneState::Done,
        RunState::Paused => StoneState::Paused,
        _ => StoneState::Stopped,
    };
    view
}
