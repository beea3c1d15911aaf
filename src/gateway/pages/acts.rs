//! What forms do.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration as CookieDuration},
    http::StatusCode,
    web,
};
use actors::{
    records::{Mode, RunConfig},
    run::COMMENT_MAX,
};

use super::{
    shell::{Said, page, preferences, see_other, sentence, shell},
    simple::empty_form,
};
use crate::{
    gateway::{
        body,
        caller::{self, Caller},
        error::Problem,
        planning::{NewRun, Planning},
        state::Gateway,
    },
    planes::ui::{self, NewRunView, PREFERENCES_COOKIE, Section},
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// Longest key of a form.
const KEY_MAX: usize = 64;

/// How long a browser keeps the preferences.
const PREFERENCES_DAYS: i64 = 365;

/// `POST /runs`: starts a run, or shows the form again with what was typed.
pub(crate) async fn create_run(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let mut fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    // The actor judges the length, so that a refused text comes back to the form instead of getting lost here.
    let idea = fields
        .optional_text("idea", gateway.server.body_limit_bytes)
        .unwrap_or_default();
    let key = fields.optional_text("key", KEY_MAX);
    let require_review = fields.flag("requireReview");
    let require_approval = fields.flag("requireApproval");
    fields.finish()?;
    let config = RunConfig {
        require_review,
        require_approval,
    };
    let run = NewRun {
        idea: idea.clone(),
        mode: Mode::Cloud,
        config,
    };
    match gateway.planning.create(&caller, run, key.as_deref()).await {
        Ok(started) => Ok(see_other(&format!("/runs/{}", started.id), Some(Said::Created))),
        Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            let error = Some(sentence(problem.detail()));
            let form = NewRunView {
                idea,
                require_review,
                require_approval,
                error,
                ..empty_form(&gateway)
            };
            let shell = shell(&request, &gateway, &caller, Section::Runs).await?;
            Ok(page(&request, problem.status(), ui::new_run_page(&shell, &form)))
        }
        Err(problem) => Err(problem),
    }
}

/// `POST /runs/{id}/{act}`: pause, resume, cancel, approve, reject, delete.
pub(crate) async fn act(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    path: web::Path<(String, String)>,
) -> Answer {
    let (run, act) = path.into_inner();
    let mut fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    let comment = fields.optional_text("comment", COMMENT_MAX);
    fields.finish()?;
    let id = Planning::run_id(&run)?;
    let planning = &gateway.planning;
    let said = match act.as_str() {
        "pause" => planning.pause(&caller, id, None).await.map(|_| Said::Paused),
        "resume" => planning.resume(&caller, id, None).await.map(|_| Said::Resumed),
        "cancel" => planning.cancel(&caller, id, None).await.map(|_| Said::Cancelled),
        "approve" => planning
            .approve(&caller, id, comment, None)
            .await
            .map(|_| Said::Approved),
        "reject" => planning
            .reject(&caller, id, comment, None)
            .await
            .map(|_| Said::Rejected),
        "delete" => planning.delete(&caller, id).await.map(|_| Said::Deleted),
        _ => Err(Problem::not_found("not-found", "there is nothing at this address")),
    }?;
    let path = if said == Said::Deleted {
        "/runs".to_owned()
    } else {
        format!("/runs/{id}")
    };
    Ok(see_other(&path, Some(said)))
}

/// `POST /parked/{id}/promote`.
pub(crate) async fn promote(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    body::form(&request, payload, gateway.server.body_limit_bytes)
        .await?
        .finish()?;
    let promoted = gateway
        .planning
        .promote(&caller, &id, RunConfig::default(), None)
        .await?;
    Ok(see_other(
        &format!("/runs/{}", promoted.new_run_id),
        Some(Said::Promoted),
    ))
}

/// `POST /theme`: works before sign-in too.
pub(crate) async fn theme(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    caller::check_origin(&request, &gateway)?;
    let mut fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    let theme = fields.optional_text("theme", 16);
    let keys = fields.optional_text("keys", 16);
    let back = fields.optional_text("back", 2048).unwrap_or_default();
    fields.finish()?;
    let chosen = preferences(&request).with_form(theme.as_deref(), keys.as_deref());
    let cookie = Cookie::build(PREFERENCES_COOKIE, chosen.to_cookie())
        .path("/")
        .same_site(SameSite::Strict)
        .secure(gateway.server.is_secure())
        .max_age(CookieDuration::days(PREFERENCES_DAYS))
        .finish();
    let mut response = see_other(ui::local_path(&back), None);
    response.add_cookie(&cookie).map_err(|_| Problem::internal())?;
    Ok(response)
}
