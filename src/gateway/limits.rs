//! Rate limits: what is counted of whom before a handler is called.
//!
//! | policy | counts | by |
//! |---|---|---|
//! | `address` | requests that show no accepted credential | address; an IPv6 one with its /64 |
//! | `attempts` | requests to endpoints where a secret could be guessed, whoever asks | address |
//! | `key` | requests with an API key | key |
//! | `tenant` | requests of whoever is let in | tenant, by its plan |
//! | `denials` | refusals for lack of a permission | caller |
//!
//! Each is a sliding window of a minute, kept by an actor that all nodes share (`actors::limiter`). Files of pages, health and
//! metrics count nowhere, and the operator at the machine itself is let through, who must get in when nothing else works.

mod admin;
mod config;
mod counted;
mod policy;

use actix_web::{HttpMessage, HttpRequest, http::StatusCode};
use actors::limiter::{Decision, Limit, LimitKey, RateLimiter, Unavailable};
use cluster::prelude::Cluster;
use std::sync::Arc;

pub use self::config::{LimitsConfig, OnFailure};
use self::policy::Policy;
pub(crate) use self::{
    admin::{LimiterBody, configure, new_limit, reset, show},
    counted::Counted,
};
use super::{
    caller::{Caller, Proof},
    client_address::ClientAddress,
    context_token::ContextTokens,
    error::Problem,
};
use crate::metrics;

/// The rate limits of a gateway. It has its own memory of leases and refusals; cloning shares it.
#[derive(Debug, Clone)]
pub struct Limits {
    limiter: RateLimiter,
    config: LimitsConfig,
}

impl Limits {
    /// Counts in the limiters of a cluster.
    #[must_use]
    pub fn new(cluster: Cluster, context: ContextTokens, config: LimitsConfig) -> Self {
        Self {
            limiter: RateLimiter::vouched(cluster, Arc::new(context)),
            config,
        }
    }

    /// Counts an attempt to prove who one is.
    ///
    /// # Errors
    ///
    /// Fails when there were too many from the address, and whenever that cannot be found out.
    pub(crate) async fn attempt(&self, request: &HttpRequest) -> Result<(), Problem> {
        let place = address(request).map(policy::attempts);
        let most = self.config.attempts_per_minute;
        self.count(request, Policy::Attempts, place, most).await
    }

    /// Counts a request that shows nothing which is accepted.
    ///
    /// # Errors
    ///
    /// Fails when there were too many from the address.
    pub(crate) async fn stranger(&self, request: &HttpRequest) -> Result<(), Problem> {
        let place = address(request).map(policy::address);
        let most = self.config.address_per_minute;
        self.count(request, Policy::Address, place, most).await
    }

    /// Refuses an address of which this node knows that it was refused a moment ago, and counts nothing.
    ///
    /// # Errors
    ///
    /// Fails when there were too many from the address.
    pub(crate) fn refused_stranger(&self, request: &HttpRequest) -> Result<(), Problem> {
        let refusal = address(request)
            .map(policy::address)
            .and_then(|place| self.limiter.refusal(&place));
        match refusal {
            Some(decision) if self.config.address_per_minute > 0 => decide(request, Policy::Address, decision),
            Some(_) | None => Ok(()),
        }
    }

    /// Counts a request of someone who is let in: for the API key, then for the tenant, so that a key beyond its limit leaves the tenant's
    /// to others.
    ///
    /// # Errors
    ///
    /// Fails when there were too many.
    pub(crate) async fn caller(&self, request: &HttpRequest, caller: &Caller) -> Result<(), Problem> {
        let is_key = match &caller.proof {
            Proof::Local => return Ok(()),
            Proof::Session(_) | Proof::Issuer { .. } => false,
            Proof::Key { .. } => true,
        };
        if is_key {
            let place = Some(LimitKey::new(&caller.tenant, caller.user.as_str()));
            let most = self.config.key_per_minute;
            self.count(request, Policy::Key, place, most).await?;
        }
        let place = Some(policy::tenant(&caller.tenant));
        self.count(request, Policy::Tenant, place, self.config.of_plan(caller.plan))
            .await
    }

    /// Counts a refusal for lack of a permission, which the audit chain is going to hold.
    ///
    /// # Errors
    ///
    /// Fails when the caller was refused too often; then the chain need not hold this one.
    pub(crate) async fn denial(&self, request: &HttpRequest, caller: &Caller) -> Result<(), Problem> {
        let place = Some(policy::denials(&caller.tenant, &caller.user));
        let most = self.config.denials_per_minute;
        self.count(request, Policy::Denials, place, most).await
    }

    async fn count(
        &self,
        request: &HttpRequest,
        policy: Policy,
        place: Option<LimitKey>,
        most: u32,
    ) -> Result<(), Problem> {
        if most == 0 {
            return Ok(());
        }
        let decision = match &place {
            Some(place) => self.limiter.check(place, Limit::per_minute(most)).await,
            // Every connection has an address, so this is none that anybody could make.
            None => Err(Unavailable::Late),
        };
        match decision {
            Ok(decision) => decide(request, policy, decision),
            Err(error) => {
                let is_open = self.config.on_failure == OnFailure::Open && policy != Policy::Attempts;
                tracing::debug!(%error, policy = policy.as_str(), is_open, "a request was not counted");
                if is_open {
                    return Ok(());
                }
                Err(Problem::unavailable(
                    "limit.unavailable",
                    "how often you have asked cannot be checked at the moment",
                ))
            }
        }
    }
}

/// Remembers for the answer what was counted, and refuses what is too much.
fn decide(request: &HttpRequest, policy: Policy, decision: Decision) -> Result<(), Problem> {
    let mut extensions = request.extensions_mut();
    match extensions.get_mut::<Counted>() {
        Some(counted) => counted.add(policy, decision),
        None => {
            let mut counted = Counted::default();
            counted.add(policy, decision);
            extensions.insert(counted);
        }
    }
    if decision.allowed {
        return Ok(());
    }
    ::metrics::counter!(metrics::RATE_LIMITED_TOTAL, "policy" => policy.as_str()).increment(1);
    let problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "limit.exceeded",
        format!(
            "{} has used up its limit of {} requests in {} seconds",
            policy.subject(),
            decision.limit.max_requests,
            counted::seconds(decision.limit.window()),
        ),
    );
    let retry = decision.retry_after.unwrap_or(decision.reset_after);
    Err(problem.with_retry_after(u32::try_from(counted::seconds(retry).max(1)).unwrap_or(u32::MAX)))
}

fn address(request: &HttpRequest) -> Option<std::net::IpAddr> {
    request.extensions().get::<ClientAddress>().map(|client| client.0)
}
