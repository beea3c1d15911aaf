//! Types of the events that actors of this crate record. What is recorded already keeps its name.

/// A planning run was created.
pub const RUN_CREATED: &str = "run_created";
/// A planning run was cancelled.
pub const RUN_CANCELLED: &str = "run_cancelled";
/// A planning run was paused.
pub const RUN_PAUSED: &str = "run_paused";
/// A paused planning run was resumed.
pub const RUN_RESUMED: &str = "run_resumed";
/// The result of a planning run was approved.
pub const RUN_APPROVED: &str = "run_approved";
/// The result of a planning run was rejected.
pub const RUN_REJECTED: &str = "run_rejected";
/// A planning run was deleted.
pub const RUN_DELETED: &str = "run_deleted";
/// The artifact of a phase was accepted.
pub const ARTIFACT_POSTED: &str = "artifact_posted";
/// A parked idea became a run.
pub const PARKED_IDEA_PROMOTED: &str = "parked_idea_promoted";
/// A parked idea was deleted.
pub const PARKED_IDEA_DELETED: &str = "parked_idea_deleted";
/// An instance of a workflow was created.
pub const WORKFLOW_DISPATCHED: &str = "workflow_dispatched";
/// An instance of a workflow ended by itself, with success or not.
pub const WORKFLOW_COMPLETED: &str = "workflow_completed";
/// The time for which records are kept was changed.
pub const AUDIT_RETENTION_CHANGED: &str = "audit_retention_changed";
/// Records were removed because the time for which they are kept was over.
pub const AUDIT_PRUNED: &str = "audit_pruned";
