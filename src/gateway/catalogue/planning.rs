//! Codes of problems: planning.

use super::{Chapter, Code, code};

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Planning",
    codes: CODES,
};

const CODES: &[Code] = &[
    code(
        "asset.not-found",
        &[404],
        "There is no such file",
        "Load the page again",
    ),
    code(
        "events.last-event-id",
        &[400],
        "The Last-Event-ID header is no whole number",
        "Send the id of the last event",
    ),
    code(
        "events.too-many-watchers",
        &[429],
        "The tenant has as many open event streams as it can have",
        "Close one; `server.watchers-per-tenant` is the bound",
    ),
    code(
        "instance.exists",
        &[409],
        "There is a workflow with this id",
        "Use another id",
    ),
    code(
        "instance.not-found",
        &[404],
        "There is no such workflow",
        "Check the id",
    ),
    code(
        "package.changed",
        &[503],
        "The stored package is not the one that was made",
        "Look at the object store; restore it from a backup",
    ),
    code(
        "package.unreadable",
        &[503],
        "The package exists, but the object store did not give it",
        "Send the request again after Retry-After",
    ),
    code(
        "parked-idea.not-found",
        &[404],
        "There is no such parked idea in your tenant",
        "List the parked ideas",
    ),
    code(
        "parked-idea.promoted",
        &[409],
        "The parked idea became a run before; `state` names it",
        "Look at that run",
    ),
    code(
        "phase.not-found",
        &[404],
        "There is no such phase",
        "List the phases of the run",
    ),
    code("run.comment", &[422], "The comment is too long", "Shorten it"),
    code(
        "run.idea",
        &[422],
        "The idea is too short or too long",
        "Use 10 to 5,000 characters",
    ),
    code(
        "run.index",
        &[503],
        "The index of artifacts cannot be asked at the moment",
        "Send the request again",
    ),
    code(
        "run.local-mode",
        &[422],
        "Mode `local` is not offered yet",
        "Use mode `cloud`",
    ),
    code("run.mode", &[422], "The mode is not offered", "Use mode `cloud`"),
    code(
        "run.no-artifact",
        &[404],
        "The phase has no artifact of this version yet",
        "List the artifacts of the run",
    ),
    code(
        "run.no-package",
        &[404],
        "The run has no finished plan",
        "Wait until it is completed",
    ),
    code(
        "run.not-found",
        &[404],
        "There is no such run in your tenant",
        "List the runs",
    ),
    code(
        "run.phase",
        &[404, 422],
        "There is no such phase",
        "List the phases of the run",
    ),
    code("run.query", &[422], "The query is too long", "Shorten it"),
    code("run.restart", &[422], "The run cannot begin again", "Start another one"),
    code(
        "run.wrong-state",
        &[409],
        "The run does not allow this where it stands; `state` says where",
        "Wait, or do what that state allows",
    ),
    code(
        "workflow.effect",
        &[422],
        "A step of a workflow does not fit",
        "This is a fault of the workflow; see the log",
    ),
    code(
        "workflow.event-type",
        &[422],
        "The type of the event does not fit",
        "Use another type",
    ),
    code(
        "workflow.events",
        &[503],
        "As many events wait as there can be",
        "Send it again later",
    ),
    code(
        "workflow.sleep",
        &[422],
        "The workflow would sleep for too long",
        "Choose another time",
    ),
    code(
        "workflow.stale",
        &[409],
        "The workflow went on meanwhile",
        "Look at it again",
    ),
    code(
        "workflow.step-name",
        &[422],
        "The name of a step does not fit",
        "Use another name",
    ),
    code(
        "workflow.too-large",
        &[413],
        "What a step gives is too large",
        "Make it smaller",
    ),
];
