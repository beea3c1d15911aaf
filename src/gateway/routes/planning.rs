//! Planning runs, their artifacts, and parked ideas.

use crate::gateway::{
    api::{
        self, ArtifactBody, ContextBody, Created, DecisionBody, DeletedBody, ParkedBody, Phases, PromotedBody, RunBody,
        StateBody,
    },
    cursor::Page,
    endpoint::{Endpoint, delete, get, post},
    health::{self, Alive},
    openapi::AnyObject,
    permission::Permission::{
        ArtifactEdit, ArtifactView, DecisionApprove, DecisionReject, RunCancel, RunCreate, RunDelete, RunPause,
        RunResume, RunView,
    },
    sse,
};

/// Codes of requests that name a run.
const OF_RUN: &[&str] = &["run.not-found"];

/// Codes of requests that change a run.
const OF_CHANGE: &[&str] = &["run.not-found", "run.wrong-state"];

/// Codes of requests that name a phase of a run.
const OF_PHASE: &[&str] = &["run.not-found", "phase.not-found", "run.phase", "run.no-artifact"];

/// Codes of requests that come with a key.
const OF_KEY: &[&str] = &[
    "idempotency.interrupted",
    "idempotency.mismatch",
    "idempotency.reply-too-large",
    "idempotency.reused",
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/api/planning/health", health::planning)
            .public()
            .says("Whether the planning API is alive")
            .named("getPlanningHealth")
            .gives::<Alive>("It is"),
        get("/api/planning/runs", api::list_runs)
            .needs(RunView)
            .says("Lists runs, newest first")
            .named("listRuns")
            .query(api::runs_query)
            .gives::<Page<RunBody>>("A page of runs")
            .tagged(),
        post("/api/planning/runs", api::create_run)
            .needs(RunCreate)
            .says("Starts a run for an idea")
            .named("createRun")
            .idempotent()
            .body(api::new_run)
            .gives::<Created>("The run, which existed already where the answer says so")
            .located()
            .replayed()
            .fails(&["run.idea", "run.local-mode", "run.mode", "idempotency-key-reused"])
            .fails(OF_KEY),
        get("/api/planning/runs/{run}", api::get_run)
            .needs(RunView)
            .says("Shows a run")
            .named("getRun")
            .gives::<RunBody>("The run")
            .tagged()
            .fails(OF_RUN),
        delete("/api/planning/runs/{run}", api::delete_run)
            .needs(RunDelete)
            .says("Deletes a run")
            .named("deleteRun")
            .gives::<DeletedBody>("It is gone")
            .fails(OF_CHANGE),
        get("/api/planning/runs/{run}/phases", api::phases)
            .needs(RunView)
            .says("Lists the phases of a run")
            .named("listPhases")
            .gives::<Phases>("The phases")
            .tagged()
            .fails(OF_RUN),
        post("/api/planning/runs/{run}/cancel", api::cancel)
            .needs(RunCancel)
            .says("Cancels a run")
            .named("cancelRun")
            .idempotent()
            .body(api::no_fields)
            .gives::<StateBody>("Where the run stands")
            .fails(OF_CHANGE)
            .fails(OF_KEY),
        post("/api/planning/runs/{run}/pause", api::pause)
            .needs(RunPause)
            .says("Pauses a run")
            .named("pauseRun")
            .idempotent()
            .body(api::no_fields)
            .gives::<StateBody>("Where the run stands")
            .fails(OF_CHANGE)
            .fails(OF_KEY),
        post("/api/planning/runs/{run}/resume", api::resume)
            .needs(RunResume)
            .says("Lets a paused run go on")
            .named("resumeRun")
            .idempotent()
            .body(api::no_fields)
            .gives::<StateBody>("Where the run stands")
            .fails(OF_CHANGE)
            .fails(OF_KEY),
        post("/api/planning/runs/{run}/approve", api::approve)
            .needs(DecisionApprove)
            .says("Approves a finished plan")
            .named("approveRun")
            .idempotent()
            .body(api::comment)
            .gives::<DecisionBody>("What was decided")
            .fails(&["run.comment"])
            .fails(OF_CHANGE)
            .fails(OF_KEY),
        post("/api/planning/runs/{run}/reject", api::reject)
            .needs(DecisionReject)
            .says("Rejects a finished plan")
            .named("rejectRun")
            .idempotent()
            .body(api::comment)
            .gives::<DecisionBody>("What was decided")
            .fails(&["run.comment"])
            .fails(OF_CHANGE)
            .fails(OF_KEY),
        get("/api/planning/runs/{run}/artifacts", api::list_artifacts)
            .needs(ArtifactView)
            .says("Lists the artifacts of a run")
            .named("listArtifacts")
            .query(api::artifacts_query)
            .gives::<Page<ArtifactBody<'_>>>("The artifacts, without what they hold")
            .tagged()
            .fails(OF_RUN),
        get("/api/planning/runs/{run}/artifacts/{phase}", api::get_artifact)
            .needs(ArtifactView)
            .says("Shows the artifact of a phase")
            .named("getArtifact")
            .query(api::artifact_query)
            .gives::<ArtifactBody<'_>>("The artifact, with what it holds")
            .tagged()
            .fails(OF_PHASE),
        post("/api/planning/runs/{run}/artifacts/{phase}", api::post_artifact)
            .needs(ArtifactEdit)
            .says("Takes an artifact that was made elsewhere; mode `local`, to which this belongs, is not offered yet")
            .named("postArtifact")
            .body(api::artifact)
            .fails(&["run.local-mode"])
            .fails(OF_PHASE),
        post("/api/planning/runs/{run}/context", api::context)
            .needs(ArtifactView)
            .says("Searches the artifacts of a run")
            .named("searchArtifacts")
            .body(api::search)
            .gives::<ContextBody>("What was found, the nearest first")
            .fails(&["run.query", "run.index"])
            .fails(OF_RUN),
        get("/api/planning/runs/{run}/package", api::package)
            .needs(ArtifactView)
            .says("Gives out the finished plan")
            .named("getPackage")
            .query(api::package_query)
            .gives::<AnyObject>("The plan")
            .gives_text("text/markdown", "The plan")
            .tagged()
            .fails(&["run.no-package", "package.changed", "package.unreadable"])
            .fails(OF_RUN),
        get("/api/planning/runs/{run}/events", sse::events)
            .needs(RunView)
            .says("Streams what happens in a run")
            .named("streamEvents")
            .resumable()
            .query(sse::events_query)
            .gives_events("Events, each with its number as id")
            .gives_nothing("The run is at its end, and the client has seen everything")
            .fails(&["events.last-event-id", "events.too-many-watchers"])
            .fails(OF_RUN),
        get("/api/planning/parked-ideas", api::list_parked)
            .needs(RunView)
            .says("Lists parked ideas")
            .named("listParkedIdeas")
            .query(api::parked_query)
            .gives::<Page<ParkedBody>>("A page of parked ideas")
            .tagged(),
        post("/api/planning/parked-ideas/{idea}/promote", api::promote)
            .needs(RunCreate)
            .says("Starts a run for a parked idea")
            .named("promoteParkedIdea")
            .idempotent()
            .body(api::promotion)
            .gives::<PromotedBody>("The run")
            .located()
            .fails(&[
                "parked-idea.not-found",
                "parked-idea.promoted",
                "idempotency-key-reused",
            ])
            .fails(OF_KEY),
    ]
}
