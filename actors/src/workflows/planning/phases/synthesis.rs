//! Phase 15: the whole plan in one view.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{count, detail, identifier, label, led, list, object, one_of, score, sentence, single, text},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::Synthesis,
    stage: Stage::Execution,
    title: "Synthesis",
    purpose: "Sums the plan up, names what it rests on, and says what to do first.",
    instructions: "You write the part that a busy reader sees first. The summary says in this order: who has which problem, what the \
        product does about it, why now, how it earns, what the first ninety days achieve, and what could stop it. It is made of \
        decisions that the earlier phases took; it adds none and smooths over no contradiction. If two phases disagree, say so and \
        choose.\n\
        The pitch in one line fits on a sign. The longer pitch takes half a minute to say. The risk register holds the risks that \
        are still open, with an owner's answer for each. An assumption is a sentence that the plan would fall without; say how it \
        is validated within two weeks for little money. Confidence is a number with a reason for each area, and evidence counts \
        more than hope.\n\
        The build manifest lets a developer or a coding assistant begin at once: an ordered list of work packages, each with a \
        self-contained prompt, the phases whose results it needs, what it yields, and criteria that can be checked by running \
        something; the files to make; the steps of deployment, the secrets to set by name only, and the checks after it. Next \
        steps begin with a verb and name the day by which they are done.",
    upstream: &[
        PhaseId::KillTest,
        PhaseId::Strategy,
        PhaseId::BusinessModel,
        PhaseId::ProductDesign,
        PhaseId::GtmMarketing,
        PhaseId::TechArch,
        PhaseId::Analytics,
        PhaseId::LaunchExecution,
    ],
    schema_version: 1,
    schema,
    max_tokens: 8192,
    temperature: 0.3,
    searches: |_| Vec::new(),
    rubric: &[
        "manifest_executability",
        "skill_prompt_quality",
        "file_coverage",
        "zero_decisions",
    ],
    decisions: |content| {
        decisions(
            content,
            &[
                ("In one line", "/oneLinePitch"),
                ("Rests on", "/keyAssumptions/0/assumption"),
                ("First risk", "/riskRegister/0/risk"),
                ("Confidence of 10", "/confidenceScore/overall"),
                ("Next step", "/nextSteps/0"),
            ],
        )
    },
    query: |idea| format!("Summary, open risks, assumptions and next steps for: {idea}"),
    document,
};

/// The risks that are still open, the heaviest first. Empty if the content is not an artifact of this phase.
#[must_use]
pub fn open_risks(content: &Value) -> Vec<String> {
    let weight = |risk: &Value, field: &str| match risk[field].as_str() {
        Some("high") => 3,
        Some("medium") => 2,
        Some(_) | None => 1,
    };
    let mut risks: Vec<&Value> = content["riskRegister"].as_array().into_iter().flatten().collect();
    risks.sort_by_key(|risk| std::cmp::Reverse(weight(risk, "probability") * weight(risk, "impact")));
    let texts = risks.into_iter().filter_map(|risk| risk["risk"].as_str());
    texts.map(str::to_owned).collect()
}

fn schema() -> Value {
    object([
        ("executiveSummary", led("In short, this plan", text(200, 2400))),
        ("oneLinePitch", led("The simple way to", text(24, 160))),
        ("elevatorPitch", led("Imagine that", text(80, 700))),
        (
            "riskRegister",
            single(list(
                2,
                8,
                object([
                    ("risk", led("There is a risk that", sentence())),
                    ("mitigation", led("To lower this risk the team can", sentence())),
                    ("probability", one_of(&["high", "medium", "low"])),
                    ("impact", one_of(&["high", "medium", "low"])),
                ]),
            )),
        ),
        (
            "keyAssumptions",
            list(
                2,
                8,
                object([
                    ("assumption", led("The plan assumes that", sentence())),
                    ("howToValidate", led("This can be tested by", sentence())),
                ]),
            ),
        ),
        (
            "confidenceScore",
            object([
                ("overall", score()),
                (
                    "breakdown",
                    detail(list(
                        2,
                        8,
                        object([("area", label()), ("why", sentence()), ("score", score())]),
                    )),
                ),
            ]),
        ),
        (
            "buildManifest",
            detail(object([
                (
                    "skillInvocations",
                    list(
                        2,
                        12,
                        object([
                            ("order", count(1, 12)),
                            ("skill", label()),
                            ("prompt", text(80, 1500)),
                            ("inputArtifacts", list(1, 8, label())),
                            ("expectedOutput", sentence()),
                            ("acceptanceCriteria", list(1, 6, sentence())),
                        ]),
                    ),
                ),
                (
                    "fileManifest",
                    list(
                        2,
                        40,
                        object([
                            ("path", label()),
                            ("action", one_of(&["create", "modify", "delete"])),
                            ("description", sentence()),
                            ("sourcePhase", label()),
                        ]),
                    ),
                ),
                ("deploymentSteps", list(2, 12, sentence())),
                ("secretsToSet", list(0, 12, identifier())),
                ("postDeployChecks", list(1, 8, sentence())),
            ])),
        ),
        ("nextSteps", list(3, 8, led("Next we", sentence()))),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .quote("/oneLinePitch")
        .heading("Summary")
        .paragraph("/executiveSummary")
        .heading("In half a minute")
        .paragraph("/elevatorPitch")
        .numbered("Next steps", "/nextSteps")
        .table(
            "Assumptions",
            "/keyAssumptions",
            &[("Assumption", "/assumption"), ("How to validate it", "/howToValidate")],
        )
        .table(
            "Open risks",
            "/riskRegister",
            &[
                ("Risk", "/risk"),
                ("Probability", "/probability"),
                ("Impact", "/impact"),
                ("Answer", "/mitigation"),
            ],
        )
        .heading("Confidence")
        .facts(&[("Overall, of 10", "/confidenceScore/overall")])
        .table(
            "By area",
            "/confidenceScore/breakdown",
            &[("Area", "/area"), ("Score", "/score"), ("Why", "/why")],
        )
        .heading("Work packages")
        .each("/buildManifest/skillInvocations", "Package", "/skill", |package| {
            package
                .paragraph("/prompt")
                .facts(&[
                    ("Order", "/order"),
                    ("Builds on", "/inputArtifacts"),
                    ("Yields", "/expectedOutput"),
                ])
                .list("Done when", "/acceptanceCriteria")
        })
        .table(
            "Files",
            "/buildManifest/fileManifest",
            &[
                ("File", "/path"),
                ("Action", "/action"),
                ("What", "/description"),
                ("From phase", "/sourcePhase"),
            ],
        )
        .numbered("Deployment", "/buildManifest/deploymentSteps")
        .list("Secrets to set", "/buildManifest/secretsToSet")
        .list("Checks after deployment", "/buildManifest/postDeployChecks")
        .blocks()
}
