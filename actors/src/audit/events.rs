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
/// A tenant was founded.
pub const TENANT_CREATED: &str = "tenant_created";
/// A tenant is not served until it is resumed.
pub const TENANT_SUSPENDED: &str = "tenant_suspended";
/// A tenant is served again.
pub const TENANT_RESUMED: &str = "tenant_resumed";
/// The name, the plan or a setting of a tenant was changed.
pub const SETTINGS_CHANGED: &str = "settings_changed";
/// A person became a member.
pub const MEMBER_ADDED: &str = "member_added";
/// A membership was taken away.
pub const MEMBER_REMOVED: &str = "member_removed";
/// A member has another role.
pub const MEMBER_ROLE_CHANGED: &str = "member_role_changed";
/// An address was invited.
pub const INVITATION_CREATED: &str = "invitation_created";
/// An invitation was accepted.
pub const INVITATION_ACCEPTED: &str = "invitation_accepted";
/// An invitation was taken back, or replaced by another one of the same address.
pub const INVITATION_REVOKED: &str = "invitation_revoked";
/// An API key was made.
pub const API_KEY_CREATED: &str = "api_key_created";
/// An API key was revoked.
pub const API_KEY_REVOKED: &str = "api_key_revoked";
/// A person began to work in a tenant.
pub const SIGNED_IN: &str = "signed_in";
/// An address was registered for the first time.
pub const USER_CREATED: &str = "user_created";
/// A person proved that an address is theirs.
pub const USER_VERIFIED: &str = "user_verified";
/// A person has another name, password or registration.
pub const USER_UPDATED: &str = "user_updated";
/// An account was removed.
pub const USER_DELETED: &str = "user_deleted";
/// A session was opened.
pub const SESSION_OPENED: &str = "session_opened";
/// A session was ended before its time.
pub const SESSION_REVOKED: &str = "session_revoked";
/// An attempt to sign in was refused.
pub const SIGN_IN_REFUSED: &str = "sign_in_refused";
