//! What the person decides about the tools: once, or for good.

use std::{collections::BTreeSet, time::Duration};

use cluster::prelude::{ActorError, Result, SocketId};

use super::{
    agent::{Chat, Here},
    message::{call_of, set_error},
    methods::{AllowTool, AllowedTools, Expire},
    protocol,
    rows::{ALLOWED, CallState, StoredCall, Turn},
    tool::Tool,
};
use crate::agents::{AgentCtx, Callable, Connection, When};

/// How long a tool waits for a decision.
const APPROVAL: Duration = Duration::from_hours(1);

impl Chat {
    /// The state of a call that waits for a decision.
    pub(super) fn waiting(&mut self, call: &str, approval: &str, ctx: Here<'_, '_>) -> Result<CallState> {
        let call = call.to_owned();
        let expiry = ctx.schedule_another(When::In(APPROVAL), &Expire { call })?.id;
        Ok(CallState::Waiting {
            approval: approval.to_owned(),
            expiry,
        })
    }

    /// The person has decided.
    pub(super) fn decide(
        &mut self,
        connection: &Connection,
        call: &str,
        is_approved: bool,
        goes_on: bool,
        ctx: Here<'_, '_>,
    ) -> Result<()> {
        let stored = self.calls.get(call).cloned();
        let Some((stored, approval)) = stored.and_then(|stored| match stored.state.clone() {
            CallState::Waiting { approval, .. } => Some((stored, approval)),
            CallState::Ready { .. } => None,
        }) else {
            return self.tell_of_call(connection.socket, call, ctx);
        };
        let StoredCall { tool, input, place, .. } = stored;
        self.calls.remove(call, ctx)?;
        let Some(mut message) = self.transcript.get(place).cloned() else {
            return Ok(());
        };
        let by = connection.caller.clone();
        let missing = Tool::find(&tool)
            .filter(|tool| !tool.is_for(&by))
            .and_then(Tool::permission);
        if let Some(part) = message.call_mut(call) {
            match missing {
                Some(permission) if is_approved => {
                    set_error(
                        part,
                        &format!("it needs the permission {permission}, which the approver does not have"),
                    );
                }
                _ => {
                    part["state"] = if is_approved {
                        "approval-responded"
                    } else {
                        "output-denied"
                    }
                    .into();
                    part["approval"] = serde_json::json!({ "id": approval, "approved": is_approved });
                }
            }
        }
        if is_approved && missing.is_none() {
            let state = CallState::Ready { by: by.clone() };
            let ready = StoredCall {
                tool,
                input,
                place,
                state,
            };
            self.calls.put(call, ready, ctx)?;
        }
        ctx.broadcast(protocol::updated(&message), None)?;
        let id = message.id.clone();
        self.transcript.put(place, message, ctx)?;
        if !goes_on || self.check_waiting().is_err() {
            return Ok(());
        }
        let turn = Turn {
            request: format!("continuation-{}", ctx.uuid()),
            message: id,
            place,
            caller: by,
            is_continuation: true,
            attempt: 0,
            steps: 0,
            chunks: 0,
            call: None,
        };
        self.owners.insert(turn.request.clone(), connection.socket);
        self.enqueue(turn, ctx)
    }

    /// Tells a client what has become of a call.
    pub(super) fn tell_of_call(&self, socket: SocketId, call: &str, ctx: Here<'_, '_>) -> Result<()> {
        let mut messages = self.transcript.between(0, u64::MAX).rev();
        let of_call = messages.find(|(_, message)| message.parts.iter().any(|part| call_of(part) == Some(call)));
        of_call.map_or(Ok(()), |(_, message)| ctx.send(socket, protocol::updated(message)))
    }
}

impl Callable<Expire> for Chat {
    async fn call(&mut self, Expire { call }: Expire, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        let is_waiting = |stored: &StoredCall| matches!(stored.state, CallState::Waiting { .. });
        if self.calls.get(&call).is_some_and(is_waiting) {
            self.give_up(&call, "nobody decided about it in time", ctx)?;
        }
        Ok(())
    }
}

impl Callable<AllowTool> for Chat {
    async fn call(
        &mut self,
        AllowTool { tool, is_allowed }: AllowTool,
        ctx: &mut AgentCtx<'_, Self>,
    ) -> Result<BTreeSet<String>> {
        let Some(caller) = ctx.caller().cloned() else {
            return Err(ActorError::forbidden(
                "chat.allow",
                "only a person allows a tool for good",
            ));
        };
        let found = Tool::find(&tool).filter(|tool| tool.is_write());
        let found = found.ok_or_else(|| ActorError::invalid("chat.tool", "there is no such tool that asks"))?;
        if let (true, Some(permission)) = (is_allowed, found.permission()) {
            caller.require(permission)?;
        }
        if is_allowed {
            self.allowed.insert(tool);
        } else {
            self.allowed.remove(&tool);
        }
        ctx.put(&ALLOWED, &self.allowed)?;
        Ok(self.allowed.clone())
    }
}

impl Callable<AllowedTools> for Chat {
    async fn call(&mut self, AllowedTools: AllowedTools, _: &mut AgentCtx<'_, Self>) -> Result<BTreeSet<String>> {
        Ok(self.allowed.clone())
    }
}
