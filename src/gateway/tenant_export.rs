//! Everything of a tenant as JSON Lines: what it is, who is in it, its runs with their artifacts and events, its parked ideas.
//!
//! Each line has a `kind`. The last one is `end` and counts the lines before it: a file without it broke off. The audit chain has
//! a file of its own, which can be checked. Secrets are in neither.

use std::future::Future;

use actix_web::{HttpResponse, http::StatusCode, http::header, web};
use actors::{
    membership::{GetTenant, ListInvitations, ListKeys, ListMembers, Membership},
    records::PlanningRun,
    workflows::planning::phase::PhaseId,
};
use bytes::Bytes;
use cluster::prelude::{ActorRef, Uuid};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    audit::JSON_LINES,
    caller::Caller,
    error::Problem,
    planning::Planning,
    state::Gateway,
    tenant::{KeyBody, MemberBody, TenantBody},
};

/// Lines that wait for a slow client before the export waits too.
const LINES_MAX: usize = 16;

/// Items that are read at a time.
const PAGE: u32 = 100;

/// Why an export breaks off.
#[derive(Debug, thiserror::Error)]
enum Break {
    #[error("the client went")]
    Gone,
    #[error("{0}")]
    Problem(#[from] Problem),
    #[error("whoever asked may not any more")]
    Ended,
}

/// `GET /api/tenant/export`.
pub(crate) async fn export(caller: Caller, gateway: web::Data<Gateway>) -> Result<HttpResponse, Problem> {
    let membership: ActorRef<Membership> = gateway.cluster.get(Membership::address(&caller.tenant));
    let profile = membership.ask(GetTenant).await?;
    let name = format!("tenant-{}.jsonl", caller.tenant);
    let (lines, stream) = mpsc::channel(LINES_MAX);
    let mut export = Export {
        gateway,
        caller,
        membership,
        lines,
        count: 0,
    };
    actix_web::rt::spawn(async move {
        match export.run(TenantBody::from(profile)).await {
            Ok(()) | Err(Break::Gone) => {}
            Err(error) => {
                tracing::warn!(tenant = %export.caller.tenant, %error, "an export of a tenant broke off");
                // An error makes the answer end in a way that no client takes for its end.
                export.lines.send(Err(error)).await.ok();
            }
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(JSON_LINES)
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(ReceiverStream::new(stream)))
}

struct Export {
    gateway: web::Data<Gateway>,
    caller: Caller,
    membership: ActorRef<Membership>,
    lines: mpsc::Sender<Result<Bytes, Break>>,
    count: u64,
}

impl Export {
    async fn run(&mut self, tenant: TenantBody) -> Result<(), Break> {
        self.line("tenant", &tenant).await?;
        self.members().await?;
        self.invitations().await?;
        self.keys().await?;
        self.runs().await?;
        self.parked().await?;
        let count = self.count;
        self.line("end", &json!({ "lines": count })).await
    }

    /// Asks on behalf of the caller: an export outlives the context token of its request.
    async fn ask<T, E: Into<Problem>>(&self, question: impl Future<Output = Result<T, E>>) -> Result<T, Break> {
        if !self.gateway.callers.is_still(&self.caller).await {
            return Err(Break::Ended);
        }
        let answer = self.gateway.on_behalf(&self.caller, question).await;
        answer.map_err(|error| Break::Problem(error.into()))
    }

    async fn line<T: Serialize>(&mut self, kind: &'static str, value: &T) -> Result<(), Break> {
        #[derive(Serialize)]
        struct Line<'a, T> {
            kind: &'static str,
            #[serde(flatten)]
            value: &'a T,
        }
        let mut line = serde_json::to_vec(&Line { kind, value }).expect("what is exported has string keys only");
        line.push(b'\n');
        self.count += 1;
        self.lines.send(Ok(line.into())).await.map_err(|_| Break::Gone)
    }

    async fn members(&mut self) -> Result<(), Break> {
        let mut after = None;
        loop {
            let page = self
                .ask(self.membership.ask(ListMembers { after, limit: PAGE }))
                .await?;
            for member in page.items {
                self.line("member", &MemberBody::from(member)).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn invitations(&mut self) -> Result<(), Break> {
        let mut after = None;
        loop {
            let page = self
                .ask(self.membership.ask(ListInvitations { after, limit: PAGE }))
                .await?;
            for invitation in page.items {
                let line = json!({
                    "id": invitation.invitation,
                    "email": invitation.email.as_str(),
                    "role": invitation.role,
                    "invited_by": invitation.by.as_str(),
                    "created_at": invitation.created.as_secs(),
                    "expires_at": invitation.expires.as_secs(),
                });
                self.line("invitation", &line).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn keys(&mut self) -> Result<(), Break> {
        let mut after = None;
        loop {
            let page = self.ask(self.membership.ask(ListKeys { after, limit: PAGE })).await?;
            for key in page.items {
                self.line("key", &KeyBody::from(key)).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn runs(&mut self) -> Result<(), Break> {
        let gateway = self.gateway.clone();
        let (caller, mut after) = (self.caller.clone(), None);
        loop {
            let page = gateway.planning.list(&caller, None, after, PAGE as usize);
            let page = self.ask(page).await?;
            for item in page.items {
                let Ok(id) = Planning::run_id(&item.run.id) else {
                    continue;
                };
                // The list has the beginning of the idea only. A run that was deleted meanwhile is no part of the export.
                match self.ask(gateway.planning.run(&caller, id)).await {
                    Ok(run) => self.one_run(id, &run).await?,
                    Err(Break::Problem(problem)) if problem.status() == StatusCode::NOT_FOUND => {}
                    Err(error) => return Err(error),
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn one_run(&mut self, id: Uuid, run: &PlanningRun) -> Result<(), Break> {
        let gateway = self.gateway.clone();
        let caller = self.caller.clone();
        self.line("run", run).await?;
        for listed in self.ask(gateway.planning.artifacts(&caller, id, true)).await? {
            let Some(phase) = PhaseId::parse(&listed.phase) else {
                continue;
            };
            let artifact = gateway.planning.artifact(&caller, id, phase, Some(listed.version));
            let artifact = self.ask(artifact).await?;
            let content: Value = serde_json::from_str(&artifact.content).unwrap_or(Value::Null);
            let mut line = serde_json::to_value(&artifact).expect("an artifact has string keys only");
            line["content"] = content;
            self.line("artifact", &line).await?;
        }
        let mut after = 0;
        loop {
            let events = gateway.planning.events(&caller, id, after, PAGE as usize);
            let events = self.ask(events).await?;
            let Some(last) = events.last() else { return Ok(()) };
            after = last.seq;
            for event in &events {
                let line = json!({ "run_id": id, "event": event });
                self.line("event", &line).await?;
            }
        }
    }

    async fn parked(&mut self) -> Result<(), Break> {
        let gateway = self.gateway.clone();
        let (caller, mut after) = (self.caller.clone(), None);
        loop {
            let page = gateway.planning.parked(&caller, None, after, PAGE as usize);
            let page = self.ask(page).await?;
            for idea in page.items {
                self.line("parked_idea", &idea).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
