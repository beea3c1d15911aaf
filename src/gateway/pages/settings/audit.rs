//! The audit chain of the caller's tenant.

use std::collections::HashMap;

use actix_web::{HttpRequest, http::StatusCode};
use actors::{
    audit::{AuditRecord, Fault, ListRecords, Order, verify},
    membership::{ListMembers, Membership},
};
use serde_json::Value;

use super::{Answer, Shared, tabs};
use crate::{
    gateway::{
        audit::{RECORDS, chain},
        body,
        caller::Caller,
        cursor,
        error::Problem,
        pages::shell::{page, shell_anyway},
        permission::Permission,
        state::Gateway,
    },
    planes::ui::{self, AuditView, RecordView, Section, SettingsTab, VerdictNote},
};

/// Records of a page.
const RECORDS_SHOWN: u32 = 50;

/// Members whose names are shown instead of their ids; of others the id is.
const NAMES_MAX: u32 = 100;

/// What the members of the tenant are called, by their ids, for whoever may see the members.
async fn names(gateway: &Gateway, caller: &Caller) -> Result<HashMap<String, String>, Problem> {
    if !caller.may(Permission::UserView) {
        return Ok(HashMap::new());
    }
    let membership = gateway.cluster.get::<Membership>(Membership::address(&caller.tenant));
    let list = ListMembers {
        after: None,
        limit: NAMES_MAX,
    };
    let members = membership.ask(list).await?.items.into_iter();
    Ok(members
        .map(|member| (member.user.as_str().to_owned(), member.name))
        .collect())
}

/// A record as the page shows it: who, and apart from that what it is about.
fn row(record: AuditRecord, names: &HashMap<String, String>) -> RecordView {
    let payload: serde_json::Map<String, Value> = serde_json::from_str(&record.payload).unwrap_or_default();
    let actor = payload.get("actor").and_then(Value::as_str).unwrap_or_default();
    RecordView {
        seq: record.seq,
        event: record.event_type,
        actor: names.get(actor).map_or(actor, String::as_str).to_owned(),
        about: payload
            .iter()
            .filter(|(name, _)| !["actor", "request_id"].contains(&name.as_str()))
            .map(|(name, value)| match value {
                Value::String(text) => format!("{name}: {text}"),
                other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    format!("{name}: {other}")
                }
            })
            .collect::<Vec<_>>()
            .join(", "),
        at: record.created_at,
        hash: record.hash.to_string(),
    }
}

/// `GET /settings/audit`: the records, the newest first; with `check` also whether the chain is what it was.
pub(crate) async fn audit(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let after = cursor::after(&mut query, RECORDS)?;
    let is_check = query.flag("check");
    query.finish_query()?;
    let is_later = after.is_some();
    let cursor = after
        .map(|position| position.parse().map_err(|_| cursor::foreign()))
        .transpose()?;
    let chain = chain(&gateway, &caller.tenant);
    let list = ListRecords {
        order: Order::NewestFirst,
        cursor,
        limit: RECORDS_SHOWN,
        event_prefix: None,
    };
    let records = chain.ask(list).await?;
    let names = names(&gateway, &caller).await?;
    let verdict = if is_check {
        let verdict = gateway.context.as_system(&caller.tenant, verify(&chain)).await?;
        Some(VerdictNote {
            length: verdict.length,
            head: verdict.head_hash.to_string(),
            fault: verdict
                .fault
                .map(|Fault { first_bad_seq, reason }| (first_bad_seq, reason.to_string())),
        })
    } else {
        None
    };
    let view = AuditView {
        records: records.records.into_iter().map(|record| row(record, &names)).collect(),
        next: records.next.map(|seq| cursor::encode(RECORDS, &seq.to_string())),
        is_later,
        verdict,
        may_export: caller.may(Permission::AuditExport),
    };
    let shell = shell_anyway(&request, &gateway, &caller, Section::Settings).await;
    let tabs = tabs(&caller, SettingsTab::Audit);
    Ok(page(&request, StatusCode::OK, ui::audit_page(&shell, &tabs, &view)))
}
