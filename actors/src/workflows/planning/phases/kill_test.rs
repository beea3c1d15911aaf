//! Phase 5: whether to go on. The verdict is computed from the scores (see `verdict`).

use serde_json::Value;

use crate::{
    ports::Profile,
    records::KillVerdict,
    workflows::planning::{
        document::{Block, Layout, decisions},
        phase::{Phase, PhaseId, Stage},
        schema::{citations, count, detail, flag, led, list, object, one_of, score, sentence, single, text},
        verdict,
    },
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::KillTest,
    stage: Stage::Validation,
    title: "Kill test",
    purpose: "Tries to stop the idea before money and months go into it.",
    instructions: "You are the last sceptic before money is spent. Score six criteria from 0 to 10, and write the reason before \
        the number. Demand: do people already pay or struggle for this? Differentiation: would a customer notice the difference \
        within a minute? Reach: can one person with no audience get in front of a hundred buyers? Feasibility: can one person \
        build the first version with today's tools and data they may use? Economics: does one customer bring in clearly more than \
        it costs to win and serve them? Agentic depth: does the product decide, act and improve with its own records, or is it a \
        form over a table?\n\
        5 means a coin toss, 7 means you would risk your own savings, 9 needs evidence. Scores above 6 without evidence from the \
        earlier phases are a mistake, and so is giving every criterion the same number. You do not write a verdict: it is \
        computed from the scores.\n\
        List fatal flaws only if no effort repairs them; an empty list is fine. Pivot suggestions keep the customer or the \
        insight and change something essential. For the record of a parked idea, say what would have to change in the world, and \
        after how many months to look again.",
    upstream: &[
        PhaseId::Opportunity,
        PhaseId::CustomerIntel,
        PhaseId::MarketResearch,
        PhaseId::CompetitiveIntel,
    ],
    schema_version: 1,
    schema,
    max_tokens: 4096,
    temperature: 0.3,
    searches: |idea| {
        [
            "why startups failed",
            "shut down",
            "legal risk",
            "is it worth it",
            "open source alternative",
            "cost to build",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[],
    decisions: decide,
    query: |idea| format!("Risks, fatal flaws and feasibility of: {idea}"),
    document,
};

fn schema() -> Value {
    let criterion = |lead| object([("why", led(lead, text(40, 500))), ("score", score())]);
    object([
        (
            "criteria",
            object([
                ("demand", criterion("People want this because")),
                ("differentiation", criterion("It differs from other tools because")),
                ("reach", criterion("The first users can be reached through")),
                ("feasibility", criterion("It can be built because")),
                ("economics", criterion("It can earn money because")),
                ("agenticDepth", criterion("The software can act by itself when")),
            ]),
        ),
        ("fatalFlaws", detail(list(0, 5, sentence()))),
        ("pivotSuggestions", detail(list(1, 4, text(40, 400)))),
        (
            "riskRegister",
            list(
                3,
                8,
                object([
                    ("risk", led("There is a risk that", sentence())),
                    ("mitigation", led("To lower this risk the team can", sentence())),
                    ("probability", one_of(&["high", "medium", "low"])),
                    ("impact", one_of(&["high", "medium", "low"])),
                ]),
            ),
        ),
        (
            "bootstrapFeasibility",
            object([
                (
                    "canOneSoloFounderBuildReasoning",
                    led("One person can start with", sentence()),
                ),
                ("canOneSoloFounderBuild", flag()),
                ("timeToMVP", detail(text(3, 200))),
                ("timeToMVPWeeks", count(1, 104)),
                (
                    "canReachFirst100CustomersForFreeChannels",
                    single(list(1, 5, led("Early users can be found", sentence()))),
                ),
                ("canReachFirst100CustomersForFree", flag()),
                ("hasFreeDist", flag()),
                ("timeToFirstRevenue", detail(text(3, 200))),
                ("timeToFirstRevenueWeeks", count(1, 156)),
                ("freeHostingSufficientReasoning", detail(sentence())),
                ("freeHostingSufficient", flag()),
            ]),
        ),
        (
            "agenticAssessment",
            object([
                ("whatMakesItAgentic", led("Without being asked it", sentence())),
                ("dataCompoundingMechanism", detail(sentence())),
                ("isAgentic", flag()),
                ("agenticDepth", one_of(&["deep", "surface", "none"])),
            ]),
        ),
        ("unfairAdvantagesNeeded", detail(list(1, 5, sentence()))),
        (
            "parkedForFuture",
            detail(object([
                ("reason", sentence()),
                ("note", sentence()),
                ("revisitEstimateMonths", count(6, 24)),
            ])),
        ),
        ("citations", citations(0)),
    ])
}

/// Whether the content was judged at all: the embedded model leaves every score empty.
fn profile(content: &Value) -> Profile {
    let judged = verdict::CRITERIA
        .iter()
        .any(|(field, ..)| !content["criteria"][*field]["score"].is_null());
    if judged { Profile::Full } else { Profile::Embedded }
}

fn decide(content: &Value) -> Vec<String> {
    let found = verdict::assess(profile(content), content);
    let mut lines = vec![match found.score {
        Some(score) => format!("Verdict: {} with a mean of {score:.1}", found.verdict.as_str()),
        None => format!("Verdict: {}, not assessed", found.verdict.as_str()),
    }];
    lines.extend(decisions(
        content,
        &[
            ("First risk", "/riskRegister/0/risk"),
            ("Answer to it", "/riskRegister/0/mitigation"),
            ("Weeks to a first version", "/bootstrapFeasibility/timeToMVPWeeks"),
            ("Agentic because", "/agenticAssessment/whatMakesItAgentic"),
            (
                "Free way to customers",
                "/bootstrapFeasibility/canReachFirst100CustomersForFreeChannels/0",
            ),
        ],
    ));
    lines
}

fn document(content: &Value) -> Vec<Block> {
    let found = verdict::assess(profile(content), content);
    let verdict = match (found.verdict, found.assessed) {
        (KillVerdict::Go, true) => "GO: carry on.",
        (KillVerdict::Go, false) => "GO, not assessed: nobody judged this idea.",
        (KillVerdict::Pivot, _) => "PIVOT: start again from another angle.",
        (KillVerdict::Kill, _) => "KILL: stop here and park the idea.",
        (KillVerdict::PivotExhausted, _) => "No direction held after three pivots.",
    };
    let number = |score: Option<f64>| score.map_or_else(|| "not assessed".to_owned(), |score| format!("{score:.1}"));
    let mut rows: Vec<Vec<String>> = found
        .criteria
        .into_iter()
        .map(|criterion| vec![criterion.name, number(criterion.score), criterion.why])
        .collect();
    if found.assessed {
        rows.push(vec!["Mean".to_owned(), number(found.score), found.reason]);
    }
    let note = if found.assessed {
        "The verdict is computed from the scores below."
    } else {
        "Without scores the run goes on."
    };
    Layout::of(content)
        .heading("Verdict")
        .block(Block::Paragraph(verdict.to_owned()))
        .block(Block::Note(note.to_owned()))
        .rows("Criteria", &["Criterion", "Score of 10", "Why"], rows)
        .list("Fatal flaws", "/fatalFlaws")
        .list("Pivot suggestions", "/pivotSuggestions")
        .table(
            "Risks",
            "/riskRegister",
            &[
                ("Risk", "/risk"),
                ("Probability", "/probability"),
                ("Impact", "/impact"),
                ("Answer", "/mitigation"),
            ],
        )
        .heading("Can one person do it?")
        .facts(&[
            (
                "One founder can build it",
                "/bootstrapFeasibility/canOneSoloFounderBuild",
            ),
            ("Because", "/bootstrapFeasibility/canOneSoloFounderBuildReasoning"),
            ("First version", "/bootstrapFeasibility/timeToMVP"),
            ("Weeks to a first version", "/bootstrapFeasibility/timeToMVPWeeks"),
            (
                "First hundred customers without spending",
                "/bootstrapFeasibility/canReachFirst100CustomersForFree",
            ),
            (
                "Through",
                "/bootstrapFeasibility/canReachFirst100CustomersForFreeChannels",
            ),
            ("Free distribution exists", "/bootstrapFeasibility/hasFreeDist"),
            ("First revenue", "/bootstrapFeasibility/timeToFirstRevenue"),
            (
                "Weeks to first revenue",
                "/bootstrapFeasibility/timeToFirstRevenueWeeks",
            ),
            (
                "Free or cheap hosting is enough",
                "/bootstrapFeasibility/freeHostingSufficient",
            ),
            ("Hosting", "/bootstrapFeasibility/freeHostingSufficientReasoning"),
        ])
        .heading("Is it agentic?")
        .facts(&[
            ("Agentic", "/agenticAssessment/isAgentic"),
            ("Depth", "/agenticAssessment/agenticDepth"),
            ("What makes it so", "/agenticAssessment/whatMakesItAgentic"),
            (
                "How its records compound",
                "/agenticAssessment/dataCompoundingMechanism",
            ),
        ])
        .list("Advantages it needs", "/unfairAdvantagesNeeded")
        .heading("If it is parked")
        .facts(&[
            ("Reason", "/parkedForFuture/reason"),
            ("Look again after months", "/parkedForFuture/revisitEstimateMonths"),
            ("What may have changed", "/parkedForFuture/note"),
        ])
        .citations("/citations")
        .blocks()
}
