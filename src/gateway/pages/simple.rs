//! Pages that show lists or nothing of a run: home, board, form, parked ideas, and the files.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use uuid::Uuid;

use super::{
    shell::{bare, page, see_other, shell},
    view,
};
use crate::{
    gateway::{
        api::STATUSES,
        body,
        caller::Caller,
        catalogue::CATALOGUE,
        cursor::{self, PAGE_DEFAULT},
        error::Problem,
        state::Gateway,
    },
    planes::ui::{self, Layout, NewRunView, ParkedView, ProblemView, ProblemsView, RunsView, Section},
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// `GET /`.
pub(crate) async fn home(_: Caller) -> HttpResponse {
    see_other("/runs", None)
}

/// `GET /runs`.
pub(crate) async fn runs(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let status = query.choice("status", &STATUSES);
    let layout = query.optional_text("view", 16);
    let cursor = query.optional_text("cursor", 800);
    query.finish_query()?;
    let after = cursor
        .as_deref()
        .map(|cursor| cursor::decode("runs", cursor))
        .transpose()?;
    let list = gateway.planning.list(&caller, status, after, PAGE_DEFAULT).await?;
    let timings = gateway.planning.timings(&caller).await?;
    let view = RunsView {
        layout: Layout::parse(layout.as_deref().unwrap_or_default()),
        status: status.map(|status| status.as_str().to_owned()),
        rows: list
            .items
            .iter()
            .map(|item| {
                let live = gateway.watchers.now(caller.tenant.as_str(), &item.run.id);
                view::listed(item, &timings, live.as_ref(), gateway.model.is_embedded)
            })
            .collect(),
        later_page: cursor.is_some(),
        next: list.next.map(|next| cursor::encode("runs", &next)),
        form: empty_form(&gateway),
    };
    let shell = shell(&request, &gateway, &caller, Section::Runs).await?;
    Ok(page(&request, StatusCode::OK, ui::runs_page(&shell, &view)))
}

/// `GET /runs/new`.
pub(crate) async fn new_run(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let shell = shell(&request, &gateway, &caller, Section::Runs).await?;
    Ok(page(
        &request,
        StatusCode::OK,
        ui::new_run_page(&shell, &empty_form(&gateway)),
    ))
}

/// The form as it is at first. Its key makes pressing twice start one run.
pub(super) fn empty_form(gateway: &Gateway) -> NewRunView {
    NewRunView {
        key: Uuid::new_v4().to_string(),
        idea_limit: u32::try_from(actors::run::IDEA_MAX).unwrap_or(0),
        embedded: gateway.model.is_embedded,
        ..NewRunView::default()
    }
}

/// `GET /parked`.
pub(crate) async fn parked(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let cursor = query.optional_text("cursor", 800);
    query.finish_query()?;
    let after = cursor
        .as_deref()
        .map(|cursor| cursor::decode("parked", cursor))
        .transpose()?;
    let list = gateway.planning.parked(&caller, None, after, PAGE_DEFAULT).await?;
    let view = ParkedView {
        rows: list.items.into_iter().map(view::parked).collect(),
        next: list.next.map(|next| cursor::encode("parked", &next)),
    };
    let shell = shell(&request, &gateway, &caller, Section::Parked).await?;
    Ok(page(&request, StatusCode::OK, ui::parked_page(&shell, &view)))
}

/// `GET /problems`: what the code of a problem means, and what to do.
pub(crate) async fn problems(request: HttpRequest) -> HttpResponse {
    let chapters: Vec<_> = CATALOGUE
        .iter()
        .map(|chapter| ProblemsView {
            title: chapter.title,
            rows: chapter
                .codes
                .iter()
                .map(|code| ProblemView {
                    code: code.name,
                    statuses: code.statuses,
                    meaning: code.meaning,
                    remedy: code.remedy,
                })
                .collect(),
        })
        .collect();
    page(
        &request,
        StatusCode::OK,
        ui::problems_page(&bare(&request, Section::None), &chapters),
    )
}

/// `GET /assets/{name}`: the name carries the hash, so the answer never changes.
pub(crate) async fn asset(name: web::Path<String>) -> Answer {
    let asset = ui::asset(&name).ok_or_else(|| Problem::not_found("asset.not-found", "there is no such file"))?;
    let mut response = HttpResponse::Ok();
    if asset.content_type == "font/woff2" {
        // A font is compressed in itself; the compressor would make it larger.
        response.insert_header((header::CONTENT_ENCODING, "identity"));
    }
    Ok(response
        .content_type(asset.content_type)
        .insert_header((header::CACHE_CONTROL, ui::IMMUTABLE))
        .body(asset.bytes.clone().into_owned()))
}
