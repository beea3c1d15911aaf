//! The audit chain of a tenant: reading it, checking it, taking it out as a file.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use actors::audit::{
    AuditLog, AuditRecord, ChainHash, Exporter, Fault, ListRecords, NAME, Order, PAGE as RECORDS_MAX, verify,
};
use bytes::Bytes;
use cluster::prelude::{ActorError, ActorId, ActorRef, TenantId};
use futures_util::stream;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    answer::fresh,
    body::{self, Fields},
    caller::Caller,
    cursor::{self, Page},
    error::Problem,
    permission::Permission,
    state::Gateway,
};

/// Name of the list, so that a cursor of another one is refused.
pub(super) const RECORDS: &str = "audit";

/// Records of a page when the client does not say.
const RECORDS_DEFAULT: u32 = 50;

/// Media type of an export.
pub(crate) const JSON_LINES: &str = "application/jsonl";

/// Longest text of the beginning of an event type.
const TEXT_MAX: usize = 256;

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// A record as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordBody {
    #[schema(minimum = 1)]
    seq: u64,
    #[schema(example = "key.created")]
    event_type: String,
    /// What happened, and who did it.
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$", example = "6f3c7d0e5a1b48f29c0d7e6b5a4f3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b")]
    previous_hash: ChainHash,
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$", example = "6f3c7d0e5a1b48f29c0d7e6b5a4f3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b")]
    hash: ChainHash,
    /// Unix seconds.
    created_at: i64,
}

impl RecordBody {
    fn new(record: AuditRecord) -> Result<Self, Problem> {
        let payload = RawValue::from_string(record.payload).map_err(|error| {
            tracing::error!(%error, seq = record.seq, "an audit record is not JSON");
            Problem::internal()
        })?;
        Ok(Self {
            seq: record.seq,
            event_type: record.event_type,
            payload,
            previous_hash: record.previous_hash,
            hash: record.hash,
            created_at: record.created_at,
        })
    }
}

/// What came of checking a chain; names as the original has them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerdictBody {
    #[schema(example = "acme")]
    tenant_id: String,
    #[schema(example = true)]
    chain_valid: bool,
    length: u64,
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$", example = "6f3c7d0e5a1b48f29c0d7e6b5a4f3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b")]
    head_hash: ChainHash,
    /// The first record that is kept; older ones were removed behind a signed checkpoint.
    first_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_bad_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(super) fn chain(gateway: &Gateway, tenant: &TenantId) -> ActorRef<AuditLog> {
    gateway.cluster.get(ActorId::from_name::<AuditLog>(tenant, NAME))
}

/// Reads which records are asked for.
pub(crate) fn records_query(fields: &mut Fields) -> Result<ListRecords, Problem> {
    let limit = fields.integer("limit", 1..=u64::from(RECORDS_MAX));
    let order = fields.choice(
        "order",
        &[("newest", Order::NewestFirst), ("oldest", Order::OldestFirst)],
    );
    let event_prefix = fields.optional_text("event", TEXT_MAX);
    let after = cursor::after(fields, RECORDS)?;
    fields.says("limit", "Most records of the page", RECORDS_DEFAULT);
    fields.says("order", "Which records come first", "newest");
    fields.says("event", "Only records whose type begins so", "key.");
    let cursor = after
        .map(|position| position.parse().map_err(|_| cursor::foreign()))
        .transpose()?;
    Ok(ListRecords {
        order: order.unwrap_or(Order::NewestFirst),
        cursor,
        limit: limit
            .and_then(|limit| u32::try_from(limit).ok())
            .unwrap_or(RECORDS_DEFAULT),
        event_prefix,
    })
}

/// `GET /api/audit`: the records of the caller's tenant, the newest first.
pub(crate) async fn list(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let list = records_query(&mut query)?;
    query.finish_query()?;
    let page = chain(&gateway, &caller.tenant).ask(list).await?;
    let items = page
        .records
        .into_iter()
        .map(RecordBody::new)
        .collect::<Result<_, _>>()?;
    Ok(fresh(&Page::<RecordBody> {
        items,
        next_cursor: page.next.map(|seq| cursor::encode(RECORDS, &seq.to_string())),
    }))
}

/// `GET /api/admin/audit-verify/{tenant}`: checks the whole chain of the caller's tenant; who looks after the server may have
/// any checked.
pub(crate) async fn check(caller: Caller, gateway: Shared, tenant: web::Path<String>) -> Answer {
    let unknown = || Problem::not_found("tenant.not-found", "there is no such tenant");
    let tenant = TenantId::new(&tenant).map_err(|_| unknown())?;
    if tenant != caller.tenant && !caller.may(Permission::SystemMonitor) {
        return Err(unknown());
    }
    let audit = chain(&gateway, &tenant);
    let verdict = gateway.context.as_system(&tenant, verify(&audit)).await?;
    let (first_bad_seq, reason) = match verdict.fault {
        None => (None, None),
        Some(Fault { first_bad_seq, reason }) => (Some(first_bad_seq), Some(reason.to_string())),
    };
    if let Some(seq) = first_bad_seq {
        tracing::error!(%tenant, seq, "the audit chain is not what it was");
    }
    Ok(fresh(&VerdictBody {
        tenant_id: tenant.as_str().to_owned(),
        chain_valid: first_bad_seq.is_none(),
        length: verdict.length,
        head_hash: verdict.head_hash,
        first_seq: verdict.first_seq,
        first_bad_seq,
        reason,
    }))
}

/// `GET /api/audit/export`: the chain as JSON Lines, which `foundation audit verify` checks. A file that breaks off lacks its
/// last line, and is refused by it.
pub(crate) async fn export(caller: Caller, gateway: Shared) -> Answer {
    let exporter = Exporter::begin(chain(&gateway, &caller.tenant)).await?;
    let name = format!("audit-{}-{}.jsonl", caller.tenant, exporter.end().seq);
    let lines = stream::try_unfold(
        (exporter, gateway, caller),
        |(mut exporter, gateway, caller)| async move {
            // The export outlives the context token of its request.
            let lines = gateway.on_behalf(&caller, exporter.next()).await;
            let lines = lines.inspect_err(|error| tracing::warn!(%error, "an export of an audit chain broke off"))?;
            Ok::<_, ActorError>(lines.map(|lines| (Bytes::from(lines), (exporter, gateway, caller))))
        },
    );
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(JSON_LINES)
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(lines))
}
