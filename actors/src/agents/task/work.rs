//! What a task does, beside the mailbox of its queue.

use std::collections::BTreeSet;

use cluster::prelude::{ActorError, ActorRef, ErrorKind, IdempotencyKey, Result, TenantId, Uuid};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};

use super::{
    agent::Here,
    env::Grants,
    job::{Job, START_RUN, not_callable},
    methods::Broken,
    rows::StoredTask,
    view::Failure,
};
use crate::{
    agents::{AgentActor, AgentCaller, CallAgent},
    api_key::Scope,
    membership::{self, GetKey, GetMember, GetTenant, Membership},
    records::{Mode, RunConfig},
    role::TenantStatus,
    run::{Run, StartRun},
    user::UserId,
};

/// Longest result that is kept, as JSON.
const RESULT_BYTES_MAX: usize = 4 * 1024;
/// Namespace of what follows from a task: the id of a run, the key of a call.
const TASKS: Uuid = Uuid::from_u128(0x51c7_9b0e_3d64_4a8f_b21d_70e6_4f93_ac15);
/// The permission without which nobody has anything done by an agent.
const USE_AGENTS: &str = "agent:use";
/// What the users that are API keys begin with.
const KEY: &str = "key:";

/// The attempt at a task.
pub(super) fn attempt(
    number: u64,
    task: &StoredTask,
    ctx: Here<'_, '_>,
) -> BoxFuture<'static, std::result::Result<Value, Broken>> {
    let work = begin(number, task, ctx);
    async move { work?.await.map_err(Broken::from) }.boxed()
}

fn begin(
    number: u64,
    task: &StoredTask,
    ctx: Here<'_, '_>,
) -> std::result::Result<BoxFuture<'static, Result<Value>>, Broken> {
    let members = ctx.get_actor::<Membership>(membership::NAME);
    let authority = Authority {
        members: members.clone(),
        grants: ctx.env().grants,
        tenant: ctx.tenant().clone(),
        by: task.by.clone(),
    };
    let place = format!("{}/{}/{number}", ctx.tenant(), ctx.address().actor(ctx.tenant()).name());
    let work = match Job::read(&task.job)? {
        Job::StartRun { idea } => {
            // The same task starts the same run, and a run is started once.
            let run = Uuid::new_v5(&TASKS, place.as_bytes()).to_string();
            start_run(authority, ctx.get_actor(&run), idea).boxed()
        }
        Job::CallAgent {
            agent,
            name,
            method,
            args,
        } => {
            if !ctx.env().may_call(&agent, &method) {
                return Err(not_callable().into());
            }
            let agent_ref = ctx.get_agent(&ctx.agent_called(&agent, &name)?);
            let key = Uuid::new_v5(&TASKS, format!("{place}/{}", task.generation).as_bytes());
            let args = Job::call_args(&agent, &method, &args, task.depth);
            call_agent(authority, agent_ref, key, method, args).boxed()
        }
        Job::Notify { member, .. } => {
            let member = UserId::new(&member)?;
            find_member(authority, members, member).boxed()
        }
    };
    Ok(work)
}

async fn start_run(authority: Authority, run: ActorRef<Run>, idea: String) -> Result<Value> {
    authority.confirmed().await?.require(START_RUN)?;
    let start = StartRun {
        idea: idea.trim().to_owned(),
        mode: Mode::Cloud,
        config: RunConfig::default(),
        origin: None,
    };
    let started = run.ask(start).await?;
    Ok(json!({ "run": started.id, "status": started.status.as_str() }))
}

async fn call_agent(
    authority: Authority,
    agent: ActorRef<AgentActor>,
    key: Uuid,
    method: String,
    args: String,
) -> Result<Value> {
    let call = CallAgent {
        caller: Some(authority.confirmed().await?),
        method,
        args,
    };
    let key = IdempotencyKey::new(&format!("task/{key}"))?;
    let answer = agent.ask_idempotent(&key, call).await?;
    if answer.len() > RESULT_BYTES_MAX {
        return Ok(json!({ "omitted_bytes": answer.len() }));
    }
    Ok(serde_json::from_str(&answer).unwrap_or_default())
}

/// Only looks whether there is such a member: the notice itself leaves with the turn that notes the task as done.
async fn find_member(authority: Authority, members: ActorRef<Membership>, member: UserId) -> Result<Value> {
    authority.confirmed().await?;
    let notified = json!({ "notified": member.as_str() });
    members.ask(GetMember { user: member }).await?;
    Ok(notified)
}

/// On whose behalf a task is done, as they stand by now.
struct Authority {
    members: ActorRef<Membership>,
    grants: Grants,
    tenant: TenantId,
    by: AgentCaller,
}

impl Authority {
    /// Whoever gave the task, with what they could do then and still can.
    async fn confirmed(self) -> Result<AgentCaller> {
        let (scope, status) = match self.by.user.strip_prefix(KEY) {
            Some(key) => {
                let key =
                    Uuid::parse_str(key).map_err(|_| ActorError::not_found("key.unknown", "there is no such key"))?;
                let entry = self.members.ask(GetKey { key }).await?;
                (entry.scope, self.members.ask(GetTenant).await?.status)
            }
            None => {
                let user = UserId::new(&self.by.user)?;
                let standing = self.members.ask(GetMember { user }).await?;
                (Scope::Role(standing.role), standing.status)
            }
        };
        if status == TenantStatus::Suspended {
            return Err(ActorError::forbidden("tenant.suspended", "the tenant is suspended"));
        }
        let granted = (self.grants)(&scope, &self.tenant);
        let permissions: BTreeSet<String> = self.by.permissions.intersection(&granted).cloned().collect();
        let caller = AgentCaller {
            user: self.by.user,
            permissions,
        };
        caller.require(USE_AGENTS)?;
        Ok(caller)
    }
}

impl From<ActorError> for Broken {
    fn from(error: ActorError) -> Self {
        let is_unknown = error.kind() == ErrorKind::Unknown;
        // Under a key that has an outcome already there is nothing more to be had.
        let is_settled = error.code().starts_with("idempotency.");
        let may_pass = match error.kind() {
            ErrorKind::Overloaded
            | ErrorKind::Deadline
            | ErrorKind::Retryable
            | ErrorKind::Unknown
            | ErrorKind::Internal => !is_settled,
            ErrorKind::Invalid
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Forbidden
            | ErrorKind::TooLarge
            | ErrorKind::Unsupported => false,
        };
        Self {
            failure: Failure {
                code: error.code().to_owned(),
                message: error.message().to_owned(),
            },
            may_pass,
            is_unknown,
        }
    }
}
