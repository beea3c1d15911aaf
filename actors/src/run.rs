//! A planning run, as others see it: the messages it answers and what it tells of itself.
//!
//! The actor is an instance of the workflow [`Planning`](crate::workflows::planning::Planning). What slow work needs (the
//! similarity of a text to the artifacts of a run, the bytes of its package) is asked of the ports, not of the actor.

mod detail;
mod handlers;
mod messages;
mod similarity;

pub use detail::{
    Approval, Decision, EarlierAttempt, GatheredCounts, PackageKeys, PhaseProgress, PhaseStatus, RunDetail,
};
pub use messages::{
    ApproveRun, COMMENT_MAX, CancelRun, DeleteRun, EVENTS_MAX, GetArtifact, GetPackage, GetRun, GetRunDetail, IDEA_MAX,
    IDEA_MIN, ListArtifacts, ListRunEvents, Origin, PauseRun, RejectRun, ResumeRun, RunState, SendTexts, StartRun,
    Started,
};
pub use similarity::{QUERY_MAX, SimilarArtifact, TOP_K_MAX, similar};

/// The actor of one run; its name is the id of the run.
pub type Run = crate::workflows::WorkflowActor<crate::workflows::planning::Planning>;
