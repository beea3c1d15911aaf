//! What a chat says without being asked: reminders, and notices of others.

use cluster::prelude::{ActorError, Result};
use serde_json::{Value, json};

use super::{
    agent::{Chat, Here},
    message::UiMessage,
    methods::{Notice, Remind},
    prompt::cut,
};
use crate::{
    agents::{Agent, AgentAddress, AgentCtx, CallAgent, Callable, Method},
    user::UserId,
};

/// Name of the chat of a person that notices arrive in.
pub const INBOX: &str = "inbox";

/// Longest notice, in characters.
const TEXT_MAX: usize = 2000;

/// Sends a notice into the inbox of a member: exactly once, with the turn.
///
/// # Errors
/// As [`AgentCtx::send_actor`]; `agent.name` if the inbox has no address.
pub(in crate::agents) fn send_notice<A: Agent>(to: UserId, notice: &Notice, ctx: &mut AgentCtx<'_, A>) -> Result<()> {
    let address = AgentAddress::new(Chat::NAME, Some(to), INBOX)?;
    let message = CallAgent {
        caller: None,
        method: Notice::NAME.to_owned(),
        args: json!([notice]).to_string(),
    };
    let inbox = ctx.get_agent(&address);
    ctx.send_actor(&inbox, message)
}

impl Chat {
    fn say_unasked(&mut self, text: &str, metadata: Value, ctx: Here<'_, '_>) -> Result<()> {
        let message = UiMessage::own(format!("msg-{}", ctx.uuid()), text, metadata);
        // Whoever is told has not said it: the oldest makes room.
        self.transcript.make_room(message.to_json()?.len(), ctx)?;
        let place = self.next_place();
        self.transcript.put(place, message, ctx)?;
        self.tell_messages(None, ctx)
    }
}

impl Callable<Remind> for Chat {
    async fn call(&mut self, Remind { text }: Remind, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        self.say_unasked(&format!("Reminder: {text}"), json!({ "kind": "reminder" }), ctx)
    }
}

impl Callable<Notice> for Chat {
    async fn call(&mut self, Notice { from, text }: Notice, ctx: &mut AgentCtx<'_, Self>) -> Result<()> {
        if ctx.caller().is_some() {
            return Err(ActorError::forbidden(
                "chat.notice",
                "notices come from other actors of the tenant",
            ));
        }
        let text = format!("{from}: {}", cut(&text, TEXT_MAX));
        self.say_unasked(&text, json!({ "kind": "notice", "from": from }), ctx)
    }
}
