//! Phase 14: what happens in the first ninety days.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{detail, entries, label, led, list, object, sentence, single, text},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::LaunchExecution,
    stage: Stage::Execution,
    title: "Launch",
    purpose: "Breaks the first ninety days into weeks and days, with money, tools and conditions to change course.",
    instructions: "You turn the plan into twelve weeks for one person. Each week has a theme, one action for each of five working \
        days, the figures that show at its end whether it worked, what it may cost, and the tools it needs. An action starts with a \
        verb, fits into a day, and leaves something that can be seen: a page, a call, a message, a number. \"Work on marketing\" is \
        not an action.\n\
        Build and sell at the same time: talk to customers in week one, charge somebody before week six. Follow the build \
        schedule of the technical plan and the playbook of the marketing plan; where they collide, customers come first. Leave \
        slack, since one week in four goes wrong.\n\
        Choose one north star metric that rises only if customers get value. Weekly metrics are few. Lead indicators move before \
        money does. Pivot triggers are conditions with a number and a date, agreed now, while nobody is tired: what happens if \
        they are met is part of the condition. The tool stack names a function, a tool and its cost, preferring what is free at \
        this size. The budget is divided by purpose and adds up to the sum of the weeks.",
    upstream: &[
        PhaseId::BusinessModel,
        PhaseId::GtmMarketing,
        PhaseId::ContentEngine,
        PhaseId::TechArch,
        PhaseId::Analytics,
    ],
    schema_version: 1,
    schema,
    max_tokens: 8192,
    temperature: 0.5,
    searches: |_| Vec::new(),
    rubric: &[
        "daily_actions_specific",
        "budget_realistic",
        "metrics_measurable",
        "tools_linked",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("North star", "/metricsFramework/northStarMetric"),
                ("First week", "/ninetyDayPlan/weeks/0/theme"),
                ("First action", "/ninetyDayPlan/weeks/0/dailyActions/0"),
                ("Lead indicator", "/metricsFramework/leadIndicators/0"),
                ("Change course if", "/metricsFramework/pivotTriggers/0"),
                ("Weeks one and two", "/buildSchedule/week1to2"),
            ],
        )
    },
    query: |idea| format!("Ninety day plan, metrics, tools and budget for: {idea}"),
    document,
};

fn schema() -> Value {
    object([
        (
            "ninetyDayPlan",
            object([(
                "weeks",
                list(
                    12,
                    12,
                    object([
                        ("theme", led("This week is about", label())),
                        ("dailyActions", list(5, 5, led("Today we", text(15, 240)))),
                        ("kpis", detail(list(1, 4, text(8, 160)))),
                        ("budget", detail(text(1, 80))),
                        ("toolsNeeded", detail(list(1, 6, label()))),
                    ]),
                ),
            )]),
        ),
        (
            "metricsFramework",
            object([
                ("northStarMetric", led("The number that matters most is", sentence())),
                ("weeklyMetrics", single(list(2, 6, led("Each week we count", label())))),
                (
                    "leadIndicators",
                    single(list(1, 5, led("An early good sign is", sentence()))),
                ),
                (
                    "pivotTriggers",
                    single(list(2, 5, led("We change course if", sentence()))),
                ),
            ]),
        ),
        (
            "toolStack",
            single(list(
                3,
                12,
                object([
                    ("function", detail(label())),
                    ("tool", led("We work with", label())),
                    ("cost", detail(text(1, 80))),
                ]),
            )),
        ),
        ("budgetAllocation", detail(entries(2, 8))),
        (
            "buildSchedule",
            object([
                ("week1to2", led("At first we build", sentence())),
                ("week3to4", led("Then we add", sentence())),
                ("week5to8", led("In the second month we test", sentence())),
                ("week9to12", led("In the third month we offer", sentence())),
            ]),
        ),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .heading("North star")
        .paragraph("/metricsFramework/northStarMetric")
        .list("Weekly metrics", "/metricsFramework/weeklyMetrics")
        .list("Lead indicators", "/metricsFramework/leadIndicators")
        .list("Change course if", "/metricsFramework/pivotTriggers")
        .heading("What is built when")
        .facts(&[
            ("Weeks 1 and 2", "/buildSchedule/week1to2"),
            ("Weeks 3 and 4", "/buildSchedule/week3to4"),
            ("Weeks 5 to 8", "/buildSchedule/week5to8"),
            ("Weeks 9 to 12", "/buildSchedule/week9to12"),
        ])
        .heading("Ninety days")
        .each("/ninetyDayPlan/weeks", "Week", "/theme", |week| {
            week.numbered("", "/dailyActions").facts(&[
                ("Figures", "/kpis"),
                ("Budget", "/budget"),
                ("Tools", "/toolsNeeded"),
            ])
        })
        .table(
            "Tools",
            "/toolStack",
            &[("For", "/function"), ("Tool", "/tool"), ("Cost", "/cost")],
        )
        .table(
            "Budget",
            "/budgetAllocation",
            &[("Purpose", "/name"), ("Amount", "/value")],
        )
        .blocks()
}
