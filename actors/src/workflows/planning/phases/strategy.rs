//! Phase 7: where it stands and how it wins.

use serde_json::Value;

use crate::workflows::planning::{
    document::{Block, Layout, decisions},
    phase::{Phase, PhaseId, Stage},
    schema::{detail, label, led, list, object, paragraph, sentence, single, text},
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::Strategy,
    stage: Stage::Strategy,
    title: "Strategy",
    purpose: "Decides the position, the story, the first narrow offer and what makes it hard to copy.",
    instructions: "You decide; you do not list options. Write one position: for whom, what it is, in which category a buyer would \
        file it, the single benefit that matters most, what it is unlike, and the weakness of that alternative. The full \
        statement joins these into one sentence that a customer would understand when it is read aloud.\n\
        The narrative says what is changing in the customer's world, why that cannot be undone, what work software will take over \
        in it, and how each use leaves records that improve the next. Keep predictions modest.\n\
        The wedge is the smallest product that gives one kind of customer the full value of one job; it is not a demo and not a \
        cheaper copy of the whole. State the differences along which you choose to be better and accept being worse on others. \
        The moat says how copying becomes harder after one, two and three years, beginning with nothing. For the voice give words \
        to use, taken from the language of customers, and words never to use. Name suggestions are short, pronounceable and not \
        the names of known products.",
    upstream: &[
        PhaseId::Opportunity,
        PhaseId::CustomerIntel,
        PhaseId::CompetitiveIntel,
        PhaseId::KillTest,
        PhaseId::RevenueExpansion,
    ],
    schema_version: 1,
    schema,
    max_tokens: 4096,
    temperature: 0.5,
    searches: |idea| {
        [
            "positioning",
            "category leaders",
            "brand voice examples",
            "wedge strategy",
            "why customers switch",
            "network effects",
            "product name",
        ]
        .iter()
        .map(|topic| format!("{idea} {topic}"))
        .collect()
    },
    rubric: &[],
    decisions: |content| {
        decisions(
            content,
            &[
                ("Position", "/positioning/fullStatement"),
                ("Key benefit", "/positioning/keyBenefit"),
                ("Unlike", "/positioning/unlike"),
                ("First narrow offer", "/wedgeStrategy/smallestProduct"),
                ("Voice", "/brandVoice/tone"),
                ("Hard to copy because", "/moatStrategy/howGetsHarder"),
            ],
        )
    },
    query: |idea| format!("Positioning, wedge, moat and brand voice for: {idea}"),
    document,
};

fn schema() -> Value {
    object([
        (
            "positioning",
            object([
                ("for", led("It is made for", label())),
                ("who", detail(sentence())),
                ("product", led("It is a tool that", label())),
                ("category", detail(label())),
                ("keyBenefit", led("The main benefit is", sentence())),
                ("unlike", led("Other tools", label())),
                ("competitorWeakness", detail(sentence())),
                ("fullStatement", led("For its customers it is", text(60, 500))),
            ]),
        ),
        (
            "strategicNarrative",
            object([
                ("whatIsChanging", led("In this field", sentence())),
                ("whyInevitable", detail(sentence())),
                ("agenticVision", led("In a few years the software", sentence())),
                ("dataFlywheel", detail(sentence())),
            ]),
        ),
        (
            "brandVoice",
            object([
                ("tone", led("The tone is", label())),
                ("personality", detail(sentence())),
                ("wordsToUse", detail(list(3, 10, label()))),
                ("wordsToNeverUse", detail(list(2, 10, label()))),
            ]),
        ),
        (
            "wedgeStrategy",
            object([
                ("smallestProduct", led("The smallest useful product is", sentence())),
                ("fullValueTo", detail(sentence())),
                ("reasoning", detail(paragraph())),
            ]),
        ),
        (
            "differentiationAxes",
            single(list(2, 5, led("It is better at", sentence()))),
        ),
        (
            "moatStrategy",
            object([
                ("howGetsHarder", led("It becomes hard to copy because", sentence())),
                ("timeline", detail(text(30, 500))),
            ]),
        ),
        (
            "nameSuggestions",
            detail(list(3, 6, object([("name", label()), ("domainCheckQuery", label())]))),
        ),
    ])
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .heading("Position")
        .quote("/positioning/fullStatement")
        .facts(&[
            ("For", "/positioning/for"),
            ("Who", "/positioning/who"),
            ("Product", "/positioning/product"),
            ("Category", "/positioning/category"),
            ("Key benefit", "/positioning/keyBenefit"),
            ("Unlike", "/positioning/unlike"),
            ("Whose weakness is", "/positioning/competitorWeakness"),
        ])
        .heading("The story")
        .facts(&[
            ("What is changing", "/strategicNarrative/whatIsChanging"),
            ("Why it cannot be undone", "/strategicNarrative/whyInevitable"),
            ("What software takes over", "/strategicNarrative/agenticVision"),
            ("How use improves it", "/strategicNarrative/dataFlywheel"),
        ])
        .heading("The first narrow offer")
        .paragraph("/wedgeStrategy/smallestProduct")
        .facts(&[
            ("Full value to", "/wedgeStrategy/fullValueTo"),
            ("Why", "/wedgeStrategy/reasoning"),
        ])
        .list("Where it is better", "/differentiationAxes")
        .heading("Why it becomes hard to copy")
        .paragraph("/moatStrategy/howGetsHarder")
        .facts(&[("Over time", "/moatStrategy/timeline")])
        .heading("Voice")
        .facts(&[
            ("Tone", "/brandVoice/tone"),
            ("Personality", "/brandVoice/personality"),
            ("Words to use", "/brandVoice/wordsToUse"),
            ("Words never to use", "/brandVoice/wordsToNeverUse"),
        ])
        .table(
            "Names",
            "/nameSuggestions",
            &[("Name", "/name"), ("To check", "/domainCheckQuery")],
        )
        .blocks()
}
