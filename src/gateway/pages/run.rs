//! Pages of one run.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use actors::{
    records::{PlanningArtifact, RunEvent, RunStatus},
    run::RunDetail,
    workflows::planning::{phase::PhaseId, synthesis},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    shell::{page, shell},
    view,
};
use crate::{
    gateway::{
        body,
        caller::Caller,
        error::Problem,
        planning::{self, Planning},
        state::Gateway,
    },
    planes::ui::{self, ArtifactView, PlanView, RunView, SealView, Section},
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// Events on the page of a run.
const EVENTS_SHOWN: u64 = 500;

/// Events of one page from the run.
const EVENTS_PAGE: usize = 200;

/// `GET /runs/{id}`.
pub(crate) async fn run(request: HttpRequest, caller: Caller, gateway: Shared, id: web::Path<String>) -> Answer {
    let view = run_view(&caller, &gateway, Planning::run_id(&id)?).await?;
    let shell = shell(&request, &gateway, &caller, Section::Runs).await?;
    Ok(page(&request, StatusCode::OK, ui::run_page(&shell, &view)))
}

/// `GET /runs/{id}/fragments/{name}`: a part of the page of a run, fetched again while it is live.
pub(crate) async fn fragment(
    request: HttpRequest,
    caller: Caller,
    gateway: Shared,
    path: web::Path<(String, String)>,
) -> Answer {
    let (id, name) = path.into_inner();
    let render = match name.as_str() {
        "pipeline" => ui::pipeline_fragment,
        "now" => ui::now_fragment,
        "timeline" => ui::timeline_fragment,
        _ => return Err(Problem::not_found("not-found", "there is no such part of the page")),
    };
    let view = run_view(&caller, &gateway, Planning::run_id(&id)?).await?;
    let shell = shell(&request, &gateway, &caller, Section::Runs).await?;
    Ok(page(&request, StatusCode::OK, render(&shell, &view)))
}

async fn run_view(caller: &Caller, gateway: &Gateway, id: Uuid) -> Result<RunView, Problem> {
    let detail = gateway.planning.detail(caller, id).await?;
    let timings = gateway.planning.timings(caller).await?;
    let events = last_events(caller, gateway, id, detail.last_event).await?;
    let context = view::Context {
        timings: &timings,
        live: gateway.watchers.now(caller.tenant.as_str(), &detail.run.id),
        is_embedded: gateway.model.is_embedded,
        model: &gateway.model.id,
        searches: PhaseId::ALL
            .into_iter()
            .filter(|phase| gateway.planning.searches(*phase))
            .map(PhaseId::as_str)
            .collect(),
        risks: risks(caller, gateway, id, &detail).await?,
    };
    Ok(view::run(&detail, context, events))
}

/// The risks that the finished plan names, for whoever decides about it.
async fn risks(caller: &Caller, gateway: &Gateway, id: Uuid, detail: &RunDetail) -> Result<Vec<String>, Problem> {
    if detail.run.status != RunStatus::AwaitingApproval {
        return Ok(Vec::new());
    }
    let artifact = gateway.planning.artifact(caller, id, PhaseId::Synthesis, None).await?;
    Ok(synthesis::open_risks(&content(&artifact)?))
}

/// The newest events, newest first.
async fn last_events(caller: &Caller, gateway: &Gateway, id: Uuid, last: u64) -> Result<Vec<RunEvent>, Problem> {
    let mut after = last.saturating_sub(EVENTS_SHOWN);
    let mut events = Vec::new();
    loop {
        let page = gateway.planning.events(caller, id, after, EVENTS_PAGE).await?;
        let is_last = page.len() < EVENTS_PAGE;
        after = page.last().map_or(after, |event| event.seq);
        events.extend(page);
        if is_last {
            break;
        }
    }
    events.reverse();
    Ok(events)
}

/// `GET /runs/{id}/phases/{phase}`.
pub(crate) async fn artifact(
    request: HttpRequest,
    caller: Caller,
    gateway: Shared,
    path: web::Path<(String, String)>,
) -> Answer {
    let (run, phase) = path.into_inner();
    let mut query = body::query(&request)?;
    let version = query
        .integer("version", 1..=u64::from(u32::MAX))
        .and_then(|version| u32::try_from(version).ok());
    query.finish_query()?;
    let (id, phase) = (Planning::run_id(&run)?, planning::phase(&phase)?);
    let detail = gateway.planning.detail(&caller, id).await?;
    let artifact = gateway.planning.artifact(&caller, id, phase, version).await?;
    let all = gateway.planning.artifacts(&caller, id, true).await?;
    let timings = gateway.planning.timings(&caller).await?;
    let content = content(&artifact)?;
    let summary = view::summary(&detail, &timings, gateway.model.is_embedded);
    let view: ArtifactView = view::artifact(summary, &detail, &artifact, &all, phase, &content);
    let shell = shell(&request, &gateway, &caller, Section::Runs).await?;
    Ok(page(&request, StatusCode::OK, ui::artifact_page(&shell, &view)))
}

fn content(artifact: &PlanningArtifact) -> Result<Value, Problem> {
    serde_json::from_str(&artifact.content).map_err(|error| {
        tracing::error!(%error, run = artifact.run_id, phase = artifact.phase, "a stored artifact is not JSON");
        Problem::internal()
    })
}

/// `GET /runs/{id}/plan`: the chapters that exist, in the order of the phases.
pub(crate) async fn plan(request: HttpRequest, caller: Caller, gateway: Shared, id: web::Path<String>) -> Answer {
    let id = Planning::run_id(&id)?;
    let detail = gateway.planning.detail(&caller, id).await?;
    let timings = gateway.planning.timings(&caller).await?;
    let mut chapters = Vec::new();
    let mut models = Vec::new();
    for progress in &detail.phases {
        let Some(version) = progress.version else { continue };
        let phase = planning::phase(&progress.phase)?;
        let artifact = gateway.planning.artifact(&caller, id, phase, Some(version)).await?;
        chapters.push(view::chapter(&artifact, phase, &content(&artifact)?));
        if !models.contains(&artifact.model) {
            models.push(artifact.model);
        }
    }
    let seal = detail.package.as_ref().map(|package| SealView {
        at: detail.run.updated_at,
        sha256: package.json_sha256.clone(),
    });
    let run = view::summary(&detail, &timings, gateway.model.is_embedded);
    let shell = shell(&request, &gateway, &caller, Section::Runs).await?;
    Ok(page(
        &request,
        StatusCode::OK,
        ui::plan_page(
            &shell,
            &PlanView {
                run,
                chapters,
                models,
                seal,
            },
        ),
    ))
}
