//! Phase 13: what is measured.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{code, count, detail, entries, identifier, label, led, list, object, one_of, sentence, single, text},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::Analytics,
    stage: Stage::Execution,
    title: "Analytics",
    purpose: "Decides which events, charts, alerts and tests show whether the product works.",
    instructions: "You decide what is measured, so that every Monday one person sees in five minutes whether the product works. \
        Begin with the questions: do people reach the activation metric, do they come back, do they pay, what breaks. Record an \
        event only if it answers one of them. Event names have an object and a verb in the past. Each event says when exactly it \
        fires, on the server if money or access depends on it, and which properties it carries; personal data are not among \
        them.\n\
        A funnel follows one kind of user from first contact to a result and gives the expected loss at each step, so that a \
        deviation can be seen. A chart has one metric, one kind of drawing and one range of time. An alert has a condition with a \
        number and names who is told and how; an alert that nobody would act on at night waits for the morning.\n\
        Tests change one thing. State the variants, the metric that decides, the smallest sample that makes the result \
        meaningful at the expected traffic, and the longest time to wait; if the sample cannot be reached within six weeks, \
        propose an interview instead. Queries are written in plain SQL over a table of events.",
    upstream: &[
        PhaseId::BusinessModel,
        PhaseId::ProductDesign,
        PhaseId::GtmMarketing,
        PhaseId::TechArch,
    ],
    schema_version: 1,
    schema,
    max_tokens: 6144,
    temperature: 0.3,
    searches: |_| Vec::new(),
    rubric: &[],
    decisions: |content| {
        decisions(
            content,
            &[
                ("Main event", "/eventTaxonomy/events/0/name"),
                ("It fires when", "/eventTaxonomy/events/0/trigger"),
                ("Funnel", "/conversionFunnels/0/stages/0"),
                ("Chart", "/dashboardSpec/charts/0/metric"),
                ("Alert", "/dashboardSpec/alerts/0/condition"),
                ("First test", "/abTestPlan/0/test"),
            ],
        )
    },
    query: |idea| format!("Events, funnels, charts, alerts and tests for: {idea}"),
    document,
};

fn schema() -> Value {
    object([
        (
            "eventTaxonomy",
            object([(
                "events",
                list(
                    4,
                    20,
                    object([
                        ("name", identifier()),
                        ("trigger", led("It is recorded when", sentence())),
                        ("category", one_of(&["lifecycle", "engagement", "conversion", "error"])),
                        ("properties", detail(entries(1, 8))),
                        ("implementationHint", detail(sentence())),
                    ]),
                ),
            )]),
        ),
        (
            "conversionFunnels",
            single(list(
                1,
                4,
                object([
                    ("name", detail(label())),
                    ("stages", list(3, 8, led("Then people", label()))),
                    ("expectedDropoff", detail(entries(2, 8))),
                ]),
            )),
        ),
        (
            "dashboardSpec",
            object([
                (
                    "charts",
                    single(list(
                        2,
                        10,
                        object([
                            ("title", detail(label())),
                            ("metric", led("It shows", sentence())),
                            (
                                "visualizationType",
                                one_of(&["line", "bar", "area", "number", "table", "funnel"]),
                            ),
                            ("timeRange", detail(text(3, 60))),
                        ]),
                    )),
                ),
                (
                    "alerts",
                    single(list(
                        1,
                        8,
                        object([
                            ("condition", led("Someone is told when", sentence())),
                            ("notification", led("The message goes to", sentence())),
                        ]),
                    )),
                ),
            ]),
        ),
        (
            "abTestPlan",
            single(list(
                1,
                5,
                object([
                    ("test", led("We compare", sentence())),
                    ("variants", detail(list(2, 4, sentence()))),
                    ("metric", led("The better version has", sentence())),
                    ("minimumSampleSize", count(10, 10_000_000)),
                    ("duration", detail(text(3, 80))),
                ]),
            )),
        ),
        (
            "queueMessageSchemas",
            detail(object([
                ("notifications", entries(1, 8)),
                ("webhooks", entries(1, 8)),
                ("analytics", entries(1, 8)),
            ])),
        ),
        (
            "analyticsQueries",
            single(list(
                1,
                8,
                object([
                    ("name", detail(label())),
                    ("description", led("It counts", sentence())),
                    ("sql", code(20, 1500)),
                ]),
            )),
        ),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .table(
            "Events",
            "/eventTaxonomy/events",
            &[
                ("Event", "/name"),
                ("Category", "/category"),
                ("When", "/trigger"),
                ("Properties", "/properties"),
                ("How", "/implementationHint"),
            ],
        )
        .heading("Funnels")
        .each("/conversionFunnels", "Funnel", "/name", |funnel| {
            funnel.numbered("Stages", "/stages").table(
                "Expected loss",
                "/expectedDropoff",
                &[("Step", "/name"), ("Loss", "/value")],
            )
        })
        .table(
            "Charts",
            "/dashboardSpec/charts",
            &[
                ("Title", "/title"),
                ("Metric", "/metric"),
                ("Drawn as", "/visualizationType"),
                ("Range", "/timeRange"),
            ],
        )
        .table(
            "Alerts",
            "/dashboardSpec/alerts",
            &[("Condition", "/condition"), ("Who is told", "/notification")],
        )
        .table(
            "Tests",
            "/abTestPlan",
            &[
                ("Test", "/test"),
                ("Variants", "/variants"),
                ("Decided by", "/metric"),
                ("Smallest sample", "/minimumSampleSize"),
                ("At most", "/duration"),
            ],
        )
        .table(
            "Notifications",
            "/queueMessageSchemas/notifications",
            &[("Field", "/name"), ("Meaning", "/value")],
        )
        .table(
            "Webhooks",
            "/queueMessageSchemas/webhooks",
            &[("Field", "/name"), ("Meaning", "/value")],
        )
        .table(
            "Analytics messages",
            "/queueMessageSchemas/analytics",
            &[("Field", "/name"), ("Meaning", "/value")],
        )
        .heading("Queries")
        .each("/analyticsQueries", "Query", "/name", |query| {
            query.paragraph("/description").code("/sql")
        })
        .blocks()
}
