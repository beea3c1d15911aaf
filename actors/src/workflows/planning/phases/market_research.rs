//! Phase 3: how large and how priced the market is.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{amount, citations, detail, label, led, list, object, one_of, paragraph, sentence, single, text, urls},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::MarketResearch,
    stage: Stage::Discovery,
    title: "Market research",
    purpose: "Estimates the market, its prices and its timing, and says how sure each estimate is.",
    instructions: "You size the market for the chosen opportunity and read its prices. Build each size from below: number of \
        possible buyers times what one pays in a year, with both factors written out. The total market is everyone with the \
        problem, the serviceable part is whom this product fits, the obtainable part is what one small team can win in three \
        years. A number taken from a report needs that report as its source; a number of your own needs the calculation and a \
        low confidence. Never present a guess as a finding.\n\
        For timing, say what changed in the last two years that makes the product possible or wanted now, what helps and what \
        stands against it. List real prices of real products with their tiers. Then recommend a price range and explain the \
        psychology behind it: what it is compared with, which tier makes another look reasonable, whether a free tier or a trial \
        fits the buyer, and how to sell a year in advance.\n\
        Name the rules and laws that apply, and the market risks in order of damage. Do not repeat the customer description; \
        build on it.",
    upstream: &[PhaseId::Opportunity, PhaseId::CustomerIntel],
    schema_version: 1,
    schema,
    max_tokens: 4096,
    temperature: 0.5,
    searches: |idea| {
        [
            "market size",
            "number of potential customers statistics",
            "growth rate",
            "pricing",
            "price comparison plans",
            "free trial or freemium",
            "regulation compliance",
            "industry trends",
            "report",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[
        "tam_sam_som_sourced",
        "pricing_landscape_complete",
        "pricing_psychology_actionable",
        "risks_enumerated",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("Obtainable market", "/marketSize/som"),
                ("Why now", "/marketTiming/whyNow"),
                ("Pricing approach", "/pricingPsychology/strategy"),
                ("Recommended price", "/priceRanges/recommended"),
                ("Priced against", "/pricingLandscape/0/competitor"),
                ("First market risk", "/marketRisks/0"),
            ],
        )
    },
    query: |idea| format!("Market size, prices, timing and regulation for: {idea}"),
    document,
};

fn schema() -> Value {
    let confidence = || one_of(&["high", "medium", "low"]);
    object([
        (
            "marketSize",
            object([
                ("tam", led("The whole market is", sentence())),
                ("tamSource", detail(sentence())),
                ("tamConfidence", confidence()),
                ("sam", detail(sentence())),
                ("samSource", detail(sentence())),
                ("samConfidence", confidence()),
                ("som", led("The part within reach is", sentence())),
                ("somSource", detail(sentence())),
                ("somConfidence", confidence()),
            ]),
        ),
        ("growthRate", detail(text(8, 240))),
        ("growthRateSource", detail(sentence())),
        (
            "marketTiming",
            object([
                ("whyNow", led("Now is a good time because", sentence())),
                ("whatChanged", led("In recent years", sentence())),
                ("tailwinds", single(list(2, 5, led("It helps that", sentence())))),
                ("headwinds", single(list(1, 5, led("It is difficult that", sentence())))),
            ]),
        ),
        (
            "pricingLandscape",
            single(list(
                2,
                8,
                object([
                    ("competitor", led("Today people pay for", label())),
                    (
                        "tiers",
                        detail(list(
                            1,
                            5,
                            object([
                                ("name", label()),
                                ("price", text(1, 80)),
                                ("features", list(1, 8, label())),
                            ]),
                        )),
                    ),
                    ("urls", urls()),
                ]),
            )),
        ),
        (
            "pricingPsychology",
            object([
                ("strategy", led("The price should", sentence())),
                ("reasoning", detail(paragraph())),
                ("anchoring", detail(sentence())),
                ("decoy", detail(sentence())),
                ("freemiumVsTrial", led("A free trial", sentence())),
                ("annualVsMonthly", detail(sentence())),
            ]),
        ),
        (
            "priceRanges",
            object([
                ("min", amount()),
                ("max", amount()),
                ("recommended", amount()),
                ("currency", detail(text(3, 12))),
                ("evidence", detail(sentence())),
            ]),
        ),
        ("regulatoryFactors", detail(list(1, 6, sentence()))),
        (
            "marketRisks",
            list(2, 6, led("One risk of this market is that", sentence())),
        ),
        ("citations", citations(5)),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    let sizes = [("Total", "tam"), ("Serviceable", "sam"), ("Obtainable", "som")].map(|(name, key)| {
        let estimate = Layout::row(
            &content["marketSize"],
            &[key, &format!("{key}Source"), &format!("{key}Confidence")],
        );
        std::iter::once(name.to_owned()).chain(estimate).collect()
    });
    Layout::of(content)
        .rows(
            "Market size",
            &["Market", "Estimate", "Basis", "Confidence"],
            sizes.to_vec(),
        )
        .facts(&[("Growth", "/growthRate"), ("Basis of the growth", "/growthRateSource")])
        .heading("Timing")
        .facts(&[
            ("Why now", "/marketTiming/whyNow"),
            ("What changed", "/marketTiming/whatChanged"),
        ])
        .list("What helps", "/marketTiming/tailwinds")
        .list("What stands against it", "/marketTiming/headwinds")
        .heading("Prices in the market")
        .each("/pricingLandscape", "", "/competitor", |product| {
            product.facts(&[("Address", "/urls")]).table(
                "",
                "/tiers",
                &[("Tier", "/name"), ("Price", "/price"), ("Features", "/features")],
            )
        })
        .heading("Price of this product")
        .facts(&[
            ("At least", "/priceRanges/min"),
            ("At most", "/priceRanges/max"),
            ("Recommended", "/priceRanges/recommended"),
            ("Currency", "/priceRanges/currency"),
            ("Basis", "/priceRanges/evidence"),
        ])
        .heading("Psychology of the price")
        .facts(&[
            ("Approach", "/pricingPsychology/strategy"),
            ("Reasoning", "/pricingPsychology/reasoning"),
            ("Anchor", "/pricingPsychology/anchoring"),
            ("Decoy", "/pricingPsychology/decoy"),
            ("Free tier or trial", "/pricingPsychology/freemiumVsTrial"),
            ("Year or month", "/pricingPsychology/annualVsMonthly"),
        ])
        .list("Rules and laws", "/regulatoryFactors")
        .list("Market risks", "/marketRisks")
        .citations("/citations")
        .blocks()
}
