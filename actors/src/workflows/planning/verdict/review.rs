//! The verdict of a review.

use serde_json::{Value, json};

use crate::{
    records::{ReviewScore, ReviewVerdict},
    workflows::planning::{phase::Phase, schema},
};

/// Criteria of every review.
pub const UNIVERSAL_CRITERIA: &[&str] = &[
    "evidence_coverage",
    "factual_accuracy",
    "completeness",
    "actionability",
    "revenue_relevance",
];

/// From here on, a criterion is satisfied.
pub const ACCEPT_FROM: f64 = 7.0;

/// Below it, revising does not help.
pub const REJECT_BELOW: f64 = 4.0;

/// A reviewer's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    /// One score per criterion of the phase, in their order.
    pub scores: Vec<ReviewScore>,
    /// What to change, for the writer.
    pub feedback: Vec<String>,
}

/// The verdict by the rule: REJECT if any score is below 4, REVISE if any is below 7, else ACCEPT. A review without scores
/// decides nothing and asks for a revision.
#[must_use]
pub fn review_verdict(scores: &[ReviewScore]) -> ReviewVerdict {
    // Written so that a score that is no number counts against the artifact.
    let all_from = |floor: f64| scores.iter().all(|score| score.score >= floor);
    if scores.is_empty() {
        ReviewVerdict::Revise
    } else if !all_from(REJECT_BELOW) {
        ReviewVerdict::Reject
    } else if !all_from(ACCEPT_FROM) {
        ReviewVerdict::Revise
    } else {
        ReviewVerdict::Accept
    }
}

/// The mean of the scores; 0 without any.
#[must_use]
pub fn overall(scores: &[ReviewScore]) -> f64 {
    if scores.is_empty() {
        return 0.0;
    }
    scores.iter().map(|score| score.score).sum::<f64>() / scores.len() as f64
}

/// The strict schema of a review of `phase`: a reason and a score per criterion, and what to change. It has no field for a
/// verdict.
#[must_use]
pub fn review_schema(phase: &Phase) -> Value {
    let criterion = || {
        json!({
            "type": "object", "additionalProperties": false, "required": ["why", "score"],
            "properties": {"why": schema::full(&schema::text(10, 400)), "score": schema::full(&schema::score())},
        })
    };
    let criteria: Vec<&str> = phase.criteria().collect();
    let scores: serde_json::Map<String, Value> =
        criteria.iter().map(|name| ((*name).to_owned(), criterion())).collect();
    json!({
        "type": "object", "additionalProperties": false, "required": ["scores", "feedback"],
        "properties": {
            "scores": {"type": "object", "additionalProperties": false, "required": criteria, "properties": scores},
            "feedback": schema::full(&schema::list(0, 8, schema::text(10, 400))),
        },
    })
}

/// Reads a reviewer's answer.
///
/// # Errors
/// At most ten lines of the form `path: message`, made to be shown to the reviewer.
pub fn parse_review(phase: &Phase, text: &str) -> Result<Review, Vec<String>> {
    let answer = crate::workflows::planning::phase::parse(&review_schema(phase), text)?;
    let scores = phase.criteria().map(|criterion| ReviewScore {
        criterion: criterion.to_owned(),
        score: answer["scores"][criterion]["score"].as_f64().unwrap_or_default(),
    });
    let feedback = answer["feedback"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    Ok(Review {
        scores: scores.collect(),
        feedback: feedback.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflows::planning::phase::PhaseId;

    fn scores(values: &[f64]) -> Vec<ReviewScore> {
        values
            .iter()
            .map(|score| ReviewScore {
                criterion: "completeness".to_owned(),
                score: *score,
            })
            .collect()
    }

    #[test]
    fn the_verdict_follows_the_table() {
        for (values, verdict) in [
            (&[7.0, 10.0][..], ReviewVerdict::Accept),
            (&[6.99, 10.0], ReviewVerdict::Revise),
            (&[4.0, 10.0], ReviewVerdict::Revise),
            (&[3.99, 10.0], ReviewVerdict::Reject),
            (&[f64::NAN, 10.0], ReviewVerdict::Reject),
            (&[], ReviewVerdict::Revise),
        ] {
            assert_eq!(review_verdict(&scores(values)), verdict, "{values:?}");
        }
    }

    #[test]
    fn the_overall_score_is_the_mean() {
        assert!((overall(&scores(&[7.0, 8.0])) - 7.5).abs() < f64::EPSILON);
        assert!(overall(&[]).abs() < f64::EPSILON);
    }

    #[test]
    fn a_review_must_score_every_criterion_and_nothing_else() {
        let phase = PhaseId::CustomerIntel.phase();
        let criterion = json!({"why": "Each claim has a source.", "score": 8});
        let mut answer = json!({"scores": {}, "feedback": ["Name the second competitor."]});
        for name in phase.criteria() {
            answer["scores"][name] = criterion.clone();
        }
        let review = parse_review(phase, &answer.to_string()).unwrap();
        assert_eq!(review.scores.len(), UNIVERSAL_CRITERIA.len() + 3);
        assert_eq!(review_verdict(&review.scores), ReviewVerdict::Accept);

        answer["verdict"] = json!("ACCEPT");
        answer["scores"]["watering_hole_precision"] = json!({"why": "Too vague to act on.", "score": 11});
        answer["scores"].as_object_mut().unwrap().shift_remove("completeness");
        let mut errors = parse_review(phase, &answer.to_string()).unwrap_err();
        errors.sort();
        assert_eq!(
            errors,
            [
                "/scores/completeness: is missing",
                "/scores/watering_hole_precision/score: must be at most 10",
                "/verdict: is not part of the schema",
            ]
        );
    }
}
