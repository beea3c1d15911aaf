//! Phase 8: how it earns.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{
        amount, citations, count, detail, entries, identifier, label, led, list, object, one_of, paragraph, score,
        sentence, single, text,
    },
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::BusinessModel,
    stage: Stage::Strategy,
    title: "Business model",
    purpose: "Fixes prices, tiers, unit economics and the way to a business that feeds its founder.",
    instructions: "You turn the strategy into money. Choose one way of earning and defend it against the obvious alternative. Where \
        the product acts by itself, consider charging for results or use, and say what exactly is counted so that a bill can \
        never surprise.\n\
        Write two to four tiers with prices in figures, the features that make each one complete for somebody, and the reason for \
        the price. Prices must fit the range found in market research; if they do not, say why. Unit economics use your own tiers: \
        cost to win a customer by the channels that are really planned, lifetime value from price, margin and an honest rate of \
        leaving, their ratio, and the months until a customer has paid back.\n\
        The milestones are first money, a thousand a month, ten thousand a month, and the point at which the founder's living is \
        covered. Each says how many customers of which tier that means, and when. List running costs by service and by stage, \
        including the cost of model calls, payment fees and support. For the payment setup name the products to create, the style \
        of checkout and the notifications to handle.",
    upstream: &[
        PhaseId::CustomerIntel,
        PhaseId::MarketResearch,
        PhaseId::RevenueExpansion,
        PhaseId::Strategy,
    ],
    schema_version: 1,
    schema,
    max_tokens: 6144,
    temperature: 0.5,
    searches: |idea| {
        [
            "pricing model",
            "subscription price per month",
            "usage based pricing",
            "customer acquisition cost",
            "churn rate",
            "payment fees",
            "hosting cost",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[
        "pricing_tiers_concrete",
        "unit_economics_calculated",
        "bootstrap_milestones_specific",
        "payment_config_complete",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("Earns by", "/revenueModel/type"),
                ("Because", "/revenueModel/reasoning"),
                ("First tier", "/pricingTiers/0/features/0"),
                ("Its monthly price", "/pricingTiers/0/priceMonthly"),
                ("Charged by result", "/agenticPricingModel/outcomeBasedPricing"),
                ("First money", "/bootstrapMilestones/firstDollar/how"),
            ],
        )
    },
    query: |idea| format!("Revenue model, pricing tiers, unit economics and costs for: {idea}"),
    document,
};

fn schema() -> Value {
    object([
        (
            "revenueModel",
            object([
                ("type", led("It earns money by", label())),
                ("reasoning", led("Charging this way fits because", sentence())),
                ("bootstrapFriendlinessScore", score()),
            ]),
        ),
        (
            "agenticPricingModel",
            object([
                ("outcomeBasedPricing", led("Customers pay only when", sentence())),
                ("usageBasedModel", detail(sentence())),
                ("agentDeliveredValue", led("The product saves its users", sentence())),
            ]),
        ),
        (
            "expansionRevenue",
            detail(object([
                ("adjacentProducts", list(1, 5, label())),
                ("upsellFeatures", list(1, 6, label())),
                ("timeline", text(8, 240)),
                ("revenuePotential", one_of(&["HIGH", "MEDIUM", "LOW"])),
            ])),
        ),
        (
            "pricingTiers",
            single(list(
                2,
                4,
                object([
                    ("name", detail(label())),
                    ("price", detail(text(1, 80))),
                    ("priceMonthly", amount()),
                    (
                        "features",
                        single(list(2, 8, led("For this price people get", label()))),
                    ),
                    ("psychologyReasoning", led("The price feels fair because", sentence())),
                    ("anchoringTrick", detail(sentence())),
                ]),
            )),
        ),
        (
            "unitEconomics",
            detail(object([
                ("reasoning", paragraph()),
                ("cac", amount()),
                ("ltv", amount()),
                ("ltvCacRatio", amount()),
                ("paybackPeriod", text(3, 120)),
            ])),
        ),
        (
            "bootstrapMilestones",
            object([
                (
                    "firstDollar",
                    object([
                        ("how", led("The first money comes from", sentence())),
                        ("when", detail(text(3, 120))),
                        ("fromWhom", led("It is paid by", label())),
                    ]),
                ),
                (
                    "first1KMRR",
                    detail(object([
                        ("timeline", text(3, 160)),
                        ("customerCount", count(1, 100_000)),
                    ])),
                ),
                (
                    "first10KMRR",
                    object([
                        ("timeline", detail(text(3, 160))),
                        ("whatChanges", led("Growth comes when", sentence())),
                    ]),
                ),
                (
                    "ramenProfitable",
                    detail(object([("when", text(3, 160)), ("monthlyCosts", text(3, 160))])),
                ),
            ]),
        ),
        (
            "costStructure",
            object([
                ("largestCost", led("The largest cost is", sentence())),
                ("hostingServices", detail(entries(1, 8))),
                ("thirdPartyServices", detail(entries(1, 8))),
                ("monthlyBurnByStage", detail(entries(2, 5))),
            ]),
        ),
        ("breakEvenTimeline", detail(sentence())),
        (
            "paymentConfiguration",
            detail(object([
                ("products", list(1, 6, label())),
                ("checkoutVsEmbedded", sentence()),
                ("webhookEvents", list(2, 10, identifier())),
            ])),
        ),
        ("citations", citations(0)),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .heading("How it earns")
        .facts(&[
            ("Model", "/revenueModel/type"),
            ("Why", "/revenueModel/reasoning"),
            (
                "Friendly to a founder without capital, of 10",
                "/revenueModel/bootstrapFriendlinessScore",
            ),
            ("Charged by result", "/agenticPricingModel/outcomeBasedPricing"),
            ("Charged by use", "/agenticPricingModel/usageBasedModel"),
            (
                "Value that software delivers",
                "/agenticPricingModel/agentDeliveredValue",
            ),
        ])
        .table(
            "Tiers",
            "/pricingTiers",
            &[
                ("Tier", "/name"),
                ("Price", "/price"),
                ("Per month", "/priceMonthly"),
                ("Features", "/features"),
                ("Why this price", "/psychologyReasoning"),
                ("Anchor", "/anchoringTrick"),
            ],
        )
        .heading("Unit economics")
        .facts(&[
            ("Cost to win a customer", "/unitEconomics/cac"),
            ("Lifetime value", "/unitEconomics/ltv"),
            ("Ratio", "/unitEconomics/ltvCacRatio"),
            ("Paid back after", "/unitEconomics/paybackPeriod"),
            ("Reckoned so", "/unitEconomics/reasoning"),
        ])
        .heading("Milestones")
        .facts(&[
            ("First money, how", "/bootstrapMilestones/firstDollar/how"),
            ("First money, when", "/bootstrapMilestones/firstDollar/when"),
            ("First money, from whom", "/bootstrapMilestones/firstDollar/fromWhom"),
            ("A thousand a month, when", "/bootstrapMilestones/first1KMRR/timeline"),
            (
                "A thousand a month, customers",
                "/bootstrapMilestones/first1KMRR/customerCount",
            ),
            (
                "Ten thousand a month, when",
                "/bootstrapMilestones/first10KMRR/timeline",
            ),
            (
                "Ten thousand a month, what changes",
                "/bootstrapMilestones/first10KMRR/whatChanges",
            ),
            (
                "Founder's living covered, when",
                "/bootstrapMilestones/ramenProfitable/when",
            ),
            (
                "Founder's living covered, costs a month",
                "/bootstrapMilestones/ramenProfitable/monthlyCosts",
            ),
            ("Break-even", "/breakEvenTimeline"),
        ])
        .heading("Costs")
        .paragraph("/costStructure/largestCost")
        .table(
            "Hosting",
            "/costStructure/hostingServices",
            &[("Service", "/name"), ("Cost", "/value")],
        )
        .table(
            "Other services",
            "/costStructure/thirdPartyServices",
            &[("Service", "/name"), ("Cost", "/value")],
        )
        .table(
            "Costs a month by stage",
            "/costStructure/monthlyBurnByStage",
            &[("Stage", "/name"), ("Cost", "/value")],
        )
        .heading("Expansion")
        .facts(&[
            ("Adjacent products", "/expansionRevenue/adjacentProducts"),
            ("Upsell features", "/expansionRevenue/upsellFeatures"),
            ("When", "/expansionRevenue/timeline"),
            ("Revenue potential", "/expansionRevenue/revenuePotential"),
        ])
        .heading("Payment setup")
        .facts(&[
            ("Products", "/paymentConfiguration/products"),
            ("Checkout", "/paymentConfiguration/checkoutVsEmbedded"),
            ("Notifications to handle", "/paymentConfiguration/webhookEvents"),
        ])
        .citations("/citations")
        .blocks()
}
