//! Plans, phases and parked ideas to draw.

use super::sample::{NOW, frost, text};
use crate::planes::ui::*;

pub(crate) fn blocks() -> Vec<Block> {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    vec![
        Block::Paragraph("Subscriptions, paid by the orchard, with a co-op tier that makes one buyer out of ten growers. Alerts are never metered: a grower who saves on alerts loses the crop and then us.".into()),
        Block::Heading(2, "Tiers, a month".into()),
        Block::Table { head: row(&["Tier", "Price", "What it does", "Why this price"]), rows: vec![
            row(&["Watch", "29", "Follows one station, calls the phone until someone answers", "Below the station's own data plan"]),
            row(&["Guard", "79", "Starts approved machines, keeps the night's log for the insurer", "One saved tree row a year"]),
            row(&["Co-op", "59", "Per site from ten sites, shared duty roster", "A board can sign it without a vote"]),
        ] },
        Block::Heading(2, "When it pays for itself".into()),
        Block::Paragraph("Sign-ups cluster in the ten weeks before blossom, so revenue climbs in steps and not in a line. The plan therefore launches in November.".into()),
        Block::Quote("I set three alarm clocks and drove out twice for nothing. The third time I stayed in bed, and that was the night.".into()),
        Block::Facts(vec![("Break-even".into(), "Month 12".into()), ("Cash to bridge".into(), "18,500".into()), ("Cost to win one orchard".into(), "310, mostly visits to co-ops".into())]),
        Block::List(row(&["Alerts are never metered", "A co-op board can sign without a vote", "The first product needs no hardware"])),
        Block::Numbered(row(&["Ship Watch to ten orchards", "Sign the first co-op", "Add machine control"])),
        Block::Code("margin = (62 - 12) / 62".into()),
        Block::Note("Churn was not assessed: no source gives a figure for this trade.".into()),
    ]
}

pub(crate) fn evidence() -> Vec<EvidenceView> {
    let claim = |claim: &str, sources: &[&str]| EvidenceView {
        claim: claim.into(),
        sources: sources.iter().map(|source| (*source).to_owned()).collect(),
    };
    vec![
        claim(
            "One frost night can take two thirds of an apple crop",
            &[
                "https://www.example.org/frost/survey",
                "https://stats.example.org/fruit?table=4",
            ],
        ),
        claim(
            "Most advisory clients own a networked station",
            &["https://advice.example.org/bulletin-12"],
        ),
        claim("A launch in summer costs seven months", &[]),
    ]
}

pub(crate) fn artifact() -> ArtifactView {
    ArtifactView {
        run: frost(RunState::Running, "product-design"),
        phase: "business-model".into(),
        purpose: "How the product earns money, what a customer costs and brings, and when it pays for itself.".into(),
        version: 2,
        blocks: blocks(),
        review: text("ACCEPT"),
        reviews: 2,
        score: Some(7.9),
        scores: vec![
            ("Completeness".into(), 8.0),
            ("Specificity".into(), 7.5),
            ("Evidence".into(), 7.0),
            ("Consistency".into(), 9.0),
        ],
        verdict: None,
        evidence: evidence(),
        versions: vec![
            VersionView {
                version: 2,
                attempt: 1,
                score: Some(7.9),
                created_at: NOW - 200,
            },
            VersionView {
                version: 1,
                attempt: 0,
                score: Some(5.8),
                created_at: NOW - 900,
            },
        ],
        readable: PHASES[..9].iter().map(|phase| phase.id.to_owned()).collect(),
        model: "large model, your endpoint".into(),
        tokens: 4_210,
        duration_ms: 134_000,
        created_at: NOW - 200,
        sha256: "9c1e44b072fd5be0a1c3d5e7f90b1d2f3a4b5c6d7e8f90a1b2c3d4e5f6a7e81a".into(),
    }
}

pub(crate) fn plan() -> PlanView {
    let chapters = PHASES.iter().enumerate().map(|(index, phase)| ChapterView {
        phase: phase.id.into(),
        title: phase.name.into(),
        score: (index != 4).then_some(7.2 + 0.1 * (index % 9) as f64),
        blocks: blocks().into_iter().skip(index % 3).collect(),
        evidence: if index < 3 {
            vec![evidence()[index].clone()]
        } else {
            Vec::new()
        },
    });
    PlanView {
        run: frost(RunState::Completed, "synthesis"),
        chapters: chapters.collect(),
        models: vec!["large model, your endpoint".into()],
        seal: Some(SealView {
            at: NOW,
            sha256: "9c1e44b072fd5be0a1c3d5e7f90b1d2f3a4b5c6d7e8f90a1b2c3d4e5f6a7e81a".into(),
        }),
    }
}

pub(crate) fn parked() -> ParkedView {
    let idea = ParkedIdeaView {
        id: "0190a1b2-0000-7000-8000-000000000001".into(),
        idea: "Route sharing between restaurant couriers".into(),
        refined_idea: text(
            "A shared dispatch for the couriers of five to ten restaurants in one street, so that nobody rides back empty.",
        ),
        run_id: text("0190a1b2-c3d4-7e5f-8a9b-0c1d2ed7709b"),
        source_phase: "kill-test".into(),
        reason: "Nobody in 14 sources pays for this today: restaurants that could share already use one platform."
            .into(),
        revisit_months: Some(6),
        revisit_note: text("A new rule on platform fees is due by then."),
        created_at: NOW - 3 * 86_400,
        promoted_run_id: None,
    };
    ParkedView {
        rows: vec![
            ParkedIdeaView {
                id: "0190a1b2-0000-7000-8000-000000000002".into(),
                created_at: NOW - 220 * 86_400,
                idea: "Plot check: what may I build here?".into(),
                refined_idea: None,
                reason: "Three angles, and each needs data that only the municipality has.".into(),
                ..idea.clone()
            },
            idea.clone(),
            ParkedIdeaView {
                id: "0190a1b2-0000-7000-8000-000000000003".into(),
                promoted_run_id: text("0190a1b2-c3d4-7e5f-8a9b-0c1d2ea91c33"),
                idea: "Spare-parts finder for discontinued boilers".into(),
                created_at: NOW - 30 * 86_400,
                revisit_note: None,
                ..idea
            },
        ],
        next: None,
    }
}
