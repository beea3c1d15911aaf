//! The verdict of the kill test.
//!
//! Six criteria are scored from 0 to 10. The rule, in this order:
//! 1. KILL, when demand or feasibility is below [`VITAL_FLOOR`]: nobody wants it, or it cannot be built; or when the mean
//!    is below [`KILL_MEAN`].
//! 2. PIVOT, when any criterion is below [`CRITERION_FLOOR`], or the mean is below [`GO_MEAN`]: the direction has a weak
//!    side that another angle may repair. A product without agentic depth falls here.
//! 3. GO otherwise.
//!
//! The embedded model cannot judge: its kill test is always GO, not assessed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ports::Profile, records::KillVerdict};

/// Below it, demand or feasibility alone kills.
pub const VITAL_FLOOR: f64 = 3.0;

/// Below it, the mean of all criteria kills.
pub const KILL_MEAN: f64 = 4.0;

/// Below it, any single criterion asks for a pivot.
pub const CRITERION_FLOOR: f64 = 4.0;

/// From here on, the mean of all criteria is a GO.
pub const GO_MEAN: f64 = 6.0;

/// Months after which a parked idea is looked at again, where the artifact does not say.
const DEFAULT_REVISIT_MONTHS: u32 = 12;

/// The scored criteria: field name, name for people, whether it is vital.
pub const CRITERIA: [(&str, &str, bool); 6] = [
    ("demand", "Demand", true),
    ("differentiation", "Differentiation", false),
    ("reach", "Reach", false),
    ("feasibility", "Feasibility", true),
    ("economics", "Economics", false),
    ("agenticDepth", "Agentic depth", false),
];

/// What a kill test amounts to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KillAssessment {
    /// The verdict by the rule.
    pub verdict: KillVerdict,
    /// Whether the verdict rests on scores.
    pub assessed: bool,
    /// Mean of the criteria.
    pub score: Option<f64>,
    /// The criteria in their order.
    pub criteria: Vec<Criterion>,
    /// Why the verdict fell, in one or two sentences.
    pub reason: String,
    /// What the next attempt must change; only with PIVOT.
    pub pivot_brief: Option<String>,
    /// Months after which the idea is worth another look, should it be parked.
    pub revisit_months: u32,
    /// What may have changed by then.
    pub revisit_note: String,
}

/// One scored criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Name for people.
    pub name: String,
    /// 0 to 10; empty where nobody judged.
    pub score: Option<f64>,
    /// What speaks for the score.
    pub why: String,
}

/// Computes the verdict from the scored criteria of a kill-test artifact.
///
/// A criterion without a score in the full profile counts as unproven: PIVOT at best, never GO.
#[must_use]
pub fn assess(profile: Profile, content: &Value) -> KillAssessment {
    let criteria: Vec<Criterion> = CRITERIA
        .iter()
        .map(|(field, name, _)| {
            let node = &content["criteria"][*field];
            Criterion {
                name: (*name).to_owned(),
                score: node["score"].as_f64().filter(|score| (0.0..=10.0).contains(score)),
                why: node["why"].as_str().unwrap_or_default().to_owned(),
            }
        })
        .collect();
    let parked = &content["parkedForFuture"];
    let months = parked["revisitEstimateMonths"]
        .as_u64()
        .and_then(|months| u32::try_from(months).ok());
    let note = parked["note"].as_str().filter(|note| !note.is_empty());
    let (verdict, reason, score) = match profile {
        Profile::Embedded => (
            KillVerdict::Go,
            "The built-in model cannot judge, so the run goes on.".to_owned(),
            None,
        ),
        Profile::Full => decide(&criteria),
    };
    KillAssessment {
        verdict,
        assessed: match profile {
            Profile::Embedded => false,
            Profile::Full => criteria.iter().all(|criterion| criterion.score.is_some()),
        },
        score,
        pivot_brief: (verdict == KillVerdict::Pivot).then(|| brief(&criteria, content)),
        criteria,
        reason,
        revisit_months: months.map_or(DEFAULT_REVISIT_MONTHS, |months| months.clamp(6, 24)),
        revisit_note: note
            .unwrap_or("Look again when the weakest criteria may have changed.")
            .to_owned(),
    }
}

fn decide(criteria: &[Criterion]) -> (KillVerdict, String, Option<f64>) {
    let scores: Vec<f64> = criteria.iter().filter_map(|criterion| criterion.score).collect();
    if scores.len() < criteria.len() || scores.is_empty() {
        return (KillVerdict::Pivot, "Not every criterion was scored.".to_owned(), None);
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let below = |floor: f64, vital_only: bool| {
        let pairs = criteria
            .iter()
            .zip(CRITERIA)
            .filter(move |(_, (_, _, vital))| *vital || !vital_only);
        let weak = pairs.filter_map(move |(criterion, _)| {
            let score = criterion.score.filter(|score| *score < floor)?;
            Some(format!("{} scored {score:.1}", criterion.name))
        });
        weak.collect::<Vec<_>>().join(", ")
    };
    let vital = below(VITAL_FLOOR, true);
    let weak = below(CRITERION_FLOOR, false);
    let (verdict, reason) = if !vital.is_empty() {
        (
            KillVerdict::Kill,
            format!("{vital}, below the floor of {VITAL_FLOOR:.1}."),
        )
    } else if mean < KILL_MEAN {
        (
            KillVerdict::Kill,
            format!("The mean of {mean:.1} is below {KILL_MEAN:.1}."),
        )
    } else if !weak.is_empty() {
        (
            KillVerdict::Pivot,
            format!("{weak}, below the floor of {CRITERION_FLOOR:.1}."),
        )
    } else if mean < GO_MEAN {
        (
            KillVerdict::Pivot,
            format!("The mean of {mean:.1} is below {GO_MEAN:.1}."),
        )
    } else {
        (
            KillVerdict::Go,
            format!("The mean is {mean:.1} and no criterion is below {CRITERION_FLOOR:.1}."),
        )
    };
    (verdict, reason, Some(mean))
}

/// What the next attempt must change: the two weakest criteria, the fatal flaws, the suggestions.
fn brief(criteria: &[Criterion], content: &Value) -> String {
    let mut weakest: Vec<&Criterion> = criteria.iter().collect();
    weakest.sort_by(|a, b| a.score.unwrap_or(0.0).total_cmp(&b.score.unwrap_or(0.0)));
    let mut lines: Vec<String> = weakest
        .iter()
        .take(2)
        .map(|criterion| match criterion.score {
            Some(score) => format!("{} scored only {score:.1}: {}", criterion.name, criterion.why),
            None => format!("{} was not scored.", criterion.name),
        })
        .collect();
    for (label, field, most) in [("Flaw", "fatalFlaws", 3), ("Consider", "pivotSuggestions", 3)] {
        let items = content[field]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .take(most);
        lines.extend(items.map(|item| format!("{label}: {item}")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(scores: [f64; 6]) -> Value {
        let criteria: serde_json::Map<String, Value> = CRITERIA
            .iter()
            .zip(scores)
            .map(|((field, name, _), score)| {
                (
                    (*field).to_owned(),
                    json!({"score": score, "why": format!("Why of {name}.")}),
                )
            })
            .collect();
        json!({
            "verdict": "GO",
            "criteria": criteria,
            "fatalFlaws": ["The buyer never pays."],
            "pivotSuggestions": ["Sell to the city instead."],
            "parkedForFuture": {"reason": "Too early.", "revisitEstimateMonths": 9, "note": "When sensors are cheap."},
        })
    }

    #[test]
    fn the_verdict_follows_the_table() {
        // demand, differentiation, reach, feasibility, economics, agentic depth
        for (scores, verdict) in [
            ([6.0, 6.0, 6.0, 6.0, 6.0, 6.0], KillVerdict::Go),
            ([10.0, 10.0, 10.0, 10.0, 10.0, 10.0], KillVerdict::Go),
            ([8.0, 8.0, 8.0, 4.0, 4.0, 4.0], KillVerdict::Go),
            ([6.0, 6.0, 6.0, 6.0, 6.0, 5.9], KillVerdict::Pivot),
            ([9.0, 9.0, 9.0, 9.0, 9.0, 3.9], KillVerdict::Pivot),
            ([3.0, 9.0, 9.0, 9.0, 9.0, 9.0], KillVerdict::Pivot),
            ([9.0, 0.0, 9.0, 9.0, 9.0, 9.0], KillVerdict::Pivot),
            ([4.0, 4.0, 4.0, 4.0, 4.0, 4.0], KillVerdict::Pivot),
            ([4.0, 4.0, 4.0, 4.0, 4.0, 3.9], KillVerdict::Kill),
            ([2.9, 10.0, 10.0, 10.0, 10.0, 10.0], KillVerdict::Kill),
            ([10.0, 10.0, 10.0, 2.9, 10.0, 10.0], KillVerdict::Kill),
            ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0], KillVerdict::Kill),
        ] {
            let found = assess(Profile::Full, &content(scores));
            assert_eq!(found.verdict, verdict, "{scores:?}: {}", found.reason);
            assert!(found.assessed);
            assert_eq!(found.pivot_brief.is_some(), verdict == KillVerdict::Pivot);
        }
    }

    #[test]
    fn a_pivot_carries_what_must_change() {
        let brief = assess(Profile::Full, &content([9.0, 3.0, 9.0, 9.0, 9.0, 2.0]))
            .pivot_brief
            .unwrap();
        assert!(
            brief.starts_with("Agentic depth scored only 2.0: Why of Agentic depth.\nDifferentiation scored only 3.0"),
            "{brief}"
        );
        assert!(
            brief.contains("Flaw: The buyer never pays.") && brief.contains("Consider: Sell to the city instead."),
            "{brief}"
        );
    }

    #[test]
    fn a_verdict_in_words_counts_for_nothing() {
        let found = assess(Profile::Full, &json!({"verdict": "GO"}));
        assert_eq!(
            (found.verdict, found.assessed, found.score),
            (KillVerdict::Pivot, false, None)
        );
        let mut missing = content([9.0; 6]);
        missing["criteria"]["reach"]["score"] = json!(11);
        assert_eq!(assess(Profile::Full, &missing).verdict, KillVerdict::Pivot);
    }

    #[test]
    fn the_embedded_model_always_goes_on_unassessed() {
        let found = assess(Profile::Embedded, &content([0.0; 6]));
        assert_eq!(
            (found.verdict, found.assessed, found.score),
            (KillVerdict::Go, false, None)
        );
    }

    #[test]
    fn a_parked_idea_is_looked_at_again_within_two_years() {
        assert_eq!(assess(Profile::Full, &content([0.0; 6])).revisit_months, 9);
        let mut far = content([0.0; 6]);
        far["parkedForFuture"]["revisitEstimateMonths"] = json!(400);
        assert_eq!(assess(Profile::Full, &far).revisit_months, 24);
        assert_eq!(assess(Profile::Full, &json!({})).revisit_months, DEFAULT_REVISIT_MONTHS);
    }
}
