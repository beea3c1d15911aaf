//! Verdicts, computed from scores. No text of a model is ever taken as a verdict.

mod kill;
mod review;

pub use kill::{CRITERIA, CRITERION_FLOOR, Criterion, GO_MEAN, KILL_MEAN, KillAssessment, VITAL_FLOOR, assess};
pub use review::{
    ACCEPT_FROM, REJECT_BELOW, Review, UNIVERSAL_CRITERIA, overall, parse_review, review_schema, review_verdict,
};
