//! Planning runs, their artifacts, and parked ideas.

use crate::gateway::{
    api,
    endpoint::{Endpoint, delete, get, post},
    health,
    permission::Permission::{
        ArtifactEdit, ArtifactView, DecisionApprove, DecisionReject, RunCancel, RunCreate, RunDelete, RunPause,
        RunResume, RunView,
    },
    sse,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/api/planning/health", health::planning)
            .public()
            .says("Whether the planning API is alive"),
        get("/api/planning/runs", api::list_runs)
            .needs(RunView)
            .says("Lists runs, newest first"),
        post("/api/planning/runs", api::create_run)
            .needs(RunCreate)
            .says("Starts a run for an idea"),
        get("/api/planning/runs/{id}", api::get_run)
            .needs(RunView)
            .says("Shows a run"),
        delete("/api/planning/runs/{id}", api::delete_run)
            .needs(RunDelete)
            .says("Deletes a run"),
        get("/api/planning/runs/{id}/phases", api::phases)
            .needs(RunView)
            .says("Lists the phases of a run"),
        post("/api/planning/runs/{id}/cancel", api::cancel)
            .needs(RunCancel)
            .says("Cancels a run"),
        post("/api/planning/runs/{id}/pause", api::pause)
            .needs(RunPause)
            .says("Pauses a run"),
        post("/api/planning/runs/{id}/resume", api::resume)
            .needs(RunResume)
            .says("Lets a paused run go on"),
        post("/api/planning/runs/{id}/approve", api::approve)
            .needs(DecisionApprove)
            .says("Approves a finished plan"),
        post("/api/planning/runs/{id}/reject", api::reject)
            .needs(DecisionReject)
            .says("Rejects a finished plan"),
        get("/api/planning/runs/{id}/artifacts", api::list_artifacts)
            .needs(ArtifactView)
            .says("Lists the artifacts of a run"),
        get("/api/planning/runs/{id}/artifacts/{phase}", api::get_artifact)
            .needs(ArtifactView)
            .says("Shows the artifact of a phase"),
        post("/api/planning/runs/{id}/artifacts/{phase}", api::post_artifact)
            .needs(ArtifactEdit)
            .says("Takes an artifact that was made elsewhere"),
        post("/api/planning/runs/{id}/context", api::context)
            .needs(ArtifactView)
            .says("Searches the artifacts of a run"),
        get("/api/planning/runs/{id}/package", api::package)
            .needs(ArtifactView)
            .says("Gives out the finished plan"),
        get("/api/planning/runs/{id}/events", sse::events)
            .needs(RunView)
            .says("Streams what happens in a run"),
        get("/api/planning/parked-ideas", api::list_parked)
            .needs(RunView)
            .says("Lists parked ideas"),
        post("/api/planning/parked-ideas/{id}/promote", api::promote)
            .needs(RunCreate)
            .says("Starts a run for a parked idea"),
    ]
}
