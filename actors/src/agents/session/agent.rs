//! The sessions of a person as an agent.

use std::time::Duration;

use cluster::prelude::{ActorError, Result, Uuid};

use super::{
    env::SessionEnv,
    methods::{ListDevices, Look, Looked, Revoke, RevokeOthers, Whoami},
    view::{Device, DeviceList, Me, SessionsState},
};
use crate::{
    account::{KnownSession, Which},
    agents::{Admission, Agent, AgentCaller, AgentCtx, Callable, Connection, Method, Methods, When},
};

/// How often the sessions are looked at as long as somebody is connected.
const LOOK: Duration = Duration::from_secs(30);
/// Close code after which clients do not come back (RFC 6455: a policy was violated).
const POLICY: u16 = 1008;

type Here<'a, 'c> = &'a mut AgentCtx<'c, Devices>;

/// The sessions of a person. It keeps nothing in memory.
#[derive(Debug)]
pub struct Devices;

impl Agent for Devices {
    const NAME: &'static str = "session";
    const ABOUT: &'static str = "Says who you are and where you are signed in, and signs you out.";
    const CLIENTS_SET_STATE: bool = false;
    type State = SessionsState;
    type Env = SessionEnv;

    fn methods(methods: Methods<Self>) -> Methods<Self> {
        methods
            .callable::<Whoami>()
            .callable::<ListDevices>()
            .callable::<Revoke>()
            .callable::<RevokeOthers>()
            .own::<Look>()
            .own::<Looked>()
    }

    async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
        Ok(Self)
    }

    fn admit(&mut self, connection: &Connection, _: &mut AgentCtx<'_, Self>) -> Result<Admission> {
        session_of(Some(&connection.caller))?;
        Ok(Admission::default())
    }

    async fn connect(&mut self, connection: &Connection, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        ctx.schedule(When::Every(LOOK), &Look)?;
        look(session_of(Some(&connection.caller))?, ctx);
        Ok(())
    }
}

impl Callable<Whoami> for Devices {
    async fn call(&mut self, Whoami: Whoami, ctx: &mut AgentCtx<'_, Self>) -> Result<Me> {
        let session = session_of(ctx.caller())?;
        let state = ctx.env().0.look(session).await?;
        Ok(Me {
            user: state.user.as_str().to_owned(),
            email: state.email.as_str().to_owned(),
            tenant: state.tenant.map(|tenant| tenant.as_str().to_owned()),
            session: session.to_string(),
            device: state.device,
            opened_at: state.opened.as_secs(),
            seen_at: state.seen.as_secs(),
            expires_at: state.expires.as_secs(),
        })
    }
}

impl Callable<ListDevices> for Devices {
    async fn call(&mut self, ListDevices: ListDevices, ctx: &mut AgentCtx<'_, Self>) -> Result<DeviceList> {
        let session = session_of(ctx.caller())?;
        let items = devices(ctx.env().0.list(session).await?);
        take(&items, ctx)?;
        Ok(DeviceList {
            current: session.to_string(),
            items,
        })
    }
}

impl Callable<Revoke> for Devices {
    async fn call(&mut self, Revoke { session }: Revoke, ctx: &mut AgentCtx<'_, Self>) -> Result<Vec<String>> {
        let unknown = |_| ActorError::not_found("session.unknown", "there is no such session");
        let session = Uuid::parse_str(&session).map_err(unknown)?;
        close(Which::One(session), ctx).await
    }
}

impl Callable<RevokeOthers> for Devices {
    async fn call(&mut self, RevokeOthers: RevokeOthers, ctx: &mut AgentCtx<'_, Self>) -> Result<Vec<String>> {
        let own = session_of(ctx.caller())?;
        close(Which::Others(own), ctx).await
    }
}

impl Callable<Look> for Devices {
    async fn call(&mut self, Look: Look, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let connections = ctx.connections()?;
        let session = connections.iter().find_map(|connection| connection.caller.session());
        if let Some(session) = session {
            look(session, ctx);
            return Ok(());
        }
        let schedule = ctx.schedules().find(|schedule| schedule.method == Look::NAME);
        let schedule: Option<Uuid> = schedule.map(|schedule| schedule.id);
        schedule.map_or(Ok(()), |schedule| ctx.cancel(schedule).map(drop))
    }
}

impl Callable<Looked> for Devices {
    async fn call(&mut self, Looked { devices }: Looked, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        devices.map_or(Ok(()), |devices| take(&devices, ctx))
    }
}

/// Closes sessions, and the connections of whoever came by them.
async fn close(which: Which, ctx: Here<'_, '_>) -> Result<Vec<String>> {
    let own = session_of(ctx.caller())?;
    let closed = ctx.env().0.close(own, which).await?;
    for connection in ctx.connections()? {
        let is_over = |session: Uuid| session != own && closed.contains(&session);
        if connection.caller.session().is_some_and(is_over) {
            ctx.close(connection.socket, POLICY, "auth.signed-out")?;
        }
    }
    let ids: Vec<String> = closed.iter().map(Uuid::to_string).collect();
    if let Some(state) = ctx.state() {
        let left = state.devices.iter().filter(|device| !ids.contains(&device.id));
        let left: Vec<Device> = left.cloned().collect();
        take(&left, ctx)?;
    }
    Ok(ids)
}

/// The session of whoever asks.
fn session_of(caller: Option<&AgentCaller>) -> Result<Uuid> {
    caller.and_then(AgentCaller::session).ok_or_else(|| {
        ActorError::forbidden(
            "auth.no-session",
            "this is for people who are signed in, and what was shown is no session",
        )
    })
}

/// Looks beside the mailbox.
fn look(session: Uuid, ctx: Here<'_, '_>) {
    let listed = ctx.env().0.list(session);
    ctx.spawn(async move {
        let listed = listed.await;
        let listed = listed.inspect_err(|error| tracing::debug!(%error, "the sessions of a person are not told"));
        Looked {
            devices: listed.ok().map(devices),
        }
    });
}

fn devices(known: Vec<KnownSession>) -> Vec<Device> {
    known.into_iter().map(Device::from).collect()
}

/// Tells all who are connected, if it is news.
fn take(devices: &[Device], ctx: Here<'_, '_>) -> Result<()> {
    if ctx.state().is_some_and(|state| state.devices == devices) {
        return Ok(());
    }
    ctx.set_state(SessionsState {
        devices: devices.to_vec(),
    })
}
