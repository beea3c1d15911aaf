//! The pages for people, and the forms on them.

use crate::gateway::{
    endpoint::{Endpoint, get, post},
    pages,
    permission::Permission::{
        ArtifactView, DecisionApprove, DecisionReject, RunCancel, RunCreate, RunDelete, RunPause, RunResume, RunView,
        SystemConfigure, SystemMonitor,
    },
    session,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/", pages::home),
        get("/sign-in", pages::sign_in).public(),
        get("/sign-in/{token}", session::sign_in_by_link).public().attempts(),
        post("/sign-out", session::sign_out).public(),
        get("/runs", pages::runs).needs(RunView),
        post("/runs", pages::create_run).needs(RunCreate),
        get("/runs/new", pages::new_run).needs(RunCreate),
        get("/runs/{id}", pages::run).needs(RunView),
        get("/runs/{id}/plan", pages::plan).needs(ArtifactView),
        get("/runs/{id}/phases/{phase}", pages::artifact).needs(ArtifactView),
        get("/runs/{id}/fragments/{name}", pages::fragment).needs(RunView),
        post("/runs/{id}/{act:pause}", pages::act).needs(RunPause),
        post("/runs/{id}/{act:resume}", pages::act).needs(RunResume),
        post("/runs/{id}/{act:cancel}", pages::act).needs(RunCancel),
        post("/runs/{id}/{act:approve}", pages::act).needs(DecisionApprove),
        post("/runs/{id}/{act:reject}", pages::act).needs(DecisionReject),
        post("/runs/{id}/{act:delete}", pages::act).needs(RunDelete),
        get("/parked", pages::parked).needs(RunView),
        post("/parked/{id}/promote", pages::promote).needs(RunCreate),
        get("/cluster", pages::cluster).needs(SystemMonitor),
        post("/cluster/nodes/{id}/{act}", pages::send_node).needs(SystemConfigure),
        get("/settings", pages::settings),
        post("/theme", pages::theme).public(),
        get("/assets/{name}", pages::asset).public().uncounted(),
    ]
}
