//! Phase 2: who needs it.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{amount, citations, detail, label, led, list, object, one_of, sentence, single, text, urls},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::CustomerIntel,
    stage: Stage::Discovery,
    title: "Customer intelligence",
    purpose: "Describes who buys, what hurts them, what they say about it and where to meet them.",
    instructions: "You describe the people who would buy the chosen opportunity, so precisely that a stranger could find ten of \
        them by Friday. Start with a job title, a company size and an industry; \"small businesses\" is not a customer. For each \
        kind of customer give the pains in order of severity, and call a pain hair on fire only if people already build a \
        workaround for it.\n\
        Write the words that customers use, not the words of vendors. A quotation must come from supplied material; without \
        any, write a sentence that such a customer could plausibly say and name \"assumed\" as its source. Name the tools in use \
        today with their price and the one thing about them that people hate, and the events that make someone look for a \
        replacement this week. Watering holes are places with names, not categories.\n\
        Willingness to pay is a range with a currency and the reason behind it, such as the price of what is replaced or the \
        hours saved. State who decides, who can block, and how long it takes. Put into unknowns what ten interviews should \
        answer first.",
    upstream: &[PhaseId::Opportunity],
    schema_version: 1,
    schema,
    max_tokens: 6144,
    temperature: 0.5,
    searches: |idea| {
        [
            "customer complaints",
            "forum discussion frustrated with",
            "subreddit",
            "how much do people pay",
            "alternatives to",
            "job title who buys",
            "wish there was a tool",
            "review one star",
            "newsletter community",
            "buying process",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[
        "customer_language_specificity",
        "buying_trigger_clarity",
        "watering_hole_precision",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("Customer", "/idealCustomerProfiles/0/demographics/jobTitle"),
                ("First pain", "/idealCustomerProfiles/0/painPoints/0/description"),
                ("Buying trigger", "/idealCustomerProfiles/0/buyingTriggers/0"),
                ("Uses today", "/idealCustomerProfiles/0/currentSolutions/0/tool"),
                ("Met at", "/idealCustomerProfiles/0/wateringHoles/0/name"),
                ("Job to be done", "/jobsToBeDone/0/functional"),
            ],
        )
    },
    query: |idea| format!("Customers, pains, buying triggers and language of buyers for: {idea}"),
    document,
};

fn schema() -> Value {
    let profile = object([
        (
            "demographics",
            object([
                ("jobTitle", led("They work as", label())),
                ("companySize", detail(label())),
                ("industry", detail(label())),
            ]),
        ),
        (
            "psychographics",
            object([
                ("values", detail(list(2, 5, label()))),
                ("fears", single(list(2, 5, led("They fear that", sentence())))),
                ("aspirations", detail(list(2, 5, sentence()))),
                ("identity", detail(sentence())),
            ]),
        ),
        (
            "painPoints",
            list(
                2,
                6,
                object([
                    ("description", led("It hurts them that", sentence())),
                    ("exactQuote", detail(sentence())),
                    ("source", detail(label())),
                    ("severity", one_of(&["hair_on_fire", "high", "medium", "nice_to_have"])),
                ]),
            ),
        ),
        (
            "buyingTriggers",
            single(list(2, 5, led("They look for help when", sentence()))),
        ),
        (
            "currentSolutions",
            single(list(
                1,
                5,
                object([
                    ("tool", led("Today they use", label())),
                    ("whatTheyPay", detail(text(4, 160))),
                    ("whatTheyHate", led("They dislike that", sentence())),
                ]),
            )),
        ),
        ("switchingCosts", detail(sentence())),
        (
            "wateringHoles",
            single(list(
                2,
                6,
                object([
                    ("name", led("They can be met at", label())),
                    (
                        "type",
                        one_of(&[
                            "subreddit",
                            "forum",
                            "slack",
                            "discord",
                            "newsletter",
                            "podcast",
                            "twitter",
                            "other",
                        ]),
                    ),
                    ("urls", urls()),
                    ("memberCount", detail(text(2, 80))),
                ]),
            )),
        ),
        ("searchBehavior", detail(list(2, 8, label()))),
        (
            "willingnessToPay",
            object([
                ("min", amount()),
                ("max", amount()),
                ("currency", detail(text(3, 12))),
                ("evidence", detail(sentence())),
            ]),
        ),
        (
            "decisionProcess",
            object([
                ("whoDecides", led("The choice is made by", label())),
                ("whoInfluences", detail(text(3, 200))),
                ("timeline", detail(text(3, 160))),
            ]),
        ),
    ]);
    object([
        ("idealCustomerProfiles", list(1, 3, profile)),
        (
            "customerLanguage",
            object([
                ("exactWords", single(list(3, 10, led("They often talk about", label())))),
                ("phrases", detail(list(2, 8, text(8, 200)))),
                ("metaphors", detail(list(1, 5, text(8, 200)))),
            ]),
        ),
        (
            "jobsToBeDone",
            single(list(
                1,
                4,
                object([
                    ("functional", led("They want to", sentence())),
                    ("emotional", detail(sentence())),
                    ("social", detail(sentence())),
                ]),
            )),
        ),
        ("unknowns", detail(list(2, 6, sentence()))),
        ("citations", citations(3)),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .heading("Customers")
        .each(
            "/idealCustomerProfiles",
            "Customer",
            "/demographics/jobTitle",
            |profile| {
                profile
                    .facts(&[
                        ("Company size", "/demographics/companySize"),
                        ("Industry", "/demographics/industry"),
                        ("Identity", "/psychographics/identity"),
                        ("Values", "/psychographics/values"),
                        ("Cost of switching", "/switchingCosts"),
                    ])
                    .list("Fears", "/psychographics/fears")
                    .list("Aspirations", "/psychographics/aspirations")
                    .table(
                        "Pains",
                        "/painPoints",
                        &[
                            ("Pain", "/description"),
                            ("Severity", "/severity"),
                            ("In their words", "/exactQuote"),
                            ("Source", "/source"),
                        ],
                    )
                    .list("Buying triggers", "/buyingTriggers")
                    .table(
                        "What they use today",
                        "/currentSolutions",
                        &[
                            ("Tool", "/tool"),
                            ("Price", "/whatTheyPay"),
                            ("What they hate", "/whatTheyHate"),
                        ],
                    )
                    .table(
                        "Where to meet them",
                        "/wateringHoles",
                        &[
                            ("Place", "/name"),
                            ("Kind", "/type"),
                            ("Members", "/memberCount"),
                            ("Addresses", "/urls"),
                        ],
                    )
                    .list("What they search for", "/searchBehavior")
                    .heading("Money and decision")
                    .facts(&[
                        ("Pays at least", "/willingnessToPay/min"),
                        ("Pays at most", "/willingnessToPay/max"),
                        ("Currency", "/willingnessToPay/currency"),
                        ("Why that much", "/willingnessToPay/evidence"),
                        ("Decides", "/decisionProcess/whoDecides"),
                        ("Influences", "/decisionProcess/whoInfluences"),
                        ("Takes", "/decisionProcess/timeline"),
                    ])
            },
        )
        .table(
            "Jobs to be done",
            "/jobsToBeDone",
            &[
                ("Functional", "/functional"),
                ("Emotional", "/emotional"),
                ("Social", "/social"),
            ],
        )
        .heading("The language of customers")
        .facts(&[
            ("Words", "/customerLanguage/exactWords"),
            ("Phrases", "/customerLanguage/phrases"),
            ("Metaphors", "/customerLanguage/metaphors"),
        ])
        .list("Unknowns", "/unknowns")
        .citations("/citations")
        .blocks()
}
