//! Phase 10: how it is found and bought.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{detail, entries, identifier, label, led, list, object, one_of, sentence, single, text},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::GtmMarketing,
    stage: Stage::Design,
    title: "Going to market",
    purpose: "Plans how the first hundred customers hear of the product, try it and pay.",
    instructions: "You plan how one person with little money and no audience wins the first hundred customers. Begin with the places \
        where customers already gather; a channel without a named place is not a plan. Search comes next: choose keywords that \
        somebody with the problem would type, prefer long and exact ones, and group them into a few themes that you can write \
        about with authority.\n\
        Give titles of articles that could be written this week, a calendar, and where each piece is shared. The launch has \
        three parts: what is prepared in the four weeks before, what happens hour by hour on the day in each community, and what \
        follows in the two weeks after. Respect the rules of each community: be useful first, never post the same text twice.\n\
        The emails are a reason to sign up, a welcome sequence and a launch sequence, each with a purpose and a subject. A growth \
        loop names the action of a user that brings the next user. Paid advertising is a small test with a daily budget and a \
        condition to stop. Describe the funnel with its stages and expected rates, and say which stage to repair first. Name the \
        events to record.",
    upstream: &[
        PhaseId::CustomerIntel,
        PhaseId::Strategy,
        PhaseId::BusinessModel,
        PhaseId::ProductDesign,
    ],
    schema_version: 1,
    schema,
    max_tokens: 8192,
    temperature: 0.5,
    searches: |idea| {
        [
            "keywords people search",
            "blog topics",
            "community launch",
            "newsletter sponsorship",
            "launch checklist",
            "conversion rate benchmark",
            "advertising cost",
            "referral program",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[
        "bootstrap_feasibility",
        "channel_specificity",
        "seo_actionability",
        "launch_day_readiness",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("First keyword", "/seoStrategy/primaryKeywords/0"),
                ("Theme", "/seoStrategy/contentPillars/0"),
                ("Before launch", "/launchPlaybook/preLaunch"),
                ("Reason to sign up", "/emailMarketing/leadMagnet"),
                ("Growth loop", "/growthLoops/0"),
                ("Repair first", "/conversionFunnel/optimizationPriority/0"),
            ],
        )
    },
    query: |idea| format!("Channels, search, launch and funnel for: {idea}"),
    document,
};

fn schema() -> Value {
    let mail = || object([("subject", text(5, 120)), ("purpose", sentence())]);
    object([
        (
            "seoStrategy",
            object([
                (
                    "primaryKeywords",
                    single(list(3, 10, led("People search for", label()))),
                ),
                ("longTailKeywords", detail(list(3, 15, label()))),
                ("contentPillars", single(list(2, 5, led("We write about", sentence())))),
                ("technicalSEOChecklist", detail(list(3, 10, sentence()))),
            ]),
        ),
        (
            "contentMarketing",
            object([
                (
                    "blogPosts",
                    single(list(3, 12, led("One article explains how", label()))),
                ),
                ("contentCalendar", detail(text(40, 600))),
                (
                    "distributionPlan",
                    single(list(2, 6, led("Each article is shared", sentence()))),
                ),
            ]),
        ),
        (
            "launchPlaybook",
            object([
                ("preLaunch", led("Before the launch we", text(60, 800))),
                (
                    "launchDay",
                    object([
                        ("productHunt", detail(sentence())),
                        ("hackerNews", detail(sentence())),
                        ("reddit", detail(list(1, 5, sentence()))),
                        ("emailBlast", led("On launch day the email says", sentence())),
                    ]),
                ),
                ("postLaunch", led("After the launch we", text(60, 800))),
            ]),
        ),
        (
            "emailMarketing",
            object([
                ("leadMagnet", led("People sign up to get", sentence())),
                ("welcomeSequence", detail(list(2, 7, mail()))),
                ("launchSequence", detail(list(2, 7, mail()))),
            ]),
        ),
        (
            "growthLoops",
            single(list(1, 4, led("Each user brings another one because", sentence()))),
        ),
        (
            "socialMedia",
            detail(object([
                ("platformSelection", list(1, 4, sentence())),
                ("contentThemes", list(2, 6, label())),
                ("postingCadence", text(8, 160)),
            ])),
        ),
        (
            "microBudgetAds",
            detail(object([
                ("platform", label()),
                ("dailyBudget", text(2, 80)),
                ("adCopyVariations", list(2, 5, text(20, 240))),
            ])),
        ),
        (
            "conversionFunnel",
            object([
                ("stages", detail(list(3, 7, label()))),
                ("expectedConversionRates", detail(entries(2, 7))),
                (
                    "optimizationPriority",
                    single(list(1, 5, led("The first thing to improve is", sentence()))),
                ),
            ]),
        ),
        (
            "analyticsEventTaxonomy",
            single(list(
                3,
                15,
                object([
                    ("eventName", identifier()),
                    ("category", one_of(&["lifecycle", "engagement", "conversion", "error"])),
                    ("properties", detail(list(1, 8, identifier()))),
                    ("trigger", led("It is recorded when", sentence())),
                ]),
            )),
        ),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .heading("Search")
        .facts(&[
            ("Keywords", "/seoStrategy/primaryKeywords"),
            ("Long keywords", "/seoStrategy/longTailKeywords"),
        ])
        .list("Themes", "/seoStrategy/contentPillars")
        .list("Technical checklist", "/seoStrategy/technicalSEOChecklist")
        .list("Articles", "/contentMarketing/blogPosts")
        .heading("Calendar")
        .paragraph("/contentMarketing/contentCalendar")
        .list("Where it is shared", "/contentMarketing/distributionPlan")
        .heading("Before launch")
        .paragraph("/launchPlaybook/preLaunch")
        .heading("Launch day")
        .facts(&[
            ("Product Hunt", "/launchPlaybook/launchDay/productHunt"),
            ("Hacker News", "/launchPlaybook/launchDay/hackerNews"),
            ("Reddit", "/launchPlaybook/launchDay/reddit"),
            ("Email", "/launchPlaybook/launchDay/emailBlast"),
        ])
        .heading("After launch")
        .paragraph("/launchPlaybook/postLaunch")
        .heading("Email")
        .facts(&[("Reason to sign up", "/emailMarketing/leadMagnet")])
        .table(
            "Welcome sequence",
            "/emailMarketing/welcomeSequence",
            &[("Subject", "/subject"), ("Purpose", "/purpose")],
        )
        .table(
            "Launch sequence",
            "/emailMarketing/launchSequence",
            &[("Subject", "/subject"), ("Purpose", "/purpose")],
        )
        .list("Growth loops", "/growthLoops")
        .heading("Social media")
        .facts(&[
            ("Platforms", "/socialMedia/platformSelection"),
            ("Themes", "/socialMedia/contentThemes"),
            ("Rhythm", "/socialMedia/postingCadence"),
        ])
        .heading("A small advertising test")
        .facts(&[
            ("Platform", "/microBudgetAds/platform"),
            ("A day", "/microBudgetAds/dailyBudget"),
        ])
        .list("Texts", "/microBudgetAds/adCopyVariations")
        .heading("Funnel")
        .facts(&[("Stages", "/conversionFunnel/stages")])
        .table(
            "Expected rates",
            "/conversionFunnel/expectedConversionRates",
            &[("Step", "/name"), ("Rate", "/value")],
        )
        .numbered("What to repair first", "/conversionFunnel/optimizationPriority")
        .table(
            "Events to record",
            "/analyticsEventTaxonomy",
            &[
                ("Event", "/eventName"),
                ("Category", "/category"),
                ("When", "/trigger"),
                ("Properties", "/properties"),
            ],
        )
        .blocks()
}
