//! Phase 12: how it is built.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{code, detail, entries, flag, identifier, label, led, list, object, one_of, path, sentence, single, text},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::TechArch,
    stage: Stage::Execution,
    title: "Technical architecture",
    purpose: "Fixes data, routes, agents, jobs and technical decisions of the first version.",
    instructions: "You design the system that carries the first version, for one developer to build and run at little cost. Decide \
        everything that would otherwise stop that developer; where two choices are equal, take the more boring one. Leave out \
        whatever the first hundred customers do not need.\n\
        Give each table with its definition in SQL, a migration and its relations; every table that holds customer data carries \
        the tenant. List the routes with method, path, what goes in, what comes out and who may call them. List the pages of the \
        web application with their files, the data they load and their components.\n\
        Where the product acts by itself, describe each agent as a long-lived object: the state it keeps, the messages it \
        answers, where it is bound. Work with several steps that must survive a crash is a workflow; work that may wait is a \
        queue with a message shape; work at fixed times is a scheduled job. Say which tools are offered to other agents.\n\
        Settings and secrets are named, never given values. For sign-in decide method, session length and roles. Each technical \
        decision has a preferred choice, one to avoid, and a reason that mentions a cost or a risk. Avoid code beyond the table \
        definitions.",
    upstream: &[
        PhaseId::KillTest,
        PhaseId::Strategy,
        PhaseId::BusinessModel,
        PhaseId::ProductDesign,
    ],
    schema_version: 1,
    schema,
    max_tokens: 8192,
    temperature: 0.3,
    searches: |_| Vec::new(),
    rubric: &[
        "foundation_compatibility",
        "cost_consciousness",
        "schema_completeness",
        "route_specificity",
        "zero_ambiguity",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("Main table", "/databaseSchema/newTables/0/name"),
                ("Main route", "/apiRoutes/routes/0/path"),
                ("Agent", "/durableObjects/newAgents/0/stateShape"),
                ("Workflow", "/workflows/newWorkflows/0"),
                ("Sign-in", "/authFlowDecisions/signupMethod"),
                ("Technical decision", "/technicalDecisions/0/preferred"),
            ],
        )
    },
    query: |idea| format!("Data model, routes, agents and technical decisions for: {idea}"),
    document,
};

fn schema() -> Value {
    object([
        (
            "databaseSchema",
            object([
                (
                    "newTables",
                    single(list(
                        1,
                        12,
                        object([
                            ("name", identifier()),
                            ("purpose", led("Each row holds", sentence())),
                            ("schemaSql", code(30, 3000)),
                            ("migrationSQL", code(10, 3000)),
                            ("relationships", detail(list(0, 8, sentence()))),
                        ]),
                    )),
                ),
                ("schemaFile", detail(label())),
                ("migrationFile", detail(label())),
            ]),
        ),
        (
            "apiRoutes",
            object([
                (
                    "routes",
                    single(list(
                        2,
                        20,
                        object([
                            ("method", one_of(&["GET", "POST", "PUT", "PATCH", "DELETE"])),
                            ("path", path()),
                            ("description", led("It lets a program", sentence())),
                            ("requestBody", detail(text(4, 400))),
                            ("responseBody", detail(text(4, 400))),
                            ("auth", one_of(&["required", "optional", "public"])),
                        ]),
                    )),
                ),
                ("gatewayChanges", detail(sentence())),
            ]),
        ),
        (
            "webRoutes",
            detail(object([(
                "routes",
                list(
                    1,
                    15,
                    object([
                        ("path", path()),
                        ("files", list(1, 6, label())),
                        ("dataLoad", sentence()),
                        ("components", list(1, 10, label())),
                    ]),
                ),
            )])),
        ),
        (
            "durableObjects",
            object([(
                "newAgents",
                single(list(
                    1,
                    6,
                    object([
                        ("className", detail(label())),
                        ("stateShape", led("It remembers", sentence())),
                        ("methods", detail(list(1, 10, label()))),
                        ("binding", detail(identifier())),
                    ]),
                )),
            )]),
        ),
        (
            "workflows",
            object([
                ("existingToFill", detail(list(0, 6, sentence()))),
                ("newWorkflows", single(list(1, 6, led("Step by step it", sentence())))),
            ]),
        ),
        (
            "queueHandlers",
            detail(object([
                ("existingToFill", list(0, 6, sentence())),
                ("messageSchemas", entries(1, 8)),
            ])),
        ),
        ("mcpTools", detail(object([("newTools", list(1, 8, sentence()))]))),
        (
            "cronJobs",
            single(object([("jobs", single(list(1, 6, led("Every day it", sentence()))))])),
        ),
        ("deploymentChanges", detail(entries(1, 10))),
        (
            "environmentVariables",
            detail(object([
                ("secrets", list(1, 12, identifier())),
                ("devVars", list(1, 12, identifier())),
            ])),
        ),
        (
            "authFlowDecisions",
            object([
                ("signupMethod", led("People sign in with", sentence())),
                ("sessionDuration", detail(text(3, 120))),
                ("roleBasedAccess", detail(entries(1, 8))),
            ]),
        ),
        (
            "thirdPartyIntegrations",
            single(list(1, 8, led("It is connected to", sentence()))),
        ),
        (
            "technicalDecisions",
            single(list(
                3,
                12,
                object([
                    ("category", detail(label())),
                    ("preferred", led("We choose", sentence())),
                    ("avoid", detail(sentence())),
                    ("reason", led("The reason is that", sentence())),
                    ("runsEverywhere", flag()),
                ]),
            )),
        ),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .heading("Data")
        .each("/databaseSchema/newTables", "Table", "/name", |table| {
            table
                .paragraph("/purpose")
                .heading("Definition")
                .code("/schemaSql")
                .heading("Migration")
                .code("/migrationSQL")
                .facts(&[("Relations", "/relationships")])
        })
        .facts(&[
            ("Schema file", "/databaseSchema/schemaFile"),
            ("Migration file", "/databaseSchema/migrationFile"),
        ])
        .table(
            "Routes of the interface",
            "/apiRoutes/routes",
            &[
                ("Method", "/method"),
                ("Path", "/path"),
                ("What it does", "/description"),
                ("In", "/requestBody"),
                ("Out", "/responseBody"),
                ("Sign-in", "/auth"),
            ],
        )
        .facts(&[("Gateway", "/apiRoutes/gatewayChanges")])
        .table(
            "Pages",
            "/webRoutes/routes",
            &[
                ("Path", "/path"),
                ("Files", "/files"),
                ("Data", "/dataLoad"),
                ("Components", "/components"),
            ],
        )
        .table(
            "Agents",
            "/durableObjects/newAgents",
            &[
                ("Name", "/className"),
                ("State", "/stateShape"),
                ("Messages", "/methods"),
                ("Binding", "/binding"),
            ],
        )
        .list("New workflows", "/workflows/newWorkflows")
        .list("Existing workflows to fill", "/workflows/existingToFill")
        .table(
            "Queue messages",
            "/queueHandlers/messageSchemas",
            &[("Queue", "/name"), ("Message", "/value")],
        )
        .list("Existing queues to fill", "/queueHandlers/existingToFill")
        .list("Tools for other agents", "/mcpTools/newTools")
        .list("Scheduled jobs", "/cronJobs/jobs")
        .table(
            "Deployment",
            "/deploymentChanges",
            &[("Change", "/name"), ("Value", "/value")],
        )
        .heading("Settings")
        .facts(&[
            ("Secrets", "/environmentVariables/secrets"),
            ("For development", "/environmentVariables/devVars"),
        ])
        .heading("Sign-in")
        .facts(&[
            ("Method", "/authFlowDecisions/signupMethod"),
            ("Session", "/authFlowDecisions/sessionDuration"),
        ])
        .table(
            "Roles",
            "/authFlowDecisions/roleBasedAccess",
            &[("Role", "/name"), ("May", "/value")],
        )
        .list("Other services", "/thirdPartyIntegrations")
        .table(
            "Technical decisions",
            "/technicalDecisions",
            &[
                ("About", "/category"),
                ("Preferred", "/preferred"),
                ("Avoid", "/avoid"),
                ("Why", "/reason"),
                ("Runs everywhere", "/runsEverywhere"),
            ],
        )
        .blocks()
}
