//! The kill test's verdict, and the decision that waits for a person.

use crate::planes::ui::{
    moment,
    summary::{Pill, VerdictKind, months_words},
};

/// A criterion of the kill test.
#[derive(Debug, Clone, PartialEq)]
pub struct CriterionView {
    /// Its name.
    pub name: String,
    /// 0 to 10; empty where the model could not judge it.
    pub score: Option<f64>,
    /// Why this score.
    pub why: String,
}

impl CriterionView {
    pub(in crate::planes::ui) fn width(&self) -> String {
        format!("{:.0}", self.score.unwrap_or(0.0).clamp(0.0, 10.0) * 10.0)
    }

    pub(in crate::planes::ui) fn score_text(&self) -> String {
        self.score.map_or_else(
            || "–".to_owned(),
            |score| format!("{score:.1}").trim_end_matches(".0").to_owned(),
        )
    }
}

/// The verdict of the kill test.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictView {
    /// What it says.
    pub kind: VerdictKind,
    /// False where the model could not judge; the page says "not assessed".
    pub assessed: bool,
    /// 0 to 10, where it was assessed.
    pub score: Option<f64>,
    /// What it was computed from.
    pub criteria: Vec<CriterionView>,
    /// Why.
    pub reason: String,
    /// What the next attempt is told, for a pivot.
    pub pivot_brief: Option<String>,
    /// Months after which to look again, for a kill.
    pub revisit_months: Option<u32>,
    /// Why then.
    pub revisit_note: Option<String>,
}

impl VerdictView {
    pub(in crate::planes::ui) fn pill(&self) -> Pill {
        let word = match self.score.filter(|_| self.assessed) {
            Some(score) => format!("{} {score:.1}", self.kind.word()),
            None => format!("{}, not assessed", self.kind.word()),
        };
        let (tone, glyph) = if self.assessed {
            (self.kind.tone(), self.kind.glyph())
        } else {
            ("", "s-none")
        };
        Pill::new(tone, glyph, word)
    }

    pub(in crate::planes::ui) fn revisit_words(&self) -> Option<String> {
        self.revisit_months
            .map(|months| format!("Look again in {}.", months_words(months)))
    }
}

/// What is to be decided.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalView {
    /// Since when it waits, Unix seconds.
    pub waiting_since: i64,
    /// What approving does, as a sentence ("Approving seals the package.").
    pub consequence: String,
    /// Risks the plan names, as short lines; the page shows them beside the verdict.
    pub risks: Vec<String>,
}

impl ApprovalView {
    pub(in crate::planes::ui) fn waiting(&self, now: &i64) -> String {
        moment::rough_length(moment::between(self.waiting_since, *now))
    }
}
