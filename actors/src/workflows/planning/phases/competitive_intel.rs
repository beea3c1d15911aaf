//! Phase 4: who is there already.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{citations, detail, label, led, list, object, sentence, single, text, urls},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::CompetitiveIntel,
    stage: Stage::Discovery,
    title: "Competitive intelligence",
    purpose: "Takes apart what people use instead, and finds the gaps that a newcomer can enter.",
    instructions: "You examine what the customer would use instead of this product. Include at least one direct rival and one \
        indirect one, and remember that a spreadsheet, an assistant or doing nothing is often the strongest. Name real \
        products; if you are not certain that a company exists, describe the category and say so in its name rather than invent \
        a brand.\n\
        For each rival give its prices, what it does well, where it fails its users, and how it speaks: headline, promise, tone \
        and the feelings it appeals to. A complaint is concrete: who was trying to do what, and what went wrong. Mark a quotation \
        as a paraphrase unless the words were supplied to you. Leave founding year, funding and technology as \"not publicly \
        known\" when they are.\n\
        Then look across all of them. A positioning gap is a customer whom nobody addresses. A messaging gap is a benefit that \
        nobody claims. A pricing gap is a way of paying that nobody offers. A vulnerability is something a rival cannot fix \
        without hurting its own business, and it says how a small team would use it.",
    upstream: &[PhaseId::Opportunity, PhaseId::CustomerIntel, PhaseId::MarketResearch],
    schema_version: 1,
    schema,
    max_tokens: 6144,
    temperature: 0.5,
    searches: |idea| {
        [
            "competitors",
            "alternatives comparison",
            "best software",
            "reviews complaints",
            "pricing plans",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[
        "competitors_identified",
        "review_quotes",
        "gaps_specific",
        "vulnerability_exploitation",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("Main rival", "/competitors/0/name"),
                ("Its weakness", "/competitors/0/weaknesses/0"),
                ("Positioning gap", "/positioningGaps/0"),
                ("Messaging gap", "/messagingGaps/0"),
                ("Pricing gap", "/pricingGaps/0"),
                ("Vulnerability", "/vulnerabilities/0"),
            ],
        )
    },
    query: |idea| format!("Competitors, their weaknesses and gaps in the market of: {idea}"),
    document,
};

fn schema() -> Value {
    let competitor = object([
        ("name", led("Today people use", label())),
        ("urls", urls()),
        ("foundedYear", detail(text(4, 40))),
        ("fundingStatus", detail(text(4, 120))),
        (
            "pricing",
            detail(object([(
                "tiers",
                list(
                    1,
                    5,
                    object([
                        ("name", label()),
                        ("price", text(1, 80)),
                        ("features", list(1, 8, label())),
                    ]),
                ),
            )])),
        ),
        (
            "strengths",
            single(list(1, 6, led("People choose it because", sentence()))),
        ),
        (
            "weaknesses",
            single(list(1, 6, led("Its weakness is that", sentence()))),
        ),
        (
            "messagingAnalysis",
            object([
                ("headline", detail(text(8, 200))),
                ("valueProp", led("It promises", sentence())),
                ("tone", detail(text(4, 120))),
                ("emotionalAppeals", detail(list(1, 5, text(4, 160)))),
            ]),
        ),
        ("seoKeywords", detail(list(2, 10, label()))),
        (
            "customerComplaints",
            single(list(
                1,
                5,
                object([
                    ("complaint", led("Users complain that", sentence())),
                    ("quote", detail(text(12, 320))),
                ]),
            )),
        ),
        ("techStack", detail(text(4, 160))),
    ]);
    object([
        ("competitors", list(2, 6, competitor)),
        ("positioningGaps", list(2, 5, led("Nobody serves", sentence()))),
        ("messagingGaps", single(list(1, 5, led("Nobody promises", sentence())))),
        ("pricingGaps", single(list(1, 5, led("Nobody charges", sentence())))),
        (
            "vulnerabilities",
            single(list(1, 5, led("Rivals cannot easily", sentence()))),
        ),
        ("citations", citations(3)),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .heading("Competitors")
        .each("/competitors", "", "/name", |rival| {
            rival
                .facts(&[
                    ("Address", "/urls"),
                    ("Founded", "/foundedYear"),
                    ("Funding", "/fundingStatus"),
                    ("Technology", "/techStack"),
                    ("Search words", "/seoKeywords"),
                ])
                .table(
                    "Prices",
                    "/pricing/tiers",
                    &[("Tier", "/name"), ("Price", "/price"), ("Features", "/features")],
                )
                .list("Strengths", "/strengths")
                .list("Weaknesses", "/weaknesses")
                .heading("How it speaks")
                .facts(&[
                    ("Headline", "/messagingAnalysis/headline"),
                    ("Promise", "/messagingAnalysis/valueProp"),
                    ("Tone", "/messagingAnalysis/tone"),
                    ("Appeals to", "/messagingAnalysis/emotionalAppeals"),
                ])
                .table(
                    "Complaints",
                    "/customerComplaints",
                    &[("Complaint", "/complaint"), ("In their words", "/quote")],
                )
        })
        .list("Positioning gaps", "/positioningGaps")
        .list("Messaging gaps", "/messagingGaps")
        .list("Pricing gaps", "/pricingGaps")
        .list("Vulnerabilities", "/vulnerabilities")
        .citations("/citations")
        .blocks()
}
