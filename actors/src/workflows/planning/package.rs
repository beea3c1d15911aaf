//! The finished plan: one JSON document for programs, one Markdown document for people.

use serde_json::{Map, Value, json};

use super::{
    document::{Block, deeper, escape, markdown, readable},
    phase::PhaseId,
    schema::NOT_ASSESSED,
    verdict::{KillAssessment, assess},
};
use crate::{
    ports::Profile,
    records::{PlanningArtifact, PlanningRun},
};

mod time;

/// Raised whenever the JSON package changes its meaning.
pub const FORMAT_VERSION: u32 = 1;

/// What a plan by the embedded model says about itself.
pub const NOTICE: &str =
    "This plan was drafted by the small built-in model. It shows how the pipeline works; it is not an analysis.";

/// Longest title taken from the idea, in characters.
const MAX_TITLE: usize = 90;

/// A finished plan.
#[derive(Debug)]
pub struct Package<'a> {
    run: &'a PlanningRun,
    chapters: Vec<Chapter<'a>>,
    completed_at: i64,
}

#[derive(Debug)]
struct Chapter<'a> {
    id: PhaseId,
    artifact: &'a PlanningArtifact,
    content: Value,
}

impl<'a> Package<'a> {
    /// Gathers the plan of a run. Of several versions of a phase the latest counts; artifacts of other names, and those whose
    /// content is no JSON, are left out. `completed_at` is in Unix seconds.
    #[must_use]
    pub fn new(run: &'a PlanningRun, artifacts: &'a [PlanningArtifact], completed_at: i64) -> Self {
        let chapters = PhaseId::ALL
            .into_iter()
            .filter_map(|id| {
                let versions = artifacts.iter().filter(|artifact| artifact.phase == id.as_str());
                let artifact = versions.max_by_key(|artifact| artifact.version)?;
                let content = serde_json::from_str(&artifact.content).ok()?;
                Some(Chapter { id, artifact, content })
            })
            .collect();
        Self {
            run,
            chapters,
            completed_at,
        }
    }

    /// The plan for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let assessment = self.assessment();
        json!({
            "formatVersion": FORMAT_VERSION,
            "runId": self.run.id,
            "idea": self.run.idea,
            "refinedIdea": self.run.refined_idea,
            "completedAt": time::rfc3339(self.completed_at),
            "profile": if self.is_embedded() { Profile::Embedded } else { Profile::Full },
            "notice": self.is_embedded().then_some(NOTICE),
            "verdict": assessment.as_ref().map(|found| found.verdict),
            "killTest": assessment,
            "qualityScore": self.run.quality_score,
            "revenuePotential": self.run.revenue_potential,
            "pivotCount": self.run.pivot_count,
            "artifacts": self.by_phase(|chapter| chapter.content.clone()),
            "scores": self.by_phase(|chapter| json!({
                "verdict": chapter.artifact.review_verdict,
                "overall": chapter.artifact.overall_score,
                "criteria": chapter.artifact.scores,
            })),
            "evidence": self.by_phase(|chapter| json!(chapter.artifact.evidence)),
            "versions": self.by_phase(|chapter| json!(chapter.artifact.version)),
            "schemaVersions": self.by_phase(|chapter| json!(chapter.artifact.schema_version)),
            "profiles": self.by_phase(|chapter| json!(chapter.artifact.profile)),
            "models": self.by_phase(|chapter| json!(chapter.artifact.model)),
            "usage": self.by_phase(|chapter| json!(chapter.artifact.usage)),
            "checksums": self.by_phase(|chapter| json!(chapter.artifact.sha256)),
        })
    }

    /// The plan for people: one document to read from top to bottom.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut parts = vec![markdown(&[Block::Heading(1, self.title())])];
        if self.is_embedded() {
            parts.push(format!("> **{NOTICE}**\n"));
        }
        parts.push(markdown(&self.summary()));
        parts.push(self.contents());
        for chapter in &self.chapters {
            let phase = chapter.id.phase();
            let mut blocks = vec![
                Block::Heading(2, heading(chapter.id)),
                Block::Note(phase.purpose.to_owned()),
            ];
            blocks.extend(deeper((phase.document)(&chapter.content), 1));
            parts.push(markdown(&blocks));
        }
        parts.push(markdown(&self.evidence()));
        parts.push(markdown(&self.making()));
        parts.join("\n")
    }

    fn by_phase(&self, value: impl Fn(&Chapter<'_>) -> Value) -> Map<String, Value> {
        self.chapters
            .iter()
            .map(|chapter| (chapter.id.as_str().to_owned(), value(chapter)))
            .collect()
    }

    fn content(&self, id: PhaseId) -> Option<&Value> {
        self.chapters
            .iter()
            .find(|chapter| chapter.id == id)
            .map(|chapter| &chapter.content)
    }

    /// Whether any chapter was written by the embedded model: one is enough to warn the reader.
    fn is_embedded(&self) -> bool {
        self.chapters
            .iter()
            .any(|chapter| chapter.artifact.profile == Profile::Embedded)
    }

    fn assessment(&self) -> Option<KillAssessment> {
        let chapter = self.chapters.iter().find(|chapter| chapter.id == PhaseId::KillTest)?;
        Some(assess(chapter.artifact.profile, &chapter.content))
    }

    fn title(&self) -> String {
        let idea = self.run.idea.split_whitespace().collect::<Vec<_>>().join(" ");
        if idea.chars().count() <= MAX_TITLE {
            return format!("Plan: {idea}");
        }
        let cut: String = idea.chars().take(MAX_TITLE).collect();
        format!("Plan: {}…", cut[..cut.rfind(' ').unwrap_or(cut.len())].trim_end())
    }

    fn summary(&self) -> Vec<Block> {
        let mut blocks = vec![Block::Heading(2, "Summary".to_owned())];
        let synthesis = self.content(PhaseId::Synthesis).unwrap_or(&Value::Null);
        if let Some(pitch) = synthesis["oneLinePitch"].as_str() {
            blocks.push(Block::Quote(pitch.to_owned()));
        }
        if let Some(summary) = synthesis["executiveSummary"].as_str() {
            blocks.push(Block::Paragraph(summary.to_owned()));
        }
        let mut facts = vec![("Idea".to_owned(), self.run.idea.clone())];
        facts.extend(
            self.run
                .refined_idea
                .clone()
                .map(|idea| ("Refined idea".to_owned(), idea)),
        );
        // What nobody judged stands together at the end, so that the rest can be read.
        let mut open = Vec::new();
        let mut judged = |name: &str, value: Option<String>| match value {
            Some(value) => facts.push((name.to_owned(), value)),
            None => open.push(name.to_lowercase()),
        };
        let score = |score: Option<f64>| score.map(|score| format!("{score:.1} of 10"));
        if let Some(found) = self.assessment() {
            let assessed = if found.assessed {
                found.reason.as_str()
            } else {
                NOT_ASSESSED
            };
            judged("Kill test", Some(format!("{}, {assessed}", found.verdict.as_str())));
            judged("Kill test score", score(found.score));
        }
        if let Some(content) = self.content(PhaseId::Opportunity) {
            let potential = json!(super::opportunity::revenue_potential(content));
            let potential = potential.as_str().map(readable).filter(|words| *words != NOT_ASSESSED);
            judged("Revenue potential", potential.map(str::to_owned));
        }
        judged("Quality of the plan", score(self.run.quality_score));
        if !open.is_empty() {
            facts.push(("Not assessed".to_owned(), open.join(", ")));
        }
        facts.push(("Pivots".to_owned(), self.run.pivot_count.to_string()));
        facts.push(("Completed".to_owned(), time::rfc3339(self.completed_at)));
        blocks.push(Block::Facts(facts));
        let steps = texts(&synthesis["nextSteps"], None);
        if !steps.is_empty() {
            blocks.extend([Block::Heading(3, "What to do first".to_owned()), Block::Numbered(steps)]);
        }
        blocks
    }

    fn contents(&self) -> String {
        let titles = self.chapters.iter().map(|chapter| heading(chapter.id));
        let titles = titles.chain([EVIDENCE.to_owned(), MAKING.to_owned()]);
        let lines = titles.map(|title| format!("- [{}](#{})\n", escape(&title), anchor(&title)));
        format!("## Contents\n\n{}", lines.collect::<String>())
    }

    fn evidence(&self) -> Vec<Block> {
        let claims = || {
            self.chapters.iter().flat_map(|chapter| {
                chapter
                    .artifact
                    .evidence
                    .iter()
                    .map(move |evidence| (chapter.id.phase().title, evidence))
            })
        };
        let rows: Vec<Vec<String>> = claims()
            .filter(|(_, evidence)| !evidence.sources.is_empty())
            .map(|(title, evidence)| vec![evidence.claim.clone(), evidence.sources.join(", "), title.to_owned()])
            .collect();
        let mut assumed: Vec<String> = claims()
            .filter(|(_, evidence)| evidence.sources.is_empty())
            .map(|(title, evidence)| format!("{} ({title}, no evidence)", evidence.claim))
            .collect();
        let synthesis = self.content(PhaseId::Synthesis).unwrap_or(&Value::Null);
        assumed.extend(texts(&synthesis["keyAssumptions"], Some("assumption")));
        vec![
            Block::Heading(2, EVIDENCE.to_owned()),
            Block::Heading(3, "Claims with sources".to_owned()),
            if rows.is_empty() {
                Block::Note("No claim of this plan was checked against a source.".to_owned())
            } else {
                Block::Table {
                    head: ["Claim", "Sources", "Chapter"].map(str::to_owned).to_vec(),
                    rows,
                }
            },
            Block::Heading(3, "Assumptions".to_owned()),
            if assumed.is_empty() {
                Block::Note("No assumption was recorded.".to_owned())
            } else {
                Block::List(assumed)
            },
        ]
    }

    fn making(&self) -> Vec<Block> {
        let is_scored = self
            .chapters
            .iter()
            .any(|chapter| chapter.artifact.overall_score.is_some());
        let rows = self.chapters.iter().map(|chapter| {
            let artifact = chapter.artifact;
            let mut row = vec![
                heading(chapter.id),
                artifact.model.clone(),
                artifact.version.to_string(),
                artifact.schema_version.to_string(),
                (artifact.usage.input_tokens + artifact.usage.output_tokens).to_string(),
            ];
            if is_scored {
                let score = artifact.overall_score;
                row.push(score.map_or_else(|| NOT_ASSESSED.to_owned(), |score| format!("{score:.1}")));
            }
            row
        });
        let mut head = ["Chapter", "Model", "Version", "Schema", "Tokens"]
            .map(str::to_owned)
            .to_vec();
        if is_scored {
            head.push("Score of 10".to_owned());
        }
        vec![
            Block::Heading(2, MAKING.to_owned()),
            Block::Table {
                head,
                rows: rows.collect(),
            },
        ]
    }
}

const EVIDENCE: &str = "Evidence and assumptions";
const MAKING: &str = "How this plan was made";

fn heading(id: PhaseId) -> String {
    format!("{}. {}", id.number(), id.phase().title)
}

/// The anchor that Markdown renderers give to a heading of ours.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
        .collect()
}

/// The texts of a list, or of one field of its objects.
fn texts(list: &Value, field: Option<&str>) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    let texts = items.filter_map(|item| field.map_or(item, |field| &item[field]).as_str());
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
