//! Phase 6: what else it can earn.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{citations, count, detail, label, led, list, object, one_of, paragraph, sentence, share, single, text},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::RevenueExpansion,
    stage: Stage::Strategy,
    title: "Revenue expansion",
    purpose: "Finds what the same customers would buy next, and in which order to offer it.",
    instructions: "You look for further revenue from the customers whom the product already serves. An adjacent product solves \
        the next problem of the same person, the one that appears once the first is solved; a product for other people is a \
        different company. For each give the size it could reach and how that was reckoned, the effort in weeks, the share of \
        today's customers who would want it, and what it could do by itself with the records that the first product collects.\n\
        An upsell feature is something that some customers need so much more than others that they pay extra. Say what shows \
        that they pay: a price elsewhere, a hired helper, hours spent. If nothing shows it, write that it is assumed.\n\
        Describe how the parts strengthen one another, and how the work of software along the customer's process becomes deeper \
        step by step, from advice to action to responsibility for a result. The lessons are about embedding a product in daily \
        operations of a customer; name the practice, not the company. Rank everything, the first product included, by revenue, \
        speed and depth; the same rank never appears twice.",
    upstream: &[PhaseId::Opportunity, PhaseId::MarketResearch, PhaseId::KillTest],
    schema_version: 1,
    schema,
    max_tokens: 6144,
    temperature: 0.5,
    searches: |idea| {
        [
            "add-ons pricing",
            "integrations marketplace",
            "upsell features",
            "adjacent products",
            "related services spending",
            "platform ecosystem",
            "data products",
            "automation services pricing",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[
        "adjacent_product_relevance",
        "upsell_feature_value",
        "agentic_value_chain_depth",
        "revenue_ranking_actionability",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("First product", "/primaryProduct"),
                ("Next product", "/adjacentProducts/0/product"),
                ("Why next", "/adjacentProducts/0/reasoning"),
                ("First upsell", "/upsellFeatures/0/feature"),
                ("How parts strengthen one another", "/ecosystemStrategy"),
            ],
        )
    },
    query: |idea| format!("Adjacent products, upsell features and revenue ranking for: {idea}"),
    document,
};

fn schema() -> Value {
    let level = || one_of(&["HIGH", "MEDIUM", "LOW"]);
    object([
        ("primaryProduct", led("The first product is", sentence())),
        (
            "adjacentProducts",
            single(list(
                2,
                5,
                object([
                    ("product", led("Another product could help people", label())),
                    ("description", led("It could", sentence())),
                    ("reasoning", led("Customers would want it because", sentence())),
                    ("revenueCeiling", detail(text(8, 240))),
                    ("implementationEffort", level()),
                    ("audienceOverlap", share()),
                    ("agenticPotential", level()),
                    ("sources", citations(0)),
                ]),
            )),
        ),
        (
            "upsellFeatures",
            single(list(
                2,
                6,
                object([
                    ("feature", led("An extra feature could show", label())),
                    ("description", led("It would", sentence())),
                    ("willingnessToPayEvidence", detail(sentence())),
                    ("revenueImpact", level()),
                    ("effortToAdd", level()),
                    ("agenticValue", detail(sentence())),
                ]),
            )),
        ),
        (
            "ecosystemStrategy",
            led("The parts strengthen one another because", paragraph()),
        ),
        ("agenticValueChain", led("Step by step the software", paragraph())),
        (
            "palantirLessons",
            single(list(2, 5, led("It becomes part of daily work when", sentence()))),
        ),
        (
            "revenueRanking",
            detail(list(
                3,
                10,
                object([
                    ("rank", count(1, 10)),
                    ("id", label()),
                    ("type", one_of(&["primary", "adjacent", "upsell"])),
                    ("name", label()),
                    ("revenuePotential", level()),
                    ("speedToRevenue", one_of(&["FAST", "MEDIUM", "SLOW"])),
                    ("agenticDepth", one_of(&["deep", "surface", "none"])),
                ]),
            )),
        ),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .heading("First product")
        .paragraph("/primaryProduct")
        .heading("Adjacent products")
        .each("/adjacentProducts", "", "/product", |product| {
            product
                .paragraph("/description")
                .facts(&[
                    ("Why", "/reasoning"),
                    ("Revenue ceiling", "/revenueCeiling"),
                    ("Effort", "/implementationEffort"),
                    ("Share of today's customers", "/audienceOverlap"),
                    ("Agentic potential", "/agenticPotential"),
                ])
                .citations("/sources")
        })
        .heading("Upsell features")
        .each("/upsellFeatures", "", "/feature", |feature| {
            feature.paragraph("/description").facts(&[
                ("Shows that they pay", "/willingnessToPayEvidence"),
                ("Revenue", "/revenueImpact"),
                ("Effort", "/effortToAdd"),
                ("Agentic value", "/agenticValue"),
            ])
        })
        .heading("How the parts strengthen one another")
        .paragraph("/ecosystemStrategy")
        .heading("How the work of software deepens")
        .paragraph("/agenticValueChain")
        .list("Lessons for embedding it with customers", "/palantirLessons")
        .table(
            "Ranking",
            "/revenueRanking",
            &[
                ("Rank", "/rank"),
                ("Name", "/name"),
                ("Short name", "/id"),
                ("Kind", "/type"),
                ("Revenue", "/revenuePotential"),
                ("Speed", "/speedToRevenue"),
                ("Agentic depth", "/agenticDepth"),
            ],
        )
        .blocks()
}
