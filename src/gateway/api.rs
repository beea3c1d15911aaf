//! The planning API below `/api/planning`: JSON in, JSON out, field names as the seed has them.

mod answer;
mod reader;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentDisposition, DispositionParam, DispositionType},
    web,
};
use actors::workflows::planning::phase::PhaseId;
use serde_json::value::RawValue;

pub(crate) use self::answer::{
    ArtifactBody, ContextBody, Created, DecisionBody, DeletedBody, ParkedBody, Phases, PromotedBody, RunBody, StateBody,
};
pub(crate) use self::reader::{
    STATUSES, artifact, artifact_query, artifacts_query, comment, new_run, no_fields, package_query, parked_query,
    promotion, runs_query, search,
};
use self::{
    answer::{ContextResult, PhaseBody},
    reader::{ParkedQuery, RunsQuery, Search},
};
use super::{
    body,
    caller::Caller,
    cursor::{self, Page},
    error::Problem,
    etag, idempotency,
    planning::{self, PackageFormat, Planning},
    state::Gateway,
};

/// Names of the lists, so that a cursor of one is refused by the other.
const RUNS: &str = "runs";
const PARKED: &str = "parked";

/// Header of an answer that was given before.
const REPLAYED: &str = "idempotent-replayed";

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// `POST /runs`.
pub(crate) async fn create_run(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let key = idempotency::key(&request)?;
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let run = new_run(&mut fields);
    fields.finish()?;
    let started = gateway.planning.create(&caller, run, key.as_deref()).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::LOCATION, format!("/api/planning/runs/{}", started.id)));
    if !started.created {
        response.insert_header((REPLAYED, "true"));
    }
    Ok(response.json(Created {
        id: started.id,
        idea: started.idea,
        status: started.status,
        mode: started.mode,
        workflow_instance_id: started.workflow_instance_id,
        message: if started.created {
            "the run was created"
        } else {
            "the run existed already"
        },
    }))
}

/// `GET /runs`.
pub(crate) async fn list_runs(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let RunsQuery { limit, after, status } = runs_query(&mut query)?;
    query.finish_query()?;
    let page = gateway.planning.list(&caller, status, after, limit).await?;
    let items = page
        .items
        .into_iter()
        .map(|item| RunBody::new(item.run, item.config, item.error))
        .collect();
    Ok(etag::json(
        &request,
        &Page::<RunBody> {
            items,
            next_cursor: page.next.map(|next| cursor::encode(RUNS, &next)),
        },
    ))
}

/// `GET /runs/{id}`.
pub(crate) async fn get_run(request: HttpRequest, caller: Caller, gateway: Shared, id: web::Path<String>) -> Answer {
    let detail = gateway.planning.detail(&caller, Planning::run_id(&id)?).await?;
    Ok(etag::json(
        &request,
        &RunBody::new(detail.run, detail.config, detail.error),
    ))
}

/// `DELETE /runs/{id}`.
pub(crate) async fn delete_run(caller: Caller, gateway: Shared, id: web::Path<String>) -> Answer {
    let state = gateway.planning.delete(&caller, Planning::run_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(DeletedBody {
        id: state.id,
        deleted: true,
    }))
}

/// `GET /runs/{id}/phases`.
pub(crate) async fn phases(request: HttpRequest, caller: Caller, gateway: Shared, id: web::Path<String>) -> Answer {
    let detail = gateway.planning.detail(&caller, Planning::run_id(&id)?).await?;
    let phases = detail
        .phases
        .into_iter()
        .map(|phase| PhaseBody {
            phase: phase.phase,
            status: phase.status,
            version: phase.version,
            review_verdict: phase.review_verdict,
            overall_score: phase.overall_score,
            created_at: phase.finished_at_ms.map(|ms| ms.div_euclid(1000)),
        })
        .collect();
    Ok(etag::json(
        &request,
        &Phases {
            run_id: detail.run.id,
            current_phase: detail.run.current_phase,
            run_status: detail.run.status,
            phases,
        },
    ))
}

/// Reads a body that may be absent and has no fields.
async fn nothing(request: &HttpRequest, payload: web::Payload, gateway: &Gateway) -> Result<(), Problem> {
    body::json(request, payload, gateway.server.body_limit_bytes)
        .await?
        .finish()
}

/// `POST /runs/{id}/cancel`.
pub(crate) async fn cancel(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    let key = idempotency::key(&request)?;
    nothing(&request, payload, &gateway).await?;
    let run = Planning::run_id(&id)?;
    let state = gateway.planning.cancel(&caller, run, key.as_deref()).await?;
    Ok(HttpResponse::Ok().json(StateBody::from(state)))
}

/// `POST /runs/{id}/pause`.
pub(crate) async fn pause(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    let key = idempotency::key(&request)?;
    nothing(&request, payload, &gateway).await?;
    let run = Planning::run_id(&id)?;
    let state = gateway.planning.pause(&caller, run, key.as_deref()).await?;
    Ok(HttpResponse::Ok().json(StateBody::from(state)))
}

/// `POST /runs/{id}/resume`.
pub(crate) async fn resume(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    let key = idempotency::key(&request)?;
    nothing(&request, payload, &gateway).await?;
    let run = Planning::run_id(&id)?;
    let state = gateway.planning.resume(&caller, run, key.as_deref()).await?;
    Ok(HttpResponse::Ok().json(StateBody::from(state)))
}

async fn decision(request: &HttpRequest, payload: web::Payload, gateway: &Gateway) -> Result<Option<String>, Problem> {
    let mut fields = body::json(request, payload, gateway.server.body_limit_bytes).await?;
    let comment = comment(&mut fields);
    fields.finish()?;
    Ok(comment)
}

/// `POST /runs/{id}/approve`.
pub(crate) async fn approve(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    let key = idempotency::key(&request)?;
    let comment = decision(&request, payload, &gateway).await?;
    let run = Planning::run_id(&id)?;
    let state = gateway.planning.approve(&caller, run, comment, key.as_deref()).await?;
    Ok(HttpResponse::Ok().json(DecisionBody {
        id: state.id,
        status: state.status,
        message: "the run was approved",
    }))
}

/// `POST /runs/{id}/reject`.
pub(crate) async fn reject(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    let key = idempotency::key(&request)?;
    let comment = decision(&request, payload, &gateway).await?;
    let run = Planning::run_id(&id)?;
    let state = gateway.planning.reject(&caller, run, comment, key.as_deref()).await?;
    Ok(HttpResponse::Ok().json(DecisionBody {
        id: state.id,
        status: state.status,
        message: "the run was rejected",
    }))
}

/// `GET /runs/{id}/artifacts`: of the present attempt, or of all with `attempts=all`; without content.
pub(crate) async fn list_artifacts(
    request: HttpRequest,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    let mut query = body::query(&request)?;
    let all_attempts = artifacts_query(&mut query);
    query.finish_query()?;
    let artifacts = gateway
        .planning
        .artifacts(&caller, Planning::run_id(&id)?, all_attempts)
        .await?;
    let items = artifacts
        .iter()
        .map(|artifact| ArtifactBody::new(artifact, None))
        .collect();
    Ok(etag::json(
        &request,
        &Page {
            items,
            next_cursor: None,
        },
    ))
}

/// `GET /runs/{id}/artifacts/{phase}`: the latest version, or the one of the query.
pub(crate) async fn get_artifact(
    request: HttpRequest,
    caller: Caller,
    gateway: Shared,
    path: web::Path<(String, String)>,
) -> Answer {
    let (id, phase) = path.into_inner();
    let mut query = body::query(&request)?;
    let version = artifact_query(&mut query);
    query.finish_query()?;
    let phase: PhaseId = planning::phase(&phase)?;
    let artifact = gateway
        .planning
        .artifact(&caller, Planning::run_id(&id)?, phase, version)
        .await?;
    let content: &RawValue = serde_json::from_str(&artifact.content).map_err(|error| {
        tracing::error!(%error, run = id, phase = phase.as_str(), "a stored artifact is not JSON");
        Problem::internal()
    })?;
    Ok(etag::json(&request, &ArtifactBody::new(&artifact, Some(content))))
}

/// `POST /runs/{id}/artifacts/{phase}`: belongs to mode `local`.
pub(crate) async fn post_artifact(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    path: web::Path<(String, String)>,
) -> Answer {
    let (id, phase) = path.into_inner();
    body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    planning::phase(&phase)?;
    gateway.planning.run(&caller, Planning::run_id(&id)?).await?;
    Err(planning::local_mode())
}

/// `POST /runs/{id}/context`: what the index finds for a text among the artifacts of a run.
pub(crate) async fn context(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let Search { query, limit } = search(&mut fields);
    fields.finish()?;
    let run = gateway.planning.run(&caller, Planning::run_id(&id)?).await?;
    let found = gateway.planning.similar(&caller, &run, &query, limit).await?;
    let results = found
        .into_iter()
        .map(|artifact| ContextResult {
            phase: artifact.phase,
            content: artifact.content,
            score: artifact.score,
        })
        .collect();
    Ok(HttpResponse::Ok().json(ContextBody {
        run_id: run.id,
        idea: run.idea,
        refined_idea: run.refined_idea,
        results,
    }))
}

/// `GET /runs/{id}/package`: the finished plan as JSON, or as Markdown by `format=markdown` or `Accept`.
pub(crate) async fn package(request: HttpRequest, caller: Caller, gateway: Shared, id: web::Path<String>) -> Answer {
    let mut query = body::query(&request)?;
    let asked = package_query(&mut query);
    query.finish_query()?;
    let format = asked.unwrap_or_else(|| accepted_format(&request));
    let run = Planning::run_id(&id)?;
    let (body, _) = gateway.planning.package(&caller, run, format).await?;
    let (kind, extension) = match format {
        PackageFormat::Json => ("application/json", "json"),
        PackageFormat::Markdown => ("text/markdown; charset=utf-8", "md"),
    };
    let mut response = etag::bytes(&request, kind, body.to_vec());
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(format!(
            "planning-package-{run}.{extension}"
        ))],
    };
    if let Ok(value) = header::TryIntoHeaderValue::try_into_value(disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

fn accepted_format(request: &HttpRequest) -> PackageFormat {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let wants = |kind: &str| {
        accept
            .split(',')
            .any(|part| part.split(';').next().unwrap_or_default().trim() == kind)
    };
    if wants("text/markdown") && !wants("application/json") {
        PackageFormat::Markdown
    } else {
        PackageFormat::Json
    }
}

/// `GET /parked-ideas`.
pub(crate) async fn list_parked(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let ParkedQuery { limit, after, source } = parked_query(&mut query)?;
    query.finish_query()?;
    let page = gateway.planning.parked(&caller, source, after, limit).await?;
    let items = page.items.into_iter().map(ParkedBody::from).collect();
    let next_cursor = page.next.map(|next| cursor::encode(PARKED, &next));
    Ok(etag::json(&request, &Page::<ParkedBody> { items, next_cursor }))
}

/// `POST /parked-ideas/{id}/promote`.
pub(crate) async fn promote(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    let key = idempotency::key(&request)?;
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let config = promotion(&mut fields);
    fields.finish()?;
    let promoted = gateway.planning.promote(&caller, &id, config, key.as_deref()).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::LOCATION, format!("/api/planning/runs/{}", promoted.new_run_id)))
        .json(PromotedBody {
            promoted: true,
            parked_idea_id: promoted.parked_idea_id,
            workflow_instance_id: promoted.new_run_id.clone(),
            new_run_id: promoted.new_run_id,
        }))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn markdown_is_sent_to_who_asks_for_it() {
        for (accept, format) in [
            ("text/markdown", PackageFormat::Markdown),
            ("text/markdown;q=0.9, text/html", PackageFormat::Markdown),
            ("application/json, text/markdown", PackageFormat::Json),
            ("*/*", PackageFormat::Json),
        ] {
            let request = TestRequest::default()
                .insert_header((header::ACCEPT, accept))
                .to_http_request();
            assert_eq!(accepted_format(&request), format, "{accept}");
        }
    }

    #[test]
    fn every_status_can_be_filtered_by_its_name() {
        for (name, status) in STATUSES {
            assert_eq!(status.as_str(), name);
        }
    }
}
