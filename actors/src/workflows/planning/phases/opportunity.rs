//! Phase 1: what exactly is worth building.

use serde_json::{Value, json};

use crate::{
    records::RevenuePotential,
    workflows::planning::{
        document::{Block, Layout, decisions},
        phase::{Phase, PhaseId, Stage},
        schema::{citations, count, given, led, list, object, one_of, or, sentence, text},
    },
};

pub(super) static PHASE: Phase = Phase {
    id: PhaseId::Opportunity,
    stage: Stage::Discovery,
    title: "Opportunity",
    purpose: "Turns the idea into a few sharper versions of it and picks the one worth pursuing.",
    instructions: "You sharpen a raw business idea. Write three to five versions of it that differ in who pays, which job is done \
        or how far software acts on its own. Each version names one kind of customer, the moment in which that customer feels \
        the problem, what the product does about it without being asked, and what the customer pays for. A version that merely \
        rewords the idea is worthless.\n\
        Rate each version soberly. High revenue needs buyers who already spend money on the problem. High urgency means that \
        waiting a month costs them something. High feasibility means that one capable person can ship a first version in about \
        eight weeks. A high agentic score means that the product takes decisions and acts, and that its records make it better \
        with use; storing and listing entries is low.\n\
        Recommend exactly one version by its position, counting from zero, and say in the key insight what most people would \
        overlook about it. List as unknowns the questions whose answers would change the choice. Give a source for a claim only \
        if one was supplied to you; otherwise leave its list of addresses empty. If the request says that an earlier direction \
        was rejected, move away from it and address the reason.",
    upstream: &[],
    schema_version: 1,
    schema,
    max_tokens: 3072,
    temperature: 0.5,
    searches: |idea| {
        vec![
            format!("{idea} market demand"),
            format!("{idea} software people pay for"),
            format!("{idea} problems complaints"),
            format!("{idea} startups"),
        ]
    },
    rubric: &[],
    decisions: decide,
    query: |idea| format!("Opportunity, target customer and revenue potential of: {idea}"),
    document,
};

fn schema() -> Value {
    let level = || one_of(&["HIGH", "MEDIUM", "LOW"]);
    let strength = || one_of(&["VERY_HIGH", "HIGH", "MEDIUM", "LOW"]);
    object([
        ("originalIdea", given()),
        (
            "refinedOpportunities",
            list(
                3,
                5,
                object([
                    ("idea", led("A product that", text(30, 240))),
                    ("description", led("It lets people", text(80, 700))),
                    ("reasoning", led("It matters because", text(60, 600))),
                    ("revenuePotential", strength()),
                    ("customerUrgency", strength()),
                    ("competitionDensity", level()),
                    ("feasibility", level()),
                    ("agenticScore", level()),
                    ("sources", citations(0)),
                ]),
            ),
        ),
        ("recommendedIndex", or(count(0, 4), json!(0))),
        ("keyInsight", led("Most people overlook that", text(60, 500))),
        ("unknowns", list(2, 6, led("It is still unknown whether", sentence()))),
    ])
}

/// The opportunity that the artifact recommends.
fn chosen(content: &Value) -> &Value {
    let index = content["recommendedIndex"]
        .as_u64()
        .and_then(|index| usize::try_from(index).ok())
        .unwrap_or(0);
    let opportunities = &content["refinedOpportunities"];
    opportunities
        .get(index)
        .or_else(|| opportunities.get(0))
        .unwrap_or(&Value::Null)
}

/// The idea as this phase refined it: what later phases plan for. Empty if the content is not an artifact of this phase.
#[must_use]
pub fn refined_idea(content: &Value) -> String {
    chosen(content)["idea"].as_str().unwrap_or_default().to_owned()
}

/// The revenue potential of the chosen opportunity.
#[must_use]
pub fn revenue_potential(content: &Value) -> RevenuePotential {
    match chosen(content)["revenuePotential"].as_str() {
        Some("VERY_HIGH") => RevenuePotential::VeryHigh,
        Some("HIGH") => RevenuePotential::High,
        Some("MEDIUM") => RevenuePotential::Medium,
        Some("LOW") => RevenuePotential::Low,
        Some(_) | None => RevenuePotential::NotAssessed,
    }
}

fn decide(content: &Value) -> Vec<String> {
    let mut lines = decisions(
        chosen(content),
        &[
            ("Chosen opportunity", "/idea"),
            ("What it does", "/description"),
            ("Revenue potential", "/revenuePotential"),
        ],
    );
    lines.extend(decisions(
        content,
        &[("Key insight", "/keyInsight"), ("Open question", "/unknowns/0")],
    ));
    lines
}

fn document(content: &Value) -> Vec<Block> {
    Layout::of(content)
        .heading("The idea as given")
        .quote("/originalIdea")
        .heading("Key insight")
        .paragraph("/keyInsight")
        .heading("Recommended")
        .block(Block::Paragraph(refined_idea(content)))
        .heading("All versions")
        .each("/refinedOpportunities", "Version", "/idea", |version| {
            version
                .paragraph("/description")
                .paragraph("/reasoning")
                .facts(&[
                    ("Revenue potential", "/revenuePotential"),
                    ("Customer urgency", "/customerUrgency"),
                    ("Competition", "/competitionDensity"),
                    ("Feasibility", "/feasibility"),
                    ("Agentic score", "/agenticScore"),
                ])
                .citations("/sources")
        })
        .list("Unknowns", "/unknowns")
        .blocks()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recommended_opportunity_becomes_the_refined_idea() {
        let content = json!({
            "refinedOpportunities": [{"idea": "First.", "revenuePotential": "LOW"}, {"idea": "Second.", "revenuePotential": "VERY_HIGH"}],
            "recommendedIndex": 1,
        });
        assert_eq!(refined_idea(&content), "Second.");
        assert_eq!(revenue_potential(&content), RevenuePotential::VeryHigh);
    }

    #[test]
    fn a_recommendation_beyond_the_list_means_the_first() {
        let content = json!({"refinedOpportunities": [{"idea": "First.", "revenuePotential": "NOT_ASSESSED"}], "recommendedIndex": 4});
        assert_eq!(refined_idea(&content), "First.");
        assert_eq!(revenue_potential(&content), RevenuePotential::NotAssessed);
    }
}
