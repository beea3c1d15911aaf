//! A limiter, for who looks after the server: how it stands, another limit for it, and forgetting what it counted.
//!
//! `address` and `attempts` are named by an address, `tenant` by the tenant, `key` by `<tenant>_<id>`, as the key itself begins.

use std::net::IpAddr;

use actix_web::{HttpRequest, HttpResponse, web};
use actors::{
    limiter::{Configure, Lease, Limit, LimitKey, Limiter, MAX_REQUESTS, MAX_WINDOW, Reset},
    membership::{GetTenant, Membership},
};
use cluster::prelude::{ActorError, ActorId, Handler, Message, TenantId, Uuid};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::policy::{self, Policy};
use crate::gateway::{
    answer::fresh,
    body::{self, Fields},
    caller::Caller,
    error::Problem,
    state::Gateway,
    witness::{self, LIMIT_CONFIGURED, LIMIT_RESET},
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// Policy and key in an address.
type Place = web::Path<(String, String)>;

/// How a limiter stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimiterBody {
    /// What it counts.
    #[schema(example = "tenant")]
    kind: &'static str,
    /// Of whom.
    #[schema(example = "acme")]
    key: String,
    window_ms: u64,
    max_requests: u32,
    remaining: u32,
    reset_ms: u64,
    retry_after_ms: u64,
}

/// A limiter that an address names.
struct Named {
    policy: Policy,
    key: String,
    place: LimitKey,
    /// What it lets through unless it was configured otherwise.
    limit: Limit,
}

impl Named {
    async fn read(gateway: &Gateway, place: Place) -> Result<Self, Problem> {
        let (kind, key) = place.into_inner();
        let config = &gateway.limits.config;
        let unknown = || {
            Problem::not_found(
                "limit.not-found",
                "a limiter is address/<address>, attempts/<address>, tenant/<tenant> or key/<tenant>_<id>",
            )
        };
        let address = || {
            key.parse()
                .map(|address: IpAddr| address.to_canonical())
                .map_err(|_| unknown())
        };
        let (policy, place, most) = match kind.as_str() {
            "address" => (Policy::Address, policy::address(address()?), config.address_per_minute),
            "attempts" => (
                Policy::Attempts,
                policy::attempts(address()?),
                config.attempts_per_minute,
            ),
            "tenant" => {
                let tenant = TenantId::new(&key).map_err(|_| unknown())?;
                let profile = gateway.cluster.get::<Membership>(Membership::address(&tenant));
                let profile = gateway.context.as_system(&tenant, profile.ask(GetTenant)).await?;
                (Policy::Tenant, policy::tenant(&tenant), config.of_plan(profile.plan))
            }
            "key" => {
                let (tenant, id) = key.rsplit_once('_').ok_or_else(unknown)?;
                let tenant = TenantId::new(tenant).map_err(|_| unknown())?;
                let id = Uuid::try_parse(id).map_err(|_| unknown())?;
                let place = LimitKey::new(&tenant, format!("key:{id}"));
                (Policy::Key, place, config.key_per_minute)
            }
            _ => return Err(unknown()),
        };
        Ok(Self {
            policy,
            key,
            place,
            limit: Limit::per_minute(most),
        })
    }

    /// Asks the limiter, in whichever tenant it is.
    async fn ask<M: Message>(&self, gateway: &Gateway, message: M) -> Result<M::Reply, ActorError>
    where
        Limiter: Handler<M>,
    {
        let id = ActorId::from_name::<Limiter>(&self.place.tenant, &self.place.name);
        let limiter = gateway.cluster.get::<Limiter>(id);
        gateway
            .context
            .as_system(&self.place.tenant, limiter.ask(message))
            .await
    }

    async fn look(self, gateway: &Gateway) -> Answer {
        let standing = self
            .ask(
                gateway,
                Lease {
                    want: 0,
                    limit: self.limit,
                },
            )
            .await?;
        Ok(fresh(&LimiterBody {
            kind: self.policy.as_str(),
            key: self.key,
            window_ms: standing.limit.window_ms,
            max_requests: standing.limit.max_requests,
            remaining: standing.remaining,
            reset_ms: standing.reset_ms,
            retry_after_ms: standing.retry_after_ms,
        }))
    }
}

/// `GET /api/admin/limits/{kind}/{key}`: how a limiter stands. Nothing is counted by it.
pub(crate) async fn show(gateway: Shared, place: Place) -> Answer {
    Named::read(&gateway, place).await?.look(&gateway).await
}

/// A limit that is asked for; what is absent stays as it is.
#[derive(Debug)]
pub(crate) struct NewLimit {
    window_ms: Option<u64>,
    max_requests: Option<u32>,
}

/// Reads a limit.
pub(crate) fn new_limit(fields: &mut Fields) -> NewLimit {
    let window_max = u64::try_from(MAX_WINDOW.as_millis()).unwrap_or(u64::MAX);
    let window_ms = fields.integer("window_ms", 1..=window_max);
    let max_requests = fields.integer("max_requests", 0..=u64::from(MAX_REQUESTS));
    fields.says("window_ms", "The time within which requests are counted", 60_000);
    fields.says("max_requests", "Most requests of that time", 1_000);
    NewLimit {
        window_ms,
        max_requests: max_requests.and_then(|max| u32::try_from(max).ok()),
    }
}

/// `POST /api/admin/limits/{kind}/{key}`: another limit for it, for ever, instead of the one that the configuration has.
pub(crate) async fn configure(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    place: Place,
) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let NewLimit {
        window_ms,
        max_requests,
    } = new_limit(&mut fields);
    fields.finish()?;
    let named = Named::read(&gateway, place).await?;
    let about = json!({
        "kind": named.policy.as_str(),
        "key": named.key,
        "window_ms": window_ms,
        "max_requests": max_requests,
    });
    witness::record(&gateway, &caller, LIMIT_CONFIGURED, about).await?;
    let configure = Configure {
        window_ms,
        max_requests,
    };
    named.ask(&gateway, configure).await?;
    named.look(&gateway).await
}

/// `DELETE /api/admin/limits/{kind}/{key}`: forgets what was counted. Nodes that remember a refusal let go of it within a second.
pub(crate) async fn reset(caller: Caller, gateway: Shared, place: Place) -> Answer {
    let named = Named::read(&gateway, place).await?;
    let about = json!({ "kind": named.policy.as_str(), "key": named.key });
    witness::record(&gateway, &caller, LIMIT_RESET, about).await?;
    named.ask(&gateway, Reset).await?;
    Ok(HttpResponse::NoContent().finish())
}
