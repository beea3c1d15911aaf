//! The tenant as an agent.

use std::time::Duration;

use cluster::prelude::{ActorError, Result, Uuid};

use super::{
    env::RequestLimits,
    methods::{Look, Looked, Members, Refresh, UsageNow},
    view::{MembersPage, TenantState, UsageView},
};
use crate::{
    agents::{Agent, AgentCaller, AgentCtx, Callable, Connection, Method, Methods, Scope, When},
    limiter::{Lease, Limit, Limiter},
    membership::{self, GetRoomUsed, GetTenant, ListMembers, Membership},
    tenant::{self, GetCounts, Tenant},
    user::UserId,
};

/// How often the tenant is looked at as long as somebody is connected.
const LOOK: Duration = Duration::from_secs(30);
/// Members of a page where nothing is said.
const PAGE: u32 = 50;
/// Name of the limiter that counts the requests of the tenant.
pub(in crate::agents) const TENANT_LIMITER: &str = "tenant";

type Here<'a, 'c> = &'a mut AgentCtx<'c, TenantDesk>;

/// What a tenant is, for its members. It keeps nothing in memory.
#[derive(Debug)]
pub struct TenantDesk;

impl Agent for TenantDesk {
    const NAME: &'static str = "tenant";
    const ABOUT: &'static str = "Says what the tenant is, what it has room for and how much it uses.";
    const SCOPE: Scope = Scope::Tenant;
    const CLIENTS_SET_STATE: bool = false;
    type State = TenantState;
    type Env = RequestLimits;

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods
            .callable::<Refresh>()
            .callable::<Members>()
            .callable::<UsageNow>()
            .own::<Look>()
            .own::<Looked>()
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self)
    }

    async fn connect(&mut self, _: &Connection, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        ctx.schedule(When::Every(LOOK), &Look)?;
        look(ctx);
        Ok(())
    }
}

impl Callable<Refresh> for TenantDesk {
    async fn call(&mut self, Refresh: Refresh, ctx: &mut AgentCtx<'_, Self>) -> Result<TenantState> {
        let members = ctx.get_actor::<Membership>(membership::NAME);
        let profile = ctx.ask(&members, GetTenant).await?;
        let state = TenantState::new(&profile, ctx.env());
        take(&state, ctx)?;
        Ok(state)
    }
}

impl Callable<Members> for TenantDesk {
    async fn call(&mut self, Members { after, limit }: Members, ctx: &mut AgentCtx<'_, Self>) -> Result<MembersPage> {
        caller(ctx)?.require("user:view")?;
        let list = ListMembers {
            after: after.map(|user| UserId::new(&user)).transpose()?,
            limit: limit.unwrap_or(PAGE),
        };
        let members = ctx.get_actor::<Membership>(membership::NAME);
        let page = ctx.ask(&members, list).await?;
        Ok(MembersPage {
            items: page.items.into_iter().map(Into::into).collect(),
            next: page.next.map(|user| user.as_str().to_owned()),
        })
    }
}

impl Callable<UsageNow> for TenantDesk {
    async fn call(&mut self, UsageNow: UsageNow, ctx: &mut AgentCtx<'_, Self>) -> Result<UsageView> {
        let caller = caller(ctx)?;
        let members = ctx.get_actor::<Membership>(membership::NAME);
        let used = ctx.ask(&members, GetRoomUsed).await?;
        let counts = ctx.get_actor::<Tenant>(tenant::NAME);
        let counts = ctx.ask(&counts, GetCounts).await?;
        let profile = ctx.ask(&members, GetTenant).await?;
        let requests = match ctx.env().of_plan(profile.plan) {
            Some(most) => {
                let limiter = ctx.get_actor::<Limiter>(TENANT_LIMITER);
                let look = Lease {
                    want: 0,
                    limit: Limit::per_minute(most),
                };
                Some(ctx.ask(&limiter, look).await?.into())
            }
            None => None,
        };
        let if_may = |permission: &str, value: usize| caller.may(permission).then_some(value);
        Ok(UsageView {
            members: if_may("user:view", used.members),
            invitations: if_may("user:view", used.invitations),
            keys: if_may("key:view", used.keys),
            awaiting_runs: caller.may("decision:view").then_some(counts.awaiting),
            parked_ideas: caller.may("run:view").then_some(counts.parked),
            requests,
        })
    }
}

impl Callable<Look> for TenantDesk {
    async fn call(&mut self, Look: Look, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        if !ctx.connections()?.is_empty() {
            look(ctx);
            return Ok(());
        }
        let schedule = ctx.schedules().find(|schedule| schedule.method == Look::NAME);
        let schedule: Option<Uuid> = schedule.map(|schedule| schedule.id);
        schedule.map_or(Ok(()), |schedule| ctx.cancel(schedule).map(drop))
    }
}

impl Callable<Looked> for TenantDesk {
    async fn call(&mut self, Looked { state }: Looked, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        state.map_or(Ok(()), |state| take(&state, ctx))
    }
}

/// Whoever asks: what is not for everybody is told to nobody that is not known.
fn caller(ctx: Here<'_, '_>) -> Result<AgentCaller> {
    let nobody = || ActorError::forbidden("auth.permission", "nobody says on whose behalf this is asked");
    ctx.caller().cloned().ok_or_else(nobody)
}

/// Looks beside the mailbox.
fn look(ctx: Here<'_, '_>) {
    let members = ctx.get_actor::<Membership>(membership::NAME);
    let limits = *ctx.env();
    ctx.spawn(async move {
        let profile = members.ask(GetTenant).await;
        let profile = profile.inspect_err(|error| tracing::debug!(%error, "the tenant of an agent does not answer"));
        Looked {
            state: profile.ok().map(|profile| TenantState::new(&profile, &limits)),
        }
    });
}

/// Tells all who are connected, if it is news.
fn take(state: &TenantState, ctx: Here<'_, '_>) -> Result<()> {
    if ctx.state() == Some(state) {
        return Ok(());
    }
    ctx.set_state(state.clone())
}
