//! Limits by name, as an agent.

use cluster::prelude::{ActorError, ActorRef, Result};

use super::{
    methods::{Check, Define, ListLimits, Remove},
    view::{LimitView, LimitsState, LimitsView, Named, Standing},
};
use crate::{
    agents::{
        Agent, AgentCtx, Callable, Methods, Scope,
        tenant::{RequestLimits, TENANT_LIMITER},
    },
    limiter::{self, Lease, Limit, Limiter},
    membership::{self, GetTenant, Membership},
};

/// Most limits of one agent.
pub const LIMITS_MAX: usize = 32;
/// Longest name of a limit, in characters.
const NAME_MAX: usize = 64;
/// What the users that are API keys begin with, and their limiters too.
const KEY: &str = "key:";
/// The permission to change limits.
const CONFIGURE: &str = "tenant:configure";

type Here<'a, 'c> = &'a mut AgentCtx<'c, Pacer>;

/// Limits by name. It keeps nothing in memory beside its state.
#[derive(Debug)]
pub struct Pacer;

impl Agent for Pacer {
    const NAME: &'static str = "limiter";
    const ABOUT: &'static str = "Paces clients and agents of the tenant by limits with names.";
    const SCOPE: Scope = Scope::Tenant;
    const CLIENTS_SET_STATE: bool = false;
    type State = LimitsState;
    type Env = RequestLimits;

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods
            .callable::<Check>()
            .callable::<ListLimits>()
            .callable::<Define>()
            .callable::<Remove>()
    }

    fn initial_state() -> Option<LimitsState> {
        Some(LimitsState::default())
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self)
    }
}

impl Callable<Check> for Pacer {
    async fn call(&mut self, Check { name }: Check, ctx: &mut AgentCtx<'_, Self>) -> Result<Standing> {
        let limit = find(&name, ctx)?.into();
        let counts = counter(&name, ctx);
        Ok(ctx.ask(&counts, limiter::Check { limit }).await?.into())
    }
}

impl Callable<ListLimits> for Pacer {
    async fn call(&mut self, ListLimits: ListLimits, ctx: &mut AgentCtx<'_, Self>) -> Result<LimitsView> {
        let limits = ctx.state().cloned().unwrap_or_default().limits;
        let mut items = Vec::with_capacity(limits.len());
        for (name, limit) in limits {
            let counts = counter(&name, ctx);
            let standing = look(&counts, limit.into(), ctx).await?;
            items.push(Named { name, standing });
        }
        Ok(LimitsView {
            tenant: of_tenant(ctx).await?,
            key: of_key(ctx).await?,
            items,
        })
    }
}

impl Callable<Define> for Pacer {
    async fn call(&mut self, define: Define, ctx: &mut AgentCtx<'_, Self>) -> Result<LimitView> {
        require(ctx)?;
        let Define {
            name,
            window_ms,
            max_requests,
        } = define;
        let is_name = !name.is_empty()
            && name.len() <= NAME_MAX
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_name {
            return Err(ActorError::invalid(
                "limiter.name",
                format!("a limit is named by 1 to {NAME_MAX} letters, digits, hyphens, underscores and dots"),
            ));
        }
        let limit = Limit {
            window_ms,
            max_requests,
        };
        let limit = LimitView::from(limit.check()?);
        let mut state = ctx.state().cloned().unwrap_or_default();
        if !state.limits.contains_key(&name) && state.limits.len() >= LIMITS_MAX {
            return Err(ActorError::conflict(
                "limiter.too-many",
                format!("an agent has at most {LIMITS_MAX} limits"),
            ));
        }
        state.limits.insert(name, limit);
        ctx.set_state(state)?;
        Ok(limit)
    }
}

impl Callable<Remove> for Pacer {
    async fn call(&mut self, Remove { name }: Remove, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        require(ctx)?;
        find(&name, ctx)?;
        let mut state = ctx.state().cloned().unwrap_or_default();
        state.limits.remove(&name);
        ctx.set_state(state)
    }
}

/// Refuses whoever does not look after the tenant.
fn require(ctx: Here<'_, '_>) -> Result<()> {
    match ctx.caller() {
        Some(caller) => caller.require(CONFIGURE),
        None => Err(ActorError::forbidden(
            "auth.permission",
            "nobody says on whose behalf this is asked",
        )),
    }
}

fn find(name: &str, ctx: Here<'_, '_>) -> Result<LimitView> {
    let limit = ctx.state().and_then(|state| state.limits.get(name)).copied();
    limit.ok_or_else(|| ActorError::not_found("limiter.unknown", "the agent has no such limit"))
}

/// What counts for a limit of this agent.
fn counter(name: &str, ctx: Here<'_, '_>) -> ActorRef<Limiter> {
    ctx.get_actor(&format!("agent:{}/{name}", ctx.name()))
}

/// How the requests of the tenant stand.
async fn of_tenant(ctx: Here<'_, '_>) -> Result<Option<Standing>> {
    let members = ctx.get_actor::<Membership>(membership::NAME);
    let profile = ctx.ask(&members, GetTenant).await?;
    let Some(most) = ctx.env().of_plan(profile.plan) else {
        return Ok(None);
    };
    let counts = ctx.get_actor(TENANT_LIMITER);
    look(&counts, Limit::per_minute(most), ctx).await.map(Some)
}

/// How the requests of the API key stand that asks.
async fn of_key(ctx: Here<'_, '_>) -> Result<Option<Standing>> {
    let key = ctx.caller().map(|caller| caller.user.clone());
    match (key.filter(|user| user.starts_with(KEY)), ctx.env().key) {
        (Some(key), Some(most)) => {
            let counts = ctx.get_actor(&key);
            look(&counts, Limit::per_minute(most), ctx).await.map(Some)
        }
        _ => Ok(None),
    }
}

async fn look(counts: &ActorRef<Limiter>, limit: Limit, ctx: Here<'_, '_>) -> Result<Standing> {
    Ok(Standing::seen(ctx.ask(counts, Lease { want: 0, limit }).await?))
}
